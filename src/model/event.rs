//! What happens while the engine works, told to whoever listens: `cli` prints it, a log keeps it.

use super::alert::Alert;
use super::failure::{Failure, StepTaken};
use super::name::Name;
use super::operation::Operation;
use super::pending::Standing;
use super::problem::Problem;
use super::revision::Revision;

#[derive(Debug, Clone)]
pub enum Event {
    Applied {
        revision: Revision,
        created: u64,
        updated: u64,
        deleted: u64,
    },
    /// So many tests are about to take place.
    RunBegun {
        tests: usize,
    },
    TestBegun {
        mailbox: Name,
        operation: Operation,
    },
    TestEnded {
        mailbox: Name,
        operation: Operation,
        steps: Vec<StepTaken>,
        state: Standing,
        result: TestResult,
    },
    /// A change that waited has passed its test and is in use now.
    Switched {
        mailbox: Name,
        operation: Operation,
    },
    CycleEnded {
        mailbox: Name,
        operation: Operation,
        cycle: Cycle,
    },
    CycleFailed {
        mailbox: Name,
        operation: Operation,
        failure: Failure,
        state: Standing,
        /// What was done before.
        cycle: Cycle,
    },
    /// Somebody else works on it.
    Skipped {
        mailbox: Name,
        reason: String,
    },
    Alerted(Alert),
    /// `watch`: the manifest was read again and is in force.
    Reconciled {
        revision: Revision,
        steps: usize,
    },
    /// `watch`: what was read of the manifest may not be all of it; it is looked at again soon.
    Waiting {
        reason: String,
    },
    /// `watch`: the manifest is invalid or refused; the last good configuration stays.
    KeptLastGood {
        reason: String,
        problems: Vec<Problem>,
    },
    Warned {
        message: String,
    },
}

#[derive(Debug, Clone)]
pub enum TestResult {
    Passed {
        warning: Option<String>,
    },
    Failed(Failure),
    /// Not run, and nobody's fault: no identity, no connector.
    Deferred {
        reason: String,
    },
}

/// What one cycle of one operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cycle {
    /// Messages that the server listed as new, or that were due.
    pub found: u64,
    pub recorded: u64,
    /// Octets that were already recorded.
    pub known: u64,
    /// Older than "process mail from".
    pub before_from: u64,
    pub quarantined: u64,
    pub deleted: u64,
    /// Only flagged as deleted, by a server that cannot remove single messages.
    pub flagged: u64,
    pub sent: u64,
    pub deferred: u64,
    pub failed: u64,
    pub unsure: u64,
}

impl std::ops::AddAssign for Cycle {
    fn add_assign(&mut self, other: Self) {
        self.found += other.found;
        self.recorded += other.recorded;
        self.known += other.known;
        self.before_from += other.before_from;
        self.quarantined += other.quarantined;
        self.deleted += other.deleted;
        self.flagged += other.flagged;
        self.sent += other.sent;
        self.deferred += other.deferred;
        self.failed += other.failed;
        self.unsure += other.unsure;
    }
}

/// Where events go. Must not block.
pub trait Listener: Send + Sync {
    fn tell(&self, event: Event);
}
