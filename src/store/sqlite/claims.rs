//! When servers were last asked for the mark of the installation, as a table.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{damaged, mailbox_id, micros, timestamp};
use super::lease;
use crate::model::claim::{Asked, Claimed};
use crate::model::lease::Lease;
use crate::model::name::Name;
use crate::store::StoreError;

pub(super) fn find(db: &Connection, mailbox: &Name) -> Result<Option<Asked>, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let sql = "SELECT at, answer FROM claims_asked WHERE mailbox = ?1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let Some((at, answer)) = db.prepare_cached(sql)?.query_row([id], row).optional()? else {
        return Ok(None);
    };
    let answer = Claimed::parse(&answer).ok_or_else(|| damaged("what became of a mark", &answer))?;
    Ok(Some(Asked { at: timestamp(at)?, answer }))
}

pub(super) fn note(db: &Connection, lease: &Lease, mailbox: &Name, asked: &Asked) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let sql = "INSERT INTO claims_asked (mailbox, at, answer) VALUES (?1, ?2, ?3)
               ON CONFLICT (mailbox) DO UPDATE SET at = excluded.at, answer = excluded.answer";
    let values = params![mailbox_id(db, mailbox)?, micros(asked.at), asked.answer.key()];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The mailbox is read from another inbox, or not at all any more.
pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM claims_asked WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}
