//! Lines and status indicators (RFC 1939 section 3), with the response codes of RFC 2449 and 3206.

use bytes::{Buf, BytesMut};

use crate::model::failure::{Cause, server_words};
use crate::model::limits;

/// Takes complete lines from the input and remembers how far it has looked, so that a line that arrives in pieces
/// is searched once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    looked: usize,
    ended: LineEnd,
}

/// What this server ends its lines with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LineEnd {
    /// As RFC 1939 section 3 demands: a lone LF is an octet like any other.
    #[default]
    CrLf,
    /// It sends bare LF, also where nobody but itself has written the line.
    Lf,
}

impl Lines {
    /// Hands the next line, without its end, to `read` and removes it. `None`: it is not complete yet. A bare LF
    /// ends a line, too.
    pub fn next<T>(
        &mut self,
        input: &mut BytesMut,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Cause> {
        let unseen = input.get(self.looked..).unwrap_or_default();
        let Some(position) = find_line_feed(unseen) else {
            self.looked = input.len();
            return if input.len() > limits::REPLY_LINE_BYTES_MAX { Err(line_too_long()) } else { Ok(None) };
        };
        let end = self.looked + position;
        if end > limits::REPLY_LINE_BYTES_MAX {
            return Err(line_too_long());
        }
        let line = &input[..end];
        let (line, ended) = match line.strip_suffix(b"\r") {
            Some(line) => (line, LineEnd::CrLf),
            None => (line, LineEnd::Lf),
        };
        let value = read(line);
        input.advance(end + 1);
        self.looked = 0;
        self.ended = ended;
        Ok(Some(value))
    }

    /// How the last line ended.
    pub fn ended(&self) -> LineEnd {
        self.ended
    }
}

fn line_too_long() -> Cause {
    Cause::LimitExceeded {
        what: "a line of the server's reply".to_owned(),
        limit: limits::REPLY_LINE_BYTES_MAX as u64,
    }
}

/// The position of the next LF.
pub(super) fn find_line_feed(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}

/// The first line of every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// With the words that follow.
    Ok(String),
    Err(Refusal),
    /// `+ `: the server waits for the rest of a login, with its challenge in Base64.
    Continue(String),
}

impl Status {
    pub fn parse(line: &[u8]) -> Result<Self, Cause> {
        let text = String::from_utf8_lossy(line);
        let (indicator, rest) = text.split_once(' ').unwrap_or((&text, ""));
        if indicator.eq_ignore_ascii_case("+OK") {
            Ok(Self::Ok(rest.trim().to_owned()))
        } else if indicator.eq_ignore_ascii_case("-ERR") {
            Ok(Self::Err(Refusal::parse(rest)))
        } else if indicator == "+" {
            Ok(Self::Continue(rest.trim().to_owned()))
        } else {
            Err(Cause::Garbage { detail: format!("neither +OK nor -ERR: `{}`", server_words(&text)) })
        }
    }
}

/// `-ERR`, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: ResponseCode,
    /// In the server's words, the code included.
    pub said: String,
}

/// RFC 2449 section 8, RFC 3206.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseCode {
    None,
    /// Somebody else has the mailbox open.
    InUse,
    /// The last login was too short a time ago.
    LoginDelay,
    SystemTemporary,
    SystemPermanent,
    /// The credentials are to blame.
    Authentication,
    Unknown,
}

impl Refusal {
    fn parse(words: &str) -> Self {
        let inside = words.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let code = inside.map_or(ResponseCode::None, |(code, _)| ResponseCode::parse(code));
        Self { code, said: server_words(words) }
    }

    /// As the answer to anything but a login.
    pub fn cause(self) -> Cause {
        let said = self.said;
        match self.code {
            ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SystemTemporary => {
                Cause::TemporarilyRefused { said }
            }
            ResponseCode::None
            | ResponseCode::SystemPermanent
            | ResponseCode::Authentication
            | ResponseCode::Unknown => Cause::Refused { said },
        }
    }

    /// As the answer to a login: without a code, the credentials are to blame.
    pub fn login_cause(self) -> Cause {
        let said = self.said;
        match self.code {
            ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SystemTemporary => {
                Cause::TemporarilyRefused { said }
            }
            ResponseCode::SystemPermanent => Cause::Refused { said },
            ResponseCode::None | ResponseCode::Authentication | ResponseCode::Unknown => {
                Cause::LoginRefused { said }
            }
        }
    }
}

impl ResponseCode {
    /// Codes are hierarchical: `SYS/TEMP/DISK` is a `SYS/TEMP`.
    fn parse(code: &str) -> Self {
        let upper = code.trim().to_ascii_uppercase();
        let known = [
            ("IN-USE", Self::InUse),
            ("LOGIN-DELAY", Self::LoginDelay),
            ("SYS/TEMP", Self::SystemTemporary),
            // Of IMAP (RFC 5530, RFC 9051), said by servers that speak both.
            ("INUSE", Self::InUse),
            ("UNAVAILABLE", Self::SystemTemporary),
            ("LIMIT", Self::SystemTemporary),
            ("THROTTLED", Self::SystemTemporary),
            ("SYS/PERM", Self::SystemPermanent),
            ("AUTH", Self::Authentication),
        ];
        let is = |name: &str| {
            upper.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        known.iter().find(|(name, _)| is(name)).map_or(Self::Unknown, |(_, code)| *code)
    }
}

/// One line of an answer that goes on until a line with a single dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockLine<'a> {
    Text(&'a [u8]),
    End,
}

impl<'a> BlockLine<'a> {
    /// Takes the dot away that the server has put before a line that begins with one.
    pub fn of(line: &'a [u8]) -> Self {
        match line.strip_prefix(b".") {
            Some([]) => Self::End,
            Some(rest) => Self::Text(rest),
            None => Self::Text(line),
        }
    }
}

/// `+ ` where none of our commands asks for it.
pub(super) fn unexpected_challenge() -> Cause {
    Cause::Garbage { detail: "the server waits for more where nothing is owed".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_or_not_there() {
        let mut lines = Lines::default();
        let mut input = BytesMut::from(&b"+OK he"[..]);
        assert_eq!(lines.next(&mut input, <[u8]>::to_vec), Ok(None));
        input.extend_from_slice(b"llo\r");
        assert_eq!(lines.next(&mut input, <[u8]>::to_vec), Ok(None));
        input.extend_from_slice(b"\nrest\n");
        assert_eq!(lines.next(&mut input, <[u8]>::to_vec), Ok(Some(b"+OK hello".to_vec())));
        assert_eq!(lines.ended(), LineEnd::CrLf);
        assert_eq!(lines.next(&mut input, <[u8]>::to_vec), Ok(Some(b"rest".to_vec())));
        assert_eq!(lines.ended(), LineEnd::Lf);
        assert!(input.is_empty());
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let mut lines = Lines::default();
        let mut input = BytesMut::from(&vec![b'x'; limits::REPLY_LINE_BYTES_MAX + 1][..]);
        let answer = lines.next(&mut input, |_| ());
        assert!(matches!(answer, Err(Cause::LimitExceeded { .. })), "{answer:?}");
    }

    #[test]
    fn codes_say_whether_waiting_helps() {
        let login = |words| Refusal::parse(words).login_cause();
        for words in [
            "[IN-USE] locked",
            "[LOGIN-DELAY] wait",
            "[SYS/TEMP] later",
            "[sys/temp/disk] full",
            "[UNAVAILABLE] try later",
            "[THROTTLED] slow down",
        ] {
            assert_eq!(login(words), Cause::TemporarilyRefused { said: words.to_owned() });
        }
        for words in ["[AUTH] wrong", "wrong", "[AUTHENTIC] what"] {
            assert_eq!(login(words), Cause::LoginRefused { said: words.to_owned() });
        }
        assert_eq!(login("[SYS/PERM] gone"), Cause::Refused { said: "[SYS/PERM] gone".to_owned() });
    }
}
