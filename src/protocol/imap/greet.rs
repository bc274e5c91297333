//! The greeting (RFC 3501 section 7.1) and STARTTLS.

use bytes::BytesMut;

use crate::model::failure::{Cause, server_words};

use super::capability::Capabilities;
use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::reader::{Excess, Reader};
use super::refusal::{Stage, refusal};
use super::response::{Code, Condition, Outcome, Reply, Response, garbage};
use crate::protocol::{Conversation, Progress};

/// The server's first words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    pub state: SessionState,
    /// Some servers say them at once and spare us a round trip.
    pub capabilities: Option<Capabilities>,
    pub numbering: Numbering,
    /// In its words.
    pub said: String,
}

/// When a server notes the UIDs of new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// As RFC 3501 section 2.3.1.1 wants it: what was shown once stays.
    AtOnce,
    /// Courier: EXAMINE shows numbers, and for an inbox that nobody has ever selected a UIDVALIDITY, that it forgets again. It
    /// names itself in its greeting.
    AtSelect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    NotAuthenticated,
    /// The server knows who we are by other means.
    PreAuthenticated,
}

/// Reads the greeting. Errors: [`Cause::WrongProtocol`] when it is another protocol's, [`Cause::ServerBye`].
pub fn greet() -> impl Conversation<Output = Greeted> {
    Greet { reader: Reader::new(Excess::Drop) }
}

struct Greet {
    reader: Reader,
}

impl Conversation for Greet {
    type Output = Greeted;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Greeted>, Cause> {
        // The binary greeting of another protocol may never hold a line end.
        if input.first().is_some_and(|byte| !byte.is_ascii_graphic() && !byte.is_ascii_whitespace()) {
            return Err(wrong_protocol(b"(binary data)"));
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
            | Response::Expunge
            | Response::Fetch(_)
            | Response::Found(_)
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
    let numbering = if reply.said.contains("Courier-IMAP") { Numbering::AtSelect } else { Numbering::AtOnce };
    let capabilities = match reply.code {
        Code::Capability(capabilities) => Some(capabilities),
        Code::None
        | Code::UidValidity(_)
        | Code::UidNext(_)
        | Code::HighestModSeq(_)
        | Code::ReadOnly
        | Code::Other(_) => None,
    };
    Ok(Greeted { state, capabilities, numbering, said: reply.said })
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
        // A server that offers it and has no certificate at hand just now says NO.
        completion.accepted().map_err(|completion| match completion.outcome {
            Outcome::No => Cause::TemporarilyRefused { said: completion.reply.said },
            Outcome::Ok | Outcome::Bad => refusal(Stage::Session, &completion),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    #[test]
    fn a_greeting_may_say_the_capabilities_at_once() {
        let greeted = play(greet, "S: * OK [CAPABILITY IMAP4rev1 StartTLS AUTH=PLAIN] ready {3}").unwrap();
        assert_eq!(greeted.state, SessionState::NotAuthenticated);
        let capabilities = greeted.capabilities.unwrap();
        assert!(capabilities.starttls() && !capabilities.sasl_ir());
        assert_eq!(capabilities.mechanisms(), ["PLAIN"]);
        assert_eq!(play(greet, "S: * OK").unwrap().capabilities, None);
        assert_eq!(play(greet, "S: * PREAUTH hello").unwrap().state, SessionState::PreAuthenticated);
    }

    #[test]
    fn a_bye_is_the_servers_wish() {
        let cause = play(greet, "S: * BYE too many connections").unwrap_err();
        assert_eq!(cause, Cause::ServerBye { said: "too many connections".to_owned() });
    }

    #[test]
    fn other_protocols_are_recognised_by_their_first_words() {
        for said in ["+OK POP3 ready", "220 mx ESMTP", "HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH_9.2"] {
            let cause = play(greet, &format!("S: {said}")).unwrap_err();
            assert_eq!(cause, Cause::WrongProtocol { protocol: "IMAP".to_owned(), said: said.to_owned() });
        }
        let cause = play(greet, "S: \u{16}\u{3}\u{1}⏎").unwrap_err();
        assert!(matches!(cause, Cause::WrongProtocol { .. }), "{cause}");
    }

    #[test]
    fn a_greeting_that_is_none_is_garbage() {
        for said in ["* LIST () \".\" x", "* NO not today", "* 3 EXISTS"] {
            let cause = play(greet, &format!("S: {said}")).unwrap_err();
            assert!(matches!(&cause, Cause::Garbage { detail } if detail.contains(said)), "{cause}");
        }
    }

    #[test]
    fn endless_greetings_are_cut() {
        let endless = format!("S: * OK {}⏎", "x".repeat(crate::model::limits::REPLY_LINE_BYTES_MAX));
        let turns = BytesMut::from(endless.trim_start_matches("S: ").trim_end_matches('⏎').as_bytes());
        let cause = greet().advance(&mut turns.clone()).unwrap_err();
        assert!(matches!(cause, Cause::LimitExceeded { .. }), "{cause}");
    }

    #[test]
    fn what_follows_the_starttls_answer_is_left_for_the_driver_to_refuse() {
        let mut conversation = start_tls(Tags::default().next_tag());
        let mut input = BytesMut::new();
        assert!(
            matches!(conversation.advance(&mut input), Ok(Progress::Send(line)) if line == b"M1 STARTTLS\r\n")
        );
        input.extend_from_slice(b"M1 OK go ahead\r\nM2 OK injected\r\n");
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::Done(()))));
        assert_eq!(&input[..], b"M2 OK injected\r\n");
    }

    #[test]
    fn starttls_that_was_offered_and_is_refused_is_told_in_the_server_s_words() {
        let start = || start_tls(Tags::default().next_tag());
        let refused = |said: &str| play(start, &format!("C: M1 STARTTLS\nS: M1 {said}")).unwrap_err();
        assert_eq!(refused("NO not now"), Cause::TemporarilyRefused { said: "not now".to_owned() });
        assert_eq!(refused("BAD unknown command"), Cause::Refused { said: "unknown command".to_owned() });
    }
}
