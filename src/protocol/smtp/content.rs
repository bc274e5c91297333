//! A message as it is written behind DATA or BDAT, and what it asks of the server.
//!
//! Every line ends with CRLF before dots are doubled, in this order: a bare CR or LF that one server takes for a line
//! end and the next one does not would let a text forge the end of the message and smuggle another one in.

use super::hello::Capabilities;
use super::recode::{self, Aim, Obstacle};
use crate::model::limits;

/// A message made ready.
pub struct Content {
    /// With CRLF line ends, as BDAT takes it.
    text: Vec<u8>,
    /// What SIZE counts (RFC 1870 section 3): with CRLF, without doubled dots and the final dot.
    pub bytes: u64,
    pub alphabet: Alphabet,
    /// Octets of its longest line, without the end.
    pub(super) longest_line: usize,
    /// Why it could not be recoded as a server or SMTP wants it.
    pub(super) obstacle: Option<Obstacle>,
}

/// How a message is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// DATA, with doubled dots and a final one.
    Data,
    /// BDAT (RFC 3030): its octets are counted, nothing in them means anything.
    Chunk,
}

/// What the message is written in, as far as transport is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    Ascii,
    /// Needs 8BITMIME.
    EightBit,
    /// UTF-8 in the header (RFC 6532): needs SMTPUTF8. Other 8-bit octets there are an old fault of mailers, which
    /// 8BITMIME has always carried.
    InternationalHeader,
}

impl Content {
    /// From a message with any line ends.
    pub fn prepare(raw: &[u8]) -> Self {
        Self::of(with_crlf(raw))
    }

    fn of(text: Vec<u8>) -> Self {
        Self {
            bytes: text.len() as u64,
            alphabet: Alphabet::of(&text),
            longest_line: recode::longest_line(&text),
            obstacle: None,
            text,
        }
    }

    /// The message as this server and SMTP can take it: one in 8 bits is recoded for a server without 8BITMIME, one with longer
    /// lines than SMTP carries for every server, where that changes nothing of what it says.
    pub fn fitting(self, offered: &Capabilities) -> Self {
        let aim = match self.alphabet {
            Alphabet::EightBit if !offered.eight_bit => Aim::SevenBit,
            Alphabet::EightBit | Alphabet::Ascii | Alphabet::InternationalHeader
                if self.longest_line > limits::TEXT_LINE_BYTES_MAX =>
            {
                Aim::ShortLines
            }
            Alphabet::EightBit | Alphabet::Ascii | Alphabet::InternationalHeader => return self,
        };
        match recode::recoded(&self.text, aim) {
            Ok(text) => Self::of(text),
            Err(obstacle) => Self { obstacle: Some(obstacle), ..self },
        }
    }

    /// The field of the header that is written in UTF-8.
    pub(super) fn international_field(&self) -> Option<&str> {
        let header = std::str::from_utf8(&self.text[..header_end(&self.text)]).ok()?;
        let before = &header[..header.find(|c: char| !c.is_ascii())?];
        let field = before.rsplit("\r\n").find(|line| !line.starts_with([' ', '\t']))?;
        field.split_once(':').map(|(name, _)| name.trim_end())
    }

    /// What is written, in two writes: nobody has the message before the second, with which the final dot or the last
    /// octet counted goes out. A short message has an empty first one.
    pub(super) fn writes(&self, transfer: Transfer) -> (Vec<u8>, Vec<u8>) {
        let mut first = match transfer {
            Transfer::Data => with_final_dot(&self.text),
            Transfer::Chunk => {
                let mut chunk = format!("BDAT {} LAST\r\n", self.text.len()).into_bytes();
                chunk.extend_from_slice(&self.text);
                chunk
            }
        };
        let last = first.split_off(first.len().saturating_sub(limits::LAST_WRITE_BYTES_MAX));
        (first, last)
    }

    /// The Message-ID, without its angle brackets, where it fits into ENVID (RFC 3461 section 4.4: 100 characters).
    pub(super) fn message_id(&self) -> Option<&str> {
        let header_end = header_end(&self.text);
        let header = std::str::from_utf8(&self.text[..header_end]).ok()?;
        let value = header.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim_end().eq_ignore_ascii_case("message-id").then(|| value.trim())
        })?;
        let id = value.strip_prefix('<')?.strip_suffix('>')?;
        (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(id)
    }
}

fn with_final_dot(text: &[u8]) -> Vec<u8> {
    let mut dotted = Vec::with_capacity(text.len() + text.len() / 64 + 3);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            dotted.push(b'.');
        }
        dotted.extend_from_slice(line);
    }
    dotted.extend_from_slice(b".\r\n");
    dotted
}

pub(super) fn header_end(normal: &[u8]) -> usize {
    if normal.starts_with(b"\r\n") {
        0
    } else {
        normal.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(normal.len())
    }
}

impl Alphabet {
    fn of(normal: &[u8]) -> Self {
        let header = &normal[..header_end(normal)];
        if normal.is_ascii() {
            Self::Ascii
        } else if !header.is_ascii() && std::str::from_utf8(header).is_ok() {
            Self::InternationalHeader
        } else {
            Self::EightBit
        }
    }
}

/// CR, LF and CRLF become CRLF; the last line gets one if it has none.
pub(in crate::protocol) fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(raw.len() + 2);
    let mut rest = raw;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        normal.extend_from_slice(&rest[..end]);
        normal.extend_from_slice(b"\r\n");
        let width = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    if !rest.is_empty() {
        normal.extend_from_slice(rest);
        normal.extend_from_slice(b"\r\n");
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(raw: &[u8]) -> String {
        let (first, last) = Content::prepare(raw).writes(Transfer::Data);
        assert!(first.is_empty());
        String::from_utf8(last).unwrap()
    }

    #[test]
    fn every_line_end_becomes_crlf() {
        assert_eq!(written(b"a\nb\rc\r\nd\r\r\ne\n\rf"), "a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\nf\r\n.\r\n");
    }

    #[test]
    fn a_dot_that_begins_a_line_is_doubled() {
        assert_eq!(written(b".\r\n..\r\na.\r\n"), "..\r\n...\r\na.\r\n.\r\n");
    }

    #[test]
    fn no_spelling_of_the_final_dot_can_be_smuggled_in() {
        for end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r\n.\n",
            "\r.\r\n",
            "\r\n.\r",
            "\r\n.\r\n",
            "\n.\r",
            "\r\r\n.\r\n",
        ] {
            let text = written(format!("a{end}MAIL FROM:<x@y>").as_bytes());
            assert_eq!(text.matches("\r\n.\r\n").count(), 1, "{end:?}: {text:?}");
            assert!(text.ends_with("\r\n.\r\n"));
            let bare = text.replace("\r\n", "");
            assert!(!bare.contains(['\r', '\n']), "{end:?}: {text:?}");
        }
    }

    #[test]
    fn an_empty_message_is_a_lone_dot() {
        assert_eq!(written(b""), ".\r\n");
    }

    #[test]
    fn the_size_counts_line_ends_and_no_doubled_dots() {
        assert_eq!(Content::prepare(b".\n").bytes, 3);
    }

    #[test]
    fn the_last_write_of_a_long_message_holds_its_end() {
        let raw = b"0123456789abcde\r\n".repeat(10_000);
        let (first, last) = Content::prepare(&raw).writes(Transfer::Data);
        assert_eq!(last.len(), limits::LAST_WRITE_BYTES_MAX);
        assert!(last.ends_with(b"\r\n.\r\n"));
        assert_eq!([&raw[..], b".\r\n"].concat(), [first, last].concat());
    }

    #[test]
    fn the_alphabet_says_which_extension_is_needed() {
        let of = |raw: &[u8]| Content::prepare(raw).alphabet;
        assert_eq!(of(b"Subject: x\n\nplain\n"), Alphabet::Ascii);
        assert_eq!(of("Subject: x\n\ngrüße\n".as_bytes()), Alphabet::EightBit);
        assert_eq!(of("Subject: grüße\n\nplain\n".as_bytes()), Alphabet::InternationalHeader);
        assert_eq!(of(b"Subject: gr\xfc\xdfe\n\nplain\n"), Alphabet::EightBit);
        assert_eq!(of("\n\ngrüße\n".as_bytes()), Alphabet::EightBit);
    }
}
