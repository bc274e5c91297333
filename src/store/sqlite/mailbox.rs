//! Mailboxes as they are written: put and deleted by an apply, their states changed by tests and cycles.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::columns::{count, from_json, mailbox_id, mailbox_id_opt, micros, slot, timestamp_opt, to_json};
use super::commit::{Put, PutOperation};
use super::{
    alerts, claims, discovered, footings, forward_rules, incoming, lease, outgoing, owed, received_back,
    set_aside, versions,
};
use crate::model::lease::Lease;
use crate::model::name::Name;
use crate::model::operation::{Awaiting, OffReason, Operation, OperationState};
use crate::model::pending::{Pending, Standing};
use crate::store::{MailboxFigures, Occasion, StateChange, StoreError};

/// What an operation looks like before it is put.
struct Before {
    standing: Standing,
    connection: Option<String>,
    changed_at: i64,
}

/// Whether whoever works on the mailbox at present may go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Same,
    Changed,
}

/// What all puts of one commit have in common.
pub(super) struct Circumstances<'db> {
    pub at: Timestamp,
    /// The ids of those that give up their names, by these names.
    pub parked: BTreeMap<Name, i64>,
    /// The mailboxes that somebody worked on when it began.
    pub held: BTreeSet<String>,
    pub inserts: Inserts<'db>,
}

/// What is executed for every new mailbox of a first apply, which looks no statement up for each of them.
pub(super) struct Inserts<'db> {
    mailbox: CachedStatement<'db>,
    operations: CachedStatement<'db>,
    footing: CachedStatement<'db>,
}

impl<'db> Inserts<'db> {
    pub fn prepare(db: &'db Connection) -> Result<Self, StoreError> {
        let mailbox = "INSERT INTO mailboxes (name, declared) VALUES (?1, ?2)
                       ON CONFLICT (name) WHERE declared IS NOT NULL DO NOTHING";
        let operations = "INSERT INTO operations (slot, changed_at, state, connection, pending)
                          VALUES (?1, ?4, ?5, ?6, ?7), (?2, ?4, ?8, ?9, ?10), (?3, ?4, ?11, ?12, ?13)";
        Ok(Self {
            mailbox: db.prepare_cached(mailbox)?,
            operations: db.prepare_cached(operations)?,
            footing: footings::putting(db)?,
        })
    }
}

/// Creates or changes a mailbox.
pub(super) fn put(
    db: &Connection,
    circumstances: &mut Circumstances<'_>,
    put: &Put<'_>,
) -> Result<(), StoreError> {
    let (name, at) = (put.name, circumstances.at);
    let parked = put.renamed_from.and_then(|name| circumstances.parked.get(name)).copied();
    if parked.is_none() && put.replay_from.is_none() && insert(db, circumstances, put)? {
        return Ok(());
    }
    let id = match (parked, mailbox_id_opt(db, name)?) {
        (Some(_), Some(_)) => {
            return Err(StoreError::Failed(format!("there is another mailbox `{name}` already")));
        }
        (Some(id), None) | (None, Some(id)) => {
            let sql = "UPDATE mailboxes SET name = ?2, declared = ?3 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![id, name.as_str(), put.declared])?;
            id
        }
        (None, None) => {
            let sql = "INSERT INTO mailboxes (name, declared) VALUES (?1, ?2)";
            db.prepare_cached(sql)?.execute([name.as_str(), &put.declared])?;
            db.last_insert_rowid()
        }
    };
    let mut connection = Reach::Same;
    for operation in &put.operations {
        let before = find_operation(db, id, operation.operation)?;
        if put_operation(db, (at, name), operation, (id, before))? == Reach::Changed {
            connection = Reach::Changed;
        }
    }
    if !put.removes_mail {
        // What was to be removed under the former declaration stays at the server.
        incoming::forget_deletions(db, id)?;
    }
    if let Some(from) = put.replay_from {
        db.prepare_cached("UPDATE mailboxes SET process_from = ?2 WHERE id = ?1")?
            .execute([id, micros(from)])?;
        incoming::forget_cursor(db, id)?;
    }
    if connection == Reach::Changed || put.replay_from.is_some() {
        // Its cursor must not be advanced by a cycle that began with the former server or the former cursor.
        lease::revoke(db, name)?;
    }
    footings::refresh(db, id)
}

/// Writes a mailbox of a name that none has yet; says whether there was none. Nothing of a former one is left to look for.
fn insert(db: &Connection, circumstances: &mut Circumstances<'_>, put: &Put<'_>) -> Result<bool, StoreError> {
    let Inserts { mailbox, operations, footing } = &mut circumstances.inserts;
    if mailbox.execute([put.name.as_str(), &put.declared])? == 0 {
        return Ok(false);
    }
    let id = db.last_insert_rowid();
    bind_operations(operations, circumstances.at, put, id)?;
    operations.raw_execute()?;
    for PutOperation { operation, connection: _, state } in &put.operations {
        if let Some(state) = state.filter(|state| state.pending.is_some()) {
            settle_version(db, (id, *operation), state)?;
        }
    }
    // Of a former mailbox of that name. Asking once for all of them is cheaper than a statement for each.
    if circumstances.held.contains(put.name.as_str()) {
        lease::revoke(db, put.name)?;
    }
    footings::execute(footing, id, put.name, put.footing)?;
    Ok(true)
}

/// All operations of a new mailbox by one statement: a first apply writes those of all mailboxes.
fn bind_operations(
    statement: &mut CachedStatement<'_>,
    at: Timestamp,
    put: &Put<'_>,
    id: i64,
) -> Result<(), StoreError> {
    statement.raw_bind_parameter(4, micros(at))?;
    for (nth, PutOperation { operation, connection, state }) in put.operations.iter().enumerate() {
        let state = state.ok_or_else(|| without_state(put.name, *operation))?;
        statement.raw_bind_parameter(1 + nth, slot(id, *operation))?;
        statement.raw_bind_parameter(5 + 3 * nth, to_json(&state.state)?)?;
        statement.raw_bind_parameter(6 + 3 * nth, connection)?;
        statement.raw_bind_parameter(7 + 3 * nth, pending_text(state)?)?;
    }
    Ok(())
}

fn without_state(name: &Name, operation: Operation) -> StoreError {
    StoreError::Failed(format!("no state was given for {operation} of mailbox `{name}`"))
}

fn put_operation(
    db: &Connection,
    (at, name): (Timestamp, &Name),
    put: &PutOperation<'_>,
    (id, before): (i64, Option<Before>),
) -> Result<Reach, StoreError> {
    let operation = put.operation;
    let state = match (&put.state, &before) {
        (Some(state), _) => *state,
        (None, Some(before)) => &before.standing,
        (None, None) => return Err(without_state(name, operation)),
    };
    let changed_at = match &before {
        Some(before) if before.standing.state == state.state => before.changed_at,
        Some(_) | None => micros(at),
    };
    let sql = "INSERT INTO operations (slot, state, connection, changed_at, pending)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (slot) DO UPDATE SET state = excluded.state,
                   connection = excluded.connection, changed_at = excluded.changed_at, pending = excluded.pending";
    db.prepare_cached(sql)?.execute(params![
        slot(id, operation),
        to_json(&state.state)?,
        put.connection,
        changed_at,
        pending_text(state)?
    ])?;
    if state.pending.is_some() || before.as_ref().is_some_and(|before| before.standing.pending.is_some()) {
        settle_version(db, (id, operation), state)?;
    }
    match &before {
        Some(before) if before.connection.as_deref() == put.connection => Ok(Reach::Same),
        Some(_) | None => Ok(Reach::Changed),
    }
}

fn find_operation(db: &Connection, id: i64, operation: Operation) -> Result<Option<Before>, StoreError> {
    let sql = "SELECT state, connection, changed_at, pending FROM operations WHERE slot = ?1";
    type Columns = (String, Option<String>, i64, Option<String>);
    let row: Option<Columns> = db
        .prepare_cached(sql)?
        .query_row([slot(id, operation)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((state, connection, changed_at, pending)) = row else { return Ok(None) };
    let pending: Option<Pending> =
        pending.map(|text| from_json("the pending change of an operation", &text)).transpose()?;
    let standing = Standing { state: from_json("the state of an operation", &state)?, pending };
    Ok(Some(Before { standing, connection, changed_at }))
}

/// Whether an operation of a declared mailbox does not work at present, or a change of it has failed.
pub(super) fn is_failing(db: &Connection, name: &Name, operation: Operation) -> Result<bool, StoreError> {
    let Some(id) = mailbox_id_opt(db, name)? else { return Ok(false) };
    Ok(find_operation(db, id, operation)?.is_some_and(|found| found.standing.is_failing()))
}

fn pending_text(standing: &Standing) -> Result<Option<String>, StoreError> {
    standing.pending.as_ref().map(to_json).transpose()
}

/// A pending change has a version that works meanwhile; without one, nothing is kept.
fn settle_version(
    db: &Connection,
    operation: (i64, Operation),
    standing: &Standing,
) -> Result<(), StoreError> {
    match &standing.pending {
        None => versions::release(db, operation),
        Some(_) if versions::is_kept(db, operation)? => Ok(()),
        Some(_) => Err(StoreError::Failed(format!(
            "the change of {} is pending, and no version is kept that works",
            operation.1
        ))),
    }
}

/// As an apply would that holds the mailbox back: whatever is driven or waits for a test stops, and whoever works on it notes
/// nothing any more.
pub(super) fn switch_off(
    db: &Connection,
    name: &Name,
    reason: OffReason,
    at: Timestamp,
) -> Result<(), StoreError> {
    let id = mailbox_id(db, name)?;
    let off = Standing::from(OperationState::Off(reason));
    for operation in Operation::ALL {
        let before = find_operation(db, id, operation)?;
        if before.as_ref().is_some_and(|before| !matches!(before.standing.state, OperationState::Off(_))) {
            let put = PutOperation { operation, connection: None, state: Some(&off) };
            put_operation(db, (at, name), &put, (id, before))?;
        }
    }
    lease::revoke(db, name)?;
    footings::refresh(db, id)
}

/// Operations with a pending change stop working with the version before it, and wait for the test of the change.
pub(super) fn leave_former_version(
    db: &Connection,
    (id, name): (i64, &Name),
    at: Timestamp,
) -> Result<(), StoreError> {
    let waiting = Standing::from(OperationState::AwaitingTest(Awaiting::Test));
    for operation in Operation::ALL {
        let before = find_operation(db, id, operation)?;
        if let Some(before) = before.filter(|before| before.standing.pending.is_some()) {
            let connection = before.connection.clone();
            let put = PutOperation { operation, connection: connection.as_deref(), state: Some(&waiting) };
            put_operation(db, (at, name), &put, (id, Some(before)))?;
        }
    }
    lease::revoke(db, name)?;
    footings::refresh(db, id)
}

/// Leaves a tombstone with the name, for the records; all that could still be done for the mailbox goes away.
pub(super) fn delete(db: &Connection, id: i64, name: &Name, at: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE mailboxes SET name = ?2, declared = NULL, process_from = NULL WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![id, name.as_str()])?;
    for operation in Operation::ALL {
        versions::release(db, (id, operation))?;
    }
    db.prepare_cached("DELETE FROM operations WHERE slot BETWEEN ?1 AND ?2")?
        .execute([slot(id, Operation::Incoming), slot(id, Operation::Act)])?;
    db.prepare_cached("DELETE FROM deletions WHERE mailbox = ?1")?.execute([id])?;
    set_aside::forget(db, id)?;
    owed::forget(db, id)?;
    claims::forget(db, id)?;
    forward_rules::forget(db, id)?;
    received_back::forget(db, id)?;
    footings::forget(db, id)?;
    incoming::forget_cursor(db, id)?;
    discovered::forget(db, id)?;
    outgoing::give_up(db, id, name, at)
}

pub(super) fn change_state(db: &Connection, lease: &Lease, change: &StateChange) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, &change.mailbox)?;
    let id = mailbox_id(db, &change.mailbox)?;
    let before = find_operation(db, id, change.operation)?.ok_or_else(|| {
        StoreError::Damaged(format!("mailbox `{}` has no {}", change.mailbox, change.operation))
    })?;
    let at = micros(change.at);
    let is_same = before.standing.state == change.state.state;
    let changed_at = if is_same { before.changed_at } else { at };
    let (tested_at, cycle_at) = match change.occasion {
        Occasion::TestBegun => (None, None),
        Occasion::TestEnded { .. } => (Some(at), None),
        Occasion::Cycle => (None, Some(at)),
    };
    let failed_at = has_failed(change).then_some(at);
    let has_passed = tested_at.is_some() && change.state == OperationState::Enabled.into();
    let sql = "UPDATE operations SET state = ?2, changed_at = ?3, tested_at = coalesce(?4, tested_at),
                   cycle_at = coalesce(?5, cycle_at), proved = CASE WHEN ?6 THEN connection ELSE proved END,
                   pending = ?7, failed_at = coalesce(?8, failed_at)
               WHERE slot = ?1";
    db.prepare_cached(sql)?.execute(params![
        slot(id, change.operation),
        to_json(&change.state.state)?,
        changed_at,
        tested_at,
        cycle_at,
        has_passed,
        pending_text(&change.state)?,
        failed_at
    ])?;
    if before.standing.pending != change.state.pending {
        settle_version(db, (id, change.operation), &change.state)?;
    }
    if let Some(inbox) = &change.enters
        && !incoming::is_inbox(db, &change.mailbox, inbox)?
    {
        incoming::enter_inbox(db, lease, &change.mailbox, inbox)?;
    }
    if let (Operation::Incoming, Occasion::TestEnded { process_from: Some(from) }) =
        (change.operation, change.occasion)
    {
        let sql = "UPDATE mailboxes SET process_from = coalesce(process_from, ?2) WHERE id = ?1";
        db.prepare_cached(sql)?.execute([id, micros(from)])?;
    }
    if before.standing != change.state {
        footings::refresh(db, id)?;
    }
    alerts::write(db, &change.alerts)
}

/// Whether a cycle or a test has just failed. After a failed cycle a declared change may have taken over, which waits for its test.
fn has_failed(change: &StateChange) -> bool {
    match (change.occasion, &change.state.state) {
        (Occasion::TestBegun, _) => false,
        (Occasion::Cycle, OperationState::AwaitingTest(_)) => true,
        (Occasion::Cycle | Occasion::TestEnded { .. }, state) => state.failure().is_some(),
    }
}

pub(super) fn expect_self_message(
    db: &Connection,
    lease: &Lease,
    mailbox: &Name,
    nonce: &str,
) -> Result<(), StoreError> {
    lease::check_mailbox(db, lease, mailbox)?;
    let id = mailbox_id(db, mailbox)?;
    let sql = "INSERT INTO self_messages (nonce, mailbox) VALUES (?1, ?2) ON CONFLICT (nonce) DO NOTHING";
    db.prepare_cached(sql)?.execute(params![nonce, id])?;
    Ok(())
}

pub(super) fn is_self_message(db: &Connection, nonce: &str) -> Result<bool, StoreError> {
    Ok(db.prepare_cached("SELECT 1 FROM self_messages WHERE nonce = ?1")?.exists([nonce])?)
}

pub(super) fn figures(db: &Connection, mailbox: &Name) -> Result<MailboxFigures, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let number = |sql: &str| -> Result<u64, StoreError> {
        count(db.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
    };
    let oldest = "SELECT min(queued_at) FROM outbox WHERE mailbox = ?1 AND state = 'pending'";
    let quarantined = "SELECT count(*) FROM messages WHERE mailbox = ?1 AND quarantine IS NOT NULL";
    Ok(MailboxFigures {
        records: number("SELECT count(*) FROM messages WHERE mailbox = ?1")?,
        quarantined: number(quarantined)?,
        outbox_pending: number("SELECT count(*) FROM outbox WHERE mailbox = ?1 AND state = 'pending'")?,
        outbox_unsure: number("SELECT count(*) FROM outbox WHERE mailbox = ?1 AND state = 'unsure'")?,
        outbox_failed: number("SELECT count(*) FROM outbox WHERE mailbox = ?1 AND state = 'failed'")?,
        oldest_pending_at: timestamp_opt(db.prepare_cached(oldest)?.query_row([id], |row| row.get(0))?)?,
        not_received_back: received_back::missing_since(db, mailbox)?,
    })
}
