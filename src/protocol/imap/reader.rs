//! Cuts the bytes of a server into responses: lines, and the literals between them (RFC 3501 section 4.3).
//!
//! A literal is waited for by its length and cut out without being scanned. What is too large to be held
//! is handed on as it arrives, or read and dropped, so that one monstrous message does not end the session.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::super::shelf::Shelf;
use crate::model::failure::{Cause, server_words};
use crate::model::limits;

/// More than one read of a driver brings.
const READ_AHEAD_BYTES: usize = 128 * 1024;

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text without its line end and without the `{12}` that announces a literal.
    Text(Bytes),
    Literal(Bytes),
    /// A literal of so many octets that was too large to be held.
    Dropped(u64),
    /// The same, handed on in pieces.
    Streamed(u64),
}

/// What becomes of a literal that is too large to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Drop,
    /// Up to [`limits::RECEIVED_BYTES_MAX`]; beyond, it is dropped.
    Stream,
}

/// One response: text, then alternating literals and text.
#[derive(Debug)]
pub(super) struct Frame {
    pub pieces: Vec<Piece>,
}

impl Frame {
    /// The text before the first literal.
    pub fn head(&self) -> &[u8] {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::Literal(_) | Piece::Dropped(_) | Piece::Streamed(_)) | None => b"",
        }
    }
}

#[derive(Debug)]
enum State {
    /// `scanned` octets are known to hold no line end.
    Line {
        scanned: usize,
    },
    Literal {
        size: usize,
    },
    Dropping {
        size: u64,
        missing: u64,
    },
    Streaming {
        size: u64,
        missing: u64,
    },
}

#[derive(Debug)]
pub(super) struct Reader {
    state: State,
    pieces: Vec<Piece>,
    /// Octets of literals held by `pieces`.
    held: u64,
    excess: Excess,
    /// Octets of the literal that is being handed on.
    streamed: VecDeque<Bytes>,
    shelf: Shelf,
}

impl Reader {
    pub fn new(excess: Excess) -> Self {
        Self {
            state: State::Line { scanned: 0 },
            pieces: Vec::new(),
            held: 0,
            excess,
            streamed: VecDeque::new(),
            shelf: Shelf::default(),
        }
    }

    /// Octets of a literal that is too large to be held, in their order. They belong to the response that comes next.
    pub fn next_streamed(&mut self) -> Option<Bytes> {
        self.streamed.pop_front()
    }

    /// The next complete response, or `None` when more input is needed.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, Cause> {
        loop {
            match self.state {
                State::Line { scanned } => {
                    let Some(line) = take_line(input, scanned)? else {
                        self.state = State::Line { scanned: input.len() };
                        return Ok(None);
                    };
                    self.state = State::Line { scanned: 0 };
                    if self.push_line(line)? {
                        self.held = 0;
                        return Ok(Some(Frame { pieces: std::mem::take(&mut self.pieces) }));
                    }
                }
                State::Literal { size } => {
                    if input.len() < size {
                        // Once, and with room for what the next read takes beyond it: nothing is moved later.
                        input.reserve(size - input.len() + READ_AHEAD_BYTES);
                        return Ok(None);
                    }
                    let literal = self.cut_out(input, size);
                    self.pieces.push(Piece::Literal(literal));
                    self.state = State::Line { scanned: 0 };
                }
                State::Dropping { size, missing } => {
                    let available = usize::try_from(missing).unwrap_or(usize::MAX).min(input.len());
                    drop(input.split_to(available));
                    let missing = missing - available as u64;
                    if missing > 0 {
                        self.state = State::Dropping { size, missing };
                        return Ok(None);
                    }
                    self.pieces.push(Piece::Dropped(size));
                    self.state = State::Line { scanned: 0 };
                }
                State::Streaming { size, missing } => {
                    let available = usize::try_from(missing).unwrap_or(usize::MAX).min(input.len());
                    if available > 0 {
                        self.streamed.push_back(input.split_to(available).freeze());
                    }
                    let missing = missing - available as u64;
                    if missing > 0 {
                        self.state = State::Streaming { size, missing };
                        return Ok(None);
                    }
                    self.pieces.push(Piece::Streamed(size));
                    self.state = State::Line { scanned: 0 };
                }
            }
        }
    }

    fn cut_out(&mut self, input: &mut BytesMut, size: usize) -> Bytes {
        if size > COPIED_BYTES_MAX {
            return input.split_to(size).freeze();
        }
        self.shelf.append(&input[..size]);
        input.advance(size);
        self.shelf.take()
    }

    /// Adds a line; true when it ends the response.
    fn push_line(&mut self, line: Bytes) -> Result<bool, Cause> {
        if self.pieces.len() >= limits::REPLY_LINES_MAX {
            return Err(Cause::LimitExceeded {
                what: "the number of pieces of one response".to_owned(),
                limit: limits::REPLY_LINES_MAX as u64,
            });
        }
        let first = match self.pieces.first() {
            Some(Piece::Text(first)) => first,
            Some(Piece::Literal(_) | Piece::Dropped(_) | Piece::Streamed(_)) | None => &line,
        };
        if !may_hold_literals(first) {
            self.pieces.push(Piece::Text(line));
            return Ok(true);
        }
        let Some((text_length, size)) = literal_announced(&line)? else {
            self.pieces.push(Piece::Text(line));
            return Ok(true);
        };
        self.pieces.push(Piece::Text(line.slice(..text_length)));
        self.state = self.expect_literal(size)?;
        Ok(false)
    }

    fn expect_literal(&mut self, size: u64) -> Result<State, Cause> {
        if size > limits::LITERAL_DROPPED_BYTES_MAX {
            return Err(Cause::LimitExceeded {
                what: "the size of a literal".to_owned(),
                limit: limits::LITERAL_DROPPED_BYTES_MAX,
            });
        }
        match (usize::try_from(size), self.excess) {
            (Ok(held), _) if self.held.saturating_add(size) <= limits::HELD_BYTES_MAX => {
                self.held += size;
                Ok(State::Literal { size: held })
            }
            (Ok(_) | Err(_), Excess::Stream) if size <= limits::RECEIVED_BYTES_MAX => {
                Ok(State::Streaming { size, missing: size })
            }
            (Ok(_) | Err(_), Excess::Stream | Excess::Drop) => Ok(State::Dropping { size, missing: size }),
        }
    }
}

/// Literals up to here are copied out of the buffer, which then stays one. Larger ones are split off.
const COPIED_BYTES_MAX: usize = 256 * 1024;

/// Splits off a line without its line end; a bare LF is accepted.
fn take_line(input: &mut BytesMut, scanned: usize) -> Result<Option<Bytes>, Cause> {
    let end = input.get(scanned..).and_then(|rest| memchr::memchr(b'\n', rest));
    let length = end.map_or(input.len(), |position| scanned + position);
    if length > limits::REPLY_LINE_BYTES_MAX {
        return Err(Cause::LimitExceeded {
            what: "the length of a line".to_owned(),
            limit: limits::REPLY_LINE_BYTES_MAX as u64,
        });
    }
    if end.is_none() {
        return Ok(None);
    }
    let text = &input[..length];
    let line = Bytes::copy_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
    input.advance(length + 1);
    Ok(Some(line))
}

/// Only data responses hold literals; the free text of `* OK done {5}` may end like one.
fn may_hold_literals(first_line: &[u8]) -> bool {
    let Some(rest) = first_line.strip_prefix(b"* ") else {
        return false;
    };
    let word = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
    ![&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"].iter().any(|status| word.eq_ignore_ascii_case(status))
}

/// The length of the text before `{12}`, `{12+}` or `~{12}` at the end of a line, and the number of octets.
fn literal_announced(line: &[u8]) -> Result<Option<(usize, u64)>, Cause> {
    let Some(inner) = line.strip_suffix(b"}") else {
        return Ok(None);
    };
    let Some(brace) = inner.iter().rposition(|byte| *byte == b'{') else {
        return Ok(None);
    };
    let digits = &inner[brace + 1..];
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let size = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
    let Some(size) = size else {
        let said = server_words(&String::from_utf8_lossy(line));
        return Err(Cause::Garbage { detail: format!("a literal of an impossible size: `{said}`") });
    };
    let text = line[..brace].strip_suffix(b"~").unwrap_or(&line[..brace]);
    Ok(Some((text.len(), size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8], step: usize) -> Vec<Vec<Piece>> {
        let (mut reader, mut input, mut frames) = (Reader::new(Excess::Drop), BytesMut::new(), Vec::new());
        for chunk in bytes.chunks(step) {
            input.extend_from_slice(chunk);
            while let Some(frame) = reader.next(&mut input).unwrap() {
                frames.push(frame.pieces);
            }
        }
        frames
    }

    fn text(text: &str) -> Piece {
        Piece::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn literals_are_cut_out_wherever_the_reads_end() {
        let bytes = b"* 1 FETCH (BODY[] {4}\r\na\r\nb UID 7 X ~{2+}\r\n\0} Y {0}\r\n)\r\n* OK text {9}\r\nA1 OK {3}\n";
        let expected = vec![
            vec![
                text("* 1 FETCH (BODY[] "),
                Piece::Literal(Bytes::from_static(b"a\r\nb")),
                text(" UID 7 X "),
                Piece::Literal(Bytes::from_static(b"\0}")),
                text(" Y "),
                Piece::Literal(Bytes::new()),
                text(")"),
            ],
            vec![text("* OK text {9}")],
            vec![text("A1 OK {3}")],
        ];
        for step in 1..bytes.len() {
            assert_eq!(frames(bytes, step), expected, "reads of {step}");
        }
    }

    #[test]
    fn a_literal_above_the_limit_is_dropped_while_it_is_read() {
        let size = limits::HELD_BYTES_MAX + 1;
        let (mut reader, mut input) = (Reader::new(Excess::Drop), BytesMut::new());
        input.extend_from_slice(format!("* 1 FETCH (BODY[] {{{size}}}\r\n").as_bytes());
        let chunk = vec![b'x'; 1 << 20];
        let mut sent = 0;
        while sent < size {
            let length = (size - sent).min(chunk.len() as u64);
            input.extend_from_slice(&chunk[..usize::try_from(length).unwrap()]);
            assert!(reader.next(&mut input).unwrap().is_none());
            assert!(input.is_empty());
            sent += length;
        }
        input.extend_from_slice(b")\r\n");
        let frame = reader.next(&mut input).unwrap().unwrap();
        assert_eq!(frame.pieces, [text("* 1 FETCH (BODY[] "), Piece::Dropped(size), text(")")]);
    }

    #[test]
    fn a_literal_above_the_limit_is_handed_on_while_it_is_read() {
        let size = limits::HELD_BYTES_MAX + 7;
        let (mut reader, mut input) = (Reader::new(Excess::Stream), BytesMut::new());
        input.extend_from_slice(format!("* 1 FETCH (BODY[] {{{size}}}\r\n").as_bytes());
        let (mut sent, mut handed) = (0, 0);
        while sent < size {
            let length = (size - sent).min(1 << 20);
            input.extend_from_slice(&vec![b'x'; usize::try_from(length).unwrap()]);
            assert!(reader.next(&mut input).unwrap().is_none());
            assert!(input.is_empty());
            handed += std::iter::from_fn(|| reader.next_streamed()).map(|piece| piece.len()).sum::<usize>();
            sent += length;
        }
        assert_eq!(handed as u64, size);
        input.extend_from_slice(b" UID 7)\r\n");
        let frame = reader.next(&mut input).unwrap().unwrap();
        assert_eq!(frame.pieces, [text("* 1 FETCH (BODY[] "), Piece::Streamed(size), text(" UID 7)")]);
        let mut input = BytesMut::from(&b"* 1 FETCH (BODY[] {2000000000}\r\nx"[..]);
        assert!(reader.next(&mut input).unwrap().is_none());
        assert!(reader.next_streamed().is_none(), "beyond what is received at all, nothing is kept");
    }

    #[test]
    fn endless_lines_and_impossible_literals_are_errors() {
        let mut input = BytesMut::from(&vec![b'x'; limits::REPLY_LINE_BYTES_MAX + 1][..]);
        assert!(matches!(Reader::new(Excess::Drop).next(&mut input), Err(Cause::LimitExceeded { .. })));
        let mut input = BytesMut::from(&b"* 1 FETCH (BODY[] {99999999999999999999999}\r\n"[..]);
        assert!(matches!(Reader::new(Excess::Drop).next(&mut input), Err(Cause::Garbage { .. })));
        let mut input = BytesMut::from(&b"* 1 FETCH (BODY[] {9999999999999}\r\n"[..]);
        assert!(matches!(Reader::new(Excess::Drop).next(&mut input), Err(Cause::LimitExceeded { .. })));
    }
}
