//! How values are written into columns, and read back without trust.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::cursor::RemoteId;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::store::StoreError;

/// Whole microseconds since 1970, which SQLite compares as numbers.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn timestamp(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| damaged("a moment", &error))
}

pub(super) fn timestamp_opt(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(timestamp).transpose()
}

/// A column that counts something.
pub(super) fn count(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|error| damaged("a count", &error))
}

/// The other way; what is too large for a column is larger than anything that is stored.
pub(super) fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(format!("cannot be written: {error}")))
}

pub(super) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| damaged(what, &error))
}

pub(super) fn parse_name(text: &str) -> Result<Name, StoreError> {
    Name::parse(text).map_err(|error| damaged("a name", &error))
}

/// `uid:<validity>:<uid>`, `uidl:<uidl>` or `item:<id>`.
pub(super) fn remote_text(remote: &RemoteId) -> String {
    match remote {
        RemoteId::Uidl(uidl) => format!("uidl:{uidl}"),
        RemoteId::Uid { validity, uid } => format!("uid:{validity}:{uid}"),
        RemoteId::Item(id) => format!("item:{id}"),
    }
}

pub(super) fn parse_remote(text: &str) -> Result<RemoteId, StoreError> {
    if let Some(uidl) = text.strip_prefix("uidl:") {
        return Ok(RemoteId::Uidl(uidl.to_owned()));
    }
    if let Some(id) = text.strip_prefix("item:") {
        return Ok(RemoteId::Item(id.to_owned()));
    }
    let parsed =
        text.strip_prefix("uid:").and_then(|rest| rest.split_once(':')).and_then(|(validity, uid)| {
            Some(RemoteId::Uid { validity: validity.parse().ok()?, uid: uid.parse().ok()? })
        });
    parsed.ok_or_else(|| damaged("the id of a message at its server", &"unknown form"))
}

pub(super) fn damaged(what: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{what} cannot be read: {error}"))
}

/// The id of a declared mailbox.
pub(super) fn mailbox_id(db: &Connection, name: &Name) -> Result<i64, StoreError> {
    mailbox_id_opt(db, name)?.ok_or_else(|| StoreError::NotFound(format!("mailbox `{name}`")))
}

pub(super) fn mailbox_id_opt(db: &Connection, name: &Name) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT id FROM mailboxes WHERE name = ?1 AND declared IS NOT NULL";
    Ok(db.prepare_cached(sql)?.query_row([name.as_str()], |row| row.get(0)).optional()?)
}

/// Under which number an operation of a mailbox is stored.
pub(super) fn slot(mailbox: i64, operation: Operation) -> i64 {
    let nth = match operation {
        Operation::Incoming => 0,
        Operation::Outgoing => 1,
        Operation::Act => 2,
    };
    (mailbox << 2) + nth
}

/// Every mailbox that has or had this name when it was deleted; the newest first.
pub(super) fn mailbox_ids_ever(db: &Connection, name: &Name) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT id FROM mailboxes WHERE name = ?1 AND declared IS NOT NULL
               UNION ALL SELECT id FROM mailboxes WHERE name = ?1 AND declared IS NULL ORDER BY id DESC";
    let mut statement = db.prepare_cached(sql)?;
    let ids = statement.query_map([name.as_str()], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_id_reads_back_as_it_was_written() {
        let item = RemoteId::Item("AAMkAD=uidl:".to_owned());
        let uid = RemoteId::Uid { validity: u32::MAX, uid: 1 };
        for remote in [RemoteId::Uidl("a:b uid:1:2".to_owned()), uid, item] {
            assert_eq!(parse_remote(&remote_text(&remote)).unwrap(), remote);
        }
        assert!(matches!(parse_remote("uid:1:x"), Err(StoreError::Damaged(_))));
    }
}
