//! The content of one attachment: the octets of a file, or another message as MIME.
//! <https://learn.microsoft.com/graph/api/attachment-get>

use super::{Call, Expected, GraphError, Operation, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

/// Its answer is no JSON: the octets are taken while they arrive.
#[derive(Debug)]
pub struct AttachmentValue<'a> {
    pub message: &'a str,
    pub id: &'a str,
}

impl Operation for AttachmentValue<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        let parts = ["messages", self.message, "attachments", self.id, "$value"];
        // What is attached may itself be a page or a document.
        Call::new(Method::Get, path(user, &parts)).expecting(Expected::Status(200))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}
