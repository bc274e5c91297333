//! The calls of which each cycle makes one.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use super::{SqliteStore, declared, incoming, lease, mailbox, owed};
use crate::model::cursor::InboxId;
use crate::model::lease::{Holder, Lease, LeaseScope};
use crate::model::name::Name;
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
    })
}
