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
    pub defaults: Option<Defaults>,
    pub approval: Option<Approval>,
    pub tracking: Option<Spanned<Tracking>>,
    pub alerts: Option<Alerts>,
    pub retry: Option<Retry>,
    pub guards: Option<Guards>,
    /// Who can open the secrets: a name and an age recipient (`age1…`) each.
    pub recipients: Option<Entries<Spanned<String>>>,
}

/// What a mailbox gets that neither says otherwise nor has an assignment. Vendor: "Default Synchronization Method".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// Vendor: "Server Profile".
    pub profile: Option<Spanned<Name>>,
    /// Vendor: "Incoming Email".
    pub incoming: Option<Spanned<IncomingMethod>>,
    /// Vendor: "Outgoing Email".
    pub outgoing: Option<Spanned<Method>>,
    /// Vendor: "Appointments, Contacts, and Tasks". Becomes `none` where the profile has no calendar.
    pub appointments_contacts_tasks: Option<Spanned<Method>>,
    /// Which incoming mail becomes a record; left out: all of it.
    pub accept: Option<Spanned<Accept>>,
}

/// Vendor: "Security and permissions", "Process emails only for approved users / queues".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Whether addresses are approved in the manifest or by a command; the other one is refused.
    pub source: Option<Spanned<ApprovalSource>>,
    /// Vendor: "Process emails only for approved users".
    pub users: Option<Requirement>,
    /// Vendor: "Process emails only for approved queues".
    pub queues: Option<Requirement>,
    /// The same for forward mailboxes.
    pub forward: Option<Requirement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalSource {
    Manifest,
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    Required,
    NotRequired,
}

/// How messages are matched with each other and with records.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tracking {
    /// Vendor: "Use correlation to track email conversations". Default `true`.
    pub correlation: Option<bool>,
    /// Vendor: "Use tracking tokens".
    pub token: Option<TrackingToken>,
    /// Vendor: "Use smart matching". Default `false`.
    pub smart_matching: Option<bool>,
    /// Vendor: "Track emails sent between users as two activities". Default `one-activity`.
    pub internal_mail: Option<InternalMail>,
    /// Vendor: "Allow messages with unresolved email recipients to be sent". Default `refuse`.
    pub unresolved_recipients: Option<UnresolvedRecipients>,
    pub attachments: Option<Attachments>,
}

/// The mark in the subject line by which replies are recognised.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackingToken {
    /// `false` writes and looks for no token. Default `true`.
    pub enabled: Option<bool>,
    /// Vendor: "Prefix". Default `CRM:`.
    #[schemars(length(min = 1, max = 20))]
    pub prefix: Option<Spanned<String>>,
    /// Prefixes of earlier times that are still recognised.
    #[serde(default)]
    pub former_prefixes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InternalMail {
    OneActivity,
    TwoActivities,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnresolvedRecipients {
    Refuse,
    Send,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachments {
    /// Vendor: "Maximum file size for attachments". Default `5120KiB`.
    pub size_max: Option<Size>,
    /// Vendor: "Set blocked file extensions for attachments", without the dot.
    #[serde(default)]
    pub blocked_types: Vec<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alerts {
    /// Vendor: "Configure alerts". Default: all three.
    pub levels: Option<Vec<AlertLevel>>,
    /// Vendor: "Notify mailbox owner". Default `false`.
    pub notify_mailbox_owner: Option<Spanned<bool>>,
    /// How long alerts are kept. Default `30d`.
    pub keep: Option<Spanned<Period>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertLevel {
    Error,
    Warning,
    Information,
}

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
    pub deletions: Option<DeletionGuard>,
    pub updates: Option<UpdateGuard>,
    /// A manifest without profiles and mailboxes. Default `refuse`.
    pub empty_manifest: Option<GuardAction>,
    /// Taking a mailbox over from another holder. Default `refuse`.
    pub claim_take_over: Option<GuardAction>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletionGuard {
    /// Default 10.
    pub count: Option<u32>,
    /// Default 30.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<Spanned<u32>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateGuard {
    /// Default 30.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<Spanned<u32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GuardAction {
    Refuse,
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
