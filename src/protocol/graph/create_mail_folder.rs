//! A folder that did not exist. <https://learn.microsoft.com/graph/api/user-post-mailfolders>

use serde_json::json;

use super::{Body, Call, Folder, GraphError, MailFolder, Operation, document, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct CreateMailFolder {
    /// `None`: right below the root.
    pub below: Option<Folder>,
    pub name: String,
}

impl Operation for CreateMailFolder {
    type Response = MailFolder;

    fn call(&self, user: &Address) -> Call {
        let path = match &self.below {
            None => path(user, &["mailFolders"]),
            Some(folder) => path(user, &["mailFolders", folder.key(), "childFolders"]),
        };
        Call::new(Method::Post, path).with(Body::Json(json!({ "displayName": self.name })))
    }

    fn read(&self, body: &[u8]) -> Result<MailFolder, GraphError> {
        document::read("a folder", body)
    }
}
