//! A message on its way in: dots unstuffed as the bytes arrive (RFC 1939 section 3).
//!
//! Where the server ends its own lines with CRLF, only CRLF ends a line of a message, and a lone LF in it stays what it is: were it
//! taken for a line end, whoever writes `LF . CRLF` into a message would end it there, and what follows would be read as the server's
//! next answers. Where the server sends bare LF itself, line ends are made CRLF.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::super::shelf::Shelf;
use super::reply::{LineEnd, find_line_feed};
use crate::model::failure::Cause;
use crate::model::limits;

/// A message that is longer than it may be is read on to its end and forgotten, up to this multiple of the limit: the
/// next message is then where it is expected.
const SKIPPED_LIMITS_MAX: u64 = 4;

/// What becomes of octets beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// The message is useless without them.
    Reject,
    /// What came before is all that is wanted.
    Drop,
    /// Everything is handed on in pieces, up to [`limits::RECEIVED_BYTES_MAX`].
    Stream,
}

/// Collects one message.
#[derive(Debug)]
pub(super) struct Body {
    shelf: Shelf,
    /// All octets, the forgotten ones included.
    count: u64,
    limit: u64,
    excess: Excess,
    place: Place,
    ends: LineEnd,
    /// What was handed on of a message beyond the limit.
    pieces: VecDeque<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    InLine,
}

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arrived {
    Whole(Bytes),
    /// So many octets, which were handed on in pieces.
    Streamed(u64),
    /// It had this many octets.
    TooLarge(u64),
}

impl Body {
    pub fn new(limit: u64, excess: Excess) -> Self {
        let (shelf, pieces) = (Shelf::default(), VecDeque::new());
        Self { shelf, count: 0, limit, excess, place: Place::LineStart, ends: LineEnd::CrLf, pieces }
    }

    /// How the server ends its lines, before the first octet of a message.
    pub fn expect(&mut self, ends: LineEnd) {
        self.ends = ends;
    }

    /// Ready for the next message, with the memory of this one.
    fn begin_anew(&mut self) {
        self.shelf.clear();
        self.count = 0;
        self.place = Place::LineStart;
    }

    /// Octets of a message beyond the limit, in their order.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        self.pieces.pop_front()
    }

    /// Takes what it can of the input. `None`: the message goes on.
    pub fn take(&mut self, input: &mut BytesMut) -> Result<Option<Arrived>, Cause> {
        loop {
            match self.place {
                Place::LineStart => match begin_line(input, self.ends) {
                    LineBegin::Unclear => return Ok(None),
                    LineBegin::Terminator(length) => {
                        input.advance(length);
                        let arrived = self.arrived();
                        self.begin_anew();
                        return Ok(Some(arrived));
                    }
                    LineBegin::Stuffed => {
                        input.advance(1);
                        self.place = Place::InLine;
                    }
                    LineBegin::Text => self.place = Place::InLine,
                },
                Place::InLine => {
                    let is_line_start = match self.ends {
                        LineEnd::CrLf => self.take_lines(input)?,
                        LineEnd::Lf => self.mend_lines(input)?,
                    };
                    match is_line_start {
                        Some(()) => self.place = Place::LineStart,
                        None => return Ok(None),
                    }
                }
            }
        }
    }

    /// Takes lines that end with CRLF, up to one that begins with a dot. `None`: the last one is not complete.
    fn take_lines(&mut self, input: &mut BytesMut) -> Result<Option<()>, Cause> {
        loop {
            let block = &input[..input.len().min(BLOCK_BYTES)];
            let is_last = block.len() == input.len();
            let (end, is_line_start) = match memchr::memmem::find(block, b"\r\n.") {
                Some(before_dot) => (before_dot + 2, Some(())),
                None if is_last && block.ends_with(b"\r\n") => (block.len(), Some(())),
                // A CR at the end may belong to a line end whose LF is still on its way.
                None if is_last => (block.len() - usize::from(block.ends_with(b"\r")), None),
                // What is looked for may stand across the border.
                None => (block.len() - 2, None),
            };
            self.keep(&input[..end])?;
            input.advance(end);
            if is_last || is_line_start.is_some() {
                return Ok(is_line_start);
            }
        }
    }

    /// Takes one line or several, each of which then ends with CRLF. `None`: the last one is not complete.
    fn mend_lines(&mut self, input: &mut BytesMut) -> Result<Option<()>, Cause> {
        match (proper_lines(input), find_line_feed(input)) {
            (Some(end), _) => {
                self.keep(&input[..end])?;
                input.advance(end);
                Ok(Some(()))
            }
            (None, Some(end)) => {
                let line = &input[..end];
                self.keep(line.strip_suffix(b"\r").unwrap_or(line))?;
                self.keep(b"\r\n")?;
                input.advance(end + 1);
                Ok(Some(()))
            }
            (None, None) => {
                // A CR at the end may belong to a line end whose LF is still on its way.
                let piece = input.len() - usize::from(input.ends_with(b"\r"));
                self.keep(&input[..piece])?;
                input.advance(piece);
                Ok(None)
            }
        }
    }

    fn keep(&mut self, octets: &[u8]) -> Result<(), Cause> {
        self.count += octets.len() as u64;
        match self.excess {
            Excess::Stream if self.count <= limits::RECEIVED_BYTES_MAX => {
                self.shelf.append(octets);
                if self.count > self.limit && self.shelf.bytes() >= limits::PIECE_BYTES {
                    self.pieces.push_back(self.shelf.take());
                }
                return Ok(());
            }
            Excess::Reject if self.count <= self.limit => {
                self.shelf.append(octets);
                return Ok(());
            }
            Excess::Reject | Excess::Stream => self.shelf.clear(),
            Excess::Drop => {
                let room = self.limit.saturating_sub(self.shelf.bytes() as u64);
                let room = usize::try_from(room).unwrap_or(usize::MAX);
                self.shelf.append(&octets[..octets.len().min(room)]);
            }
        }
        let skipped_max = limits::RECEIVED_BYTES_MAX * SKIPPED_LIMITS_MAX;
        if self.count > skipped_max {
            return Err(Cause::LimitExceeded { what: "a message".to_owned(), limit: skipped_max });
        }
        Ok(())
    }

    fn arrived(&mut self) -> Arrived {
        match self.excess {
            Excess::Stream if self.count > limits::RECEIVED_BYTES_MAX => Arrived::TooLarge(self.count),
            Excess::Stream if self.count > self.limit => {
                self.pieces.push_back(self.shelf.take());
                Arrived::Streamed(self.count)
            }
            Excess::Reject if self.count > self.limit => Arrived::TooLarge(self.count),
            Excess::Stream | Excess::Reject | Excess::Drop => Arrived::Whole(self.shelf.take()),
        }
    }
}

/// Looked at in one go.
const BLOCK_BYTES: usize = 16 * 1024;

/// The end of the lines that stand as they are, beginning inside a line: each ends with CRLF, and no further one begins
/// with a dot. `None`: not even one does. They are found and copied in one go, because there are hundreds in a message.
fn proper_lines(input: &[u8]) -> Option<usize> {
    let block = &input[..input.len().min(BLOCK_BYTES)];
    let last = match memchr::memmem::find(block, b"\n.") {
        Some(before_dot) => before_dot,
        None => memchr::memrchr(b'\n', block)?,
    };
    let lines = &block[..=last];
    if !has_bare_line_feed(lines) {
        return Some(lines.len());
    }
    let is_bare = |at: &usize| at.checked_sub(1).and_then(|before| lines.get(before)) != Some(&b'\r');
    let bare = memchr::memchr_iter(b'\n', lines).find(is_bare)?;
    memchr::memrchr(b'\n', &lines[..bare]).map(|end| end + 1)
}

/// Written so that the compiler looks at many octets at a time.
fn has_bare_line_feed(lines: &[u8]) -> bool {
    let bare = lines.iter().zip(lines.get(1..).unwrap_or_default());
    let bare =
        bare.fold(0, |found, (before, octet)| found | u8::from((*octet == b'\n') & (*before != b'\r')));
    bare != 0 || lines.first() == Some(&b'\n')
}

enum LineBegin {
    /// More bytes decide.
    Unclear,
    /// The line with a single dot, with its length.
    Terminator(usize),
    /// A dot that the server has put there.
    Stuffed,
    Text,
}

fn begin_line(input: &[u8], ends: LineEnd) -> LineBegin {
    match (input, ends) {
        ([] | [b'.'] | [b'.', b'\r'], _) => LineBegin::Unclear,
        ([b'.', b'\n', ..], LineEnd::Lf) => LineBegin::Terminator(2),
        ([b'.', b'\r', b'\n', ..], _) => LineBegin::Terminator(3),
        ([b'.', ..], _) => LineBegin::Stuffed,
        (_, _) => LineBegin::Text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds the wire in pieces; what arrives, and what is left.
    fn read(wire: &[u8], piece: usize, mut body: Body) -> (Option<Arrived>, Vec<u8>) {
        let mut input = BytesMut::new();
        let mut pieces = wire.chunks(piece);
        for piece in pieces.by_ref() {
            input.extend_from_slice(piece);
            if let Some(arrived) = body.take(&mut input).unwrap() {
                let rest: Vec<u8> = pieces.flatten().copied().collect();
                return (Some(arrived), [&input[..], &rest].concat());
            }
        }
        (None, input.to_vec())
    }

    fn whole(text: &'static [u8]) -> Option<Arrived> {
        Some(Arrived::Whole(Bytes::from_static(text)))
    }

    fn unlimited() -> Body {
        Body::new(limits::HELD_BYTES_MAX, Excess::Reject)
    }

    fn of_lf_server() -> Body {
        let mut body = unlimited();
        body.expect(LineEnd::Lf);
        body
    }

    /// Wherever a read ends.
    fn comes_out(wire: &[u8], message: &'static [u8], body: impl Fn() -> Body) {
        for piece in 1..=wire.len() {
            let with_next = [wire, b"+OK next"].concat();
            let (arrived, left) = read(&with_next, piece, body());
            assert_eq!(arrived, whole(message), "{}", wire.escape_ascii());
            assert_eq!(left, b"+OK next");
        }
    }

    #[test]
    fn dots_are_unstuffed_wherever_a_read_ends() {
        let cases: [(&[u8], &'static [u8]); 5] = [
            (b".\r\n", b""),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"..a\r\nb.\r\n...\r\n.\r\n", b".a\r\nb.\r\n..\r\n"),
            (b"a\rb\r\r\n.\r\n", b"a\rb\r\r\n"),
            (b".\rx\r\n.\r\n", b"\rx\r\n"),
        ];
        for (wire, message) in cases {
            comes_out(wire, message, unlimited);
            comes_out(wire, message, of_lf_server);
        }
    }

    #[test]
    fn a_server_that_sends_bare_lf_has_its_lines_mended() {
        comes_out(b"a\n.\n", b"a\r\n", of_lf_server);
        comes_out(b"\r\n\n.\r\n", b"\r\n\r\n", of_lf_server);
    }

    /// Whoever writes a message cannot end it for us, and what it holds is recorded as it is.
    #[test]
    fn a_lone_lf_ends_no_line_of_a_server_that_sends_crlf() {
        comes_out(b"a\n.\r\n.\r\n", b"a\n.\r\n", unlimited);
        comes_out(b"a\n.\n+OK\nforged\n\r\n..\n\r\n.\r\n", b"a\n.\n+OK\nforged\n\r\n.\n\r\n", unlimited);
        comes_out(b"\n.\r\n.\r\n", b"\n.\r\n", unlimited);
    }

    #[test]
    fn a_line_end_is_found_across_the_border_of_what_is_looked_at_in_one_go() {
        for length in BLOCK_BYTES - 4..BLOCK_BYTES + 2 {
            let message = [&b"x".repeat(length)[..], b"\r\n.\r\nend\n"].concat();
            let wire = [&b"x".repeat(length)[..], b"\r\n..\r\nend\n\r\n.\r\n"].concat();
            let (arrived, left) = read(&wire, wire.len(), unlimited());
            let expected = [&message[..], b"\r\n"].concat();
            assert_eq!((arrived, left.len()), (Some(Arrived::Whole(expected.into())), 0), "{length}");
        }
    }

    #[test]
    fn a_long_line_leaves_the_buffer_as_it_arrives() {
        let mut body = unlimited();
        let mut input = BytesMut::from(&vec![b'x'; 1 << 20][..]);
        assert_eq!(body.take(&mut input), Ok(None));
        assert!(input.is_empty(), "nothing is left that would be searched again");
    }

    #[test]
    fn a_message_beyond_the_limit_is_handed_on_as_it_arrives() {
        let line = [&b"x".repeat(998)[..], b"\r\n"].concat();
        let message = line.repeat(2 * limits::PIECE_BYTES / 1000 + 5);
        let mut body = Body::new(3000, Excess::Stream);
        let mut input = BytesMut::from(&[&message[..], b".\r\n+OK"].concat()[..]);
        assert_eq!(body.take(&mut input), Ok(Some(Arrived::Streamed(message.len() as u64))));
        assert_eq!(&input[..], b"+OK");
        let pieces: Vec<Bytes> = std::iter::from_fn(|| body.next_piece()).collect();
        assert_eq!(pieces.concat(), message);
        let mut short = Body::new(3000, Excess::Stream);
        let mut input = BytesMut::from(&b"a\r\n.\r\n"[..]);
        assert_eq!(short.take(&mut input), Ok(whole(b"a\r\n")));
    }

    #[test]
    fn a_message_beyond_the_limit_is_read_to_its_end() {
        let wire = b"0123456789\r\n0123456789\r\n.\r\n+OK";
        let (arrived, left) = read(wire, 5, Body::new(20, Excess::Reject));
        assert_eq!(arrived, Some(Arrived::TooLarge(24)));
        assert_eq!(left, b"+OK");
        for piece in 1..9 {
            let (arrived, _) = read(wire, piece, Body::new(20, Excess::Drop));
            assert_eq!(
                arrived,
                whole(b"0123456789\r\n01234567"),
                "cut at the same octet wherever a read ends"
            );
        }
    }

    /// What [`proper_lines`] means, line by line.
    fn proper_lines_one_by_one(input: &[u8]) -> Option<usize> {
        let mut end = 0;
        while let Some(position) = find_line_feed(&input[end..]) {
            let at = end + position;
            if at.checked_sub(1).and_then(|before| input.get(before)) != Some(&b'\r') {
                break;
            }
            end = at + 1;
            if matches!(input.get(end), None | Some(b'.')) {
                break;
            }
        }
        (end > 0).then_some(end)
    }

    proptest! {
        #[test]
        fn lines_are_found_together_as_one_by_one(input in "[.a\r\n]{0,12}(\r\n[.a]{0,3}){0,4}[.\r\n]{0,2}") {
            prop_assert_eq!(proper_lines(input.as_bytes()), proper_lines_one_by_one(input.as_bytes()));
        }

        #[test]
        fn what_a_server_stuffs_comes_out_as_it_was(lines in prop::collection::vec("[.a\r\n]{0,4}", 0..6), piece in 1..9_usize) {
            // A CR before a LF would make another line of it.
            let without_cr = |line: &String| if line.contains('\n') { line.replace('\r', "") } else { line.clone() };
            let lines: Vec<String> = lines.iter().map(without_cr).collect();
            let message: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
            let stuffed = |line: &String| format!("{}{line}\r\n", if line.starts_with('.') { "." } else { "" });
            let wire: String = lines.iter().map(stuffed).chain([".\r\n".to_owned()]).collect();
            let (arrived, left) = read(wire.as_bytes(), piece, unlimited());
            prop_assert_eq!(arrived, Some(Arrived::Whole(message.into())));
            prop_assert!(left.is_empty());
        }
    }
}
