//! One command: sending it piece by piece, and handing each response to whoever asked until the tagged one ends it.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::model::failure::Cause;
use crate::model::limits;

use super::command::Tag;
use super::reader::{Excess, Reader};
use super::response::{Condition, Outcome, Reply, Response, garbage};
use crate::protocol::{Conversation, Progress};

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
}

/// A command under way. A `* BYE` ends it with [`Cause::ServerBye`], whenever it comes.
pub(super) struct Asked<A> {
    tag: Tag,
    /// What is still to be sent: each piece but the first waits for the server's go-ahead.
    chunks: VecDeque<Vec<u8>>,
    begun: bool,
    reader: Reader,
    responses: usize,
    answer: A,
}

impl<A: Answer> Asked<A> {
    pub fn new(tag: Tag, chunks: VecDeque<Vec<u8>>, answer: A) -> Self {
        Self { tag, chunks, begun: false, reader: Reader::new(Excess::Drop), responses: 0, answer }
    }

    /// Servers report changes that others make to a mailbox between the answers, up to some for each message.
    fn count_response(&mut self) -> Result<(), Cause> {
        self.responses += 1;
        if self.responses > 2 * limits::LISTING_MESSAGES_MAX {
            return Err(Cause::LimitExceeded {
                what: "the number of responses to one command".to_owned(),
                limit: 2 * limits::LISTING_MESSAGES_MAX as u64,
            });
        }
        Ok(())
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
            self.count_response()?;
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
}
