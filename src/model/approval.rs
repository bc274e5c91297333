//! Approvals that are given by command, for organizations that approve outside git.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{Address, Name};

/// What was decided about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Approved,
    Rejected,
}

impl Verdict {
    pub const ALL: [Self; 2] = [Self::Approved, Self::Rejected];

    pub fn key(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// One decision about one mailbox. The last one counts, and only while the mailbox has this very address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub mailbox: Name,
    pub address: Address,
    pub verdict: Verdict,
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who, in words.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
