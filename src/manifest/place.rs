//! Places in the files of a manifest, and how they become line and column.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::text;
use crate::model::problem::{Origin, SourceFile};

/// Bytes `start..end` of the file with this index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

/// Every file of one reading, with a line index that is made when the first place of a file is asked for.
#[derive(Debug)]
pub struct Files<'a> {
    pub files: &'a [SourceFile],
    lines: Vec<OnceCell<LineIndex>>,
    /// Files that are no documents, by layer and name in it: what documents name is among them, and most files are others.
    attached: OnceCell<HashMap<u16, HashMap<Box<str>, u32>>>,
}

impl<'a> Files<'a> {
    pub fn new(files: &'a [SourceFile]) -> Self {
        Self { files, lines: files.iter().map(|_| OnceCell::new()).collect(), attached: OnceCell::new() }
    }

    /// The index of the first file of this layer with this name.
    pub fn find(&self, layer: u16, name: &str) -> Option<u32> {
        let attached = self.attached.get_or_init(|| {
            let mut attached: HashMap<u16, HashMap<Box<str>, u32>> = HashMap::new();
            for (file, index) in self.files.iter().zip(0u32..).filter(|(file, _)| !text::is_yaml(file)) {
                let layer = attached.entry(file.layer_number()).or_default();
                layer.entry(normal(file.name_in_layer()).into()).or_insert(index);
            }
            attached
        });
        // That a document is named is a mistake, which is found out where it is read.
        attached.get(&layer).and_then(|layer| layer.get(name)).copied().or_else(|| {
            let is_it =
                |file: &SourceFile| file.layer_number() == layer && normal(file.name_in_layer()) == name;
            self.files.iter().position(is_it).and_then(|index| u32::try_from(index).ok())
        })
    }

    /// The place as people read it. A place outside every file becomes the beginning of the first.
    pub fn origin(&self, place: Place) -> Origin {
        let index = place.file as usize;
        let (Some(file), Some(lines)) = (self.files.get(index), self.lines.get(index)) else {
            return Origin { file: "".into(), line: 1, column: 1, start: 0, end: 0 };
        };
        let (line, column) =
            lines.get_or_init(|| LineIndex::new(&file.bytes)).position(&file.bytes, place.start);
        Origin { file: file.name.clone(), line, column, start: place.start, end: place.end }
    }
}

/// A name without what says that it is relative.
pub fn normal(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub struct LineIndex(Vec<u32>);

impl LineIndex {
    pub fn new(bytes: &[u8]) -> Self {
        // Guessed, so that the index of a large file does not grow by copying.
        let mut starts = Vec::with_capacity(bytes.len() / 24 + 1);
        starts.push(0);
        let (words, rest) = bytes.as_chunks::<8>();
        let mut at = 0;
        for word in words {
            let mut ends = line_ends(u64::from_le_bytes(*word));
            while ends != 0 {
                starts.push(at + ends.trailing_zeros() / 8 + 1);
                ends &= ends - 1;
            }
            at += 8;
        }
        starts.extend(rest.iter().zip(at + 1..).filter(|(byte, _)| **byte == b'\n').map(|(_, next)| next));
        Self(starts)
    }

    /// Line and column of a byte, both from 1. The column counts characters; a byte order mark is none.
    pub fn position(&self, bytes: &[u8], at: u32) -> (u32, u32) {
        let line = self.0.partition_point(|start| *start <= at).max(1);
        let start = self.0.get(line - 1).map_or(0, |start| *start as usize);
        let before = bytes.get(start..at as usize).unwrap_or_default();
        let before = before.strip_prefix(b"\xEF\xBB\xBF".as_slice()).unwrap_or(before);
        let characters = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(characters + 1).unwrap_or(u32::MAX))
    }

    /// The bytes of a line (from 1) without its end.
    pub fn line<'t>(&self, text: &'t str, line: u32) -> Option<(usize, &'t str)> {
        let index = (line as usize).checked_sub(1)?;
        let start = *self.0.get(index)? as usize;
        let end = self.0.get(index + 1).map_or(text.len(), |next| *next as usize);
        let content = text.get(start..end)?.trim_end_matches(['\n', '\r']);
        Some((start, content))
    }
}

/// The highest bit of each byte that is a line feed. Eight bytes are looked at together, because an error in a file of many
/// megabytes is to be shown at once.
fn line_ends(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f * EACH;
    let others = word ^ (b'\n' as u64 * EACH);
    // Zero bytes, and no others: the sum of seven bits never reaches the next byte.
    !(((others & LOW) + LOW) | others | LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_begins_after_a_line_feed_wherever_it_stands() {
        for length in 0..40 {
            for nth in 0..length {
                // Bytes that differ from a line feed in one bit, and one that is one.
                let mut bytes: Vec<u8> = (0..length).map(|at| b'\n' ^ (1 << (at % 8))).collect();
                bytes[nth] = b'\n';
                bytes[length / 2] = b'\n';
                let ends = (0..length).filter(|at| bytes[*at] == b'\n');
                let expected: Vec<u32> = std::iter::once(0).chain(ends.map(|at| at as u32 + 1)).collect();
                assert_eq!(LineIndex::new(&bytes).0, expected, "{bytes:?}");
            }
        }
    }

    #[test]
    fn columns_count_characters_and_lines_end_with_crlf_too() {
        let text = "a: 1\r\ngrüße: x\r\n";
        let lines = LineIndex::new(text.as_bytes());
        let at = text.find('x').unwrap();
        assert_eq!(lines.position(text.as_bytes(), u32::try_from(at).unwrap()), (2, 8));
        assert_eq!(lines.line(text, 2), Some((6, "grüße: x")));
        assert_eq!(lines.line(text, 9), None);
    }

    #[test]
    fn a_place_after_the_end_is_on_the_last_line() {
        assert_eq!(LineIndex::new(b"a\nb").position(b"a\nb", 99).0, 2);
    }
}
