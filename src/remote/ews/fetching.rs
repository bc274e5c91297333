//! Messages by GetItem: many small ones with one request, large ones alone and in pieces.

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::cursor::{Content, Fetched, Listed, Part, RemoteId};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::item::WithMime;
use crate::protocol::ews::{Found, GetItem, Gotten, Refusal};
use crate::remote::Arrivals;

use super::item_id;
use super::session::{EwsFailure, Outlet, Session, joined};

/// Fetches messages and hands each over. One answer for each.
pub(super) async fn fetch(
    session: &mut Session,
    messages: &[Listed],
    part: Part,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    let mut rest = messages;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_len(rest));
        rest = after;
        if let [alone] = batch {
            fetch_alone(session, alone, part, arrivals).await?;
            continue;
        }
        match fetch_batch(session, batch, part, arrivals).await {
            Ok(()) => {}
            // One item can spoil the answer to all.
            Err(EwsFailure::Answer(error)) if is_about_items(&error) => {
                for alone in batch {
                    fetch_alone(session, alone, part, arrivals).await?;
                }
            }
            Err(failure) => return Err(failure.cause()),
        }
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

async fn fetch_batch(
    session: &mut Session,
    batch: &[Listed],
    part: Part,
    arrivals: &mut dyn Arrivals,
) -> Result<(), EwsFailure> {
    let operation = operation(batch);
    if operation.ids.len() != batch.len() {
        return Err(Cause::Internal { detail: "an id of another protocol".to_owned() }.into());
    }
    let mut held = Held { part, messages: Vec::new(), open: Open::default(), bytes: 0 };
    let answers = session.call_with(&operation, &mut held).await?;
    for (listed, answer) in batch.iter().zip(answers) {
        match content(session, answer, &mut held.messages)? {
            // It was larger than it had said: alone it can be handed over in pieces.
            Content::TooLarge(_) => fetch_alone(session, listed, part, arrivals).await?,
            content @ (Content::Bytes(_)
            | Content::Streamed(_)
            | Content::Vanished
            | Content::Refused(_)
            | Content::Deferred(_)) => {
                arrivals.message(fetched(listed, content)).await?;
            }
        }
    }
    Ok(())
}

async fn fetch_alone(
    session: &mut Session,
    listed: &Listed,
    part: Part,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    match (part, listed.size) {
        (Part::Whole, Some(size)) if size > limits::RECEIVED_BYTES_MAX => {
            return arrivals.message(fetched(listed, Content::TooLarge(size))).await;
        }
        (Part::Whole | Part::Headers, _) => {}
    }
    let RemoteId::Item(_) = listed.id else {
        return arrivals.message(fetched(listed, Content::Vanished)).await;
    };
    let mut streamed =
        Streamed { part, arrivals, open: Open::default(), streamed: None, messages: Vec::new() };
    let called = session.call_with(&operation(std::slice::from_ref(listed)), &mut streamed).await;
    let mut messages = std::mem::take(&mut streamed.messages);
    let answer = match called {
        Ok(answers) => answers.into_iter().next(),
        Err(EwsFailure::Answer(error)) if is_about_items(&error) => {
            let said = error.to_string();
            return arrivals.message(fetched(listed, Content::Refused(said))).await;
        }
        Err(failure) => return Err(failure.cause()),
    };
    let answer = answer.ok_or_else(|| Cause::Garbage { detail: "no answer about a message".to_owned() })?;
    arrivals.message(fetched(listed, content(session, answer, &mut messages)?)).await
}

fn fetched(listed: &Listed, content: Content) -> Fetched {
    Fetched { id: listed.id.clone(), received: listed.received, content }
}

/// What became of one message. `messages`: what left the answer, by number.
fn content(session: &Session, answer: Gotten, messages: &mut [Option<Content>]) -> Result<Content, Cause> {
    match answer {
        Ok(item) => {
            let number = item.mime.and_then(|number| messages.get_mut(number));
            let content = number.and_then(Option::take);
            Ok(content.unwrap_or_else(|| Content::Refused("it came without its content".to_owned())))
        }
        Err(refusal) if refusal.code == "ErrorItemNotFound" => Ok(Content::Vanished),
        Err(refusal) if refusal.is_server_busy() => {
            session.note_busy(&refusal);
            Err(refusal.cause())
        }
        Err(refusal) => Ok(Content::Refused(refusal.to_string())),
    }
}

/// Whether a refusal of the whole request may be the fault of one item.
fn is_about_items(error: &crate::protocol::ews::EwsError) -> bool {
    use crate::protocol::ews::EwsError;
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
    match error {
        EwsError::Refused(Refusal { code, .. }) => ABOUT_ITEMS.iter().any(|begin| code.starts_with(begin)),
        EwsError::Garbage(_) | EwsError::LimitExceeded { .. } => false,
    }
}

/// The octets of the message that is under way, as far as they are kept.
#[derive(Default)]
struct Open {
    pieces: Vec<Bytes>,
    kept: u64,
    /// All of them.
    size: u64,
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

    fn close(&mut self, part: Part) -> Content {
        let Self { pieces, size, .. } = std::mem::take(self);
        let kept: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let octets = joined(pieces);
        match part {
            Part::Headers => Content::Bytes(headers(octets)),
            Part::Whole if kept < size => Content::TooLarge(size),
            Part::Whole => Content::Bytes(octets),
        }
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
            Found::End(_) => {
                self.bytes += self.open.kept;
                let content = self.open.close(self.part);
                self.messages.push(Some(content));
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
            (Found::End(_), _) => {
                let content = match self.streamed.take() {
                    Some(size) => Content::Streamed(size),
                    None => self.open.close(self.part),
                };
                self.messages.push(Some(content));
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
