//! Microsoft Graph v1.0, mail: JSON over HTTP, as data. One file per operation, under the vendor's name.
//!
//! An [`Operation`] says what is asked of which mailbox, and reads the answer. Nothing here knows how a request travels.
//! Requests are strict (they validate against the vendor's metadata); of answers only what is needed is read.
//! Source: <https://learn.microsoft.com/graph/api/resources/mail-api-overview>

mod apart;
mod attachment_value;
mod batch;
mod create_attachment;
mod create_mail_folder;
mod create_message;
mod create_upload_session;
mod delete_message;
mod document;
mod expected;
mod find_messages;
mod get_mail_folder;
mod get_message;
mod link;
mod list_attachments;
mod list_mail_folders;
mod message_rules;
mod message_value;
mod messages_delta;
mod move_message;
mod refusal;
mod send_mail;
mod send_message;
mod update_message;
mod upload;

pub use apart::{Apart, Display, File, Indivisible, take_apart};
pub use attachment_value::AttachmentValue;
pub use batch::{Batch, PartAnswer};
pub use create_attachment::CreateAttachment;
pub use create_mail_folder::CreateMailFolder;
pub use create_message::{CreateMessage, Created};
pub use create_upload_session::{CreateUploadSession, UploadSession};
pub use delete_message::DeleteMessage;
pub use expected::Expected;
pub use find_messages::{FindMessages, FoundMessage};
pub use get_mail_folder::{GetMailFolder, MailFolder};
pub use get_message::GetMessage;
pub use link::Link;
pub use list_attachments::{Attached, ListAttachments, Pictures};
pub use list_mail_folders::{ListMailFolders, MailFolders};
pub use message_rules::{
    CreateMessageRule, DeleteMessageRule, ListMessageRules, MessageRules, UpdateMessageRule,
};
pub use message_value::MessageValue;
pub use messages_delta::{About, Change, MessagesDelta, Next, Page, Position, Removal};
pub use move_message::MoveMessage;
pub use refusal::{GraphError, Refusal};
pub use send_mail::SendMail;
pub use send_message::SendMessage;
pub use update_message::{ReadState, UpdateMessage};
pub use upload::{UploadPlace, UploadRange, Uploaded};

use std::borrow::Cow;

use crate::model::name::Address;
use crate::protocol::http::Method;

/// The version that is asked for; part of every path.
pub const ROOT: &str = "/v1.0";

/// Ids that stay the same when a message is moved. It has to be asked for with each request, see
/// <https://learn.microsoft.com/graph/outlook-immutable-id>: so it stands here, and [`Call::fields`] and [`Batch`] are the
/// only ones who use it.
const IMMUTABLE_IDS: &str = "IdType=\"ImmutableId\"";

/// One operation with its arguments.
pub trait Operation {
    type Response;

    /// What is asked. `user`: the SMTP address of the mailbox.
    fn call(&self, user: &Address) -> Call;

    /// What the answer means, after a status of success.
    fn read(&self, body: &[u8]) -> Result<Self::Response, GraphError>;
}

/// A request, without what every request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    /// From the root of the host, with its query.
    pub path: String,
    pub body: Body,
    /// How many items a page may hold.
    pub page: Option<u32>,
    pub expected: Expected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Nothing,
    Json(serde_json::Value),
    /// A message in MIME, which travels in Base64.
    Mime(String),
}

impl Call {
    fn new(method: Method, path: String) -> Self {
        Self { method, path, body: Body::Nothing, page: None, expected: Expected::Document }
    }

    fn with(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }

    /// Names and values of the header fields.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut prefer = IMMUTABLE_IDS.to_owned();
        if let Some(page) = self.page {
            prefer.push_str(&format!(", odata.maxpagesize={page}"));
        }
        let mut fields = vec![("Accept", "application/json".to_owned()), ("Prefer", prefer)];
        if let Some(kind) = self.body.media_type() {
            fields.push(("Content-Type", kind.to_owned()));
        }
        fields
    }
}

impl Body {
    fn media_type(&self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Json(_) => Some("application/json"),
            Self::Mime(_) => Some("text/plain"),
        }
    }

    /// As they are sent.
    pub fn octets(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Nothing => Cow::Borrowed(&[]),
            Self::Json(value) => Cow::Owned(value.to_string().into_bytes()),
            Self::Mime(text) => Cow::Borrowed(text.as_bytes()),
        }
    }
}

/// A folder of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    Inbox,
    SentItems,
    Drafts,
    DeletedItems,
    /// By its id.
    Id(String),
}

impl Folder {
    /// <https://learn.microsoft.com/graph/api/resources/mailfolder>
    fn key(&self) -> &str {
        match self {
            Self::Inbox => "inbox",
            Self::SentItems => "sentitems",
            Self::Drafts => "drafts",
            Self::DeletedItems => "deleteditems",
            Self::Id(id) => id,
        }
    }
}

/// `/v1.0/users/anna@contoso.example` and what follows it; each part is encoded.
fn path(user: &Address, parts: &[&str]) -> String {
    let mut path = format!("{ROOT}/users/{}", encoded(user.as_str()));
    for part in parts {
        path.push('/');
        path.push_str(&encoded(part));
    }
    path
}

/// A part of a path, or a value of a query (RFC 3986). `$` stays, because the service's own names begin with it.
fn encoded(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@$".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests;
