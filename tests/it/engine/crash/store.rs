//! A store whose every call is a moment to die at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mailplumb::model::alert::Alert;
use mailplumb::model::approval::Decision;
use mailplumb::model::claim::Asked;
use mailplumb::model::cursor::{Cursor, InboxId, RemoteId};
use mailplumb::model::desired::ManifestDigest;
use mailplumb::model::discovered::Discovered;
use mailplumb::model::forwarding::ForwardRule;
use mailplumb::model::lease::{Holder, Lease, LeaseScope};
use mailplumb::model::name::Name;
use mailplumb::model::organization::Organization;
use mailplumb::model::outbox::{
    Begun, DuePlace, Enqueued, NewOutgoing, OutgoingMessage, Resolutions, Resolved, Turn,
};
use mailplumb::model::record::{Categorised, ContentHash, IncomingBatch, MessageRecord, Recorded};
use mailplumb::model::revision::{Revision, RevisionEntry, StoreId};
use mailplumb::model::secret::{
    BundleDigest, SealedBundle, SealedDigestKey, SealedValue, SecretDigest, SecretRef, ValueDigest,
};
use mailplumb::model::stored::Stored;
use mailplumb::store::{
    CycleStart, Cycles, InboxStanding, MailboxFigures, MailboxRow, MessageQuery, OutboxQuery, RevisionCommit,
    SetAsideDue, Spool, StateChange, Store, StoreError,
};

use super::points::Points;

pub struct CrashingStore {
    pub real: Arc<dyn Store>,
    pub points: Arc<Points>,
}

pub const TURN: &str = "Store::turn";

#[async_trait]
impl Store for CrashingStore {
    async fn id(&self) -> Result<StoreId, StoreError> {
        self.points.reach("Store::id");
        self.real.id().await
    }

    async fn stored(&self) -> Result<Stored, StoreError> {
        self.points.reach("Store::stored");
        self.real.stored().await
    }

    async fn commit_revision(
        &self,
        lease: &Lease,
        commit: RevisionCommit<'_>,
    ) -> Result<Revision, StoreError> {
        self.points.reach("Store::commit_revision");
        self.real.commit_revision(lease, commit).await
    }

    async fn decide(&self, lease: &Lease, decisions: &[Decision], off: &[Name]) -> Result<(), StoreError> {
        self.points.reach("Store::decide");
        self.real.decide(lease, decisions, off).await
    }

    async fn revisions(&self, limit: u64) -> Result<Vec<RevisionEntry>, StoreError> {
        self.points.reach("Store::revisions");
        self.real.revisions(limit).await
    }

    async fn manifest_digest(&self) -> Result<Option<ManifestDigest>, StoreError> {
        self.points.reach("Store::manifest_digest");
        self.real.manifest_digest().await
    }

    async fn organization(&self) -> Result<Option<Organization>, StoreError> {
        self.points.reach("Store::organization");
        self.real.organization().await
    }

    async fn sealed(&self, secret: &SecretRef) -> Result<Option<SealedValue>, StoreError> {
        self.points.reach("Store::sealed");
        self.real.sealed(secret).await
    }

    async fn sealed_version(&self, digest: &SecretDigest) -> Result<Option<SealedValue>, StoreError> {
        self.points.reach("Store::sealed_version");
        self.real.sealed_version(digest).await
    }

    async fn bundle(&self, digest: &BundleDigest) -> Result<Option<SealedBundle>, StoreError> {
        self.points.reach("Store::bundle");
        self.real.bundle(digest).await
    }

    async fn digest_key(&self) -> Result<Option<SealedDigestKey>, StoreError> {
        self.points.reach("Store::digest_key");
        self.real.digest_key().await
    }

    async fn value_digests(&self) -> Result<BTreeMap<SecretRef, ValueDigest>, StoreError> {
        self.points.reach("Store::value_digests");
        self.real.value_digests().await
    }

    async fn acquire(
        &self,
        scope: &LeaseScope,
        holder: &Holder,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.points.reach("Store::acquire");
        self.real.acquire(scope, holder, now).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<Lease, StoreError> {
        self.points.reach("Store::renew");
        self.real.renew(lease, now).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.points.reach("Store::release");
        self.real.release(lease).await
    }

    async fn mailbox(&self, name: &Name) -> Result<Option<MailboxRow>, StoreError> {
        self.points.reach("Store::mailbox");
        self.real.mailbox(name).await
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxRow>, StoreError> {
        self.points.reach("Store::mailboxes");
        self.real.mailboxes().await
    }

    async fn change_state(&self, lease: &Lease, change: &StateChange) -> Result<(), StoreError> {
        self.points.reach("Store::change_state");
        self.real.change_state(lease, change).await
    }

    async fn figures(&self, mailbox: &Name) -> Result<MailboxFigures, StoreError> {
        self.points.reach("Store::figures");
        self.real.figures(mailbox).await
    }

    async fn expect_self_message(
        &self,
        lease: &Lease,
        mailbox: &Name,
        nonce: &str,
    ) -> Result<(), StoreError> {
        self.points.reach("Store::expect_self_message");
        self.real.expect_self_message(lease, mailbox, nonce).await
    }

    async fn discovered(&self, mailbox: &Name) -> Result<Option<Discovered>, StoreError> {
        self.points.reach("Store::discovered");
        self.real.discovered(mailbox).await
    }

    async fn note_discovered(&self, mailbox: &Name, found: &Discovered) -> Result<(), StoreError> {
        self.points.reach("Store::note_discovered");
        self.real.note_discovered(mailbox, found).await
    }

    async fn is_self_message(&self, nonce: &str) -> Result<bool, StoreError> {
        self.points.reach("Store::is_self_message");
        self.real.is_self_message(nonce).await
    }

    async fn enter_inbox(&self, lease: &Lease, mailbox: &Name, inbox: &InboxId) -> Result<(), StoreError> {
        self.points.reach("Store::enter_inbox");
        self.real.enter_inbox(lease, mailbox, inbox).await
    }

    async fn cursor(&self, mailbox: &Name) -> Result<Cursor, StoreError> {
        self.points.reach("Store::cursor");
        self.real.cursor(mailbox).await
    }

    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        self.points.reach("Store::spool");
        self.real.spool().await
    }

    async fn record(&self, lease: &Lease, batch: &IncomingBatch) -> Result<Recorded, StoreError> {
        self.points.reach("Store::record");
        self.real.record(lease, batch).await
    }

    async fn deletions(&self, mailbox: &Name) -> Result<Vec<RemoteId>, StoreError> {
        self.points.reach("Store::deletions");
        self.real.deletions(mailbox).await
    }

    async fn begin_deletions(
        &self,
        lease: &Lease,
        mailbox: &Name,
        ids: &[RemoteId],
    ) -> Result<(), StoreError> {
        self.points.reach("Store::begin_deletions");
        self.real.begin_deletions(lease, mailbox, ids).await
    }

    async fn confirm_deletions(
        &self,
        lease: &Lease,
        mailbox: &Name,
        ids: &[RemoteId],
    ) -> Result<(), StoreError> {
        self.points.reach("Store::confirm_deletions");
        self.real.confirm_deletions(lease, mailbox, ids).await
    }

    async fn set_aside_due(&self, mailbox: &Name) -> Result<SetAsideDue, StoreError> {
        self.real.set_aside_due(mailbox).await
    }

    async fn confirm_set_aside(
        &self,
        lease: &Lease,
        mailbox: &Name,
        moved_into: (&[RemoteId], &str),
    ) -> Result<(), StoreError> {
        self.real.confirm_set_aside(lease, mailbox, moved_into).await
    }

    async fn enqueue(&self, message: &NewOutgoing) -> Result<Enqueued, StoreError> {
        self.points.reach("Store::enqueue");
        self.real.enqueue(message).await
    }

    async fn outgoing_due(&self, now: Timestamp) -> Result<Vec<Name>, StoreError> {
        self.points.reach("Store::outgoing_due");
        self.real.outgoing_due(now).await
    }

    async fn due_after(
        &self,
        mailbox: &Name,
        now: Timestamp,
        after: Option<DuePlace>,
        limit: u64,
    ) -> Result<Vec<OutgoingMessage>, StoreError> {
        self.points.reach("Store::due_after");
        self.real.due_after(mailbox, now, after, limit).await
    }

    async fn turn(&self, lease: &Lease, mailbox: &Name, turn: &Turn) -> Result<Begun, StoreError> {
        self.points.reach(TURN);
        self.real.turn(lease, mailbox, turn).await
    }

    async fn resolve(&self, resolved: &[Resolved]) -> Result<Resolutions, StoreError> {
        self.points.reach("Store::resolve");
        self.real.resolve(resolved).await
    }

    async fn raw(&self, content: &ContentHash) -> Result<Option<bytes::Bytes>, StoreError> {
        self.points.reach("Store::raw");
        self.real.raw(content).await
    }

    async fn raw_part(
        &self,
        content: &ContentHash,
        range: std::ops::Range<u64>,
    ) -> Result<Option<bytes::Bytes>, StoreError> {
        self.points.reach("Store::raw_part");
        self.real.raw_part(content, range).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Vec<MessageRecord>, StoreError> {
        self.points.reach("Store::messages");
        self.real.messages(query).await
    }

    async fn message(&self, id: u64) -> Result<Option<MessageRecord>, StoreError> {
        self.points.reach("Store::message");
        self.real.message(id).await
    }

    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutgoingMessage>, StoreError> {
        self.points.reach("Store::outbox");
        self.real.outbox(query).await
    }

    async fn alerts(&self, limit: u64) -> Result<Vec<Alert>, StoreError> {
        self.points.reach("Store::alerts");
        self.real.alerts(limit).await
    }
}

#[async_trait]
impl Cycles for CrashingStore {
    async fn begin_cycle(
        &self,
        mailbox: &Name,
        holder: &Holder,
        now: Timestamp,
    ) -> Result<CycleStart, StoreError> {
        self.points.reach("Store::begin_cycle");
        self.real.begin_cycle(mailbox, holder, now).await
    }

    async fn inbox_standing(
        &self,
        lease: &Lease,
        mailbox: &Name,
        inbox: &InboxId,
    ) -> Result<InboxStanding, StoreError> {
        self.points.reach("Store::inbox_standing");
        self.real.inbox_standing(lease, mailbox, inbox).await
    }

    async fn note_claim(&self, lease: &Lease, mailbox: &Name, asked: &Asked) -> Result<(), StoreError> {
        self.points.reach("Store::note_claim");
        self.real.note_claim(lease, mailbox, asked).await
    }

    async fn forward_rule(&self, mailbox: &Name) -> Result<Option<ForwardRule>, StoreError> {
        self.points.reach("Store::forward_rule");
        self.real.forward_rule(mailbox).await
    }

    async fn note_forward_rule(
        &self,
        lease: &Lease,
        mailbox: &Name,
        rule: Option<&ForwardRule>,
    ) -> Result<(), StoreError> {
        self.points.reach("Store::note_forward_rule");
        self.real.note_forward_rule(lease, mailbox, rule).await
    }

    async fn not_received_back(&self, mailbox: &Name) -> Result<Option<Timestamp>, StoreError> {
        self.points.reach("Store::not_received_back");
        self.real.not_received_back(mailbox).await
    }

    async fn note_received_back(
        &self,
        lease: &Lease,
        mailbox: &Name,
        missing_since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.points.reach("Store::note_received_back");
        self.real.note_received_back(lease, mailbox, missing_since).await
    }

    async fn note_categories(
        &self,
        lease: &Lease,
        mailbox: &Name,
        categorised: &[Categorised],
    ) -> Result<BTreeSet<RemoteId>, StoreError> {
        self.points.reach("Store::note_categories");
        self.real.note_categories(lease, mailbox, categorised).await
    }

    async fn end_cycle(&self, lease: &Lease, change: &StateChange) -> Result<Option<MailboxRow>, StoreError> {
        self.points.reach("Store::end_cycle");
        self.real.end_cycle(lease, change).await
    }
}
