//! A message as the server and SMTP can carry it: in 7 bits for a server without 8BITMIME (RFC 6152 section 3), in lines of at
//! most 998 octets for every one (RFC 5321 section 4.5.3.1.6). Each part that needs it is encoded anew, and says so; long lines of
//! a header are folded.
//!
//! What must not be touched is not: signed and encrypted parts, and a message with a DKIM signature. What cannot be carried
//! without that stays as it is, and is refused in our words.

mod encoding;
mod header;

use std::ops::Range;

use self::encoding::{base64_lines, broken_base64, broken_quoted_printable, quoted_printable};
use self::header::Header;
use crate::model::limits;

/// Multiparts and messages within each other.
const DEPTH_MAX: usize = 50;

/// What a message is encoded anew for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// ASCII in lines that SMTP carries.
    SevenBit,
    /// Lines that SMTP carries; octets beyond ASCII stay.
    ShortLines,
}

impl Aim {
    fn is_met_by(self, text: &[u8]) -> bool {
        let in_alphabet = match self {
            Self::SevenBit => text.is_ascii(),
            Self::ShortLines => true,
        };
        in_alphabet && longest_line(text) <= limits::TEXT_LINE_BYTES_MAX
    }
}

/// Why a message stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Obstacle {
    #[error("it has a DKIM signature, which that would break")]
    Dkim,
    #[error("a part of it is signed or encrypted, and must not be changed")]
    SignedPart,
    #[error("the field `{name}` of its header cannot be folded")]
    Field { name: String },
    #[error("it does not say what its text is written in")]
    NoCharset,
    #[error("it holds a part of type `{kind}`, which must not be encoded")]
    Kind { kind: String },
    #[error("it is not put together as MIME asks for")]
    Structure,
}

/// The octets of the longest line, without its end.
pub(super) fn longest_line(text: &[u8]) -> usize {
    let mut begin = 0;
    let mut longest = 0;
    for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
        let line = &text[begin..end];
        longest = longest.max(line.strip_suffix(b"\r").unwrap_or(line).len());
        begin = (end + 1).min(text.len());
    }
    longest
}

/// The same message, so that it meets the aim. Lines end with CRLF.
pub(super) fn recoded(text: &[u8], aim: Aim) -> Result<Vec<u8>, Obstacle> {
    let header = Header::read(text)?;
    if header.has("DKIM-Signature") {
        return Err(Obstacle::Dkim);
    }
    let body = &text[header.bytes..];
    let recoded = match (header.has("MIME-Version"), aim.is_met_by(body)) {
        (true, _) | (false, true) => entity(text, aim, PLAIN, 0),
        // A text from before MIME: what is added says what it has always meant.
        (false, false) if body.is_ascii() => {
            entity(&[b"MIME-Version: 1.0\r\n", text].concat(), aim, PLAIN, 0)
        }
        (false, false) => Err(Obstacle::NoCharset),
    }?;
    if aim.is_met_by(&recoded) { Ok(recoded) } else { Err(Obstacle::Structure) }
}

/// What a part is that does not say it (RFC 2045 section 5.2).
const PLAIN: &str = "text/plain";

fn entity(text: &[u8], aim: Aim, default: &str, depth: usize) -> Result<Vec<u8>, Obstacle> {
    if aim.is_met_by(text) {
        return Ok(text.to_vec());
    }
    let header = Header::read(text)?;
    let body = &text[header.bytes..];
    if aim.is_met_by(body) {
        return Ok([header.folded()?.as_bytes(), &text[header.fields_bytes..]].concat());
    }
    let (kind, boundary) = match header.media_type() {
        Some(said) => said,
        None if body.is_ascii() => (default.to_owned(), None),
        None => return Err(Obstacle::NoCharset),
    };
    let encoding = header.encoding();
    let with = |encoding: &str, body: Vec<u8>| Ok([header.with_encoding(encoding)?, body].concat());
    match (kind.split_once('/').ok_or(Obstacle::Structure)?, encoding.as_str()) {
        _ if depth >= DEPTH_MAX => Err(Obstacle::Structure),
        (("multipart", "signed" | "encrypted"), _) => Err(Obstacle::SignedPart),
        (("multipart", kind), "" | "7bit" | "8bit" | "binary") => {
            let default = if kind == "digest" { "message/rfc822" } else { PLAIN };
            let boundary = boundary.ok_or(Obstacle::Structure)?;
            let parts = Parts { boundary: &boundary, aim, default, depth };
            let body = parts.recoded(body)?;
            with(around(&body), body)
        }
        (("message", "rfc822" | "global"), "" | "7bit" | "8bit" | "binary") => {
            let body = entity(body, aim, PLAIN, depth + 1)?;
            with(around(&body), body)
        }
        (("multipart" | "message", _), _) => Err(Obstacle::Kind { kind }),
        (("text", _), "" | "7bit" | "8bit" | "binary") => with("quoted-printable", quoted_printable(body)),
        (_, "" | "7bit" | "8bit" | "binary") => with("base64", base64_lines(body)),
        (_, "base64") => with("base64", broken_base64(body)),
        (_, "quoted-printable") => with("quoted-printable", broken_quoted_printable(body)),
        (_, _) => Err(Obstacle::Structure),
    }
}

/// The encoding of what has parts that are encoded by themselves.
fn around(body: &[u8]) -> &'static str {
    if body.is_ascii() { "7bit" } else { "8bit" }
}

/// How the parts of one multipart are recoded.
struct Parts<'a> {
    boundary: &'a str,
    aim: Aim,
    default: &'a str,
    depth: usize,
}

impl Parts<'_> {
    /// Each part recoded, everything between them as it was.
    fn recoded(&self, body: &[u8]) -> Result<Vec<u8>, Obstacle> {
        let mut recoded = Vec::with_capacity(body.len() + body.len() / 2);
        let mut part: Option<Range<usize>> = None;
        let (mut at, mut parts) = (0, 0);
        let mut open = true;
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            let (start, end) = (at, at + line.len());
            at = end;
            match self.delimiter(line) {
                Some(delimiter) if open => {
                    if let Some(part) = part.take() {
                        // The line end before a delimiter belongs to it.
                        let stop = start.saturating_sub(2).max(part.start);
                        recoded.extend(self.part(&body[part.start..stop])?);
                        recoded.extend_from_slice(&body[stop..start]);
                    }
                    recoded.extend_from_slice(line);
                    open = delimiter == Delimiter::Next;
                    part = open.then_some(end..end);
                    parts += 1;
                    if parts > limits::MIME_PARTS_MAX {
                        return Err(Obstacle::Structure);
                    }
                }
                Some(_) | None if part.is_some() => {}
                // Before the first part and behind the last one.
                Some(_) | None if self.aim.is_met_by(line) => recoded.extend_from_slice(line),
                Some(_) | None => return Err(Obstacle::Structure),
            }
        }
        match part {
            Some(part) => recoded.extend(self.part(&body[part.start..])?),
            None if parts == 0 => return Err(Obstacle::Structure),
            None => {}
        }
        Ok(recoded)
    }

    fn part(&self, text: &[u8]) -> Result<Vec<u8>, Obstacle> {
        entity(text, self.aim, self.default, self.depth + 1)
    }

    fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        match text.strip_prefix(self.boundary.as_bytes())? {
            b"" => Some(Delimiter::Next),
            b"--" => Some(Delimiter::Last),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Next,
    Last,
}

#[cfg(test)]
mod tests;
