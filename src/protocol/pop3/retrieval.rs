//! RETR and TOP for many messages, pipelined where the server allows it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::Pipelining;
use super::body::{Arrived, Body, Excess};
use super::reply::{Lines, Refusal, Status, unexpected_challenge};
use crate::model::cursor::Part;
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::{self, Conversation, Pace, Progress, Streaming};

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retrieved {
    /// CRLF line ends, dots unstuffed. A header block is cut off after [`limits::HEADER_BYTES_MAX`].
    Octets(Bytes),
    Refused(Refusal),
    /// So many octets, which were handed on in pieces before.
    Streamed(u64),
    /// It had this many octets, whatever the listing said.
    TooLarge(u64),
}

impl Retrieved {
    /// Of a whole message, the part that TOP would have brought.
    pub fn into_header_block(self) -> Self {
        match self {
            Self::Octets(octets) => {
                let block = header_block(&octets);
                Self::Octets(block.slice(..block.len().min(limits::HEADER_BYTES_MAX)))
            }
            other @ (Self::Refused(_) | Self::Streamed(_) | Self::TooLarge(_)) => other,
        }
    }
}

/// Asks for messages by number; the answers are in the order of the questions.
#[derive(Debug)]
pub struct Retrieve {
    asked: RetrieveEach,
    answers: Vec<(u32, Retrieved)>,
    kept: u64,
}

/// The same with every answer handed over as it arrives; the next messages are asked for meanwhile.
#[derive(Debug)]
pub struct RetrieveEach {
    part: Part,
    body: Body,
    window: usize,
    unasked: VecDeque<u32>,
    unanswered: VecDeque<u32>,
    state: State,
    lines: Lines,
    items: VecDeque<protocol::Arrived<(u32, Retrieved)>>,
    /// Status lines and bodies.
    answers: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    ExpectStatus,
    ExpectBody,
}

impl Retrieve {
    pub fn new(numbers: Vec<u32>, part: Part, pipelining: Pipelining) -> Self {
        let answers = Vec::with_capacity(numbers.len());
        let excess = match part {
            Part::Whole => Excess::Reject,
            Part::Headers => Excess::Drop,
        };
        Self { asked: RetrieveEach::of(numbers, (part, excess), pipelining), answers, kept: 0 }
    }

    /// Who asks bounds a fetch by announced sizes; a server may announce what it likes.
    fn count(&mut self, answer: &Retrieved) -> Result<(), Cause> {
        self.kept += match answer {
            Retrieved::Octets(octets) => octets.len() as u64,
            Retrieved::Refused(_) | Retrieved::Streamed(_) | Retrieved::TooLarge(_) => 0,
        };
        if self.kept > limits::FETCH_BYTES_MAX {
            let limit = limits::FETCH_BYTES_MAX;
            return Err(Cause::LimitExceeded { what: "what one fetch brings".to_owned(), limit });
        }
        Ok(())
    }
}

impl Conversation for Retrieve {
    type Output = Vec<(u32, Retrieved)>;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Self::Output>, Cause> {
        let progress = self.asked.advance(input)?;
        while let Some(item) = self.asked.next_item() {
            match item {
                protocol::Arrived::Message((number, answer)) => {
                    self.count(&answer)?;
                    self.answers.push((number, answer));
                }
                // Only who streams is handed pieces.
                protocol::Arrived::Piece(_) => {}
            }
        }
        Ok(match progress {
            Progress::Send(bytes) => Progress::Send(bytes),
            Progress::NeedInput => Progress::NeedInput,
            Progress::Done(()) => Progress::Done(std::mem::take(&mut self.answers)),
        })
    }

    fn pace(&self) -> Pace {
        self.asked.pace()
    }

    fn answers(&self) -> usize {
        self.asked.answers
    }
}

impl RetrieveEach {
    /// Whole messages. Those that are too large to be held come in pieces.
    pub fn new(numbers: Vec<u32>, pipelining: Pipelining) -> Self {
        Self::of(numbers, (Part::Whole, Excess::Stream), pipelining)
    }

    fn of(numbers: Vec<u32>, (part, excess): (Part, Excess), pipelining: Pipelining) -> Self {
        Self {
            part,
            body: body(part, excess),
            window: pipelining.window(),
            unasked: numbers.into(),
            unanswered: VecDeque::new(),
            state: State::ExpectStatus,
            lines: Lines::default(),
            items: VecDeque::new(),
            answers: 0,
        }
    }

    /// The next commands, in one write, once half of the window is free.
    fn ask(&mut self) -> Option<Vec<u8>> {
        if self.unasked.is_empty() || self.unanswered.len() > self.window / 2 {
            return None;
        }
        let free = self.window - self.unanswered.len();
        let mut commands = String::new();
        for number in self.unasked.drain(..free.min(self.unasked.len())) {
            commands.push_str(&match self.part {
                Part::Whole => format!("RETR {number}\r\n"),
                Part::Headers => format!("TOP {number} 0\r\n"),
            });
            self.unanswered.push_back(number);
        }
        Some(commands.into_bytes())
    }

    /// Reads one answer, or as much of it as there is. `None`: more input is needed.
    fn read(&mut self, input: &mut BytesMut) -> Result<Option<Retrieved>, Cause> {
        loop {
            match self.state {
                State::ExpectStatus => match self.lines.next(input, Status::parse)?.transpose()? {
                    None => return Ok(None),
                    Some(Status::Err(refusal)) => return Ok(Some(Retrieved::Refused(refusal))),
                    Some(Status::Ok(_)) => {
                        self.answers += 1;
                        self.body.expect(self.lines.ended());
                        self.state = State::ExpectBody;
                    }
                    Some(Status::Continue(_)) => return Err(unexpected_challenge()),
                },
                State::ExpectBody => {
                    let arrived = self.body.take(input);
                    let pieces = std::iter::from_fn(|| self.body.next_piece());
                    self.items.extend(pieces.map(protocol::Arrived::Piece));
                    let Some(arrived) = arrived? else { return Ok(None) };
                    self.state = State::ExpectStatus;
                    return Ok(Some(match (arrived, self.part) {
                        (Arrived::TooLarge(count), _) => Retrieved::TooLarge(count),
                        (Arrived::Streamed(count), _) => Retrieved::Streamed(count),
                        (Arrived::Whole(octets), Part::Whole) => Retrieved::Octets(octets),
                        (Arrived::Whole(octets), Part::Headers) => Retrieved::Octets(header_block(&octets)),
                    }));
                }
            }
        }
    }
}

impl Conversation for RetrieveEach {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        loop {
            if let Some(commands) = self.ask() {
                return Ok(Progress::Send(commands));
            }
            if self.unanswered.is_empty() {
                return if input.is_empty() { Ok(Progress::Done(())) } else { Err(unasked()) };
            }
            match self.read(input)? {
                None => return Ok(Progress::NeedInput),
                Some(answer) => {
                    self.answers += 1;
                    let number = self.unanswered.pop_front();
                    self.items.extend(number.map(|number| protocol::Arrived::Message((number, answer))));
                }
            }
        }
    }

    fn pace(&self) -> Pace {
        match self.state {
            State::ExpectStatus => Pace::Answer,
            State::ExpectBody => Pace::Bulk,
        }
    }

    fn answers(&self) -> usize {
        self.answers
    }
}

impl Streaming for RetrieveEach {
    type Item = protocol::Arrived<(u32, Retrieved)>;

    fn next_item(&mut self) -> Option<Self::Item> {
        self.items.pop_front()
    }

    fn has_items(&self) -> bool {
        !self.items.is_empty()
    }
}

/// Every answer has been read. Whatever else there is, the answers may not be those to our questions.
fn unasked() -> Cause {
    Cause::Garbage { detail: "the server sent more than it was asked for".to_owned() }
}

fn body(part: Part, excess: Excess) -> Body {
    match part {
        Part::Whole => Body::new(limits::HELD_BYTES_MAX, excess),
        Part::Headers => Body::new(limits::HEADER_BYTES_MAX as u64, excess),
    }
}

/// Up to the empty line, which is not part of it: some servers send lines of the text although none were asked for. A message
/// without UIDL is known by this block, so its lines end with CRLF, whatever they end with in the message.
fn header_block(octets: &Bytes) -> Bytes {
    let bare = memchr::memchr_iter(b'\n', octets);
    let mut bare = bare.filter(|at| at.checked_sub(1).and_then(|before| octets.get(before)) != Some(&b'\r'));
    if bare.next().is_some() {
        let lines = octets.split_inclusive(|octet| *octet == b'\n');
        let mended = lines.flat_map(|line| match line.strip_suffix(b"\n") {
            Some(line) => [line.strip_suffix(b"\r").unwrap_or(line), b"\r\n"],
            None => [line, b""],
        });
        return header_block(&mended.collect::<Vec<_>>().concat().into());
    }
    if octets.starts_with(b"\r\n") {
        return Bytes::new();
    }
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or_else(|| octets.clone(), |end| octets.slice(..end + 2))
}

#[cfg(test)]
mod tests {
    use super::super::reply::ResponseCode;
    use super::super::transcript::play;
    use super::*;

    fn octets(text: &'static str) -> Retrieved {
        Retrieved::Octets(Bytes::from_static(text.as_bytes()))
    }

    fn refused(said: &str) -> Retrieved {
        Retrieved::Refused(Refusal { code: ResponseCode::None, said: said.to_owned() })
    }

    #[test]
    fn messages_are_asked_for_one_by_one_where_pipelining_is_not_offered() {
        let begin = || Retrieve::new(vec![1, 2], Part::Whole, Pipelining::NotOffered);
        let script = "C: RETR 1
             S: +OK 20 octets
             S: Subject: one
             S:
             S: ..dot
             S: .
             C: RETR 2
             S: +OK
             S: ..
             S: .";
        let expected = vec![(1, octets("Subject: one\r\n\r\n.dot\r\n")), (2, octets(".\r\n"))];
        assert_eq!(play(begin, script), Ok(expected));
    }

    #[test]
    fn one_refused_message_does_not_break_the_pipeline() {
        let begin = || Retrieve::new(vec![1, 2, 3], Part::Whole, Pipelining::Offered);
        let script = "C: RETR 1
             C: RETR 2
             C: RETR 3
             S: +OK
             S: a
             S: .
             S: -ERR no such message
             S: +OK
             S: c
             S: .";
        let expected = vec![(1, octets("a\r\n")), (2, refused("no such message")), (3, octets("c\r\n"))];
        assert_eq!(play(begin, script), Ok(expected));
    }

    #[test]
    fn the_window_is_bounded_and_refilled_by_halves() {
        let mut conversation = Retrieve::new((1..=100).collect(), Part::Headers, Pipelining::Offered);
        let mut input = BytesMut::new();
        let asked = |progress| match progress {
            Ok(Progress::Send(bytes)) => String::from_utf8(bytes).unwrap().lines().count(),
            other => panic!("{other:?}"),
        };
        assert_eq!(asked(conversation.advance(&mut input)), 64);
        input.extend_from_slice(&b"-ERR\r\n".repeat(31));
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::NeedInput)));
        input.extend_from_slice(b"-ERR\r\n");
        assert_eq!(asked(conversation.advance(&mut input)), 32);
    }

    #[test]
    fn lines_that_end_with_a_bare_lf_are_mended() {
        let begin = || Retrieve::new(vec![1], Part::Whole, Pipelining::NotOffered);
        let script = "C: RETR 1\nS~: +OK\nS~: Subject: x\nS~:\nS~: ..y\nS~: .";
        assert_eq!(play(begin, script), Ok(vec![(1, octets("Subject: x\r\n\r\n.y\r\n"))]));
    }

    /// The second message is made so that a reader who takes LF for a line end would take the server's words for its own.
    #[test]
    fn a_message_cannot_answer_for_the_server() {
        let mut conversation = Retrieve::new(vec![1, 2], Part::Whole, Pipelining::Offered);
        let mut input = BytesMut::new();
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(b"+OK\r\na\n.\r\n+OK\r\nSubject: forged\r\n.\r\n+OK\r\nb\r\n.\r\n");
        let expected = vec![(1, octets("a\n.\r\n+OK\r\nSubject: forged\r\n")), (2, octets("b\r\n"))];
        let Ok(Progress::Done(answers)) = conversation.advance(&mut input) else { panic!() };
        assert_eq!(answers, expected);
    }

    #[test]
    fn more_than_was_asked_for_is_an_error() {
        let mut conversation = Retrieve::new(vec![1], Part::Whole, Pipelining::Offered);
        let mut input = BytesMut::new();
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(b"+OK\r\na\r\n.\r\n+OK\r\n");
        assert!(matches!(conversation.advance(&mut input), Err(Cause::Garbage { .. })));
    }

    #[test]
    fn a_header_block_is_the_same_whatever_ends_its_lines() {
        for text in ["A: 1\r\nB: 2\r\n\r\ntext\n", "A: 1\nB: 2\n\ntext\r\n", "A: 1\nB: 2\r\n"] {
            assert_eq!(header_block(&Bytes::from_static(text.as_bytes())), "A: 1\r\nB: 2\r\n");
        }
    }

    #[test]
    fn headers_end_at_the_empty_line_whatever_the_server_adds() {
        let begin = || Retrieve::new(vec![7, 8], Part::Headers, Pipelining::NotOffered);
        let script = "C: TOP 7 0
             S: +OK
             S: Subject: x
             S:
             S: a text nobody asked for
             S: .
             C: TOP 8 0
             S: +OK
             S: Subject: y
             S: .";
        assert_eq!(
            play(begin, script),
            Ok(vec![(7, octets("Subject: x\r\n")), (8, octets("Subject: y\r\n"))])
        );
    }

    #[test]
    fn each_message_is_handed_over_before_the_next_one_is_there() {
        let mut conversation = RetrieveEach::new(vec![1, 2], Pipelining::Offered);
        let mut input = BytesMut::new();
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(b"+OK\r\na\r\n.\r\n+OK\r\nb");
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::NeedInput)));
        assert_eq!(conversation.next_item(), Some(protocol::Arrived::Message((1, octets("a\r\n")))));
        assert!(!conversation.has_items());
    }

    #[test]
    fn nothing_asked_is_nothing_said() {
        let begin = || Retrieve::new(vec![], Part::Whole, Pipelining::Offered);
        assert_eq!(play(begin, ""), Ok(vec![]));
    }

    #[test]
    fn an_answer_that_is_no_answer_ends_the_exchange() {
        let begin = || Retrieve::new(vec![1], Part::Whole, Pipelining::Offered);
        let answer = play(begin, "C: RETR 1\nS: Subject: no status line");
        assert!(matches!(answer, Err(Cause::Garbage { .. })), "{answer:?}");
    }
}
