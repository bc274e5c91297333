//! A plan: the steps from the stored to the desired state, as a value.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::desired::{DesiredNote, ManifestDigest};
use super::mailbox::Mailbox;
use super::name::Name;
use super::operation::{ConnectionDigest, Operation, Readiness};
use super::organization::Organization;
use super::problem::Origin;
use super::profile::{Profile, ServerKind};
use super::revision::{Revision, StoreId};
use super::secret::{Comparison, SecretDigest, SecretRef};
use super::selection::Selection;

/// What a plan depends on beside the two states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The kinds of server that this build can speak to.
    pub connectors: BTreeSet<ServerKind>,
    /// Guards that the caller overrides, by name, each with the reason that is recorded.
    pub overrides: BTreeMap<Guard, String>,
    /// The part of the manifest that the plan is about.
    pub selection: Selection,
    /// Of the secrets whose ciphertext changed: what opening them told. What is not in it was not compared.
    pub compared: BTreeMap<SecretRef, Comparison>,
    /// The day for which dated rules are judged (`model::retirement`). `None`: they are not looked at.
    pub as_of: Option<Date>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    pub format_version: u32,
    /// The state it was made from. `None`: there was no store.
    pub store: Option<StoreId>,
    pub revision: Revision,
    /// How many decisions about approvals it knows: they move no revision.
    #[serde(default, skip_serializing_if = "super::stored::is_zero")]
    pub decisions: u64,
    pub manifest: ManifestDigest,
    /// The part of the manifest that it is limited to.
    pub selection: Selection,
    /// In the order of execution. There may be hundreds of thousands: whoever keeps them shares them.
    pub steps: Arc<Vec<Step>>,
    /// What stands against applying it.
    pub blocked: Vec<Blocked>,
    /// What would stand against it if the caller had not overridden the guard.
    pub overridden: Vec<Overridden>,
    pub notes: Vec<DesiredNote>,
}

/// A guard that refused and was overridden. It is recorded with the revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Overridden {
    pub guard: Guard,
    /// What the guard said.
    pub message: String,
    /// Why it was overridden, in the words of whoever did.
    pub reason: String,
}

impl Plan {
    pub const FORMAT_VERSION: u32 = 1;

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    pub action: Action,
    pub target: Target,
    /// Field by field, secrets as `(changed)`.
    pub changes: Vec<FieldChange>,
    pub consequences: Vec<Consequence>,
    /// Why, in words.
    pub reason: String,
    /// Where the manifest says so; `None` for what it no longer says.
    pub origin: Option<Origin>,
    /// All that executing it takes.
    pub effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Update,
    Rename,
    Delete,
    /// Nothing declared changes; operations are tested again.
    Retest,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    Organization,
    Secret(SecretRef),
    Profile(Name),
    Mailbox(Name),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Organization => f.write_str("organization"),
            Self::Secret(secret) => write!(f, "secret/{secret}"),
            Self::Profile(name) => write!(f, "profile/{name}"),
            Self::Mailbox(name) => write!(f, "mailbox/{name}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldChange {
    /// Dotted, in the manifest's spelling: `imapSmtp.incoming.host`.
    pub field: Cow<'static, str>,
    /// `None`: was not there.
    pub before: Option<Cow<'static, str>>,
    /// `None`: is no longer there. Most of what a new mailbox has is one of a few words.
    pub after: Option<Cow<'static, str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Consequence {
    /// No effect on traffic.
    NoEffectOnTraffic,
    NeedsRetest(BTreeSet<Operation>),
    /// Works on with the former version until the new one has passed its test.
    KeepsWorking(BTreeSet<Operation>),
    NeedsReapproval,
    ReplaysMail {
        from: Timestamp,
    },
    StopsTraffic(BTreeSet<Operation>),
    /// Messages are read and passed over from now on; they do not come back when it is undone.
    RecordsNothing,
    /// A later start date than before: older messages that nobody has read yet are passed over.
    LeavesOutMail {
        before: Timestamp,
    },
    /// Messages are removed from their server once they are recorded.
    RemovesMail,
    TakesOverClaim {
        from: String,
    },
    /// An inbox rule at the server forwards every message to this address, as an attachment.
    ForwardsMail {
        to: String,
    },
    /// The test removes the inbox rule that forwards to this address.
    RemovesRule {
        to: String,
    },
    /// That rule stays where it is: nobody logs in there any more.
    LeavesRule {
        to: String,
    },
    /// A new profile: mail goes to and comes from this host.
    SharesMailWith {
        host: String,
    },
}

/// What a step writes. The executor makes no choices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    PutOrganization(Box<Organization>),
    /// The ciphertext is read again from the manifest and must have this digest.
    PutSecret {
        secret: SecretRef,
        digest: SecretDigest,
        /// The same value in a new ciphertext: connections stay proved under this digest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<SecretDigest>,
    },
    DeleteSecret(SecretRef),
    PutProfile(Box<Profile>),
    DeleteProfile(Name),
    PutMailbox(Box<PutMailbox>),
    DeleteMailbox(Name),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutMailbox {
    pub mailbox: Mailbox,
    /// Under which name it is stored now, when that differs.
    pub renamed_from: Option<Name>,
    pub operations: BTreeMap<Operation, OperationPlan>,
    /// Set the start date to this moment, and read the mailbox again from there.
    pub replay_from: Option<Timestamp>,
    /// Another mailbox gets its address in this plan: nothing works on with the former version, or both would read one mailbox.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hands_over: bool,
}

impl PutMailbox {
    /// Whether an operation begins from what it was, and not as that of a new mailbox.
    pub fn continues(&self, operation: &OperationPlan) -> bool {
        !self.hands_over || matches!(operation.readiness, Readiness::Unchanged | Readiness::Proved)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationPlan {
    pub readiness: Readiness,
    pub connection: Option<ConnectionDigest>,
}

/// The safety rules that refuse a plan unless they are overridden by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    Deletions,
    Updates,
    EmptyManifest,
    PreventDestroy,
    ClaimTakeOver,
    Organization,
}

impl Guard {
    pub const ALL: [Self; 6] = [
        Self::Deletions,
        Self::Updates,
        Self::EmptyManifest,
        Self::PreventDestroy,
        Self::ClaimTakeOver,
        Self::Organization,
    ];

    /// As `--override-guard` takes it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Deletions => "deletions",
            Self::Updates => "updates",
            Self::EmptyManifest => "empty-manifest",
            Self::PreventDestroy => "prevent-destroy",
            Self::ClaimTakeOver => "claim-take-over",
            Self::Organization => "organization",
        }
    }
}

/// Something that cannot or must not be done, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Blocked {
    /// `None`: no override helps.
    pub guard: Option<Guard>,
    pub target: Option<Target>,
    pub message: String,
    pub remedy: String,
    pub origin: Option<Origin>,
}
