//! The door to the ledger: which tests a command was to run, and what became of each.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::model::alert::{Alert, Trouble, TroubleChanges};
use crate::model::ledger::{LedgerEntry, NewRun, Outcome, Run};
use crate::model::name::Name;
use crate::model::operation::Operation;

/// Keeps the ledger. It is written as a run goes on, so that one that is killed leaves a true account.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Notes all that the run is to test as not started, and returns the run's id.
    async fn begin_run(&self, run: &NewRun) -> Result<u64, StoreError>;
    /// Notes outcomes of one run, with the alerts that go with them. A mailbox that is gone by now is left out.
    async fn note_outcomes(
        &self,
        run: u64,
        outcomes: &[(Name, Operation, Outcome)],
        alerts: &[Alert],
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// Notes alerts that belong to no single mailbox.
    async fn raise(&self, alerts: &[Alert]) -> Result<(), StoreError>;
    /// The troubles of profiles that stand, as far as they were noted.
    async fn troubles(&self) -> Result<BTreeSet<(Name, Trouble)>, StoreError>;
    /// Notes which ones have begun and ended, with their alerts.
    async fn note_troubles(&self, changes: &TroubleChanges) -> Result<(), StoreError>;
    /// Drops alerts that are older than a moment, except the newest one of a trouble that stands. Looks at a limited number in each
    /// call, those after `place`; returns where to go on. `None`: that was all.
    async fn drop_alerts(
        &self,
        before: Timestamp,
        place: AlertPlace,
    ) -> Result<Option<AlertPlace>, StoreError>;
    async fn end_run(&self, run: u64, at: Timestamp) -> Result<(), StoreError>;
    /// The newest run, with its entries in the order of the mailboxes' names.
    async fn last_run(&self, which: RunQuery) -> Result<Option<(Run, Vec<LedgerEntry>)>, StoreError>;
}

/// A place among the alerts, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertPlace {
    at: i64,
    id: i64,
}

impl AlertPlace {
    /// Before all of them.
    pub const FIRST: Self = Self { at: i64::MIN, id: i64::MIN };

    pub(super) fn new(at: i64, id: i64) -> Self {
        Self { at, id }
    }

    pub(super) fn parts(self) -> (i64, i64) {
        (self.at, self.id)
    }
}

/// Which run is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunQuery {
    Any,
    /// The newest that an apply, or its resumption, began.
    OfApply,
}
