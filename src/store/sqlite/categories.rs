//! Records that bear the tracking category: it stands among what is known of a message.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::columns::{mailbox_id, remote_text};
use super::{incoming, lease};
use crate::model::cursor::RemoteId;
use crate::model::lease::Lease;
use crate::model::name::Name;
use crate::model::record::{Categorised, CategoryChange};
use crate::store::StoreError;

pub(super) fn note_all(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    categorised: &[Categorised],
) -> Result<BTreeSet<RemoteId>, StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let id = mailbox_id(db, mailbox)?;
    let mut known = BTreeSet::new();
    for Categorised { id: remote, change } in categorised {
        if let Some(message) = incoming::find_by_remote(db, id, &remote_text(remote))? {
            note(db, message, *change)?;
            known.insert(remote.clone());
        }
    }
    Ok(known)
}

/// A record that lies in a tracked folder stays tracked by it.
pub(super) fn note(db: &Connection, message: i64, change: CategoryChange) -> Result<(), StoreError> {
    let sql = match change {
        CategoryChange::Given => {
            "UPDATE messages SET facts = json_set(facts, '$.tracked', 'category')
             WHERE id = ?1 AND json_extract(facts, '$.tracked') IS NULL"
        }
        CategoryChange::Absent => {
            "UPDATE messages SET facts = json_remove(facts, '$.tracked')
             WHERE id = ?1 AND json_extract(facts, '$.tracked') = 'category'"
        }
    };
    db.prepare_cached(sql)?.execute(params![message])?;
    Ok(())
}
