//! The calls of which each cycle makes one.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    SqliteStore, categories, claims, declared, forward_rules, incoming, lease, mailbox, owed, received_back,
};
use crate::model::claim::Asked;
use crate::model::cursor::{InboxId, RemoteId};
use crate::model::forwarding::ForwardRule;
use crate::model::lease::{Holder, Lease, LeaseScope};
use crate::model::name::Name;
use crate::model::record::Categorised;
use crate::store::{CycleStart, Cycles, InboxStanding, MailboxRow, StateChange, Store, StoreError};

#[async_trait]
impl Cycles for SqliteStore {
    async fn begin_cycle(
        &self,
        mailbox: &Name,
        holder: &Holder,
        now: Timestamp,
    ) -> Result<CycleStart, StoreError> {
        let (name, holder) = (mailbox.clone(), holder.clone());
        let scope = LeaseScope::Mailbox(name.clone());
        self.write(move |work| {
            Ok(CycleStart {
                lease: lease::acquire(work.db, &scope, &holder, now)?,
                row: declared::mailbox_row(work.db, &name)?,
                organization: declared::organization(work.db)?,
            })
        })
        .await
    }

    async fn inbox_standing(
        &self,
        lease: &Lease,
        mailbox: &Name,
        inbox: &InboxId,
    ) -> Result<InboxStanding, StoreError> {
        let (name, asked) = (mailbox.clone(), inbox.clone());
        // It hardly ever changes: no write, and so no wait for the disk, when it does not.
        let known = self.read(move |db| match incoming::is_inbox(db, &name, &asked)? {
            true => Ok(Some(standing(db, &name)?)),
            false => Ok(None),
        });
        if let Some(standing) = known.await? {
            return Ok(standing);
        }
        self.enter_inbox(lease, mailbox, inbox).await?;
        let name = mailbox.clone();
        self.read(move |db| standing(db, &name)).await
    }

    async fn note_claim(&self, lease: &Lease, mailbox: &Name, asked: &Asked) -> Result<(), StoreError> {
        let (lease, name, asked) = (lease.clone(), mailbox.clone(), *asked);
        self.write(move |work| claims::note(work.db, &lease, &name, &asked)).await
    }

    async fn forward_rule(&self, mailbox: &Name) -> Result<Option<ForwardRule>, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| forward_rules::find(db, &name)).await
    }

    async fn note_forward_rule(
        &self,
        lease: &Lease,
        mailbox: &Name,
        rule: Option<&ForwardRule>,
    ) -> Result<(), StoreError> {
        let (lease, name, rule) = (lease.clone(), mailbox.clone(), rule.cloned());
        self.write(move |work| forward_rules::note(work.db, &lease, &name, rule.as_ref())).await
    }

    async fn not_received_back(&self, mailbox: &Name) -> Result<Option<Timestamp>, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| received_back::missing_since(db, &name)).await
    }

    async fn note_received_back(
        &self,
        lease: &Lease,
        mailbox: &Name,
        missing_since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let (lease, name) = (lease.clone(), mailbox.clone());
        self.write(move |work| received_back::note(work.db, &lease, &name, missing_since)).await
    }

    async fn note_categories(
        &self,
        lease: &Lease,
        mailbox: &Name,
        categorised: &[Categorised],
    ) -> Result<BTreeSet<RemoteId>, StoreError> {
        let (lease, name, all) = (lease.clone(), mailbox.clone(), categorised.to_vec());
        self.write(move |work| categories::note_all(work.db, &lease, &name, &all)).await
    }

    async fn end_cycle(&self, lease: &Lease, change: &StateChange) -> Result<Option<MailboxRow>, StoreError> {
        let (lease, change) = (lease.clone(), change.clone());
        self.write(move |work| {
            mailbox::change_state(work.db, &lease, &change)?;
            lease::release(work.db, &lease)?;
            declared::mailbox_row(work.db, &change.mailbox)
        })
        .await
    }
}

fn standing(db: &Connection, mailbox: &Name) -> Result<InboxStanding, StoreError> {
    Ok(InboxStanding {
        cursor: incoming::cursor(db, mailbox)?,
        removals: incoming::deletions(db, mailbox)?,
        owed: owed::owed(db, mailbox)?,
        asked: claims::find(db, mailbox)?,
    })
}
