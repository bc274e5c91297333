//! What a message says, parsed when somebody asks for it: its headers decoded, its text, and what is attached.
//!
//! The raw message stays the truth; nothing of this is stored.

use schemars::JsonSchema;
use serde::Serialize;

use super::record::ContentHash;

/// A message, ready to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageContent {
    /// In the order of the message. Encoded words (RFC 2047) are decoded, folded lines are one line.
    pub headers: Vec<Header>,
    /// `None`: the message has no text.
    pub body: Option<Body>,
    /// In the order of the message, numbered from 1.
    pub attachments: Vec<AttachedPart>,
    /// What was found broken or was not looked at, in words.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// The text that a person reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// `text/plain`, or `text/html` when the message has no plain text: then this is its text without the markup.
    pub media_type: String,
    /// As the message names it; `None`: it names none.
    pub charset: Option<String>,
    /// Lines end in `\n`.
    pub text: String,
}

/// A part of a message that is not its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachedPart {
    /// From 1.
    pub number: u32,
    /// As the sender wrote it, for people only: it may look like a path.
    pub name: Option<String>,
    /// A name that is safe to write into a folder.
    pub file_name: String,
    pub media_type: String,
    /// Size after decoding.
    pub bytes: u64,
    /// BLAKE3 of the decoded octets: the same file has the same hash in every message.
    pub content: ContentHash,
    /// Why it is not handed out, where the organization's `tracking.attachments` says so.
    pub withheld: Option<String>,
}
