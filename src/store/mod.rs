//! The door of the stores: what the engine may ask of one. Each call that writes is one transaction.

mod cycle;
mod error;
mod ledger;
mod process;
pub mod report;
pub mod sqlite;
pub mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::model::alert::Alert;
use crate::model::approval::Decision;
use crate::model::cursor::{Cursor, InboxId, RemoteId};
use crate::model::desired::ManifestDigest;
use crate::model::discovered::Discovered;
use crate::model::lease::{Holder, Lease, LeaseScope};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::organization::Organization;
use crate::model::outbox::{
    AttemptOutcome, Begun, DuePlace, Enqueued, NewOutgoing, OutgoingMessage, OutgoingState, Resolutions,
    Resolved, Turn,
};
use crate::model::pending::{Standing, Version};
use crate::model::plan::Plan;
use crate::model::profile::Profile;
use crate::model::record::{ContentHash, IncomingBatch, MessageRecord, Recorded, Spooled};
use crate::model::revision::{Revision, RevisionEntry, StoreId};
use crate::model::secret::{
    BundleDigest, SealedBundle, SealedDigestKey, SealedValue, SecretDigest, SecretRef, ValueDigest,
};
use crate::model::stored::{Outline, Stored, StoredMailbox, StoredOperation};

pub use cycle::{CycleStart, Cycles, InboxStanding, SetAsideDue};
pub use error::StoreError;
pub use ledger::{AlertPlace, Ledger, RunQuery};

/// The operations of one mailbox. Those of very many new ones are in the same few states, which are shared.
pub type OperationStates = Vec<(Operation, Arc<Standing>)>;

/// One apply: the plan's steps, with the ciphertexts that they name.
#[derive(Debug)]
pub struct RevisionCommit<'a> {
    pub plan: &'a Plan,
    /// The plan's name, if it was saved: it is applied once. One that was made just now cannot come again.
    pub fingerprint: Option<String>,
    /// One for each `Effect::PutSecret`.
    pub secrets: Vec<(SecretRef, SealedValue)>,
    /// What belongs to those ciphertexts.
    pub openings: Openings,
    /// What each operation of each put mailbox gets; one that is left out keeps what it has.
    pub states: Vec<(Name, OperationStates)>,
    /// One for each of these whose change is pending.
    pub kept: Vec<Kept>,
    pub at: Timestamp,
}

/// An operation that goes on working with what is declared before the commit, while its change waits for a test. Where a
/// former version is kept already, that one stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// As it is named before the commit.
    pub mailbox: Name,
    pub operation: Operation,
    /// What it opens.
    pub secrets: Vec<SecretRef>,
}

/// What a commit keeps of its secrets beside each ciphertext: the bundles that they are in, and what their values are
/// recognised by.
#[derive(Debug, Clone, Default)]
pub struct Openings {
    /// Every bundle that one of the put secrets is in. Those that no secret is in any more are forgotten.
    pub bundles: Vec<(BundleDigest, SealedBundle)>,
    /// Of the put secrets that somebody could open.
    pub values: Vec<(SecretRef, ValueDigest)>,
    pub digest_key: DigestKeyChange,
}

/// What becomes of the key under which values are digested.
#[derive(Debug, Clone, Default)]
pub enum DigestKeyChange {
    #[default]
    Keep,
    /// The same key, encrypted to other recipients.
    Reseal(SealedDigestKey),
    /// Another key: all digests under the former one are forgotten.
    Replace(SealedDigestKey),
}

/// A change of one operation's state, with the alerts that go with it.
#[derive(Debug, Clone)]
pub struct StateChange {
    pub mailbox: Name,
    pub operation: Operation,
    /// Without a pending change, the operation works with what is declared from now on.
    pub state: Standing,
    /// The inbox that a passed test leads incoming mail to, when that may be another one: entered in the same
    /// transaction, see [`Store::enter_inbox`].
    pub enters: Option<InboxId>,
    pub alerts: Vec<Alert>,
    pub at: Timestamp,
    pub occasion: Occasion,
}

/// On which occasion a state was (perhaps) changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A test began; `tested_at` stays.
    TestBegun,
    /// A test ended: `tested_at` is set. For incoming, `process_from` is set too unless the mailbox has one.
    TestEnded { process_from: Option<Timestamp> },
    /// A cycle ended: `cycle_at` is set.
    Cycle,
}

/// One mailbox as the engine works on it.
#[derive(Debug, Clone)]
pub struct MailboxRow {
    pub stored: StoredMailbox,
    /// `None` only when the mailbox has no profile.
    pub profile: Option<Profile>,
    /// What those operations work with whose declared change is pending.
    pub effective: BTreeMap<Operation, Version>,
}

#[derive(Debug, Clone, Default)]
pub struct MessageQuery {
    pub mailbox: Option<Name>,
    /// Newest first, at most this many.
    pub limit: Option<u64>,
    pub quarantined_only: bool,
    /// Only those recorded before this one: the next page.
    pub before: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub struct OutboxQuery {
    pub mailbox: Option<Name>,
    pub state: Option<OutgoingState>,
    /// Without its angle brackets.
    pub message_id: Option<String>,
    pub limit: Option<u64>,
    /// Only those queued before this one: the next page.
    pub before: Option<u64>,
}

/// Figures of one mailbox for `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailboxFigures {
    pub records: u64,
    pub quarantined: u64,
    pub outbox_pending: u64,
    pub outbox_unsure: u64,
    pub outbox_failed: u64,
    pub oldest_pending_at: Option<Timestamp>,
    /// Since when the message of a test is missing.
    pub not_received_back: Option<Timestamp>,
}

/// Takes the octets of one message that is too large to be held, until a record names them. When it is dropped, what no
/// record names is gone.
#[async_trait]
pub trait Spool: Send + Sync {
    async fn append(&mut self, octets: Bytes) -> Result<(), StoreError>;
    /// How many were appended.
    fn bytes(&self) -> u64;
    /// The first ones, at most so many.
    async fn beginning(&mut self, bytes_max: u64) -> Result<Bytes, StoreError>;
    /// All have been appended. The spool is to be kept until the record that names them is durable.
    async fn finish(&mut self) -> Result<(Spooled, ContentHash), StoreError>;
}

/// A store. The same conformance suite runs against every one.
#[async_trait]
pub trait Store: Ledger + Cycles + Send + Sync {
    async fn id(&self) -> Result<StoreId, StoreError>;

    // --- declared state ---
    async fn stored(&self) -> Result<Stored, StoreError>;
    /// [`Store::stored`] with the footing of each mailbox in place of the mailbox.
    async fn outline(&self) -> Result<Outline, StoreError> {
        Ok(Outline::of(self.stored().await?))
    }
    /// The declared profiles.
    async fn profiles(&self) -> Result<BTreeMap<Name, Profile>, StoreError> {
        Ok(self.stored().await?.profiles)
    }
    /// Those of the named mailboxes that are declared.
    async fn stored_among(&self, names: BTreeSet<Name>) -> Result<BTreeMap<Name, StoredMailbox>, StoreError> {
        let mut mailboxes = self.stored().await?.mailboxes;
        mailboxes.retain(|name, _| names.contains(name));
        Ok(mailboxes)
    }
    /// All steps of the plan and a new revision, or nothing.
    async fn commit_revision(
        &self,
        lease: &Lease,
        commit: RevisionCommit<'_>,
    ) -> Result<Revision, StoreError>;
    /// Notes what was decided about addresses, and switches `off` the mailboxes that may not be worked on any more: all of it or
    /// nothing. Under the lease on the state; whoever works on one of those loses its lease.
    async fn decide(&self, lease: &Lease, decisions: &[Decision], off: &[Name]) -> Result<(), StoreError>;
    /// Newest first.
    async fn revisions(&self, limit: u64) -> Result<Vec<RevisionEntry>, StoreError>;
    async fn manifest_digest(&self) -> Result<Option<ManifestDigest>, StoreError>;
    /// The organization of the last apply, for its retry and alert settings.
    async fn organization(&self) -> Result<Option<Organization>, StoreError>;
    async fn sealed(&self, secret: &SecretRef) -> Result<Option<SealedValue>, StoreError>;
    /// The ciphertext that values are in whose `Sealed` names this digest.
    async fn bundle(&self, digest: &BundleDigest) -> Result<Option<SealedBundle>, StoreError>;
    async fn digest_key(&self) -> Result<Option<SealedDigestKey>, StoreError>;
    /// Of all stored secrets that somebody could open when they were applied.
    async fn value_digests(&self) -> Result<BTreeMap<SecretRef, ValueDigest>, StoreError>;

    /// A ciphertext that a [`Version`] opens. `None`: no operation works with it any more.
    async fn sealed_version(&self, digest: &SecretDigest) -> Result<Option<SealedValue>, StoreError>;

    // --- leases ---
    /// Grants the lease, takes it over from an expired or dead holder, or says who is busy.
    async fn acquire(&self, scope: &LeaseScope, holder: &Holder, now: Timestamp)
    -> Result<Lease, StoreError>;
    async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<Lease, StoreError>;
    /// Gives it back. A lease that somebody else holds by now is left alone.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;

    // --- mailboxes ---
    async fn mailbox(&self, name: &Name) -> Result<Option<MailboxRow>, StoreError>;
    async fn mailboxes(&self) -> Result<Vec<MailboxRow>, StoreError>;
    /// The mailboxes with an operation, or a change of one, that waits for a test or whose last test failed, by name.
    async fn waiting(&self) -> Result<Vec<Name>, StoreError> {
        let needs_test = |row: &MailboxRow| row.stored.operations.values().any(StoredOperation::needs_test);
        let rows = self.mailboxes().await?.into_iter().filter(needs_test);
        Ok(rows.map(|row| row.stored.declared.name).collect())
    }
    /// Refused for a change that is pending without a version that works: only a commit begins one.
    async fn change_state(&self, lease: &Lease, change: &StateChange) -> Result<(), StoreError>;
    async fn figures(&self, mailbox: &Name) -> Result<MailboxFigures, StoreError>;
    /// Remembers the nonce of a test message, so that it never becomes a record.
    async fn expect_self_message(&self, lease: &Lease, mailbox: &Name, nonce: &str)
    -> Result<(), StoreError>;
    async fn is_self_message(&self, nonce: &str) -> Result<bool, StoreError>;
    /// Where a search found the web service of the mailbox.
    async fn discovered(&self, mailbox: &Name) -> Result<Option<Discovered>, StoreError>;
    /// Notes it, in place of what was found before. Without a lease: it is only remembered, and may be found again. A mailbox
    /// that is not declared is passed over.
    async fn note_discovered(&self, mailbox: &Name, found: &Discovered) -> Result<(), StoreError>;

    // --- incoming ---
    /// Says which inbox the mailbox is read from. When that is another one than before, what belongs to the former one
    /// is forgotten: the cursor, the messages' ids there, the deletions to do there. Records stay.
    async fn enter_inbox(&self, lease: &Lease, mailbox: &Name, inbox: &InboxId) -> Result<(), StoreError>;
    async fn cursor(&self, mailbox: &Name) -> Result<Cursor, StoreError>;
    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError>;
    /// Blobs are durable before the rows that name them; rows, cursor and deletions to do are one transaction.
    async fn record(&self, lease: &Lease, batch: &IncomingBatch) -> Result<Recorded, StoreError>;
    /// Messages to remove at the server: their records are durable.
    async fn deletions(&self, mailbox: &Name) -> Result<Vec<RemoteId>, StoreError>;
    /// These are about to be removed. UIDLs leave the cursor, because a server may give them to other messages then; one without a
    /// size, which was listed again after a removal, stays.
    async fn begin_deletions(&self, lease: &Lease, name: &Name, ids: &[RemoteId]) -> Result<(), StoreError>;
    async fn confirm_deletions(
        &self,
        lease: &Lease,
        mailbox: &Name,
        ids: &[RemoteId],
    ) -> Result<(), StoreError>;

    /// Messages to move into the folder for what could not be recorded, and that folder.
    async fn set_aside_due(&self, mailbox: &Name) -> Result<SetAsideDue, StoreError>;
    /// These were moved there.
    async fn confirm_set_aside(
        &self,
        lease: &Lease,
        mailbox: &Name,
        moved_into: (&[RemoteId], &str),
    ) -> Result<(), StoreError>;

    // --- outgoing ---
    async fn enqueue(&self, message: &NewOutgoing) -> Result<Enqueued, StoreError>;
    /// Mailboxes with a message due, or with an attempt that has not ended.
    async fn outgoing_due(&self, now: Timestamp) -> Result<Vec<Name>, StoreError>;
    /// The due messages of a mailbox behind a place in their order: those with the fewest failed attempts first, then the
    /// oldest.
    async fn due_after(
        &self,
        mailbox: &Name,
        now: Timestamp,
        after: Option<DuePlace>,
        limit: u64,
    ) -> Result<Vec<OutgoingMessage>, StoreError>;
    /// [`Store::due_after`], from the beginning.
    async fn due(
        &self,
        mailbox: &Name,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<OutgoingMessage>, StoreError> {
        self.due_after(mailbox, now, None, limit).await
    }
    /// Notes durably how attempts ended, and that others begin; for those, `pending` becomes `sending`. How an attempt
    /// ended may be said by whoever began it, even without its lease; for an attempt that died, by whoever holds the lease.
    async fn turn(&self, lease: &Lease, mailbox: &Name, turn: &Turn) -> Result<Begun, StoreError>;
    /// A [`Store::turn`] in which one attempt begins.
    async fn begin_sending(
        &self,
        lease: &Lease,
        mailbox: &Name,
        id: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let turn = Turn { begins: vec![id], at: now, ..Turn::default() };
        match self.turn(lease, mailbox, &turn).await? {
            Begun::Attempts(begun) if begun == [id] => Ok(()),
            Begun::Attempts(_) => Err(StoreError::Failed(format!("outgoing message {id} is not `pending`"))),
            Begun::LeaseLost => Err(StoreError::Fenced(lease.scope.clone())),
        }
    }
    /// A [`Store::turn`] in which one attempt ends.
    async fn finish_sending(
        &self,
        lease: &Lease,
        mailbox: &Name,
        outcome: &AttemptOutcome,
        alerts: &[Alert],
    ) -> Result<(), StoreError> {
        let (ended, alerts, at) = (vec![outcome.clone()], alerts.to_vec(), outcome.at);
        self.turn(lease, mailbox, &Turn { ended, alerts, begins: Vec::new(), at }).await.map(|_| ())
    }
    /// Writes what a person decided about messages that are still as they were read.
    async fn resolve(&self, resolved: &[Resolved]) -> Result<Resolutions, StoreError>;

    // --- reading ---
    async fn raw(&self, content: &ContentHash) -> Result<Option<Bytes>, StoreError>;
    /// A part of the same octets, not verified: whoever reads all of them compares their hash. Beyond their end there is nothing.
    async fn raw_part(&self, content: &ContentHash, range: Range<u64>) -> Result<Option<Bytes>, StoreError>;
    async fn messages(&self, query: &MessageQuery) -> Result<Vec<MessageRecord>, StoreError>;
    async fn message(&self, id: u64) -> Result<Option<MessageRecord>, StoreError>;
    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutgoingMessage>, StoreError>;
    /// Newest first.
    async fn alerts(&self, limit: u64) -> Result<Vec<Alert>, StoreError>;
}
