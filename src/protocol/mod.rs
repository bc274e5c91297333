//! Conversations without sockets: what to say next, and what an answer means.
//!
//! Nothing here does I/O, reads a clock or draws random numbers. `net` drives a [`Conversation`] over a connection.
//! Everything a server sends is hostile: each line, count and size has a limit from `model::limits`.

pub mod assertion;
pub mod autodiscover;
pub mod compose;
pub mod disguise;
pub mod ews;
pub mod graph;
pub mod http;
pub mod http_auth;
pub mod imap;
mod md5;
pub mod ntlm;
pub mod oauth2;
pub mod pop3;
pub mod sasl;
mod shelf;
pub mod smtp;
pub mod spnego;

use bytes::{Bytes, BytesMut};

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

    /// How what is awaited at present may come.
    fn pace(&self) -> Pace {
        Pace::Answer
    }

    /// How many of several answers that were asked for together are there: each has its own time.
    fn answers(&self) -> usize {
        0
    }
}

/// How much time the octets of an answer earn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// None: the whole answer comes in the time for one.
    Answer,
    /// As much as they need at the least rate of a transfer, [`crate::model::limits::TRANSFER_RATE_MIN_BYTES`].
    Bulk,
    /// What is told whenever it happens: only silence is too long.
    Trickle,
}

/// A conversation that hands things over before it ends: they are taken out after every step, also after one that failed.
pub trait Streaming: Conversation {
    type Item;

    /// The next thing that has arrived, in the order of arrival.
    fn next_item(&mut self) -> Option<Self::Item>;

    fn has_items(&self) -> bool;
}

/// A piece of what arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived<M> {
    /// Octets of a message that is too large to be held; the message follows them.
    Piece(Bytes),
    Message(M),
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

/// A streaming conversation as one that ends with all that it handed over; adjacent pieces are one.
#[cfg(test)]
pub(crate) struct Collected<C: Streaming> {
    conversation: C,
    items: Vec<C::Item>,
}

#[cfg(test)]
impl<M, C: Streaming<Item = Arrived<M>>> Collected<C> {
    pub(crate) fn new(conversation: C) -> Self {
        Self { conversation, items: Vec::new() }
    }

    fn take(&mut self) {
        while let Some(item) = self.conversation.next_item() {
            match (self.items.last_mut(), item) {
                (Some(Arrived::Piece(before)), Arrived::Piece(octets)) => {
                    *before = [&before[..], &octets].concat().into();
                }
                (_, item) => self.items.push(item),
            }
        }
    }
}

#[cfg(test)]
impl<M, C: Streaming<Item = Arrived<M>>> Conversation for Collected<C> {
    type Output = (Vec<C::Item>, C::Output);

    fn pace(&self) -> Pace {
        self.conversation.pace()
    }

    fn answers(&self) -> usize {
        self.conversation.answers()
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Self::Output>, Cause> {
        let progress = self.conversation.advance(input);
        self.take();
        Ok(match progress? {
            Progress::Send(bytes) => Progress::Send(bytes),
            Progress::NeedInput => Progress::NeedInput,
            Progress::Done(output) => Progress::Done((std::mem::take(&mut self.items), output)),
        })
    }
}
