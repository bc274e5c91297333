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

/// A trouble of a whole profile. Its alert is raised once, and again only when it has ended meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The first tests failed for a reason that holds for all.
    Halted,
    /// More than half of the mailboxes fail.
    MassFailure,
}

impl Trouble {
    pub const ALL: [Self; 2] = [Self::Halted, Self::MassFailure];

    /// The code of its alert.
    pub fn code(self) -> &'static str {
        match self {
            Self::Halted => "profile-halted",
            Self::MassFailure => "mass-failure",
        }
    }

    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.code() == code)
    }
}

/// How troubles of profiles have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TroubleChanges {
    pub begun: Vec<(Name, Trouble)>,
    pub ended: Vec<(Name, Trouble)>,
    /// For those that have begun.
    pub alerts: Vec<Alert>,
}

impl TroubleChanges {
    pub fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.ended.is_empty() && self.alerts.is_empty()
    }
}
