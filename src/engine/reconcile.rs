//! From files to an applied revision: load, read, plan, guard, apply.

use crate::manifest;
use crate::model::desired::Desired;
use crate::model::host::HostSettings;
use crate::model::plan::{Blocked, Plan, Policy};
use crate::model::problem::{Problem, Severity, SourceFile};
use crate::model::revision::Revision;
use crate::plan;
use crate::source::{Source, SourceError};
use crate::store::StoreError;

use super::Engine;
use super::apply::{self, ApplyError};

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
    let manifest::Reading { desired, problems } = manifest::read(&files, host);
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
    /// A guard refused it; nothing was changed.
    Refused(Vec<Blocked>),
}

/// One round: makes the stored state equal to the manifest, or says why not.
pub async fn once(
    engine: &Engine,
    source: &dyn Source,
    host: &HostSettings,
    policy: &Policy,
) -> Result<Reconciled, StoreError> {
    let loaded = match load(source, host) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(Reconciled::Unreadable(error)),
    };
    let Some(desired) = loaded.desired else {
        let errors = loaded.problems.into_iter().filter(|problem| problem.severity == Severity::Error);
        return Ok(Reconciled::Invalid(errors.collect()));
    };
    let stored = engine.store.stored().await?;
    let plan = plan::plan(&desired, &stored, policy);
    if !plan.blocked.is_empty() {
        return Ok(Reconciled::Refused(plan.blocked));
    }
    if plan.is_empty() {
        return Ok(Reconciled::Unchanged { revision: stored.revision });
    }
    match apply::apply(engine, &plan, &desired).await {
        Ok(revision) => Ok(Reconciled::Applied { revision, plan }),
        Err(ApplyError::Blocked(blocked)) => Ok(Reconciled::Refused(blocked)),
        Err(ApplyError::Store(error)) => Err(error),
        // Not possible: both come from the same reading.
        Err(ApplyError::SecretMoved(secret)) => Err(StoreError::NotFound(format!("secret `{secret}`"))),
    }
}
