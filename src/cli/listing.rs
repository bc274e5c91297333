//! Long lists as JSON: one object with `formatVersion` and the list, written while the list is read, so that a hundred
//! thousand entries take no more memory than a page of them.

use serde::Serialize;

use super::exit::Failure;
use super::{Format, output};

/// Of every JSON document that this program lists things with. New members do not raise it; a member that goes away or
/// changes its meaning does.
pub const FORMAT_VERSION: &str = "1.0";

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
            text = format!("{{\n  \"formatVersion\": \"{FORMAT_VERSION}\",\n  \"{}\": [", self.name);
            self.written = Written::Head;
        }
        for entry in entries {
            text.push_str(if self.written == Written::Entries { ",\n    " } else { "\n    " });
            self.written = Written::Entries;
            let entry = serde_json::to_string(entry)
                .map_err(|error| Failure::new("the output cannot be written as JSON").cause(error))?;
            text.push_str(&entry);
        }
        output::part(&text)
    }

    /// Ends the list and the document.
    pub fn end(mut self) -> Result<(), Failure> {
        self.extend::<()>(&[])?;
        output::part(if self.written == Written::Entries { "\n  ]\n}\n" } else { "]\n}\n" })
    }
}

/// A list that is read page by page, newest first.
pub struct Paged<'a> {
    /// The list's member of the document.
    pub name: &'static str,
    /// Of the table.
    pub header: &'a [&'a str],
    pub limit: u64,
}

impl Paged<'_> {
    /// Prints the list. `read` returns at most so many entries older than the one with that id; `row` is what the table says of
    /// one. Returns how many there were.
    pub async fn print<T: Serialize>(
        &self,
        format: Format,
        read: impl AsyncFnMut(u64, Option<u64>) -> Result<Vec<T>, Failure>,
        row: impl Fn(&T) -> Vec<String>,
        id: impl Fn(&T) -> u64,
    ) -> Result<usize, Failure> {
        match format {
            Format::Json => {
                let mut list = JsonList::new(self.name);
                let listed = self.each_page(read, id, |page| list.extend(page)).await?;
                list.end()?;
                Ok(listed)
            }
            Format::Text => {
                let print =
                    |page: &[T]| output::data(&output::table(self.header, page.iter().map(&row).collect()));
                self.each_page(read, id, print).await
            }
        }
    }

    /// Hands out page by page, an empty page when there are no entries at all.
    async fn each_page<T>(
        &self,
        mut read: impl AsyncFnMut(u64, Option<u64>) -> Result<Vec<T>, Failure>,
        id: impl Fn(&T) -> u64,
        mut show: impl FnMut(&[T]) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let (mut listed, mut before) = (0, None);
        loop {
            let limit = next_page(self.limit, listed as u64);
            let page = if limit == 0 { Vec::new() } else { read(limit, before).await? };
            if listed == 0 || !page.is_empty() {
                show(&page)?;
            }
            listed += page.len();
            match page.last() {
                Some(last) if page.len() as u64 == limit && !output::is_closed() => before = Some(id(last)),
                Some(_) | None => return Ok(listed),
            }
        }
    }
}

/// How many entries the next page has, when `listed` of at most `limit` are out.
fn next_page(limit: u64, listed: u64) -> u64 {
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
