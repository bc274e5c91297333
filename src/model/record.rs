//! Records: what incoming sync produces.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::{CursorAdvance, Owed, RemoteId};
use super::name::Name;
use super::report::{DeliveryReport, Settled};

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
    /// The oldest record of another mailbox with the same Message-ID: this is the same message, received there, too.
    pub duplicate_of: Option<OtherRecord>,
}

/// A record as another one names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtherRecord {
    pub id: u64,
    pub mailbox: Name,
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
    /// Whether it came to the mailbox or was sent from it with another program.
    #[serde(skip_serializing_if = "Direction::is_incoming")]
    pub direction: Direction,
    /// Why it is a record whatever the filter accepts. `None`: because of the filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracked: Option<TrackedBy>,
    /// Why its server could not hand over its octets: these were put together from its properties and its attachments. It is not
    /// removed from the server. `None`: they are the message itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<String>,
    /// It came as the attachment of another message to a forward mailbox. `None`: it came itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Forwarded>,
    /// What it says about a message that was sent before, if it is such a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<DeliveryReport>,
    pub parsed: Parsed,
}

/// How a message came to a forward mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forwarded {
    /// Whose rule has forwarded it: to whom it was delivered first. Null: the message around it does not say.
    pub by: Option<String>,
    /// `start..end` are its octets in what came.
    pub start: u64,
    pub end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    #[default]
    Incoming,
    /// It was found in Sent Items.
    Outgoing,
}

impl Direction {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    fn is_incoming(&self) -> bool {
        *self == Self::Incoming
    }
}

/// By what a person has said that a message is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrackedBy {
    /// It lies in a tracked folder.
    Folder,
    /// It bears the tracking category.
    Category,
}

/// What a listing tells of a message beside its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    pub direction: Direction,
    pub tracked: Option<TrackedBy>,
}

/// A message that was listed before, and the tracking category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Categorised {
    pub id: RemoteId,
    pub change: CategoryChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CategoryChange {
    /// It bears the category.
    Given,
    /// It does not, and may have borne it before.
    Absent,
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

/// How much of a message was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parsed {
    #[default]
    Whole,
    /// It is larger than [`super::limits::MESSAGE_PARSE_BYTES_MAX`]: its attachments are not listed.
    HeadersOnly,
    /// Its header is longer than [`super::limits::HEADER_BYTES_MAX`]: of the rest of it, only those fields were looked at that say
    /// who wrote what to whom.
    HeaderCut,
}

/// The octets of a message on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Octets {
    /// It could not be fetched, and is quarantined.
    Missing,
    Held(bytes::Bytes),
    Spooled(Spooled),
}

/// Octets too many to be held, which the store has taken already and keeps under this number until a record names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spooled {
    pub number: u64,
    pub bytes: u64,
}

impl Octets {
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Missing => 0,
            Self::Held(octets) => octets.len() as u64,
            Self::Spooled(spooled) => spooled.bytes,
        }
    }

    pub fn is_missing(&self) -> bool {
        *self == Self::Missing
    }

    pub fn held(&self) -> Option<&bytes::Bytes> {
        match self {
            Self::Held(octets) => Some(octets),
            Self::Missing | Self::Spooled(_) => None,
        }
    }
}

/// One message on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    pub remote: RemoteId,
    pub raw: Octets,
    pub content: ContentHash,
    pub received_at: Option<Timestamp>,
    pub facts: MessageFacts,
    pub quarantine: Option<String>,
    /// Remove it from the server once this record is durable.
    pub delete_after: bool,
    /// What it changes about an outgoing message, if it was not recorded before.
    pub settles: Option<Box<Settled>>,
}

/// Records and the cursor behind them: one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingBatch {
    pub mailbox: Name,
    /// Shared with whoever writes them, who may have to begin anew.
    pub records: Arc<Vec<NewRecord>>,
    /// Messages without a record that are to be removed from the server: our own test messages where mail is removed.
    pub remove: Vec<RemoteId>,
    /// Messages to move, at their server, into the folder for what could not be recorded.
    pub set_aside: Vec<RemoteId>,
    /// Messages that their server did not hand over; they are asked for again.
    pub owed: Vec<Owed>,
    /// Messages that were owed, and are no longer.
    pub answered: Vec<RemoteId>,
    pub advance: CursorAdvance,
    pub at: Timestamp,
}

/// Records that were put aside unread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quarantined {
    pub count: u64,
    /// Of the first one.
    pub because: Option<String>,
}

impl Quarantined {
    pub fn add(&mut self, batch: &IncomingBatch) {
        for reason in batch.records.iter().filter_map(|record| record.quarantine.as_ref()) {
            self.count += 1;
            self.because.get_or_insert_with(|| reason.clone());
        }
    }
}

/// What the store did with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    pub new: u64,
    /// The same octets were already recorded for this mailbox.
    pub known: u64,
}
