//! One command: sending it piece by piece, and handing each response to whoever asked until the tagged one ends it.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::model::failure::Cause;
use crate::model::limits;

use super::command::Tag;
use super::reader::{Excess, Reader};
use super::response::{Condition, Outcome, Reply, Response, garbage};
use crate::protocol::{Conversation, Pace, Progress};

/// The tagged response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completion {
    pub outcome: Outcome,
    pub reply: Reply,
}

impl Completion {
    pub fn accepted(&self) -> Result<(), Self> {
        match self.outcome {
            Outcome::Ok => Ok(()),
            Outcome::No | Outcome::Bad => Err(self.clone()),
        }
    }
}

/// What a command makes of its responses.
pub(super) trait Answer {
    type Output;

    fn untagged(&mut self, response: Response) -> Result<(), Cause>;

    /// The server asks for more than the command's own literals: only SASL expects that.
    fn challenged(&mut self, text: &[u8]) -> Result<Vec<u8>, Cause> {
        Err(garbage(&[b"+ ", text].concat()))
    }

    fn completed(&mut self, completion: Completion) -> Result<Self::Output, Cause>;

    /// What it is about, which bounds how much may be answered, and how slowly.
    fn about(&self) -> About {
        About::Session
    }
}

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Nothing in a mailbox.
    Session,
    /// An open mailbox, in which others change things meanwhile.
    Mailbox,
    /// So many messages of it.
    Messages(usize),
}

impl About {
    pub fn pace(self) -> Pace {
        match self {
            Self::Session | Self::Mailbox => Pace::Answer,
            Self::Messages(_) => Pace::Bulk,
        }
    }

    /// An answer about a message may come in two parts.
    pub fn responses_max(self) -> usize {
        match self {
            Self::Session => limits::REPLY_LINES_MAX,
            Self::Mailbox => limits::UNASKED_RESPONSES_MAX,
            Self::Messages(count) => limits::UNASKED_RESPONSES_MAX.saturating_add(count.saturating_mul(2)),
        }
    }

    pub fn admit(self, responses: usize) -> Result<(), Cause> {
        let max = self.responses_max();
        if responses > max {
            let what = "the number of responses to one command".to_owned();
            return Err(Cause::LimitExceeded { what, limit: max as u64 });
        }
        Ok(())
    }
}

/// A command under way. A `* BYE` ends it with [`Cause::ServerBye`], whenever it comes.
pub(super) struct Asked<A> {
    tag: Tag,
    /// What is still to be sent: each piece but the first waits for the server's go-ahead.
    chunks: VecDeque<Vec<u8>>,
    begun: bool,
    reader: Reader,
    responses: usize,
    /// `* OK Still here`: what a server says while it is at work on something long.
    signs_of_life: usize,
    answer: A,
}

impl<A: Answer> Asked<A> {
    pub fn new(tag: Tag, chunks: VecDeque<Vec<u8>>, answer: A) -> Self {
        Self {
            tag,
            chunks,
            begun: false,
            reader: Reader::new(Excess::Drop),
            responses: 0,
            signs_of_life: 0,
            answer,
        }
    }
}

impl<A: Answer> Conversation for Asked<A> {
    type Output = A::Output;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<A::Output>, Cause> {
        if !self.begun {
            self.begun = true;
            return Ok(Progress::Send(self.chunks.pop_front().unwrap_or_default()));
        }
        while let Some(frame) = self.reader.next(input)? {
            self.responses += 1;
            self.answer.about().admit(self.responses)?;
            match Response::parse(&frame)? {
                Response::Tagged { tag, outcome, reply } if tag == self.tag.as_str() => {
                    return self.answer.completed(Completion { outcome, reply }).map(Progress::Done);
                }
                Response::Tagged { .. } => return Err(garbage(frame.head())),
                Response::Status { condition: Condition::Bye, reply } => {
                    return Err(Cause::ServerBye { said: reply.said });
                }
                Response::Continue { text } => {
                    return match self.chunks.pop_front() {
                        Some(chunk) => Ok(Progress::Send(chunk)),
                        None => self.answer.challenged(&text).map(Progress::Send),
                    };
                }
                response @ Response::Status { condition: Condition::Ok, .. } => {
                    self.signs_of_life += 1;
                    self.answer.untagged(response)?;
                }
                response @ (Response::Status { .. }
                | Response::Capability(_)
                | Response::Exists(_)
                | Response::Expunge
                | Response::Fetch(_)
                | Response::Found(_)
                | Response::Other) => self.answer.untagged(response)?,
            }
        }
        Ok(Progress::NeedInput)
    }

    fn pace(&self) -> Pace {
        self.answer.about().pace()
    }

    /// To look through a large mailbox takes a server its time; Dovecot says so every few seconds.
    fn answers(&self) -> usize {
        match self.answer.about() {
            About::Session => 0,
            About::Mailbox | About::Messages(_) => self.signs_of_life.min(limits::SIGNS_OF_LIFE_MAX),
        }
    }
}
