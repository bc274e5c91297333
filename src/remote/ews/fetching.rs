//! Messages by GetItem: many small ones with one request, large ones alone and in pieces.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;

use super::item_id;
use super::rebuilding::Asking;
use super::session::{EwsFailure, Outlet, Session, joined};
use crate::model::cursor::{Content, Fetched, Listed, Part, RemoteId};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::item::WithMime;
use crate::protocol::ews::{EwsError, Found, GetItem, Gotten, Refusal};
use crate::remote::Arrivals;
use crate::remote::rebuilt::{NO_BASE64, is_about_octets, rebuild};

/// How messages are asked for.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub part: Part,
    /// Those that are asked for the last time: what can be had of them is better than nothing.
    pub last: &'a BTreeSet<RemoteId>,
}

impl How<'_> {
    fn attempt(&self, listed: &Listed) -> Attempt {
        if self.last.contains(&listed.id) { Attempt::Last } else { Attempt::OneOfMany }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
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
    let mut rest = messages;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_len(rest));
        rest = after;
        if let [alone] = batch {
            fetch_alone(session, alone, how, arrivals).await?;
            continue;
        }
        match fetch_batch(session, batch, how, arrivals).await {
            Ok(busy) if busy.is_empty() => {}
            // The others are handed over; these are asked for when the server wants to be asked.
            Ok(busy) => {
                let again = fetch_batch(session, &busy, how, arrivals).await;
                each_alone(session, &again.map_err(EwsFailure::cause)?, how, arrivals).await?;
            }
            // One item can spoil the answer to all.
            Err(EwsFailure::Answer(EwsError::Refused(refusal))) if is_about_items(&refusal) => {
                each_alone(session, batch, how, arrivals).await?;
            }
            Err(EwsFailure::Conversation(cause)) if is_page(&cause) => {
                each_alone(session, batch, how, arrivals).await?;
            }
            Err(failure) => return Err(failure.cause()),
        }
    }
    Ok(())
}

async fn each_alone(
    session: &mut Session,
    batch: &[Listed],
    how: How<'_>,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    for alone in batch {
        fetch_alone(session, alone, how, arrivals).await?;
    }
    Ok(())
}

/// How many of the first messages are asked for at once: as many as their sizes let be held.
fn batch_len(messages: &[Listed]) -> usize {
    let mut bytes = 0_u64;
    let fits = |message: &&Listed| {
        bytes = bytes.saturating_add(message.size.unwrap_or(limits::EWS_SIZE_UNTOLD));
        bytes <= limits::EWS_GET_BYTES
    };
    messages.iter().take(limits::EWS_GET_MESSAGES).take_while(fits).count().max(1)
}

fn operation(messages: &[Listed]) -> GetItem {
    let ids = messages.iter().filter_map(|message| item_id(&message.id)).collect();
    GetItem { ids, mime: WithMime::Yes, fields: &[] }
}

/// Returns those for which the server has no time now.
async fn fetch_batch(
    session: &mut Session,
    batch: &[Listed],
    how: How<'_>,
    arrivals: &mut dyn Arrivals,
) -> Result<Vec<Listed>, EwsFailure> {
    let operation = operation(batch);
    if operation.ids.len() != batch.len() {
        return Err(Cause::Internal { detail: "an id of another protocol".to_owned() }.into());
    }
    let mut held = Held { part: how.part, messages: Vec::new(), open: Open::default(), bytes: 0 };
    let answers = session.call_with(&operation, &mut held).await?;
    let mut busy = Vec::new();
    for (listed, answer) in batch.iter().zip(answers) {
        if let Err(refusal) = &answer
            && refusal.is_server_busy()
        {
            session.note_busy(refusal);
            busy.push(listed.clone());
            continue;
        }
        let attempt = how.attempt(listed);
        match content(session, answer, (&mut held.messages, attempt))? {
            // It was larger than it had said: alone it can be handed over in pieces.
            Had::Octets(Content::TooLarge(_)) => fetch_alone(session, listed, how, arrivals).await?,
            had @ (Had::Octets(_) | Had::NoOctets(_)) => {
                hand_over(session, (listed, had), how, arrivals).await?;
            }
        }
    }
    Ok(busy)
}

/// Hands over a message, or what can be had instead of it.
async fn hand_over(
    session: &mut Session,
    (listed, had): (&Listed, Had),
    how: How<'_>,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    let content = match (had, how.part, item_id(&listed.id)) {
        (Had::Octets(content), _, _) => content,
        (Had::NoOctets(because), Part::Whole, Some(id)) => {
            return rebuild(&mut Asking { session, id }, listed, &because, arrivals).await;
        }
        (Had::NoOctets(because), _, _) => Content::Refused(because),
    };
    arrivals.message(Fetched::of(listed.clone(), content)).await
}

async fn fetch_alone(
    session: &mut Session,
    listed: &Listed,
    how: How<'_>,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    match (how.part, listed.size) {
        (Part::Whole, Some(size)) if size > limits::RECEIVED_BYTES_MAX => {
            return arrivals.message(Fetched::of(listed.clone(), Content::TooLarge(size))).await;
        }
        (Part::Whole | Part::Headers, _) => {}
    }
    let RemoteId::Item(_) = listed.id else {
        return arrivals.message(Fetched::of(listed.clone(), Content::Vanished)).await;
    };
    let mut streamed =
        Streamed { part: how.part, arrivals, open: Open::default(), streamed: None, messages: Vec::new() };
    let called = session.call_with(&operation(std::slice::from_ref(listed)), &mut streamed).await;
    let mut messages = std::mem::take(&mut streamed.messages);
    let answer = match called {
        Ok(answers) => answers.into_iter().next(),
        // What came of it before, if anything, is no message.
        Err(EwsFailure::Answer(EwsError::Refused(refusal))) if is_about_items(&refusal) => Some(Err(refusal)),
        Err(EwsFailure::Conversation(cause)) if is_page(&cause) => {
            let had = match how.attempt(listed) {
                Attempt::OneOfMany => Had::Octets(Content::Deferred(cause.to_string())),
                Attempt::Last => Had::NoOctets(cause.to_string()),
            };
            return hand_over(session, (listed, had), how, arrivals).await;
        }
        Err(failure) => return Err(failure.cause()),
    };
    let answer = answer.ok_or_else(|| Cause::Garbage { detail: "no answer about a message".to_owned() })?;
    let had = content(session, answer, (&mut messages, how.attempt(listed)))?;
    hand_over(session, (listed, had), how, arrivals).await
}

/// What was answered about one message.
enum Had {
    Octets(Content),
    /// The server cannot hand over its octets; in its words.
    NoOctets(String),
}

/// What became of one message. `messages`: what left the answer, by number.
fn content(
    session: &Session,
    answer: Gotten,
    (messages, attempt): (&mut [Option<Content>], Attempt),
) -> Result<Had, Cause> {
    match answer {
        Ok(item) => {
            let octets = item.mime.and_then(|number| messages.get_mut(number));
            Ok(match octets.map(Option::take) {
                Some(Some(content)) => Had::Octets(content),
                Some(None) => Had::NoOctets(NO_BASE64.to_owned()),
                None => Had::NoOctets("it came without its content".to_owned()),
            })
        }
        Err(refusal) if refusal.code == "ErrorItemNotFound" => Ok(Had::Octets(Content::Vanished)),
        Err(refusal) if refusal.is_server_busy() => {
            session.note_busy(&refusal);
            Err(refusal.cause())
        }
        Err(refusal) if is_about_octets(&refusal.code) => Ok(Had::NoOctets(refusal.to_string())),
        Err(refusal) if is_final(&refusal) => Ok(Had::Octets(Content::Refused(refusal.to_string()))),
        // The item may be damaged as well as the server in trouble.
        Err(refusal) if attempt == Attempt::Last && refusal.is_internal() => {
            Ok(Had::NoOctets(refusal.to_string()))
        }
        // What passes is asked for again with the next readings, and costs no message.
        Err(refusal) => Ok(Had::Octets(Content::Deferred(refusal.to_string()))),
    }
}

/// Whether a message will never be handed over, and nothing else of it is wanted.
fn is_final(refusal: &Refusal) -> bool {
    ["ErrorVirus", "ErrorInvalidId"].iter().any(|begin| refusal.code.starts_with(begin))
}

/// Whether a refusal of the whole request may be the fault of one item.
fn is_about_items(Refusal { code, .. }: &Refusal) -> bool {
    const ABOUT_ITEMS: [&str; 10] = [
        "ErrorMime",
        "ErrorContentConversion",
        "ErrorCorruptData",
        "ErrorItemCorrupt",
        "ErrorItemNotFound",
        "ErrorItemPropertyRequestFailed",
        "ErrorInternalServerError",
        "ErrorMessageSizeExceeded",
        "ErrorVirus",
        "ErrorInvalidIdMalformed",
    ];
    ABOUT_ITEMS.iter().any(|begin| code.starts_with(begin))
}

/// Whether it is a page of whoever stands in front of Exchange, that may say so of one item each time that its octets come by.
/// What is about the login, the mailbox or the load is none.
pub(super) fn is_page(cause: &Cause) -> bool {
    const STATUSES: [&str; 6] = ["HTTP 400", "HTTP 408", "HTTP 413", "HTTP 500", "HTTP 502", "HTTP 504"];
    let is_one = |text: &str| STATUSES.iter().any(|status| text.starts_with(status));
    matches!(cause, Cause::TemporarilyRefused { said } if is_one(said))
        || matches!(cause, Cause::Exchange { code, .. } if is_one(code))
}

/// The octets of the message that is under way, as far as they are kept.
#[derive(Default)]
struct Open {
    pieces: Vec<Bytes>,
    kept: u64,
    /// All of them.
    size: u64,
    is_garbled: bool,
}

impl Open {
    /// Keeps octets up to a limit, and counts them all.
    fn keep(&mut self, octets: Bytes, kept_max: u64) {
        self.size = self.size.saturating_add(octets.len() as u64);
        let room = kept_max.saturating_sub(self.kept);
        let count = usize::try_from(room).unwrap_or(usize::MAX).min(octets.len());
        if count > 0 {
            self.kept += count as u64;
            self.pieces.push(octets.slice(..count));
        }
    }

    fn is_cut(&self) -> bool {
        self.size > self.kept
    }

    /// `None`: it was garbled on its way.
    fn close(&mut self, part: Part) -> Option<Content> {
        let Self { pieces, size, kept: _, is_garbled } = std::mem::take(self);
        if is_garbled {
            return None;
        }
        let kept: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let octets = joined(pieces);
        Some(match part {
            Part::Headers => Content::Bytes(headers(octets)),
            Part::Whole if kept < size => Content::TooLarge(size),
            Part::Whole => Content::Bytes(octets),
        })
    }
}

/// Up to the empty line, and with it.
fn headers(octets: Bytes) -> Bytes {
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    end.map_or(octets.clone(), |end| octets.slice(..end))
}

fn kept_max(part: Part, whole_max: u64) -> u64 {
    match part {
        Part::Headers => limits::HEADER_BYTES_MAX as u64,
        Part::Whole => whole_max,
    }
}

/// Holds the messages of a batch, all together no more than one large one.
struct Held {
    part: Part,
    messages: Vec<Option<Content>>,
    open: Open,
    bytes: u64,
}

#[async_trait]
impl Outlet for Held {
    async fn found(&mut self, found: Found) -> Result<(), Cause> {
        match found {
            Found::Octets(octets) => {
                let room = limits::HELD_BYTES_MAX.saturating_sub(self.bytes);
                // What was cut once is not gone on with.
                let room = if self.open.is_cut() { self.open.kept } else { room };
                self.open.keep(octets, kept_max(self.part, room));
            }
            Found::Garbled => self.open.is_garbled = true,
            Found::End(_) => {
                self.bytes += self.open.kept;
                let content = self.open.close(self.part);
                self.messages.push(content);
            }
        }
        Ok(())
    }
}

/// Holds one message, and hands it over in pieces once it is too large for that.
struct Streamed<'a> {
    part: Part,
    arrivals: &'a mut dyn Arrivals,
    open: Open,
    /// How many octets were handed over.
    streamed: Option<u64>,
    messages: Vec<Option<Content>>,
}

#[async_trait]
impl Outlet for Streamed<'_> {
    async fn found(&mut self, found: Found) -> Result<(), Cause> {
        match (found, self.part) {
            (Found::Octets(octets), Part::Headers) => {
                self.open.keep(octets, limits::HEADER_BYTES_MAX as u64);
            }
            (Found::Octets(octets), Part::Whole) => return self.whole(octets).await,
            (Found::Garbled, _) => self.open.is_garbled = true,
            (Found::End(_), _) => {
                let content = match (self.streamed.take(), self.open.is_garbled) {
                    // What was handed over of it is no beginning of another one.
                    (Some(_), true) => Some(Content::Refused(NO_BASE64.to_owned())),
                    (Some(size), false) => Some(Content::Streamed(size)),
                    (None, _) => self.open.close(self.part),
                };
                self.open = Open::default();
                self.messages.push(content);
            }
        }
        Ok(())
    }
}

impl Streamed<'_> {
    async fn whole(&mut self, octets: Bytes) -> Result<(), Cause> {
        let size = self.streamed.unwrap_or(self.open.size).saturating_add(octets.len() as u64);
        if size > limits::RECEIVED_BYTES_MAX {
            return Err(super::exceeded(
                "a message",
                usize::try_from(limits::RECEIVED_BYTES_MAX).unwrap_or(0),
            ));
        }
        if self.streamed.is_none() && size <= limits::HELD_BYTES_MAX {
            self.open.keep(octets, limits::HELD_BYTES_MAX);
            return Ok(());
        }
        for piece in std::mem::take(&mut self.open).pieces {
            self.arrivals.piece(piece).await?;
        }
        self.streamed = Some(size);
        self.arrivals.piece(octets).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(size: Option<u64>) -> Listed {
        Listed { id: RemoteId::Item("A".to_owned()), size, received: None }
    }

    #[test]
    fn a_batch_is_as_large_as_can_be_held() {
        let small = vec![listed(Some(10)); limits::EWS_GET_MESSAGES + 1];
        assert_eq!(batch_len(&small), limits::EWS_GET_MESSAGES);
        let large = [listed(Some(limits::EWS_GET_BYTES + 1)), listed(Some(1))];
        assert_eq!(batch_len(&large), 1);
        assert_eq!(batch_len(&[listed(Some(1)), large[0].clone()]), 1);
        assert_eq!(batch_len(&vec![listed(None); 100]), 32);
    }

    #[tokio::test]
    async fn a_message_that_lied_about_its_size_leaves_the_batch() {
        let mut held = Held { part: Part::Whole, messages: Vec::new(), open: Open::default(), bytes: 0 };
        let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
        for _ in 0..=limits::HELD_BYTES_MAX / piece.len() as u64 {
            held.found(Found::Octets(piece.clone())).await.unwrap();
        }
        held.found(Found::End(0)).await.unwrap();
        assert!(matches!(held.messages[0], Some(Content::TooLarge(_))));
    }

    #[test]
    fn headers_end_with_the_empty_line() {
        let cut = |text: &'static str| headers(Bytes::from_static(text.as_bytes()));
        assert_eq!(cut("A: b\r\n\r\nbody"), "A: b\r\n\r\n");
        assert_eq!(cut("A: b"), "A: b");
    }
}
