//! Writing MIME: encodings, encoded words, parts. Lines end in CRLF throughout.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A body with the header fields that describe it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Complete lines.
    pub(super) fields: String,
    pub(super) body: Vec<u8>,
}

impl Part {
    pub(super) fn new(fields: &[&str], body: Vec<u8>) -> Self {
        Self { fields: fields.iter().map(|field| format!("{field}\r\n")).collect(), body }
    }

    pub(super) fn plain(text: &str) -> Self {
        Self::new(&["Content-Type: text/plain; charset=us-ascii"], text.as_bytes().to_vec())
    }

    pub(super) fn quoted_printable(subtype: &str, charset: &str, octets: &[u8]) -> Self {
        let kind = format!("Content-Type: text/{subtype}; charset={charset}");
        let body = quoted_printable(octets).into_bytes();
        Self::new(&[&kind, "Content-Transfer-Encoding: quoted-printable"], body)
    }

    pub(super) fn base64(kind: &str, disposition: &str, octets: &[u8]) -> Self {
        let kind = format!("Content-Type: {kind}");
        let disposition = format!("Content-Disposition: {disposition}");
        let body = base64_lines(octets).into_bytes();
        Self::new(&[&kind, &disposition, "Content-Transfer-Encoding: base64"], body)
    }

    pub(super) fn multipart(subtype: &str, boundary: &str, parts: &[Self]) -> Self {
        let kind = format!("Content-Type: multipart/{subtype};\r\n boundary=\"{boundary}\"");
        let mut body = b"This is a message in MIME format.\r\n".to_vec();
        for part in parts {
            body.extend_from_slice(format!("\r\n--{boundary}\r\n{}\r\n", part.fields).as_bytes());
            body.extend_from_slice(&part.body);
        }
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Self::new(&[&kind], body)
    }
}

/// RFC 2045 section 6.7; CRLF stays a line end.
pub(super) fn quoted_printable(octets: &[u8]) -> String {
    let mut encoded = String::new();
    for line in octets.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = match line.strip_suffix(b"\r\n") {
            Some(text) => (text, "\r\n"),
            None => (line, ""),
        };
        let mut width = 0;
        for (at, byte) in text.iter().enumerate() {
            let last = at + 1 == text.len();
            let literal = (byte.is_ascii_graphic() && *byte != b'=') || (*byte == b' ' && !last);
            let piece = if literal { char::from(*byte).to_string() } else { format!("={byte:02X}") };
            if width + piece.len() > 75 {
                encoded.push_str("=\r\n");
                width = 0;
            }
            width += piece.len();
            encoded.push_str(&piece);
        }
        encoded.push_str(end);
    }
    encoded
}

/// Lines of 76 characters.
pub(super) fn base64_lines(octets: &[u8]) -> String {
    octets.chunks(57).map(|line| STANDARD.encode(line) + "\r\n").collect()
}

/// RFC 2047; ASCII stays as it is. A line holds at most one encoded word.
pub(super) fn header_text(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for letter in text.chars() {
        if words.last().is_some_and(|word| word.len() + letter.len_utf8() > 36) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    let encoded = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
    encoded.collect::<Vec<_>>().join("\r\n ")
}

/// `"Name" <address>`, quoted or encoded as the name needs.
pub(super) fn mailbox(name: &str, address: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " '-".contains(c);
    if name.is_empty() {
        address.to_owned()
    } else if !name.is_ascii() {
        format!("{} <{address}>", header_text(name))
    } else if name.chars().all(plain) {
        format!("{name} <{address}>")
    } else {
        format!("\"{name}\" <{address}>")
    }
}

/// ISO-8859-1 as far as it goes; the few signs of Windows-1252 that the texts use lie outside it.
pub(super) fn latin(text: &str) -> Vec<u8> {
    let octet = |letter: char| match letter {
        '€' => 0x80,
        '–' => 0x96,
        other => u8::try_from(u32::from(other)).unwrap_or(b'?'),
    };
    text.chars().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_lines_are_short_and_end_visibly() {
        assert_eq!(quoted_printable("Grüße \r\na=b\r\n".as_bytes()), "Gr=C3=BC=C3=9Fe=20\r\na=3Db\r\n");
        let long = quoted_printable("ä".repeat(100).as_bytes());
        assert!(long.split("\r\n").all(|line| line.len() <= 76), "{long}");
    }

    #[test]
    fn encoded_words_are_not_longer_than_75() {
        let encoded = header_text("Вопрос по договору и счёт за октябрь");
        assert!(encoded.split("\r\n ").all(|word| word.len() <= 75), "{encoded}");
        assert_eq!(header_text("plain"), "plain");
        assert_eq!(mailbox("Brown, Terry", "a@b"), "\"Brown, Terry\" <a@b>");
    }
}
