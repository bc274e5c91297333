//! Leases: who works on what, until when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::name::Name;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseScope {
    /// The declared state: one apply or one reconcile round.
    State,
    /// One mailbox: a test, a cycle.
    Mailbox(Name),
}

impl std::fmt::Display for LeaseScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State => f.write_str("state"),
            Self::Mailbox(name) => write!(f, "mailbox/{name}"),
        }
    }
}

/// A process that may hold leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The command: `apply`, `watch`.
    pub purpose: String,
    pub host: String,
    /// 0: a person holds it, and no process.
    pub pid: u32,
    /// When that process began, in the unit of its operating system; tells it from a later one with the same pid.
    pub process_started: u64,
    /// Drawn once per process.
    pub nonce: String,
}

impl Holder {
    /// Whether it is held until a person lets go, or until it expires, whatever process runs.
    pub fn is_person(&self) -> bool {
        self.pid == 0
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_person() {
            write!(f, "{}, on {}", self.purpose, self.host)
        } else {
            write!(f, "`{}` on {} (process {})", self.purpose, self.host, self.pid)
        }
    }
}

/// A lease that was granted. Every write made under it carries it; a fenced-out holder's write is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub scope: LeaseScope,
    pub holder: Holder,
    /// Grows with every change of hands.
    pub fence: u64,
    pub expires_at: Timestamp,
}
