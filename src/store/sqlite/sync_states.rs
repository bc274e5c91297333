//! How far inboxes of Exchange were read: a state of the server's own, and the items beyond it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::cursor::{Cursor, SyncState};
use crate::store::StoreError;

/// `None`: the inbox was never read as one of Exchange.
pub(super) fn cursor(db: &Connection, id: i64) -> Result<Option<Cursor>, StoreError> {
    let sql = "SELECT state FROM sync_states WHERE mailbox = ?1";
    let state: Option<Option<String>> =
        db.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    let Some(state) = state else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT item FROM sync_ahead WHERE mailbox = ?1")?;
    let ahead = statement.query_map([id], |row| row.get(0))?.collect::<Result<BTreeSet<String>, _>>()?;
    Ok(Some(Cursor::Exchange { state: SyncState(state), ahead }))
}

pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM sync_states WHERE mailbox = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM sync_ahead WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}

/// A new state takes in all items that were beyond the former one.
pub(super) fn advance(
    db: &Connection,
    id: i64,
    ahead: &[String],
    state: Option<&str>,
) -> Result<(), StoreError> {
    if let Some(state) = state {
        let sql = "INSERT INTO sync_states (mailbox, state) VALUES (?1, ?2)
                   ON CONFLICT (mailbox) DO UPDATE SET state = excluded.state";
        db.prepare_cached(sql)?.execute(params![id, state])?;
        db.prepare_cached("DELETE FROM sync_ahead WHERE mailbox = ?1")?.execute([id])?;
        return Ok(());
    }
    let sql = "INSERT INTO sync_states (mailbox, state) VALUES (?1, NULL) ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute([id])?;
    for item in ahead {
        let sql = "INSERT INTO sync_ahead (mailbox, item) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute(params![id, item])?;
    }
    Ok(())
}
