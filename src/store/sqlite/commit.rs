//! A commit as the writer's thread gets it: it owns all that is written, and nothing else, because a first apply may put a
//! hundred thousand mailboxes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::declaration;
use crate::model::desired::ManifestDigest;
use crate::model::footing::{Footing, Known};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::organization::Organization;
use crate::model::pending::{Standing, is_untested};
use crate::model::plan::{Action, Effect, Overridden, PutMailbox};
use crate::model::profile::Profile;
use crate::model::revision::{Revision, StoreId};
use crate::model::secret::{BundleDigest, SealedBundle, SealedValue, SecretDigest, SecretRef, ValueDigest};
use crate::model::selection::Selection;
use crate::store::{DigestKeyChange, Kept, OperationStates, RevisionCommit, StoreError};

pub(super) struct Commit {
    pub store: Option<StoreId>,
    pub revision: Revision,
    pub manifest: ManifestDigest,
    pub selection: Selection,
    pub overridden: Vec<Overridden>,
    pub steps: Vec<(Action, Write)>,
    pub fingerprint: Option<String>,
    pub secrets: BTreeMap<SecretRef, SealedValue>,
    pub bundles: Vec<(BundleDigest, SealedBundle)>,
    pub values: BTreeMap<SecretRef, ValueDigest>,
    pub digest_key: DigestKeyChange,
    pub kept: Vec<Kept>,
    pub at: Timestamp,
}

/// What one step writes.
pub(super) enum Write {
    Organization(Box<Organization>),
    Secret { secret: SecretRef, digest: SecretDigest, proof: Option<SecretDigest> },
    NoSecret(SecretRef),
    Profile(Box<Profile>),
    NoProfile(Name),
    Mailbox(Box<Put>),
    NoMailbox(Name),
}

/// A mailbox that is created or changed.
pub(super) struct Put {
    pub name: Name,
    /// The declaration as JSON.
    pub declared: String,
    pub profile: Option<Name>,
    pub renamed_from: Option<Name>,
    pub replay_from: Option<Timestamp>,
    /// Whether its mail is removed from the server once it is recorded.
    pub removes_mail: bool,
    /// In the order of [`Operation::ALL`].
    pub operations: [PutOperation; 3],
    /// What it has if nothing of it was stored before, and how many of its operations then wait for a test.
    pub footing: (Option<Footing>, u8),
}

pub(super) struct PutOperation {
    pub operation: Operation,
    pub connection: Option<String>,
    /// `None`: it keeps the one that it has.
    pub state: Option<Arc<Standing>>,
}

type States = HashMap<Name, OperationStates>;

impl Commit {
    pub(super) fn of(commit: RevisionCommit<'_>) -> Result<Self, StoreError> {
        let mut states: States = commit.states.into_iter().collect();
        let plan = commit.plan;
        let steps = plan.steps.iter().map(|step| Ok((step.action, Write::of(&step.effect, &mut states)?)));
        let steps = steps.collect::<Result<_, StoreError>>()?;
        Ok(Self {
            store: plan.store.clone(),
            revision: plan.revision,
            manifest: plan.manifest.clone(),
            selection: plan.selection.clone(),
            overridden: plan.overridden.clone(),
            steps,
            fingerprint: commit.fingerprint,
            secrets: commit.secrets.into_iter().collect(),
            bundles: commit.openings.bundles,
            values: commit.openings.values.into_iter().collect(),
            digest_key: commit.openings.digest_key,
            kept: commit.kept,
            at: commit.at,
        })
    }

    /// The mailboxes that are put.
    pub(super) fn puts(&self) -> impl Iterator<Item = &Put> {
        self.steps.iter().filter_map(|(_, write)| match write {
            Write::Mailbox(put) => Some(&**put),
            Write::Organization(_)
            | Write::Secret { .. }
            | Write::NoSecret(_)
            | Write::Profile(_)
            | Write::NoProfile(_)
            | Write::NoMailbox(_) => None,
        })
    }
}

impl Write {
    fn of(effect: &Effect, states: &mut States) -> Result<Self, StoreError> {
        Ok(match effect {
            Effect::PutOrganization(organization) => Self::Organization(organization.clone()),
            Effect::PutSecret { secret, digest, proof } => {
                Self::Secret { secret: secret.clone(), digest: digest.clone(), proof: proof.clone() }
            }
            Effect::DeleteSecret(secret) => Self::NoSecret(secret.clone()),
            Effect::PutProfile(profile) => Self::Profile(profile.clone()),
            Effect::DeleteProfile(name) => Self::NoProfile(name.clone()),
            Effect::PutMailbox(put) => {
                let states = states.remove(&put.mailbox.name).unwrap_or_default();
                Self::Mailbox(Box::new(Put::of(put, states)?))
            }
            Effect::DeleteMailbox(name) => Self::NoMailbox(name.clone()),
        })
    }
}

impl Put {
    fn of(put: &PutMailbox, states: OperationStates) -> Result<Self, StoreError> {
        let mut operations = Operation::ALL.map(|operation| {
            let connection = put.operations.get(&operation).and_then(|plan| plan.connection.as_ref());
            PutOperation { operation, connection: connection.map(|digest| digest.0.clone()), state: None }
        });
        for (operation, state) in states {
            let of_it = operations.iter_mut().find(|known| known.operation == operation);
            if let Some(known) = of_it {
                known.state = Some(state);
            }
        }
        let footing = Footing::of_operations(&put.mailbox, |operation| {
            let connection = put.operations.get(&operation).and_then(|plan| plan.connection.as_ref());
            let known = operations.iter().find(|known| known.operation == operation)?;
            let Standing { state, pending } = known.state.as_deref()?;
            Some(Known { state, pending: pending.as_ref(), connection })
        });
        let is_waiting = |state: &&Standing| is_untested(&state.state, state.pending.as_ref());
        let untested = operations.iter().filter_map(|known| known.state.as_deref()).filter(is_waiting);
        let footing = (footing, untested.map(|_| 1).sum());
        Ok(Self {
            name: put.mailbox.name.clone(),
            declared: declaration::to_text(&put.mailbox)?,
            profile: put.mailbox.profile.clone(),
            renamed_from: put.renamed_from.clone(),
            replay_from: put.replay_from,
            removes_mail: put.mailbox.delete_after_processing,
            operations,
            footing,
        })
    }
}
