//! Messages out of a mailbox: CreateItem, with a copy in Sent Items that carries our marker.
//!
//! Exchange takes a message for all its recipients or for none. When the answer is lost, the copy tells what became of it.

use async_trait::async_trait;

use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::outbox::{Attempt, Before, RecipientResult, Submitted};
use crate::protocol::ews::{CreateItem, Disposition, EwsError, FindItem, Restriction, WellKnown};
use crate::remote::doubt::{self, Held, Loss, Witness};
use crate::remote::{Submit, Traced};

use super::gate;
use super::session::{EwsFailure, Session};

pub(super) struct Outgoing {
    session: Session,
    state: State,
    attempt: Attempt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A conversation failed: nobody knows where it stands.
    Broken,
}

impl Outgoing {
    pub fn new(session: Session) -> Self {
        Self { session, state: State::Open, attempt: Attempt::FIRST }
    }

    async fn create(&mut self, recipients: &[Address], raw: &[u8]) -> Result<RecipientResult, Cause> {
        let blind = blind_recipients(recipients, raw)?;
        let marker = marker(raw, self.attempt.round);
        match self.attempt.before {
            Before::Nothing => {}
            // What failed may have succeeded all the same: servers tell of a time-out after their work, too.
            Before::Attempts => match self.has_copy(marker.clone()).await? {
                Copy::Kept => {
                    let said = "an attempt before this one has sent it: its copy is in Sent Items".to_owned();
                    return Ok(RecipientResult::Accepted { said });
                }
                Copy::Missing => {}
            },
        }
        let operation = CreateItem {
            disposition: Disposition::SendAndSaveCopy,
            folder: Some(self.session.folder(WellKnown::SentItems)),
            raw,
            blind_recipients: &blind,
            marker: Some(&marker),
        };
        // Without a connection nothing can have been sent.
        self.session.ready().await?;
        match self.session.call(&operation).await {
            Ok(_) => Ok(RecipientResult::Accepted { said: "sent, with a copy in Sent Items".to_owned() }),
            // It says that it failed, and not how far it came.
            Err(EwsFailure::Answer(EwsError::Refused(refusal))) if refusal.is_vague() => {
                match self.has_copy(marker).await {
                    Ok(Copy::Kept) => {
                        let said = format!("its copy is in Sent Items, although the server said: {refusal}");
                        Ok(RecipientResult::Accepted { said })
                    }
                    Ok(Copy::Missing) | Err(_) => Err(refusal.cause()),
                }
            }
            Err(EwsFailure::Answer(EwsError::Refused(refusal))) => Err(refusal.cause()),
            Err(EwsFailure::Conversation(cause))
                if is_an_answer(&cause) || !self.session.may_have_acted() =>
            {
                Err(cause)
            }
            Err(failure) => {
                self.state = State::Broken;
                let lost = (Loss::InBetween, failure.cause());
                doubt::resolve(&mut Asking { outgoing: self, marker }, lost, &limits::DOUBT_PAUSES).await
            }
        }
    }

    /// Looks for the copy of a message in Sent Items.
    async fn has_copy(&mut self, marker: String) -> Result<Copy, Cause> {
        let operation = FindItem {
            folder: self.session.folder(WellKnown::SentItems),
            restriction: Some(Restriction::Marker(marker)),
            offset: 0,
            count_max: 1,
        };
        let found = self.session.call(&operation).await.map_err(EwsFailure::cause)?;
        Ok(if found.items.is_empty() { Copy::Missing } else { Copy::Kept })
    }
}

/// Looks for a message whose answer was lost.
struct Asking<'a> {
    outgoing: &'a mut Outgoing,
    marker: String,
}

#[async_trait]
impl Witness for Asking<'_> {
    async fn look(&mut self) -> Result<Held, Cause> {
        Ok(match self.outgoing.has_copy(self.marker.clone()).await? {
            Copy::Kept => Held::Copy,
            Copy::Missing => Held::Nothing,
        })
    }
}

enum Copy {
    Kept,
    Missing,
}

/// Whether the server itself said no, with a status of HTTP, before it looked at the message. After an error of its own, or
/// of a gateway, the message may be on its way.
fn is_an_answer(cause: &Cause) -> bool {
    let is_full = |said: &str| said.contains("HTTP 429") || said.contains("HTTP 503");
    matches!(cause, Cause::LoginRefused { .. } | Cause::Unsupported { .. } | Cause::PlaintextLogin)
        || matches!(cause, Cause::Exchange { code, .. } if code != "HTTP 500")
        || matches!(cause, Cause::TemporarilyRefused { said } if is_full(said))
        || gate::is_not_asked(cause)
}

/// The message's own id, which is the same for every attempt of a round; without one a digest of its octets.
fn marker(raw: &[u8], round: u16) -> String {
    let headers = headers(raw);
    let id = mail_parser::MessageParser::new().parse_headers(headers);
    let id = id.as_ref().and_then(|message| message.message_id());
    let id = id.map_or_else(|| blake3::hash(raw).to_hex().to_string(), str::to_owned);
    // No Message-ID has a blank in it.
    if round > 1 { format!("{id} {round}") } else { id }
}

pub(in crate::remote) fn headers(raw: &[u8]) -> &[u8] {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n");
    raw.get(..end.map_or(raw.len(), |end| end + 4)).unwrap_or(raw)
}

/// Recipients that the header does not name. Exchange sends to everybody whom it names, so somebody who is not to get the
/// message must not stand there.
pub(in crate::remote) fn blind_recipients(recipients: &[Address], raw: &[u8]) -> Result<Vec<Address>, Cause> {
    let named = named(raw);
    if let Some(extra) = named.iter().find(|named| !recipients.iter().any(|it| it.same_as(named))) {
        let said = format!(
            "its header names {extra}, who is not among its recipients, and Exchange would send it there"
        );
        return Err(Cause::Refused { said });
    }
    let is_blind = |recipient: &&Address| !named.iter().any(|named| named.same_as(recipient));
    Ok(recipients.iter().filter(is_blind).cloned().collect())
}

fn named(raw: &[u8]) -> Vec<Address> {
    let Some(message) = mail_parser::MessageParser::new().parse_headers(headers(raw)) else {
        return Vec::new();
    };
    let lists = [message.to(), message.cc(), message.bcc()];
    let all = lists.into_iter().flatten().flat_map(|list| list.iter());
    all.filter_map(|one| one.address()).filter_map(|text| Address::parse(text).ok()).collect()
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
        let result = self.create(recipients, raw).await;
        let result = result.map_err(|cause| RemoteError::new(TestStep::Send, cause))?;
        Ok(Submitted { recipients: vec![result; recipients.len()] })
    }

    async fn trace_sent(&mut self, raw: &[u8]) -> Result<Traced, RemoteError> {
        let copy = self.has_copy(marker(raw, self.attempt.round)).await;
        match copy.map_err(|cause| RemoteError::new(TestStep::Send, cause))? {
            Copy::Kept => Ok(Traced::Sent { said: "its copy is in Sent Items".to_owned() }),
            Copy::Missing => Ok(Traced::NoTrace),
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

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| Address::parse(text).unwrap()).collect()
    }

    const RAW: &[u8] =
        b"Message-ID: <1@a.example>\r\nTo: Boris <b@a.example>, C@a.example\r\nCc: d@a.example\r\n\r\nTo: no@a.example";

    #[test]
    fn whom_the_header_does_not_name_is_a_blind_recipient() {
        let recipients = addresses(&["b@a.example", "c@A.example", "d@a.example", "e@a.example"]);
        assert_eq!(blind_recipients(&recipients, RAW), Ok(addresses(&["e@a.example"])));
    }

    #[test]
    fn nobody_gets_a_message_only_because_the_header_names_him() {
        let error = blind_recipients(&addresses(&["b@a.example", "c@a.example"]), RAW).unwrap_err();
        assert!(error.to_string().contains("d@a.example"), "{error}");
    }

    #[test]
    fn the_marker_is_the_messages_own_id() {
        assert_eq!(marker(RAW, 1), "1@a.example");
        assert_eq!(marker(RAW, 2), "1@a.example 2", "the copy of another round is not taken for this one's");
        assert_eq!(marker(b"A: b\r\n\r\n", 1).len(), 64);
    }
}
