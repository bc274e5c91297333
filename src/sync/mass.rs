//! When so many mailboxes of a profile have failed within an hour that it is the profile's trouble: one alert to whoever owns the
//! profile. The rule is the vendor's: "more than 50 % of the mailboxes failed to synchronize within one hour".

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::alert::{Alert, AlertLevel, Trouble, TroubleChanges};
use crate::model::failure::FailureSummary;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::OperationState;
use crate::model::profile::Profile;
use crate::model::stored::{StoredMailbox, StoredOperation};

/// Mailboxes that are named as examples.
const EXAMPLES: usize = 3;
/// One mailbox that fails is nobody else's trouble.
const FAILING_MIN: usize = 2;

#[derive(Default)]
struct Count<'a> {
    owner: Option<&'a Profile>,
    /// Those with an operation that is wanted.
    wanted: usize,
    /// Those that failed within the last hour, whether they work again or not.
    lately: Vec<&'a Name>,
    /// Those that do not work now, however long ago they were last tried.
    failing: Vec<(&'a Name, &'a FailureSummary)>,
}

impl<'a> Count<'a> {
    fn add(&mut self, mailbox: &'a StoredMailbox, now: Timestamp) {
        let wanted =
            || mailbox.operations.values().filter(|one| !matches!(one.state, OperationState::Off(_)));
        let name = &mailbox.declared.name;
        self.wanted += usize::from(wanted().next().is_some());
        self.lately.extend(wanted().any(|one| has_failed_lately(one, now)).then_some(name));
        let failure = wanted().find_map(|one| one.state.failure());
        self.failing.extend(failure.map(|failure| (name, failure)));
    }

    fn is_most(&self, part: usize) -> bool {
        part * 2 > self.wanted
    }
}

/// A time that is still to come is one of a clock that was ahead, and says nothing.
fn has_failed_lately(operation: &StoredOperation, now: Timestamp) -> bool {
    // What an earlier version has stored tells only since when it has not worked.
    let standing = operation.state.failure().map(|_| operation.changed_at);
    let window = SignedDuration::try_from(limits::MASS_FAILURE_WINDOW).unwrap_or(SignedDuration::MAX);
    operation.failed_at.or(standing).is_some_and(|at| at <= now && now.duration_since(at) < window)
}

/// Judges every profile that declares `massFailure`. `standing`: the troubles that were told before. One that was told has ended
/// when half of the mailboxes or less failed lately, and half or less do not work now: what is disabled is tried too seldom to be
/// told by the hour.
pub fn judge<'a>(
    mailboxes: impl Iterator<Item = (&'a Profile, &'a StoredMailbox)>,
    standing: &BTreeSet<(Name, Trouble)>,
    now: Timestamp,
) -> TroubleChanges {
    let mut counts: BTreeMap<&Name, Count<'_>> = BTreeMap::new();
    for (profile, mailbox) in mailboxes.filter(|(profile, _)| profile.mass_failure_alert) {
        let count = counts.entry(&profile.name).or_default();
        count.owner = Some(profile);
        count.add(mailbox, now);
    }
    let mut changes = TroubleChanges::default();
    for (name, count) in &counts {
        let trouble = ((*name).clone(), Trouble::MassFailure);
        let is_told = standing.contains(&trouble);
        let has_begun = count.is_most(count.lately.len()) && count.lately.len() >= FAILING_MIN;
        if is_told && !count.is_most(count.lately.len()) && !count.is_most(count.failing.len()) {
            changes.ended.push(trouble);
        } else if let (true, false, Some(profile)) = (has_begun, is_told, count.owner) {
            changes.alerts.push(alert(profile, count, now));
            changes.begun.push(trouble);
        }
    }
    // Those of profiles that have no mailbox any more, or ask for no alert.
    let is_forgotten =
        |(name, trouble): &&(Name, Trouble)| *trouble == Trouble::MassFailure && !counts.contains_key(name);
    changes.ended.extend(standing.iter().filter(is_forgotten).cloned());
    changes
}

/// What most of those that do not work now have in common, with examples; of those that work again no reason is known.
fn found_of<'a>(count: &Count<'a>) -> (String, Vec<&'a str>) {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, failure) in &count.failing {
        *codes.entry(&failure.code).or_default() += 1;
    }
    let Some((code, times)) = codes.into_iter().max_by_key(|(_, times)| *times) else {
        return (
            "all of them work again".to_owned(),
            count.lately.iter().map(|name| name.as_str()).collect(),
        );
    };
    let of_code = count.failing.iter().filter(|(_, failure)| failure.code == code);
    let words = format!("{} do not work now, {times} of them with `{code}`", count.failing.len());
    (words, of_code.map(|(name, _)| name.as_str()).collect())
}

fn alert(profile: &Profile, count: &Count<'_>, now: Timestamp) -> Alert {
    let (found, mut examples) = found_of(count);
    examples.truncate(EXAMPLES);
    let cause = format!(
        "{} of {} mailboxes failed within an hour; {found}, for example {}",
        count.lately.len(),
        count.wanted,
        examples.join(", ")
    );
    let example = examples.first().copied().unwrap_or("NAME");
    Alert {
        at: now,
        level: AlertLevel::Error,
        code: Trouble::MassFailure.code().to_owned(),
        mailbox: None,
        profile: Some(profile.name.clone()),
        operation: None,
        owners: vec![profile.owner.clone()],
        cause,
        remedy: format!(
            "look for what they have in common (the server, the way to it, a change of its logins): `mailplumb doctor {example}` shows \
             each step; `mailplumb status --profile {}` lists them",
            profile.name
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::model::failure::{Nature, Scope};
    use crate::model::operation::OffReason;

    const HOUR: i64 = 3600;

    fn profile(mass_failure: bool) -> Profile {
        serde_json::from_value(serde_json::json!({
            "name": "p", "labels": {}, "displayName": null, "description": null, "owner": "own@x.test", "active": true,
            "server": { "imapSmtp": { "trust": null, "outgoing": null, "incoming": { "host": "h", "port": null, "tls": "implicit",
                "authentication": "auto", "credentials": "mailbox", "timeoutSeconds": null } } },
            "processing": { "from": null, "maxConcurrentConnections": 10, "minPollingIntervalMinutes": 5 },
            "massFailureAlert": mass_failure
        }))
        .unwrap()
    }

    fn disabled(code: &str) -> OperationState {
        OperationState::Disabled(samples::failure(code, (Nature::Permanent, Scope::Mailbox)))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// An operation in this state that failed last at this second.
    fn failed(state: OperationState, second: i64) -> StoredOperation {
        StoredOperation { failed_at: Some(at(second)), ..samples::operation(state) }
    }

    fn works() -> StoredOperation {
        samples::operation(OperationState::Enabled)
    }

    fn judged(
        (profile, second): (&Profile, i64),
        operations: &[StoredOperation],
        standing: &BTreeSet<(Name, Trouble)>,
    ) -> TroubleChanges {
        let named = |(number, operation): (usize, &StoredOperation)| {
            samples::mailbox(&format!("m{number}"), operation.clone())
        };
        let mailboxes: Vec<StoredMailbox> = operations.iter().enumerate().map(named).collect();
        judge(mailboxes.iter().map(|mailbox| (profile, mailbox)), standing, at(second))
    }

    fn told() -> BTreeSet<(Name, Trouble)> {
        BTreeSet::from([(Name::parse("p").unwrap(), Trouble::MassFailure)])
    }

    #[test]
    fn more_than_half_is_told_once_to_the_profiles_owner_with_number_and_examples() {
        let off = OperationState::Off(OffReason::NotApproved);
        let operations = [
            failed(disabled("login-refused"), 10),
            failed(disabled("login-refused"), 10),
            failed(disabled("timed-out"), 10),
            works(),
            failed(off, 10),
        ];
        let changes = judged((&profile(true), 20), &operations, &BTreeSet::new());
        let [alert] = &changes.alerts[..] else { panic!("{changes:?}") };
        assert_eq!(
            alert.cause,
            "3 of 4 mailboxes failed within an hour; 3 do not work now, 2 of them with `login-refused`, for example m0, m1"
        );
        assert_eq!((alert.owners[0].as_str(), alert.mailbox.as_ref()), ("own@x.test", None));
        let standing = changes.begun.iter().cloned().collect();
        let after = judged((&profile(true), 20), &operations, &standing);
        assert!(after.is_empty(), "it stands, and is told once");
        assert!(judged((&profile(false), 20), &operations, &told()).alerts.is_empty(), "nobody asked for it");
    }

    #[test]
    fn what_failed_one_after_the_other_within_the_hour_counts_also_when_it_works_again() {
        let operations = [
            failed(OperationState::Enabled, 0),
            failed(OperationState::Enabled, HOUR / 2),
            failed(OperationState::Enabled, HOUR - 1),
            works(),
        ];
        let changes = judged((&profile(true), HOUR - 1), &operations, &BTreeSet::new());
        let [alert] = &changes.alerts[..] else { panic!("{changes:?}") };
        assert_eq!(
            alert.cause,
            "3 of 4 mailboxes failed within an hour; all of them work again, for example m0, m1, m2"
        );
        let later = judged((&profile(true), HOUR), &operations, &BTreeSet::new());
        assert!(later.is_empty(), "the first one is an hour ago: {later:?}");
        assert_eq!(judged((&profile(true), HOUR), &operations, &told()).ended.len(), 1);
        let ahead = judged((&profile(true), -1), &operations, &BTreeSet::new());
        assert!(ahead.is_empty(), "times of a clock that was ahead: {ahead:?}");
    }

    #[test]
    fn what_has_not_worked_for_long_begins_nothing_and_ends_nothing() {
        let operations = [failed(disabled("x"), 0), failed(disabled("x"), 0), works()];
        assert!(judged((&profile(true), 2 * HOUR), &operations, &BTreeSet::new()).is_empty());
        assert!(judged((&profile(true), 2 * HOUR), &operations, &told()).is_empty());
        // A store of an earlier version tells only since when.
        let former = [samples::operation(disabled("x")), samples::operation(disabled("x"))];
        assert_eq!(judged((&profile(true), 5), &former, &BTreeSet::new()).begun.len(), 1);
    }

    #[test]
    fn half_is_not_most_and_ends_it() {
        let half = [failed(disabled("x"), 0), failed(disabled("x"), 0), works(), works()];
        assert!(judged((&profile(true), 1), &half, &BTreeSet::new()).is_empty());
        let changes = judged((&profile(true), 1), &half, &told());
        assert_eq!((changes.ended.len(), changes.alerts.len()), (1, 0));
        assert_eq!(
            judged((&profile(false), 1), &half, &told()).ended.len(),
            1,
            "nobody asks for it any more"
        );
        let one = [failed(disabled("x"), 0)];
        assert!(judged((&profile(true), 1), &one, &BTreeSet::new()).is_empty(), "one is not many");
    }
}
