//! The inbox rules that forward the mail of mailboxes, as a table.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{damaged, mailbox_id, micros, timestamp};
use super::lease;
use crate::model::forwarding::ForwardRule;
use crate::model::lease::Lease;
use crate::model::name::{Address, Name};
use crate::store::StoreError;

pub(super) fn find(db: &Connection, mailbox: &Name) -> Result<Option<ForwardRule>, StoreError> {
    let sql = "SELECT address, rule, checked_at FROM forward_rules
               WHERE mailbox = (SELECT id FROM mailboxes WHERE name = ?1)";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?));
    let Some((address, id, checked_at)) =
        db.prepare_cached(sql)?.query_row([mailbox.as_str()], row).optional()?
    else {
        return Ok(None);
    };
    let to = Address::parse(&address).map_err(|error| damaged("where a rule forwards to", &error))?;
    Ok(Some(ForwardRule { to, id, checked_at: timestamp(checked_at)? }))
}

pub(super) fn note(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    rule: Option<&ForwardRule>,
) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let mailbox = mailbox_id(db, mailbox)?;
    let Some(ForwardRule { to, id, checked_at }) = rule else { return forget(db, mailbox) };
    let sql = "INSERT INTO forward_rules (mailbox, address, rule, checked_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (mailbox) DO UPDATE
               SET address = excluded.address, rule = excluded.rule, checked_at = excluded.checked_at";
    db.prepare_cached(sql)?.execute(params![mailbox, to.as_str(), id, micros(*checked_at)])?;
    Ok(())
}

pub(super) fn forget(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM forward_rules WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}
