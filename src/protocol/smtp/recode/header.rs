//! The header of a message or of one of its parts, field by field.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::content::header_end;
use super::{Obstacle, longest_line};
use crate::model::limits;

/// Where a line is folded if it can be (RFC 5322 section 2.1.1).
const FOLDED_LINE_BYTES: usize = 78;

/// So that an encoded word has at most 75 characters (RFC 2047 section 2).
const WORD_BYTES_MAX: usize = 45;

/// A header in UTF-8, up to and with the empty line behind it.
pub(super) struct Header<'a> {
    /// Name and whole text of each field, with its line ends.
    fields: Vec<(&'a str, &'a str)>,
    pub fields_bytes: usize,
    /// With the empty line.
    pub bytes: usize,
}

impl<'a> Header<'a> {
    pub(super) fn read(text: &'a [u8]) -> Result<Self, Obstacle> {
        let end = header_end(text);
        let fields_bytes = if end == 0 { 0 } else { (end + 2).min(text.len()) };
        let mut rest = std::str::from_utf8(&text[..fields_bytes]).map_err(|_| Obstacle::NoCharset)?;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let mut length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            while rest[length..].starts_with([' ', '\t']) {
                length += rest[length..].find('\n').map_or(rest.len() - length, |end| end + 1);
            }
            let (field, after) = rest.split_at(length);
            let (name, _) = field.split_once(':').ok_or(Obstacle::Structure)?;
            fields.push((name.trim_end(), field));
            rest = after;
        }
        Ok(Self { fields, fields_bytes, bytes: (fields_bytes + 2).min(text.len()) })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<String> {
        let (_, field) = self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        let (_, value) = field.split_once(':')?;
        Some(value.replace(['\r', '\n'], "").trim().to_owned())
    }

    /// `type/subtype` in lower case, and the boundary.
    pub(super) fn media_type(&self) -> Option<(String, Option<String>)> {
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

    pub(super) fn encoding(&self) -> String {
        self.value("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase()
    }

    /// The header with another transfer encoding, and the empty line behind it.
    pub(super) fn with_encoding(&self, encoding: &str) -> Result<Vec<u8>, Obstacle> {
        let is_other = |(name, _): &&(&str, &str)| !name.eq_ignore_ascii_case("Content-Transfer-Encoding");
        let fields = self.fields.iter().filter(is_other);
        let mut text = fields.map(|(name, field)| folded(name, field)).collect::<Result<String, _>>()?;
        text.push_str(&format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"));
        Ok(text.into_bytes())
    }

    /// The fields, those lines folded that are too long.
    pub(super) fn folded(&self) -> Result<String, Obstacle> {
        self.fields.iter().map(|(name, field)| folded(name, field)).collect()
    }
}

/// A line end before a blank changes nothing of what a field says (RFC 5322 section 2.2.3).
fn folded(name: &str, field: &str) -> Result<String, Obstacle> {
    let mut out = String::with_capacity(field.len() + field.len() / 32);
    for line in field.split_inclusive('\n') {
        let mut rest = line;
        while longest_line(rest.as_bytes()) > limits::TEXT_LINE_BYTES_MAX {
            let Some(at) = fold(rest.as_bytes()) else {
                return in_words(name, field).ok_or_else(|| Obstacle::Field { name: name.to_owned() });
            };
            out.push_str(&rest[..at]);
            out.push_str("\r\n");
            rest = &rest[at..];
        }
        out.push_str(rest);
    }
    Ok(out)
}

/// A subject without blanks, in encoded words (RFC 2047), between which there may be some. Other fields are no texts.
fn in_words(name: &str, field: &str) -> Option<String> {
    let (_, value) = field.split_once(':')?;
    let value = value.replace("\r\n", "");
    if !name.eq_ignore_ascii_case("Subject") || value.contains("=?") {
        return None;
    }
    let mut words = vec![String::new()];
    for letter in value.trim().chars() {
        if words.last().is_some_and(|word| word.len() + letter.len_utf8() > WORD_BYTES_MAX) {
            words.push(String::new());
        }
        words.last_mut()?.push(letter);
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", BASE64.encode(word))).collect();
    Some(format!("{name}: {}\r\n", words.join("\r\n ")))
}

/// The blank to fold at: the last one of a handsome line, or else the first one behind it. Something has to stand on both lines.
fn fold(line: &[u8]) -> Option<usize> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let words = line.iter().position(|octet| !is_blank(octet))?;
    let end =
        line.iter().rposition(|octet| !octet.is_ascii_whitespace())?.min(limits::TEXT_LINE_BYTES_MAX + 1);
    let mut blanks = (words..end).filter(|at| is_blank(&line[*at])).peekable();
    let mut last = None;
    while let Some(at) = blanks.next_if(|at| *at <= FOLDED_LINE_BYTES) {
        last = Some(at);
    }
    last.or_else(|| blanks.next())
}
