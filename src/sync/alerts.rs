//! Which changes of state a person should know.

use jiff::Timestamp;

use super::{doctor, report};
use crate::model::alert::{Alert, AlertLevel};
use crate::model::examination::Remark;
use crate::model::failure::{FailureSummary, RemoteError, Scope};
use crate::model::mailbox::{Mailbox, MailboxKind};
use crate::model::name::{Address, Name};
use crate::model::operation::{Operation, OperationState};
use crate::model::organization::AlertSettings;
use crate::model::outbox::{OutgoingMessage, OutgoingState};
use crate::model::pending::{Pending, Standing};
use crate::model::profile::Profile;

/// Whom an alert is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub mailbox: &'a Name,
    pub profile: Option<&'a Name>,
    pub owners: Owners<'a>,
    pub operation: Operation,
}

/// Who answers for a mailbox, and for its profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owners<'a> {
    mailbox: Option<&'a Address>,
    profile: Option<&'a Address>,
}

impl<'a> Owners<'a> {
    /// A user owns the own mailbox; for one of many, where nobody is named, whoever owns the profile answers.
    pub fn of(mailbox: &'a Mailbox, profile: Option<&'a Profile>) -> Self {
        let profile = profile.map(|profile| &profile.owner);
        let unnamed = match mailbox.kind {
            MailboxKind::User => Some(&mailbox.address),
            MailboxKind::Queue | MailboxKind::Forward => profile,
        };
        Self { mailbox: mailbox.owner.as_ref().or(unnamed), profile }
    }

    /// What concerns a profile is for its owner to mend, and for those to know whose mail waits.
    fn concerned(self, scope: Scope) -> Vec<Address> {
        let in_order = match scope {
            Scope::Message | Scope::Mailbox => [self.mailbox, None],
            Scope::Profile => [self.profile, self.mailbox],
        };
        let mut owners: Vec<Address> = Vec::new();
        for owner in in_order.into_iter().flatten() {
            if !owners.contains(owner) {
                owners.push(owner.clone());
            }
        }
        owners
    }
}

impl<'a> Subject<'a> {
    pub fn of(mailbox: &'a Mailbox, profile: &'a Profile, operation: Operation) -> Self {
        let owners = Owners::of(mailbox, Some(profile));
        Self { mailbox: &mailbox.name, profile: Some(&profile.name), owners, operation }
    }
}

impl Subject<'_> {
    fn alert(
        &self,
        at: Timestamp,
        (level, scope): (AlertLevel, Scope),
        (code, cause, remedy): (&str, String, String),
    ) -> Alert {
        Alert {
            at,
            level,
            code: code.to_owned(),
            mailbox: Some(self.mailbox.clone()),
            profile: self.profile.cloned(),
            operation: Some(self.operation),
            owners: self.owners.concerned(scope),
            cause,
            remedy,
        }
    }
}

/// The alert for a change: when an operation becomes enabled, begins to fail, is disabled; when a change that waited
/// fails its test or takes effect. A failure that goes on is not told again.
pub fn on_change(subject: Subject<'_>, before: &Standing, after: &Standing, now: Timestamp) -> Option<Alert> {
    let of_state = || on_state(subject, &before.state, &after.state, now);
    match (&before.pending, &after.pending) {
        (Some(_), None) if after.state == OperationState::Enabled => {
            let cause = "the change passed its test and is in use".to_owned();
            Some(subject.alert(
                now,
                (AlertLevel::Information, Scope::Mailbox),
                ("switched", cause, "nothing to do".to_owned()),
            ))
        }
        (Some(Pending::Failed { failure: old, .. }), Some(Pending::Failed { failure: new, .. }))
            if old.code == new.code =>
        {
            of_state()
        }
        (before, Some(after @ Pending::Failed { failure, .. })) if before.as_ref() != Some(after) => {
            let cause = format!(
                "the change failed its test, and the former version works on: {}",
                what_failed(failure)
            );
            let words = (failure.code.as_str(), cause, failure.remedy.clone());
            Some(subject.alert(now, (AlertLevel::Warning, failure.scope), words))
        }
        (None | Some(_), None | Some(_)) => of_state(),
    }
}

/// The alert for a former version that stopped working while a change waited for its test.
pub fn on_given_way(subject: Subject<'_>, failure: &FailureSummary, now: Timestamp) -> Alert {
    let cause = format!(
        "the former version stopped working while a change of it waited; the change is tested now: {}",
        what_failed(failure)
    );
    subject.alert(
        now,
        (AlertLevel::Error, failure.scope),
        (&failure.code, cause, "run `mailplumb test`, or leave it to `watch`".to_owned()),
    )
}

fn on_state(
    subject: Subject<'_>,
    before: &OperationState,
    after: &OperationState,
    now: Timestamp,
) -> Option<Alert> {
    match (before, after) {
        (OperationState::Disabled(old), OperationState::Disabled(new)) if old.code == new.code => None,
        (_, OperationState::Disabled(failure)) => {
            Some(subject.alert(now, (AlertLevel::Error, failure.scope), of_failure(failure, &failure.remedy)))
        }
        (
            OperationState::Retrying { failure: old, .. } | OperationState::Trying { failure: old, .. },
            OperationState::Retrying { failure: new, .. } | OperationState::Trying { failure: new, .. },
        ) if old.code == new.code => None,
        (_, OperationState::Retrying { failure, .. } | OperationState::Trying { failure, .. }) => Some(
            subject.alert(now, (AlertLevel::Warning, failure.scope), of_failure(failure, &failure.remedy)),
        ),
        (OperationState::Enabled, OperationState::Enabled) => None,
        (OperationState::Retrying { .. }, OperationState::Enabled) => {
            let words = ("recovered", "it works again".to_owned(), "nothing to do".to_owned());
            Some(subject.alert(now, (AlertLevel::Information, Scope::Mailbox), words))
        }
        (_, OperationState::Enabled) => {
            let words = ("enabled", "the test passed".to_owned(), "nothing to do".to_owned());
            Some(subject.alert(now, (AlertLevel::Information, Scope::Mailbox), words))
        }
        (_, OperationState::Off(_) | OperationState::AwaitingTest(_) | OperationState::Testing) => None,
    }
}

fn of_failure<'a>(failure: &'a FailureSummary, remedy: &str) -> (&'a str, String, String) {
    (&failure.code, what_failed(failure), remedy.to_owned())
}

fn what_failed(failure: &FailureSummary) -> String {
    format!("{}: {}", failure.step, failure.cause)
}

/// The alert for a message that a person has to look at.
pub fn on_outgoing(subject: Subject<'_>, message: &OutgoingMessage, now: Timestamp) -> Option<Alert> {
    let (level, code) = match message.state {
        OutgoingState::Unsure => (AlertLevel::Warning, "unsure"),
        OutgoingState::Failed => {
            let code = message.failure.as_ref().map_or("", |failure| failure.code.as_str());
            (AlertLevel::Error, if code == report::RETURNED { report::RETURNED } else { "not-sent" })
        }
        OutgoingState::Pending | OutgoingState::Sending | OutgoingState::Sent | OutgoingState::Cancelled => {
            return None;
        }
    };
    let (cause, remedy) = match &message.failure {
        Some(failure) => (failure.cause.clone(), failure.remedy.clone()),
        None => ("it is not known whether it was sent".to_owned(), String::new()),
    };
    Some(subject.alert(
        now,
        (level, Scope::Message),
        (code, format!("outgoing message {}: {cause}", message.id), remedy),
    ))
}

/// The alert for the messages of one cycle that were put aside unread. `reason`: of the first one.
pub fn on_quarantined(subject: Subject<'_>, (count, reason): (u64, &str), now: Timestamp) -> Alert {
    let mailbox = subject.mailbox;
    let cause = match count {
        1 => format!("a message is quarantined, because {reason}"),
        _several => format!("{count} messages are quarantined, the first one because {reason}"),
    };
    let remedy = format!(
        "look at it with `mailplumb messages --quarantined --mailbox {mailbox}`; what was received of it, if anything, is kept"
    );
    subject.alert(now, (AlertLevel::Warning, Scope::Mailbox), ("quarantined", cause, remedy))
}

/// The alert for a message of a test that the server took and that has not arrived.
pub fn on_not_received_back(subject: Subject<'_>, now: Timestamp) -> Alert {
    let Remark { what, remedy } = doctor::not_received_back(subject.mailbox, now);
    subject.alert(now, (AlertLevel::Warning, Scope::Mailbox), ("not-received-back", what, remedy))
}

/// The alert for a server that lets us read and not remove.
pub fn on_not_removed(subject: Subject<'_>, error: &RemoteError, now: Timestamp) -> Alert {
    let mailbox = subject.mailbox;
    let cause = format!("what was recorded is not removed from the server: {}", error.cause);
    let remedy = format!(
        "give the login the right to delete in mailbox `{mailbox}` at the server, or switch `deleteAfterProcessing` off; \
         it is read all the same"
    );
    subject.alert(now, (AlertLevel::Warning, Scope::Mailbox), ("not-removed", cause, remedy))
}

/// The alert for a server that does not let us move what cannot be processed.
pub fn on_not_set_aside(subject: Subject<'_>, error: &RemoteError, now: Timestamp) -> Alert {
    let mailbox = subject.mailbox;
    let cause =
        format!("what cannot be processed is not moved to the folder \"Undeliverable\": {}", error.cause);
    let remedy = format!(
        "give the login the right to move messages in mailbox `{mailbox}` at the server, or switch `undeliverableFolder` off; it \
         stays in the inbox, and is tried again"
    );
    subject.alert(now, (AlertLevel::Warning, Scope::Mailbox), ("not-set-aside", cause, remedy))
}

/// Mailboxes of one alert that are named before the rest is counted.
const NAMED_MAX: usize = 10;

/// The one alert for all mailboxes that an apply leaves off because nobody approved their addresses. `None`: there are none.
pub fn on_unapproved(unapproved: &[&Mailbox], now: Timestamp) -> Option<Alert> {
    let named: Vec<&str> = unapproved.iter().take(NAMED_MAX).map(|mailbox| mailbox.name.as_str()).collect();
    let more = match unapproved.len() {
        0 => return None,
        count if count > NAMED_MAX => format!(" and {} more", count - NAMED_MAX),
        _all_named => String::new(),
    };
    let mut owners: Vec<Address> =
        unapproved.iter().take(NAMED_MAX).filter_map(|mailbox| mailbox.owner.clone()).collect();
    owners.sort();
    owners.dedup();
    Some(Alert {
        at: now,
        level: AlertLevel::Warning,
        code: "not-approved".to_owned(),
        mailbox: match unapproved {
            [only] => Some(only.name.clone()),
            _several => None,
        },
        profile: None,
        operation: None,
        owners,
        cause: format!(
            "nobody approved the address of {}{more}, so nothing is read or sent there",
            named.join(", ")
        ),
        remedy: "write `approved: ADDRESS` at each mailbox, or use `mailplumb approve` where the organization approves by \
                 command; `mailplumb status` shows all that are off"
            .to_owned(),
    })
}

/// To whom it goes: the owner of a mailbox hears of what the owner of the profile has to mend only where the organization says so.
pub fn addressed(mut alert: Alert, settings: &AlertSettings) -> Alert {
    if alert.mailbox.is_some() && !settings.notify_mailbox_owner {
        alert.owners.truncate(1);
    }
    alert
}

/// Whether the organization wants alerts of that level.
pub fn is_wanted(level: AlertLevel, settings: &AlertSettings) -> bool {
    match level {
        AlertLevel::Error => settings.errors,
        AlertLevel::Warning => settings.warnings,
        AlertLevel::Information => settings.information,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::{Nature, TestStep};
    use crate::model::mailbox::{Accept, ActMethod, IncomingMethod, OutgoingMethod};
    use crate::model::operation::Awaiting;

    fn failure(code: &str) -> FailureSummary {
        FailureSummary {
            code: code.into(),
            step: TestStep::Connect,
            nature: Nature::Transient,
            scope: Scope::Profile,
            cause: "c".into(),
            remedy: "r".into(),
        }
    }

    fn retrying(code: &str, attempts: u16) -> OperationState {
        OperationState::Retrying { attempts, until: Timestamp::UNIX_EPOCH, failure: failure(code) }
    }

    fn code(before: &OperationState, after: &OperationState) -> Option<String> {
        let mailbox = Name::parse("m").unwrap();
        let subject = Subject {
            mailbox: &mailbox,
            profile: None,
            owners: Owners::default(),
            operation: Operation::Incoming,
        };
        let (before, after) = (before.clone().into(), after.clone().into());
        on_change(subject, &before, &after, Timestamp::UNIX_EPOCH).map(|alert| alert.code)
    }

    #[test]
    fn one_alert_names_the_mailboxes_that_nobody_approved() {
        let address = |text: &str| Address::parse(text).unwrap();
        let mailbox = |number: usize| Mailbox {
            name: Name::parse(&format!("m{number}")).unwrap(),
            labels: Default::default(),
            kind: MailboxKind::User,
            address: address(&format!("m{number}@a.example")),
            display_name: None,
            owner: Some(address("o@a.example")),
            active: true,
            approved: None,
            profile: None,
            incoming: IncomingMethod::ServerSideSync,
            forward_to: None,
            outgoing: OutgoingMethod::None,
            appointments_contacts_tasks: ActMethod::None,
            accept: Accept::All,
            delete_after_processing: false,
            process_from: None,
            credentials: None,
            tracked_folders: Vec::new(),
            claim_take_over_from: None,
            lifecycle: Default::default(),
        };
        assert_eq!(on_unapproved(&[], Timestamp::UNIX_EPOCH), None);
        let all: Vec<Mailbox> = (0..NAMED_MAX + 2).map(mailbox).collect();
        let one = on_unapproved(&[&all[0]], Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((one.mailbox.as_ref(), one.owners.len()), (Some(&all[0].name), 1));
        let several = on_unapproved(&all.iter().collect::<Vec<_>>(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(several.mailbox.is_none() && several.cause.contains("m9 and 2 more"), "{}", several.cause);
    }

    #[test]
    fn whoever_can_mend_it_is_told_first() {
        let address = |text: &str| Address::parse(text).unwrap();
        let (boss, anna, desk) =
            (address("boss@a.example"), address("anna@a.example"), address("desk@a.example"));
        let of_user = Owners { mailbox: Some(&anna), profile: Some(&boss) };
        assert_eq!(of_user.concerned(Scope::Profile), [boss.clone(), anna.clone()]);
        assert_eq!(of_user.concerned(Scope::Mailbox), std::slice::from_ref(&anna));
        assert_eq!(of_user.concerned(Scope::Message), [anna]);
        let of_boss = Owners { mailbox: Some(&boss), profile: Some(&boss) };
        assert_eq!(of_boss.concerned(Scope::Profile), std::slice::from_ref(&boss));
        assert_eq!(Owners { mailbox: None, profile: Some(&desk) }.concerned(Scope::Mailbox), []);
    }

    #[test]
    fn a_change_that_fails_is_told_once_and_so_is_its_taking_effect() {
        let mailbox = Name::parse("m").unwrap();
        let subject = Subject {
            mailbox: &mailbox,
            profile: None,
            owners: Owners::default(),
            operation: Operation::Incoming,
        };
        let told = |before: &Standing, after: &Standing| {
            on_change(subject, before, after, Timestamp::UNIX_EPOCH).map(|alert| (alert.level, alert.code))
        };
        let enabled = |pending| Standing { state: OperationState::Enabled, pending };
        let at = Timestamp::UNIX_EPOCH;
        let waits = enabled(Some(Pending::Waiting { awaiting: Awaiting::Test, since: at }));
        let failed =
            |code: &str, attempts| enabled(Some(Pending::Failed { failure: failure(code), attempts, at }));
        assert_eq!(told(&enabled(None), &waits), None);
        let warning = |code: &str| Some((AlertLevel::Warning, code.to_owned()));
        assert_eq!(told(&waits, &failed("lost", 1)), warning("lost"));
        assert_eq!(told(&failed("lost", 1), &failed("lost", 2)), None);
        assert_eq!(told(&failed("lost", 2), &failed("refused", 3)), warning("refused"));
        assert_eq!(told(&failed("lost", 1), &failed("lost", 1)), None);
        let switched = Some((AlertLevel::Information, "switched".to_owned()));
        assert_eq!(told(&failed("lost", 1), &enabled(None)), switched);
        assert_eq!(told(&waits, &enabled(None)), switched);
        // What happens to the former version meanwhile is told as ever.
        let still = Standing { state: retrying("away", 1), ..failed("lost", 1) };
        assert_eq!(told(&failed("lost", 1), &still), warning("away"));
    }

    #[test]
    fn a_failure_is_told_once_and_its_end_too() {
        assert_eq!(code(&OperationState::Enabled, &retrying("lost", 1)).as_deref(), Some("lost"));
        assert_eq!(code(&retrying("lost", 1), &retrying("lost", 2)), None);
        assert_eq!(code(&retrying("lost", 1), &retrying("refused", 2)).as_deref(), Some("refused"));
        let disabled = OperationState::Disabled(failure("lost"));
        assert_eq!(code(&retrying("lost", 10), &disabled).as_deref(), Some("lost"));
        assert_eq!(code(&disabled, &disabled), None);
        assert_eq!(code(&retrying("lost", 2), &OperationState::Enabled).as_deref(), Some("recovered"));
    }

    #[test]
    fn the_first_success_is_told() {
        let waiting = OperationState::AwaitingTest(Awaiting::Test);
        assert_eq!(code(&waiting, &OperationState::Enabled).as_deref(), Some("enabled"));
        assert_eq!(code(&OperationState::Enabled, &OperationState::Enabled), None);
    }
}
