//! One folder. <https://learn.microsoft.com/graph/api/mailfolder-get>

use serde::Deserialize;

use super::{Call, Folder, GraphError, Operation, document, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct GetMailFolder {
    pub folder: Folder,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MailFolder {
    pub id: String,
    #[serde(rename = "displayName")]
    pub name: Option<String>,
    #[serde(rename = "totalItemCount")]
    pub total: Option<u64>,
    #[serde(rename = "parentFolderId")]
    pub parent: Option<String>,
}

/// What is asked of a folder.
pub(super) const SELECTED: &str = "$select=id,displayName,parentFolderId,totalItemCount";

impl Operation for GetMailFolder {
    type Response = MailFolder;

    fn call(&self, user: &Address) -> Call {
        let path = path(user, &["mailFolders", self.folder.key()]);
        Call::new(Method::Get, format!("{path}?{SELECTED}"))
    }

    fn read(&self, body: &[u8]) -> Result<MailFolder, GraphError> {
        document::read("a folder", body)
    }
}
