//! Where a large file is put, range by range. <https://learn.microsoft.com/graph/api/attachment-createuploadsession>

use serde::Deserialize;
use serde_json::json;

use super::apart::{Display, File};
use super::upload::{UploadPlace, first_expected};
use super::{Body, Call, GraphError, Operation, document, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct CreateUploadSession<'a> {
    /// The draft.
    pub message: &'a str,
    pub file: &'a File,
    /// Whom the place of the upload may belong to.
    pub hosts: &'a [&'a str],
}

#[derive(Debug, PartialEq, Eq)]
pub struct UploadSession {
    pub place: UploadPlace,
    /// The first octet that is wanted.
    pub expected: u64,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "uploadUrl")]
    url: String,
    #[serde(rename = "nextExpectedRanges", default)]
    expected: Vec<String>,
}

impl Operation for CreateUploadSession<'_> {
    type Response = UploadSession;

    fn call(&self, user: &Address) -> Call {
        let File { name, media_type, content_id, display, content } = self.file;
        let mut item = json!({
            "attachmentType": "file",
            "name": name,
            "size": content.len(),
            "contentType": media_type,
            "isInline": *display == Display::Inline,
        });
        if let (Some(id), Some(item)) = (content_id, item.as_object_mut()) {
            item.insert("contentId".to_owned(), id.clone().into());
        }
        let path = path(user, &["messages", self.message, "attachments", "createUploadSession"]);
        Call::new(Method::Post, path).with(Body::Json(json!({ "attachmentItem": item })))
    }

    fn read(&self, body: &[u8]) -> Result<UploadSession, GraphError> {
        let Document { url, expected } = document::read("an upload session", body)?;
        let place = UploadPlace::parse(&url, self.hosts)?;
        Ok(UploadSession { place, expected: first_expected(&expected)?.unwrap_or(0) })
    }
}
