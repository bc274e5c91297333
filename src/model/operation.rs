//! The three operations of a mailbox and the state each is in.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::FailureSummary;

/// What is tested, enabled and driven separately for each mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    Incoming,
    Outgoing,
    /// Appointments, contacts and tasks.
    Act,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Incoming, Self::Outgoing, Self::Act];

    pub fn key(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
            Self::Act => "act",
        }
    }

    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.key() == key)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The state of one operation of one mailbox. Moved on only by `sync::transition`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OperationState {
    Off(OffReason),
    AwaitingTest(Awaiting),
    /// A test has begun. After a crash it is tested again.
    Testing,
    Enabled,
    /// A transient failure of an enabled operation; `attempts` failures in a row, next try at `until`.
    #[serde(rename_all = "camelCase")]
    Retrying {
        attempts: u16,
        until: Timestamp,
        failure: FailureSummary,
    },
    /// Never enabled so far: its tests failed for a reason that may pass; `attempts` failures in a row, next test at `until`.
    #[serde(rename_all = "camelCase")]
    Trying {
        attempts: u16,
        until: Timestamp,
        failure: FailureSummary,
    },
    /// Stays so until a test succeeds.
    Disabled(FailureSummary),
}

/// Why an operation is not wanted at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OffReason {
    /// The method is `none`.
    MethodNone,
    NotApproved,
    MailboxInactive,
    ProfileInactive,
    NoProfile,
    /// Served by a forward mailbox.
    ForwardMailbox,
}

impl OffReason {
    pub fn words(self) -> &'static str {
        match self {
            Self::MethodNone => "method none",
            Self::NotApproved => "not approved",
            Self::MailboxInactive => "mailbox inactive",
            Self::ProfileInactive => "profile inactive",
            Self::NoProfile => "no profile",
            Self::ForwardMailbox => "served by a forward mailbox",
        }
    }
}

/// What a test waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Awaiting {
    /// Never tested, or its connection changed.
    Test,
    /// This version cannot speak to that kind of server yet.
    NoConnector,
    /// No identity that opens the secret was at hand; not a failed attempt.
    NoIdentity,
}

impl Awaiting {
    /// Whether this version can run the test.
    pub fn is_for_test(self) -> bool {
        match self {
            Self::Test | Self::NoIdentity => true,
            Self::NoConnector => false,
        }
    }
}

impl OperationState {
    /// Whether the engine works on it in its cycles.
    pub fn is_driven(&self) -> bool {
        match self {
            Self::Enabled | Self::Retrying { .. } => true,
            Self::Off(_)
            | Self::AwaitingTest(_)
            | Self::Testing
            | Self::Trying { .. }
            | Self::Disabled(_) => false,
        }
    }

    /// Why it does not work at present.
    pub fn failure(&self) -> Option<&FailureSummary> {
        match self {
            Self::Retrying { failure, .. } | Self::Trying { failure, .. } | Self::Disabled(failure) => {
                Some(failure)
            }
            Self::Off(_) | Self::AwaitingTest(_) | Self::Testing | Self::Enabled => None,
        }
    }

    /// Whether a test would be useful now.
    pub fn needs_test(&self) -> bool {
        match self {
            Self::AwaitingTest(Awaiting::Test | Awaiting::NoIdentity)
            | Self::Testing
            | Self::Trying { .. }
            | Self::Disabled(_) => true,
            Self::AwaitingTest(Awaiting::NoConnector)
            | Self::Off(_)
            | Self::Enabled
            | Self::Retrying { .. } => false,
        }
    }
}

impl fmt::Display for OperationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off(reason) => write!(f, "off ({})", reason.words()),
            Self::AwaitingTest(Awaiting::Test) => f.write_str("awaiting-test"),
            Self::AwaitingTest(Awaiting::NoConnector) => f.write_str("awaiting-test (no connector)"),
            Self::AwaitingTest(Awaiting::NoIdentity) => f.write_str("awaiting-test (no identity)"),
            Self::Testing => f.write_str("testing"),
            Self::Enabled => f.write_str("enabled"),
            Self::Retrying { attempts, until, .. } => write!(f, "retrying ({attempts}, until {until:.0})"),
            Self::Trying { attempts, until, .. } => write!(f, "trying ({attempts}, until {until:.0})"),
            Self::Disabled(failure) => write!(f, "disabled ({})", failure.code),
        }
    }
}

/// What the declared configuration says of one operation: the plan's word to `sync::transition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    Off(OffReason),
    NoConnector,
    /// Nothing that a test depends on has changed. A test that waits goes on waiting.
    Unchanged,
    NeedsTest,
    /// Unchanged, and the change that an earlier apply declared is to be tested again: its test failed, or can be run only now.
    StillPending,
    /// What is declared is again what the operation works with; a change that waited is dropped.
    Proved,
}

/// A digest of all that a test of one operation proved: location, TLS, login, address, ciphertext. When it changes,
/// the operation has to be tested again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionDigest(pub String);
