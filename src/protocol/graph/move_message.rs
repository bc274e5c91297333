//! Puts a message into another folder of its mailbox. <https://learn.microsoft.com/graph/api/message-move>

use serde::Deserialize;
use serde_json::json;

use super::{Body, Call, Expected, Folder, GraphError, Operation, document, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct MoveMessage<'a> {
    pub id: &'a str,
    pub to: Folder,
}

#[derive(Deserialize)]
struct Moved {
    id: String,
}

impl Operation for MoveMessage<'_> {
    /// Its id, which is the same where ids are immutable.
    type Response = String;

    fn call(&self, user: &Address) -> Call {
        let body = Body::Json(json!({ "destinationId": self.to.key() }));
        Call::new(Method::Post, path(user, &["messages", self.id, "move"]))
            .with(body)
            .expecting(Expected::Status(201))
    }

    fn read(&self, body: &[u8]) -> Result<String, GraphError> {
        document::read("a message with an id", body).map(|Moved { id }| id)
    }
}
