//! `Organization` and `ApprovalList` as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mailbox::{Accept, IncomingMethod, Method};
use super::values::{Period, Size};
use crate::manifest::decode::spanned::{Entries, Spanned};
use crate::model::name::{Address, Name};

/// The organization: defaults, approval, tracking, alerts, retry, guards, recipients of secrets.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganizationSpec {
    /// A name for people, up to 100 characters.
    #[schemars(length(max = 100))]
    pub display_name: Option<Spanned<String>>,
    /// What mailboxes get that say nothing else.
    pub defaults: Option<Defaults>,
    /// Whose mail is processed only once its address is approved.
    pub approval: Option<Approval>,
    /// How messages are matched with each other and with records.
    pub tracking: Option<Spanned<Tracking>>,
    /// Which alerts are kept, for how long, and who is told.
    pub alerts: Option<Alerts>,
    /// How often and how long after a failure something is tried again.
    pub retry: Option<Retry>,
    /// What a plan must not do without an explicit word.
    pub guards: Option<Guards>,
    /// Who can open the secrets: a name and an age recipient (`age1…`) each.
    pub recipients: Option<Entries<Spanned<String>>>,
}

/// What a mailbox gets that neither says otherwise nor has an assignment. Vendor: "Default Synchronization Method".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// Vendor: "Server Profile". The name of an `EmailServerProfile`.
    pub profile: Option<Spanned<Name>>,
    /// How mail comes in. Vendor: "Incoming Email". Default `none`.
    pub incoming: Option<Spanned<IncomingMethod>>,
    /// Vendor: "Outgoing Email". Default `none`; becomes `none` for a forward mailbox.
    pub outgoing: Option<Spanned<Method>>,
    /// Vendor: "Appointments, Contacts, and Tasks". Default `none`; becomes `none` where the
    /// profile has no calendar.
    pub appointments_contacts_tasks: Option<Spanned<Method>>,
    /// Which incoming mail becomes a record; left out: all of it.
    pub accept: Option<Spanned<Accept>>,
}

/// Whose mail is processed only once its address is approved. Vendor: "Security and permissions".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Whether addresses are approved in the manifest or by a command; the other one is refused. Default `manifest`.
    pub source: Option<Spanned<ApprovalSource>>,
    /// For mailboxes of people. Vendor: "Process emails only for approved users". Default `required`.
    pub users: Option<Requirement>,
    /// For mailboxes of queues. Vendor: "Process emails only for approved queues". Default `required`.
    pub queues: Option<Requirement>,
    /// The same for forward mailboxes. Default `required`.
    pub forward: Option<Requirement>,
}

/// Where addresses are approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalSource {
    /// `approved` on a mailbox, or an `ApprovalList`.
    Manifest,
    /// Outside of git.
    Command,
}

/// Whether an address has to be approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// Nothing is processed before the address is approved.
    Required,
    /// Mail is processed without approval.
    NotRequired,
}

/// How messages are matched with each other and with records.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tracking {
    /// Match replies by `In-Reply-To` and `References`. Vendor: "Use correlation to track email conversations". Default `true`.
    pub correlation: Option<bool>,
    /// Vendor: "Use tracking tokens". Left out: tokens with the prefix `CRM:`.
    pub token: Option<TrackingToken>,
    /// Match replies by subject, sender and recipients. Vendor: "Use smart matching". Default `false`.
    pub smart_matching: Option<bool>,
    /// What a message between users becomes. Vendor: "Track emails sent between users as two activities". Default `one-activity`.
    pub internal_mail: Option<InternalMail>,
    /// What happens to a message for somebody unknown. Vendor: "Allow messages with unresolved email recipients to be sent". Default `refuse`.
    pub unresolved_recipients: Option<UnresolvedRecipients>,
    /// What is kept of attachments.
    pub attachments: Option<Attachments>,
}

/// The mark in the subject line by which replies are recognised.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackingToken {
    /// `false` writes and looks for no token. Default `true`.
    pub enabled: Option<bool>,
    /// What the token begins with. Vendor: "Prefix". Default `CRM:`.
    #[schemars(length(min = 1, max = 20))]
    pub prefix: Option<Spanned<String>>,
    /// Prefixes of earlier times that are still recognised.
    #[serde(default)]
    pub former_prefixes: Vec<String>,
}

/// What a message from one user to another becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InternalMail {
    /// One record that both share.
    OneActivity,
    /// A record for the sender and one for the recipient.
    TwoActivities,
}

/// What happens to a message for somebody who is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnresolvedRecipients {
    /// It is not sent.
    Refuse,
    /// It is sent all the same.
    Send,
}

/// Limits of what is kept of attachments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachments {
    /// Larger ones are not kept. Vendor: "Maximum file size for attachments". Default `5120KiB`.
    pub size_max: Option<Size>,
    /// Endings of file names, without the dot, that are not kept. Vendor: "Set blocked file extensions for attachments".
    #[serde(default)]
    pub blocked_types: Vec<String>,
}

/// What a person is told. Vendor: "Alerts".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alerts {
    /// Which alerts are kept. Vendor: "Configure alerts". Default: all three.
    pub levels: Option<Vec<AlertLevel>>,
    /// Address alerts about what the profile's owner has to mend to the owners of its mailboxes, too. Those about a single mailbox
    /// always go to its owner. Vendor: "Notify mailbox owner". Default `false`.
    pub notify_mailbox_owner: Option<Spanned<bool>>,
    /// How long alerts are kept; the newest one of a trouble that stands is kept longer. Default `30d`.
    pub keep: Option<Spanned<Period>>,
}

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertLevel {
    /// Something stopped working, or a message is not sent.
    Error,
    /// It is tried again by itself.
    Warning,
    /// Good news, such as a passed test.
    Information,
}

/// How often something that failed is tried again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Transient failures in a row after which an operation is disabled. Default 10.
    #[schemars(range(min = 1, max = 1000))]
    pub attempts: Option<Spanned<u32>>,
    /// The wait before the first retry; it grows from there. Default `5m`.
    pub wait: Option<Period>,
    /// Attempts to process one message. Default 5.
    #[schemars(range(min = 1, max = 1000))]
    pub attempts_per_message: Option<Spanned<u32>>,
}

/// Limits that a plan does not exceed without an explicit word.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guards {
    /// Deleting more mailboxes and profiles than this.
    pub deletions: Option<DeletionGuard>,
    /// Changing more mailboxes and profiles than this.
    pub updates: Option<UpdateGuard>,
    /// A manifest without profiles and mailboxes. Default `refuse`.
    pub empty_manifest: Option<GuardAction>,
    /// Taking a mailbox over from another holder. Default `refuse`.
    pub claim_take_over: Option<GuardAction>,
}

/// Exceeding either limit blocks the plan until `--override-guard deletions` is given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletionGuard {
    /// How many may be deleted at once, whatever their share. Default 10.
    pub count: Option<u32>,
    /// The share in percent that may be deleted at once. Default 30.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<Spanned<u32>>,
}

/// Exceeding the limit blocks the plan until `--override-guard updates` is given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateGuard {
    /// The share in percent that may be changed at once. Default 30.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<Spanned<u32>>,
}

/// What a plan does when it meets this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GuardAction {
    /// It is blocked until the guard is overridden by name.
    Refuse,
    /// It goes on.
    Allow,
}

/// Approved addresses in a file of its own, so that code owners can separate duties. Where a manifest has one,
/// `approved` on mailboxes is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalListSpec {
    /// Each of these very addresses and no other is approved.
    pub addresses: Vec<Spanned<Address>>,
}
