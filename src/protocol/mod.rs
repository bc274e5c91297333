//! Conversations without sockets: what to say next, and what an answer means.
//!
//! Nothing here does I/O, reads a clock or draws random numbers. `net` drives a [`Conversation`] over a connection.
//! Everything a server sends is hostile: each line, count and size has a limit from `model::limits`.

pub mod compose;
pub mod imap;
pub mod oauth2;
pub mod pop3;
pub mod sasl;
pub mod smtp;

use bytes::BytesMut;

use crate::model::failure::Cause;

/// One exchange with a server, as a state machine: bytes in, bytes out.
pub trait Conversation {
    /// What the exchange is for.
    type Output;

    /// Consumes what it can use of `input` (the bytes received and not yet consumed; the rest is left for the next
    /// conversation on the same connection) and says what to do next. Called again after a [`Progress::Send`] was
    /// written and after `input` has grown. At the end of the stream the driver reports
    /// [`Cause::ConnectionLost`] itself.
    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Self::Output>, Cause>;
}

/// What a conversation asks its driver to do.
#[derive(Debug)]
pub enum Progress<T> {
    /// Write these bytes, in one write, flush, and advance again.
    Send(Vec<u8>),
    /// Read from the server, then advance again.
    NeedInput,
    /// The exchange is over.
    Done(T),
}
