//! One FETCH response (RFC 3501 section 7.4.2): the items that we ask for, leniently; all others are stepped over.
//!
//! A line that breaks the grammar keeps what was understood before, so that one broken message does not hide its
//! neighbours.

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::cursor::Part;

use super::reader::{Frame, Piece};
use super::response::number;

/// What one FETCH response says about the message of that sequence number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FetchLine {
    pub sequence: u32,
    pub uid: Option<u32>,
    /// INTERNALDATE; `None` also when it is no date.
    pub received: Option<Timestamp>,
    /// RFC822.SIZE, a hint.
    pub size: Option<u64>,
    pub whole: Option<Body>,
    pub headers: Option<Body>,
    /// The line could not be read to its end.
    pub broken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Bytes(Bytes),
    /// The server says that there is none.
    Nil,
    /// Octets that were handed on before.
    Streamed(u64),
    /// Octets that were not kept.
    TooLarge(u64),
}

enum Value {
    Nil,
    Atom(Vec<u8>),
    Bytes(Bytes),
    Streamed(u64),
    TooLarge(u64),
    List,
}

impl FetchLine {
    pub fn parse(sequence: u32, frame: &Frame) -> Self {
        let mut line = Self { sequence, ..Self::default() };
        let mut scan = Scan { pieces: &frame.pieces, offset: 0 };
        line.broken = line.read_items(&mut scan).is_none();
        line
    }

    /// `None` when the line does not follow the grammar.
    fn read_items(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        while scan.peek()? != b'(' {
            scan.offset += 1;
        }
        scan.offset += 1;
        loop {
            scan.skip_blanks();
            if scan.peek()? == b')' {
                return Some(());
            }
            let name = scan.item_name()?;
            scan.skip_blanks();
            let value = scan.value()?;
            self.note(&name, value);
        }
    }

    fn note(&mut self, name: &str, value: Value) {
        match name {
            "UID" => self.uid = value.number().filter(|uid| *uid > 0).or(self.uid),
            "RFC822.SIZE" => self.size = value.number().or(self.size),
            "INTERNALDATE" => self.received = value.timestamp().or(self.received),
            "BODY[]" | "BINARY[]" | "RFC822" => self.whole = value.body(),
            "BODY[HEADER]" | "RFC822.HEADER" => self.headers = value.body(),
            _ => {}
        }
    }

    pub fn body(self, part: Part) -> Option<Body> {
        match part {
            Part::Whole => self.whole,
            Part::Headers => self.headers,
        }
    }
}

impl Value {
    fn number<N: std::str::FromStr>(&self) -> Option<N> {
        match self {
            Self::Atom(text) => number(text),
            Self::Nil | Self::Bytes(_) | Self::Streamed(_) | Self::TooLarge(_) | Self::List => None,
        }
    }

    /// `"17-Jul-1996 02:44:25 -0700"`, the day with a blank or a zero before a single digit.
    fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Bytes(text) => {
                let text = std::str::from_utf8(text).ok()?;
                Timestamp::strptime("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()
            }
            Self::Nil | Self::Atom(_) | Self::Streamed(_) | Self::TooLarge(_) | Self::List => None,
        }
    }

    fn body(self) -> Option<Body> {
        match self {
            Self::Nil => Some(Body::Nil),
            Self::Bytes(bytes) => Some(Body::Bytes(bytes)),
            Self::Streamed(size) => Some(Body::Streamed(size)),
            Self::TooLarge(size) => Some(Body::TooLarge(size)),
            Self::Atom(_) | Self::List => None,
        }
    }
}

/// A position in a response. Every text ends where a literal begins.
struct Scan<'a> {
    pieces: &'a [Piece],
    offset: usize,
}

impl Scan<'_> {
    fn text(&self) -> Option<&Bytes> {
        match self.pieces.first()? {
            Piece::Text(text) => Some(text),
            Piece::Literal(_) | Piece::Dropped(_) | Piece::Streamed(_) => None,
        }
    }

    /// The next octet of the text; `None` at its end.
    fn peek(&self) -> Option<u8> {
        self.text()?.get(self.offset).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.offset += 1;
        }
    }

    /// `UID`, `BODY[HEADER.FIELDS (DATE)]<0>`: in upper case, up to the blank before the value.
    fn item_name(&mut self) -> Option<String> {
        let (start, mut inside_section) = (self.offset, false);
        loop {
            match self.peek() {
                Some(b'[') => inside_section = true,
                Some(b']') => inside_section = false,
                Some(b' ' | b'(' | b')') if !inside_section => break,
                Some(_) => {}
                // `BODY[]{5}` without a blank; a section that a literal interrupts is not one that we asked for.
                None if !inside_section && self.offset > start => break,
                None => return None,
            }
            self.offset += 1;
        }
        let name = self.text()?.get(start..self.offset)?;
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).to_ascii_uppercase())
    }

    fn value(&mut self) -> Option<Value> {
        match self.peek() {
            None => self.literal(),
            Some(b'"') => self.quoted().map(Value::Bytes),
            Some(b'(') => self.skip_list(),
            Some(b')') => None,
            Some(_) => {
                let atom = self.atom()?;
                Some(if atom.eq_ignore_ascii_case(b"NIL") { Value::Nil } else { Value::Atom(atom) })
            }
        }
    }

    fn literal(&mut self) -> Option<Value> {
        let value = match self.pieces.get(1)? {
            Piece::Literal(bytes) => Value::Bytes(bytes.clone()),
            Piece::Dropped(size) => Value::TooLarge(*size),
            Piece::Streamed(size) => Value::Streamed(*size),
            Piece::Text(_) => return None,
        };
        self.pieces = self.pieces.get(2..)?;
        self.offset = 0;
        Some(value)
    }

    fn quoted(&mut self) -> Option<Bytes> {
        self.offset += 1;
        let mut bytes = Vec::new();
        loop {
            let byte = self.peek()?;
            self.offset += 1;
            match byte {
                b'"' => return Some(Bytes::from(bytes)),
                b'\\' => {
                    bytes.push(self.peek()?);
                    self.offset += 1;
                }
                other => bytes.push(other),
            }
        }
    }

    fn atom(&mut self) -> Option<Vec<u8>> {
        let start = self.offset;
        while self.peek().is_some_and(|byte| !b" ()".contains(&byte)) {
            self.offset += 1;
        }
        self.text()?.get(start..self.offset).map(<[u8]>::to_vec)
    }

    /// Steps over a list of any depth, without recursion.
    fn skip_list(&mut self) -> Option<Value> {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'(') => {
                    depth += 1;
                    self.offset += 1;
                }
                Some(b')') => {
                    depth -= 1;
                    self.offset += 1;
                }
                Some(b'"') => drop(self.quoted()?),
                Some(_) => self.offset += 1,
                None => drop(self.literal()?),
            }
            if depth == 0 {
                return Some(Value::List);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::reader::{Excess, Reader};
    use super::*;

    fn parse(response: &[u8]) -> FetchLine {
        let frame = Reader::new(Excess::Drop).next(&mut BytesMut::from(response)).unwrap().unwrap();
        FetchLine::parse(5, &frame)
    }

    fn bytes(text: &'static [u8]) -> Option<Body> {
        Some(Body::Bytes(Bytes::from_static(text)))
    }

    #[test]
    fn items_come_in_any_order_and_unknown_ones_are_stepped_over() {
        let line = parse(
            b"* 5 FETCH (FLAGS (\\Seen $x) ENVELOPE (\"a)\\\"\" {3}\r\n)((((NIL NIL))) X-GM-LABELS (\"\\\\Inbox\") \
            BODY[HEADER.FIELDS (DATE FROM)] {2}\r\nno MODSEQ (12) rfc822.size 33 BODY[] {4}\r\n\0\"( \
            InternalDate \" 7-Jul-1996 02:44:25 -0700\" UID 105)\r\n",
        );
        assert!(!line.broken);
        assert_eq!((line.uid, line.size), (Some(105), Some(33)));
        assert_eq!(line.received.unwrap().to_string(), "1996-07-07T09:44:25Z");
        assert_eq!((line.whole, line.headers), (bytes(b"\0\"( "), None));
    }

    #[test]
    fn a_body_is_a_literal_a_quoted_string_or_nil() {
        assert_eq!(parse(b"* 5 FETCH (BODY[] \"a\\\"b\" UID 1)\r\n").whole, bytes(b"a\"b"));
        assert_eq!(parse(b"* 5 FETCH (UID 1 BODY[HEADER] ~{2}\r\n\0b)\r\n").headers, bytes(b"\0b"));
        assert_eq!(parse(b"* 5 FETCH (UID 1 BODY[]{1}\r\nb)\r\n").whole, bytes(b"b"));
        assert_eq!(parse(b"* 5 FETCH (UID 1 RFC822 nil )\r\n").whole, Some(Body::Nil));
    }

    #[test]
    fn a_broken_line_keeps_what_was_understood() {
        for broken in [
            &b"* 5 FETCH (UID 7 BODY[] \"open)\r\n"[..],
            b"* 5 FETCH (UID 7 FLAGS ((a)\r\n",
            b"* 5 FETCH (UID 7\r\n",
            b"* 5 FETCH (UID 7 BODY[\r\n",
            b"* 5 FETCH (UID 7 X )\r\n",
        ] {
            let line = parse(broken);
            assert!(line.broken, "{}", String::from_utf8_lossy(broken));
            assert_eq!(line.uid, Some(7));
        }
        assert!(parse(b"* 5 FETCH\r\n").broken);
        assert!(parse(b"* 5 FETCH ()\r\n").uid.is_none());
    }

    #[test]
    fn impossible_numbers_and_dates_are_unknown_ones() {
        let line = parse(
            b"* 5 FETCH (UID 0 RFC822.SIZE -1 INTERNALDATE \"yesterday\" UID 99999999999 UID 8 RFC822.SIZE x)\r\n",
        );
        assert_eq!((line.uid, line.size, line.received, line.broken), (Some(8), None, None, false));
    }

    #[test]
    fn a_body_that_was_dropped_is_too_large() {
        let text = |text: &'static str| Piece::Text(Bytes::from_static(text.as_bytes()));
        let pieces = vec![text("* 5 FETCH (BODY[] "), Piece::Dropped(1 << 40), text(" UID 6)")];
        let line = FetchLine::parse(5, &Frame { pieces });
        assert_eq!((line.uid, line.whole), (Some(6), Some(Body::TooLarge(1 << 40))));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in "(\\* 1 FETCH \\()?[ ()<>\\[\\]\"\\\\{}~+0-9A-Z*\r\n\\x00]{0,120}") {
            let (mut reader, mut input) = (Reader::new(Excess::Drop), BytesMut::from(bytes.as_bytes()));
            while let Ok(Some(frame)) = reader.next(&mut input) {
                let _ = super::super::response::Response::parse(&frame);
            }
        }
    }
}
