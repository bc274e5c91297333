//! Mailboxes whose test message has not come back, as a table.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{mailbox_id, micros, timestamp};
use super::lease;
use crate::model::lease::Lease;
use crate::model::name::Name;
use crate::store::StoreError;

pub(super) fn missing_since(db: &Connection, mailbox: &Name) -> Result<Option<Timestamp>, StoreError> {
    let sql =
        "SELECT since FROM not_received_back WHERE mailbox = (SELECT id FROM mailboxes WHERE name = ?1)";
    let since = db.prepare_cached(sql)?.query_row([mailbox.as_str()], |row| row.get(0)).optional()?;
    since.map(timestamp).transpose()
}

/// By the mailbox's row.
pub(super) fn all_missing(db: &Connection) -> Result<Vec<(i64, Timestamp)>, StoreError> {
    let mut statement = db.prepare_cached("SELECT mailbox, since FROM not_received_back")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| {
        row.map_err(StoreError::from).and_then(|(mailbox, since)| Ok((mailbox, timestamp(since)?)))
    })
    .collect()
}

pub(super) fn note(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    missing_since: Option<Timestamp>,
) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let mailbox = mailbox_id(db, mailbox)?;
    let Some(since) = missing_since else { return forget(db, mailbox) };
    let sql = "INSERT INTO not_received_back (mailbox, since) VALUES (?1, ?2)
               ON CONFLICT (mailbox) DO UPDATE SET since = excluded.since";
    db.prepare_cached(sql)?.execute(params![mailbox, micros(since)])?;
    Ok(())
}

pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM not_received_back WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}
