//! Decisions about addresses, as a table.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::columns::{damaged, mailbox_id, micros, parse_name, timestamp};
use super::{lease, mailbox};
use crate::model::approval::{Decision, Verdict};
use crate::model::lease::Lease;
use crate::model::name::{Address, Name};
use crate::model::operation::OffReason;
use crate::store::StoreError;

pub(super) fn decide(
    db: &Connection,
    lease: &Lease,
    decisions: &[Decision],
    off: &[Name],
) -> Result<(), StoreError> {
    lease::check(db, lease)?;
    let sql = "INSERT INTO approvals (mailbox, address, verdict, decided_at, decided_by, reason)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for decision in decisions {
        db.prepare_cached(sql)?.execute(params![
            mailbox_id(db, &decision.mailbox)?,
            decision.address.to_string(),
            decision.verdict.key(),
            micros(decision.at),
            decision.by,
            decision.reason,
        ])?;
        if off.contains(&decision.mailbox) {
            mailbox::switch_off(db, &decision.mailbox, OffReason::NotApproved, decision.at)?;
        }
    }
    Ok(())
}

/// How many decisions there were.
pub(super) fn count(db: &Connection) -> Result<u64, StoreError> {
    let last: i64 =
        db.prepare_cached("SELECT coalesce(max(id), 0) FROM approvals")?.query_row([], |row| row.get(0))?;
    Ok(last.unsigned_abs())
}

/// What was decided last.
pub(super) fn latest(db: &Connection) -> Result<Option<Decision>, StoreError> {
    Ok(decisions(db)?.into_values().max_by_key(|decision| decision.at))
}

/// The last decision about each declared mailbox that there is one about.
pub(super) fn decisions(db: &Connection) -> Result<BTreeMap<Name, Decision>, StoreError> {
    let sql = "SELECT name, address, verdict, decided_at, decided_by, reason
               FROM approvals JOIN mailboxes ON mailboxes.id = approvals.mailbox
               WHERE declared IS NOT NULL
                 AND approvals.id = (SELECT max(id) FROM approvals AS of WHERE of.mailbox = mailboxes.id)";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut decisions = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name = parse_name(&row.get::<_, String>(0)?)?;
        let (address, verdict): (String, String) = (row.get(1)?, row.get(2)?);
        let decision = Decision {
            mailbox: name.clone(),
            address: Address::parse(&address).map_err(|error| damaged("an approved address", &error))?,
            verdict: Verdict::ALL
                .into_iter()
                .find(|one| one.key() == verdict)
                .ok_or_else(|| damaged("a verdict", &verdict))?,
            at: timestamp(row.get(3)?)?,
            by: row.get(4)?,
            reason: row.get(5)?,
        };
        decisions.insert(name, decision);
    }
    Ok(decisions)
}

/// The approved address of each mailbox that has one.
pub(super) fn approved(db: &Connection) -> Result<BTreeMap<Name, Address>, StoreError> {
    let given = decisions(db)?.into_iter().filter(|(_, decision)| decision.verdict == Verdict::Approved);
    Ok(given.map(|(name, decision)| (name, decision.address)).collect())
}
