//! The door's methods: each is one read or one write, handed to the thread that does it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::commit::Commit;
use super::{
    SqliteStore, alerts, approvals, blobs, declared, discovered, footings, incoming, lease, mailbox,
    messages, outbox, outgoing, revision, runs, secrets, set_aside, spool, versions,
};
use crate::model::alert::{Alert, Trouble, TroubleChanges};
use crate::model::approval::Decision;
use crate::model::cursor::{Cursor, InboxId, RemoteId};
use crate::model::desired::ManifestDigest;
use crate::model::discovered::Discovered;
use crate::model::lease::{Holder, Lease, LeaseScope};
use crate::model::ledger::{LedgerEntry, NewRun, Outcome, Run};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::organization::Organization;
use crate::model::outbox::{
    Begun, DuePlace, Enqueued, NewOutgoing, OutgoingMessage, Resolutions, Resolved, Turn,
};
use crate::model::profile::Profile;
use crate::model::record::{ContentHash, IncomingBatch, MessageRecord, Recorded};
use crate::model::revision::{Revision, RevisionEntry, StoreId};
use crate::model::secret::{
    BundleDigest, SealedBundle, SealedDigestKey, SealedValue, SecretDigest, SecretRef, ValueDigest,
};
use crate::model::stored::{Outline, Stored, StoredMailbox, StoredOperation};
use crate::store::{
    AlertPlace, Ledger, MailboxFigures, MailboxRow, MessageQuery, OutboxQuery, RevisionCommit, RunQuery,
    SetAsideDue, Spool, StateChange, Store, StoreError,
};

#[async_trait]
impl Store for SqliteStore {
    async fn id(&self) -> Result<StoreId, StoreError> {
        self.read(declared::store_id).await
    }

    async fn stored(&self) -> Result<Stored, StoreError> {
        self.read(declared::stored).await
    }

    async fn outline(&self) -> Result<Outline, StoreError> {
        match self.read(footings::outline).await? {
            Some(outline) => Ok(outline),
            None => Ok(Outline::of(self.stored().await?)),
        }
    }

    async fn profiles(&self) -> Result<BTreeMap<Name, Profile>, StoreError> {
        self.read(declared::profiles).await
    }

    async fn stored_among(&self, names: BTreeSet<Name>) -> Result<BTreeMap<Name, StoredMailbox>, StoreError> {
        self.read(move |db| declared::stored_among(db, &names)).await
    }

    async fn waiting(&self) -> Result<Vec<Name>, StoreError> {
        match self.read(footings::waiting).await? {
            Some(names) => Ok(names),
            None => {
                let stored = self.stored().await?.mailboxes.into_iter();
                let needs_test =
                    |known: &StoredMailbox| known.operations.values().any(StoredOperation::needs_test);
                Ok(stored.filter(|(_, known)| needs_test(known)).map(|(name, _)| name).collect())
            }
        }
    }

    async fn commit_revision(
        &self,
        lease: &Lease,
        commit: RevisionCommit<'_>,
    ) -> Result<Revision, StoreError> {
        let (lease, commit) = (lease.clone(), Commit::of(commit));
        self.write(move |work| revision::commit(work.db, &lease, &commit)).await
    }

    async fn decide(&self, lease: &Lease, decisions: &[Decision], off: &[Name]) -> Result<(), StoreError> {
        let (lease, decisions, off) = (lease.clone(), decisions.to_vec(), off.to_vec());
        self.write(move |work| approvals::decide(work.db, &lease, &decisions, &off)).await
    }

    async fn revisions(&self, limit: u64) -> Result<Vec<RevisionEntry>, StoreError> {
        self.read(move |db| declared::revisions(db, limit)).await
    }

    async fn manifest_digest(&self) -> Result<Option<ManifestDigest>, StoreError> {
        let newest = self.revisions(1).await?.pop();
        Ok(newest.map(|entry| entry.manifest))
    }

    async fn organization(&self) -> Result<Option<Organization>, StoreError> {
        self.read(declared::organization).await
    }

    async fn sealed(&self, secret: &SecretRef) -> Result<Option<SealedValue>, StoreError> {
        let secret = secret.clone();
        self.read(move |db| secrets::sealed(db, &secret)).await
    }

    async fn bundle(&self, digest: &BundleDigest) -> Result<Option<SealedBundle>, StoreError> {
        let digest = digest.clone();
        self.read(move |db| secrets::bundle(db, &digest)).await
    }

    async fn digest_key(&self) -> Result<Option<SealedDigestKey>, StoreError> {
        self.read(secrets::digest_key).await
    }

    async fn value_digests(&self) -> Result<BTreeMap<SecretRef, ValueDigest>, StoreError> {
        self.read(secrets::value_digests).await
    }

    async fn sealed_version(&self, digest: &SecretDigest) -> Result<Option<SealedValue>, StoreError> {
        let digest = digest.clone();
        self.read(move |db| versions::sealed(db, &digest)).await
    }

    async fn acquire(
        &self,
        scope: &LeaseScope,
        holder: &Holder,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        let (scope, holder) = (scope.clone(), holder.clone());
        if scope == LeaseScope::State {
            // An apply writes for long, and nobody can write meanwhile.
            let asked = (scope.clone(), holder.clone());
            self.read(move |db| lease::check_free(db, &asked.0, &asked.1, now)).await?;
        }
        self.write(move |work| lease::acquire(work.db, &scope, &holder, now)).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp) -> Result<Lease, StoreError> {
        let lease = lease.clone();
        self.write(move |work| lease::renew(work.db, &lease, now)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |work| lease::release(work.db, &lease)).await
    }

    async fn mailbox(&self, name: &Name) -> Result<Option<MailboxRow>, StoreError> {
        let name = name.clone();
        self.read(move |db| declared::mailbox_row(db, &name)).await
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxRow>, StoreError> {
        self.read(declared::mailbox_rows).await
    }

    async fn change_state(&self, lease: &Lease, change: &StateChange) -> Result<(), StoreError> {
        let (lease, change) = (lease.clone(), change.clone());
        self.write(move |work| mailbox::change_state(work.db, &lease, &change)).await
    }

    async fn figures(&self, mailbox: &Name) -> Result<MailboxFigures, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| mailbox::figures(db, &name)).await
    }

    async fn expect_self_message(
        &self,
        lease: &Lease,
        mailbox: &Name,
        nonce: &str,
    ) -> Result<(), StoreError> {
        let (lease, name, nonce) = (lease.clone(), mailbox.clone(), nonce.to_owned());
        self.write(move |work| mailbox::expect_self_message(work.db, &lease, &name, &nonce)).await
    }

    async fn is_self_message(&self, nonce: &str) -> Result<bool, StoreError> {
        let nonce = nonce.to_owned();
        self.read(move |db| mailbox::is_self_message(db, &nonce)).await
    }

    async fn discovered(&self, mailbox: &Name) -> Result<Option<Discovered>, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| discovered::find(db, &name)).await
    }

    async fn note_discovered(&self, mailbox: &Name, found: &Discovered) -> Result<(), StoreError> {
        let (name, found) = (mailbox.clone(), found.clone());
        self.write(move |work| discovered::note(work.db, &name, &found)).await
    }

    async fn enter_inbox(&self, lease: &Lease, mailbox: &Name, inbox: &InboxId) -> Result<(), StoreError> {
        let (lease, mailbox, inbox) = (lease.clone(), mailbox.clone(), inbox.clone());
        let asked = (mailbox.clone(), inbox.clone());
        // It hardly ever changes: no write, and so no wait for the disk, when it does not.
        if self.read(move |db| incoming::is_inbox(db, &asked.0, &asked.1)).await? {
            return Ok(());
        }
        self.write(move |work| incoming::enter_inbox(work.db, &lease, &mailbox, &inbox)).await
    }

    async fn cursor(&self, mailbox: &Name) -> Result<Cursor, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| incoming::cursor(db, &name)).await
    }

    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        let (spools, folder) = (Arc::clone(&self.spools), self.blobs.clone());
        let opened = tokio::task::spawn_blocking(move || spool::open(&spools, &folder)).await;
        let stopped = |_| StoreError::Failed("taking in a large message was interrupted".to_owned());
        Ok(Box::new(opened.map_err(stopped)??))
    }

    async fn record(&self, lease: &Lease, batch: &IncomingBatch) -> Result<Recorded, StoreError> {
        let spooled = self.spools.of(batch)?;
        let (lease, batch) = (lease.clone(), batch.clone());
        self.write(move |work| incoming::record(work, &lease, (&batch, &spooled))).await
    }

    async fn deletions(&self, mailbox: &Name) -> Result<Vec<RemoteId>, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| incoming::deletions(db, &name)).await
    }

    async fn begin_deletions(
        &self,
        lease: &Lease,
        mailbox: &Name,
        ids: &[RemoteId],
    ) -> Result<(), StoreError> {
        let (lease, name, ids) = (lease.clone(), mailbox.clone(), ids.to_vec());
        self.write(move |work| incoming::begin_deletions(work.db, &lease, &name, &ids)).await
    }

    async fn confirm_deletions(
        &self,
        lease: &Lease,
        mailbox: &Name,
        ids: &[RemoteId],
    ) -> Result<(), StoreError> {
        let (lease, name, ids) = (lease.clone(), mailbox.clone(), ids.to_vec());
        self.write(move |work| incoming::confirm_deletions(work.db, &lease, &name, &ids)).await
    }

    async fn set_aside_due(&self, mailbox: &Name) -> Result<SetAsideDue, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| set_aside::due(db, &name)).await
    }

    async fn confirm_set_aside(
        &self,
        lease: &Lease,
        mailbox: &Name,
        (moved, folder): (&[RemoteId], &str),
    ) -> Result<(), StoreError> {
        let (lease, name, moved, folder) =
            (lease.clone(), mailbox.clone(), moved.to_vec(), folder.to_owned());
        self.write(move |work| set_aside::confirm(work.db, &lease, &name, (&moved, &folder))).await
    }

    async fn enqueue(&self, message: &NewOutgoing) -> Result<Enqueued, StoreError> {
        let message = message.clone();
        self.write(move |work| outgoing::enqueue(work, &message)).await
    }

    async fn outgoing_due(&self, now: Timestamp) -> Result<Vec<Name>, StoreError> {
        self.read(move |db| outbox::mailboxes_due(db, now)).await
    }

    async fn due_after(
        &self,
        mailbox: &Name,
        now: Timestamp,
        after: Option<DuePlace>,
        limit: u64,
    ) -> Result<Vec<OutgoingMessage>, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| outbox::due(db, &name, now, after, limit)).await
    }

    async fn turn(&self, lease: &Lease, mailbox: &Name, turn: &Turn) -> Result<Begun, StoreError> {
        let (lease, name, turn) = (lease.clone(), mailbox.clone(), turn.clone());
        self.write(move |work| outgoing::turn(work.db, &lease, &name, &turn)).await
    }

    async fn resolve(&self, resolved: &[Resolved]) -> Result<Resolutions, StoreError> {
        let resolved = resolved.to_vec();
        self.write(move |work| outgoing::resolve(work.db, &resolved)).await
    }

    async fn raw(&self, content: &ContentHash) -> Result<Option<bytes::Bytes>, StoreError> {
        let (content, folder) = (content.clone(), self.blobs.clone());
        self.read(move |db| blobs::read(db, &folder, &content)).await
    }

    async fn raw_part(
        &self,
        content: &ContentHash,
        range: std::ops::Range<u64>,
    ) -> Result<Option<bytes::Bytes>, StoreError> {
        let (content, folder) = (content.clone(), self.blobs.clone());
        self.read(move |db| blobs::read_part(db, &folder, &content, range)).await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Vec<MessageRecord>, StoreError> {
        let query = query.clone();
        self.read(move |db| messages::messages(db, &query)).await
    }

    async fn message(&self, id: u64) -> Result<Option<MessageRecord>, StoreError> {
        self.read(move |db| messages::message(db, id)).await
    }

    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutgoingMessage>, StoreError> {
        let query = query.clone();
        self.read(move |db| outbox::outbox(db, &query)).await
    }

    async fn alerts(&self, limit: u64) -> Result<Vec<Alert>, StoreError> {
        self.read(move |db| alerts::read(db, limit)).await
    }
}

#[async_trait]
impl Ledger for SqliteStore {
    async fn begin_run(&self, run: &NewRun) -> Result<u64, StoreError> {
        let run = run.clone();
        self.write(move |work| runs::begin(work.db, &run)).await
    }

    async fn note_outcomes(
        &self,
        run: u64,
        outcomes: &[(Name, Operation, Outcome)],
        alerts: &[Alert],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (outcomes, alerts) = (outcomes.to_vec(), alerts.to_vec());
        self.write(move |work| runs::note(work.db, run, &outcomes, &alerts, at)).await
    }

    async fn raise(&self, raised: &[Alert]) -> Result<(), StoreError> {
        let raised = raised.to_vec();
        self.write(move |work| alerts::write(work.db, &raised)).await
    }

    async fn troubles(&self) -> Result<BTreeSet<(Name, Trouble)>, StoreError> {
        self.read(alerts::troubles).await
    }

    async fn note_troubles(&self, changes: &TroubleChanges) -> Result<(), StoreError> {
        let changes = changes.clone();
        self.write(move |work| alerts::note_troubles(work.db, &changes)).await
    }

    async fn drop_alerts(
        &self,
        before: Timestamp,
        place: AlertPlace,
    ) -> Result<Option<AlertPlace>, StoreError> {
        self.write(move |work| alerts::drop_old(work.db, before, place)).await
    }

    async fn end_run(&self, run: u64, at: Timestamp) -> Result<(), StoreError> {
        self.write(move |work| runs::end(work.db, run, at)).await
    }

    async fn last_run(&self, which: RunQuery) -> Result<Option<(Run, Vec<LedgerEntry>)>, StoreError> {
        self.read(move |db| runs::last(db, which)).await
    }
}
