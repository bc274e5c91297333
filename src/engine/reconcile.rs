//! From files to an applied revision: load, read, plan, guard, apply.

use std::sync::Arc;

use crate::manifest;
use crate::model::desired::Desired;
use crate::model::host::HostSettings;
use crate::model::operation::Readiness;
use crate::model::plan::{Action, Blocked, Effect, Plan, Policy, Step};
use crate::model::problem::{Problem, Severity, SourceFile};
use crate::model::revision::Revision;
use crate::model::stored::Stored;
use crate::secrets::Presence;
use crate::source::{Source, SourceError};
use crate::store::StoreError;

use super::apply::{self, ApplyError};
use super::reading::{self, InputError};
use super::settling::{Hold, Settling};
use super::{Engine, compare};

/// What reading a manifest came to.
pub struct Loaded {
    pub files: Vec<SourceFile>,
    /// `None`: at least one of the problems is an error.
    pub desired: Option<Desired>,
    pub problems: Vec<Problem>,
}

/// Loads and reads a manifest.
pub fn load(source: &dyn Source, host: &HostSettings) -> Result<Loaded, SourceError> {
    let files = source.load()?;
    let manifest::Reading { desired, problems, .. } = manifest::read(&files, host);
    Ok(Loaded { files, desired, problems })
}

/// How a reconcile round ended.
pub enum Reconciled {
    Applied {
        revision: Revision,
        plan: Plan,
    },
    Unchanged {
        revision: Revision,
    },
    /// The manifest cannot be read; nothing was changed.
    Unreadable(SourceError),
    Invalid(Vec<Problem>),
    /// It may not be all of it; nothing was changed yet.
    Held(Hold),
    /// A guard refused it; nothing was changed.
    Refused(Vec<Blocked>),
}

/// One round: makes the stored state equal to the manifest, or says why not. What was read is read once more before it is
/// stored: only what two readings agree about was not read in the middle of being written.
pub async fn once(
    engine: &Engine,
    source: &dyn Source,
    host: &HostSettings,
    policy: &Policy,
    settling: &mut Settling,
) -> Result<Reconciled, StoreError> {
    if let Some(hold) = settling.writing(source.write_lock(), engine.clock.elapsed()) {
        return Ok(Reconciled::Held(hold));
    }
    let first = match draft(engine, source, host, policy).await? {
        Ok(draft) => draft.plan,
        Err(ended) => {
            settling.unread();
            return Ok(ended);
        }
    };
    if let Some(hold) = settling.deletions(&first.steps, engine.clock.elapsed()) {
        return Ok(Reconciled::Held(hold));
    }
    if !first.blocked.is_empty() {
        return Ok(Reconciled::Refused(first.blocked));
    }
    if first.is_empty() {
        return Ok(Reconciled::Unchanged { revision: first.revision });
    }
    let second = draft(engine, source, host, policy).await?;
    if let Some(hold) = settling.writing(source.write_lock(), engine.clock.elapsed()) {
        return Ok(Reconciled::Held(hold));
    }
    match second {
        Ok(second) if is_same(&first, &second.plan) => store(engine, second).await,
        Ok(_) | Err(_) => Ok(Reconciled::Held(Hold::Moved)),
    }
}

/// Whether two readings ask for the same. A comment that was changed in between asks for nothing.
fn is_same(first: &Plan, second: &Plan) -> bool {
    (first.revision, &first.steps, &first.blocked) == (second.revision, &second.steps, &second.blocked)
}

/// What one reading of the manifest asks for.
struct Draft {
    plan: Plan,
    desired: Desired,
}

/// Reads and plans. The error is how the round ends instead.
async fn draft(
    engine: &Engine,
    source: &dyn Source,
    host: &HostSettings,
    policy: &Policy,
) -> Result<Result<Draft, Reconciled>, StoreError> {
    let inputs = match reading::inputs(source, host, policy, Some(engine.store.as_ref())).await {
        Ok(inputs) => inputs,
        Err(InputError::Source(error)) => return Ok(Err(Reconciled::Unreadable(error))),
        Err(InputError::Store(error)) => return Err(error),
    };
    let Some(desired) = &inputs.survey.desired else {
        let problems = inputs.survey.problems.into_iter();
        let errors = problems.filter(|problem| problem.severity == Severity::Error);
        return Ok(Err(Reconciled::Invalid(errors.collect())));
    };
    let stored = &inputs.stored;
    let changed = compare::changed(desired, stored);
    let compared =
        compare::compare(engine.store.as_ref(), &engine.secrets, desired, &changed, Presence::Unattended);
    // A server runs for months: where dated rules are judged at all, they are judged as of the day of the round.
    let today = engine.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let as_of = policy.as_of.map(|_| today);
    let policy = Policy { compared: compared.await?, as_of, ..policy.clone() };
    let mut plan = inputs.plan(desired, &policy);
    // Failed tests are repeated when the schedule says so, not whenever somebody looks at the files.
    Arc::make_mut(&mut plan.steps).retain(|step| !is_scheduled(step, stored));
    Ok(Ok(Draft { plan, desired: desired.clone() }))
}

async fn store(engine: &Engine, Draft { plan, desired }: Draft) -> Result<Reconciled, StoreError> {
    match apply::apply(engine, &plan, &desired).await {
        Ok(revision) => Ok(Reconciled::Applied { revision, plan }),
        Err(ApplyError::Blocked(blocked)) => Ok(Reconciled::Refused(blocked)),
        Err(ApplyError::Store(error)) => Err(error),
        // Not possible: both come from the same reading.
        Err(ApplyError::SecretMoved(secret)) => Err(StoreError::NotFound(format!("secret `{secret}`"))),
    }
}

/// Whether a step only asks for a test that will take place anyway.
fn is_scheduled(step: &Step, stored: &Stored) -> bool {
    let (Action::Retest, Effect::PutMailbox(put)) = (step.action, &step.effect) else { return false };
    let Some(mailbox) = stored.mailboxes.get(&put.mailbox.name) else { return false };
    put.operations.iter().all(|(operation, planned)| {
        let Some(known) = mailbox.operations.get(operation) else { return false };
        match planned.readiness {
            Readiness::NeedsTest | Readiness::StillPending => {
                known.connection == planned.connection && known.needs_test()
            }
            // It drops the change that waited.
            Readiness::Proved => false,
            Readiness::Off(_) | Readiness::NoConnector | Readiness::Unchanged => true,
        }
    })
}
