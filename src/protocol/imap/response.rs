//! What a response says (RFC 3501 section 7): only the ones that we need are told apart.

use crate::model::failure::{Cause, server_words};

use super::capability::Capabilities;
use super::fetch_line::FetchLine;
use super::reader::Frame;
use super::search::Found;

#[derive(Debug)]
pub(super) enum Response {
    Tagged {
        tag: String,
        outcome: Outcome,
        reply: Reply,
    },
    Status {
        condition: Condition,
        reply: Reply,
    },
    /// `+ text`.
    Continue {
        text: Vec<u8>,
    },
    Capability(Capabilities),
    Exists(u32),
    Expunge,
    Fetch(FetchLine),
    /// SEARCH or ESEARCH.
    Found(Found),
    /// Nothing that we need.
    Other,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    No,
    Bad,
}

/// What an untagged status response is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

/// Words for people with the response code before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub code: Code,
    /// Everything that was said, cleaned, with its `[CODE]`.
    pub said: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    None,
    Capability(Capabilities),
    UidValidity(u32),
    UidNext(u32),
    /// `None`: NOMODSEQ, 0, or more than the 63 bits of RFC 7162.
    HighestModSeq(Option<u64>),
    ReadOnly,
    /// Any other, in upper case: `AUTHENTICATIONFAILED`.
    Other(String),
}

impl Response {
    pub fn parse(frame: &Frame) -> Result<Self, Cause> {
        let head = frame.head();
        if head.is_empty() {
            return Ok(Self::Other);
        }
        if let Some(rest) = head.strip_prefix(b"* ") {
            return Ok(untagged(rest, frame));
        }
        if let Some(rest) = head.strip_prefix(b"+") {
            return Ok(Self::Continue { text: rest.trim_ascii().to_vec() });
        }
        tagged(head).ok_or_else(|| garbage(head))
    }
}

/// The error for a line that is no response at all.
pub(super) fn garbage(line: &[u8]) -> Cause {
    let said = server_words(&String::from_utf8_lossy(line));
    Cause::Garbage { detail: format!("`{said}` is not an IMAP response") }
}

fn tagged(head: &[u8]) -> Option<Response> {
    let (tag, rest) = split_word(head);
    let (word, rest) = split_word(rest);
    let outcome = match word.to_ascii_uppercase().as_slice() {
        b"OK" => Outcome::Ok,
        b"NO" => Outcome::No,
        b"BAD" => Outcome::Bad,
        _ => return None,
    };
    Some(Response::Tagged {
        tag: String::from_utf8_lossy(tag).into_owned(),
        outcome,
        reply: Reply::parse(rest),
    })
}

fn untagged(rest: &[u8], frame: &Frame) -> Response {
    let (word, arguments) = split_word(rest);
    let status = |condition| Response::Status { condition, reply: Reply::parse(arguments) };
    match word.to_ascii_uppercase().as_slice() {
        b"OK" => status(Condition::Ok),
        b"NO" => status(Condition::No),
        b"BAD" => status(Condition::Bad),
        b"BYE" => status(Condition::Bye),
        b"PREAUTH" => status(Condition::Preauth),
        b"CAPABILITY" => Response::Capability(Capabilities::parse(arguments)),
        b"SEARCH" => Response::Found(Found::plain(arguments)),
        b"ESEARCH" => Response::Found(Found::extended(arguments)),
        _ => match number(word) {
            Some(number) => numbered(number, arguments, frame),
            None => Response::Other,
        },
    }
}

fn numbered(number: u32, arguments: &[u8], frame: &Frame) -> Response {
    let (word, _) = split_word(arguments);
    match word.to_ascii_uppercase().as_slice() {
        b"EXISTS" => Response::Exists(number),
        b"EXPUNGE" => Response::Expunge,
        b"FETCH" => Response::Fetch(FetchLine::parse(number, frame)),
        _ => Response::Other,
    }
}

impl Reply {
    pub fn parse(text: &[u8]) -> Self {
        let text = text.trim_ascii();
        let said = server_words(&String::from_utf8_lossy(text));
        let inside = text.strip_prefix(b"[").and_then(|rest| {
            let end = rest.iter().position(|byte| *byte == b']')?;
            Some(&rest[..end])
        });
        Self { code: inside.map_or(Code::None, Code::parse), said }
    }

    pub fn has_code(&self, name: &str) -> bool {
        matches!(&self.code, Code::Other(code) if code == name)
    }
}

impl Code {
    fn parse(inside: &[u8]) -> Self {
        let (name, arguments) = split_word(inside);
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        match (name.as_str(), number(arguments.trim_ascii())) {
            ("CAPABILITY", _) => Self::Capability(Capabilities::parse(arguments)),
            ("READ-ONLY", _) => Self::ReadOnly,
            ("HIGHESTMODSEQ", _) => Self::HighestModSeq(mod_sequence(arguments)),
            ("NOMODSEQ", _) => Self::HighestModSeq(None),
            ("UIDVALIDITY", Some(validity)) => Self::UidValidity(validity),
            ("UIDNEXT", Some(next)) => Self::UidNext(next),
            _ => Self::Other(name),
        }
    }
}

fn mod_sequence(text: &[u8]) -> Option<u64> {
    number::<u64>(text.trim_ascii()).filter(|value| (1..1 << 63).contains(value))
}

/// The first word and what follows the blank after it.
pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == b' ') {
        Some(end) => (&text[..end], text[end..].trim_ascii_start()),
        None => (text, b""),
    }
}

/// Digits only: `+1` and `-1` are no IMAP numbers.
pub(super) fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
