//! From what the manifest asks for and what is stored to the steps between them.
//!
//! [`plan()`] is pure and total: what cannot or must not be done is part of its answer ([`Plan::blocked`]), what a
//! person should know without a step being needed is a note. The same input gives the same bytes.
//!
//! Every declared secret is stored, whether or not something refers to it yet: a manifest that declares it first and
//! uses it later then needs no second look at the ciphertext.
//!
//! This room knows neither the manifest's text nor the store; it must never see a secret's value.

pub mod connection;
pub mod model;
pub mod render;
pub mod saved;
pub mod selection;
pub mod snapshot;

mod cause;
pub mod fields;
mod guards;
mod hosts;
mod mailboxes;
mod notes;
mod profiles;
mod readiness;
mod references;
mod rename;
mod scope;
mod selected;

use std::collections::BTreeMap;

use crate::model::desired::{Declared, Desired};
use crate::model::plan::{Action, Effect, Plan, Policy, Step, Target};
use crate::model::secret::{SecretDigest, SecretRef};
use crate::model::selection::Selection;
use crate::model::stored::Stored;

use mailboxes::Mailboxes;
use scope::Scope;

pub use saved::fingerprint;

/// The steps that turn the stored state into the desired one, in the order of execution.
pub fn plan(desired: &Desired, stored: &Stored, policy: &Policy) -> Plan {
    if policy.selection.is_everything() {
        whole(&selected::estate(desired, stored, policy))
    } else {
        selected::plan(desired, stored, policy)
    }
}

fn whole(estate: &Estate<'_>) -> Plan {
    let Estate { desired, stored, .. } = *estate;
    let mailboxes = mailboxes::diff(estate);
    let mut steps = Vec::new();
    steps.extend(profiles::organization_step(estate, &mailboxes));
    steps.extend(secret_puts(estate, &mailboxes));
    steps.extend(profiles::puts(estate, &mailboxes));
    let Mailboxes { puts, deletes, awaiting, conflicts, impacts: _ } = mailboxes;
    steps.extend(puts);
    steps.extend(deletes);
    steps.extend(profiles::deletes(estate));
    steps.extend(secret_deletes(estate));

    let verdict = guards::check(estate, &steps);
    let mut blocked = references::unresolved(estate);
    blocked.extend(verdict.blocked);
    let mut notes = desired.notes.clone();
    notes.extend(conflicts);
    notes.extend(notes::awaiting_connectors(&awaiting));
    notes.extend(verdict.notes);
    Plan {
        format_version: Plan::FORMAT_VERSION,
        store: stored.store.clone(),
        revision: stored.revision,
        manifest: desired.digest.clone(),
        selection: Selection::default(),
        steps,
        blocked,
        overridden: verdict.overridden,
        notes,
    }
}

/// All that a plan is made from, with what is derived from it once.
struct Estate<'a> {
    desired: &'a Desired,
    stored: &'a Stored,
    policy: &'a Policy,
    /// Of the declared secrets.
    secrets: BTreeMap<SecretRef, SecretDigest>,
    scope: Scope<'a>,
}

fn secret_puts(estate: &Estate<'_>, mailboxes: &Mailboxes) -> Vec<Step> {
    let mut steps = Vec::new();
    for (secret, Declared { origin, .. }) in &estate.desired.secrets {
        let Some(digest) = estate.secrets.get(secret) else { continue };
        let before = estate.stored.secrets.get(secret);
        if before == Some(digest) {
            continue;
        }
        let target = Target::Secret(secret.clone());
        let (action, reason) = match before {
            None => (Action::Create, REASON_CREATE),
            Some(_) => (Action::Update, "the ciphertext changed; its value was not compared"),
        };
        steps.push(Step {
            action,
            changes: vec![fields::secret_change(action)],
            consequences: mailboxes.consequences_of(&target),
            target,
            reason: reason.to_owned(),
            origin: Some(origin.clone()),
            effect: Effect::PutSecret { secret: secret.clone(), digest: digest.clone() },
        });
    }
    steps
}

fn secret_deletes(estate: &Estate<'_>) -> Vec<Step> {
    let gone = estate.stored.secrets.keys().filter(|secret| !estate.secrets.contains_key(secret));
    gone.map(|secret| deletion(Target::Secret(secret.clone()), Effect::DeleteSecret(secret.clone())))
        .collect()
}

const REASON_CREATE: &str = "declared, not stored yet";
const REASON_UPDATE: &str = "its declaration changed";

/// A deletion that stops nothing by itself.
fn deletion(target: Target, effect: Effect) -> Step {
    Step {
        action: Action::Delete,
        target,
        changes: Vec::new(),
        consequences: vec![crate::model::plan::Consequence::NoEffectOnTraffic],
        reason: "no longer declared".to_owned(),
        origin: None,
        effect,
    }
}
