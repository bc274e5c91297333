//! What is noted of a test, and the state that it leads to.

use jiff::Timestamp;

use crate::model::cursor::InboxId;
use crate::model::failure::RemoteError;
use crate::model::host::Throttling;
use crate::model::organization::Retry;
use crate::model::pending::Standing;
use crate::store::Occasion;
use crate::sync::patience;
use crate::sync::transition::{StateEvent, transition};

/// What is noted of a test.
pub(super) struct Noted {
    pub event: StateEvent,
    pub occasion: Occasion,
    pub enters: Option<InboxId>,
    /// Why it failed: whoever asks for patience decides about the wait.
    pub error: Option<RemoteError>,
}

impl Noted {
    pub fn of(event: StateEvent, occasion: Occasion) -> Self {
        Self { event, occasion, enters: None, error: None }
    }

    /// What holds afterwards: a failure leaves it as a cycle that failed would.
    pub fn leads_to(
        &self,
        before: &Standing,
        now: Timestamp,
        (retry, throttling): (&Retry, &Throttling),
    ) -> Standing {
        let Some(error) = &self.error else { return transition(before, &self.event, now, retry) };
        let retry = patience::retry_of(error, &before.state, retry, throttling);
        let Standing { state, pending } = transition(before, &self.event, now, &retry);
        Standing { state: patience::kept_away(state, error, now, throttling), pending }
    }
}
