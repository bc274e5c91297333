//! IDLE (RFC 2177): the server tells what changes in the open mailbox, until it is asked to stop.
//!
//! Unlike every other command, this one is driven three times: up to the server's go-ahead, up to the first news, and,
//! after [`Idle::end`], up to the tagged answer. A driver may give up the second one at any moment and go on with the
//! third: what was read of an unfinished line stays in here.

use bytes::BytesMut;

use crate::model::failure::Cause;

use super::command::{Tag, bare};
use super::exchange::{About, Completion};
use super::reader::{Excess, Reader};
use super::refusal::{Stage, refusal};
use super::response::{Condition, Outcome, Response, garbage};
use crate::protocol::{Conversation, Progress};

/// IDLE.
pub fn idle(tag: Tag) -> Idle {
    Idle { tag, state: State::Begin, reader: Reader::new(Excess::Drop), responses: 0, news: News::None }
}

/// An IDLE command under way.
pub struct Idle {
    tag: Tag,
    state: State,
    reader: Reader,
    responses: usize,
    /// What came before anybody asked for it: servers tell what they have before they give the go-ahead.
    news: News,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    /// Sent, and not yet accepted.
    Asked,
    Waiting,
    /// Waiting, and to be ended.
    Ending,
    /// DONE was sent.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    None,
    Some,
}

/// How far an IDLE has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idled {
    /// The server waits with us.
    Accepted,
    /// Messages came or went.
    News,
    /// It is over; `changed` says whether anything was told that nobody was told of.
    Over { changed: bool },
}

impl Idle {
    /// To be called before it is driven for the last time.
    pub fn end(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Ending;
        }
    }

    fn note(&mut self, response: &Response) {
        match response {
            Response::Exists(_) | Response::Expunge => self.news = News::Some,
            Response::Tagged { .. }
            | Response::Status { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Fetch(_)
            | Response::Found(_)
            | Response::Other => {}
        }
    }

    /// The tagged answer, whenever it comes.
    fn completed(&self, completion: &Completion) -> Result<Progress<Idled>, Cause> {
        match (completion.outcome, self.state) {
            (Outcome::Ok, State::Ended) => {
                Ok(Progress::Done(Idled::Over { changed: self.news == News::Some }))
            }
            // It ends the command before it was asked to: not to be relied on for waiting.
            (Outcome::Ok, State::Begin | State::Asked | State::Waiting | State::Ending) => {
                Err(Cause::Refused { said: completion.reply.said.clone() })
            }
            (Outcome::No | Outcome::Bad, _) => Err(refusal(Stage::Session, completion)),
        }
    }

    fn take_news(&mut self) -> Option<Progress<Idled>> {
        let has_news = self.state == State::Waiting && self.news == News::Some;
        has_news.then(|| {
            self.news = News::None;
            Progress::Done(Idled::News)
        })
    }
}

impl Conversation for Idle {
    type Output = Idled;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Idled>, Cause> {
        match self.state {
            State::Begin => {
                self.state = State::Asked;
                let command = bare(&self.tag, "IDLE").into_iter().flatten().collect();
                return Ok(Progress::Send(command));
            }
            State::Ending => {
                self.state = State::Ended;
                return Ok(Progress::Send(b"DONE\r\n".to_vec()));
            }
            State::Asked | State::Waiting | State::Ended => {}
        }
        if let Some(news) = self.take_news() {
            return Ok(news);
        }
        while let Some(frame) = self.reader.next(input)? {
            self.responses += 1;
            About::Mailbox.admit(self.responses)?;
            match Response::parse(&frame)? {
                Response::Tagged { tag, outcome, reply } if tag == self.tag.as_str() => {
                    return self.completed(&Completion { outcome, reply });
                }
                Response::Tagged { .. } => return Err(garbage(frame.head())),
                Response::Status { condition: Condition::Bye, reply } => {
                    return Err(Cause::ServerBye { said: reply.said });
                }
                Response::Continue { .. } if self.state == State::Asked => {
                    self.state = State::Waiting;
                    return Ok(Progress::Done(Idled::Accepted));
                }
                Response::Continue { .. } => return Err(garbage(frame.head())),
                response @ (Response::Status { .. }
                | Response::Capability(_)
                | Response::Exists(_)
                | Response::Expunge
                | Response::Fetch(_)
                | Response::Found(_)
                | Response::Other) => self.note(&response),
            }
            if let Some(news) = self.take_news() {
                return Ok(news);
            }
        }
        Ok(Progress::NeedInput)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::*;

    /// Feeds what a server says, line by line, and collects what comes of it.
    fn advance(idle: &mut Idle, said: &str) -> Result<Progress<Idled>, Cause> {
        idle.advance(&mut BytesMut::from(said))
    }

    fn begun() -> Idle {
        let mut idle = idle(Tags::default().next_tag());
        assert!(matches!(advance(&mut idle, ""), Ok(Progress::Send(sent)) if sent == b"M1 IDLE\r\n"));
        idle
    }

    fn done(progress: Result<Progress<Idled>, Cause>) -> Idled {
        match progress {
            Ok(Progress::Done(idled)) => idled,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn news_are_told_and_the_command_is_ended_with_done() {
        let mut idle = begun();
        assert_eq!(done(advance(&mut idle, "+ idling\r\n")), Idled::Accepted);
        assert!(matches!(advance(&mut idle, "* OK Still here\r\n"), Ok(Progress::NeedInput)));
        assert_eq!(done(advance(&mut idle, "* 4 EXISTS\r\n")), Idled::News);
        idle.end();
        assert!(matches!(advance(&mut idle, ""), Ok(Progress::Send(sent)) if sent == b"DONE\r\n"));
        assert_eq!(done(advance(&mut idle, "M1 OK done\r\n")), Idled::Over { changed: false });
    }

    #[test]
    fn what_is_told_before_the_go_ahead_or_while_it_ends_is_not_lost() {
        let mut early = begun();
        let mut input = BytesMut::from("* 4 EXISTS\r\n+ idling\r\n");
        assert_eq!(done(early.advance(&mut input)), Idled::Accepted);
        assert_eq!(done(early.advance(&mut input)), Idled::News);

        let mut late = begun();
        assert_eq!(done(advance(&mut late, "+\r\n")), Idled::Accepted);
        late.end();
        assert!(matches!(advance(&mut late, ""), Ok(Progress::Send(_))));
        assert_eq!(done(advance(&mut late, "* 4 EXISTS\r\nM1 OK\r\n")), Idled::Over { changed: true });
    }

    #[test]
    fn a_line_that_was_cut_when_the_wait_was_given_up_is_read_on() {
        let mut idle = begun();
        assert_eq!(done(advance(&mut idle, "+ idling\r\n")), Idled::Accepted);
        let mut input = BytesMut::from("* 5 EXI");
        assert!(matches!(idle.advance(&mut input), Ok(Progress::NeedInput)));
        idle.end();
        assert!(matches!(idle.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(b"STS\r\nM1 OK\r\n");
        assert_eq!(done(idle.advance(&mut input)), Idled::Over { changed: true });
    }

    #[test]
    fn a_refusal_and_an_early_end_are_told_from_news() {
        for said in ["M1 BAD unknown command\r\n", "M1 NO not here\r\n", "M1 OK that was it\r\n"] {
            let refused = advance(&mut begun(), said).unwrap_err();
            assert!(matches!(refused, Cause::Refused { .. }), "{refused}");
        }
        let throttled = advance(&mut begun(), "M1 NO [LIMIT] too many\r\n").unwrap_err();
        assert!(matches!(throttled, Cause::TemporarilyRefused { .. }), "{throttled}");
        let gone = advance(&mut begun(), "* BYE shutting down\r\n").unwrap_err();
        assert!(matches!(gone, Cause::ServerBye { .. }), "{gone}");
    }
}
