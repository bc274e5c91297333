//! The ledger's calls, each a moment to die at too.

use async_trait::async_trait;
use jiff::Timestamp;
use mailplumb::model::alert::Alert;
use mailplumb::model::ledger::{LedgerEntry, NewRun, Outcome, Run};
use mailplumb::model::name::Name;
use mailplumb::model::operation::Operation;
use mailplumb::store::{Ledger, RunQuery, StoreError};

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

    async fn end_run(&self, run: u64, at: Timestamp) -> Result<(), StoreError> {
        self.points.reach("Ledger::end_run");
        self.real.end_run(run, at).await
    }

    async fn last_run(&self, which: RunQuery) -> Result<Option<(Run, Vec<LedgerEntry>)>, StoreError> {
        self.points.reach("Ledger::last_run");
        self.real.last_run(which).await
    }
}
