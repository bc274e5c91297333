//! The greeting (RFC 3501 section 7.1) and STARTTLS.

use bytes::BytesMut;

use crate::model::failure::{Cause, server_words};

use super::super::{Conversation, Progress};
use super::capability::Capabilities;
use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::reader::Reader;
use super::response::{Code, Condition, Reply, Response, garbage};

/// The server's first words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    pub state: SessionState,
    /// Some servers say them at once and spare us a round trip.
    pub capabilities: Option<Capabilities>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    NotAuthenticated,
    /// The server knows who we are by other means.
    PreAuthenticated,
}

/// Reads the greeting. Errors: [`Cause::WrongProtocol`] when it is another protocol's, [`Cause::ServerBye`].
pub fn greet() -> impl Conversation<Output = Greeted> {
    Greet { reader: Reader::new() }
}

struct Greet {
    reader: Reader,
}

impl Conversation for Greet {
    type Output = Greeted;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Greeted>, Cause> {
        // The binary greeting of another protocol may never hold a line end.
        if input.first().is_some_and(|byte| !byte.is_ascii_graphic() && !byte.is_ascii_whitespace()) {
            return Err(wrong_protocol(input));
        }
        let Some(frame) = self.reader.next(input)? else {
            return Ok(Progress::NeedInput);
        };
        if !frame.head().starts_with(b"* ") {
            return Err(wrong_protocol(frame.head()));
        }
        match Response::parse(&frame)? {
            Response::Status { condition, reply } => {
                greeted(condition, reply, frame.head()).map(Progress::Done)
            }
            Response::Tagged { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Exists(_)
            | Response::Expunge(_)
            | Response::Fetch(_)
            | Response::Other => Err(garbage(frame.head())),
        }
    }
}

fn greeted(condition: Condition, reply: Reply, head: &[u8]) -> Result<Greeted, Cause> {
    let state = match condition {
        Condition::Ok => SessionState::NotAuthenticated,
        Condition::Preauth => SessionState::PreAuthenticated,
        Condition::Bye => return Err(Cause::ServerBye { said: reply.said }),
        Condition::No | Condition::Bad => return Err(garbage(head)),
    };
    let capabilities = match reply.code {
        Code::Capability(capabilities) => Some(capabilities),
        Code::None | Code::UidValidity(_) | Code::UidNext(_) | Code::ReadOnly | Code::Other(_) => None,
    };
    Ok(Greeted { state, capabilities })
}

fn wrong_protocol(said: &[u8]) -> Cause {
    Cause::WrongProtocol { protocol: "IMAP".to_owned(), said: server_words(&String::from_utf8_lossy(said)) }
}

/// STARTTLS. Done: the handshake comes next, and what was received beyond the answer stays in the input, where the
/// driver refuses it.
pub fn start_tls(tag: Tag) -> impl Conversation<Output = ()> {
    let chunks = bare(&tag, "STARTTLS");
    Asked::new(tag, chunks, StartTls)
}

struct StartTls;

impl Answer for StartTls {
    type Output = ();

    fn untagged(&mut self, _: Response) -> Result<(), Cause> {
        Ok(())
    }

    fn completed(&mut self, completion: Completion) -> Result<(), Cause> {
        completion.accepted().map_err(|_| Cause::StarttlsNotOffered)
    }
}
