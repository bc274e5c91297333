//! How a test ends that is broken off, and what the answer to its message means.

use jiff::Timestamp;

use super::{Reach, Test};
use crate::model::event::TestResult;
use crate::model::failure::Cause;
use crate::model::operation::{Awaiting, Operation, OperationState};
use crate::model::outbox::RecipientResult;
use crate::model::pending::Standing;
use crate::store::StoreError;
use crate::sync::alerts::{self, Subject};

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

    /// Keeps in mind that the test's message is missing, until one comes back or nobody waits for it any more.
    pub(super) async fn note_received_back(
        &self,
        missing_since: Option<Timestamp>,
        warning: Option<&str>,
    ) -> Result<(), StoreError> {
        // Whoever has to stop has not waited long enough to say so.
        if self.engine.stopping.is_cancelled() {
            return Ok(());
        }
        let now = warning.map(|_| missing_since.unwrap_or_else(|| self.engine.clock.now()));
        if now == missing_since {
            return Ok(());
        }
        let Reach { mailbox, profile, .. } = self.declared;
        self.engine.store.note_received_back(&self.held.lease, &mailbox.name, now).await?;
        // One that goes on missing is not told again.
        let (None, Some(now)) = (missing_since, now) else { return Ok(()) };
        let subject = Subject::of(mailbox, profile, Operation::Outgoing);
        let alert = alerts::on_not_received_back(subject, now);
        self.engine.store.raise(&self.engine.raise([alert], &self.settings.alerts)).await
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
