//! How a test ends that is broken off, and what the answer to its message means.

use super::Test;
use crate::model::event::TestResult;
use crate::model::failure::Cause;
use crate::model::operation::{Awaiting, Operation, OperationState};
use crate::model::outbox::RecipientResult;
use crate::model::pending::Standing;
use crate::store::StoreError;

impl Test<'_> {
    /// Broken off because the process has to stop: the next test begins anew, and no attempt is used up.
    pub(super) async fn stopped(&mut self, operation: Operation, begun: &Standing) -> Result<(), StoreError> {
        let reason = "stopped before the server answered".to_owned();
        match begun.state {
            OperationState::Testing => self.deferred(operation, begun, Awaiting::Test, reason).await,
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Enabled
            | OperationState::Trying { .. }
            | OperationState::Retrying { .. }
            | OperationState::Disabled(_) => {
                self.tested.deferred += 1;
                self.tell(operation, Vec::new(), begun.clone(), TestResult::Deferred { reason });
                Ok(())
            }
        }
    }
}

pub(in crate::engine) fn accepted(result: Option<RecipientResult>) -> Result<String, Cause> {
    match result {
        Some(RecipientResult::Accepted { said }) => Ok(said),
        Some(RecipientResult::Deferred { said }) => Err(Cause::TemporarilyRefused { said }),
        Some(RecipientResult::Refused { said }) => Err(Cause::Refused { said }),
        Some(RecipientResult::Unsure { detail }) => {
            // It may be the words of that very cause.
            let detail = detail.strip_prefix("the connection was lost: ").unwrap_or(&detail).to_owned();
            Err(Cause::ConnectionLost { detail })
        }
        None => Err(Cause::Internal { detail: "no result for the only recipient".to_owned() }),
    }
}
