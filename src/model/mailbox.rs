//! Mailboxes: one address of a user or a queue, or a forward mailbox, with its effective settings.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::{Address, Labels, Name};
use super::operation::Operation;
use super::secret::SecretRef;

/// A mailbox after its own values, its assignment's and the organization's defaults have been merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mailbox {
    pub name: Name,
    pub labels: Labels,
    pub kind: MailboxKind,
    pub address: Address,
    pub display_name: Option<String>,
    pub owner: Option<Address>,
    pub active: bool,
    /// The address that the manifest approves. It counts only while it is this mailbox's address.
    pub approved: Option<Address>,
    pub profile: Option<Name>,
    pub incoming: IncomingMethod,
    /// Where an inbox rule forwards every message; only with [`IncomingMethod::ForwardMailbox`]. `None`: whoever makes that rule,
    /// it is not this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_to: Option<Address>,
    pub outgoing: OutgoingMethod,
    pub appointments_contacts_tasks: ActMethod,
    pub accept: Accept,
    /// Queue and forward mailboxes only.
    pub delete_after_processing: bool,
    /// This mailbox's own "process mail from"; wins over the profile's either way.
    pub process_from: Option<Timestamp>,
    pub credentials: Option<MailboxCredentials>,
    pub tracked_folders: Vec<String>,
    pub claim_take_over_from: Option<String>,
    pub lifecycle: Lifecycle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxKind {
    User,
    Queue,
    Forward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncomingMethod {
    None,
    ServerSideSync,
    ForwardMailbox,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutgoingMethod {
    None,
    ServerSideSync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActMethod {
    None,
    ServerSideSync,
}

/// Which incoming messages become records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    All,
    /// Replies to tracked mail.
    Replies,
    /// Mail from leads, contacts and accounts.
    KnownParties,
    /// Mail from any e-mail-enabled record.
    AnyRecord,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailboxCredentials {
    /// Left out in the manifest: the address.
    pub username: String,
    pub password: SecretRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lifecycle {
    pub prevent_destroy: bool,
    pub previous_names: Vec<Name>,
}

impl Mailbox {
    /// Whether the manifest asks for this operation.
    pub fn wants(&self, operation: Operation) -> bool {
        match operation {
            Operation::Incoming => match self.incoming {
                IncomingMethod::ServerSideSync => true,
                IncomingMethod::ForwardMailbox => self.forward_to.is_some(),
                IncomingMethod::None => false,
            },
            Operation::Outgoing => self.outgoing == OutgoingMethod::ServerSideSync,
            Operation::Act => self.appointments_contacts_tasks == ActMethod::ServerSideSync,
        }
    }

    /// Whether the manifest approves this very address.
    pub fn is_approved(&self) -> bool {
        self.approved.as_ref().is_some_and(|approved| approved.same_as(&self.address))
    }
}
