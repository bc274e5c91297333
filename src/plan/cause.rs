//! Why an operation is tested again or switched, in words, and which declaration is to blame.

use std::collections::BTreeSet;

use crate::model::failure::FailureSummary;
use crate::model::name::Name;
use crate::model::operation::{Awaiting, OffReason, OperationState};
use crate::model::pending::Pending;
use crate::model::plan::Target;
use crate::model::profile::ServerKind;
use crate::model::secret::SecretRef;
use crate::model::stored::StoredOperation;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    Profile(Name),
    Secret(SecretRef),
    /// The mailbox's own part of the connection.
    Connection,
    NeverTested,
    Failed(Box<FailureSummary>),
    /// Of a change that was declared before, while the former version works on.
    ChangeFailed {
        failure: Box<FailureSummary>,
        attempts: u16,
    },
    /// What is declared is again what works.
    ChangedBack,
    /// It was off for this reason and is not any more; the profile is the mailbox's.
    TurnedOn(OffReason, Option<Name>),
    TurnedOff(OffReason, Option<Name>),
    ConnectorAvailable(ServerKind),
    NoConnector(ServerKind),
}

impl Cause {
    /// Why the stored state calls for a test although the connection is the same; `None`: it does not.
    pub fn of_state(known: &StoredOperation, profile: Option<&Name>, kind: ServerKind) -> Option<Self> {
        match &known.state {
            OperationState::Enabled
            | OperationState::Retrying { .. }
            | OperationState::AwaitingTest(Awaiting::Test | Awaiting::NoIdentity)
            | OperationState::Testing => None,
            OperationState::Off(reason) => Some(Self::TurnedOn(*reason, profile.cloned())),
            OperationState::AwaitingTest(Awaiting::NoConnector) => Some(Self::ConnectorAvailable(kind)),
            OperationState::Trying { failure, .. } | OperationState::Disabled(failure) => {
                Some(Self::Failed(Box::new(failure.clone())))
            }
        }
    }

    /// Why a change that an earlier apply declared calls for a test; `None`: it has one already, which waits.
    pub fn of_pending(pending: &Pending, kind: ServerKind) -> Option<Self> {
        match pending {
            Pending::Waiting { awaiting: Awaiting::Test | Awaiting::NoIdentity, since: _ } => None,
            Pending::Waiting { awaiting: Awaiting::NoConnector, since: _ } => {
                Some(Self::ConnectorAvailable(kind))
            }
            Pending::Failed { failure, attempts, at: _ } => {
                Some(Self::ChangeFailed { failure: Box::new(failure.clone()), attempts: *attempts })
            }
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Profile(name) => format!("profile `{name}` changed"),
            Self::Secret(secret) => format!("secret `{secret}` changed"),
            Self::Connection => "what the last test proved has changed".to_owned(),
            Self::NeverTested => "never tested".to_owned(),
            Self::Failed(failure) => format!("last test failed at {}: {}", failure.step, failure.cause),
            Self::ChangeFailed { failure, attempts } => {
                let times = if *attempts > 1 { format!(" {attempts} times, last") } else { String::new() };
                format!("its change failed its test{times} at {}: {}", failure.step, failure.cause)
            }
            Self::ChangedBack => "it is again what works; the change that waited is dropped".to_owned(),
            Self::TurnedOn(reason, profile) => turned_on(*reason, profile.as_ref()),
            Self::TurnedOff(reason, profile) => turned_off(*reason, profile.as_ref()),
            Self::ConnectorAvailable(kind) => format!("this version can speak to {}", kind.key()),
            Self::NoConnector(kind) => format!("this version has no connector for {}", kind.key()),
        }
    }

    /// The step to which the consequence belongs as well.
    pub fn culprit(&self) -> Option<Target> {
        match self {
            Self::Profile(name) => Some(Target::Profile(name.clone())),
            Self::Secret(secret) => Some(Target::Secret(secret.clone())),
            Self::TurnedOn(reason, profile) | Self::TurnedOff(reason, profile) => match reason {
                OffReason::ProfileInactive => profile.clone().map(Target::Profile),
                OffReason::NotApproved => Some(Target::Organization),
                OffReason::MethodNone
                | OffReason::MailboxInactive
                | OffReason::NoProfile
                | OffReason::ForwardMailbox => None,
            },
            Self::Connection
            | Self::NeverTested
            | Self::Failed(_)
            | Self::ChangeFailed { .. }
            | Self::ChangedBack
            | Self::ConnectorAvailable(_)
            | Self::NoConnector(_) => None,
        }
    }
}

fn turned_on(was: OffReason, profile: Option<&Name>) -> String {
    match (was, profile) {
        (OffReason::ProfileInactive, Some(profile)) => format!("profile `{profile}` is active now"),
        (OffReason::NotApproved, _) => "approved now".to_owned(),
        (
            OffReason::ProfileInactive
            | OffReason::MethodNone
            | OffReason::MailboxInactive
            | OffReason::NoProfile
            | OffReason::ForwardMailbox,
            _,
        ) => format!("no longer off ({})", was.words()),
    }
}

fn turned_off(reason: OffReason, profile: Option<&Name>) -> String {
    match (reason, profile) {
        (OffReason::ProfileInactive, Some(profile)) => format!("profile `{profile}` is inactive"),
        (OffReason::NoProfile, Some(profile)) => format!("profile `{profile}` is neither stored nor planned"),
        (OffReason::NotApproved, _) => "its address is not approved".to_owned(),
        (
            OffReason::ProfileInactive
            | OffReason::NoProfile
            | OffReason::MethodNone
            | OffReason::MailboxInactive
            | OffReason::ForwardMailbox,
            _,
        ) => format!("off ({})", reason.words()),
    }
}

/// Each cause once, in words, in the order in which they were found.
pub(super) fn reason<'a>(causes: impl Iterator<Item = &'a Cause>) -> String {
    let mut said = BTreeSet::new();
    let words: Vec<String> = causes.map(Cause::words).filter(|words| said.insert(words.clone())).collect();
    words.join("; ")
}
