//! A commit as the writer's thread gets it. A first apply may put a hundred thousand mailboxes: it shares the plan's steps, and what a
//! mailbox is written as is made when its turn comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::declaration;
use crate::model::desired::ManifestDigest;
use crate::model::footing::{Footing, Known};
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::pending::{Standing, is_untested};
use crate::model::plan::{Effect, Overridden, PutMailbox, Step};
use crate::model::revision::{Revision, StoreId};
use crate::model::secret::{BundleDigest, SealedBundle, SealedValue, SecretRef, ValueDigest};
use crate::model::selection::Selection;
use crate::store::{DigestKeyChange, Kept, OperationStates, RevisionCommit, StoreError};

pub(super) struct Commit {
    pub store: Option<StoreId>,
    pub revision: Revision,
    pub decisions: u64,
    pub manifest: ManifestDigest,
    pub selection: Selection,
    pub overridden: Vec<Overridden>,
    pub steps: Arc<Vec<Step>>,
    states: HashMap<Name, OperationStates>,
    pub fingerprint: Option<String>,
    pub secrets: BTreeMap<SecretRef, SealedValue>,
    pub bundles: Vec<(BundleDigest, SealedBundle)>,
    pub values: BTreeMap<SecretRef, ValueDigest>,
    pub digest_key: DigestKeyChange,
    pub kept: Vec<Kept>,
    pub at: Timestamp,
}

/// A mailbox that is created or changed.
pub(super) struct Put<'a> {
    pub name: &'a Name,
    /// The declaration as JSON.
    pub declared: String,
    pub renamed_from: Option<&'a Name>,
    pub replay_from: Option<Timestamp>,
    /// Whether its mail is removed from the server once it is recorded.
    pub removes_mail: bool,
    /// In the order of [`Operation::ALL`].
    pub operations: [PutOperation<'a>; 3],
    /// What it has if nothing of it was stored before, and how many of its operations then wait for a test.
    pub footing: (Option<Footing>, u8),
}

pub(super) struct PutOperation<'a> {
    pub operation: Operation,
    pub connection: Option<&'a str>,
    /// `None`: it keeps the one that it has.
    pub state: Option<&'a Standing>,
}

impl Commit {
    pub(super) fn of(commit: RevisionCommit<'_>) -> Self {
        let plan = commit.plan;
        Self {
            store: plan.store.clone(),
            revision: plan.revision,
            decisions: plan.decisions,
            manifest: plan.manifest.clone(),
            selection: plan.selection.clone(),
            overridden: plan.overridden.clone(),
            steps: Arc::clone(&plan.steps),
            states: commit.states.into_iter().collect(),
            fingerprint: commit.fingerprint,
            secrets: commit.secrets.into_iter().collect(),
            bundles: commit.openings.bundles,
            values: commit.openings.values.into_iter().collect(),
            digest_key: commit.openings.digest_key,
            kept: commit.kept,
            at: commit.at,
        }
    }

    /// The mailboxes that are put.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.steps.iter().filter_map(|step| match &step.effect {
            Effect::PutMailbox(put) => Some(&put.mailbox),
            Effect::PutOrganization(_)
            | Effect::PutSecret { .. }
            | Effect::DeleteSecret(_)
            | Effect::PutProfile(_)
            | Effect::DeleteProfile(_)
            | Effect::DeleteMailbox(_) => None,
        })
    }

    /// What a mailbox is written as.
    pub(super) fn put<'a>(&'a self, put: &'a PutMailbox) -> Result<Put<'a>, StoreError> {
        let states = self.states.get(&put.mailbox.name).map_or(&[][..], Vec::as_slice);
        let connection =
            |operation: Operation| put.operations.get(&operation).and_then(|plan| plan.connection.as_ref());
        let operations = Operation::ALL.map(|operation| PutOperation {
            operation,
            connection: connection(operation).map(|digest| digest.0.as_str()),
            state: states.iter().find(|(of, _)| *of == operation).map(|(_, state)| &**state),
        });
        let footing = Footing::of_operations(&put.mailbox, |operation| {
            let known = operations.iter().find(|known| known.operation == operation)?;
            let Standing { state, pending } = known.state?;
            Some(Known { state, pending: pending.as_ref(), connection: connection(operation) })
        });
        let is_waiting = |state: &&Standing| is_untested(&state.state, state.pending.as_ref());
        let untested = operations.iter().filter_map(|known| known.state).filter(is_waiting);
        let footing = (footing, untested.map(|_| 1).sum());
        Ok(Put {
            name: &put.mailbox.name,
            declared: declaration::to_text(&put.mailbox)?,
            renamed_from: put.renamed_from.as_ref(),
            replay_from: put.replay_from,
            removes_mail: put.mailbox.delete_after_processing,
            operations,
            footing,
        })
    }
}
