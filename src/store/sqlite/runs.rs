//! The ledger of tests, as tables.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::alerts;
use super::columns::{
    count, damaged, from_json, mailbox_id_opt, micros, parse_name, timestamp, timestamp_opt,
};
use super::columns::{to_json, whole};
use crate::model::alert::Alert;
use crate::model::ledger::{LedgerEntry, NewRun, Outcome, Run, RunKind};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::revision::Revision;
use crate::store::{RunQuery, StoreError};

pub(super) fn begin(db: &Connection, run: &NewRun) -> Result<u64, StoreError> {
    let sql = "INSERT INTO runs (revision, kind, holder, begun_at, ended_at, deferred)
               VALUES (?1, ?2, ?3, ?4, NULL, ?5)";
    db.prepare_cached(sql)?.execute(params![
        whole(run.revision.0),
        run.kind.key(),
        run.holder,
        micros(run.at),
        whole(run.deferred),
    ])?;
    let id = count(db.last_insert_rowid())?;
    let forgotten = "SELECT id FROM runs ORDER BY id DESC LIMIT -1 OFFSET ?1";
    for table in ["outcomes WHERE run", "runs WHERE id"] {
        let sql = format!("DELETE FROM {table} IN ({forgotten})");
        db.prepare_cached(&sql)?.execute([whole(limits::RUNS_KEPT)])?;
    }
    for (mailbox, operation) in &run.items {
        write(db, id, (mailbox, *operation), &Outcome::NOT_YET, run.at)?;
    }
    Ok(id)
}

pub(super) fn note(
    db: &Connection,
    run: u64,
    outcomes: &[(Name, Operation, Outcome)],
    alerts: &[Alert],
    at: Timestamp,
) -> Result<(), StoreError> {
    for (mailbox, operation, outcome) in outcomes {
        write(db, run, (mailbox, *operation), outcome, at)?;
    }
    alerts::write(db, alerts)
}

fn write(
    db: &Connection,
    run: u64,
    (mailbox, operation): (&Name, Operation),
    outcome: &Outcome,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(id) = mailbox_id_opt(db, mailbox)? else { return Ok(()) };
    let sql = "INSERT INTO outcomes (run, mailbox, operation, outcome, noted_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (run, mailbox, operation) DO UPDATE SET
                   outcome = excluded.outcome, noted_at = excluded.noted_at";
    db.prepare_cached(sql)?.execute(params![
        whole(run),
        id,
        operation.key(),
        to_json(outcome)?,
        micros(at)
    ])?;
    Ok(())
}

pub(super) fn end(db: &Connection, run: u64, at: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE runs SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
    db.prepare_cached(sql)?.execute([whole(run), micros(at)])?;
    Ok(())
}

pub(super) fn last(db: &Connection, which: RunQuery) -> Result<Option<(Run, Vec<LedgerEntry>)>, StoreError> {
    let sql = match which {
        RunQuery::Any => {
            "SELECT id, revision, kind, holder, begun_at, ended_at, deferred FROM runs
             ORDER BY id DESC LIMIT 1"
        }
        RunQuery::OfApply => {
            "SELECT id, revision, kind, holder, begun_at, ended_at, deferred FROM runs
             WHERE kind IN ('apply', 'resume') ORDER BY id DESC LIMIT 1"
        }
    };
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let run = read(row)?;
    let entries = entries(db, run.id)?;
    Ok(Some((run, entries)))
}

fn read(row: &Row<'_>) -> Result<Run, StoreError> {
    let kind: String = row.get(2)?;
    Ok(Run {
        id: count(row.get(0)?)?,
        revision: Revision(count(row.get(1)?)?),
        kind: RunKind::parse(&kind).ok_or_else(|| damaged("the kind of a run", &kind))?,
        holder: row.get(3)?,
        begun_at: timestamp(row.get(4)?)?,
        ended_at: timestamp_opt(row.get(5)?)?,
        deferred: count(row.get(6)?)?,
    })
}

/// In the order of the names. A mailbox that was deleted meanwhile is left out.
fn entries(db: &Connection, run: u64) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT mailboxes.name, outcomes.operation, outcomes.outcome
         FROM outcomes JOIN mailboxes ON mailboxes.id = outcomes.mailbox
         WHERE outcomes.run = ?1 AND mailboxes.declared IS NOT NULL
         ORDER BY mailboxes.name, outcomes.operation DESC",
    )?;
    let mut rows = statement.query([whole(run)])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let operation: String = row.get(1)?;
        entries.push(LedgerEntry {
            mailbox: parse_name(&row.get::<_, String>(0)?)?,
            operation: Operation::parse(&operation).ok_or_else(|| damaged("an operation", &operation))?,
            outcome: from_json("an outcome", &row.get::<_, String>(2)?)?,
        });
    }
    Ok(entries)
}

/// The revision that this plan became, if it was applied.
pub(super) fn applied_as(db: &Connection, fingerprint: &str) -> Result<Option<Revision>, StoreError> {
    let sql = "SELECT max(revision) FROM applies WHERE plan = ?1";
    let found: Option<i64> =
        db.prepare_cached(sql)?.query_row([fingerprint], |row| row.get(0)).optional()?.flatten();
    found.map(|revision| count(revision).map(Revision)).transpose()
}
