//! What `sync` did, for programs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::exit::Told;
use crate::cli::listing::FORMAT_VERSION;
use crate::engine::drive::Driven;
use crate::model::event::Cycle;
use crate::model::failure::FailureSummary;
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};

/// `sync --output json`: one document, at the end.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `major.minor`
    format_version: &'static str,
    summary: Summary,
    /// Every declared operation of the chosen mailboxes, by mailbox.
    cycles: Vec<Entry>,
    exit: Told,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Mailboxes of which at least one cycle ran.
    pub mailboxes: usize,
    /// Cycles that ran to their end.
    pub done: usize,
    pub failed: usize,
    /// Not begun: disabled, waiting for a test, or somebody else works on it.
    pub waiting: usize,
    pub incoming: IncomingCounts,
    pub outgoing: OutgoingCounts,
}

/// Messages.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncomingCounts {
    /// Listed by the server as new.
    found: u64,
    /// New records, quarantined ones among them.
    recorded: u64,
    already_recorded: u64,
    /// Older than the start date, and left alone.
    before_from: u64,
    quarantined: u64,
    removed_from_server: u64,
    /// Flagged as deleted and still there: the server has no UIDPLUS.
    flagged_as_deleted: u64,
}

/// Messages.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingCounts {
    sent: u64,
    /// To be tried again.
    deferred: u64,
    failed: u64,
    /// Nobody knows whether they were sent; see `mailplumb outbox`.
    unsure: u64,
}

/// What became of one operation of one mailbox.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    mailbox: String,
    operation: &'static str,
    /// done | failed | skipped | not-driven
    outcome: &'static str,
    /// Stable, for scripts: the failure's code. Null where nothing failed.
    reason: Option<String>,
    /// For people.
    message: Option<String>,
    /// What to do.
    remedy: Option<String>,
    /// What was done, also before a failure. Null for the other direction, and where nothing was begun.
    incoming: Option<IncomingCounts>,
    outgoing: Option<OutgoingCounts>,
}

impl Document {
    pub fn new(summary: Summary, mut cycles: Vec<Entry>, code: u8) -> Self {
        cycles.sort_by(|a, b| a.mailbox.cmp(&b.mailbox).then(a.operation.cmp(b.operation)));
        Self { format_version: FORMAT_VERSION, summary, cycles, exit: Told::of(code) }
    }
}

impl IncomingCounts {
    pub fn of(cycle: &Cycle) -> Self {
        Self {
            found: cycle.found,
            recorded: cycle.recorded,
            already_recorded: cycle.known,
            before_from: cycle.before_from,
            quarantined: cycle.quarantined,
            removed_from_server: cycle.deleted,
            flagged_as_deleted: cycle.flagged,
        }
    }
}

impl OutgoingCounts {
    pub fn of(cycle: &Cycle) -> Self {
        Self { sent: cycle.sent, deferred: cycle.deferred, failed: cycle.failed, unsure: cycle.unsure }
    }
}

impl Entry {
    fn new(mailbox: &Name, operation: Operation, outcome: &'static str) -> Self {
        Self {
            mailbox: mailbox.to_string(),
            operation: operation.key(),
            outcome,
            reason: None,
            message: None,
            remedy: None,
            incoming: None,
            outgoing: None,
        }
    }

    pub fn of(mailbox: &Name, operation: Operation, driven: &Driven) -> Self {
        match driven {
            Driven::Done(cycle) => Self::new(mailbox, operation, "done").with(operation, cycle),
            Driven::Failed(failure, cycle) => {
                Self::new(mailbox, operation, "failed").because(&failure.summary()).with(operation, cycle)
            }
            Driven::Skipped(reason) => {
                Self { message: Some(reason.clone()), ..Self::new(mailbox, operation, "skipped") }
            }
        }
    }

    /// It is declared, and its state does not let it be driven.
    pub fn not_driven(mailbox: &Name, operation: Operation, state: &OperationState) -> Self {
        let entry = Self::new(mailbox, operation, "not-driven");
        let entry = match state {
            OperationState::Trying { failure, .. } | OperationState::Disabled(failure) => {
                entry.because(failure)
            }
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Testing
            | OperationState::Enabled
            | OperationState::Retrying { .. } => entry,
        };
        Self { message: Some(format!("it is {state}")), ..entry }
    }

    /// The store, and no server, is to blame.
    pub fn store_failed(mailbox: &Name, operation: Operation, message: String) -> Self {
        let reason = Some("store".to_owned());
        Self { reason, message: Some(message), ..Self::new(mailbox, operation, "failed") }
    }

    fn because(self, failure: &FailureSummary) -> Self {
        Self {
            reason: Some(failure.code.clone()),
            message: Some(format!("{}: {}", failure.step, failure.cause)),
            remedy: Some(failure.remedy.clone()),
            ..self
        }
    }

    fn with(self, operation: Operation, cycle: &Cycle) -> Self {
        match operation {
            Operation::Incoming => Self { incoming: Some(IncomingCounts::of(cycle)), ..self },
            Operation::Outgoing => Self { outgoing: Some(OutgoingCounts::of(cycle)), ..self },
            Operation::Act => self,
        }
    }
}
