//! Which answers of success are the service's own. A proxy or a login page in between says 200 as well.

use crate::protocol::http::Head;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A document, of which whoever reads it says whether it is what was asked for.
    Document,
    /// The octets of a message, of which nothing but the head tells.
    Octets,
    /// Nothing but this status, which alone says that it was done.
    Status(u16),
}

impl Expected {
    pub fn is(self, head: &Head) -> bool {
        match self {
            Self::Document => (200..300).contains(&head.status) && !head.is_page(),
            Self::Octets => head.status == 200 && !head.is_page() && !head.is_json(),
            Self::Status(expected) => head.status == expected,
        }
    }
}
