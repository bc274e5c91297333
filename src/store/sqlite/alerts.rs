//! Alerts: written with what they are about, read newest first.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::columns::{damaged, from_json, micros, parse_name, to_json, whole};
use super::mailbox;
use crate::model::alert::{Alert, AlertLevel, Trouble, TroubleChanges};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{OffReason, OperationState};
use crate::store::{AlertPlace, StoreError};

pub(super) fn write(db: &Connection, alerts: &[Alert]) -> Result<(), StoreError> {
    for alert in alerts {
        db.prepare_cached("INSERT INTO alerts (at, level, code, alert) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![micros(alert.at), alert.level.key(), alert.code, to_json(alert)?])?;
    }
    if !alerts.is_empty() {
        let sql = "DELETE FROM alerts WHERE id <= (SELECT max(id) FROM alerts) - ?1";
        db.prepare_cached(sql)?.execute([whole(limits::ALERTS_MAX)])?;
    }
    Ok(())
}

pub(super) fn read(db: &Connection, limit: u64) -> Result<Vec<Alert>, StoreError> {
    let mut statement = db.prepare_cached("SELECT alert FROM alerts ORDER BY id DESC LIMIT ?1")?;
    let mut rows = statement.query([whole(limit)])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(from_json("an alert", &row.get::<_, String>(0)?)?);
    }
    Ok(alerts)
}

pub(super) fn troubles(db: &Connection) -> Result<BTreeSet<(Name, Trouble)>, StoreError> {
    let mut statement = db.prepare_cached("SELECT profile, trouble FROM troubles")?;
    let mut rows = statement.query([])?;
    let mut troubles = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let code: String = row.get(1)?;
        let trouble =
            Trouble::parse(&code).ok_or_else(|| damaged("a trouble", &format!("`{code}` is none")))?;
        troubles.insert((parse_name(&row.get::<_, String>(0)?)?, trouble));
    }
    Ok(troubles)
}

pub(super) fn note_troubles(db: &Connection, changes: &TroubleChanges) -> Result<(), StoreError> {
    for (profile, trouble) in &changes.ended {
        db.prepare_cached("DELETE FROM troubles WHERE profile = ?1 AND trouble = ?2")?
            .execute([profile.as_str(), trouble.code()])?;
    }
    for (profile, trouble) in &changes.begun {
        db.prepare_cached("INSERT INTO troubles (profile, trouble) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute([profile.as_str(), trouble.code()])?;
    }
    write(db, &changes.alerts)
}

/// One step of dropping alerts that are older than a moment.
pub(super) fn drop_old(
    db: &Connection,
    before: Timestamp,
    place: AlertPlace,
) -> Result<Option<AlertPlace>, StoreError> {
    let old = old(db, before, place)?;
    for (place, alert) in &old {
        let (_, id) = place.parts();
        if !stands(db, id, alert)? {
            db.prepare_cached("DELETE FROM alerts WHERE id = ?1")?.execute([id])?;
        }
    }
    let is_full = old.len() >= limits::ALERTS_DROPPED_AT_ONCE;
    Ok(old.last().filter(|_| is_full).map(|(place, _)| *place))
}

fn old(
    db: &Connection,
    before: Timestamp,
    place: AlertPlace,
) -> Result<Vec<(AlertPlace, Alert)>, StoreError> {
    let sql =
        "SELECT at, id, alert FROM alerts WHERE at < ?1 AND (at, id) > (?2, ?3) ORDER BY at, id LIMIT ?4";
    let mut statement = db.prepare_cached(sql)?;
    let (at, id) = place.parts();
    let mut rows =
        statement.query(params![micros(before), at, id, whole(limits::ALERTS_DROPPED_AT_ONCE as u64)])?;
    let mut old = Vec::new();
    while let Some(row) = rows.next()? {
        let place = AlertPlace::new(row.get(0)?, row.get(1)?);
        old.push((place, from_json("an alert", &row.get::<_, String>(2)?)?));
    }
    Ok(old)
}

/// Whether what an alert tells of goes on, and no newer alert tells of it.
fn stands(db: &Connection, id: i64, alert: &Alert) -> Result<bool, StoreError> {
    if alert.level == AlertLevel::Information {
        return Ok(false);
    }
    let goes_on = match (&alert.mailbox, alert.operation, &alert.profile) {
        (Some(mailbox), Some(operation), _) => mailbox::is_failing(db, mailbox, operation)?,
        (None, _, Some(profile)) => {
            let sql = "SELECT 1 FROM troubles WHERE profile = ?1 AND trouble = ?2";
            db.prepare_cached(sql)?.exists([profile.as_str(), &alert.code])?
        }
        // Somebody's address is not approved.
        (Some(_), None, _) | (None, _, None) => {
            let off = to_json(&OperationState::Off(OffReason::NotApproved))?;
            db.prepare_cached("SELECT 1 FROM operations WHERE state = ?1")?.exists([off])?
        }
    };
    Ok(goes_on && !is_told_again(db, id, alert)?)
}

fn is_told_again(db: &Connection, id: i64, alert: &Alert) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM alerts WHERE alert ->> 'mailbox' IS ?1 AND id > ?2 AND code = ?3
                   AND alert ->> 'profile' IS ?4 AND alert ->> 'operation' IS ?5";
    Ok(db.prepare_cached(sql)?.exists(params![
        alert.mailbox.as_ref().map(Name::as_str),
        id,
        alert.code,
        alert.profile.as_ref().map(Name::as_str),
        alert.operation.map(|operation| operation.key()),
    ])?)
}
