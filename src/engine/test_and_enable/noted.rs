//! What is written down of a test.

use crate::model::cursor::InboxId;
use crate::model::organization::Retry;
use crate::store::Occasion;
use crate::sync::transition::StateEvent;

/// What is noted of a test.
pub(super) struct Noted {
    pub event: StateEvent,
    pub occasion: Occasion,
    pub enters: Option<InboxId>,
    /// `None`: as the organization declares it.
    pub retry: Option<Retry>,
}

impl Noted {
    pub fn of(event: StateEvent, occasion: Occasion) -> Self {
        Self { event, occasion, enters: None, retry: None }
    }
}
