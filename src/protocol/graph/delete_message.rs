//! Removes a message; it can be recovered for a while. <https://learn.microsoft.com/graph/api/message-delete>

use super::{Call, Expected, GraphError, Operation, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct DeleteMessage<'a> {
    pub id: &'a str,
}

impl Operation for DeleteMessage<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        Call::new(Method::Delete, path(user, &["messages", self.id])).expecting(Expected::Status(204))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}
