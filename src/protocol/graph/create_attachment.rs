//! A file that fits into one request. <https://learn.microsoft.com/graph/api/message-post-attachments>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::apart::{Display, File};
use super::{Body, Call, GraphError, Operation, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct CreateAttachment<'a> {
    /// The draft.
    pub message: &'a str,
    pub file: &'a File,
}

impl Operation for CreateAttachment<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        let File { name, media_type, content_id, display, content } = self.file;
        let mut body = json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": name,
            "contentType": media_type,
            "isInline": *display == Display::Inline,
            "contentBytes": STANDARD.encode(content),
        });
        if let (Some(id), Some(body)) = (content_id, body.as_object_mut()) {
            body.insert("contentId".to_owned(), id.clone().into());
        }
        Call::new(Method::Post, path(user, &["messages", self.message, "attachments"])).with(Body::Json(body))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}
