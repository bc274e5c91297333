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
    /// The id of an item of Exchange: letters count, and a moved item gets another one.
    Item(String),
}

impl std::fmt::Display for RemoteId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uidl(uidl) => f.write_str(uidl),
            Self::Uid { validity, uid } => write!(f, "{validity}:{uid}"),
            Self::Item(id) => f.write_str(id),
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
    /// All changes up to a state that the server gave have been dealt with, and of those after it these items.
    Exchange { state: SyncState, ahead: BTreeSet<String> },
}

/// How far a folder of Exchange was read, in the server's own terms. `None`: not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncState(pub Option<String>);

/// What one transaction adds to a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorAdvance {
    Imap {
        validity: u32,
        uid_last: u32,
    },
    Pop3 {
        seen: Vec<String>,
        gone: Vec<String>,
    },
    /// These items have been dealt with; and with them all up to a new state, if there is one.
    Exchange {
        ahead: Vec<String>,
        state: Option<String>,
    },
}

/// What a server says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Messages with a UID above the cursor's, ascending; all of them when the cursor is of another validity.
    Imap { validity: u32, messages: Vec<Listed> },
    /// Every message of the mailbox, in the server's order.
    Pop3 { messages: Vec<Listed> },
    /// Messages that came since the cursor's state, oldest first.
    Exchange { messages: Vec<Listed>, gone: Vec<String>, state: String, extent: Extent },
}

/// What a listing of Exchange shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What changed since the cursor.
    Changes,
    /// Everything, because there was no cursor.
    Everything,
    /// Everything, because the server did not know the cursor's state any more.
    Again,
}

impl Listing {
    pub fn messages(&self) -> &[Listed] {
        match self {
            Self::Imap { messages, .. } | Self::Pop3 { messages } | Self::Exchange { messages, .. } => {
                messages
            }
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
    /// Larger than [`super::limits::RECEIVED_BYTES_MAX`], or than the way it was asked for can take.
    TooLarge(u64),
}
