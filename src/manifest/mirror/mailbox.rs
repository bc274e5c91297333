//! `Mailbox`, `MailboxList` and `MailboxAssignment` as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::MailboxSecretReference;
use super::values::Moment;
use crate::manifest::decode::spanned::{Raw, Spanned};
use crate::model::name::{Address, Name};

/// Defines a struct with the settings that a mailbox, an entry of a list, the `common` part of a list and an
/// assignment share; the order is that in which `fmt` writes keys. (`flatten` would lose the places of problems.)
macro_rules! with_settings {
    (
        $(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }
        and behind them { $($(#[$last_meta:meta])* pub $last:ident: $last_type:ty,)* }
    ) => {
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Vendor: "Server Profile". The name of an `EmailServerProfile`.
            pub profile: Option<Spanned<Name>>,
            /// Vendor: "Incoming Email". ("Server-Side Synchronization or Email Router" is `server-side-sync`; Outlook
            /// is `none`.)
            pub incoming: Option<Spanned<IncomingMethod>>,
            /// Vendor: "Rule Deployment Wizard". The address of the forward mailbox to which an inbox rule forwards every message, as
            /// an attachment; only with `incoming: forward-mailbox`. Left out: the rule is made by hand.
            pub forward_to: Option<Spanned<Address>>,
            /// Whether mail goes out. Vendor: "Outgoing Email".
            pub outgoing: Option<Spanned<Method>>,
            /// Vendor: "Appointments, Contacts, and Tasks". Exchange types only.
            pub appointments_contacts_tasks: Option<Spanned<Method>>,
            /// Vendor: "Track incoming emails": which mail becomes a record. Default `all`.
            pub accept: Option<Spanned<Accept>>,
            /// Vendor: "Owner"; receives alerts about the mailbox.
            pub owner: Option<Spanned<Address>>,
            /// Vendor: "Status". `false` stops all processing. Default `true`.
            pub active: Option<Spanned<bool>>,
            /// Vendor: "Process Email Received After"; wins over the profile's date either way.
            pub process_from: Option<Spanned<Moment>>,
            /// The mailbox's own login. Vendor: "Credentials".
            pub credentials: Option<Spanned<MailboxCredentials>>,
            /// Vendor: "Folder-level tracking". Exchange types only.
            pub tracked_folders: Option<Spanned<Vec<String>>>,
            $($(#[$last_meta])* pub $last: $last_type,)*
        }

        impl $name {
            /// The settings, which are left out here from now on.
            pub fn take_settings(&mut self) -> Settings {
                Settings {
                    profile: self.profile.take(),
                    incoming: self.incoming.take(),
                    forward_to: self.forward_to.take(),
                    outgoing: self.outgoing.take(),
                    appointments_contacts_tasks: self.appointments_contacts_tasks.take(),
                    accept: self.accept.take(),
                    owner: self.owner.take(),
                    active: self.active.take(),
                    process_from: self.process_from.take(),
                    credentials: self.credentials.take(),
                    tracked_folders: self.tracked_folders.take(),
                }
            }
        }
    };
}

/// The settings that can be written at several places.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub profile: Option<Spanned<Name>>,
    pub incoming: Option<Spanned<IncomingMethod>>,
    pub forward_to: Option<Spanned<Address>>,
    pub outgoing: Option<Spanned<Method>>,
    pub appointments_contacts_tasks: Option<Spanned<Method>>,
    pub accept: Option<Spanned<Accept>>,
    pub owner: Option<Spanned<Address>>,
    pub active: Option<Spanned<bool>>,
    pub process_from: Option<Spanned<Moment>>,
    pub credentials: Option<Spanned<MailboxCredentials>>,
    pub tracked_folders: Option<Spanned<Vec<String>>>,
}

impl Settings {
    /// These settings, and where one is missing, the other's.
    pub fn or(self, other: &Self) -> Self {
        Self {
            profile: self.profile.or_else(|| other.profile.clone()),
            incoming: self.incoming.or(other.incoming),
            forward_to: self.forward_to.or_else(|| other.forward_to.clone()),
            outgoing: self.outgoing.or(other.outgoing),
            appointments_contacts_tasks: self
                .appointments_contacts_tasks
                .or(other.appointments_contacts_tasks),
            accept: self.accept.or(other.accept),
            owner: self.owner.or_else(|| other.owner.clone()),
            active: self.active.or(other.active),
            process_from: self.process_from.or(other.process_from),
            credentials: self.credentials.or_else(|| other.credentials.clone()),
            tracked_folders: self.tracked_folders.or_else(|| other.tracked_folders.clone()),
        }
    }
}

with_settings! {
    /// One address of a user or a queue, or a forward mailbox: exactly one of `user`, `queue` and `forward`.
    #[schemars(extend("oneOf" = [{ "required": ["user"] }, { "required": ["queue"] }, { "required": ["forward"] }]))]
    pub struct MailboxSpec {
        /// The mailbox of a person.
        pub user: Option<Spanned<UserMailbox>>,
        /// The mailbox of a queue.
        pub queue: Option<Spanned<SharedMailbox>>,
        /// Vendor: "Forward Mailbox": collects what the mail server forwards from many.
        pub forward: Option<Spanned<SharedMailbox>>,
        /// Vendor: "Approve Email": this very address and no other.
        pub approved: Option<Spanned<Address>>,
    }
    and behind them {
        /// Take the mailbox over from another holder. Vendor: "Set as primary sync organization".
        pub claim: Option<Spanned<Claim>>,
        /// What protects it, and what it was called before.
        pub lifecycle: Option<Lifecycle>,
    }
}

/// The mailbox of a person.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserMailbox {
    /// Vendor: "Name"; up to 100 characters.
    #[schemars(length(max = 100))]
    pub display_name: Option<Spanned<String>>,
    /// The address that is read and sent from. Vendor: "Email Address".
    pub address: Spanned<Address>,
}

/// The mailbox of a queue, or a forward mailbox.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedMailbox {
    /// Vendor: "Name"; up to 100 characters.
    #[schemars(length(max = 100))]
    pub display_name: Option<Spanned<String>>,
    /// The address that is read and sent from. Vendor: "Email Address".
    pub address: Spanned<Address>,
    /// Delete mail at the server once its record is durable. Vendor: "Delete Emails after Processing". Default `false`.
    pub delete_after_processing: Option<Spanned<bool>>,
}

/// How mail comes in. Vendor: "Incoming Email".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncomingMethod {
    /// Not by mailplumb; also for whoever lets Outlook do it.
    None,
    /// Read from the mail server. Vendor: "Server-Side Synchronization", and also "Email Router".
    ServerSideSync,
    /// The mail arrives in a forward mailbox. Vendor: "Forward Mailbox".
    ForwardMailbox,
}

/// Whether mail goes out, or appointments, contacts and tasks are kept equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Not by mailplumb; also for whoever lets Outlook do it.
    None,
    /// Through the mail server. Vendor: "Server-Side Synchronization", and also "Email Router".
    ServerSideSync,
}

/// Which incoming mail becomes a record. Vendor: "Track incoming emails".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    /// All of it. Vendor: "All email messages".
    All,
    /// Answers to mail that is a record. Vendor: "Email messages in response to tracked email".
    Replies,
    /// Mail from parties that are known. Vendor: "Email messages from leads, contacts and accounts".
    KnownParties,
    /// Mail from any record with an address. Vendor: "Email messages from records that are email enabled".
    AnyRecord,
    /// Nothing. Vendor: "No email messages".
    None,
}

/// The login of one mailbox, for profiles whose credentials are `mailbox`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailboxCredentials {
    /// Vendor: "User Name". Left out: the address.
    #[schemars(length(min = 1, max = 250))]
    pub username: Option<Spanned<String>>,
    /// Where the password is. Vendor: "Password".
    pub password: MailboxSecretReference,
}

/// Only one holder may synchronise a mailbox's appointments, contacts and tasks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// The id of the holder that this one takes over from; any other refuses.
    pub take_over_from: String,
}

/// What protects a resource, and what it was called before.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lifecycle {
    /// A plan that would delete it is refused, also when its document is gone. Default `false`.
    pub prevent_destroy: Option<bool>,
    /// Names it had before: a rename keeps its state.
    #[serde(default)]
    pub previous_names: Vec<Spanned<Name>>,
}

/// Many mailboxes in one document.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailboxListSpec {
    /// Settings of every mailbox of the list that does not say otherwise.
    pub common: Option<ListCommon>,
    /// Mailboxes of people.
    #[serde(default)]
    #[schemars(with = "Vec<UserEntry>")]
    pub users: Vec<Raw>,
    /// Mailboxes of queues.
    #[serde(default)]
    #[schemars(with = "Vec<SharedEntry>")]
    pub queues: Vec<Raw>,
    /// Forward mailboxes.
    #[serde(default)]
    #[schemars(with = "Vec<SharedEntry>")]
    pub forwards: Vec<Raw>,
    /// A CSV file with one mailbox in each line.
    pub csv: Option<Spanned<CsvList>>,
}

with_settings! {
    /// Settings of every mailbox of a list.
    pub struct ListCommon {
        /// Queues and forward mailboxes only.
        pub delete_after_processing: Option<Spanned<bool>>,
    }
    and behind them {}
}

with_settings! {
    /// The mailbox of a person.
    pub struct UserEntry {
        /// A slug, as in `metadata.name`.
        pub name: Spanned<Name>,
        /// The address that is read and sent from. Vendor: "Email Address".
        pub address: Spanned<Address>,
        /// Vendor: "Name"; up to 100 characters.
        #[schemars(length(max = 100))]
        pub display_name: Option<Spanned<String>>,
        /// Added to the list's labels.
        #[serde(default)]
        pub labels: BTreeMap<String, String>,
        /// Vendor: "Approve Email": this very address and no other.
        pub approved: Option<Spanned<Address>>,
    }
    and behind them {
        /// Take the mailbox over from another holder. Vendor: "Set as primary sync organization".
        pub claim: Option<Spanned<Claim>>,
        /// What protects it, and what it was called before.
        pub lifecycle: Option<Lifecycle>,
    }
}

with_settings! {
    /// The mailbox of a queue, or a forward mailbox.
    pub struct SharedEntry {
        /// A slug, as in `metadata.name`.
        pub name: Spanned<Name>,
        /// The address that is read and sent from. Vendor: "Email Address".
        pub address: Spanned<Address>,
        /// Vendor: "Name"; up to 100 characters.
        #[schemars(length(max = 100))]
        pub display_name: Option<Spanned<String>>,
        /// Added to the list's labels.
        #[serde(default)]
        pub labels: BTreeMap<String, String>,
        /// Vendor: "Approve Email": this very address and no other.
        pub approved: Option<Spanned<Address>>,
        /// Delete mail at the server once its record is durable. Vendor: "Delete Emails after Processing". Default `false`.
        pub delete_after_processing: Option<Spanned<bool>>,
    }
    and behind them {
        /// Take the mailbox over from another holder. Vendor: "Set as primary sync organization".
        pub claim: Option<Spanned<Claim>>,
        /// What protects it, and what it was called before.
        pub lifecycle: Option<Lifecycle>,
    }
}

/// A CSV file with a header: `name,address,approved` and keys of `common`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CsvList {
    /// Relative to this file.
    pub file: Spanned<String>,
    /// What the mailboxes in the file are.
    #[serde(rename = "type")]
    pub kind: MailboxType,
}

/// Whose mailbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxType {
    /// Of a person.
    User,
    /// Of a queue.
    Queue,
    /// A forward mailbox.
    Forward,
}

with_settings! {
    /// The bulk edit: values for every mailbox that it selects. There is no `approved` here: approving by selector
    /// would defeat approval.
    pub struct AssignmentSpec {
        /// Which mailboxes get these values.
        pub select: Spanned<Select>,
    }
    and behind them {}
}

/// Which mailboxes: those that fit every key given here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Select {
    /// Every one of these labels.
    #[schemars(extend("minProperties" = 1))]
    pub labels: Option<BTreeMap<String, String>>,
    /// Any of these addresses; `*` stands for any characters: `*@sales.example`.
    #[schemars(length(min = 1))]
    pub addresses: Option<Vec<String>>,
    /// Any of these types.
    #[schemars(length(min = 1))]
    pub types: Option<Vec<MailboxType>>,
}
