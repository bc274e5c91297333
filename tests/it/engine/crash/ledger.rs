//! The ledger's calls, each a moment to die at too.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use mailplumb::model::alert::{Alert, Trouble, TroubleChanges};
use mailplumb::model::ledger::{LedgerEntry, NewRun, Outcome, Run};
use mailplumb::model::name::Name;
use mailplumb::model::operation::Operation;
use mailplumb::store::{AlertPlace, Ledger, RunQuery, StoreError};

use super::store::CrashingStore;

#[async_trait]
impl Ledger for CrashingStore {
    async fn begin_run(&self, run: &NewRun) -> Result<u64, StoreError> {
        self.points.reach("Ledger::begin_run");
        self.real.begin_run(run).await
    }

    async fn note_outcomes(
        &self,
        run: u64,
        outcomes: &[(Name, Operation, Outcome)],
        alerts: &[Alert],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.points.reach("Ledger::note_outcomes");
        self.real.note_outcomes(run, outcomes, alerts, at).await
    }

    async fn raise(&self, alerts: &[Alert]) -> Result<(), StoreError> {
        self.points.reach("Ledger::raise");
        self.real.raise(alerts).await
    }

    async fn troubles(&self) -> Result<BTreeSet<(Name, Trouble)>, StoreError> {
        self.points.reach("Ledger::troubles");
        self.real.troubles().await
    }

    async fn note_troubles(&self, changes: &TroubleChanges) -> Result<(), StoreError> {
        self.points.reach("Ledger::note_troubles");
        self.real.note_troubles(changes).await
    }

    async fn drop_alerts(
        &self,
        before: Timestamp,
        place: AlertPlace,
    ) -> Result<Option<AlertPlace>, StoreError> {
        self.points.reach("Ledger::drop_alerts");
        self.real.drop_alerts(before, place).await
    }

    async fn end_run(&self, run: u64, at: Timestamp) -> Result<(), StoreError> {
        self.points.reach("Ledger::end_run");
        self.real.end_run(run, at).await
    }

    async fn last_run(&self, which: RunQuery) -> Result<Option<(Run, Vec<LedgerEntry>)>, StoreError> {
        self.points.reach("Ledger::last_run");
        self.real.last_run(which).await
    }
}
