//! The outbox as it is read.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::columns::{
    count, damaged, from_json, mailbox_id, mailbox_ids_ever, micros, parse_name, timestamp, whole,
};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::outbox::{DuePlace, OutgoingMessage, OutgoingState};
use crate::model::record::ContentHash;
use crate::store::{OutboxQuery, StoreError};

const SELECT: &str =
    "SELECT outbox.id, mailboxes.name, outbox.message_id, subject, blobs.hash, bytes, state, recipients,
                          attempts, queued_at, next_attempt_at, changed_at, failure, idempotency_key, round
                      FROM outbox JOIN mailboxes ON mailboxes.id = outbox.mailbox
                          JOIN blobs ON blobs.id = outbox.blob";

/// Newest first.
pub(super) fn outbox(db: &Connection, query: &OutboxQuery) -> Result<Vec<OutgoingMessage>, StoreError> {
    let limit = query.limit.unwrap_or(limits::LISTED_ROWS_DEFAULT);
    let Some(name) = &query.mailbox else {
        return newest(db, None, query, limit);
    };
    let mut found = Vec::new();
    for mailbox in mailbox_ids_ever(db, name)? {
        found.extend(newest(db, Some(mailbox), query, limit)?);
    }
    found.sort_by_key(|message| std::cmp::Reverse(message.id));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn newest(
    db: &Connection,
    mailbox: Option<i64>,
    query: &OutboxQuery,
    limit: u64,
) -> Result<Vec<OutgoingMessage>, StoreError> {
    let mut sql = format!("{SELECT} WHERE outbox.id > 0");
    let mut values = Vec::new();
    if let Some(mailbox) = mailbox {
        sql.push_str(" AND outbox.mailbox = ?");
        values.push(Value::Integer(mailbox));
    }
    if let Some(before) = query.before {
        sql.push_str(" AND outbox.id < ?");
        values.push(Value::Integer(whole(before)));
    }
    if let Some(state) = query.state {
        sql.push_str(" AND state = ?");
        values.push(Value::Text(state.key().to_owned()));
    }
    if let Some(message_id) = &query.message_id {
        sql.push_str(" AND outbox.message_id = ?");
        values.push(Value::Text(message_id.clone()));
    }
    sql.push_str(" ORDER BY outbox.id DESC LIMIT ?");
    values.push(Value::Integer(whole(limit)));
    list(db, &sql, values)
}

/// Fewest attempts first, then oldest; only of a declared mailbox.
pub(super) fn due(
    db: &Connection,
    mailbox: &Name,
    now: Timestamp,
    after: Option<DuePlace>,
    limit: u64,
) -> Result<Vec<OutgoingMessage>, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let (attempts, last) = after.map_or((-1, 0), |place| (i64::from(place.attempts), whole(place.id)));
    // The `+` keeps SQLite from the index by time, after which it would have to sort.
    let sql = format!(
        "{SELECT} WHERE outbox.mailbox = ? AND state = 'pending' AND +next_attempt_at <= ?
         AND (attempts, outbox.id) > (?, ?)
         ORDER BY attempts, outbox.id LIMIT ?"
    );
    let values = [id, micros(now), attempts, last, whole(limit)].map(Value::Integer);
    list(db, &sql, values.to_vec())
}

/// The declared mailboxes with a message due or an attempt that has not ended, by name.
pub(super) fn mailboxes_due(db: &Connection, now: Timestamp) -> Result<Vec<Name>, StoreError> {
    let sql = "SELECT name FROM mailboxes WHERE declared IS NOT NULL AND EXISTS (
                   SELECT 1 FROM outbox
                   WHERE outbox.mailbox = mailboxes.id
                   AND (state = 'pending' AND next_attempt_at <= ?1 OR state = 'sending'))
               ORDER BY name";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([micros(now)])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        names.push(parse_name(&row.get::<_, String>(0)?)?);
    }
    Ok(names)
}

/// All messages of a mailbox in one state, oldest first.
pub(super) fn in_state(
    db: &Connection,
    mailbox: i64,
    state: OutgoingState,
) -> Result<Vec<OutgoingMessage>, StoreError> {
    let sql = format!("{SELECT} WHERE outbox.mailbox = ? AND state = ? ORDER BY outbox.id");
    list(db, &sql, vec![Value::Integer(mailbox), Value::Text(state.key().to_owned())])
}

pub(super) fn find(db: &Connection, id: u64) -> Result<OutgoingMessage, StoreError> {
    let sql = format!("{SELECT} WHERE outbox.id = ?");
    let found = list(db, &sql, vec![Value::Integer(whole(id))])?.pop();
    found.ok_or_else(|| StoreError::NotFound(format!("outgoing message {id}")))
}

fn list(db: &Connection, sql: &str, values: Vec<Value>) -> Result<Vec<OutgoingMessage>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        messages.push(message(row)?);
    }
    Ok(messages)
}

fn message(row: &Row<'_>) -> Result<OutgoingMessage, StoreError> {
    let failure: Option<String> = row.get(12)?;
    let state = parse_state(&row.get::<_, String>(6)?)?;
    let next_attempt_at = match state {
        OutgoingState::Pending | OutgoingState::Sending => Some(timestamp(row.get(10)?)?),
        OutgoingState::Sent | OutgoingState::Failed | OutgoingState::Unsure | OutgoingState::Cancelled => {
            None
        }
    };
    Ok(OutgoingMessage {
        id: count(row.get(0)?)?,
        mailbox: parse_name(&row.get::<_, String>(1)?)?,
        message_id: row.get(2)?,
        subject: row.get(3)?,
        content: ContentHash(row.get(4)?),
        bytes: count(row.get(5)?)?,
        state,
        recipients: from_json("the recipients of a message", &row.get::<_, String>(7)?)?,
        attempts: row.get(8)?,
        queued_at: timestamp(row.get(9)?)?,
        next_attempt_at,
        changed_at: timestamp(row.get(11)?)?,
        failure: failure.map(|text| from_json("a failure", &text)).transpose()?,
        idempotency_key: row.get(13)?,
        round: row.get(14)?,
    })
}

pub(super) fn parse_state(key: &str) -> Result<OutgoingState, StoreError> {
    let state = OutgoingState::ALL.into_iter().find(|state| state.key() == key);
    state.ok_or_else(|| damaged("the state of a message", &key))
}
