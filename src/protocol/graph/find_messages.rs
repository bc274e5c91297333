//! Messages with a Message-ID, wherever in the mailbox they are.
//! <https://learn.microsoft.com/graph/api/user-list-messages>

use serde::Deserialize;

use super::{Call, GraphError, Operation, document, encoded, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct FindMessages<'a> {
    /// With its angle brackets.
    pub internet_message_id: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FoundMessage {
    pub id: String,
    #[serde(rename = "isDraft")]
    pub is_draft: Option<bool>,
    #[serde(rename = "parentFolderId")]
    pub folder: Option<String>,
}

impl Operation for FindMessages<'_> {
    type Response = Vec<FoundMessage>;

    fn call(&self, user: &Address) -> Call {
        let quoted = self.internet_message_id.replace('\'', "''");
        let filter = encoded(&format!("internetMessageId eq '{quoted}'"));
        let path = path(user, &["messages"]);
        let path = format!("{path}?$filter={filter}&$select=id,isDraft,parentFolderId&$top=20");
        Call::new(Method::Get, path)
    }

    fn read(&self, body: &[u8]) -> Result<Vec<FoundMessage>, GraphError> {
        document::list("a list of messages", body)
    }
}
