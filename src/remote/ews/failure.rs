//! Why an operation did not come about: between the conversation and what the server said.

use crate::model::failure::Cause;
use crate::protocol::ews::EwsError;

/// Why an operation did not come about: the conversation failed, or the server said no.
#[derive(Debug)]
pub(super) enum EwsFailure {
    Conversation(Cause),
    Answer(EwsError),
}

impl From<Cause> for EwsFailure {
    fn from(cause: Cause) -> Self {
        Self::Conversation(cause)
    }
}

impl From<EwsError> for EwsFailure {
    fn from(error: EwsError) -> Self {
        Self::Answer(error)
    }
}

impl EwsFailure {
    pub fn cause(self) -> Cause {
        match self {
            Self::Conversation(cause) => cause,
            Self::Answer(error) => error.cause(),
        }
    }

    /// Whether the server has no time just now.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Conversation(cause) => matches!(cause, Cause::TemporarilyRefused { .. }),
            Self::Answer(EwsError::Refused(refusal)) => refusal.is_server_busy(),
            Self::Answer(EwsError::Garbage(_) | EwsError::LimitExceeded { .. }) => false,
        }
    }

    pub fn is(&self, code: &str) -> bool {
        match self {
            Self::Conversation(_) => false,
            Self::Answer(error) => error.is(code),
        }
    }
}
