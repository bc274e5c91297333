//! Which answers of success are the service's own. A proxy or a login page in between says 200 as well.

use crate::protocol::http::Head;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A document, of which whoever reads it says whether it is what was asked for.
    Document,
    /// The octets of a message, of which nothing but the head tells.
    Octets,
    /// This status, which alone says that it was done, or that whatever follows is what was asked for.
    Status(u16),
}

impl Expected {
    pub fn is(self, head: &Head) -> bool {
        match self {
            Self::Document => (200..300).contains(&head.status) && !is_page(head),
            Self::Octets => head.status == 200 && !is_page(head) && !is_json(head),
            Self::Status(expected) => head.status == expected,
        }
    }
}

/// A page for people.
pub(super) fn is_page(head: &Head) -> bool {
    media_type(head).is_some_and(|kind| kind.ends_with("/html") || kind.ends_with("/xhtml+xml"))
}

fn is_json(head: &Head) -> bool {
    media_type(head).is_some_and(|kind| kind.ends_with("/json") || kind.ends_with("+json"))
}

/// In small letters, without parameters.
fn media_type(head: &Head) -> Option<String> {
    let kind = head.field("content-type")?.split(';').next()?;
    Some(kind.trim().to_ascii_lowercase())
}
