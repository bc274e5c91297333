//! Why a store does not do what it is asked for.

use jiff::Timestamp;

use crate::model::approval::Decision;
use crate::model::lease::{Holder, LeaseScope};
use crate::model::revision::{Revision, RevisionEntry};

/// What may go wrong with a store; says who has to act.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no store at `{0}`")]
    Missing(String),
    #[error(
        "`{scope}` is being worked on by {holder}{}, until {until:.0} at the latest",
        since.map_or_else(String::new, |since| format!(" since {since:.0}"))
    )]
    Busy {
        scope: LeaseScope,
        holder: Box<Holder>,
        /// `None`: not noted.
        since: Option<Timestamp>,
        until: Timestamp,
    },
    /// Another process is in the middle of a write transaction and does not get on: it may be suspended.
    #[error(
        "the store is being written to{} and did not become free",
        holder.as_ref().map_or_else(|| " by another process".to_owned(), |holder| writing(holder, since.as_ref()))
    )]
    Locked {
        /// Who has the lease on the state; `None`: nobody has, and whoever writes is not known.
        holder: Option<Box<Holder>>,
        since: Option<Timestamp>,
    },
    /// Our lease went to somebody else while we worked; nothing was written.
    #[error("the lease on `{0}` was taken over by another process; nothing was written")]
    Fenced(LeaseScope),
    /// What we worked from does not hold any more; nothing was written.
    #[error("`{0}` was changed, decided on or unlocked while it was worked on; nothing more was written")]
    Withdrawn(LeaseScope),
    /// The state moved since the plan was made.
    #[error("the plan was made from revision {planned} and the state is at revision {found}{}", by(latest))]
    Stale {
        planned: Revision,
        found: Revision,
        /// What moved the state last.
        latest: Option<Box<RevisionEntry>>,
    },
    /// Approvals moved since the plan was made.
    #[error("approvals have changed since the plan was made{}", decided(.0))]
    Decided(Option<Box<Decision>>),
    #[error("the plan was already applied: it is revision {revision}{}", by(entry))]
    AlreadyApplied { revision: Revision, entry: Option<Box<RevisionEntry>> },
    #[error("the plan was made for store {planned} and this is store {found}")]
    OtherStore { planned: String, found: String },
    #[error("the disk is full")]
    Full,
    #[error("the store is read-only: {0}")]
    ReadOnly(String),
    /// It is somebody else's, and not for us to read.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    #[error("the store was written by a newer version (schema {found}, this version knows {known})")]
    TooNew { found: u32, known: u32 },
    #[error("this is not a store: {0}")]
    NotAStore(String),
    #[error("the store is damaged: {0}")]
    Damaged(String),
    #[error("no such {0}")]
    NotFound(String),
    #[error("the store failed: {0}")]
    Failed(String),
}

/// By whom the store is written to, in words.
fn writing(holder: &Holder, since: Option<&Timestamp>) -> String {
    format!(" by {holder}{}", since.map_or_else(String::new, |since| format!(" since {since:.0}")))
}

/// The last decision, in words.
fn decided(decision: &Option<Box<Decision>>) -> String {
    decision.as_ref().map_or_else(String::new, |decision| {
        let Decision { mailbox, verdict, at, by, .. } = &**decision;
        format!(": mailbox/{mailbox} was {} by {by} at {at:.0}", verdict.key())
    })
}

/// By whom and when, in words.
fn by(entry: &Option<Box<RevisionEntry>>) -> String {
    entry
        .as_ref()
        .map_or_else(String::new, |entry| format!(", applied by {} at {:.0}", entry.holder, entry.applied_at))
}
