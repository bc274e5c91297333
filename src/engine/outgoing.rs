//! One outgoing cycle: intend, submit, confirm, message by message. What a dead attempt left behind becomes `unsure` and is
//! never sent again silently.

use crate::model::event::Cycle;
use crate::model::failure::Scope;
use crate::model::lease::Lease;
use crate::model::limits;
use crate::model::name::{Address, Name};
use crate::model::operation::Operation;
use crate::model::outbox::{AttemptOutcome, OutgoingMessage, OutgoingState};
use crate::remote::{Submit, Trace};
use crate::store::{OutboxQuery, StoreError};
use crate::sync::alerts::{self, Subject};
use crate::sync::{classify, outgoing};

use super::destination::Route;
use super::{Engine, Settings, WorkError};

/// Runs one cycle. A connection is made only when a message is due.
pub async fn cycle(
    engine: &Engine,
    lease: &Lease,
    route: &Route<'_>,
    settings: &Settings,
) -> Result<Cycle, WorkError> {
    let mailbox = &route.mailbox.name;
    let mut cycle = Cycle::default();
    recover(engine, lease, route, settings, &mut cycle).await?;
    let mut session: Option<Box<dyn Submit>> = None;
    // The time is read once: a message that is deferred without delay waits for the next cycle.
    let now = engine.clock.now();
    loop {
        let due = engine.store.due(mailbox, now, limits::OUTGOING_BATCH_MESSAGES as u64).await?;
        if due.is_empty() || engine.stopping.is_cancelled() {
            break;
        }
        cycle.found += due.len() as u64;
        for message in due {
            if engine.stopping.is_cancelled() {
                break;
            }
            // A session that the server has ended is replaced before the next message is begun.
            let open = match session.take_if(|open: &mut Box<dyn Submit>| open.is_open()) {
                Some(open) => session.insert(open),
                None => session.insert(connect(engine, route).await?),
            };
            let mut sending = Sending { engine, lease, route, settings, cycle: &mut cycle };
            sending.one(open.as_mut(), message).await?;
        }
    }
    if let Some(open) = session {
        open.close().await;
    }
    Ok(cycle)
}

async fn connect(engine: &Engine, route: &Route<'_>) -> Result<Box<dyn Submit>, WorkError> {
    let mut trace = Trace::new(engine.clock.clone());
    let destination = route.destination(engine).await?;
    Ok(route.connector.submit(&destination, &mut trace).await?)
}

/// Attempts that died with their process: we hold the lease, so nobody is working on them.
async fn recover(
    engine: &Engine,
    lease: &Lease,
    route: &Route<'_>,
    settings: &Settings,
    cycle: &mut Cycle,
) -> Result<(), WorkError> {
    let mailbox = Some(route.mailbox.name.clone());
    let query = OutboxQuery { mailbox, state: Some(OutgoingState::Sending), ..OutboxQuery::default() };
    for message in engine.store.outbox(&query).await? {
        let outcome = outgoing::lost(&message, engine.clock.now());
        Sending { engine, lease, route, settings, cycle }.finish(message, outcome).await?;
    }
    Ok(())
}

fn subject<'a>(route: &'a Route<'_>) -> Subject<'a> {
    Subject {
        mailbox: &route.mailbox.name,
        profile: Some(&route.profile.name),
        operation: Operation::Outgoing,
    }
}

/// The sending of one mailbox's messages.
struct Sending<'a, 'r> {
    engine: &'a Engine,
    lease: &'a Lease,
    route: &'a Route<'r>,
    settings: &'a Settings,
    cycle: &'a mut Cycle,
}

impl Sending<'_, '_> {
    async fn one(&mut self, session: &mut dyn Submit, message: OutgoingMessage) -> Result<(), WorkError> {
        let Self { engine, lease, route, .. } = *self;
        let mailbox: &Name = &route.mailbox.name;
        // Read before the attempt begins: whatever happens in between leaves no doubt.
        let raw = match engine.store.raw(&message.content).await {
            Ok(Some(raw)) => Ok(raw),
            Ok(None) => Err("its octets are not in the store".to_owned()),
            Err(StoreError::Damaged(detail)) => Err(detail),
            Err(error) => return Err(error.into()),
        };
        engine.store.begin_sending(lease, mailbox, message.id, engine.clock.now()).await?;
        let raw = match raw {
            Ok(raw) => raw,
            Err(cause) => return self.unreadable(message, &cause).await,
        };
        let recipients: Vec<Address> = outgoing::open_recipients(&message)
            .into_iter()
            .map(|recipient| recipient.address.clone())
            .collect();
        let result = session.send(&route.mailbox.address, &recipients, &raw).await;
        let now = engine.clock.now();
        match result {
            Ok(submitted) => {
                let outcome = outgoing::settle(&message, &submitted, now, &self.settings.retry);
                self.finish(message, outcome).await
            }
            Err(error) => {
                let failure = classify::classify(error.clone(), route.setting());
                let outcome = outgoing::not_sent(&message, &failure, now, &self.settings.retry);
                self.finish(message, outcome).await?;
                match failure.scope {
                    Scope::Message => Ok(()),
                    Scope::Mailbox | Scope::Profile => Err(error.into()),
                }
            }
        }
    }

    /// One damaged message must not hold up the others.
    async fn unreadable(&mut self, message: OutgoingMessage, cause: &str) -> Result<(), WorkError> {
        let outcome = outgoing::damaged(&message, cause, self.engine.clock.now());
        self.finish(message, outcome).await
    }

    async fn finish(
        &mut self,
        mut message: OutgoingMessage,
        outcome: AttemptOutcome,
    ) -> Result<(), WorkError> {
        match outcome.state {
            OutgoingState::Sent => self.cycle.sent += 1,
            OutgoingState::Pending | OutgoingState::Sending => self.cycle.deferred += 1,
            OutgoingState::Failed => self.cycle.failed += 1,
            OutgoingState::Unsure => self.cycle.unsure += 1,
        }
        message.state = outcome.state;
        message.failure.clone_from(&outcome.failure);
        let alert = alerts::on_outgoing(subject(self.route), &message, outcome.at);
        let alerts = self.engine.raise(alert, &self.settings.alerts);
        let mailbox = &self.route.mailbox.name;
        Ok(self.engine.store.finish_sending(self.lease, mailbox, &outcome, &alerts).await?)
    }
}
