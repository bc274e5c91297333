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
mod dated;
pub mod fields;
mod forwarding;
mod guards;
mod hosts;
mod mailboxes;
mod notes;
mod profiles;
mod readiness;
pub mod references;
mod rename;
mod scope;
mod secrets;
mod selected;
pub mod settled;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::desired::{Declared, Desired};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::plan::{Action, Effect, Plan, Policy, Step, Target};
use crate::model::profile::ServerKind;
use crate::model::secret::{SealedValue, SecretDigest, SecretRef};
use crate::model::selection::Selection;
use crate::model::stored::Stored;

use connection::Outline;
use mailboxes::Mailboxes;
use scope::Scope;
use secrets::Digests;

pub use readiness::approves;
pub use saved::fingerprint;

/// The steps that turn the stored state into the desired one, in the order of execution.
pub fn plan(desired: &Desired, stored: &Stored, policy: &Policy) -> Plan {
    if policy.selection.is_everything() {
        whole(&selected::estate(desired, stored, policy))
    } else {
        selected::plan(desired, stored, policy)
    }
}

/// The mailboxes that were left out on both sides because nothing is to be done for them ([`settled`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rest {
    pub mailboxes: usize,
    /// How many of them wait for a connector, by kind of server.
    pub awaiting: BTreeMap<ServerKind, u64>,
    pub untested: Untested,
}

/// What waits for a test that has not failed, and that no step touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Untested {
    pub mailboxes: u64,
    pub operations: u64,
}

impl Untested {
    /// `operations`: of one mailbox.
    pub fn add(&mut self, operations: u8) {
        self.mailboxes += u64::from(operations > 0);
        self.operations += u64::from(operations);
    }
}

/// [`plan()`] where the mailboxes of `rest` are neither in `desired` nor in `stored`: it gives the plan that both would
/// give with them. A selected part has to be planned from everything.
pub fn narrowed(desired: &Desired, stored: &Stored, policy: &Policy, rest: &Rest) -> Plan {
    let estate = selected::estate(desired, stored, policy);
    whole(&Estate { rest: Cow::Borrowed(rest), ..estate })
}

/// The digests of all declared secrets.
pub fn secret_digests(
    secrets: &BTreeMap<SecretRef, Declared<SealedValue>>,
) -> BTreeMap<SecretRef, SecretDigest> {
    secrets.iter().map(|(name, sealed)| (name.clone(), sealed.value.digest())).collect()
}

fn whole(estate: &Estate<'_>) -> Plan {
    let Estate { desired, stored, .. } = *estate;
    let mailboxes = mailboxes::diff(estate);
    let mut steps = Vec::new();
    steps.extend(profiles::organization_step(estate, &mailboxes));
    steps.extend(secrets::puts(estate, &mailboxes));
    steps.extend(profiles::puts(estate, &mailboxes));
    let Mailboxes { puts, deletes, mut awaiting, mut untested, conflicts, impacts: _ } = mailboxes;
    untested.mailboxes += estate.rest.untested.mailboxes;
    untested.operations += estate.rest.untested.operations;
    for (kind, count) in &estate.rest.awaiting {
        *awaiting.entry(*kind).or_default() += count;
    }
    steps.extend(puts);
    steps.extend(deletes);
    steps.extend(profiles::deletes(estate));
    steps.extend(secrets::deletes(estate));

    let dated = dated::verdict(estate);
    let verdict = guards::check(estate, &steps);
    let mut blocked = references::unresolved(estate);
    blocked.extend(dated.blocked);
    blocked.extend(verdict.blocked);
    let mut notes = desired.notes.clone();
    notes.extend(dated.notes);
    notes.extend(conflicts);
    notes.extend(notes::awaiting_connectors(&awaiting));
    notes.extend(notes::untested(untested));
    notes.extend(verdict.notes);
    Plan {
        format_version: Plan::FORMAT_VERSION,
        store: stored.store.clone(),
        revision: stored.revision,
        decisions: stored.decisions,
        manifest: desired.digest.clone(),
        selection: Selection::default(),
        steps: Arc::new(steps),
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
    /// Of the declared secrets' ciphertexts.
    secrets: Digests,
    /// Of the declared secrets as connections use them, where that differs.
    kept: Option<Digests>,
    /// Of the stored secrets as connections use them.
    stored_proofs: Cow<'a, Digests>,
    /// What connections prove of the declared profiles, for each operation.
    outlines: BTreeMap<&'a Name, [Option<Outline<'a>>; 3]>,
    scope: Scope<'a>,
    rest: Cow<'a, Rest>,
}

impl<'a> Estate<'a> {
    fn new(
        (desired, stored, policy): (&'a Desired, &'a Stored, &'a Policy),
        secrets: Digests,
        scope: Scope<'a>,
    ) -> Self {
        let kept = secrets::kept_proofs(&secrets, stored, policy);
        let stored_proofs = secrets::stored_proofs(stored);
        let proofs = kept.as_ref().unwrap_or(&secrets);
        let outlines = desired.profiles.iter().map(|(name, declared)| {
            let outline = |operation| Outline::of(&declared.value, proofs, operation);
            (name, Operation::ALL.map(outline))
        });
        let outlines = outlines.collect();
        let rest = Cow::Owned(Rest::default());
        Self { desired, stored, policy, secrets, kept, stored_proofs, outlines, scope, rest }
    }

    /// Under which digests the declared connections are, or have to be, proved.
    fn proofs(&self) -> &Digests {
        self.kept.as_ref().unwrap_or(&self.secrets)
    }
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
