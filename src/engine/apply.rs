//! Applying a plan: one revision, atomically.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::desired::Desired;
use crate::model::event::Event;
use crate::model::lease::LeaseScope;
use crate::model::name::Name;
use crate::model::operation::{Awaiting, OffReason, Operation, OperationState};
use crate::model::pending::Standing;
use crate::model::plan::{Action, Blocked, Effect, Plan, PutMailbox, Step, Target};
use crate::model::profile::Profile;
use crate::model::revision::Revision;
use crate::model::secret::{SealedValue, SecretRef};
use crate::model::stored::{StoredMailbox, StoredOperation};
use crate::plan::connection;
use crate::store::{Kept, RevisionCommit, StoreError};
use crate::sync::alerts;
use crate::sync::transition::{StateEvent, transition};

use super::lease::Held;
use super::{Engine, opening};

/// Why a plan was not applied. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the plan is blocked: {}", .0.first().map_or("", |blocked| blocked.message.as_str()))]
    Blocked(Vec<Blocked>),
    /// The manifest no longer holds the ciphertext that the plan was made with.
    #[error("the value of secret `{0}` in the manifest is not the one that was planned")]
    SecretMoved(SecretRef),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a plan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// It was made just now, and is gone when it was applied.
    Fresh,
    /// It was read from a file, and may come again.
    Saved,
}

/// Applies a plan that was made just now. `desired` supplies the ciphertexts that the plan names by their digests.
pub async fn apply(engine: &Engine, plan: &Plan, desired: &Desired) -> Result<Revision, ApplyError> {
    apply_within(engine, (plan, Provenance::Fresh), desired, Duration::ZERO).await
}

/// The same of any plan, and waits up to so long for somebody else who is changing the state.
pub async fn apply_within(
    engine: &Engine,
    (plan, provenance): (&Plan, Provenance),
    desired: &Desired,
    lock_wait: Duration,
) -> Result<Revision, ApplyError> {
    if !plan.blocked.is_empty() {
        return Err(ApplyError::Blocked(plan.blocked.clone()));
    }
    let secrets = sealed_values(plan, desired)?;
    let held = Held::acquire_within(engine, &LeaseScope::State, lock_wait).await?;
    let revision = commit(engine, &held, (plan, provenance), (desired, secrets)).await;
    held.release(engine).await;
    let revision = revision?;
    let count = |action: Action| {
        plan.steps.iter().filter(|step| is_counted(&step.target, step.action, action)).count()
    };
    engine.tell(Event::Applied {
        revision,
        created: count(Action::Create) as u64,
        updated: (count(Action::Update) + count(Action::Rename)) as u64,
        deleted: count(Action::Delete) as u64,
    });
    Ok(revision)
}

fn is_counted(target: &Target, action: Action, wanted: Action) -> bool {
    match target {
        Target::Organization | Target::Secret(_) | Target::Profile(_) | Target::Mailbox(_) => {
            action == wanted
        }
    }
}

async fn commit(
    engine: &Engine,
    held: &Held,
    (plan, provenance): (&Plan, Provenance),
    (desired, secrets): (&Desired, Vec<(SecretRef, SealedValue)>),
) -> Result<Revision, StoreError> {
    let before = Before {
        mailboxes: engine.store.stored_among(known_before(plan)).await?,
        profiles: engine.store.profiles().await?,
    };
    let at = engine.clock.now();
    let fingerprint = match provenance {
        Provenance::Fresh => None,
        Provenance::Saved => Some(crate::plan::fingerprint(plan)),
    };
    let settings = engine.settings().await?;
    let (mut states, mut kept, mut shared) = (Vec::new(), Vec::new(), Shared::default());
    let mut unapproved = Vec::new();
    for step in plan.steps.iter() {
        if let Effect::PutMailbox(put) = &step.effect {
            let after =
                states_after(put, &before, |state, event| transition(state, &event, at, &settings.retry));
            kept.extend(kept_by(put, &before, &after));
            let off = OperationState::Off(OffReason::NotApproved);
            unapproved
                .extend(after.iter().any(|(_, standing)| standing.state == off).then_some(&put.mailbox));
            if !after.is_empty() {
                let after = after.into_iter().map(|(operation, state)| (operation, shared.of(state)));
                states.push((put.mailbox.name.clone(), after.collect()));
            }
        }
    }
    let openings = opening::openings(engine.store.as_ref(), &engine.secrets, desired, &secrets).await?;
    let commit = RevisionCommit { plan, fingerprint, secrets, openings, states, kept, at };
    let revision = engine.store.commit_revision(&held.lease, commit).await?;
    if let Some(alert) = alerts::on_unapproved(&unapproved, at) {
        let settings = engine.settings().await?;
        engine.store.raise(&engine.raise([alert], &settings.alerts)).await?;
    }
    Ok(revision)
}

/// The states that were met last, each once: the operations of new mailboxes nearly all begin with the same ones.
#[derive(Default)]
struct Shared(Vec<Arc<Standing>>);

impl Shared {
    const KEPT: usize = 8;

    fn of(&mut self, standing: Standing) -> Arc<Standing> {
        if let Some(known) = self.0.iter().find(|known| ***known == standing) {
            return Arc::clone(known);
        }
        let new = Arc::new(standing);
        if self.0.len() < Self::KEPT {
            self.0.push(Arc::clone(&new));
        }
        new
    }
}

/// What is stored of the mailboxes that a plan changes, and of all profiles.
struct Before {
    mailboxes: BTreeMap<Name, StoredMailbox>,
    profiles: BTreeMap<Name, Profile>,
}

/// The names under which the mailboxes that are not new are stored.
fn known_before(plan: &Plan) -> BTreeSet<Name> {
    let put = |step: &Step| match (step.action, &step.effect) {
        (Action::Create, _) => None,
        (_, Effect::PutMailbox(put)) => Some(stored_name(put).clone()),
        (
            _,
            Effect::PutOrganization(_)
            | Effect::PutSecret { .. }
            | Effect::DeleteSecret(_)
            | Effect::PutProfile(_)
            | Effect::DeleteProfile(_)
            | Effect::DeleteMailbox(_),
        ) => None,
    };
    plan.steps.iter().filter_map(put).collect()
}

fn stored_name(put: &PutMailbox) -> &Name {
    put.renamed_from.as_ref().unwrap_or(&put.mailbox.name)
}

/// The state that each operation of a mailbox gets. What stays is left out: a cycle or a test may change it meanwhile.
fn states_after(
    put: &PutMailbox,
    stored: &Before,
    next: impl Fn(&Standing, StateEvent) -> Standing,
) -> Vec<(Operation, Standing)> {
    let before = stored.mailboxes.get(stored_name(put));
    put.operations
        .iter()
        .filter_map(|(operation, planned)| {
            let known = before.and_then(|mailbox| mailbox.operations.get(operation));
            // A new mailbox begins as one that waits for its test.
            let new = || OperationState::AwaitingTest(Awaiting::Test).into();
            let stored = known.map(StoredOperation::standing);
            let standing = stored.clone().filter(|_| put.continues(planned)).unwrap_or_else(new);
            let after = next(&standing, StateEvent::Declared(planned.readiness));
            let stays = stored.is_some_and(|stored| stored == after);
            (!stays).then_some((*operation, after))
        })
        .collect()
}

/// Which operations of a mailbox go on with what is declared before the commit.
fn kept_by(put: &PutMailbox, stored: &Before, after: &[(Operation, Standing)]) -> Vec<Kept> {
    let name = stored_name(put);
    let Some(before) = stored.mailboxes.get(name).map(|known| &known.declared) else { return Vec::new() };
    let profile = before.profile.as_ref().and_then(|profile| stored.profiles.get(profile));
    let Some(profile) = profile else { return Vec::new() };
    after
        .iter()
        .filter(|(_, standing)| standing.pending.is_some())
        .map(|(operation, _)| Kept {
            mailbox: name.clone(),
            operation: *operation,
            secrets: connection::secrets_used(profile, before, *operation).into_iter().cloned().collect(),
        })
        .collect()
}

fn sealed_values(plan: &Plan, desired: &Desired) -> Result<Vec<(SecretRef, SealedValue)>, ApplyError> {
    plan.steps
        .iter()
        .filter_map(|step| match &step.effect {
            Effect::PutSecret { secret, digest, proof: _ } => Some((secret, digest)),
            Effect::PutOrganization(_)
            | Effect::DeleteSecret(_)
            | Effect::PutProfile(_)
            | Effect::DeleteProfile(_)
            | Effect::PutMailbox(_)
            | Effect::DeleteMailbox(_) => None,
        })
        .map(|(secret, digest)| match desired.secrets.get(secret) {
            Some(declared) if declared.value.digest() == *digest => {
                Ok((secret.clone(), declared.value.clone()))
            }
            _ => Err(ApplyError::SecretMoved(secret.clone())),
        })
        .collect()
}
