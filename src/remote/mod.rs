//! A mail server as the engine sees it: small traits per capability. One connector per protocol.
//!
//! The engine knows this file only. Connectors report what happened as [`RemoteError`]; they do not judge it.

mod assertion;
pub mod connectors;
pub mod discovery;
mod doubt;
#[cfg(test)]
mod dripping;
pub mod ews;
mod forwarding;
pub mod graph;
mod hand_over;
pub mod imap;
mod kept;
mod login;
mod nonce;
mod pool;
pub mod pop3;
mod rebuilt;
mod redact;
pub mod smtp;
mod token;
mod tracked;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::model::claim::{Claimed, Wish};
use crate::model::cursor::{Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::forwarding::{RuleOutcome, RuleWish};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::outbox::{Attempt, Submitted};
use crate::model::profile::ServerKind;
use crate::model::record::{Categorised, Standing};
use crate::model::server::Destination;
pub use crate::net::trace::Trace;
pub use pool::{Kept, Lent, Owner, Pool, SessionKey};

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

    /// Whether its servers can be asked what became of a message, see [`Submit::trace_sent`].
    fn traces_sent(&self) -> bool {
        false
    }
}

/// A session that reads the inbox.
/// How a server removes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Real,
    /// It is flagged as deleted and stays until somebody empties the folder: an IMAP server without UIDPLUS.
    Flag,
}

#[async_trait]
pub trait Receive: Send {
    /// Told before the first listing: what its server received before this moment is not wanted. A server that can tell which
    /// messages these are need not list them.
    fn wants_from(&mut self, from: Option<Timestamp>) {
        let _ = from;
    }

    /// Whether a mailbox of this server has a place for the mark of who synchronises it.
    fn can_claim(&self) -> bool {
        false
    }

    /// Notes in the mailbox who synchronises it. A mark of somebody else, from whom it may not be taken, is an error. It is not
    /// waited for: a server that has no time for it is asked another time.
    async fn claim(&mut self, wish: &Wish) -> Result<Claimed, RemoteError> {
        let _ = wish;
        Ok(Claimed::NoMark)
    }

    /// Brings about the inbox rule that forwards every message, or its absence, and says what it took. Rules of other people are
    /// left alone.
    async fn keep_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        let _ = wish;
        let cause = Cause::Unsupported { setting: "forwardTo".to_owned() };
        Err(RemoteError::new(TestStep::ForwardRule, cause))
    }

    /// Looks whether that rule is as wished, and changes nothing.
    async fn look_for_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        let _ = wish;
        let cause = Cause::Unsupported { setting: "forwardTo".to_owned() };
        Err(RemoteError::new(TestStep::ForwardRule, cause))
    }

    /// What the server holds beyond the cursor (IMAP), or altogether (POP3).
    async fn list(&mut self, cursor: &Cursor) -> Result<Listing, RemoteError>;

    /// What the last listing tells of a message beside its id: where it lies, and what a person has said of it.
    fn standing(&self, message: &RemoteId) -> Standing {
        let _ = message;
        Standing::default()
    }

    /// Messages of former listings that were given the tracking category since, or do not bear it (any more). Those that bear it
    /// are listed once more.
    fn categorised(&self) -> Vec<Categorised> {
        Vec::new()
    }

    /// Told before a fetch: these messages were asked for often, and are now for the last time. Whatever can be had of them is
    /// better than nothing.
    fn tries_last(&mut self, messages: BTreeSet<RemoteId>) {
        let _ = messages;
    }

    /// Octets that the session itself holds before it hands them over.
    fn holds(&self) -> u64 {
        0
    }

    /// Fetches messages of the last listing, pipelined where the server can. One answer for each, in any order.
    /// Nothing is marked as read.
    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError>;

    /// Fetches whole messages of the last listing and hands each over as it arrives, in any order; the next ones are asked
    /// for meanwhile. Nothing is marked as read. What was handed over before an error stands.
    async fn fetch_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), RemoteError> {
        for window in messages.chunks(limits::FETCH_WINDOW_MESSAGES) {
            for fetched in self.fetch(window, Part::Whole).await? {
                let taken = arrivals.message(fetched).await;
                taken.map_err(|cause| RemoteError::new(TestStep::Read, cause))?;
            }
        }
        Ok(())
    }

    /// Moves messages into the folder for what could not be recorded. `known`: that folder, as an earlier call told it; where
    /// it is not there, it is made. `None`: this server has no such folder.
    async fn set_aside(
        &mut self,
        messages: &[RemoteId],
        known: Option<&str>,
    ) -> Result<Option<SetAside>, RemoteError> {
        let _ = (messages, known);
        Ok(None)
    }

    /// What becomes of a message that is to be removed.
    fn removal(&self) -> Removal {
        Removal::Real
    }

    /// Ends the session after removing these messages; returns those whose removal the server confirmed. For
    /// POP3, removals take effect when the server accepts QUIT. An empty list only says goodbye.
    async fn delete_and_close(self: Box<Self>, messages: &[RemoteId]) -> Result<Vec<RemoteId>, RemoteError>;

    /// The same without the goodbye, where a session can be used again. An error ends it.
    async fn delete_and_rest(self: Box<Self>, messages: &[RemoteId]) -> Result<Rested, RemoteError> {
        Ok(Rested { removed: self.delete_and_close(messages).await?, session: None })
    }

    /// Whether the server tells of new mail by itself, see [`Receive::wait_for_mail`].
    fn can_wait(&self) -> bool {
        false
    }

    /// Whether a wait takes no connection of its own, because one tells of many mailboxes.
    fn waits_apart(&self) -> bool {
        false
    }

    /// Lets go of its connection where it can do without one while nothing is asked: the next request makes another.
    fn let_go(&mut self) {}

    /// Waits until the server tells of a change in the inbox, the limit is reached or it is asked to stop. The session
    /// can be used again after it; [`Cause::Refused`]
    /// says that it cannot wait after all. Any other error ends it.
    async fn wait_for_mail(
        &mut self,
        stop: &CancellationToken,
        limit: Duration,
    ) -> Result<Wake, RemoteError> {
        let _ = (stop, limit);
        let cause = Cause::Refused { said: "it does not tell of new mail".to_owned() };
        Err(RemoteError::new(TestStep::Read, cause))
    }
}

/// Messages that were moved out of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where they are now, as the server names it.
    pub folder: String,
    /// Those that were moved, or were not there any more, under their former ids.
    pub moved: Vec<RemoteId>,
}

/// What is left of a session after its work.
pub struct Rested {
    /// The messages whose removal the server confirmed.
    pub removed: Vec<RemoteId>,
    /// `None`: it has ended, as every POP3 session does.
    pub session: Option<Box<dyn Receive>>,
}

/// Why a wait for new mail is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something changed in the inbox.
    News,
    LimitReached,
    Stopped,
}

/// Takes messages as they arrive. Each call waits until there is room, so that a server is not read faster than its
/// messages become durable; an error ends the fetch with that cause.
#[async_trait]
pub trait Arrivals: Send {
    /// Octets of a message that is too large to be held, in their order. The [`Arrivals::message`] that follows them says
    /// which one it was, and what became of it: [`crate::model::cursor::Content::Streamed`] when these are all of its
    /// octets. Pieces after which the fetch fails belong to no message.
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause>;

    /// What became of one message.
    async fn message(&mut self, fetched: Fetched) -> Result<(), Cause>;
}

/// A session that submits messages.
#[async_trait]
pub trait Submit: Send {
    /// Told before a message is sent, or asked after.
    fn begins(&mut self, attempt: Attempt) {
        let _ = attempt;
    }

    /// Submits one message. `Err` means that the message was certainly not accepted for anybody; once the server may
    /// have it, the answer is `Ok` with [`crate::model::outbox::RecipientResult::Unsure`].
    async fn send(
        &mut self,
        from: &Address,
        recipients: &[Address],
        raw: &[u8],
    ) -> Result<Submitted, RemoteError>;

    /// Looks for a message whose sending began and whose answer nobody saw. The octets are those that were to be sent.
    async fn trace_sent(&mut self, raw: &[u8]) -> Result<Traced, RemoteError> {
        let _ = raw;
        Ok(Traced::Unknown)
    }

    /// Of a send that was given up half-way: whether the server may have the message. What cannot tell says so.
    fn may_have_taken(&self) -> bool {
        true
    }

    /// Whether the session can take another message. After an `Err`, and after an answer that ended the session, it
    /// cannot: a new one is to be opened.
    fn is_open(&self) -> bool {
        true
    }

    /// Says goodbye; failures to do so do not matter.
    async fn close(self: Box<Self>);
}

/// What a server tells of a message whose sending began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traced {
    /// It was sent; the words say how that is known.
    Sent { said: String },
    /// There is no trace of it. That proves nothing: the server may still be busy with it.
    NoTrace,
    /// The server cannot tell.
    Unknown,
}
