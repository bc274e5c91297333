//! Records: what incoming sync produces.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::{CursorAdvance, RemoteId};
use super::name::Name;

/// BLAKE3 of a message's raw octets, hex: its identity and the name of its blob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ContentHash(pub String);

impl ContentHash {
    pub fn of(raw: &[u8]) -> Self {
        Self(blake3::hash(raw).to_hex().to_string())
    }
}

/// A received message as listed by `mailplumb messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageRecord {
    /// Ascends with the order of recording; never reused.
    pub id: u64,
    pub mailbox: Name,
    pub remote: RemoteId,
    pub content: ContentHash,
    pub bytes: u64,
    /// IMAP INTERNALDATE, else the topmost Received header, else Date.
    pub received_at: Option<Timestamp>,
    pub recorded_at: Timestamp,
    pub facts: MessageFacts,
    /// `Some`: the message is kept raw and was not understood.
    pub quarantine: Option<String>,
}

/// What the headers and the structure of a message say. Header texts are decoded and cut to sane lengths.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageFacts {
    /// Without the angle brackets.
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    pub subject: Option<String>,
    pub from: Vec<Correspondent>,
    pub to: Vec<Correspondent>,
    pub cc: Vec<Correspondent>,
    /// The Date header.
    pub date: Option<Timestamp>,
    /// The topmost Received header's date.
    pub received: Option<Timestamp>,
    pub attachments: Vec<Attachment>,
    /// The value of our own test header, if it is there.
    pub self_test_nonce: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correspondent {
    pub name: Option<String>,
    pub address: String,
}

/// A part of the raw message. `start..end` are its encoded octets there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub name: Option<String>,
    pub media_type: String,
    pub start: u64,
    pub end: u64,
    /// Size after decoding.
    pub bytes: u64,
}

/// One message on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    pub remote: RemoteId,
    /// Empty only for a quarantined message that could not be fetched.
    pub raw: bytes::Bytes,
    pub content: ContentHash,
    pub received_at: Option<Timestamp>,
    pub facts: MessageFacts,
    pub quarantine: Option<String>,
    /// Remove it from the server once this record is durable.
    pub delete_after: bool,
}

/// Records and the cursor behind them: one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingBatch {
    pub mailbox: Name,
    pub records: Vec<NewRecord>,
    /// Messages without a record that are to be removed from the server: our own test messages where mail is removed.
    pub remove: Vec<RemoteId>,
    pub advance: CursorAdvance,
    pub at: Timestamp,
}

/// What the store did with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    pub new: u64,
    /// The same octets were already recorded for this mailbox.
    pub known: u64,
}
