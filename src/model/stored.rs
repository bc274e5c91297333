//! What earlier applies stored: the left side of a plan.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::footing::Footing;
use super::mailbox::Mailbox;
use super::name::{Address, Name};
use super::operation::{ConnectionDigest, Operation, OperationState};
use super::organization::Organization;
use super::pending::{Pending, Standing, is_untested};
use super::profile::Profile;
use super::revision::{Revision, StoreId};
use super::secret::{SecretDigest, SecretRef};

/// The stored state as far as a plan reads it: never cursors, never records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stored {
    /// `None`: there is no store yet.
    pub store: Option<StoreId>,
    pub revision: Revision,
    pub organization: Option<Organization>,
    pub profiles: BTreeMap<Name, Profile>,
    pub mailboxes: BTreeMap<Name, StoredMailbox>,
    #[serde(with = "secret_map")]
    pub secrets: BTreeMap<SecretRef, SecretDigest>,
    /// Of those that were encrypted again with the same value: the digest of the ciphertext with which connections were
    /// proved. All others were proved with the digest in `secrets`.
    #[serde(with = "secret_map", default)]
    pub proofs: BTreeMap<SecretRef, SecretDigest>,
    /// The address of each mailbox that was approved by command. It counts only while the mailbox has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approvals: BTreeMap<Name, Address>,
    /// How many decisions were taken by command so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decisions: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Stored {
    /// A store that does not exist yet.
    pub fn empty() -> Self {
        Self {
            store: None,
            revision: Revision::default(),
            organization: None,
            profiles: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            secrets: BTreeMap::new(),
            proofs: BTreeMap::new(),
            approvals: BTreeMap::new(),
            decisions: 0,
        }
    }
}

/// The stored state with the footing of each mailbox in place of the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Without any mailbox.
    pub stored: Stored,
    /// Every declared mailbox once.
    pub footings: Vec<FootingRow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FootingRow {
    pub name: Name,
    /// `None`: one of its operations calls for a step by itself.
    pub footing: Option<Footing>,
    /// How many of its operations wait for a test that has not failed.
    pub untested: u8,
}

impl Outline {
    /// The outline of a stored state that is there as a whole.
    pub fn of(mut stored: Stored) -> Self {
        let row = |(name, mailbox): (Name, StoredMailbox)| FootingRow {
            name,
            footing: Footing::of_stored(&mailbox),
            untested: mailbox.untested(),
        };
        let footings = std::mem::take(&mut stored.mailboxes).into_iter().map(row).collect();
        Self { stored, footings }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredMailbox {
    pub declared: Mailbox,
    /// All three operations are always present.
    pub operations: BTreeMap<Operation, StoredOperation>,
    /// The profile's "process mail from", or the moment: copied when incoming was first enabled.
    pub process_from: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredOperation {
    pub state: OperationState,
    /// What the last apply declared; a differing one needs a test.
    pub connection: Option<ConnectionDigest>,
    /// What the last passed test proved: while a change waits, what the operation works with.
    pub proved: Option<ConnectionDigest>,
    /// `None`: what is declared is what the operation works with.
    #[serde(default)]
    pub pending: Option<Pending>,
    pub changed_at: Timestamp,
    pub tested_at: Option<Timestamp>,
    pub cycle_at: Option<Timestamp>,
    /// When a cycle or a test of it last failed, whether it works again or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
}

impl StoredMailbox {
    /// "Process mail from" as it holds: the mailbox's own date wins, either way.
    pub fn mail_from(&self) -> Option<Timestamp> {
        self.declared.process_from.or(self.process_from)
    }

    /// How many of its operations wait for a test that has not failed.
    pub fn untested(&self) -> u8 {
        self.operations.values().map(|operation| u8::from(operation.is_untested())).sum()
    }
}

impl StoredOperation {
    pub fn standing(&self) -> Standing {
        Standing { state: self.state.clone(), pending: self.pending.clone() }
    }

    /// Whether what is declared waits for a test that has not failed.
    pub fn is_untested(&self) -> bool {
        is_untested(&self.state, self.pending.as_ref())
    }

    /// Whether a test of what is declared would be useful now.
    pub fn needs_test(&self) -> bool {
        match &self.pending {
            Some(pending) => pending.needs_test(),
            None => self.state.needs_test(),
        }
    }
}

/// Maps with structured keys become lists in JSON.
mod secret_map {
    use super::{BTreeMap, SecretDigest, SecretRef};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        map: &BTreeMap<SecretRef, SecretDigest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<SecretRef, SecretDigest>, D::Error> {
        Ok(Vec::<(SecretRef, SecretDigest)>::deserialize(deserializer)?.into_iter().collect())
    }
}
