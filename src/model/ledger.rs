//! The ledger: what became of each operation that an apply, or a test, was to test.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::FailureSummary;
use super::name::Name;
use super::operation::Operation;
use super::revision::Revision;

/// Which command began a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    Apply,
    /// `apply --resume`.
    Resume,
    Test,
}

impl RunKind {
    pub const ALL: [Self; 3] = [Self::Apply, Self::Resume, Self::Test];

    pub fn key(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Resume => "resume",
            Self::Test => "test",
        }
    }

    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub revision: Revision,
    pub kind: RunKind,
    /// Who runs it, in words.
    pub holder: String,
    pub at: Timestamp,
    /// Mailboxes whose tests are left to `test` and `watch`; then there are no items.
    pub deferred: u64,
    pub items: Vec<(Name, Operation)>,
}

/// A run as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: u64,
    pub revision: Revision,
    pub kind: RunKind,
    pub holder: String,
    pub begun_at: Timestamp,
    /// `None`: it is still going on, or its process died.
    pub ended_at: Option<Timestamp>,
    pub deferred: u64,
}

/// One operation of one mailbox in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// As the mailbox is called now.
    pub mailbox: Name,
    pub operation: Operation,
    pub outcome: Outcome,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It passed.
    Done,
    Failed(Box<FailureSummary>),
    /// It was tried and could not be run; nobody's configuration is to blame.
    Skipped(SkipReason),
    NotStarted(HaltReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// No age identity that opens its secret was at hand.
    NoIdentity,
    /// This version cannot speak to that kind of server.
    NoConnector,
    /// Another process was working on the mailbox.
    Busy,
    /// It was deleted or switched off meanwhile.
    Gone,
    /// It was declared anew or decided on meanwhile.
    Changed,
    /// The store failed while it was worked on.
    StoreFailed,
}

/// Why a test was not begun.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HaltReason {
    /// Its turn had not come: the run goes on, or its process died.
    Waiting,
    /// The process was asked to stop.
    Stopped,
    /// The mailbox that was tested first for the whole profile failed for a reason that holds for all.
    Canary { profile: Name, mailbox: Name },
}

impl Outcome {
    pub const NOT_YET: Self = Self::NotStarted(HaltReason::Waiting);

    /// Stable, for scripts.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
            Self::NotStarted(_) => "not-started",
        }
    }

    /// Whether `apply --resume` takes it up again.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Done | Self::Failed(_) | Self::Skipped(SkipReason::Gone) => false,
            Self::Skipped(
                SkipReason::NoIdentity
                | SkipReason::NoConnector
                | SkipReason::Busy
                | SkipReason::Changed
                | SkipReason::StoreFailed,
            )
            | Self::NotStarted(_) => true,
        }
    }
}

impl SkipReason {
    /// Stable, for scripts.
    pub fn key(self) -> &'static str {
        match self {
            Self::NoIdentity => "no-identity",
            Self::NoConnector => "no-connector",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::StoreFailed => "store-failed",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::NoIdentity => "no age identity is at hand that opens its secret",
            Self::NoConnector => "this version has no connector for it",
            Self::Busy => "another process was working on it",
            Self::Gone => "it was removed or switched off meanwhile",
            Self::Changed => "what is declared or decided for it changed meanwhile",
            Self::StoreFailed => "the store failed",
        }
    }
}

impl std::fmt::Display for HaltReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting => f.write_str("its turn had not come"),
            Self::Stopped => f.write_str("the process was asked to stop"),
            Self::Canary { profile, mailbox } => {
                write!(f, "mailbox/{mailbox}, tested first for profile/{profile}, failed")
            }
        }
    }
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
    pub not_started: u64,
}

impl Tally {
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Done => tally.done += 1,
                Outcome::Failed(_) => tally.failed += 1,
                Outcome::Skipped(_) => tally.skipped += 1,
                Outcome::NotStarted(_) => tally.not_started += 1,
            }
        }
        tally
    }

    pub fn total(&self) -> u64 {
        self.done + self.failed + self.skipped + self.not_started
    }
}
