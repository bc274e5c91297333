//! Records as they are read: each query follows an index and ends at its limit, however many there are.

use rusqlite::{Connection, Row};

use super::columns::{
    count, from_json, mailbox_ids_ever, parse_name, parse_remote, timestamp, timestamp_opt, whole,
};
use crate::model::limits;
use crate::model::record::{ContentHash, MessageRecord, OtherRecord};
use crate::store::{MessageQuery, StoreError};

const SELECT: &str =
    "SELECT messages.id, mailboxes.name, remote, content, bytes, received_at, recorded_at, facts,
                          quarantine, duplicate_of,
                          (SELECT owner.name FROM messages AS first JOIN mailboxes AS owner ON owner.id = first.mailbox
                           WHERE first.id = messages.duplicate_of)
                      FROM messages JOIN mailboxes ON mailboxes.id = messages.mailbox";

/// Newest first.
pub(super) fn messages(db: &Connection, query: &MessageQuery) -> Result<Vec<MessageRecord>, StoreError> {
    let limit = query.limit.unwrap_or(limits::LISTED_ROWS_DEFAULT);
    let and = if query.quarantined_only { "AND quarantine IS NOT NULL" } else { "" };
    let before = query.before.map_or(i64::MAX, whole);
    let Some(name) = &query.mailbox else {
        let sql = format!(
            "{SELECT} WHERE messages.id > ?1 AND messages.id < ?3 {and} ORDER BY messages.id DESC LIMIT ?2"
        );
        return list(db, &sql, (0, limit, before));
    };
    // Nearly always one; more when deleted mailboxes had the same name.
    let mut found = Vec::new();
    for mailbox in mailbox_ids_ever(db, name)? {
        let sql = format!(
            "{SELECT} WHERE messages.mailbox = ?1 AND messages.id < ?3 {and} ORDER BY messages.id DESC LIMIT ?2"
        );
        found.extend(list(db, &sql, (mailbox, limit, before))?);
    }
    found.sort_by_key(|record| std::cmp::Reverse(record.id));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

pub(super) fn message(db: &Connection, id: u64) -> Result<Option<MessageRecord>, StoreError> {
    let sql = format!("{SELECT} WHERE messages.id = ?1 AND messages.id < ?3 LIMIT ?2");
    Ok(list(db, &sql, (whole(id), 1, i64::MAX))?.pop())
}

fn list(
    db: &Connection,
    sql: &str,
    (key, limit, before): (i64, u64, i64),
) -> Result<Vec<MessageRecord>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([key, whole(limit), before])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> Result<MessageRecord, StoreError> {
    Ok(MessageRecord {
        id: count(row.get(0)?)?,
        mailbox: parse_name(&row.get::<_, String>(1)?)?,
        remote: parse_remote(&row.get::<_, String>(2)?)?,
        content: ContentHash(row.get(3)?),
        bytes: count(row.get(4)?)?,
        received_at: timestamp_opt(row.get(5)?)?,
        recorded_at: timestamp(row.get(6)?)?,
        facts: from_json("the facts of a message", &row.get::<_, String>(7)?)?,
        quarantine: row.get(8)?,
        duplicate_of: match (row.get::<_, Option<i64>>(9)?, row.get::<_, Option<String>>(10)?) {
            (Some(id), Some(mailbox)) => Some(OtherRecord { id: count(id)?, mailbox: parse_name(&mailbox)? }),
            (Some(_), None) | (None, _) => None,
        },
    })
}
