//! A message in 8 bits for a server that takes 7 (RFC 6152 section 3): each part that needs it is encoded anew, and says so.
//!
//! What must not be touched is not: signed and encrypted parts, DKIM signatures, headers. A message that cannot be told in 7 bits
//! without that stays as it is, and is refused in our words.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::content::header_end;
use crate::model::limits;

/// Multiparts and messages within each other.
const DEPTH_MAX: usize = 50;
/// RFC 2045 section 6.7 and 6.8, without the line end.
const ENCODED_LINE_MAX: usize = 76;

/// The same message in ASCII. `None`: that cannot be done without changing what it says. Lines end with CRLF.
pub(super) fn seven_bit(text: &[u8]) -> Option<Vec<u8>> {
    let header = Header::read(text)?;
    if header.has("DKIM-Signature") || !header.has("MIME-Version") {
        return None;
    }
    let recoded = entity(text, 0)?;
    recoded.is_ascii().then_some(recoded)
}

fn entity(text: &[u8], depth: usize) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return Some(text.to_vec());
    }
    let header = Header::read(text)?;
    let body = &text[header.bytes..];
    let (kind, boundary) = header.media_type()?;
    let is_open = ["", "7bit", "8bit", "binary"].contains(&header.encoding().as_str());
    match kind.split_once('/')? {
        _ if depth >= DEPTH_MAX || !is_open => None,
        ("multipart", "signed" | "encrypted") => None,
        ("multipart", _) => {
            Some([header.with_encoding("7bit"), multipart(body, &boundary?, depth)?].concat())
        }
        ("message", "rfc822" | "global") => {
            Some([header.with_encoding("7bit"), entity(body, depth + 1)?].concat())
        }
        ("message", _) => None,
        ("text", _) => Some([header.with_encoding("quoted-printable"), quoted_printable(body)].concat()),
        _ => Some([header.with_encoding("base64"), base64_lines(body)].concat()),
    }
}

/// Each part recoded, everything between them as it was.
fn multipart(body: &[u8], boundary: &str, depth: usize) -> Option<Vec<u8>> {
    let mut recoded = Vec::with_capacity(body.len() + body.len() / 2);
    let mut part: Option<Range<usize>> = None;
    let (mut at, mut parts) = (0, 0);
    let mut open = true;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let text = line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end);
        let rest = text.and_then(|text| text.strip_prefix(boundary.as_bytes()));
        match rest {
            Some(rest) if open && (rest.is_empty() || rest == b"--") => {
                if let Some(part) = part.take() {
                    // The line end before a delimiter belongs to it.
                    let stop = start.saturating_sub(2).max(part.start);
                    recoded.extend(entity(&body[part.start..stop], depth + 1)?);
                    recoded.extend_from_slice(&body[stop..start]);
                }
                recoded.extend_from_slice(line);
                open = rest.is_empty();
                part = open.then_some(end..end);
                parts += 1;
                if parts > limits::MIME_PARTS_MAX {
                    return None;
                }
            }
            Some(_) | None if part.is_some() => {}
            // Before the first part and behind the last one.
            Some(_) | None => recoded.extend_from_slice(line.is_ascii().then_some(line)?),
        }
    }
    match part {
        Some(part) => recoded.extend(entity(&body[part.start..], depth + 1)?),
        None if parts == 0 => return None,
        None => {}
    }
    Some(recoded)
}

/// A header of an entity, ASCII only, up to and with the empty line behind it.
struct Header<'a> {
    /// Name and whole text of each field, with its line ends.
    fields: Vec<(&'a str, &'a str)>,
    bytes: usize,
}

impl<'a> Header<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let end = header_end(text);
        let fields_end = if end == 0 { 0 } else { (end + 2).min(text.len()) };
        let mut rest = std::str::from_utf8(&text[..fields_end]).ok().filter(|header| header.is_ascii())?;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let mut length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            while rest[length..].starts_with([' ', '\t']) {
                length += rest[length..].find('\n').map_or(rest.len() - length, |end| end + 1);
            }
            let (field, after) = rest.split_at(length);
            let (name, _) = field.split_once(':')?;
            fields.push((name.trim_end(), field));
            rest = after;
        }
        Some(Self { fields, bytes: (fields_end + 2).min(text.len()) })
    }

    fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<String> {
        let (_, field) = self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        let (_, value) = field.split_once(':')?;
        Some(value.replace(['\r', '\n'], "").trim().to_owned())
    }

    /// `type/subtype` in lower case, and the boundary. A part that says nothing has no charset to be told by.
    fn media_type(&self) -> Option<(String, Option<String>)> {
        let value = self.value("Content-Type")?;
        let mut parameters = value.split(';');
        let kind = parameters.next()?.trim().to_ascii_lowercase();
        let boundary = parameters.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_boundary = name.trim().eq_ignore_ascii_case("boundary");
            is_boundary.then(|| value.trim().trim_matches('"').to_owned())
        });
        Some((kind, boundary.filter(|boundary| !boundary.is_empty() && !boundary.contains('\\'))))
    }

    fn encoding(&self) -> String {
        self.value("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase()
    }

    /// The header with another transfer encoding, and the empty line behind it.
    fn with_encoding(&self, encoding: &str) -> Vec<u8> {
        let is_other = |(name, _): &&(&str, &str)| !name.eq_ignore_ascii_case("Content-Transfer-Encoding");
        let mut text: String = self.fields.iter().filter(is_other).map(|(_, field)| *field).collect();
        text.push_str(&format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"));
        text.into_bytes()
    }
}

fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len() + text.len() / 4);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let words = line.strip_suffix(b"\r\n").unwrap_or(line);
        let mut column = 0;
        for (at, byte) in words.iter().enumerate() {
            let is_last = at + 1 == words.len();
            let plain = match byte {
                b'=' => false,
                b' ' | b'\t' => !is_last,
                byte => byte.is_ascii_graphic(),
            };
            let width = if plain { 1 } else { 3 };
            // One column is left for the soft line end.
            if column + width > ENCODED_LINE_MAX - 1 {
                encoded.extend_from_slice(b"=\r\n");
                column = 0;
            }
            match plain {
                true => encoded.push(*byte),
                false => encoded.extend_from_slice(format!("={byte:02X}").as_bytes()),
            }
            column += width;
        }
        encoded.extend_from_slice(&line[words.len()..]);
    }
    encoded
}

fn base64_lines(octets: &[u8]) -> Vec<u8> {
    let encoded = BASE64.encode(octets);
    let lines = encoded.as_bytes().chunks(ENCODED_LINE_MAX);
    lines.flat_map(|line| line.iter().chain(b"\r\n")).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recoded(text: &str) -> Option<String> {
        let text = text.replace('\n', "\r\n");
        seven_bit(text.as_bytes()).map(|recoded| String::from_utf8(recoded).unwrap().replace("\r\n", "\n"))
    }

    #[test]
    fn a_text_becomes_quoted_printable_and_says_so() {
        let long = "ü".repeat(30);
        let recoded = recoded(&format!(
            "Subject: x\nMIME-Version: 1.0\ncontent-type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
             Grüße = \n.dot\n{long}\n"
        ));
        let expected = format!(
            "Subject: x\nMIME-Version: 1.0\ncontent-type: text/plain;\n charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =3D=20\n.dot\n{}=\n{}=\n{}\n",
            "=C3=BC".repeat(12) + "=C3",
            "=BC".to_owned() + &"=C3=BC".repeat(12),
            "=C3=BC".repeat(5)
        );
        assert_eq!(recoded.as_deref(), Some(expected.as_str()));
    }

    #[test]
    fn only_the_parts_that_need_it_are_touched() {
        let text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 8bit\n\n\
                    preamble\n--b\nContent-Type: text/plain\n\nplain  \n--b\nContent-Type: image/png\n\nä\n--b\n\
                    Content-Type: message/rfc822\n\nSubject: in\nContent-Type: text/html\n\nö\n--b--\nepilogue\n";
        let expected = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 7bit\n\n\
                        preamble\n--b\nContent-Type: text/plain\n\nplain  \n--b\nContent-Type: image/png\n\
                        Content-Transfer-Encoding: base64\n\nw6Q=\n\n--b\nContent-Type: message/rfc822\n\
                        Content-Transfer-Encoding: 7bit\n\nSubject: in\nContent-Type: text/html\n\
                        Content-Transfer-Encoding: quoted-printable\n\n=C3=B6\n--b--\nepilogue\n";
        assert_eq!(recoded(text).as_deref(), Some(expected));
    }

    #[test]
    fn what_must_not_be_touched_is_refused() {
        let mime = "MIME-Version: 1.0\n";
        for text in [
            "Content-Type: text/plain\n\nä\n".to_owned(),
            format!("{mime}\nä\n"),
            format!("{mime}Subject: ä\nContent-Type: text/plain\n\nx\n"),
            format!("{mime}DKIM-Signature: v=1\nContent-Type: text/plain\n\nä\n"),
            format!(
                "{mime}Content-Type: multipart/signed; boundary=b\n\n--b\nContent-Type: text/plain\n\nä\n--b--\n"
            ),
            format!("{mime}Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nä\n"),
            format!("{mime}Content-Type: multipart/mixed\n\nä\n"),
            format!("{mime}Content-Type: multipart/mixed; boundary=b\n\nä\n--b--\n"),
            format!("{mime}Content-Type: message/partial\n\nä\n"),
            format!("{mime}no field\n\nä\n"),
        ] {
            assert_eq!(recoded(&text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_recoded_is_ascii_in_short_lines_and_reads_as_before(lines in proptest::collection::vec("[a-zß =.\t-]{0,200}", 0..6)) {
            let body: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let text = format!("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}");
            let recoded = seven_bit(text.as_bytes()).unwrap();
            if text.is_ascii() {
                proptest::prop_assert_eq!(recoded, text.into_bytes());
            } else {
                let recoded = String::from_utf8(recoded).unwrap();
                let (_, encoded) = recoded.split_once("\r\n\r\n").unwrap();
                proptest::prop_assert!(encoded.split("\r\n").all(|line| line.len() <= ENCODED_LINE_MAX));
                let decoded = mail_parser::decoders::quoted_printable::quoted_printable_decode(encoded.as_bytes());
                proptest::prop_assert_eq!(decoded.unwrap(), body.into_bytes());
            }
        }
    }
}
