//! Long lists as JSON: one object with `formatVersion` and the list, written while the list is read, so that a hundred
//! thousand entries take no more memory than a page of them.

use serde::Serialize;

use super::exit::Failure;
use super::output;

/// Of every JSON document that this program lists things with. New members do not raise it; a member that goes away or
/// changes its meaning does.
pub const FORMAT_VERSION: u32 = 1;

/// Entries that are read and written at a time.
pub const PAGE_ENTRIES: u64 = 1000;

/// A list on its way out. Nothing is written before the first page is there, so that a command that fails at once leaves
/// stdout empty.
pub struct JsonList {
    name: &'static str,
    written: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Head,
    Entries,
}

impl JsonList {
    /// `name` is the list's member of the document.
    pub fn new(name: &'static str) -> Self {
        Self { name, written: Written::Nothing }
    }

    pub fn extend<T: Serialize>(&mut self, entries: &[T]) -> Result<(), Failure> {
        let mut text = String::new();
        if self.written == Written::Nothing {
            text = format!("{{\n  \"formatVersion\": {FORMAT_VERSION},\n  \"{}\": [", self.name);
            self.written = Written::Head;
        }
        for entry in entries {
            text.push_str(if self.written == Written::Entries { ",\n    " } else { "\n    " });
            self.written = Written::Entries;
            let entry = serde_json::to_string(entry)
                .map_err(|error| Failure::new("the output cannot be written as JSON").cause(error))?;
            text.push_str(&entry);
        }
        output::bytes(text.as_bytes())
    }

    /// Ends the list and the document.
    pub fn end(mut self) -> Result<(), Failure> {
        self.extend::<()>(&[])?;
        output::bytes(if self.written == Written::Entries { b"\n  ]\n}\n" } else { b"]\n}\n" })
    }
}

/// How many entries the next page has, when `listed` of at most `limit` are out.
pub fn next_page(limit: u64, listed: u64) -> u64 {
    limit.saturating_sub(listed).min(PAGE_ENTRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up_to_the_limit() {
        assert_eq!(next_page(50, 0), 50);
        assert_eq!(next_page(2500, 0), 1000);
        assert_eq!(next_page(2500, 2000), 500);
        assert_eq!(next_page(2500, 2500), 0);
    }
}
