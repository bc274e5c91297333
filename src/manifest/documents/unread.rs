//! What could not be read, as far as it is known what it was, and what is not judged because of it.

use super::{Documents, KINDS};
use crate::manifest::arena::Tree;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::mirror::Metadata;
use crate::manifest::text;
use crate::model::limits;
use crate::model::name::{Labels, Name};
use crate::model::problem::SourceFile;

impl Documents {
    /// A file whose text is not UTF-8.
    pub(super) fn not_decoded(&mut self, file: &SourceFile) {
        if file.bytes.len() as u64 > limits::MANIFEST_FILE_BYTES_MAX {
            self.unread = true;
            return;
        }
        let text = String::from_utf8_lossy(&file.bytes);
        text::documents(&text).into_iter().for_each(|range| self.not_parsed(&text[range]));
    }

    /// A document that cannot be parsed. Where its only `kind` stands at the beginning of a line, it is of no other kind.
    pub(super) fn not_parsed(&mut self, text: &str) {
        let mut kinds = text.lines().filter_map(|line| line.strip_prefix("kind:"));
        let kind = match (kinds.next().map(str::trim), kinds.next()) {
            (Some(word), None) => KINDS.into_iter().find(|kind| *kind == word),
            (Some(_) | None, Some(_) | None) => None,
        };
        match kind {
            Some("MailboxList") => self.broken.insert(("Mailbox", String::new())),
            Some(kind) => self.broken.insert((kind, String::new())),
            None => !std::mem::replace(&mut self.unread, true),
        };
    }

    /// What is not judged because of what could not be read, in words.
    pub fn not_judged(&self) -> Vec<&'static str> {
        let nameless = |kind: &'static str| self.unread || self.broken.contains(&(kind, String::new()));
        let mailboxes = self.unread || self.broken.iter().any(|(kind, _)| *kind == "Mailbox");
        [
            (nameless("EmailServerProfile"), "profiles that seem to be missing"),
            (nameless("Secret"), "secrets and keys of them that seem to be missing"),
            (mailboxes, "selectors, approvals and rules that name no declared mailbox"),
        ]
        .into_iter()
        .filter_map(|(is_open, words)| is_open.then_some(words))
        .collect()
    }
}

/// A name for a document whose own cannot be read, so that the rest of it is looked at. Nobody gets to see it.
pub(super) fn nameless(tree: &Tree<'_>) -> Option<Metadata> {
    let place = tree.place(0);
    let value = Name::parse(&format!("nameless.{}.{}", place.file, place.start)).ok()?;
    Some(Metadata { name: Spanned { value, place }, labels: Labels::new() })
}
