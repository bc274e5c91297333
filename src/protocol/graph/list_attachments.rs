//! What is attached to a message. <https://learn.microsoft.com/graph/api/message-list-attachments>

use serde::Deserialize;

use super::{Call, GraphError, Operation, document, path};
use crate::model::limits;
use crate::model::name::Address;
use crate::protocol::http::Method;

/// Names and sizes, of as many as one page holds.
#[derive(Debug)]
pub struct ListAttachments<'a> {
    pub message: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attached {
    pub name: Option<String>,
    /// With what the service adds to it.
    pub size: Option<u64>,
}

impl Operation for ListAttachments<'_> {
    type Response = Vec<Attached>;

    fn call(&self, user: &Address) -> Call {
        let path = path(user, &["messages", self.message, "attachments"]);
        let top = limits::GRAPH_ATTACHMENTS_MAX;
        Call::new(Method::Get, format!("{path}?$select=id,name,size&$top={top}"))
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Attached>, GraphError> {
        document::list("a list of attachments", body)
    }
}
