//! From the bytes of a file to texts of single documents.
//!
//! A line that begins with `---` and a blank always ends a document, whatever state the YAML before it is in, so that
//! a mistake never reaches further than its own document.

use std::ops::Range;

use super::codes;
use super::place::Place;
use super::report::{Draft, Report};
use crate::model::limits;
use crate::model::problem::SourceFile;

/// Whether a file is read as YAML; other files are what manifests name.
pub fn is_yaml(file: &SourceFile) -> bool {
    file.name.ends_with(".yaml") || file.name.ends_with(".yml")
}

/// The text of a file, or a problem about its size or encoding.
pub fn decode<'a>(file: &'a SourceFile, index: u32, report: &mut Report<'_>) -> Option<&'a str> {
    if file.bytes.len() as u64 > limits::MANIFEST_FILE_BYTES_MAX {
        let place = Place { file: index, start: 0, end: 0 };
        let mebibytes = limits::MANIFEST_FILE_BYTES_MAX / (1024 * 1024);
        let message = format!("a file of a manifest has at most {mebibytes} MiB");
        report.add(Draft::error(codes::TOO_LARGE, place, message).hint("split it into several files"));
        return None;
    }
    match std::str::from_utf8(&file.bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let start = offset(error.valid_up_to());
            let place = Place { file: index, start, end: start };
            let is_utf16 = file.bytes.starts_with(b"\xFF\xFE") || file.bytes.starts_with(b"\xFE\xFF");
            let message =
                if is_utf16 { "the file is UTF-16, not UTF-8 text" } else { "the file is not UTF-8 text" };
            report.add(
                Draft::error(codes::NOT_UTF8, place, message)
                    .label("this byte")
                    .hint("save the file as UTF-8"),
            );
            None
        }
    }
}

/// The byte ranges of the documents of a text, each with the line that begins it; of a text with more than
/// [`limits::MANIFEST_DOCUMENTS_MAX`], one more than these.
pub fn documents(text: &str) -> Vec<Range<usize>> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = text.len() - text.strip_prefix('\u{FEFF}').unwrap_or(text).len();
    let first = at;
    for line in text.get(at..).unwrap_or_default().split_inclusive('\n') {
        let ends = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if ends || at == first {
            starts.push(at);
        }
        if starts.len() > limits::MANIFEST_DOCUMENTS_MAX {
            break;
        }
        at += line.len();
    }
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// The first character of a document that must not stand in a manifest: control characters, and characters that
/// make a text look different from what it is (bidirectional controls, byte order marks inside).
pub fn forbidden_character(text: &str) -> Option<(usize, char)> {
    if is_printable_ascii(text.as_bytes()) {
        return None;
    }
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let allowed = match character {
            '\t' | '\n' => true,
            '\r' => characters.peek().is_some_and(|(_, next)| *next == '\n'),
            '\u{85}' => true,
            '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}' => false,
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => false,
            other => !other.is_control(),
        };
        if !allowed {
            return Some((at, character));
        }
    }
    None
}

/// Whether there are only printable ASCII characters, tabs and line feeds. Whole blocks at once, without a way out of the
/// middle of one, so that the compiler can compare many bytes at a time.
fn is_printable_ascii(bytes: &[u8]) -> bool {
    let is_fine = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n');
    bytes.chunks(64).all(|block| block.iter().fold(true, |fine, byte| fine & is_fine(byte)))
}

/// A byte offset. Files are far smaller than 4 GiB: see [`decode`].
pub fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_three_dashes_begins_a_document() {
        let text = "\u{FEFF}a: 1\n---\nb: |\n  x\n--- # c\n-----BEGIN\n---";
        let found: Vec<_> = documents(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["a: 1\n", "---\nb: |\n  x\n", "--- # c\n-----BEGIN\n", "---"]);
        assert!(documents("").is_empty());
    }

    #[test]
    fn of_too_many_documents_one_more_than_allowed_is_found() {
        let text = "---\n".repeat(limits::MANIFEST_DOCUMENTS_MAX + 10);
        assert_eq!(documents(&text).len(), limits::MANIFEST_DOCUMENTS_MAX + 1);
    }

    #[test]
    fn control_and_invisible_characters_are_found() {
        assert_eq!(forbidden_character("a\r\n\tgrüße"), None);
        assert_eq!(forbidden_character("a\rb"), Some((1, '\r')));
        assert_eq!(forbidden_character("a\u{7}"), Some((1, '\u{7}')));
        assert_eq!(forbidden_character("a\u{202E}b"), Some((1, '\u{202E}')));
    }
}
