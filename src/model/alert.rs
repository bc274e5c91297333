//! Alerts: what a person should know.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{Address, Name};
use super::operation::Operation;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertLevel {
    Error,
    Warning,
    Information,
}

impl AlertLevel {
    pub fn key(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    pub at: Timestamp,
    pub level: AlertLevel,
    /// Stable, for scripts: that of the failure, or `enabled`, `unsure` …
    pub code: String,
    pub mailbox: Option<Name>,
    pub profile: Option<Name>,
    pub operation: Option<Operation>,
    /// Whose business it is; the first one is to act.
    #[serde(default)]
    pub owners: Vec<Address>,
    pub cause: String,
    /// What to do next.
    pub remedy: String,
}
