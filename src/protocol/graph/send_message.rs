//! Sends a draft; the copy in Sent Items keeps its immutable id.
//! <https://learn.microsoft.com/graph/api/message-send>

use super::{Call, Expected, GraphError, Operation, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct SendMessage<'a> {
    pub id: &'a str,
}

impl Operation for SendMessage<'_> {
    /// Accepted, which is not delivered.
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        Call::new(Method::Post, path(user, &["messages", self.id, "send"])).expecting(Expected::Status(202))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}
