//! The names that documents have, for hints about those that are misspelt.

use super::{Document, Documents};

impl Documents {
    /// The names of the documents of this kind that were read so far.
    pub fn names<'d>(&'d self, kind: &str) -> Box<dyn Iterator<Item = &'d str> + 'd> {
        fn of<T>(documents: &[Document<T>]) -> Box<dyn Iterator<Item = &str> + '_> {
            Box::new(documents.iter().map(|document| document.name.value.as_str()))
        }
        match kind {
            "Organization" => of(&self.organizations),
            "EmailServerProfile" => of(&self.profiles),
            "Mailbox" => Box::new(self.mailboxes.iter().map(|entry| entry.name.value.as_str())),
            "MailboxAssignment" => of(&self.assignments),
            "Secret" => of(&self.secrets),
            "ApprovalList" => of(&self.approvals),
            _ => Box::new(std::iter::empty()),
        }
    }
}
