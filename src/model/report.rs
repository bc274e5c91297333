//! What a mail server says later about a message that it had accepted (RFC 3464).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::outbox::AttemptOutcome;

/// A report on the delivery of a message that was sent before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryReport {
    /// By what the message may be known again: the id that it was sent with (ENVID), and the Message-ID of what came back.
    pub about: Vec<String>,
    pub recipients: Vec<ReportedRecipient>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedRecipient {
    /// As the sender had written it, where the reporting server knows, and otherwise as it was delivered to.
    pub address: String,
    pub action: ReportedAction,
    /// The enhanced status code and the words of the server that refused or took it.
    pub said: String,
}

/// RFC 3464 section 2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportedAction {
    Failed,
    /// It is still tried.
    Delayed,
    Delivered,
    /// Handed to a server that does not report.
    Relayed,
    /// Delivered to a list, and to whomever it goes from there.
    Expanded,
}

impl ReportedAction {
    pub const ALL: [Self; 5] = [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed, Self::Expanded];

    pub fn key(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// What a report changes about an outgoing message: noted together with the record of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub outcome: AttemptOutcome,
    pub alerts: Vec<Alert>,
}
