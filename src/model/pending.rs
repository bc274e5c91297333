//! A declared change of an operation that works: it goes on with its former version until the new one has passed its test.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::failure::FailureSummary;
use super::mailbox::{Mailbox, MailboxCredentials};
use super::name::Address;
use super::operation::{Awaiting, OperationState};
use super::profile::Profile;
use super::secret::{SecretDigest, SecretRef};

/// How the test of a declared change stands. Only an operation that is driven has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pending {
    Waiting {
        awaiting: Awaiting,
        since: Timestamp,
    },
    Failed {
        failure: FailureSummary,
        /// Tests of this change that failed in a row, at least one.
        attempts: u16,
        /// When the last of them did.
        at: Timestamp,
    },
}

/// Whether what is declared of an operation waits for a test that has not failed: it takes place without anybody's doing.
pub fn is_untested(state: &OperationState, pending: Option<&Pending>) -> bool {
    match pending {
        Some(Pending::Waiting { awaiting, since: _ }) => awaiting.is_for_test(),
        Some(Pending::Failed { .. }) => false,
        None => match state {
            OperationState::AwaitingTest(awaiting) => awaiting.is_for_test(),
            OperationState::Testing => true,
            OperationState::Off(_)
            | OperationState::Enabled
            | OperationState::Retrying { .. }
            | OperationState::Trying { .. }
            | OperationState::Disabled(_) => false,
        },
    }
}

impl Pending {
    /// Whether a test would be useful now.
    pub fn needs_test(&self) -> bool {
        match self {
            Self::Waiting { awaiting: Awaiting::Test | Awaiting::NoIdentity, .. } | Self::Failed { .. } => {
                true
            }
            Self::Waiting { awaiting: Awaiting::NoConnector, .. } => false,
        }
    }

    pub fn failure(&self) -> Option<&FailureSummary> {
        match self {
            Self::Failed { failure, .. } => Some(failure),
            Self::Waiting { .. } => None,
        }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting { awaiting: Awaiting::Test, .. } => "awaiting-test",
            Self::Waiting { awaiting: Awaiting::NoIdentity, .. } => "no identity",
            Self::Waiting { awaiting: Awaiting::NoConnector, .. } => "no connector",
            Self::Failed { failure, .. } => &failure.code,
        })
    }
}

/// The state of an operation together with the change that waits, if any: what `sync::transition` moves on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub state: OperationState,
    pub pending: Option<Pending>,
}

impl Standing {
    /// Whether it does not work at present, or its change has failed.
    pub fn is_failing(&self) -> bool {
        matches!(self.pending, Some(Pending::Failed { .. })) || self.state.failure().is_some()
    }
}

impl From<OperationState> for Standing {
    fn from(state: OperationState) -> Self {
        Self { state, pending: None }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pending {
            None => self.state.fmt(f),
            Some(pending) => write!(f, "{}, pending: {pending}", self.state),
        }
    }
}

/// A version of what one operation works with. Kept by the store while it is not the declared one any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub profile: Profile,
    pub address: Address,
    pub credentials: Option<MailboxCredentials>,
    /// The ciphertexts that it opens.
    pub secrets: BTreeMap<SecretRef, SecretDigest>,
}

impl Version {
    /// The mailbox as this version reaches it. What has nothing to do with reaching it is as declared.
    pub fn of_mailbox(&self, declared: &Mailbox) -> Mailbox {
        Mailbox {
            address: self.address.clone(),
            credentials: self.credentials.clone(),
            profile: Some(self.profile.name.clone()),
            ..declared.clone()
        }
    }
}
