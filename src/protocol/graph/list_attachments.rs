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
            content_id: None,
        })
    }
}

impl Operation for ListAttachments<'_> {
    type Response = Vec<Attached>;

    fn call(&self, user: &Address) -> Call {
        let path = path(user, &["messages", self.message, "attachments"]);
        let top = limits::GRAPH_ATTACHMENTS_MAX;
        Call::new(Method::Get, format!("{path}?$select=id,name,contentType,size&$top={top}"))
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Attached>, GraphError> {
        document::list("a list of attachments", body)
    }
}
