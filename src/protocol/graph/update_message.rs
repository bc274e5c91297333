//! Categories, and whether a message was read. <https://learn.microsoft.com/graph/api/message-update>

use serde_json::{Map, Value};

use super::{Body, Call, GraphError, Operation, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct UpdateMessage<'a> {
    pub id: &'a str,
    /// All of them; `None`: as they are.
    pub categories: Option<Vec<String>>,
    /// `None`: as it is.
    pub read: Option<ReadState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadState {
    Read,
    Unread,
}

impl Operation for UpdateMessage<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        let mut changes = Map::new();
        if let Some(categories) = &self.categories {
            changes.insert("categories".to_owned(), categories.clone().into());
        }
        if let Some(read) = self.read {
            changes.insert("isRead".to_owned(), Value::Bool(read == ReadState::Read));
        }
        let body = Body::Json(Value::Object(changes));
        Call::new(Method::Patch, path(user, &["messages", self.id])).with(body)
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}
