//! Messages out of a mailbox: a draft with our Message-ID, which is sent in a second step.
//!
//! The service takes a message for all its recipients or for none. Before a draft is made, it is asked whether there is one
//! already, or a copy in Sent Items: so an attempt that seemed to fail and did not is never repeated. When the answer to the
//! sending is lost, the copy tells what became of it. What is too large for one request is a draft to which its attachments
//! are added, see `attaching`.

use async_trait::async_trait;

use super::attaching;
use super::session::{GraphFailure, Session};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::outbox::{Attempt, Before, RecipientResult, Submitted};
use crate::protocol::graph::{
    Apart, CreateMessage, DeleteMessage, FindMessages, FoundMessage, Indivisible, SendMessage, take_apart,
};
use crate::remote::doubt::{self, Held, Loss, Witness};
use crate::remote::ews::{blind_recipients, headers};
use crate::remote::{Submit, Traced};

pub(super) struct Outgoing {
    session: Session,
    /// The id of Sent Items.
    sent_items: String,
    state: State,
    attempt: Attempt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A conversation failed: nobody knows where it stands.
    Broken,
}

/// Which sending a copy in Sent Items is of, where a person has had the message sent more than once.
enum OfCopy {
    ThisRound,
    Earlier,
    Unknown,
}

/// What the mailbox holds of a message.
enum Found {
    Nothing,
    Draft(String),
    /// It is in Sent Items.
    Sent,
}

impl Outgoing {
    pub fn new(session: Session, sent_items: String) -> Self {
        Self { session, sent_items, state: State::Open, attempt: Attempt::FIRST }
    }

    async fn submit(&mut self, recipients: &[Address], raw: &[u8]) -> Result<RecipientResult, Cause> {
        let whole = addressed(recipients, raw)?;
        let apart = take_apart(&whole, limits::GRAPH_MESSAGE_BYTES_MAX);
        let apart = apart.map_err(|why| indivisible(why, whole.len()))?;
        let message_id = message_id(&whole);
        let draft = match self.look_for(message_id.as_deref()).await? {
            Found::Sent => match self.copy() {
                OfCopy::ThisRound => {
                    let said = "an attempt before this one has sent it: its copy is in Sent Items".to_owned();
                    return Ok(RecipientResult::Accepted { said });
                }
                OfCopy::Earlier => self.draft(&apart).await?,
                OfCopy::Unknown => {
                    let detail = "an attempt before this one failed, and Sent Items holds a copy of an earlier sending or \
                                  of that one";
                    return Ok(RecipientResult::Unsure { detail: detail.to_owned() });
                }
            },
            Found::Draft(id) if attaching::has_all(&mut self.session, &id, &apart.files).await? => id,
            // An attempt before this one came to its end in the middle of the attachments.
            Found::Draft(id) => {
                self.session.call(&DeleteMessage { id: &id }).await.map_err(GraphFailure::cause)?;
                self.draft(&apart).await?
            }
            Found::Nothing => self.draft(&apart).await?,
        };
        // Without a connection nothing can have been sent.
        self.session.ready().await?;
        match self.session.call(&SendMessage { id: &draft }).await {
            Ok(()) => Ok(RecipientResult::Accepted { said: "sent, with a copy in Sent Items".to_owned() }),
            Err(GraphFailure::Undone(cause)) => Err(cause),
            Err(GraphFailure::Refused(refusal)) if refusal.is_throttled() => Err(refusal.cause()),
            Err(GraphFailure::Refused(refusal)) if refusal.status < 500 && refusal.status != 408 => {
                // What cannot be sent is not left lying around; whether that succeeds does not matter.
                let _ = self.session.call(&DeleteMessage { id: &draft }).await;
                Err(refusal.cause())
            }
            Err(failure) => {
                self.state = State::Broken;
                let loss = match &failure {
                    GraphFailure::Unanswered(_) => Loss::Unanswered,
                    GraphFailure::Conversation(_) | GraphFailure::Undone(_) | GraphFailure::Refused(_) => {
                        Loss::InBetween
                    }
                };
                let mut asking = Asking { outgoing: self, message_id: message_id.as_deref(), draft: &draft };
                doubt::resolve(&mut asking, (loss, failure.cause()), &limits::DOUBT_PAUSES).await
            }
        }
    }

    /// Makes a draft with everything that belongs to it. Where that fails nothing is left lying around, if that can be had.
    async fn draft(&mut self, apart: &Apart) -> Result<String, Cause> {
        let created = self.session.call(&CreateMessage { raw: &apart.draft }).await;
        let draft = created.map_err(GraphFailure::cause)?.id;
        if let Err(cause) = attaching::attach(&mut self.session, &draft, &apart.files).await {
            let _ = self.session.call(&DeleteMessage { id: &draft }).await;
            return Err(cause);
        }
        Ok(draft)
    }

    /// When the copy in Sent Items was made: nothing tells copies of one message apart.
    fn copy(&self) -> OfCopy {
        match (self.attempt.round, self.attempt.before) {
            (..=1, _) => OfCopy::ThisRound,
            (_, Before::Nothing) => OfCopy::Earlier,
            (_, Before::Attempts) => OfCopy::Unknown,
        }
    }

    async fn look_for(&mut self, message_id: Option<&str>) -> Result<Found, Cause> {
        let Some(internet_message_id) = message_id else { return Ok(Found::Nothing) };
        let found = self.session.call(&FindMessages { internet_message_id }).await;
        Ok(self.judge(found.map_err(GraphFailure::cause)?))
    }

    /// One that the mailbox has received, because it was sent to itself, says nothing.
    fn judge(&self, found: Vec<FoundMessage>) -> Found {
        let is_sent = |message: &FoundMessage| {
            message.is_draft != Some(true) && message.folder.as_ref() == Some(&self.sent_items)
        };
        if found.iter().any(is_sent) {
            return Found::Sent;
        }
        match found.into_iter().find(|message| message.is_draft == Some(true)) {
            Some(draft) => Found::Draft(draft.id),
            None => Found::Nothing,
        }
    }
}

/// Looks for a message whose answer was lost.
struct Asking<'a> {
    outgoing: &'a mut Outgoing,
    message_id: Option<&'a str>,
    /// What was to be sent.
    draft: &'a str,
}

#[async_trait]
impl Witness for Asking<'_> {
    async fn look(&mut self) -> Result<Held, Cause> {
        Ok(match (self.outgoing.look_for(self.message_id).await?, self.outgoing.attempt.round) {
            (Found::Sent, ..=1) => Held::Copy,
            (Found::Draft(id), _) if id == self.draft => Held::Draft,
            // A copy may be one of an earlier round.
            (Found::Sent | Found::Draft(_) | Found::Nothing, _) => Held::Nothing,
        })
    }
}

/// The octets with a Bcc for those whom the header does not name; the service takes it off again.
fn addressed(recipients: &[Address], raw: &[u8]) -> Result<Vec<u8>, Cause> {
    let blind = blind_recipients(recipients, raw)?;
    let mut whole = Vec::with_capacity(raw.len() + 64);
    if !blind.is_empty() {
        let list: Vec<&str> = blind.iter().map(Address::as_str).collect();
        whole.extend_from_slice(format!("Bcc: {}\r\n", list.join(",\r\n ")).as_bytes());
    }
    whole.extend_from_slice(raw);
    Ok(whole)
}

/// What cannot be taken apart has to fit into one request.
fn indivisible(why: Indivisible, size: usize) -> Cause {
    let limit = limits::GRAPH_MESSAGE_BYTES_MAX;
    let why = match why {
        Indivisible::Signed => "it is signed or encrypted as a whole, and cannot be sent in pieces",
        Indivisible::Text => "its text alone is too large, or its parts cannot be told apart",
    };
    too_large(format!("{size} bytes; Microsoft Graph takes {limit} bytes at once; {why}"))
}

pub(super) fn too_large(said: String) -> Cause {
    Cause::Graph { status: 413, code: "ErrorMessageSizeExceeded".to_owned(), said }
}

/// With its angle brackets, as the service keeps it.
fn message_id(raw: &[u8]) -> Option<String> {
    let message = mail_parser::MessageParser::new().parse_headers(headers(raw))?;
    message.message_id().map(|id| format!("<{id}>"))
}

#[async_trait]
impl Submit for Outgoing {
    fn begins(&mut self, attempt: Attempt) {
        self.attempt = attempt;
    }

    async fn send(
        &mut self,
        _: &Address,
        recipients: &[Address],
        raw: &[u8],
    ) -> Result<Submitted, RemoteError> {
        let result = self.submit(recipients, raw).await;
        let result = result.map_err(|cause| RemoteError::new(TestStep::Send, cause))?;
        Ok(Submitted { recipients: vec![result; recipients.len()] })
    }

    async fn trace_sent(&mut self, raw: &[u8]) -> Result<Traced, RemoteError> {
        let found = self.look_for(message_id(raw).as_deref()).await;
        match found.map_err(|cause| RemoteError::new(TestStep::Send, cause))? {
            // It may be one of an earlier round.
            Found::Sent if self.attempt.round > 1 => Ok(Traced::Unknown),
            Found::Sent => Ok(Traced::Sent { said: "its copy is in Sent Items".to_owned() }),
            Found::Draft(_) | Found::Nothing => Ok(Traced::NoTrace),
        }
    }

    fn is_open(&self) -> bool {
        self.state == State::Open
    }

    async fn close(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"Message-ID: <1@a.example>\r\nTo: b@a.example\r\n\r\nhello\r\n";

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| Address::parse(text).unwrap()).collect()
    }

    #[test]
    fn whom_the_header_does_not_name_gets_it_blind() {
        let whole = addressed(&addresses(&["b@a.example", "c@a.example", "d@a.example"]), RAW).unwrap();
        assert!(whole.starts_with(b"Bcc: c@a.example,\r\n d@a.example\r\nMessage-ID:"));
        assert_eq!(addressed(&addresses(&["b@a.example"]), RAW).unwrap(), RAW);
        assert_eq!(message_id(RAW).as_deref(), Some("<1@a.example>"));
    }

    #[test]
    fn what_is_too_large_and_cannot_be_taken_apart_is_not_even_tried() {
        let large = [RAW, &vec![b'x'; limits::GRAPH_MESSAGE_BYTES_MAX]].concat();
        let why = take_apart(&large, limits::GRAPH_MESSAGE_BYTES_MAX).unwrap_err();
        let cause = indivisible(why, large.len());
        assert!(matches!(cause, Cause::Graph { status: 413, .. }), "{cause}");
    }
}
