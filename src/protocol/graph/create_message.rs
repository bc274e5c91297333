//! A draft out of MIME, which is sent in a step of its own.
//! <https://learn.microsoft.com/graph/outlook-send-mime-message>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Body, Call, GraphError, Operation, document, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

/// Lands in Drafts.
#[derive(Debug)]
pub struct CreateMessage<'a> {
    pub raw: &'a [u8],
}

/// What the service made of it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Created {
    /// The draft's, and with immutable ids also that of the copy in Sent Items.
    pub id: String,
    /// With its angle brackets.
    #[serde(rename = "internetMessageId")]
    pub internet_message_id: Option<String>,
}

impl Operation for CreateMessage<'_> {
    type Response = Created;

    fn call(&self, user: &Address) -> Call {
        Call::new(Method::Post, path(user, &["messages"])).with(Body::Mime(STANDARD.encode(self.raw)))
    }

    fn read(&self, body: &[u8]) -> Result<Created, GraphError> {
        document::read("a message with an id", body)
    }
}
