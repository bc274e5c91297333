//! Messages as MIME, one after another on the session's connection; large ones in pieces.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;

use super::rebuilding;
use super::session::{GraphFailure, Outlet, Session};
use crate::model::cursor::{Content, Fetched, Listed, Part, RemoteId};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::item_properties::WithBody;
use crate::protocol::graph::{GetMessage, MessageValue, Operation, Refusal};
use crate::remote::Arrivals;
use crate::remote::rebuilt::{self, is_about_octets};

/// How messages are asked for.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub part: Part,
    /// Those that are asked for the last time: what can be had of them is better than nothing.
    pub last: &'a BTreeSet<RemoteId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    OneOfMany,
    Last,
}

/// Fetches messages and hands each over. One answer for each.
pub(super) async fn fetch(
    session: &mut Session,
    messages: &[Listed],
    how: How<'_>,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    for listed in messages {
        let attempt = if how.last.contains(&listed.id) { Attempt::Last } else { Attempt::OneOfMany };
        let Some(id) = super::item(&listed.id) else {
            arrivals.message(Fetched::of(listed.clone(), Content::Vanished)).await?;
            continue;
        };
        let content = match (content(session, id, (how.part, attempt), arrivals).await?, how.part) {
            (Had::Content(content), _) => content,
            (Had::NoOctets(because), Part::Headers) => match is_there(session, id).await? {
                true => Content::Refused(because),
                false => Content::Vanished,
            },
            (Had::NoOctets(because), Part::Whole) => {
                let mut asking = rebuilding::Asking { session, message: id, attempt };
                rebuilt::rebuild(&mut asking, listed, &because, arrivals).await?;
                continue;
            }
        };
        arrivals.message(Fetched::of(listed.clone(), content)).await?;
    }
    Ok(())
}

/// Whether the service knows of a message of which it has no octets.
async fn is_there(session: &mut Session, id: &str) -> Result<bool, Cause> {
    match session.call(&GetMessage { id, body: WithBody::No }).await {
        Ok(_) => Ok(true),
        Err(GraphFailure::Refused(refusal)) if refusal.is_missing() => Ok(false),
        Err(GraphFailure::Refused(refusal))
            if refusal.is_throttled() || matches!(refusal.status, 401 | 403) =>
        {
            Err(refusal.cause())
        }
        Err(GraphFailure::Refused(_)) => Ok(true),
        Err(failure) => Err(failure.cause()),
    }
}

/// What was answered about one message.
enum Had {
    Content(Content),
    /// The service cannot hand over its octets; in its words.
    NoOctets(String),
}

async fn content(
    session: &mut Session,
    id: &str,
    (part, attempt): (Part, Attempt),
    arrivals: &mut dyn Arrivals,
) -> Result<Had, Cause> {
    let call = MessageValue { id }.call(session.user());
    let mut message = Message { part, arrivals, pieces: Vec::new(), size: 0, streamed: Streamed::No };
    match session.stream(call, &mut message).await {
        Ok(()) => Ok(Had::Content(message.into_content())),
        Err(GraphFailure::Refused(refusal)) => refused(refusal, attempt),
        Err(failure) => Err(failure.cause()),
    }
}

/// What a refusal of one message means for it. The service makes MIME anew each time, and cannot for each class of item; of one
/// that it does not find so it may know the rest. What may have another reason is asked for again with the next readings, and
/// holds up no other message.
fn refused(refusal: Refusal, attempt: Attempt) -> Result<Had, Cause> {
    let said = refusal.to_string();
    if refusal.is_throttled() || matches!(refusal.status, 401 | 403) {
        return Err(refusal.cause());
    }
    if refusal.code.starts_with("ErrorVirus") {
        return Ok(Had::Content(Content::Refused(said)));
    }
    if attempt == Attempt::Last || refusal.is_missing() || is_about_octets(&refusal.code) {
        return Ok(Had::NoOctets(said));
    }
    Ok(Had::Content(Content::Deferred(said)))
}

/// Whether pieces were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Streamed {
    No,
    Yes,
}

/// Holds one message, and hands it over in pieces once it is too large for that.
struct Message<'a> {
    part: Part,
    arrivals: &'a mut dyn Arrivals,
    pieces: Vec<Bytes>,
    size: u64,
    streamed: Streamed,
}

#[async_trait]
impl Outlet for Message<'_> {
    async fn octets(&mut self, octets: Bytes) -> Result<(), Cause> {
        self.size = self.size.saturating_add(octets.len() as u64);
        match self.part {
            Part::Headers => {
                if self.size <= limits::HEADER_BYTES_MAX as u64 + limits::HTTP_HEAD_BYTES_MAX as u64 {
                    self.pieces.push(octets);
                }
                return Ok(());
            }
            Part::Whole => {}
        }
        if self.size > limits::RECEIVED_BYTES_MAX {
            let limit = usize::try_from(limits::RECEIVED_BYTES_MAX).unwrap_or(0);
            return Err(super::exceeded("a message", limit));
        }
        if self.streamed == Streamed::No && self.size <= limits::HELD_BYTES_MAX {
            self.pieces.push(octets);
            return Ok(());
        }
        self.streamed = Streamed::Yes;
        for piece in std::mem::take(&mut self.pieces) {
            self.arrivals.piece(piece).await?;
        }
        self.arrivals.piece(octets).await
    }
}

impl Message<'_> {
    fn into_content(self) -> Content {
        match (self.streamed, self.part) {
            (Streamed::Yes, _) => Content::Streamed(self.size),
            (Streamed::No, Part::Whole) => Content::Bytes(joined(self.pieces)),
            (Streamed::No, Part::Headers) => Content::Bytes(headers(joined(self.pieces))),
        }
    }
}

/// Octets, in the pieces in which they came.
fn joined(pieces: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([one]) => one,
        Err(pieces) => pieces.concat().into(),
    }
}

/// Up to the empty line, and with it.
fn headers(octets: Bytes) -> Bytes {
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    let end = end.unwrap_or(octets.len()).min(limits::HEADER_BYTES_MAX);
    octets.slice(..end)
}
