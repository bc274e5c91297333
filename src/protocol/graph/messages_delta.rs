//! What changed in a folder since a link that was given before.
//! <https://learn.microsoft.com/graph/api/message-delta>

use jiff::Timestamp;
use serde::Deserialize;

use super::{Call, Folder, GraphError, Link, Operation, document, path};
use crate::model::limits;
use crate::model::name::Address;
use crate::protocol::http::Method;

/// One page of changes.
#[derive(Debug)]
pub struct MessagesDelta<'a> {
    /// Whom links may lead to.
    pub host: &'a str,
    pub folder: Folder,
    pub position: Position,
    /// What is told of each message beside its id; a round goes on with what it began with.
    pub about: About,
    /// How many messages the page may hold.
    pub page: u32,
}

/// What is told of a message. Nothing but categories changes while a message lies there, so that one that was read is not told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Arrival,
    ArrivalAndCategories,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// With everything.
    Start,
    After(Link),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// In the service's order; a later one about the same message supersedes.
    pub changes: Vec<Change>,
    pub next: Next,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// There is more, even where this page was empty.
    Page(Link),
    /// That was all; the next round begins there.
    Round(Link),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is in the folder: new, moved there, or changed.
    Present { id: String, received: Option<Timestamp>, categories: Vec<String> },
    /// It is in the folder no longer.
    Gone { id: String, removal: Removal },
}

/// Why a message is in a folder no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    Deleted,
    /// It exists, and does not belong here any more: it was moved.
    Changed,
}

#[derive(Deserialize)]
struct Document {
    value: Vec<Entry>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(rename = "receivedDateTime")]
    received: Option<String>,
    categories: Option<Vec<String>>,
    #[serde(rename = "@removed")]
    removed: Option<Removed>,
}

#[derive(Deserialize)]
struct Removed {
    reason: Option<String>,
}

impl Operation for MessagesDelta<'_> {
    type Response = Page;

    fn call(&self, user: &Address) -> Call {
        let path = match &self.position {
            Position::Start => {
                let path = path(user, &["mailFolders", self.folder.key(), "messages", "delta"]);
                match self.about {
                    About::Arrival => format!("{path}?$select=id,receivedDateTime"),
                    About::ArrivalAndCategories => format!("{path}?$select=id,receivedDateTime,categories"),
                }
            }
            Position::After(link) => link.path().to_owned(),
        };
        Call { page: Some(self.page), ..Call::new(Method::Get, path) }
    }

    fn read(&self, body: &[u8]) -> Result<Page, GraphError> {
        let Document { value, next, delta } = document::read("a page of messages", body)?;
        let next = match (next, delta) {
            (Some(link), None) => Next::Page(Link::parse(&link, self.host)?),
            (None, Some(link)) => Next::Round(Link::parse(&link, self.host)?),
            (Some(_), Some(_)) | (None, None) => {
                let words = "a page of messages needs one of `@odata.nextLink` and `@odata.deltaLink`";
                return Err(GraphError::Garbage(words.to_owned()));
            }
        };
        let changes = value.into_iter().map(Entry::into_change).collect::<Result<_, _>>()?;
        Ok(Page { changes, next })
    }
}

impl Entry {
    fn into_change(self) -> Result<Change, GraphError> {
        let Self { id, received, categories, removed } = self;
        if id.is_empty() || id.len() > limits::GRAPH_ID_BYTES_MAX {
            return Err(GraphError::limit("the id of a message", limits::GRAPH_ID_BYTES_MAX));
        }
        Ok(match removed {
            None => {
                let (received, categories) =
                    (received.and_then(|text| text.parse().ok()), categories.unwrap_or_default());
                Change::Present { id, received, categories }
            }
            Some(Removed { reason }) => {
                let is_deleted = reason.as_deref() != Some("changed");
                Change::Gone { id, removal: if is_deleted { Removal::Deleted } else { Removal::Changed } }
            }
        })
    }
}
