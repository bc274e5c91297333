//! Why an operation did not come about: between the conversation and what the service said.

use crate::model::failure::Cause;
use crate::protocol::graph::{GraphError, Refusal};

/// Why an operation did not come about: the conversation failed, or the service said no.
#[derive(Debug)]
pub(super) enum GraphFailure {
    Conversation(Cause),
    /// The same: the connection ended before anything of an answer came.
    Unanswered(Cause),
    /// The same, and surely nothing was done.
    Undone(Cause),
    Refused(Refusal),
}

impl From<Cause> for GraphFailure {
    fn from(cause: Cause) -> Self {
        Self::Conversation(cause)
    }
}

impl From<GraphError> for GraphFailure {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::Refused(refusal) => Self::Refused(refusal),
            GraphError::Garbage(_) | GraphError::LimitExceeded { .. } => Self::Conversation(error.cause()),
        }
    }
}

impl GraphFailure {
    pub fn cause(self) -> Cause {
        match self {
            Self::Conversation(cause) | Self::Unanswered(cause) | Self::Undone(cause) => cause,
            Self::Refused(refusal) => refusal.cause(),
        }
    }
}
