//! How far a mailbox has been read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message as its server names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RemoteId {
    /// POP3 UIDL.
    Uidl(String),
    /// IMAP UID, within its UIDVALIDITY.
    Uid { validity: u32, uid: u32 },
}

impl std::fmt::Display for RemoteId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uidl(uidl) => f.write_str(uidl),
            Self::Uid { validity, uid } => write!(f, "{validity}:{uid}"),
        }
    }
}

/// Which inbox a cursor belongs to: a digest of where it is and who opens it. UIDs and UIDLs mean something only there;
/// on another server the same ones name other messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxId(pub String);

impl InboxId {
    /// From all that leads to an inbox, in a fixed order.
    pub fn of(parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        Self(hasher.finalize().to_hex().to_string())
    }
}

/// The cursor of one mailbox (its inbox).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// Never read.
    Start,
    /// All UIDs up to `uid_last` have been dealt with.
    Imap { validity: u32, uid_last: u32 },
    /// These UIDLs have been dealt with.
    Pop3 { seen: BTreeSet<String> },
}

/// What one transaction adds to a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorAdvance {
    Imap { validity: u32, uid_last: u32 },
    Pop3 { seen: Vec<String>, gone: Vec<String> },
}

/// What a server says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Messages with a UID above the cursor's, ascending; all of them when the cursor is of another validity.
    Imap { validity: u32, messages: Vec<Listed> },
    /// Every message of the mailbox, in the server's order.
    Pop3 { messages: Vec<Listed> },
}

impl Listing {
    pub fn messages(&self) -> &[Listed] {
        match self {
            Self::Imap { messages, .. } | Self::Pop3 { messages } => messages,
        }
    }
}

/// One line of a listing. Sizes are hints: servers miscount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: RemoteId,
    pub size: Option<u64>,
    /// IMAP INTERNALDATE.
    pub received: Option<Timestamp>,
}

/// Which part of a message is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Headers,
    Whole,
}

/// The answer to a fetch of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub id: RemoteId,
    pub received: Option<Timestamp>,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The octets as the server holds them, CRLF line ends, POP3 dots unstuffed.
    Bytes(bytes::Bytes),
    /// So many octets, which were handed over in pieces before.
    Streamed(u64),
    /// It was listed and is there no longer.
    Vanished,
    /// The server will not hand it over; in its words.
    Refused(String),
    /// Larger than [`super::limits::MESSAGE_BYTES_MAX`].
    TooLarge(u64),
}
