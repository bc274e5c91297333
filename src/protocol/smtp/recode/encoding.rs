//! Transfer encodings (RFC 2045 section 6.7 and 6.8), and what was encoded already with lines that are too long.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::model::limits;

/// Without the line end.
pub(super) const ENCODED_LINE_MAX: usize = 76;

/// Quoted-printable that grows by whole letters and signs, in lines that are short enough.
#[derive(Default)]
struct SoftLines {
    text: Vec<u8>,
    column: usize,
}

impl SoftLines {
    fn push(&mut self, token: &[u8]) {
        // One column is left for the soft line end.
        if self.column + token.len() > ENCODED_LINE_MAX - 1 {
            self.text.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        self.text.extend_from_slice(token);
        self.column += token.len();
    }

    fn end_line(&mut self, end: &[u8]) {
        self.text.extend_from_slice(end);
        self.column = 0;
    }
}

pub(super) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut encoded = SoftLines::default();
    for (words, end) in lines(text) {
        for (at, byte) in words.iter().enumerate() {
            let is_last = at + 1 == words.len();
            let plain = match byte {
                b'=' => false,
                b' ' | b'\t' => !is_last,
                byte => byte.is_ascii_graphic(),
            };
            match plain {
                true => encoded.push(&[*byte]),
                false => encoded.push(format!("={byte:02X}").as_bytes()),
            }
        }
        encoded.end_line(end);
    }
    encoded.text
}

pub(super) fn base64_lines(octets: &[u8]) -> Vec<u8> {
    let encoded = BASE64.encode(octets);
    let lines = encoded.as_bytes().chunks(ENCODED_LINE_MAX);
    lines.flat_map(|line| line.iter().chain(b"\r\n")).copied().collect()
}

/// Line ends mean nothing in Base64.
pub(super) fn broken_base64(text: &[u8]) -> Vec<u8> {
    broken(text, |words| words.chunks(ENCODED_LINE_MAX).collect::<Vec<_>>().join(&b"\r\n"[..]))
}

/// Soft line ends between the letters and signs of a line.
pub(super) fn broken_quoted_printable(text: &[u8]) -> Vec<u8> {
    broken(text, |words| {
        let mut lines = SoftLines::default();
        let mut rest = words;
        while !rest.is_empty() {
            let is_sign =
                matches!(rest, [b'=', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
            let (token, after) = rest.split_at(if is_sign { 3 } else { 1 });
            lines.push(token);
            rest = after;
        }
        lines.text
    })
}

/// Each line that is too long, broken; all others as they are.
fn broken(text: &[u8], shorter: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 16);
    for (words, end) in lines(text) {
        match words.len() > limits::TEXT_LINE_BYTES_MAX {
            true => out.extend(shorter(words)),
            false => out.extend_from_slice(words),
        }
        out.extend_from_slice(end);
    }
    out
}

/// Each line and its end, which the last one may lack.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let words = line.strip_suffix(b"\r\n").unwrap_or(line);
        line.split_at(words.len())
    })
}
