//! One operation of one mailbox, once: under its lease, with its state kept and its failures judged.

use jiff::Timestamp;

use crate::model::event::{Cycle, Event};
use crate::model::failure::{Failure, RemoteError};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::organization::Retry;
use crate::model::pending::Standing;
use crate::model::profile::ServerKind;
use crate::store::{MailboxRow, Occasion, StateChange, StoreError};
use crate::sync::alerts::{self, Owners, Subject};
use crate::sync::patience::{self, Breadth};
use crate::sync::transition::{StateEvent, transition};

use super::destination::{Reach, Route};
use super::lease::Held;
use super::outgoing::Contact;
use super::permits::{LimitCounts, limit_counts_for};
use super::{Engine, Settings, WorkError, forwarding, incoming, outgoing};

/// How a cycle ended.
#[derive(Debug)]
pub enum Driven {
    Done(Cycle),
    /// What was done before it failed stands.
    Failed(Box<Failure>, Cycle),
    /// Nothing was tried, and why.
    Skipped(String),
}

/// The same with the mailbox as it is stored then, when the cycle has left a note there.
pub type Noted = (Driven, Option<MailboxRow>);

/// Runs one cycle of one operation. Only trouble with the store itself is an error.
pub async fn cycle(engine: &Engine, mailbox: &Name, operation: Operation) -> Result<Driven, StoreError> {
    Ok(noted_cycle(engine, mailbox, operation).await?.0)
}

/// Runs one cycle of one operation, and says what is noted about the mailbox.
pub async fn noted_cycle(engine: &Engine, mailbox: &Name, operation: Operation) -> Result<Noted, StoreError> {
    let Some(row) = engine.store.mailbox(mailbox).await? else {
        return Ok(skipped(engine, mailbox, "it is not in the store; apply the manifest".to_owned()));
    };
    let Some(Reach { profile, .. }) = Reach::effective(&row, operation) else {
        return Ok(skipped(engine, mailbox, "it has no profile".to_owned()));
    };
    drop(row);
    let _permit = engine.permits.acquire(&profile, operation).await;
    // Whoever waited for a place while the process was asked to stop begins nothing any more.
    if engine.stopping.is_cancelled() {
        return Ok((Driven::Skipped("the process is stopping".to_owned()), None));
    }
    // In a box, because a thousand may wait for a place, and what the work needs is large.
    Box::pin(with_place(engine, mailbox, operation)).await
}

/// The cycle of a mailbox that has a place.
async fn with_place(engine: &Engine, mailbox: &Name, operation: Operation) -> Result<Noted, StoreError> {
    // What is stored is read again: it may have changed while we waited for the permit.
    let start = match engine.store.begin_cycle(mailbox, &engine.holder, engine.clock.now()).await {
        Ok(start) => start,
        Err(StoreError::Busy { holder, .. }) => {
            return Ok(skipped(engine, mailbox, format!("{holder} is working on it")));
        }
        Err(error) => return Err(error),
    };
    let held = Held::keep(engine, start.lease);
    let settings = Settings::of(start.organization);
    let work = under_lease(engine, &held, (mailbox, start.row, settings), operation);
    let noted = match engine.unless_stopped(limits::STOP_CYCLE_WAIT, work).await {
        Some(noted) => noted,
        // What was noted stands, and the next cycle goes on from there.
        None => Ok(skipped(engine, mailbox, format!("stopped before its {operation} server answered"))),
    };
    if let Err(StoreError::Withdrawn(_)) = noted {
        return Ok(skipped(
            engine,
            mailbox,
            "what is declared or decided for it changed meanwhile".to_owned(),
        ));
    }
    // Whatever was noted, was noted together with the end of the lease.
    if !matches!(noted, Ok((_, Some(_)))) {
        held.release(engine).await;
    }
    noted
}

fn skipped(engine: &Engine, mailbox: &Name, reason: String) -> Noted {
    engine.tell(Event::Skipped { mailbox: mailbox.clone(), reason: reason.clone() });
    (Driven::Skipped(reason), None)
}

async fn under_lease(
    engine: &Engine,
    held: &Held,
    (mailbox, row, settings): (&Name, Option<MailboxRow>, Settings),
    operation: Operation,
) -> Result<Noted, StoreError> {
    let Some((row, reach)) = row.and_then(|row| Reach::effective(&row, operation).map(|reach| (row, reach)))
    else {
        return Ok(skipped(engine, mailbox, "it was removed meanwhile".to_owned()));
    };
    let state = standing_of(&row.stored.operations, operation);
    if !state.state.is_driven() {
        return Ok(skipped(engine, mailbox, format!("{operation} is {state}")));
    }
    let Some(route) = Route::find(engine, &reach, operation) else {
        return Ok(skipped(engine, mailbox, format!("{operation} has no connector")));
    };
    if let Some(until) = left_alone(engine, &row, &route) {
        let reason = format!("the server wants this mailbox left alone until {until:.0}");
        return Ok(skipped(engine, mailbox, reason));
    }
    let (cycle, result) = match operation {
        Operation::Incoming => match forwarding::in_force(engine, &row, &state).await? {
            Some(rule) => heard(forwarding::cycle(engine, &held.lease, &route, rule).await),
            None => heard(incoming::cycle(engine, &held.lease, &row.stored, &route, settings.retry).await),
        },
        Operation::Outgoing => outgoing::cycle(engine, &held.lease, &route, (&settings, &state.state)).await,
        Operation::Act => (Cycle::default(), Ok(Contact::None)),
    };
    let has_failed = matches!(state.state, OperationState::Retrying { .. });
    let ended = Ended { engine, held, route, settings, operation, state };
    match result {
        Ok(Contact::None) if has_failed => Ok(ended.idle(cycle)),
        Ok(Contact::Made | Contact::None) => ended.succeeded(cycle).await,
        Err(WorkError::Store(error)) => Err(error),
        Err(WorkError::Remote(error)) => {
            ended.put_pressure(&error);
            let failure = ended.route.judge(engine, error).await;
            ended.failed(failure, cycle).await
        }
    }
}

fn heard((cycle, result): (Cycle, Result<(), WorkError>)) -> (Cycle, Result<Contact, WorkError>) {
    (cycle, result.map(|()| Contact::Made))
}

/// Until when the server of a mailbox wants to hear nothing of it, as its operations remember it: whichever of them is due, and
/// whichever process asks. Only where one server does everything, and limits what it does for a mailbox.
fn left_alone(engine: &Engine, row: &MailboxRow, route: &Route<'_>) -> Option<Timestamp> {
    match route.profile.server.kind() {
        ServerKind::Exchange | ServerKind::ExchangeOnline => {}
        ServerKind::Pop3Smtp | ServerKind::ImapSmtp => return None,
    }
    let states = row.stored.operations.values().map(|operation| &operation.state);
    patience::left_alone_until(states, engine.clock.now(), &engine.permits.throttling)
}

/// The state of one operation; a mailbox without a row for it has not been tested.
pub fn state_of(
    operations: &std::collections::BTreeMap<Operation, crate::model::stored::StoredOperation>,
    operation: Operation,
) -> OperationState {
    operations
        .get(&operation)
        .map_or(OperationState::AwaitingTest(crate::model::operation::Awaiting::Test), |stored| {
            stored.state.clone()
        })
}

/// The same with the change that waits.
pub fn standing_of(
    operations: &std::collections::BTreeMap<Operation, crate::model::stored::StoredOperation>,
    operation: Operation,
) -> Standing {
    Standing {
        state: state_of(operations, operation),
        pending: operations.get(&operation).and_then(|stored| stored.pending.clone()),
    }
}

/// A cycle that ended and is to be noted.
struct Ended<'a> {
    engine: &'a Engine,
    held: &'a Held,
    route: Route<'a>,
    settings: Settings,
    operation: Operation,
    state: Standing,
}

impl Ended<'_> {
    /// A server that asks everybody for patience gets fewer connections at once.
    fn put_pressure(&self, error: &RemoteError) {
        let Self { engine, route, .. } = self;
        let Some(patience) = patience::demanded(error) else { return };
        let concerns_profile = match (patience.breadth, limit_counts_for(route.profile, self.operation)) {
            (Breadth::Server, _) | (Breadth::Mailbox, LimitCounts::Profile) => true,
            (Breadth::Mailbox, LimitCounts::Mailbox) => false,
        };
        if concerns_profile {
            let wait = patience::wait(patience, 0, &engine.permits.throttling);
            engine.permits.throttled(route.profile, self.operation, (wait, engine.clock.elapsed()));
        }
    }

    async fn succeeded(self, cycle: Cycle) -> Result<Noted, StoreError> {
        self.engine.permits.went_well(self.route.profile, self.operation);
        let (_, row) = self.note(StateEvent::CycleSucceeded, &self.settings.retry).await?;
        self.engine.tell(Event::CycleEnded {
            mailbox: self.route.mailbox.name.clone(),
            operation: self.operation,
            cycle,
        });
        Ok((Driven::Done(cycle), row))
    }

    /// Nothing was learnt of the server, which has failed before: it counts as failed still.
    fn idle(self, cycle: Cycle) -> Noted {
        let (mailbox, operation) = (self.route.mailbox.name.clone(), self.operation);
        self.engine.tell(Event::CycleEnded { mailbox, operation, cycle });
        (Driven::Done(cycle), None)
    }

    async fn failed(self, failure: Failure, cycle: Cycle) -> Result<Noted, StoreError> {
        let mailbox = self.route.mailbox.name.clone();
        // Without a key nothing was tried: not a failed attempt.
        let (state, row) = if failure.error.cause.is_lack_of_identity() {
            (self.state.clone(), None)
        } else {
            let Self { state: Standing { state, pending: _ }, settings, engine, .. } = &self;
            let throttling = &engine.permits.throttling;
            let retry = patience::retry_of(&failure.error, state, &settings.retry, throttling);
            self.note(StateEvent::CycleFailed(failure.summary()), &retry).await?
        };
        let failure = failure.leading_to(&state.state);
        self.engine.tell(Event::CycleFailed {
            mailbox,
            operation: self.operation,
            failure: failure.clone(),
            state,
            cycle,
        });
        Ok((Driven::Failed(Box::new(failure), cycle), row))
    }

    /// Together with the end of the lease. Returns the mailbox as it is then.
    async fn note(
        &self,
        event: StateEvent,
        retry: &Retry,
    ) -> Result<(Standing, Option<MailboxRow>), StoreError> {
        let now = self.engine.clock.now();
        let state = transition(&self.state, &event, now, retry);
        let subject = Subject {
            mailbox: &self.route.mailbox.name,
            profile: Some(&self.route.profile.name),
            owners: Owners::of(self.route.mailbox, Some(self.route.profile)),
            operation: self.operation,
        };
        let alert = match &event {
            StateEvent::CycleFailed(failure) if self.state.pending.is_some() && state.pending.is_none() => {
                Some(alerts::on_given_way(subject, failure, now))
            }
            StateEvent::CycleFailed(_)
            | StateEvent::CycleSucceeded
            | StateEvent::Declared(_)
            | StateEvent::TestBegun
            | StateEvent::TestPassed
            | StateEvent::TestFailed(_)
            | StateEvent::TestDeferred(_) => alerts::on_change(subject, &self.state, &state, now),
        };
        let change = StateChange {
            mailbox: self.route.mailbox.name.clone(),
            operation: self.operation,
            state: state.clone(),
            enters: None,
            alerts: self.engine.raise(alert, &self.settings.alerts),
            at: now,
            occasion: Occasion::Cycle,
        };
        let row = self.engine.store.end_cycle(&self.held.lease, &change).await?;
        Ok((state, row))
    }
}
