//! Which operations of a mailbox are tested.

use super::super::{Engine, Settings};
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::profile::Profile;
use crate::model::stored::StoredOperation;
use crate::store::StoreError;
use crate::sync::{patience, schedule};

/// Which operations of a mailbox are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that are declared, working ones too: the command `test`.
    All,
    /// Those whose state, or whose pending change, asks for it: after an apply.
    Needed,
    /// Those whose schedule says so: in `watch`. A failure of one operation does not hurry the test of another.
    Due,
}

/// The profile with which an operation is to be tested. A passed test may have switched what the next one reads its message
/// back with, so each is chosen when its turn comes.
pub(super) async fn chosen(
    engine: &Engine,
    name: &Name,
    (operation, which): (Operation, Which),
    settings: &Settings,
) -> Result<Option<Profile>, StoreError> {
    let Some(row) = engine.store.mailbox(name).await? else { return Ok(None) };
    let known = row.stored.operations.get(&operation);
    let is_chosen = match which {
        Which::All => known.is_none_or(|known| !matches!(known.state, OperationState::Off(_))),
        Which::Needed => known.is_none_or(StoredOperation::needs_test),
        Which::Due => known.is_some_and(|known| is_due(engine, known, settings)),
    };
    Ok(row.profile.filter(|_| is_chosen && !engine.stopping.is_cancelled()))
}

fn is_due(engine: &Engine, known: &StoredOperation, settings: &Settings) -> bool {
    let now = engine.clock.now();
    let retry = patience::retry_of_tests(&known.state, &settings.retry, &engine.permits.throttling);
    schedule::next_test(known, now, &retry).is_some_and(|due| due <= now)
}
