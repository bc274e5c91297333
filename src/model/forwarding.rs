//! The inbox rule with which a mail server forwards everything that arrives in a mailbox to a forward mailbox.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits;
use super::name::Address;

/// A rule, as far as it is about forwarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRule {
    /// `None`: it is not there yet.
    pub id: Option<String>,
    pub name: String,
    /// 1 comes first.
    pub priority: u32,
    pub is_enabled: bool,
    pub health: RuleHealth,
    pub reach: RuleReach,
    /// What it was about, no later rule sees.
    pub stops: bool,
    /// To whom messages go as an attachment, which keeps them as they are.
    pub forward_as_attachment_to: Vec<String>,
}

/// Whether the server can carry a rule out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleHealth {
    Works,
    /// It says so itself (`IsInError`), for example because a recipient is gone.
    InError,
}

/// Which messages a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleReach {
    EveryMessage,
    /// It has conditions or exceptions.
    SomeMessages,
}

/// What is done to a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleChange {
    Create(InboxRule),
    Set(InboxRule),
    /// By its id.
    Delete(String),
}

/// What the rules of a mailbox are to come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWish {
    /// Where every message goes, as an attachment. `None`: our rule is to be gone.
    pub to: Option<Address>,
    /// The rule that was made before, by the server's name for it.
    pub known: Option<String>,
}

/// What was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It was there as it should be.
    Unchanged {
        id: String,
    },
    Created {
        id: String,
    },
    /// It was there, and somebody had changed it, or it led elsewhere.
    Changed {
        id: String,
    },
    /// A rule that somebody made by hand does it already; it is left to whoever made it.
    DoneByAnother {
        name: String,
    },
    Removed,
    /// There is none, and none is wanted.
    Absent,
    /// Somebody who only looked did not find it.
    Missing,
    /// The same: it is not as declared.
    Wrong,
    /// The same: the server says that it cannot carry it out.
    InError,
    /// The same: a rule of somebody else comes before it, and stops what it is about.
    Overtaken {
        by: String,
    },
}

impl RuleOutcome {
    /// The server's name for our rule.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Unchanged { id } | Self::Created { id } | Self::Changed { id } => Some(id),
            Self::DoneByAnother { .. }
            | Self::Removed
            | Self::Absent
            | Self::Missing
            | Self::Wrong
            | Self::InError
            | Self::Overtaken { .. } => None,
        }
    }
}

impl fmt::Display for RuleOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged { .. } => f.write_str("it is there as declared"),
            Self::Created { .. } => f.write_str("created"),
            Self::Changed { .. } => f.write_str("put right: it was not as declared"),
            Self::DoneByAnother { name } => {
                write!(f, "the rule `{name}`, which somebody made by hand, does it")
            }
            Self::Removed => f.write_str("removed: it is not declared any more"),
            Self::Absent => f.write_str("not there, and not declared"),
            Self::Missing => f.write_str("it is not there"),
            Self::Wrong => f.write_str("it is there, and not as declared"),
            Self::InError => f.write_str("it is there, and the server says that it cannot carry it out"),
            Self::Overtaken { by } => write!(f, "the rule `{by}` comes before it and stops further rules"),
        }
    }
}

/// The rule that a passed test has left in a mailbox: while it is known, the mailbox itself is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForwardRule {
    pub to: Address,
    /// The server's name for it. Null: a rule that somebody made by hand does it.
    pub id: Option<String>,
    /// When it was last seen to be right.
    pub checked_at: Timestamp,
}

impl ForwardRule {
    /// Whether it is time to look at it again. A clock that was set back makes it so.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let since = now.duration_since(self.checked_at);
        since < SignedDuration::ZERO || since >= limits::FORWARD_RULE_EVERY
    }
}
