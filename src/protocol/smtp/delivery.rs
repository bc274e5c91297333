//! The message itself and the answer to its final dot; and the way out of a transaction that failed before it.

use bytes::BytesMut;

use super::content::{Content, Transfer};
use super::envelope::{Next, refusal, silence};
use super::reply::{Class, Replies, Reply};
use crate::model::failure::Cause;
use crate::model::outbox::RecipientResult;
use crate::protocol::{Conversation, Progress};

/// Writes the message behind a go-ahead, or with BDAT. An error before the last write means that nobody has it; from the moment at
/// which that write is handed out, [`Delivery::judge`] says that nobody knows. A last write that failed may have left
/// in part or, through TLS, altogether; it is not told apart from one that arrived.
pub struct Delivery {
    replies: Replies,
    state: State,
}

/// Named by what comes next.
enum State {
    FirstWrite { first: Vec<u8>, last: Vec<u8> },
    LastWrite(Vec<u8>),
    Answer,
}

/// Where a delivery leaves the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// The server waits for the next command.
    Ready,
    /// The transaction failed: [`Abandon`] comes next.
    ToReset,
    /// Said goodbye, lost, out of step, or in the middle of a message.
    SessionOver,
}

impl Delivery {
    pub fn new(content: &Content, transfer: Transfer) -> Self {
        let (first, last) = content.writes(transfer);
        let state = if first.is_empty() { State::LastWrite(last) } else { State::FirstWrite { first, last } };
        Self { replies: Replies::default(), state }
    }

    /// What the end of this conversation, or of the connection under it, means for those recipients that the
    /// envelope accepted. `Err`: the message was certainly not accepted.
    pub fn judge(&self, end: &Result<Reply, Cause>) -> Result<RecipientResult, Cause> {
        match (end, &self.state) {
            (Ok(reply), _) => Ok(match reply.class {
                Class::Success => RecipientResult::Accepted { said: reply.said() },
                Class::Transient | Class::Permanent => refusal(reply),
                Class::Intermediate => RecipientResult::Unsure { detail: reply.out_of_place().to_string() },
            }),
            (Err(cause), State::Answer) => Ok(RecipientResult::Unsure { detail: cause.to_string() }),
            (Err(cause), State::FirstWrite { .. } | State::LastWrite(_)) => Err(cause.clone()),
        }
    }

    /// What this end leaves behind at the server.
    pub fn aftermath(&self, end: &Result<Reply, Cause>) -> Aftermath {
        match (end, &self.state) {
            (Ok(Reply { code: 421, .. }) | Err(_), _) => Aftermath::SessionOver,
            (Ok(_), State::FirstWrite { .. } | State::LastWrite(_)) => Aftermath::SessionOver,
            (Ok(reply), State::Answer) => match reply.class {
                Class::Success => Aftermath::Ready,
                Class::Transient | Class::Permanent => Aftermath::ToReset,
                Class::Intermediate => Aftermath::SessionOver,
            },
        }
    }

    /// A server may refuse while the message is still being written (too large, full); it cannot accept then.
    fn interrupted(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, Cause> {
        if input.is_empty() {
            return Ok(None);
        }
        match self.replies.next(input)? {
            Some(reply) => match reply.class {
                Class::Transient | Class::Permanent => Ok(Some(reply)),
                Class::Success | Class::Intermediate => Err(reply.out_of_place()),
            },
            None => Err(Cause::Garbage { detail: "the server speaks before it is asked".to_owned() }),
        }
    }
}

impl Conversation for Delivery {
    type Output = Reply;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Reply>, Cause> {
        if let State::Answer = self.state {
            return Ok(self.replies.next(input)?.map_or(Progress::NeedInput, Progress::Done));
        }
        if let Some(refusal) = self.interrupted(input)? {
            return Ok(Progress::Done(refusal));
        }
        let (next, write) = match std::mem::replace(&mut self.state, State::Answer) {
            State::FirstWrite { first, last } => (State::LastWrite(last), first),
            State::LastWrite(last) => (State::Answer, last),
            State::Answer => (State::Answer, Vec::new()),
        };
        self.state = next;
        Ok(Progress::Send(write))
    }
}

/// Leaves a transaction without a message, so that the session can go on with the next one.
pub struct Abandon {
    unsaid: std::vec::IntoIter<&'static str>,
    state: Awaited,
    replies: Replies,
}

enum Awaited {
    Nothing,
    Reply,
}

impl Abandon {
    /// The answer to a lone dot does not matter: no recipient was accepted (RFC 2920 section 3.1).
    pub fn new(next: Next) -> Self {
        let lines = match next {
            Next::LoneDot => vec![".\r\n", "RSET\r\n"],
            Next::Reset | Next::Deliver => vec!["RSET\r\n"],
            Next::Nothing => vec![],
        };
        Self { unsaid: lines.into_iter(), state: Awaited::Nothing, replies: Replies::default() }
    }
}

impl Conversation for Abandon {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        if let Awaited::Reply = self.state {
            let Some(reply) = self.replies.next(input)? else { return Ok(Progress::NeedInput) };
            let is_last = self.unsaid.as_slice().is_empty();
            if reply.code == 421 || (is_last && reply.class != Class::Success) {
                return Err(reply.refusal());
            }
        }
        silence(&mut self.replies, input)?;
        self.state = Awaited::Reply;
        Ok(match self.unsaid.next() {
            Some(line) => Progress::Send(line.as_bytes().to_vec()),
            None => Progress::Done(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::smtp::transcript::play;

    fn deliver(transcript: &str) -> Result<RecipientResult, Cause> {
        let mut delivery = Delivery::new(&Content::prepare(b"Subject: x\n\n.hidden\n"), Transfer::Data);
        let end = play(&mut delivery, transcript);
        delivery.judge(&end)
    }

    const MESSAGE: &str = "C: Subject: x\nC: \nC: ..hidden\nC: .\n";

    #[test]
    fn accepted_is_what_the_server_accepts_after_the_final_dot() {
        let accepted = RecipientResult::Accepted { said: "250 2.0.0 queued as 1".to_owned() };
        assert_eq!(deliver(&format!("{MESSAGE}S: 250 2.0.0 queued as 1")), Ok(accepted));
    }

    #[test]
    fn a_refusal_after_the_final_dot_is_final_or_not_as_it_says() {
        let deferred = RecipientResult::Deferred { said: "451 later".to_owned() };
        assert_eq!(deliver(&format!("{MESSAGE}S: 451 later")), Ok(deferred));
        let refused = RecipientResult::Refused { said: "554 5.7.1 spam".to_owned() };
        assert_eq!(deliver(&format!("{MESSAGE}S: 554 5.7.1 spam")), Ok(refused));
        let bye = RecipientResult::Deferred { said: "421 bye".to_owned() };
        assert_eq!(deliver(&format!("{MESSAGE}S: 421 bye")), Ok(bye));
    }

    #[test]
    fn a_connection_lost_after_the_final_dot_leaves_everybody_unsure() {
        for answer in ["", "S: 250-half a reply", "S: +OK", "S: 354 go on"] {
            let result = deliver(&format!("{MESSAGE}{answer}"));
            assert!(matches!(result, Ok(RecipientResult::Unsure { .. })), "{answer}: {result:?}");
        }
    }

    #[test]
    fn a_connection_lost_before_the_last_write_is_certainly_no_acceptance() {
        let raw = b"0123456789\r\n".repeat(10_000);
        let mut delivery = Delivery::new(&Content::prepare(&raw), Transfer::Data);
        let lost = || Err(Cause::ConnectionLost { detail: "reset".to_owned() });
        assert!(delivery.judge(&lost()).is_err());
        let Ok(Progress::Send(first)) = delivery.advance(&mut BytesMut::new()) else { panic!("first write") };
        assert!(!first.ends_with(b"\r\n.\r\n"));
        assert!(delivery.judge(&lost()).is_err(), "the first write failed");
        let Ok(Progress::Send(last)) = delivery.advance(&mut BytesMut::new()) else { panic!("last write") };
        assert!(last.ends_with(b"\r\n.\r\n"));
        assert!(matches!(delivery.judge(&lost()), Ok(RecipientResult::Unsure { .. })));
    }

    #[test]
    fn an_answer_that_comes_before_the_message_is_not_taken_for_its_acceptance() {
        let mut delivery = Delivery::new(&Content::prepare(b"x"), Transfer::Data);
        let early = delivery.advance(&mut BytesMut::from("250 queued\r\n")).map(|_| unreachable!("no write"));
        assert!(matches!(delivery.judge(&early), Err(Cause::Garbage { .. })));
    }

    #[test]
    fn a_refusal_in_the_middle_of_the_message_is_a_refusal_and_ends_the_session() {
        let mut delivery =
            Delivery::new(&Content::prepare(&b"0123456789\r\n".repeat(10_000)), Transfer::Data);
        let mut input = BytesMut::new();
        assert!(matches!(delivery.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(b"552 5.3.4 too large\r\n");
        let Ok(Progress::Done(reply)) = delivery.advance(&mut input) else { panic!("it is over") };
        let end = Ok(reply);
        let refused = RecipientResult::Refused { said: "552 5.3.4 too large".to_owned() };
        assert_eq!(delivery.judge(&end), Ok(refused));
        assert_eq!(delivery.aftermath(&end), Aftermath::SessionOver);
    }

    #[test]
    fn a_useless_go_ahead_is_ended_with_a_lone_dot() {
        let end =
            play(&mut Abandon::new(Next::LoneDot), "C: .\nS: 554 no valid recipients\nC: RSET\nS: 250 ok");
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_transaction_that_failed_is_reset() {
        assert_eq!(play(&mut Abandon::new(Next::Reset), "C: RSET\nS: 250 ok"), Ok(()));
        assert!(play(&mut Abandon::new(Next::Reset), "C: RSET\nS: 500 what?").is_err());
        assert_eq!(play(&mut Abandon::new(Next::Nothing), ""), Ok(()));
    }
}
