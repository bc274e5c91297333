//! Messages as MIME, one after another on the session's connection; large ones in pieces.

use async_trait::async_trait;
use bytes::Bytes;

use super::session::{GraphFailure, Outlet, Session};
use crate::model::cursor::{Content, Fetched, Listed, Part};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::graph::{MessageValue, Operation, Refusal};
use crate::remote::Arrivals;

/// Fetches messages and hands each over. One answer for each.
pub(super) async fn fetch(
    session: &mut Session,
    messages: &[Listed],
    part: Part,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    for listed in messages {
        let content = match super::item(&listed.id) {
            Some(id) => content(session, id, part, arrivals).await?,
            None => Content::Vanished,
        };
        let fetched = Fetched { id: listed.id.clone(), received: listed.received, content, rebuilt: None };
        arrivals.message(fetched).await?;
    }
    Ok(())
}

async fn content(
    session: &mut Session,
    id: &str,
    part: Part,
    arrivals: &mut dyn Arrivals,
) -> Result<Content, Cause> {
    let call = MessageValue { id }.call(session.user());
    let mut message = Message { part, arrivals, pieces: Vec::new(), size: 0, streamed: Streamed::No };
    match session.stream(call, &mut message).await {
        Ok(()) => Ok(message.into_content()),
        Err(GraphFailure::Refused(refusal)) => refused(refusal),
        Err(failure) => Err(failure.cause()),
    }
}

/// What a refusal of one message means for it. The service makes MIME anew each time, and cannot for each class of item. What
/// may have another reason is asked for again with the next readings before the message is given up.
fn refused(refusal: Refusal) -> Result<Content, Cause> {
    if refusal.is_missing() {
        return Ok(Content::Vanished);
    }
    const ABOUT_MESSAGE: [&str; 5] =
        ["ErrorMime", "ErrorContentConversion", "ErrorCorruptData", "ErrorItemCorrupt", "ErrorVirus"];
    let begins = |all: &[&str]| all.iter().any(|begin| refusal.code.starts_with(begin));
    if refusal.is_throttled() || refusal.code.is_empty() {
        return Err(refusal.cause());
    }
    if begins(&ABOUT_MESSAGE) {
        return Ok(Content::Refused(refusal.to_string()));
    }
    let is_vague = matches!(refusal.status, 400 | 415 | 422 | 501);
    if is_vague || begins(&["ErrorInternalServerError", "ErrorInvalidProperty"]) {
        return Ok(Content::Deferred(refusal.to_string()));
    }
    Err(refusal.cause())
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
