//! Where the parts of a message are (RFC 2046 section 5.1).
//!
//! A delimiter counts only at the beginning of a line and only as a whole, so that a boundary may begin like another one; the
//! delimiter of an outer multipart ends every inner one that was never closed.

use std::collections::BTreeMap;
use std::ops::Range;

use super::behind;
use super::decode;
use super::fields::{Disposition, Fields};
use crate::model::limits;

/// One part: its place in the raw message and what its header says.
#[derive(Debug)]
pub(super) struct Part {
    pub header: Range<usize>,
    /// Its encoded octets.
    pub body: Range<usize>,
    pub fields: Fields,
    pub shape: Shape,
    /// The multipart that it is in. `None`: it is the message itself.
    pub parent: Option<usize>,
    /// The innermost multipart/alternative that it is in.
    pub alternative: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Multipart,
    Leaf,
}

/// All parts of a message in their order, each multipart before what is in it.
#[derive(Debug, Default)]
pub(super) struct Structure {
    pub parts: Vec<Part>,
    /// What was not taken apart, in words.
    pub notes: Vec<String>,
}

/// A part that is not the text of its message, as the record lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    pub name: Option<String>,
    pub media_type: String,
    /// Its encoded octets in the raw message.
    pub place: Range<usize>,
    /// Size after decoding.
    pub bytes: u64,
}

/// What is attached to a message. A nested message is one attachment.
pub fn attached(raw: &[u8]) -> Vec<Attached> {
    let structure = split(raw);
    let attachments = structure.attachments().map(|part| Attached {
        name: part.fields.name.clone(),
        media_type: part.fields.media_type.clone(),
        bytes: decode::length(part.fields.encoding, &raw[part.body.clone()]),
        place: part.body.clone(),
    });
    attachments.collect()
}

impl Structure {
    /// The leaves that a person reads as the message's text.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.is_text())
    }

    pub(super) fn attachments(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.shape == Shape::Leaf && !part.is_text() && !part.is_nothing())
    }
}

impl Part {
    fn is_text(&self) -> bool {
        self.shape == Shape::Leaf
            && matches!(self.fields.media_type.as_str(), "text/plain" | "text/html")
            && self.fields.disposition != Disposition::Attachment
            // A message that is nothing but a text has it as its text, whatever it is called.
            && (self.fields.name.is_none() || self.parent.is_none())
    }

    /// Neither a header nor a body: what a doubled delimiter leaves behind.
    fn is_nothing(&self) -> bool {
        self.parent.is_some() && self.header.is_empty() && self.body.is_empty()
    }
}

/// Takes a message apart.
pub(super) fn split(raw: &[u8]) -> Structure {
    let mut splitter = Splitter {
        raw,
        found: Structure::default(),
        open: Vec::new(),
        boundaries: BTreeMap::new(),
        at: At::Header { start: 0 },
    };
    let mut position = 0;
    while position < raw.len() {
        let next = behind(b'\n', raw, position);
        if splitter.line(position..next) == Onward::Stop {
            break;
        }
        position = match splitter.at {
            At::Header { .. } => next,
            At::Body | At::Between => next_dashes(raw, next),
        };
    }
    splitter.finish()
}

/// The beginning of the next line that may be a delimiter, or the end. Between two of them most octets are base64, in which
/// there are no dashes, so that this is faster than looking at every line.
fn next_dashes(raw: &[u8], line_start: usize) -> usize {
    let begins_line = |at: usize| at == line_start || raw.get(at.wrapping_sub(1)) == Some(&b'\n');
    let dashes = memchr::memchr_iter(b'-', raw.get(line_start..).unwrap_or_default());
    dashes.map(|at| line_start + at).find(|at| begins_line(*at)).unwrap_or(raw.len())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onward {
    Go,
    Stop,
}

enum At {
    Header {
        start: usize,
    },
    /// In the body of the last part.
    Body,
    /// Before the first delimiter of a multipart, or behind its last one.
    Between,
}

/// A multipart that has begun and not ended.
struct Open {
    part: usize,
    boundary: Vec<u8>,
    /// The outer one with the same boundary, which cannot be told from it until this one ends.
    shadowed: Option<usize>,
}

enum Delimiter {
    /// Another part of this open multipart begins.
    Next(usize),
    /// It ends.
    Last(usize),
}

struct Splitter<'a> {
    raw: &'a [u8],
    found: Structure,
    open: Vec<Open>,
    /// Boundary → its place in `open`.
    boundaries: BTreeMap<Vec<u8>, usize>,
    at: At,
}

impl Splitter<'_> {
    fn line(&mut self, place: Range<usize>) -> Onward {
        let line = &self.raw[place.clone()];
        if let Some(delimiter) = self.delimiter(line) {
            return self.delimit(&delimiter, place);
        }
        if let At::Header { start } = self.at
            && matches!(line, b"\r\n" | b"\n")
        {
            self.header_ends(start..place.start, place.end);
            // Nothing but a delimiter ends a body, and there are none.
            if self.open.is_empty() {
                return Onward::Stop;
            }
        }
        Onward::Go
    }

    fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        if self.open.is_empty() {
            return None;
        }
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        if let Some(open) = self.boundaries.get(text) {
            return Some(Delimiter::Next(*open));
        }
        self.boundaries.get(text.strip_suffix(b"--")?).map(|open| Delimiter::Last(*open))
    }

    fn delimit(&mut self, delimiter: &Delimiter, line: Range<usize>) -> Onward {
        // The line end before a delimiter belongs to it.
        let end = match &self.raw[..line.start] {
            [.., b'\r', b'\n'] => line.start - 2,
            [.., b'\n'] => line.start - 1,
            _ => line.start,
        };
        self.part_ends(line.start, end);
        match delimiter {
            Delimiter::Next(open) => {
                self.close_from(open + 1, end);
                if self.found.parts.len() >= limits::MIME_PARTS_MAX {
                    let note = format!("only the first {} parts were looked at", limits::MIME_PARTS_MAX);
                    self.found.notes.push(note);
                    self.at = At::Between;
                    return Onward::Stop;
                }
                self.at = At::Header { start: line.end };
            }
            Delimiter::Last(open) => {
                self.close_from(*open, line.end);
                self.at = At::Between;
            }
        }
        Onward::Go
    }

    /// The part under way ends, at `end` if it has a body.
    fn part_ends(&mut self, header_end: usize, end: usize) {
        match self.at {
            // A header without the empty line behind it.
            At::Header { start } => {
                self.header_ends(start.min(header_end)..header_end, header_end);
                self.close_last(header_end);
            }
            At::Body => self.close_last(end),
            At::Between => {}
        }
    }

    fn close_last(&mut self, end: usize) {
        if let Some(part) = self.found.parts.last_mut()
            && part.shape == Shape::Leaf
        {
            part.body.end = end.max(part.body.start);
        }
    }

    fn header_ends(&mut self, header: Range<usize>, body_start: usize) {
        let parent = self.open.last().map(|open| open.part);
        let fields = Fields::read(&self.raw[header.clone()], self.default_type(parent));
        let boundary = fields.boundary.clone().filter(|_| fields.is_multipart());
        let index = self.found.parts.len();
        let is_too_deep = boundary.is_some() && self.open.len() >= limits::MIME_DEPTH_MAX;
        if is_too_deep && self.found.notes.is_empty() {
            let note = format!("parts nested deeper than {} are kept as one", limits::MIME_DEPTH_MAX);
            self.found.notes.push(note);
        }
        let (shape, at) = match boundary {
            Some(boundary) if !is_too_deep => {
                let shadowed = self.boundaries.insert(boundary.clone(), self.open.len());
                self.open.push(Open { part: index, boundary, shadowed });
                (Shape::Multipart, At::Between)
            }
            Some(_) | None => (Shape::Leaf, At::Body),
        };
        self.at = at;
        let alternative = parent.and_then(|index| self.alternative_within(index));
        let body = body_start..self.raw.len();
        self.found.parts.push(Part { header, body, fields, shape, parent, alternative });
    }

    /// The alternative of whatever is in this multipart.
    fn alternative_within(&self, multipart: usize) -> Option<usize> {
        let part = self.found.parts.get(multipart)?;
        if part.fields.media_type == "multipart/alternative" { Some(multipart) } else { part.alternative }
    }

    /// RFC 2046 section 5.1.5: in a digest, whatever says nothing else is a message.
    fn default_type(&self, parent: Option<usize>) -> &'static str {
        let parent = parent.and_then(|index| self.found.parts.get(index));
        match parent.map(|parent| parent.fields.media_type.as_str()) {
            Some("multipart/digest") => "message/rfc822",
            Some(_) | None => "text/plain",
        }
    }

    fn close_from(&mut self, first: usize, end: usize) {
        while self.open.len() > first {
            let Some(open) = self.open.pop() else { return };
            match open.shadowed {
                Some(outer) => self.boundaries.insert(open.boundary, outer),
                None => self.boundaries.remove(&open.boundary),
            };
            if let Some(part) = self.found.parts.get_mut(open.part) {
                part.body.end = end.max(part.body.start);
            }
        }
    }

    fn finish(mut self) -> Structure {
        let end = self.raw.len();
        self.part_ends(end, end);
        let unclosed = self.open.iter().filter(|_| self.found.notes.is_empty()).count();
        if unclosed > 0 {
            self.found.notes.push("a multipart has no end".to_owned());
        }
        self.close_from(0, end);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_line_that_begins_with_dashes_is_passed_over(raw in "[-\na]{0,24}") {
            let raw = raw.as_bytes();
            let mut start = 0;
            while start < raw.len() {
                let mut expected = start;
                while expected < raw.len() && raw[expected] != b'-' {
                    expected = behind(b'\n', raw, expected);
                }
                prop_assert_eq!(next_dashes(raw, start), expected);
                start = behind(b'\n', raw, start);
            }
        }
    }

    /// Each part as `depth type octets`, the depth counted in blanks.
    fn outline(raw: &str) -> String {
        let structure = split(raw.as_bytes());
        let mut lines = String::new();
        for part in &structure.parts {
            let mut depth = 0;
            let mut above = part.parent;
            while let Some(index) = above {
                depth += 1;
                above = structure.parts[index].parent;
            }
            let octets = match part.shape {
                Shape::Multipart => String::new(),
                Shape::Leaf => format!(" {:?}", &raw[part.body.clone()]),
            };
            lines += &format!("{}{}{octets}\n", " ".repeat(depth), part.fields.media_type);
        }
        lines + &structure.notes.join("\n")
    }

    #[test]
    fn a_boundary_may_begin_like_another_one() {
        let raw = "Content-Type: multipart/mixed; boundary=abc\n\n--abc\nContent-Type: multipart/alternative; boundary=abc-1\n\n\
                   --abc-1\n\nplain --abc in a line\n--abcd is no delimiter\n--abc-1--\n--abc\n\nlast\n--abc--\n";
        let expected = "multipart/mixed\n multipart/alternative\n  text/plain \"plain --abc in a line\\n--abcd is no delimiter\"\n \
                        text/plain \"last\"\n";
        assert_eq!(outline(raw), expected);
    }

    #[test]
    fn an_outer_delimiter_ends_what_was_never_closed() {
        let raw = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--o\n\ntwo\n";
        let expected = "multipart/mixed\n multipart/mixed\n  text/plain \"one\"\n text/plain \"two\\n\"\na multipart has no end";
        assert_eq!(outline(raw), expected);
    }

    #[test]
    fn the_same_boundary_twice_belongs_to_the_inner_one_first() {
        let raw = "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n--x\n\nb\n--x--\n";
        assert_eq!(
            outline(raw),
            "multipart/mixed\n multipart/mixed\n  text/plain \"a\"\n text/plain \"b\"\n"
        );
    }

    #[test]
    fn headers_without_an_end_blanks_behind_delimiters_and_digests_are_read() {
        let raw = "Content-Type: multipart/digest; boundary=\"x y\"\r\n\r\npreamble\r\n--x y \t\r\nContent-Type: text/plain\r\n--x y\r\n\r\nFrom: a\r\n--x y--\r\nepilogue";
        assert_eq!(outline(raw), "multipart/digest\n text/plain \"\"\n message/rfc822 \"From: a\"\n");
        assert_eq!(outline("Subject: x"), "text/plain \"\"\n");
        assert_eq!(outline(""), "text/plain \"\"\n");
        assert_eq!(outline("\n--x\n"), "text/plain \"--x\\n\"\n");
        assert_eq!(outline("Content-Type: multipart/mixed\n\n--x\n"), "multipart/mixed \"--x\\n\"\n");
    }

    #[test]
    fn more_parts_and_a_deeper_tree_than_allowed_are_noted() {
        let many = "--b\n\nx\n".repeat(limits::MIME_PARTS_MAX + 5);
        let structure = split(format!("Content-Type: multipart/mixed; boundary=b\n\n{many}").as_bytes());
        assert_eq!(structure.parts.len(), limits::MIME_PARTS_MAX);
        assert_eq!(structure.notes[0], "only the first 10000 parts were looked at");
        let deep: String = (0..limits::MIME_DEPTH_MAX + 5)
            .map(|depth| format!("Content-Type: multipart/mixed; boundary=b{depth}x\n\n--b{depth}x\n"))
            .collect();
        let structure = split(deep.as_bytes());
        assert_eq!(structure.parts.len(), limits::MIME_DEPTH_MAX + 1);
        assert_eq!(structure.notes[0], "parts nested deeper than 1000 are kept as one");
    }
}
