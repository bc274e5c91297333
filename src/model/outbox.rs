//! Outgoing messages: the durable outbox.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::failure::FailureSummary;
use super::name::{Address, Name};
use super::record::ContentHash;

/// A message to be queued. Its Message-ID and bytes are fixed here and kept over all retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOutgoing {
    /// The sender's mailbox.
    pub mailbox: Name,
    pub recipients: Vec<Address>,
    /// With CRLF line ends.
    pub raw: bytes::Bytes,
    pub message_id: String,
    pub subject: Option<String>,
    /// Queuing the same key again for the same mailbox returns the first message.
    pub idempotency_key: Option<String>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    pub id: u64,
    pub already_there: bool,
}

/// A message's place in the order in which a mailbox sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuePlace {
    pub attempts: u16,
    pub id: u64,
}

/// One write of a session that sends: how its last attempts ended, and which ones begin.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    pub ended: Vec<AttemptOutcome>,
    pub alerts: Vec<Alert>,
    /// Messages whose attempts begin at `at`.
    pub begins: Vec<u64>,
    pub at: Timestamp,
}

/// What came of the beginnings of a [`Turn`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Those of them that were still `pending`.
    Attempts(Vec<u64>),
    /// What had ended is noted, and nothing begins.
    LeaseLost,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingMessage {
    pub id: u64,
    pub mailbox: Name,
    pub message_id: String,
    pub subject: Option<String>,
    pub content: ContentHash,
    pub bytes: u64,
    pub state: OutgoingState,
    pub recipients: Vec<Recipient>,
    /// Attempts so far whose outcome is known; `outbox retry` begins anew.
    pub attempts: u16,
    /// 1, and one more with each `outbox retry`.
    pub round: u16,
    pub queued_at: Timestamp,
    /// `None`: nothing is left to try.
    pub next_attempt_at: Option<Timestamp>,
    pub changed_at: Timestamp,
    pub failure: Option<FailureSummary>,
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutgoingState {
    Pending,
    /// An attempt was begun and its result is not known yet.
    Sending,
    /// Every recipient was accepted.
    Sent,
    /// No recipient is left to try, and at least one was refused.
    Failed,
    /// It may have been accepted; it is not sent again unless a person says so.
    Unsure,
    /// A person withdrew it: to whoever has not got it, it is not sent any more.
    Cancelled,
}

impl OutgoingState {
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Sending, Self::Sent, Self::Failed, Self::Unsure, Self::Cancelled];

    pub fn key(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unsure => "unsure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a person decides about a message that no attempt is under way for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Whoever has not got it is sent it, as if nothing had been tried.
    SendAgain,
    /// It arrived with these of the recipients in doubt; none are named: with all of them.
    Arrived(Vec<Address>),
    /// Whoever has not got it does not get it.
    Cancel,
}

/// A message before and after a [`Resolution`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub before: OutgoingMessage,
    pub after: OutgoingMessage,
}

/// Which resolutions hold; by the ids of the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolutions {
    pub written: Vec<u64>,
    /// The message has changed since it was read: an attempt began, a report came, somebody else decided.
    pub overtaken: Vec<u64>,
    /// It would have to be sent, and its mailbox was deleted.
    pub orphaned: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    pub address: Address,
    pub state: OutgoingState,
    /// The server's last words about it.
    pub said: Option<String>,
}

/// Which attempt at a message follows, for servers that keep copies of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// See [`OutgoingMessage::round`]: a copy of an earlier round says nothing about this one.
    pub round: u16,
    pub before: Before,
}

/// What went before an attempt in its round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// Something failed, and may have succeeded all the same.
    Attempts,
}

impl Attempt {
    pub const FIRST: Self = Self { round: 1, before: Before::Nothing };

    pub fn of(message: &OutgoingMessage) -> Self {
        let is_first = message.attempts == 0 && message.failure.is_none();
        let before = if is_first { Before::Nothing } else { Before::Attempts };
        Self { round: message.round, before }
    }
}

/// What a server did with one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// In the order of the recipients that were given.
    pub recipients: Vec<RecipientResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientResult {
    /// Accepted, and the message with it.
    Accepted { said: String },
    /// 4xx: to be tried again.
    Deferred { said: String },
    /// 5xx: final.
    Refused { said: String },
    /// The final dot was sent and no answer was read.
    Unsure { detail: String },
}

/// What becomes of an attempt: written in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptOutcome {
    pub id: u64,
    pub state: OutgoingState,
    pub recipients: Vec<Recipient>,
    pub attempts: u16,
    pub next_attempt_at: Timestamp,
    pub failure: Option<FailureSummary>,
    pub at: Timestamp,
}
