//! When so many mailboxes of a profile fail that it is the profile's trouble: one alert to whoever owns the profile.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::alert::{Alert, AlertLevel, Trouble, TroubleChanges};
use crate::model::failure::FailureSummary;
use crate::model::name::Name;
use crate::model::operation::OperationState;
use crate::model::profile::Profile;
use crate::model::stored::StoredMailbox;

/// Mailboxes that are named as examples.
const EXAMPLES: usize = 3;
/// One mailbox that fails is nobody else's trouble.
const FAILING_MIN: usize = 2;

#[derive(Default)]
struct Count<'a> {
    owner: Option<&'a Profile>,
    /// Those with an operation that is wanted.
    wanted: usize,
    failing: Vec<(&'a Name, &'a FailureSummary)>,
}

/// Judges every profile that declares `massFailure`. `standing`: the troubles that were told before.
pub fn judge<'a>(
    mailboxes: impl Iterator<Item = (&'a Profile, &'a StoredMailbox)>,
    standing: &BTreeSet<(Name, Trouble)>,
    now: Timestamp,
) -> TroubleChanges {
    let mut counts: BTreeMap<&Name, Count<'_>> = BTreeMap::new();
    for (profile, mailbox) in mailboxes.filter(|(profile, _)| profile.mass_failure_alert) {
        let count = counts.entry(&profile.name).or_default();
        count.owner = Some(profile);
        let states = || mailbox.operations.values().map(|operation| &operation.state);
        count.wanted += usize::from(states().any(|state| !matches!(state, OperationState::Off(_))));
        let failure = states().find_map(OperationState::failure);
        count.failing.extend(failure.map(|failure| (&mailbox.declared.name, failure)));
    }
    let mut changes = TroubleChanges::default();
    for (name, count) in &counts {
        let trouble = ((*name).clone(), Trouble::MassFailure);
        let is_told = standing.contains(&trouble);
        let is_mass = count.failing.len() * 2 > count.wanted;
        if is_told && !is_mass {
            changes.ended.push(trouble);
        } else if let (true, false, Some(profile)) =
            (is_mass && count.failing.len() >= FAILING_MIN, is_told, count.owner)
        {
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

fn alert(profile: &Profile, count: &Count<'_>, now: Timestamp) -> Alert {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, failure) in &count.failing {
        *codes.entry(&failure.code).or_default() += 1;
    }
    let most = codes.iter().max_by_key(|(_, times)| **times);
    let (code, times) = most.map_or(("", 0), |(code, times)| (*code, *times));
    let of_code = count.failing.iter().filter(|(_, failure)| failure.code == code);
    let examples: Vec<&str> = of_code.take(EXAMPLES).map(|(name, _)| name.as_str()).collect();
    let cause = format!(
        "{} of {} mailboxes do not work, {times} of them with `{code}`, for example {}",
        count.failing.len(),
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::failure::{Nature, Scope, TestStep};
    use crate::model::operation::{OffReason, Operation};
    use crate::model::stored::StoredOperation;

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

    fn mailbox(name: &str, state: OperationState) -> StoredMailbox {
        let declared = serde_json::from_value(serde_json::json!({
            "name": name, "labels": {}, "kind": "user", "address": format!("{name}@contoso.example"),
            "displayName": null, "owner": null, "active": true, "approved": null, "profile": "p",
            "incoming": "server-side-sync", "outgoing": "none", "appointmentsContactsTasks": "none",
            "accept": "all", "deleteAfterProcessing": false, "processFrom": null, "credentials": null,
            "trackedFolders": [], "claimTakeOverFrom": null,
            "lifecycle": { "preventDestroy": false, "previousNames": [] }
        }))
        .unwrap();
        let operation = StoredOperation {
            state,
            connection: None,
            proved: None,
            pending: None,
            changed_at: Timestamp::UNIX_EPOCH,
            tested_at: None,
            cycle_at: None,
        };
        let operations = BTreeMap::from([(Operation::Incoming, operation)]);
        StoredMailbox { declared, operations, process_from: None }
    }

    fn disabled(code: &str) -> OperationState {
        OperationState::Disabled(FailureSummary {
            code: code.into(),
            step: TestStep::Authenticate,
            nature: Nature::Permanent,
            scope: Scope::Mailbox,
            cause: "c".into(),
            remedy: "r".into(),
        })
    }

    fn judged(
        profile: &Profile,
        states: &[OperationState],
        standing: &BTreeSet<(Name, Trouble)>,
    ) -> TroubleChanges {
        let named = |(number, state): (usize, &OperationState)| mailbox(&format!("m{number}"), state.clone());
        let mailboxes: Vec<StoredMailbox> = states.iter().enumerate().map(named).collect();
        judge(mailboxes.iter().map(|mailbox| (profile, mailbox)), standing, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn more_than_half_is_told_once_to_the_profiles_owner_with_number_and_examples() {
        let nobody = BTreeSet::new();
        let off = OperationState::Off(OffReason::NotApproved);
        let states = [
            disabled("login-refused"),
            disabled("login-refused"),
            disabled("timed-out"),
            OperationState::Enabled,
            off,
        ];
        let changes = judged(&profile(true), &states, &nobody);
        let [alert] = &changes.alerts[..] else { panic!("{changes:?}") };
        assert_eq!(
            alert.cause,
            "3 of 4 mailboxes do not work, 2 of them with `login-refused`, for example m0, m1"
        );
        assert_eq!((alert.owners[0].as_str(), alert.mailbox.as_ref()), ("own@x.test", None));
        let standing = changes.begun.iter().cloned().collect();
        assert!(judged(&profile(true), &states, &standing).is_empty(), "it stands, and is told once");
        assert!(judged(&profile(false), &states, &nobody).is_empty(), "nobody asked for it");
    }

    #[test]
    fn half_is_not_most_and_ends_it() {
        let half = [disabled("x"), disabled("x"), OperationState::Enabled, OperationState::Enabled];
        let standing = BTreeSet::from([(Name::parse("p").unwrap(), Trouble::MassFailure)]);
        assert!(judged(&profile(true), &half, &BTreeSet::new()).is_empty());
        let changes = judged(&profile(true), &half, &standing);
        assert_eq!((changes.ended.len(), changes.alerts.len()), (1, 0));
        assert_eq!(judged(&profile(false), &half, &standing).ended.len(), 1, "nobody asks for it any more");
        assert!(judged(&profile(true), &[disabled("x")], &BTreeSet::new()).is_empty(), "one is not many");
    }
}
