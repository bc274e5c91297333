//! POP3 (RFC 1939) with capabilities (RFC 2449), STLS (RFC 2595), AUTH (RFC 5034) and response codes (RFC 3206):
//! one conversation per exchange, without sockets.
//!
//! Message numbers live as long as a session; whoever drives these conversations keeps them to himself and names
//! messages by [`identity`].

mod body;
pub mod identity;
mod listing;
mod login;
mod opening;
mod removal;
mod reply;
mod retrieval;
#[cfg(test)]
mod transcript;

pub use listing::{Entry, ListAll};
pub use login::{Authenticate, Method, choose_method};
pub use opening::{AskCapabilities, BeginTls, Capabilities, Greet, MailboxSize, Offer};
pub use removal::RemoveAndQuit;
pub use reply::{Refusal, ResponseCode};
pub use retrieval::{Retrieve, RetrieveEach, Retrieved};

use crate::model::limits;

/// Whether the server takes commands before it has answered the last (RFC 2449 section 6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipelining {
    Offered,
    NotOffered,
}

impl Pipelining {
    /// Commands that may be unanswered at a time. Bounded, so that neither side waits for the other to read.
    fn window(self) -> usize {
        match self {
            Self::Offered => limits::FETCH_WINDOW_MESSAGES,
            Self::NotOffered => 1,
        }
    }
}
