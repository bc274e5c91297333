//! Messages that their server did not hand over, and that are asked for again.

use rusqlite::{Connection, params};

use super::columns::{mailbox_id, micros, parse_remote, remote_text, timestamp, timestamp_opt};
use crate::model::cursor::{Owed, RemoteId};
use crate::model::name::Name;
use crate::store::StoreError;

pub(super) fn owed(db: &Connection, mailbox: &Name) -> Result<Vec<Owed>, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let sql =
        "SELECT remote, received_at, attempts, counted_at, said FROM owed WHERE mailbox = ?1 ORDER BY remote";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let mut owed = Vec::new();
    while let Some(row) = rows.next()? {
        owed.push(Owed {
            id: parse_remote(&row.get::<_, String>(0)?)?,
            received: timestamp_opt(row.get(1)?)?,
            attempts: row.get(2)?,
            counted_at: timestamp(row.get(3)?)?,
            said: row.get(4)?,
        });
    }
    Ok(owed)
}

/// Both in the transaction of the cursor that goes past them.
pub(super) fn note(
    db: &Connection,
    id: i64,
    (owed, answered): (&[Owed], &[RemoteId]),
) -> Result<(), StoreError> {
    for remote in answered {
        let sql = "DELETE FROM owed WHERE mailbox = ?1 AND remote = ?2";
        db.prepare_cached(sql)?.execute(params![id, remote_text(remote)])?;
    }
    for Owed { id: remote, received, attempts, counted_at, said } in owed {
        let sql = "INSERT INTO owed (mailbox, remote, received_at, attempts, counted_at, said)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (mailbox, remote) DO UPDATE SET received_at = excluded.received_at,
                       attempts = excluded.attempts, counted_at = excluded.counted_at, said = excluded.said";
        let received = received.map(micros);
        db.prepare_cached(sql)?.execute(params![
            id,
            remote_text(remote),
            received,
            attempts,
            micros(*counted_at),
            said
        ])?;
    }
    Ok(())
}

/// The mailbox is read from another inbox, or not at all any more.
pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM owed WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}
