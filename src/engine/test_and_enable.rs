//! Test and enable: named steps with their times, a real message from the mailbox to itself, and the state that follows.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::cursor::{Content, Cursor, Listing, Part};
use crate::model::event::{Event, TestResult};
use crate::model::failure::{Cause, Failure, RemoteError, StepTaken, TestStep};
use crate::model::lease::LeaseScope;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{Awaiting, Operation, OperationState};
use crate::model::outbox::RecipientResult;
use crate::model::profile::Profile;
use crate::model::stored::StoredMailbox;
use crate::remote::Trace;
use crate::store::{MailboxRow, Occasion, StateChange, StoreError};
use crate::sync::alerts::{self, Subject};
use crate::sync::transition::{StateEvent, transition};
use crate::sync::{classify, incoming, message, schedule, self_message};

use super::destination::Route;
use super::drive::state_of;
use super::lease::Held;
use super::{Engine, Settings, WorkError, bounded};

/// Which operations of a mailbox are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that are declared, working ones too: the command `test`.
    All,
    /// Those whose state asks for it: after an apply.
    Needed,
    /// Those whose schedule says so: in `watch`. A failure of one operation does not hurry the test of another.
    Due,
}

/// What the tests of one mailbox came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tested {
    pub passed: u64,
    pub failed: u64,
    /// Not run and nobody's fault: no identity, no connector, somebody else at work.
    pub deferred: u64,
}

impl std::ops::AddAssign for Tested {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.deferred += other.deferred;
    }
}

/// Tests one mailbox. Only trouble with the store itself is an error.
pub async fn mailbox(engine: &Engine, name: &Name, which: Which) -> Result<Tested, StoreError> {
    let Some(MailboxRow { profile: Some(profile), .. }) = engine.store.mailbox(name).await? else {
        return Ok(Tested::default());
    };
    let _permit = engine.permits.acquire(&profile).await;
    if engine.stopping.is_cancelled() {
        return Ok(Tested { deferred: 1, ..Tested::default() });
    }
    let held = match Held::acquire(engine, &LeaseScope::Mailbox(name.clone())).await {
        Ok(held) => held,
        Err(StoreError::Busy { holder, .. }) => {
            engine
                .tell(Event::Skipped { mailbox: name.clone(), reason: format!("{holder} is working on it") });
            return Ok(Tested { deferred: 1, ..Tested::default() });
        }
        Err(error) => return Err(error),
    };
    let tested = under_lease(engine, &held, name, which).await;
    held.release(engine).await;
    tested
}

async fn under_lease(engine: &Engine, held: &Held, name: &Name, which: Which) -> Result<Tested, StoreError> {
    let Some(MailboxRow { stored, profile: Some(profile) }) = engine.store.mailbox(name).await? else {
        return Ok(Tested::default());
    };
    let settings = engine.settings().await?;
    let mut test =
        Test { engine, held, stored: &stored, profile: &profile, settings, tested: Tested::default() };
    // Incoming first: outgoing waits for its own message to come back through it.
    for operation in Operation::ALL {
        let state = state_of(&stored.operations, operation);
        let is_chosen = match which {
            Which::All => !matches!(state, OperationState::Off(_)),
            Which::Needed => state.needs_test(),
            Which::Due => is_due(engine, &stored, operation, &test.settings),
        };
        if is_chosen && !engine.stopping.is_cancelled() {
            test.operation(operation, state).await?;
        }
    }
    Ok(test.tested)
}

fn is_due(engine: &Engine, stored: &StoredMailbox, operation: Operation, settings: &Settings) -> bool {
    let now = engine.clock.now();
    let known = stored.operations.get(&operation);
    known.and_then(|known| schedule::next_test(known, now, &settings.retry)).is_some_and(|due| due <= now)
}

/// One mailbox under test.
struct Test<'a> {
    engine: &'a Engine,
    held: &'a Held,
    stored: &'a StoredMailbox,
    profile: &'a Profile,
    settings: Settings,
    tested: Tested,
}

/// A passed test.
struct Passed {
    steps: Vec<StepTaken>,
    warning: Option<String>,
}

impl Test<'_> {
    async fn operation(&mut self, operation: Operation, before: OperationState) -> Result<(), StoreError> {
        let (engine, mailbox) = (self.engine, &self.stored.declared);
        let Some(route) = Route::find(engine, mailbox, self.profile, operation) else {
            return self.deferred(operation, &before, Awaiting::NoConnector).await;
        };
        engine.tell(Event::TestBegun { mailbox: mailbox.name.clone(), operation });
        let begun = self.note(operation, &before, StateEvent::TestBegun, Occasion::TestBegun).await?;
        let result = match operation {
            Operation::Incoming => self.incoming(&route).await,
            Operation::Outgoing => self.outgoing(&route, &before).await,
            Operation::Act => return Ok(()),
        };
        match result {
            Ok(passed) => self.passed(operation, &begun, passed).await,
            Err(WorkError::Store(error)) => Err(error),
            Err(WorkError::Remote(RemoteError { cause: Cause::NoIdentity { .. }, .. })) => {
                self.deferred(operation, &begun, Awaiting::NoIdentity).await
            }
            Err(WorkError::Remote(error)) => {
                let failure = classify::classify(error, route.setting());
                self.failed(operation, &begun, failure).await
            }
        }
    }

    /// Connect, log in, open the inbox, read the newest message's headers.
    async fn incoming(&self, route: &Route<'_>) -> Result<Passed, WorkError> {
        let mut trace = Trace::new(self.engine.clock.clone());
        let destination = route.destination(self.engine).await?;
        let mut session =
            bounded(TestStep::Connect, route.connector.receive(&destination, &mut trace)).await?;
        let name = &self.stored.declared.name;
        self.engine.store.enter_inbox(&self.held.lease, name, &route.inbox(&destination)).await?;
        let cursor = self.engine.store.cursor(name).await?;
        let listing = trace.step(TestStep::Read, async {
            let listing = session.list(&cursor).await.map_err(|error| error.cause)?;
            if let Some(newest) = listing.messages().last() {
                session
                    .fetch(std::slice::from_ref(newest), Part::Headers)
                    .await
                    .map_err(|error| error.cause)?;
            }
            Ok(listing)
        });
        let listing = listing.await?;
        trace.detail(words(&listing, &cursor));
        let _ = session.delete_and_close(&[]).await;
        Ok(Passed { steps: trace.into_steps(), warning: None })
    }

    /// Connect and log in; unless this very connection has proved itself before, send a message from the mailbox to
    /// itself, and wait for it to come back if incoming mail can be read.
    async fn outgoing(&self, route: &Route<'_>, before: &OperationState) -> Result<Passed, WorkError> {
        let mut trace = Trace::new(self.engine.clock.clone());
        let destination = route.destination(self.engine).await?;
        let mut session = route.connector.submit(&destination, &mut trace).await?;
        if before.is_driven() || self.has_proved(Operation::Outgoing) {
            session.close().await;
            return Ok(Passed { steps: trace.into_steps(), warning: None });
        }
        let mailbox = &self.stored.declared;
        let nonce = nonce()?;
        self.engine.store.expect_self_message(&self.held.lease, &mailbox.name, &nonce).await?;
        // Known before sending, so that only what arrives later is looked at.
        let mut arrivals = Arrivals::open(self).await;
        let raw = self_message::compose(&mailbox.address, &nonce, self.engine.clock.now());
        let sent = trace.step(TestStep::Send, async {
            let recipients = std::slice::from_ref(&mailbox.address);
            let submitted =
                session.send(&mailbox.address, recipients, &raw).await.map_err(|error| error.cause)?;
            accepted(submitted.recipients.into_iter().next())
        });
        let said = sent.await?;
        trace.detail(said);
        session.close().await;
        let warning = match &mut arrivals {
            Some(arrivals) => match trace.step(TestStep::ReceiveBack, arrivals.wait_for(&nonce)).await {
                Ok(()) => None,
                Err(error) => Some(error.cause.to_string()),
            },
            None => None,
        };
        Ok(Passed { steps: trace.into_steps(), warning })
    }

    /// Whether a test of this very connection has passed before: then its owner is not sent another message.
    fn has_proved(&self, operation: Operation) -> bool {
        self.stored
            .operations
            .get(&operation)
            .is_some_and(|stored| stored.proved.is_some() && stored.proved == stored.connection)
    }

    async fn passed(
        &mut self,
        operation: Operation,
        begun: &OperationState,
        passed: Passed,
    ) -> Result<(), StoreError> {
        let process_from = match operation {
            Operation::Incoming => Some(self.process_from()),
            Operation::Outgoing | Operation::Act => None,
        };
        let occasion = Occasion::TestEnded { process_from };
        let state = self.note(operation, begun, StateEvent::TestPassed, occasion).await?;
        self.tested.passed += 1;
        self.tell(operation, passed.steps, state, TestResult::Passed { warning: passed.warning });
        Ok(())
    }

    /// "Process mail from" is copied when a mailbox is first enabled: its own date, else the profile's, else now. Servers
    /// give the time of arrival in whole seconds, so "now" begins with its second: otherwise mail that arrives in the rest
    /// of it would count as older.
    fn process_from(&self) -> Timestamp {
        let this_second = || {
            let now = self.engine.clock.now();
            Timestamp::from_second(now.as_second()).unwrap_or(now)
        };
        self.stored.declared.process_from.or(self.profile.processing.from).unwrap_or_else(this_second)
    }

    async fn failed(
        &mut self,
        operation: Operation,
        begun: &OperationState,
        failure: Failure,
    ) -> Result<(), StoreError> {
        let event = StateEvent::TestFailed(failure.summary());
        let state = self.note(operation, begun, event, Occasion::TestEnded { process_from: None }).await?;
        self.tested.failed += 1;
        self.tell(operation, Vec::new(), state, TestResult::Failed(failure));
        Ok(())
    }

    async fn deferred(
        &mut self,
        operation: Operation,
        before: &OperationState,
        awaiting: Awaiting,
    ) -> Result<(), StoreError> {
        let event = StateEvent::TestDeferred(awaiting);
        let state = self.note(operation, before, event, Occasion::TestBegun).await?;
        self.tested.deferred += 1;
        let reason = match awaiting {
            Awaiting::NoConnector => "this version has no connector for it yet".to_owned(),
            Awaiting::NoIdentity => "no age identity is at hand that opens its secret".to_owned(),
            Awaiting::Test => "it waits".to_owned(),
        };
        self.tell(operation, Vec::new(), state, TestResult::Deferred { reason });
        Ok(())
    }

    fn tell(&self, operation: Operation, steps: Vec<StepTaken>, state: OperationState, result: TestResult) {
        let mailbox = self.stored.declared.name.clone();
        self.engine.tell(Event::TestEnded { mailbox, operation, steps, state, result });
    }

    async fn note(
        &self,
        operation: Operation,
        before: &OperationState,
        event: StateEvent,
        occasion: Occasion,
    ) -> Result<OperationState, StoreError> {
        let now = self.engine.clock.now();
        let state = transition(before, &event, now, &self.settings.retry);
        let subject =
            Subject { mailbox: &self.stored.declared.name, profile: Some(&self.profile.name), operation };
        let change = StateChange {
            mailbox: self.stored.declared.name.clone(),
            operation,
            state: state.clone(),
            alerts: self.engine.raise(alerts::on_change(subject, before, &state, now), &self.settings.alerts),
            at: now,
            occasion,
        };
        self.engine.store.change_state(&self.held.lease, &change).await?;
        Ok(state)
    }
}

fn words(listing: &Listing, cursor: &Cursor) -> String {
    format!("{} new", incoming::fresh(listing, cursor).len())
}

fn accepted(result: Option<RecipientResult>) -> Result<String, Cause> {
    match result {
        Some(RecipientResult::Accepted { said }) => Ok(said),
        Some(RecipientResult::Deferred { said }) => Err(Cause::TemporarilyRefused { said }),
        Some(RecipientResult::Refused { said }) => Err(Cause::Refused { said }),
        Some(RecipientResult::Unsure { detail }) => Err(Cause::ConnectionLost { detail }),
        None => Err(Cause::Internal { detail: "no result for the only recipient".to_owned() }),
    }
}

/// 128 random bits in hex.
fn nonce() -> Result<String, RemoteError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        RemoteError::new(TestStep::Send, Cause::Internal { detail: format!("no randomness: {error}") })
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The inbox, watched for what arrives after a moment.
struct Arrivals<'a> {
    engine: &'a Engine,
    route: Route<'a>,
    known: BTreeSet<crate::model::cursor::RemoteId>,
    cursor: Cursor,
}

impl<'a> Arrivals<'a> {
    /// Notes what is there now. `None`: incoming mail is not declared, or cannot be read just now.
    async fn open(test: &'a Test<'_>) -> Option<Self> {
        let mailbox = &test.stored.declared;
        if !mailbox.wants(Operation::Incoming) {
            return None;
        }
        let route = Route::find(test.engine, mailbox, test.profile, Operation::Incoming)?;
        let cursor = test.engine.store.cursor(&mailbox.name).await.ok()?;
        let mut arrivals = Self { engine: test.engine, route, known: BTreeSet::new(), cursor };
        arrivals.unseen(&[]).await.ok()?;
        Some(arrivals)
    }

    /// Looks again and again until the message with that nonce is there. Connections of the user are few, so each look is
    /// a session of its own.
    async fn wait_for(&mut self, nonce: &str) -> Result<(), Cause> {
        let begun = self.engine.clock.elapsed();
        let mut pause = Duration::from_millis(100);
        loop {
            // A look that fails is not the answer: the server may be busy delivering.
            if self.unseen(std::slice::from_ref(&nonce)).await.unwrap_or(false) {
                return Ok(());
            }
            let waited = self.engine.clock.elapsed().saturating_sub(begun);
            if waited >= limits::RECEIVE_BACK_TIMEOUT || self.engine.stopping.is_cancelled() {
                return Err(Cause::NotReceivedBack { seconds: waited.as_secs() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(3));
        }
    }

    /// One look: whether one of the nonces is among the messages that were not there before. All are known afterwards.
    async fn unseen(&mut self, nonces: &[&str]) -> Result<bool, WorkError> {
        let destination = self.route.destination(self.engine).await?;
        let mut trace = Trace::new(self.engine.clock.clone());
        let mut session = self.route.connector.receive(&destination, &mut trace).await?;
        let listing = session.list(&self.cursor).await?;
        let new: Vec<_> =
            listing.messages().iter().filter(|message| !self.known.contains(&message.id)).cloned().collect();
        let mut found = false;
        if !nonces.is_empty() && !new.is_empty() {
            for fetched in session.fetch(&new, Part::Headers).await? {
                if let Content::Bytes(raw) = &fetched.content {
                    let nonce = message::parse_headers(raw).ok().and_then(|facts| facts.self_test_nonce);
                    found |= nonce.is_some_and(|nonce| nonces.contains(&nonce.as_str()));
                }
            }
        }
        self.known.extend(new.into_iter().map(|message| message.id));
        let _ = session.delete_and_close(&[]).await;
        Ok(found)
    }
}
