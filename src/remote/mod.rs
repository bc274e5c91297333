//! A mail server as the engine sees it: small traits per capability. One connector per protocol.
//!
//! The engine knows this file only. Connectors report what happened as [`RemoteError`]; they do not judge it.

pub mod connectors;
pub mod imap;
mod nonce;
pub mod pop3;
mod redact;
pub mod smtp;
mod token;

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::cursor::{Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::RemoteError;
use crate::model::name::Address;
use crate::model::outbox::Submitted;
use crate::model::profile::ServerKind;
use crate::model::server::Destination;
pub use crate::net::trace::Trace;

/// Finds the connector for a kind of server.
pub trait Remotes: Send + Sync {
    /// `None`: this build cannot speak to that kind of server.
    fn connector(&self, kind: ServerKind) -> Option<Arc<dyn Connector>>;
}

/// Opens sessions with one kind of server. Every step taken is noted in the trace, with its time.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Connects, secures, logs in and opens the inbox for reading.
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError>;

    /// Connects, secures and logs in for submission.
    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError>;
}

/// A session that reads the inbox.
#[async_trait]
pub trait Receive: Send {
    /// What the server holds beyond the cursor (IMAP), or altogether (POP3).
    async fn list(&mut self, cursor: &Cursor) -> Result<Listing, RemoteError>;

    /// Fetches messages of the last listing, pipelined where the server can. One answer for each, in any order.
    /// Nothing is marked as read.
    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError>;

    /// Ends the session after removing these messages; returns those whose removal the server confirmed. For
    /// POP3, removals take effect when the server accepts QUIT. An empty list only says goodbye.
    async fn delete_and_close(self: Box<Self>, messages: &[RemoteId]) -> Result<Vec<RemoteId>, RemoteError>;
}

/// A session that submits messages.
#[async_trait]
pub trait Submit: Send {
    /// Submits one message. `Err` means that the message was certainly not accepted for anybody; once the server may
    /// have it, the answer is `Ok` with [`crate::model::outbox::RecipientResult::Unsure`].
    async fn send(
        &mut self,
        from: &Address,
        recipients: &[Address],
        raw: &[u8],
    ) -> Result<Submitted, RemoteError>;

    /// Whether the session can take another message. After an `Err`, and after an answer that ended the session, it
    /// cannot: a new one is to be opened.
    fn is_open(&self) -> bool {
        true
    }

    /// Says goodbye; failures to do so do not matter.
    async fn close(self: Box<Self>);
}
