//! Messages on their way into the folder for what could not be recorded, and that folder.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{mailbox_id, parse_remote, remote_text};
use super::lease;
use crate::model::cursor::RemoteId;
use crate::model::lease::Lease;
use crate::model::name::Name;
use crate::store::{SetAsideDue, StoreError};

pub(super) fn due(db: &Connection, mailbox: &Name) -> Result<SetAsideDue, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let mut statement =
        db.prepare_cached("SELECT remote FROM set_aside WHERE mailbox = ?1 ORDER BY remote")?;
    let mut rows = statement.query([id])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        messages.push(parse_remote(&row.get::<_, String>(0)?)?);
    }
    let sql = "SELECT folder FROM undeliverable_folders WHERE mailbox = ?1";
    let folder = db.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    Ok(SetAsideDue { messages, folder })
}

pub(super) fn add(db: &Connection, id: i64, messages: &[RemoteId]) -> Result<(), StoreError> {
    for remote in messages {
        let sql = "INSERT INTO set_aside (mailbox, remote) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute(params![id, remote_text(remote)])?;
    }
    Ok(())
}

pub(super) fn confirm(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    (moved, folder): (&[RemoteId], &str),
) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let id = mailbox_id(db, mailbox)?;
    for remote in moved {
        let sql = "DELETE FROM set_aside WHERE mailbox = ?1 AND remote = ?2";
        db.prepare_cached(sql)?.execute(params![id, remote_text(remote)])?;
    }
    let sql = "INSERT INTO undeliverable_folders (mailbox, folder) VALUES (?1, ?2)
               ON CONFLICT (mailbox) DO UPDATE SET folder = excluded.folder";
    db.prepare_cached(sql)?.execute(params![id, folder])?;
    Ok(())
}

/// The mailbox is read from another inbox: neither its messages nor its folders are there.
pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM set_aside WHERE mailbox = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM undeliverable_folders WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}
