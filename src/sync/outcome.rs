//! What became of a test, told from the operation before and after it: the ledger's word.

use crate::model::ledger::{HaltReason, Outcome, SkipReason};
use crate::model::operation::{Awaiting, OperationState};
use crate::model::pending::Pending;
use crate::model::stored::StoredOperation;

/// How the work on the mailbox ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its operations were tested as far as that was possible.
    Worked,
    /// The process is to stop; some operations may not have been begun.
    Stopped,
    /// Somebody else was at work on it.
    Busy,
    /// What was tested from does not hold any more.
    Withdrawn,
    StoreFailed,
}

/// `after`: `None` when the mailbox is gone.
pub fn of(before: &StoredOperation, after: Option<&StoredOperation>, ended: Ended) -> Outcome {
    let Some(after) = after else { return Outcome::Skipped(SkipReason::Gone) };
    if after.tested_at != before.tested_at {
        return match &after.pending {
            None => of_test(&after.state),
            Some(Pending::Failed { failure, .. }) => Outcome::Failed(Box::new(failure.clone())),
            // Tested, and declared anew at once.
            Some(Pending::Waiting { .. }) => Outcome::NOT_YET,
        };
    }
    if let Some(Pending::Waiting { awaiting, .. }) = &after.pending {
        match awaiting {
            Awaiting::NoIdentity => return Outcome::Skipped(SkipReason::NoIdentity),
            Awaiting::NoConnector => return Outcome::Skipped(SkipReason::NoConnector),
            Awaiting::Test => {}
        }
    }
    match (ended, &after.state) {
        (_, OperationState::Off(_)) => Outcome::Skipped(SkipReason::Gone),
        (_, OperationState::AwaitingTest(Awaiting::NoIdentity)) => Outcome::Skipped(SkipReason::NoIdentity),
        (_, OperationState::AwaitingTest(Awaiting::NoConnector)) => Outcome::Skipped(SkipReason::NoConnector),
        (Ended::Stopped, _) => Outcome::NotStarted(HaltReason::Stopped),
        (Ended::StoreFailed, _) => Outcome::Skipped(SkipReason::StoreFailed),
        (Ended::Withdrawn, _) => Outcome::Skipped(SkipReason::Changed),
        (Ended::Busy, _) => Outcome::Skipped(SkipReason::Busy),
        // What works goes on as it is when no key is at hand for a test.
        (Ended::Worked, _) => Outcome::Skipped(SkipReason::NoIdentity),
    }
}

fn of_test(state: &OperationState) -> Outcome {
    match state {
        OperationState::Enabled => Outcome::Done,
        OperationState::Disabled(failure)
        | OperationState::Trying { failure, .. }
        | OperationState::Retrying { failure, .. } => Outcome::Failed(Box::new(failure.clone())),
        OperationState::Off(_) => Outcome::Skipped(SkipReason::Gone),
        // Tested, and declared anew at once.
        OperationState::AwaitingTest(_) | OperationState::Testing => Outcome::NOT_YET,
    }
}
