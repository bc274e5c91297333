//! What is attached to a message. <https://learn.microsoft.com/graph/api/message-list-attachments>

use serde::Deserialize;

use super::{Call, GraphError, Operation, document, path};
use crate::model::limits;
use crate::model::name::Address;
use crate::protocol::ews::item_properties::{self, AttachedKind};
use crate::protocol::http::Method;

/// What they are called and how large they are, of as many as one page holds.
#[derive(Debug)]
pub struct ListAttachments<'a> {
    pub message: &'a str,
    pub pictures: Pictures,
}

/// Whether it is asked, too, which of them the text shows. What files have and other attachments do not is named with its type
/// (OData 4.01, URL conventions, section 5.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pictures {
    Told,
    NotAsked,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attached {
    pub id: Option<String>,
    /// The type of the resource: `#microsoft.graph.fileAttachment` …
    #[serde(rename = "@odata.type")]
    pub kind: Option<String>,
    #[serde(rename = "contentType")]
    pub media_type: Option<String>,
    pub name: Option<String>,
    /// With what the service adds to it.
    pub size: Option<u64>,
    #[serde(rename = "contentId")]
    pub content_id: Option<String>,
    #[serde(rename = "isInline")]
    pub is_inline: Option<bool>,
}

impl Attached {
    /// As something whose content can be asked for. `None`: it has no id, or is only a link to somewhere else.
    pub fn content(self) -> Option<item_properties::Attached> {
        let kind = match self.kind.as_deref() {
            Some("#microsoft.graph.referenceAttachment") => return None,
            Some("#microsoft.graph.itemAttachment") => AttachedKind::Item,
            Some(_) | None => AttachedKind::File,
        };
        Some(item_properties::Attached {
            id: self.id.filter(|id| !id.is_empty())?,
            kind,
            name: self.name,
            media_type: self.media_type,
            content_id: self.content_id,
            is_inline: self.is_inline == Some(true),
        })
    }
}

impl Operation for ListAttachments<'_> {
    type Response = Vec<Attached>;

    fn call(&self, user: &Address) -> Call {
        let path = path(user, &["messages", self.message, "attachments"]);
        let top = limits::GRAPH_ATTACHMENTS_MAX;
        let pictures = match self.pictures {
            Pictures::Told => ",isInline,microsoft.graph.fileAttachment/contentId",
            Pictures::NotAsked => "",
        };
        Call::new(Method::Get, format!("{path}?$select=id,name,contentType,size{pictures}&$top={top}"))
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Attached>, GraphError> {
        document::list("a list of attachments", body)
    }
}
