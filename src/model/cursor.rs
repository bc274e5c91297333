//! How far a mailbox has been read.

use std::collections::{BTreeMap, BTreeSet};

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
    Imap { validity: u32, uid_last: u32, mark: Mark },
    /// These UIDLs have been dealt with, each with the size that the server announced for it, if that can be relied upon.
    Pop3 { seen: BTreeMap<String, Option<u64>> },
    /// All changes up to a state that the server gave have been dealt with, and of those after it these items.
    Exchange { state: SyncState, ahead: BTreeSet<String> },
}

/// What an inbox looked like when everything in it had been dealt with. Nothing in it: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The UID that the next message would have.
    pub uid_next: Option<u32>,
    /// HIGHESTMODSEQ (RFC 7162), 63 bits. 0 is none.
    pub modseq: Option<u64>,
}

impl Mark {
    /// Whether nothing can have come since. A message that comes moves both numbers (RFC 9051 section 2.3.1.1, RFC 7162 section
    /// 3.1); UIDNEXT decides where it is told, because flags move the other one, too.
    pub fn is_unmoved(&self, now: &Self) -> bool {
        match (self.uid_next, now.uid_next) {
            (Some(then), Some(now)) => then == now,
            (Some(_) | None, _) => self.modseq.is_some() && self.modseq == now.modseq,
        }
    }
}

/// How far a folder of Exchange was read, in the server's own terms. `None`: not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncState(pub Option<String>);

/// What one transaction adds to a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorAdvance {
    /// The mark is known only with the last message of a listing.
    Imap { validity: u32, uid_last: u32, mark: Mark },
    /// `seen`: UIDLs with the sizes announced for them.
    Pop3 { seen: Vec<(String, Option<u64>)>, gone: Vec<String> },
    /// These items have been dealt with; and with them all up to a new state, if there is one.
    Exchange { ahead: Vec<String>, state: Option<String> },
}

/// What a server says it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Messages with a UID above the cursor's, ascending; all of them when the cursor is of another validity.
    Imap { validity: u32, messages: Vec<Listed>, extent: Extent },
    /// Every message of the mailbox, in the server's order.
    Pop3 { messages: Vec<Listed> },
    /// Messages that came since the cursor's state, oldest first.
    Exchange { messages: Vec<Listed>, gone: Vec<String>, state: String, shown: Shown },
}

/// What a listing of Exchange shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What changed since the cursor.
    Changes,
    /// Everything, because there was no cursor.
    Everything,
    /// Everything, because the server did not know the cursor's state any more.
    Again,
}

/// What an IMAP listing says of messages that it does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// The server says that all messages up to this UID came before the moment from which they are wanted. 0: it was not asked.
    pub passed: u32,
    /// The inbox when it was listed. Nothing, where it did not have to be listed.
    pub mark: Mark,
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

impl Content {
    /// The octets that it holds.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Bytes(octets) => octets.len(),
            Self::Streamed(_) | Self::Vanished | Self::Refused(_) | Self::Deferred(_) | Self::TooLarge(_) => {
                0
            }
        }
    }
}

/// A message that its server did not hand over when it was asked for: it is asked for again with each reading. The cursor does
/// not wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub id: RemoteId,
    pub received: Option<Timestamp>,
    /// Attempts that count: those between which enough time has passed.
    pub attempts: u16,
    /// When the last of them was made.
    pub counted_at: Timestamp,
    /// The server's words.
    pub said: String,
}

impl Owed {
    /// As it is asked for again.
    pub fn listed(&self) -> Listed {
        Listed { id: self.id.clone(), size: None, received: self.received }
    }
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
    /// Why the server could not hand over the octets themselves; the content was put together from what else it tells of the
    /// message. `None`: they are the server's.
    pub rebuilt: Option<String>,
}

impl Fetched {
    /// The answer about a line of a listing.
    pub fn of(listed: Listed, content: Content) -> Self {
        Self { id: listed.id, received: listed.received, content, rebuilt: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The octets as the server holds them, POP3 dots unstuffed.
    Bytes(bytes::Bytes),
    /// So many octets, which were handed over in pieces before.
    Streamed(u64),
    /// It was listed and is there no longer.
    Vanished,
    /// The server will not hand it over; in its words.
    Refused(String),
    /// The server did not hand it over this time; in its words. It may the next time.
    Deferred(String),
    /// Larger than [`super::limits::RECEIVED_BYTES_MAX`], or than the way it was asked for can take.
    TooLarge(u64),
}
