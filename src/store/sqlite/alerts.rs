//! Alerts: written with what they are about, read newest first.

use rusqlite::{Connection, params};

use super::columns::{from_json, micros, to_json, whole};
use crate::model::alert::Alert;
use crate::model::limits;
use crate::store::StoreError;

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
