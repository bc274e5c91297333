//! What one cycle of a mailbox asks of a store, together: a thousand mailboxes with nothing new are looked at in one go, and
//! each call of a store is a turn of its own.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{MailboxRow, StateChange, StoreError};
use crate::model::claim::Asked;
use crate::model::cursor::{Cursor, InboxId, Owed, RemoteId};
use crate::model::forwarding::ForwardRule;
use crate::model::lease::{Holder, Lease};
use crate::model::name::Name;
use crate::model::organization::Organization;
use crate::model::record::Categorised;

/// What a cycle works from.
#[derive(Debug, Clone)]
pub struct CycleStart {
    pub lease: Lease,
    /// `None`: the mailbox is not in the store.
    pub row: Option<MailboxRow>,
    /// Of the last apply.
    pub organization: Option<Organization>,
}

/// What former cycles left of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxStanding {
    pub cursor: Cursor,
    /// Messages to remove at the server: their records are durable.
    pub removals: Vec<RemoteId>,
    /// Messages that the server did not hand over when they were asked for.
    pub owed: Vec<Owed>,
    /// When its server was last asked for the mark of this installation. `None`: not since it is read from this inbox.
    pub asked: Option<Asked>,
}

/// Messages to move, at their server, into the folder for what could not be recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAsideDue {
    /// What is known of them is durable.
    pub messages: Vec<RemoteId>,
    /// `None`: nobody has looked for it, or made it.
    pub folder: Option<String>,
}

/// The calls of which each cycle makes one.
#[async_trait]
pub trait Cycles: Send + Sync {
    /// Takes the lease on the mailbox, see [`super::Store::acquire`], and reads what holds under it.
    async fn begin_cycle(
        &self,
        mailbox: &Name,
        holder: &Holder,
        now: Timestamp,
    ) -> Result<CycleStart, StoreError>;
    /// Says which inbox the mailbox is read from, see [`super::Store::enter_inbox`], and reads how it stands there.
    async fn inbox_standing(
        &self,
        lease: &Lease,
        mailbox: &Name,
        inbox: &InboxId,
    ) -> Result<InboxStanding, StoreError>;
    /// Notes that the server was asked for the mark of this installation.
    async fn note_claim(&self, lease: &Lease, mailbox: &Name, asked: &Asked) -> Result<(), StoreError>;
    /// The rule that forwards the mail of this mailbox, as the last passed test or a later look left it. `None`: it is read itself,
    /// or has never been tested.
    async fn forward_rule(&self, mailbox: &Name) -> Result<Option<ForwardRule>, StoreError>;
    /// Notes that rule, or that there is none any more.
    async fn note_forward_rule(
        &self,
        lease: &Lease,
        mailbox: &Name,
        rule: Option<&ForwardRule>,
    ) -> Result<(), StoreError>;
    /// Since when a message is missing that a test of this mailbox sent to it. `None`: it came back, or none was sent.
    async fn not_received_back(&self, mailbox: &Name) -> Result<Option<Timestamp>, StoreError>;
    /// Notes that.
    async fn note_received_back(
        &self,
        lease: &Lease,
        mailbox: &Name,
        missing_since: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    /// Notes which records bear the tracking category, and which do not (any more). Returns those of the messages that are records.
    async fn note_categories(
        &self,
        lease: &Lease,
        mailbox: &Name,
        categorised: &[Categorised],
    ) -> Result<BTreeSet<RemoteId>, StoreError>;
    /// Notes how the cycle ended and gives the lease back, in one transaction; returns the mailbox as it is then.
    async fn end_cycle(&self, lease: &Lease, change: &StateChange) -> Result<Option<MailboxRow>, StoreError>;
}
