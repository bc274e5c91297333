//! The organization: defaults, approval, tracking, alerts, retry, guards, recipients.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits;
use super::mailbox::{Accept, ActMethod, IncomingMethod, OutgoingMethod};
use super::name::Name;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organization {
    pub name: Name,
    pub display_name: Option<String>,
    pub defaults: Defaults,
    pub approval: Approval,
    pub tracking: Tracking,
    pub alerts: AlertSettings,
    pub retry: Retry,
    pub guards: Guards,
    /// Name → age recipient.
    pub recipients: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    pub profile: Option<Name>,
    pub incoming: Option<IncomingMethod>,
    pub outgoing: Option<OutgoingMethod>,
    pub appointments_contacts_tasks: Option<ActMethod>,
    pub accept: Option<Accept>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    pub source: ApprovalSource,
    pub users: Requirement,
    pub queues: Requirement,
    pub forward: Requirement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalSource {
    Manifest,
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    Required,
    NotRequired,
}

impl Default for Approval {
    fn default() -> Self {
        let required = Requirement::Required;
        Self { source: ApprovalSource::Manifest, users: required, queues: required, forward: required }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tracking {
    pub correlation: bool,
    pub token: Option<TrackingToken>,
    pub smart_matching: bool,
    pub internal_mail: InternalMail,
    pub unresolved_recipients: UnresolvedRecipients,
    pub attachment_bytes_max: u64,
    pub attachment_blocked_types: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackingToken {
    pub prefix: String,
    pub former_prefixes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InternalMail {
    OneActivity,
    TwoActivities,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnresolvedRecipients {
    Refuse,
    Send,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            correlation: true,
            token: Some(TrackingToken { prefix: "CRM:".to_owned(), former_prefixes: Vec::new() }),
            smart_matching: false,
            internal_mail: InternalMail::OneActivity,
            unresolved_recipients: UnresolvedRecipients::Refuse,
            attachment_bytes_max: 5120 * 1024,
            attachment_blocked_types: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertSettings {
    pub errors: bool,
    pub warnings: bool,
    pub information: bool,
    pub notify_mailbox_owner: bool,
    pub keep: Duration,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            errors: true,
            warnings: true,
            information: true,
            notify_mailbox_owner: false,
            keep: Duration::from_secs(30 * 86_400),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Transient failures in a row after which an operation is disabled.
    pub attempts: u16,
    pub wait: Duration,
    pub attempts_per_message: u16,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: limits::RETRY_ATTEMPTS_DEFAULT,
            wait: limits::RETRY_WAIT_DEFAULT,
            attempts_per_message: limits::ATTEMPTS_PER_MESSAGE_DEFAULT,
        }
    }
}

/// Limits that a plan must not exceed without an explicit word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guards {
    /// Profiles and mailboxes deleted by one plan. The percentage counts from ten stored resources on.
    pub deletions_count: u32,
    pub deletions_percent: u8,
    pub updates_percent: u8,
    pub empty_manifest: GuardAction,
    pub claim_take_over: GuardAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GuardAction {
    Refuse,
    Allow,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            deletions_count: 10,
            deletions_percent: 30,
            updates_percent: 30,
            empty_manifest: GuardAction::Refuse,
            claim_take_over: GuardAction::Refuse,
        }
    }
}
