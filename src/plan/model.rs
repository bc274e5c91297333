//! What an apply does to the declared state, as a function on values: the model that the laws of [`super::plan()`]
//! and the conformance suite of the stores compare with.
//!
//! It knows no clock: what is written for the first time carries the Unix epoch.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::operation::{Awaiting, Operation, OperationState, Readiness};
use crate::model::pending::{Pending, Standing};
use crate::model::plan::{Effect, OperationPlan, Plan, PutMailbox, Step};
use crate::model::revision::Revision;
use crate::model::stored::{Stored, StoredMailbox, StoredOperation};

/// The stored state after the plan's steps, tests not yet run: what needs one awaits it.
pub fn apply(plan: &Plan, stored: &Stored) -> Stored {
    let mut after = stored.clone();
    for Step { effect, .. } in plan.steps.iter() {
        execute(effect, &mut after);
    }
    if !plan.steps.is_empty() {
        after.revision = Revision(after.revision.0.saturating_add(1));
    }
    after
}

/// [`apply`], and then every test that is due succeeds.
pub fn apply_and_pass(plan: &Plan, stored: &Stored) -> Stored {
    let mut after = apply(plan, stored);
    for mailbox in after.mailboxes.values_mut() {
        for (operation, known) in &mut mailbox.operations {
            if !known.needs_test() {
                continue;
            }
            known.state = OperationState::Enabled;
            known.pending = None;
            known.proved = known.connection.clone();
            known.tested_at = Some(Timestamp::UNIX_EPOCH);
            if *operation == Operation::Incoming {
                let first = mailbox.declared.process_from.unwrap_or(Timestamp::UNIX_EPOCH);
                mailbox.process_from.get_or_insert(first);
            }
        }
    }
    after
}

fn execute(effect: &Effect, after: &mut Stored) {
    match effect {
        Effect::PutOrganization(organization) => after.organization = Some((**organization).clone()),
        Effect::PutSecret { secret, digest, proof } => {
            after.secrets.insert(secret.clone(), digest.clone());
            match proof {
                Some(proof) => after.proofs.insert(secret.clone(), proof.clone()),
                None => after.proofs.remove(secret),
            };
        }
        Effect::DeleteSecret(secret) => {
            after.secrets.remove(secret);
            after.proofs.remove(secret);
        }
        Effect::PutProfile(profile) => {
            after.profiles.insert(profile.name.clone(), (**profile).clone());
        }
        Effect::DeleteProfile(name) => {
            after.profiles.remove(name);
        }
        Effect::PutMailbox(put) => put_mailbox(put, after),
        Effect::DeleteMailbox(name) => {
            after.mailboxes.remove(name);
            after.approvals.remove(name);
        }
    }
}

fn put_mailbox(put: &PutMailbox, after: &mut Stored) {
    let PutMailbox { mailbox, renamed_from, operations, replay_from, hands_over: _ } = put;
    let name_before = renamed_from.as_ref().unwrap_or(&mailbox.name);
    if let Some(approved) = after.approvals.remove(name_before) {
        after.approvals.insert(mailbox.name.clone(), approved);
    }
    let before = after.mailboxes.remove(name_before);
    let process_from = before.as_ref().and_then(|before| before.process_from);
    let known = before.map(|before| before.operations).unwrap_or_default();
    let operations: BTreeMap<Operation, StoredOperation> = operations
        .iter()
        .map(|(operation, plan)| {
            (*operation, switched(known.get(operation).filter(|_| put.continues(plan)), plan))
        })
        .collect();
    let stored =
        StoredMailbox { declared: mailbox.clone(), operations, process_from: replay_from.or(process_from) };
    after.mailboxes.insert(mailbox.name.clone(), stored);
}

fn switched(before: Option<&StoredOperation>, plan: &OperationPlan) -> StoredOperation {
    let Standing { state, pending } = standing(before, plan.readiness);
    StoredOperation {
        state,
        pending,
        connection: plan.connection.clone(),
        proved: before.and_then(|before| before.proved.clone()),
        changed_at: before.map_or(Timestamp::UNIX_EPOCH, |before| before.changed_at),
        tested_at: before.and_then(|before| before.tested_at),
        cycle_at: before.and_then(|before| before.cycle_at),
        failed_at: before.and_then(|before| before.failed_at),
    }
}

/// What works is kept until the test of its change; all else waits, or is off, at once.
fn standing(before: Option<&StoredOperation>, readiness: Readiness) -> Standing {
    let works = before.filter(|before| before.state.is_driven());
    let changed = |awaiting: Awaiting| match works {
        Some(before) => Standing {
            state: before.state.clone(),
            pending: Some(Pending::Waiting { awaiting, since: Timestamp::UNIX_EPOCH }),
        },
        None => OperationState::AwaitingTest(awaiting).into(),
    };
    match (readiness, before) {
        (Readiness::Off(reason), _) => OperationState::Off(reason).into(),
        (Readiness::NoConnector, _) => changed(Awaiting::NoConnector),
        (Readiness::NeedsTest, _) => changed(Awaiting::Test),
        (Readiness::Proved, Some(before)) if before.state.is_driven() => before.state.clone().into(),
        // A test that died with its process waits again.
        (Readiness::Unchanged, Some(before)) if before.state == OperationState::Testing => {
            Standing { state: OperationState::AwaitingTest(Awaiting::Test), pending: before.pending.clone() }
        }
        (Readiness::Unchanged, Some(before)) => before.standing(),
        (Readiness::StillPending, Some(before)) => {
            let pending = before.pending.clone().map(|pending| match pending {
                Pending::Failed { .. } => pending,
                Pending::Waiting { .. } => {
                    Pending::Waiting { awaiting: Awaiting::Test, since: Timestamp::UNIX_EPOCH }
                }
            });
            Standing { state: before.state.clone(), pending }
        }
        (Readiness::Unchanged | Readiness::StillPending | Readiness::Proved, _) => changed(Awaiting::Test),
    }
}
