//! The footings of all declared mailboxes: written with every change that a plan can see, read at once.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::columns::{count, damaged, parse_name};
use super::declared;
use crate::model::footing::Footing;
use crate::model::name::Name;
use crate::model::stored::{FootingRow, Outline, StoredMailbox};
use crate::store::StoreError;

/// Everything but the mailboxes themselves. `None`: a mailbox has no row.
pub(super) fn outline(db: &Connection) -> Result<Option<Outline>, StoreError> {
    let mut statement = db.prepare_cached("SELECT name, footing, untested FROM footings")?;
    let mut rows = statement.query([])?;
    let mut footings = Vec::new();
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str().map_err(|error| damaged("a name", &error))?;
        let footing = row.get_ref(1)?.as_blob().map_err(|error| damaged("a footing", &error))?;
        footings.push(FootingRow {
            name: parse_name(name)?,
            footing: <[u8; 16]>::try_from(footing).ok().map(Footing),
            untested: row.get(2)?,
        });
    }
    if footings.len() as u64 != declared_count(db)? {
        return Ok(None);
    }
    declared::outline(db, footings).map(Some)
}

/// Whether every declared mailbox has a row, and rows are what this version makes of mailboxes.
pub(super) fn is_current(db: &Connection) -> Result<bool, StoreError> {
    if !is_complete(db)? {
        return Ok(false);
    }
    let sql = "SELECT mailbox, footing FROM footings WHERE length(footing) > 0 LIMIT 1";
    let one: Option<(i64, Vec<u8>)> =
        db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((id, footing)) = one else { return Ok(true) };
    let known = declared::stored_mailbox(db, id)?.as_ref().and_then(Footing::of_stored);
    Ok(known.is_some_and(|known| known.0.as_slice() == footing.as_slice()))
}

/// Whether every declared mailbox has a row.
fn is_complete(db: &Connection) -> Result<bool, StoreError> {
    let rows = count(db.query_row("SELECT count(*) FROM footings", [], |row| row.get(0))?)?;
    Ok(rows == declared_count(db)?)
}

fn declared_count(db: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM mailboxes INDEXED BY mailboxes_declared WHERE declared IS NOT NULL";
    count(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Writes every row anew.
pub(super) fn fill(db: &Connection) -> Result<(), StoreError> {
    db.execute("DELETE FROM footings", [])?;
    for (id, stored) in declared::mailboxes(db)? {
        write(db, id, &stored)?;
    }
    Ok(())
}

fn write(db: &Connection, id: i64, stored: &StoredMailbox) -> Result<(), StoreError> {
    put(db, id, &stored.declared.name, (Footing::of_stored(stored), stored.untested()))
}

/// `None`: one of the mailbox's operations calls for a step by itself.
pub(super) fn put(
    db: &Connection,
    id: i64,
    name: &Name,
    footing: (Option<Footing>, u8),
) -> Result<(), StoreError> {
    execute(&mut putting(db)?, id, name, footing)
}

/// The statement by which rows are put.
pub(super) fn putting(db: &Connection) -> Result<CachedStatement<'_>, StoreError> {
    let sql = "INSERT INTO footings (mailbox, name, footing, untested) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (mailbox) DO UPDATE SET name = excluded.name, footing = excluded.footing,
                   untested = excluded.untested";
    Ok(db.prepare_cached(sql)?)
}

pub(super) fn execute(
    putting: &mut CachedStatement<'_>,
    id: i64,
    name: &Name,
    (footing, untested): (Option<Footing>, u8),
) -> Result<(), StoreError> {
    let footing = footing.map(|footing| footing.0);
    let footing = footing.as_ref().map_or(&[] as &[u8], |footing| footing.as_slice());
    putting.execute(params![id, name.as_str(), footing, untested])?;
    Ok(())
}

/// After a change of what is stored of a mailbox.
pub(super) fn refresh(db: &Connection, id: i64) -> Result<(), StoreError> {
    match declared::stored_mailbox(db, id)? {
        Some(stored) => write(db, id, &stored),
        None => forget(db, id),
    }
}

pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM footings WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}

/// The mailboxes with an operation, or a change of one, that waits for a test or whose last test failed, by name. `None`: a
/// mailbox has no row.
pub(super) fn waiting(db: &Connection) -> Result<Option<Vec<Name>>, StoreError> {
    if !is_complete(db)? {
        return Ok(None);
    }
    let mut statement = db.prepare_cached(
        "SELECT name FROM footings WHERE untested > 0 OR length(footing) = 0 ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        names.push(parse_name(row.get_ref(0)?.as_str().map_err(|error| damaged("a name", &error))?)?);
    }
    Ok(Some(names))
}
