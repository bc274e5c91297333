//! One outgoing cycle. What a dead attempt left behind becomes `unsure` and is never sent again silently; what is due is
//! sent over as many sessions as it takes and the profile allows.

mod desk;
mod session;

use crate::model::event::Cycle;
use crate::model::lease::Lease;
use crate::model::limits;
use crate::model::operation::{Operation, OperationState};
use crate::model::outbox::{self, AttemptOutcome, OutgoingMessage, OutgoingState, Turn};
use crate::remote::{Submit, Traced};
use crate::store::{OutboxQuery, StoreError};
use crate::sync::outgoing;

use super::destination::Route;
use super::permits::Permit;
use super::{Engine, Settings, WorkError};
use desk::{Attempt, Desk, Ended};

/// Whether a cycle that went well has heard of the server at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    Made,
    /// Nothing was due.
    None,
}

/// Runs one cycle. A connection is made only when a message is due, or to see whether a server that failed works again. What it
/// has done stands, also when it failed then.
pub async fn cycle(
    engine: &Engine,
    lease: &Lease,
    route: &Route<'_>,
    (settings, state): (&Settings, &OperationState),
) -> (Cycle, Result<Contact, WorkError>) {
    let desk = Desk::new(engine, lease, route, (settings, state));
    let ended = work(&desk).await;
    (desk.close(), ended)
}

async fn work(desk: &Desk<'_>) -> Result<Contact, WorkError> {
    recover(desk).await?;
    let waiting = desk.look().await?;
    if desk.engine.stopping.is_cancelled() {
        return Ok(Contact::None);
    }
    if waiting == 0 {
        return look_whether_it_works_again(desk).await;
    }
    let further = further_places(desk.engine, desk.route, waiting);
    let mut sessions = vec![session::first(desk)];
    sessions.extend(further.iter().map(|_| session::further(desk)));
    side_by_side(sessions).await.into_iter().collect::<Result<(), WorkError>>()?;
    Ok(Contact::Made)
}

/// That nothing is to be sent does not mend a server: one that failed is logged in to.
async fn look_whether_it_works_again(desk: &Desk<'_>) -> Result<Contact, WorkError> {
    if !desk.has_failed {
        return Ok(Contact::None);
    }
    session::connect(desk).await?.close().await;
    Ok(Contact::Made)
}

/// Attempts that died with their process: we hold the lease, so nobody is working on them. A server that can be asked says
/// which of them it sent all the same; while it cannot be reached, they stay as they are.
async fn recover(desk: &Desk<'_>) -> Result<(), WorkError> {
    let mailbox = Some(desk.route.mailbox.name.clone());
    let limit = Some(limits::OUTGOING_BATCH_MESSAGES as u64);
    let query = OutboxQuery { mailbox, state: Some(OutgoingState::Sending), limit, ..OutboxQuery::default() };
    let mut open = None;
    loop {
        let dead = desk.engine.store.outbox(&query).await?;
        if dead.is_empty() {
            break;
        }
        let mut ended = Vec::with_capacity(dead.len());
        for message in dead {
            let outcome = after_death(desk, &mut open, &message).await?;
            ended.push(Ended { message, outcome, attempt: Attempt::Made });
        }
        let (ended, alerts) = desk.judge(ended);
        let turn = Turn { ended, alerts, begins: Vec::new(), at: desk.engine.clock.now() };
        desk.engine.store.turn(desk.lease, &desk.route.mailbox.name, &turn).await?;
    }
    if let Some(open) = open {
        open.close().await;
    }
    Ok(())
}

/// What became of an attempt that died, as far as anybody can tell.
async fn after_death(
    desk: &Desk<'_>,
    open: &mut Option<Box<dyn Submit>>,
    message: &OutgoingMessage,
) -> Result<AttemptOutcome, WorkError> {
    let lost = || Ok(outgoing::lost(message, desk.engine.clock.now()));
    if !desk.route.connector.traces_sent() {
        return lost();
    }
    let raw = match desk.engine.store.raw(&message.content).await {
        Ok(Some(raw)) => raw,
        Ok(None) | Err(StoreError::Damaged(_)) => return lost(),
        Err(error) => return Err(error.into()),
    };
    let session = match open {
        Some(session) => session,
        empty => empty.insert(session::connect(desk).await?),
    };
    session.begins(outbox::Attempt::of(message));
    match session.trace_sent(&raw).await? {
        Traced::Sent { said } => Ok(outgoing::traced(message, &said, desk.engine.clock.now())),
        Traced::NoTrace | Traced::Unknown => lost(),
    }
}

/// Places for sessions beside the first: as many as the messages are worth, the profile declares and nobody else takes.
fn further_places(engine: &Engine, route: &Route<'_>, waiting: usize) -> Vec<Permit> {
    let declared = usize::from(route.profile.processing.max_concurrent_connections.get());
    let worth = waiting.div_ceil(limits::OUTGOING_MESSAGES_PER_SESSION);
    let further = worth.min(declared).saturating_sub(1);
    std::iter::repeat_with(|| engine.permits.try_acquire(route.profile, Operation::Outgoing))
        .take(further)
        .map_while(|it| it)
        .collect()
}

/// Runs all of them to their end, within this task.
async fn side_by_side<T>(mut running: Vec<session::Running<'_, T>>) -> Vec<T> {
    let mut ends: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, end) in running.iter_mut().zip(&mut ends).filter(|(_, end)| end.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *end = Some(value);
            }
        }
        match ends.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(ends.iter_mut().filter_map(Option::take).collect()),
            false => std::task::Poll::Pending,
        }
    })
    .await
}
