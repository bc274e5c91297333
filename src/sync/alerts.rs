//! Which changes of state a person should know.

use jiff::Timestamp;

use crate::model::alert::{Alert, AlertLevel};
use crate::model::failure::FailureSummary;
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::organization::AlertSettings;
use crate::model::outbox::{OutgoingMessage, OutgoingState};

/// Whom an alert is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub mailbox: &'a Name,
    pub profile: Option<&'a Name>,
    pub operation: Operation,
}

impl Subject<'_> {
    fn alert(&self, at: Timestamp, level: AlertLevel, words: (&str, String, String)) -> Alert {
        let (code, cause, remedy) = words;
        Alert {
            at,
            level,
            code: code.to_owned(),
            mailbox: Some(self.mailbox.clone()),
            profile: self.profile.cloned(),
            operation: Some(self.operation),
            cause,
            remedy,
        }
    }
}

/// The alert for a change of state: when an operation becomes enabled, begins to fail, or is disabled. A failure that
/// goes on is not told again.
pub fn on_change(
    subject: Subject<'_>,
    before: &OperationState,
    after: &OperationState,
    now: Timestamp,
) -> Option<Alert> {
    match (before, after) {
        (OperationState::Disabled(old), OperationState::Disabled(new)) if old.code == new.code => None,
        (_, OperationState::Disabled(failure)) => {
            Some(subject.alert(now, AlertLevel::Error, of_failure(failure, &failure.remedy)))
        }
        (OperationState::Retrying { failure: old, .. }, OperationState::Retrying { failure: new, .. })
            if old.code == new.code =>
        {
            None
        }
        (_, OperationState::Retrying { failure, .. }) => {
            Some(subject.alert(now, AlertLevel::Warning, of_failure(failure, &failure.remedy)))
        }
        (OperationState::Enabled, OperationState::Enabled) => None,
        (OperationState::Retrying { .. }, OperationState::Enabled) => {
            let words = ("recovered", "it works again".to_owned(), "nothing to do".to_owned());
            Some(subject.alert(now, AlertLevel::Information, words))
        }
        (_, OperationState::Enabled) => {
            let words = ("enabled", "the test passed".to_owned(), "nothing to do".to_owned());
            Some(subject.alert(now, AlertLevel::Information, words))
        }
        (_, OperationState::Off(_) | OperationState::AwaitingTest(_) | OperationState::Testing) => None,
    }
}

fn of_failure<'a>(failure: &'a FailureSummary, remedy: &str) -> (&'a str, String, String) {
    (&failure.code, format!("{}: {}", failure.step, failure.cause), remedy.to_owned())
}

/// The alert for a message that a person has to look at.
pub fn on_outgoing(subject: Subject<'_>, message: &OutgoingMessage, now: Timestamp) -> Option<Alert> {
    let (level, code) = match message.state {
        OutgoingState::Unsure => (AlertLevel::Warning, "unsure"),
        OutgoingState::Failed => (AlertLevel::Error, "not-sent"),
        OutgoingState::Pending | OutgoingState::Sending | OutgoingState::Sent => return None,
    };
    let (cause, remedy) = match &message.failure {
        Some(failure) => (failure.cause.clone(), failure.remedy.clone()),
        None => ("it is not known whether it was sent".to_owned(), String::new()),
    };
    Some(subject.alert(now, level, (code, format!("outgoing message {}: {cause}", message.id), remedy)))
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
    use crate::model::failure::{Nature, Scope, TestStep};
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
        let subject = Subject { mailbox: &mailbox, profile: None, operation: Operation::Incoming };
        on_change(subject, before, after, Timestamp::UNIX_EPOCH).map(|alert| alert.code)
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
