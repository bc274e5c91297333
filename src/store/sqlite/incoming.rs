//! Incoming: cursors, records and deletions to do, which move together in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::blobs::Put;
use super::columns::{count, damaged, mailbox_id, micros, parse_remote, remote_text, to_json, whole};
use super::pieces::Source;
use super::spool::SpoolFiles;
use super::sync_states;
use super::writer::Work;
use super::{categories, claims, lease, outgoing, owed, set_aside};
use crate::model::cursor::{Cursor, CursorAdvance, InboxId, Mark, RemoteId};
use crate::model::lease::Lease;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::record::{CategoryChange, IncomingBatch, NewRecord, Octets, Recorded, Spooled, TrackedBy};
use crate::store::StoreError;

/// Whether a message became a record by this batch.
enum Kept {
    New,
    Known,
    /// It was remembered under the very name at its server.
    KnownByThisName,
}

pub(super) fn is_inbox(db: &Connection, mailbox: &Name, inbox: &InboxId) -> Result<bool, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let sql = "SELECT inbox FROM mailboxes WHERE id = ?1";
    let known: Option<String> = db.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
    Ok(known.as_ref() == Some(&inbox.0))
}

pub(super) fn enter_inbox(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    inbox: &InboxId,
) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let id = mailbox_id(db, mailbox)?;
    forget_cursor(db, id)?;
    forget_deletions(db, id)?;
    set_aside::forget(db, id)?;
    owed::forget(db, id)?;
    claims::forget(db, id)?;
    db.prepare_cached("DELETE FROM remotes WHERE mailbox = ?1")?.execute([id])?;
    db.prepare_cached("UPDATE mailboxes SET inbox = ?2 WHERE id = ?1")?.execute(params![id, inbox.0])?;
    Ok(())
}

pub(super) fn cursor(db: &Connection, mailbox: &Name) -> Result<Cursor, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let sql = "SELECT kind, validity, uid_last, uid_next, modseq FROM cursors WHERE mailbox = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else {
        return Ok(sync_states::cursor(db, id)?.unwrap_or(Cursor::Start));
    };
    let kind: String = row.get(0)?;
    match (row.get::<_, Option<u32>>(1)?, row.get::<_, Option<u32>>(2)?) {
        (Some(validity), Some(uid_last)) => {
            let modseq = row.get::<_, Option<i64>>(4)?.map(count).transpose()?;
            let mark = Mark { uid_next: row.get(3)?, modseq };
            Ok(Cursor::Imap { validity, uid_last, mark })
        }
        (None, None) if kind == "pop3" => Ok(Cursor::Pop3 { seen: seen(db, id)? }),
        (Some(_) | None, _) => Err(damaged("a cursor", &kind)),
    }
}

fn seen(db: &Connection, id: i64) -> Result<BTreeMap<String, Option<u64>>, StoreError> {
    let mut statement = db.prepare_cached("SELECT uidl, bytes FROM seen WHERE mailbox = ?1")?;
    let mut rows = statement.query([id])?;
    let mut seen = BTreeMap::new();
    while let Some(row) = rows.next()? {
        seen.insert(row.get(0)?, row.get::<_, Option<i64>>(1)?.map(count).transpose()?);
    }
    Ok(seen)
}

pub(super) fn forget_cursor(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM cursors WHERE mailbox = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM seen WHERE mailbox = ?1")?.execute([id])?;
    sync_states::forget(db, id)
}

pub(super) fn forget_deletions(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM deletions WHERE mailbox = ?1")?.execute([id])?;
    Ok(())
}

pub(super) fn record(
    work: &mut Work<'_>,
    lease: &Lease,
    (batch, spooled): (&IncomingBatch, &SpoolFiles),
) -> Result<Recorded, StoreError> {
    // Messages are written once and hardly ever looked at again: a large cache would only hold what is old.
    work.db.pragma_update(None, "cache_size", -limits::STORE_RECORDING_CACHE_KIB)?;
    lease::check_mailbox(work.db, lease, &batch.mailbox)?;
    let id = mailbox_id(work.db, &batch.mailbox)?;
    let mut recorded = Recorded::default();
    // A new validity clears away deletions that can never be done, and none of this batch.
    let is_by_name = matches!(batch.advance, CursorAdvance::Pop3 { .. });
    if !is_by_name {
        advance(work.db, id, &batch.advance)?;
    }
    let mut unreliable = Vec::new();
    for message in batch.records.iter() {
        match record_one(work, (id, micros(batch.at)), (message, spooled))? {
            Kept::New => recorded.new += 1,
            Kept::Known => recorded.known += 1,
            Kept::KnownByThisName => {
                recorded.known += 1;
                unreliable.extend(listed_all_along(work.db, id, &message.remote)?);
            }
        }
    }
    if is_by_name {
        advance(work.db, id, &batch.advance)?;
        distrust_sizes(work.db, id, &unreliable)?;
    }
    let recorded_and_done = batch.records.iter().filter(|message| message.delete_after).map(|it| &it.remote);
    for remote in recorded_and_done.chain(&batch.remove) {
        let sql = "INSERT INTO deletions (mailbox, remote) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        work.db.prepare_cached(sql)?.execute(params![id, remote_text(remote)])?;
    }
    set_aside::add(work.db, id, &batch.set_aside)?;
    owed::note(work.db, id, (&batch.owed, &batch.answered))?;
    Ok(recorded)
}

fn record_one(
    work: &mut Work<'_>,
    (id, at): (i64, i64),
    (message, spooled): (&NewRecord, &SpoolFiles),
) -> Result<Kept, StoreError> {
    let remote = remote_text(&message.remote);
    // Exchange makes the octets anew each time that they are asked for, and never gives an id twice: the id says it first.
    let by_item = match message.remote {
        RemoteId::Item(_) => find_by_remote(work.db, id, &remote)?,
        RemoteId::Uid { .. } | RemoteId::Uidl(_) => None,
    };
    if let Some(known) = by_item {
        if message.facts.tracked == Some(TrackedBy::Category) {
            categories::note(work.db, known, CategoryChange::Given)?;
        }
        return Ok(Kept::Known);
    }
    let put = put(work, message, spooled)?;
    let known = match put {
        // Nobody has a message with these octets.
        Some(Put::New(_)) => None,
        Some(Put::Known(blob)) => find_by_octets(work.db, id, blob)?,
        None => find_by_remote(work.db, id, &remote)?,
    };
    if let Some(known) = known {
        if find_by_remote(work.db, id, &remote)? == Some(known) {
            return Ok(Kept::KnownByThisName);
        }
        remember(work.db, id, &remote, known)?;
        return Ok(Kept::Known);
    }
    let duplicate_of = match (&message.facts.message_id, put) {
        (Some(message_id), put) => original(work.db, id, (message_id, put))?,
        (None, _) => None,
    };
    let sql =
        "INSERT INTO messages (mailbox, remote, content, blob, bytes, received_at, recorded_at, message_id,
                   facts, quarantine, duplicate_of)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    work.db.prepare_cached(sql)?.execute(params![
        id,
        remote,
        message.content.0,
        put.map(Put::blob),
        whole(message.raw.bytes()),
        message.received_at.map(micros),
        at,
        message.facts.message_id,
        to_json(&message.facts)?,
        message.quarantine,
        duplicate_of,
    ])?;
    remember(work.db, id, &remote, work.db.last_insert_rowid())?;
    if let Some(settled) = &message.settles {
        outgoing::settle(work.db, id, settled)?;
    }
    Ok(Kept::New)
}

/// The UIDL of a message, if the cursor has passed it already. A UIDL that is new, or that its server had ceased to list, is none.
fn listed_all_along<'r>(
    db: &Connection,
    id: i64,
    remote: &'r RemoteId,
) -> Result<Option<&'r str>, StoreError> {
    let RemoteId::Uidl(uidl) = remote else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT 1 FROM seen WHERE mailbox = ?1 AND uidl = ?2")?;
    Ok(statement.exists(params![id, uidl])?.then_some(uidl))
}

/// The same octets once more under UIDLs that were passed, and looked at all the same because their sizes were others: what their
/// server says about sizes says nothing about messages.
fn distrust_sizes(db: &Connection, id: i64, uidls: &[&str]) -> Result<(), StoreError> {
    for uidl in uidls {
        let sql = "UPDATE seen SET bytes = NULL WHERE mailbox = ?1 AND uidl = ?2";
        db.prepare_cached(sql)?.execute(params![id, uidl])?;
    }
    Ok(())
}

/// `None`: the message has no octets.
fn put(work: &mut Work<'_>, message: &NewRecord, spooled: &SpoolFiles) -> Result<Option<Put>, StoreError> {
    let limit = limits::RECEIVED_BYTES_MAX;
    if message.raw.bytes() > limit {
        let words = format!("message {} exceeds the limit of {limit} bytes", message.remote);
        return Err(StoreError::Failed(words));
    }
    let put = match &message.raw {
        Octets::Missing => return Ok(None),
        Octets::Held(raw) => {
            let source = (Source::Held(raw), raw.len() as u64);
            work.blobs.put_message(work.db, &message.content, source, &message.facts.attachments)?
        }
        Octets::Spooled(Spooled { number, bytes }) => {
            let file = spooled.get(number);
            let file =
                file.ok_or_else(|| StoreError::Failed("the octets of a message are gone".to_owned()))?;
            let source = (Source::File(file), *bytes);
            work.blobs.put_message(work.db, &message.content, source, &message.facts.attachments)?
        }
    };
    Ok(Some(put))
}

/// The record of another mailbox with the same octets, and otherwise the one that this Message-ID was first seen in: the same
/// message has other octets in each mailbox when its server notes there how it came, and several may share an id.
fn original(
    db: &Connection,
    id: i64,
    (message_id, put): (&str, Option<Put>),
) -> Result<Option<i64>, StoreError> {
    if let Some(Put::Known(blob)) = put {
        let sql = "SELECT id FROM messages WHERE message_id = ?1 AND blob = ?2 AND mailbox <> ?3 ORDER BY id LIMIT 1";
        let same = db.prepare_cached(sql)?.query_row(params![message_id, blob, id], |row| row.get(0));
        if let Some(same) = same.optional()? {
            return Ok(Some(same));
        }
    }
    let sql = "SELECT id, mailbox FROM messages WHERE message_id = ?1 ORDER BY id LIMIT 1";
    let first: Option<(i64, i64)> =
        db.prepare_cached(sql)?.query_row([message_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(first.filter(|(_, mailbox)| *mailbox != id).map(|(record, _)| record))
}

/// A message with octets is known by them, whatever its server calls it.
fn find_by_octets(db: &Connection, id: i64, blob: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT id FROM messages WHERE mailbox = ?1 AND blob = ?2";
    Ok(db.prepare_cached(sql)?.query_row([id, blob], |row| row.get(0)).optional()?)
}

/// One that could not be fetched, by the id at its server.
pub(super) fn find_by_remote(db: &Connection, id: i64, remote: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT message FROM remotes WHERE mailbox = ?1 AND remote = ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![id, remote], |row| row.get(0)).optional()?)
}

fn remember(db: &Connection, id: i64, remote: &str, message: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO remotes (mailbox, remote, message) VALUES (?1, ?2, ?3)
               ON CONFLICT (mailbox, remote) DO UPDATE SET message = excluded.message";
    db.prepare_cached(sql)?.execute(params![id, remote, message])?;
    Ok(())
}

fn advance(db: &Connection, id: i64, advance: &CursorAdvance) -> Result<(), StoreError> {
    match advance {
        CursorAdvance::Imap { validity, uid_last, mark } => {
            advance_imap(db, id, (*validity, *uid_last), *mark)
        }
        CursorAdvance::Pop3 { seen, gone } => advance_pop3(db, id, seen, gone),
        CursorAdvance::Exchange { ahead, state } => sync_states::advance(db, id, ahead, state.as_deref()),
    }
}

/// Within one validity a cursor only goes forward (RFC 9051 section 2.3.1.1).
fn advance_imap(
    db: &Connection,
    id: i64,
    (validity, uid_last): (u32, u32),
    mark: Mark,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO cursors (mailbox, kind, validity, uid_last, uid_next, modseq)
               VALUES (?1, 'imap', ?2, ?3, ?4, ?5)
               ON CONFLICT (mailbox) DO UPDATE SET kind = 'imap', validity = excluded.validity,
                   uid_next = excluded.uid_next, modseq = excluded.modseq,
                   uid_last = CASE WHEN validity = excluded.validity THEN max(uid_last, excluded.uid_last)
                                   ELSE excluded.uid_last END";
    let modseq = mark.modseq.map(whole);
    db.prepare_cached(sql)?.execute(params![id, validity, uid_last, mark.uid_next, modseq])?;
    db.prepare_cached("DELETE FROM seen WHERE mailbox = ?1")?.execute([id])?;
    // UIDs of another validity name nothing any more, or something else.
    let sql = "DELETE FROM deletions WHERE mailbox = ?1
                   AND substr(remote, 1, length(?2)) <> ?2";
    db.prepare_cached(sql)?.execute(params![id, format!("uid:{validity}:")])?;
    Ok(())
}

fn advance_pop3(
    db: &Connection,
    id: i64,
    seen: &[(String, Option<u64>)],
    gone: &[String],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO cursors (mailbox, kind) VALUES (?1, 'pop3')
               ON CONFLICT (mailbox) DO UPDATE SET kind = 'pop3', validity = NULL, uid_last = NULL,
                   uid_next = NULL, modseq = NULL";
    db.prepare_cached(sql)?.execute([id])?;
    for uidl in gone {
        db.prepare_cached("DELETE FROM seen WHERE mailbox = ?1 AND uidl = ?2")?.execute(params![id, uidl])?;
        // What its server does not list any more needs no deletion.
        drop_deletion(db, id, &RemoteId::Uidl(uidl.clone()))?;
    }
    for (uidl, bytes) in seen {
        let sql = "INSERT INTO seen (mailbox, uidl, bytes) VALUES (?1, ?2, ?3)
                   ON CONFLICT (mailbox, uidl) DO UPDATE SET bytes = excluded.bytes";
        db.prepare_cached(sql)?.execute(params![id, uidl, bytes.map(whole)])?;
    }
    Ok(())
}

pub(super) fn deletions(db: &Connection, mailbox: &Name) -> Result<Vec<RemoteId>, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let mut statement = db.prepare_cached("SELECT remote FROM deletions WHERE mailbox = ?1")?;
    let mut rows = statement.query([id])?;
    let mut remotes = Vec::new();
    while let Some(row) = rows.next()? {
        remotes.push(parse_remote(&row.get::<_, String>(0)?)?);
    }
    remotes.sort();
    Ok(remotes)
}

pub(super) fn begin_deletions(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    ids: &[RemoteId],
) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let id = mailbox_id(db, mailbox)?;
    for remote in ids {
        match remote {
            // Without a size: the same octets came again under this id, see `distrust_size`.
            RemoteId::Uidl(uidl) => {
                let sql = "DELETE FROM seen WHERE mailbox = ?1 AND uidl = ?2 AND bytes IS NOT NULL";
                db.prepare_cached(sql)?.execute(params![id, uidl])?;
            }
            RemoteId::Uid { .. } | RemoteId::Item(_) => {}
        }
    }
    Ok(())
}

pub(super) fn confirm_deletions(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    ids: &[RemoteId],
) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let id = mailbox_id(db, mailbox)?;
    ids.iter().try_for_each(|remote| drop_deletion(db, id, remote))
}

fn drop_deletion(db: &Connection, id: i64, remote: &RemoteId) -> Result<(), StoreError> {
    let sql = "DELETE FROM deletions WHERE mailbox = ?1 AND remote = ?2";
    db.prepare_cached(sql)?.execute(params![id, remote_text(remote)])?;
    Ok(())
}
