//! Where services were found, as a table.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{damaged, mailbox_id_opt, micros, timestamp};
use crate::model::discovered::Discovered;
use crate::model::name::{Address, Name};
use crate::store::StoreError;

pub(super) fn find(db: &Connection, mailbox: &Name) -> Result<Option<Discovered>, StoreError> {
    let Some(id) = mailbox_id_opt(db, mailbox)? else { return Ok(None) };
    let sql = "SELECT address, url, said_by, found_at FROM discovered WHERE mailbox = ?1";
    let row = |row: &rusqlite::Row<'_>| {
        let (address, found_at): (String, i64) = (row.get(0)?, row.get(3)?);
        Ok((address, row.get(1)?, row.get(2)?, found_at))
    };
    let found = db.prepare_cached(sql)?.query_row([id], row).optional()?;
    let Some((address, url, said_by, found_at)) = found else { return Ok(None) };
    let address = Address::parse(&address).map_err(|error| damaged("an address", &error))?;
    Ok(Some(Discovered { address, url, said_by, found_at: timestamp(found_at)? }))
}

/// A mailbox that is not declared any more has nothing to be found.
pub(super) fn note(db: &Connection, mailbox: &Name, found: &Discovered) -> Result<(), StoreError> {
    let Some(id) = mailbox_id_opt(db, mailbox)? else { return Ok(()) };
    let sql = "INSERT INTO discovered (mailbox, address, url, said_by, found_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (mailbox) DO UPDATE SET address = excluded.address, url = excluded.url,
                 said_by = excluded.said_by, found_at = excluded.found_at";
    let values = params![id, found.address.as_str(), found.url, found.said_by, micros(found.found_at)];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM discovered WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}
