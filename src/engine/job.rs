//! One job of `watch` for one mailbox, and how it ended.

use super::Engine;
use super::drive::{self, Driven};
use super::queue::Job;
use super::test_and_enable::{self, Which};
use crate::model::name::Name;
use crate::store::{MailboxRow, StoreError};

/// A number from 0 up to 1 that is always the same for a mailbox, so that its rhythm is steady.
pub(super) fn jitter(name: &Name) -> f64 {
    let hash = blake3::hash(name.as_str().as_bytes());
    f64::from(hash.as_bytes()[0]) / 256.0
}

/// Whether a job left a note in the store from which the next one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Noted,
    /// It could not even be tried.
    Undone,
}

/// How a job ended, and what is stored of its mailbox then.
pub(super) type JobResult = Result<(Ended, Option<MailboxRow>), StoreError>;

pub(super) async fn work(engine: &Engine, name: &Name, job: Job) -> JobResult {
    match job {
        Job::Test | Job::Retest => {
            let which = if job == Job::Retest { Which::Needed } else { Which::Due };
            let tested = test_and_enable::mailbox(engine, name, which).await?;
            Ok(match tested.passed + tested.failed > 0 || tested.deferred == 0 {
                true => (Ended::Noted, engine.store.mailbox(name).await?),
                false => (Ended::Undone, None),
            })
        }
        Job::Cycle(operation) => {
            let (driven, row) = drive::noted_cycle(engine, name, operation).await?;
            Ok(match driven {
                Driven::Failed(failure, _) if failure.error.cause.is_lack_of_identity() => {
                    (Ended::Undone, None)
                }
                Driven::Done(_) | Driven::Failed(..) => (Ended::Noted, row),
                Driven::Skipped(_) => (Ended::Undone, None),
            })
        }
    }
}
