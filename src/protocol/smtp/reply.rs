//! Replies: three digits, text, perhaps on several lines (RFC 5321 section 4.2).

use bytes::BytesMut;

use crate::model::failure::{Cause, server_words};
use crate::model::limits;

/// What the first digit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 2xx
    Success,
    /// 3xx
    Intermediate,
    /// 4xx
    Transient,
    /// 5xx
    Permanent,
}

/// A complete reply. Lines are without code and line end; bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub class: Class,
    pub lines: Vec<String>,
}

impl Reply {
    /// The server's words for people: `550 5.1.1 no such user`. An enhanced status code that is repeated on every
    /// line (RFC 2034 section 4) is kept once.
    pub fn said(&self) -> String {
        let enhanced = self.enhanced().map(str::to_owned);
        let mut words = self.code.to_string();
        for (number, line) in self.lines.iter().enumerate() {
            let repeated = enhanced.as_deref().filter(|_| number > 0);
            let line = repeated.and_then(|code| line.strip_prefix(code)).unwrap_or(line).trim();
            if !line.is_empty() {
                words.push(' ');
                words.push_str(line);
            }
        }
        server_words(&words)
    }

    /// `5.1.1` (RFC 3463): class, subject and detail, the class being that of the reply.
    pub fn enhanced(&self) -> Option<&str> {
        let first = self.lines.first()?.split(' ').next()?;
        let mut parts = first.split('.');
        let class = parts.next()?;
        let is_number = |part: &str| matches!(part.len(), 1..=3) && part.bytes().all(|b| b.is_ascii_digit());
        let fits = parts.clone().count() == 2 && parts.all(is_number);
        let own_class = (self.code / 100).to_string();
        (fits && class == own_class).then_some(first)
    }

    /// What a refusal means where nothing more specific is known. 421 announces the end of the session and may come
    /// in answer to anything (RFC 5321 section 3.8).
    pub fn refusal(&self) -> Cause {
        match (self.code, self.class) {
            (421, _) => Cause::ServerBye { said: self.said() },
            (_, Class::Transient) => Cause::TemporarilyRefused { said: self.said() },
            (_, Class::Permanent) => Cause::Refused { said: self.said() },
            (_, Class::Success | Class::Intermediate) => self.out_of_place(),
        }
    }

    /// A reply that does not belong where it came.
    pub fn out_of_place(&self) -> Cause {
        Cause::Garbage { detail: format!("unexpected reply `{}`", self.said()) }
    }
}

/// Collects the lines of a reply.
#[derive(Debug, Default)]
pub struct Replies {
    code: Option<(u16, Class)>,
    lines: Vec<String>,
    bytes: usize,
}

impl Replies {
    /// The next complete reply; `None`: more input is needed. Behind an error the stream is out of step.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, Cause> {
        while let Some(line) = take_line(input)? {
            let parsed = Line::parse(&line)?;
            self.admit(&parsed, line.len())?;
            self.lines.push(parsed.text);
            if let Last::Yes = parsed.last {
                self.code = None;
                self.bytes = 0;
                let lines = std::mem::take(&mut self.lines);
                return Ok(Some(Reply { code: parsed.code, class: parsed.class, lines }));
            }
        }
        Ok(None)
    }

    fn admit(&mut self, line: &Line, bytes: usize) -> Result<(), Cause> {
        let begun = *self.code.get_or_insert((line.code, line.class));
        if begun != (line.code, line.class) {
            return Err(Cause::Garbage {
                detail: format!("a reply begins with {} and goes on with {}", begun.0, line.code),
            });
        }
        self.bytes += bytes;
        if self.lines.len() >= limits::REPLY_LINES_MAX {
            return Err(exceeded("the number of lines of a reply", limits::REPLY_LINES_MAX));
        }
        if self.bytes > limits::REPLY_BYTES_MAX {
            return Err(exceeded("the size of a reply", limits::REPLY_BYTES_MAX));
        }
        Ok(())
    }
}

fn exceeded(what: &str, limit: usize) -> Cause {
    Cause::LimitExceeded { what: what.to_owned(), limit: limit as u64 }
}

/// A line without its end; LF alone is taken for one.
fn take_line(input: &mut BytesMut) -> Result<Option<BytesMut>, Cause> {
    let end = input.iter().take(limits::REPLY_LINE_BYTES_MAX).position(|byte| *byte == b'\n');
    let Some(end) = end else {
        if input.len() >= limits::REPLY_LINE_BYTES_MAX {
            return Err(exceeded("the length of a reply line", limits::REPLY_LINE_BYTES_MAX));
        }
        return Ok(None);
    };
    let mut line = input.split_to(end + 1);
    line.truncate(end);
    if line.last() == Some(&b'\r') {
        line.truncate(end - 1);
    }
    Ok(Some(line))
}

enum Last {
    Yes,
    No,
}

struct Line {
    code: u16,
    class: Class,
    last: Last,
    text: String,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, Cause> {
        let garbage = || Cause::Garbage {
            detail: format!("`{}` is not a reply", server_words(&String::from_utf8_lossy(line))),
        };
        let [first, second, third, rest @ ..] = line else { return Err(garbage()) };
        let class = match first {
            b'2' => Class::Success,
            b'3' => Class::Intermediate,
            b'4' => Class::Transient,
            b'5' => Class::Permanent,
            _ => return Err(garbage()),
        };
        if !second.is_ascii_digit() || !third.is_ascii_digit() {
            return Err(garbage());
        }
        let digit = |byte: &u8| u16::from(byte - b'0');
        let code = digit(first) * 100 + digit(second) * 10 + digit(third);
        let (last, text) = match rest {
            [] => (Last::Yes, rest),
            [b' ', text @ ..] => (Last::Yes, text),
            [b'-', text @ ..] => (Last::No, text),
            _ => return Err(garbage()),
        };
        Ok(Self { code, class, last, text: String::from_utf8_lossy(text).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Reply>, Cause> {
        Replies::default().next(&mut BytesMut::from(text))
    }

    fn said(text: &str) -> String {
        read(text).unwrap().unwrap().said()
    }

    #[test]
    fn a_reply_may_have_several_lines_and_arrive_in_pieces() {
        let mut replies = Replies::default();
        let mut input = BytesMut::new();
        for byte in b"250-one\r\n250-\r\n250 three\r" {
            input.extend_from_slice(&[*byte]);
            assert_eq!(replies.next(&mut input), Ok(None));
        }
        input.extend_from_slice(b"\n354 go");
        let reply = replies.next(&mut input).unwrap().unwrap();
        assert_eq!(
            (reply.code, reply.lines),
            (250, vec!["one".to_owned(), String::new(), "three".to_owned()])
        );
        assert_eq!(&input[..], b"354 go", "the rest stays for the next reply");
    }

    #[test]
    fn the_servers_words_keep_the_enhanced_code_once() {
        assert_eq!(said("550-5.1.1 no such\r\n550 5.1.1 user\r\n"), "550 5.1.1 no such user");
        assert_eq!(said("451 try\u{1b}[2J later\r\n"), "451 try [2J later");
        assert_eq!(said("250\r\n"), "250");
    }

    #[test]
    fn an_enhanced_code_is_one_of_the_replys_class() {
        let enhanced = |text: &str| read(text).unwrap().unwrap().enhanced().map(str::to_owned);
        assert_eq!(enhanced("452 4.5.3 too many\r\n"), Some("4.5.3".to_owned()));
        for text in ["552 4.5.3 x\r\n", "550 5.1 x\r\n", "550 5.1.1.1 x\r\n", "550 5.x.1 x\r\n", "550\r\n"] {
            assert_eq!(enhanced(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_reply_is_garbage() {
        for text in
            ["\r\n", "25\r\n", "2x0 a\r\n", "150 a\r\n", "650 a\r\n", "250_a\r\n", "250-a\r\n251 b\r\n"]
        {
            assert!(matches!(read(text), Err(Cause::Garbage { .. })), "{text}");
        }
    }

    #[test]
    fn an_endless_line_and_an_endless_reply_are_cut_off() {
        let line = "250 ".to_owned() + &"x".repeat(limits::REPLY_LINE_BYTES_MAX);
        assert!(matches!(read(&line), Err(Cause::LimitExceeded { .. })));
        let lines = "250-x\r\n".repeat(limits::REPLY_LINES_MAX + 1);
        assert!(matches!(read(&lines), Err(Cause::LimitExceeded { .. })));
        let wide = ("250-".to_owned() + &"x".repeat(60_000) + "\r\n").repeat(5);
        assert!(matches!(read(&wide), Err(Cause::LimitExceeded { .. })));
    }
}
