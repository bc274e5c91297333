//! Test and enable: named steps with their times, a real message from the mailbox to itself, and the state that follows.

mod choosing;
mod ending;
mod noted;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::alert::Trouble;
use crate::model::claim::Asked;
use crate::model::cursor::{Cursor, InboxId, Part};
use crate::model::event::{Event, TestResult};
use crate::model::failure::{Failure, RemoteError, StepTaken, TestStep};
use crate::model::lease::LeaseScope;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{Awaiting, Operation, OperationState};
use crate::model::pending::Standing;
use crate::plan::connection;
use crate::remote::Trace;
use crate::store::{MailboxRow, Occasion, StateChange, StoreError};
use crate::sync::alerts::{self, Subject};
use crate::sync::transition::StateEvent;
use crate::sync::{canary, incoming, self_message};

use super::destination::{Reach, Route};
use super::drive::standing_of;
use super::lease::Held;
use super::permits::Permit;
use super::receive_back::{Arrivals, nonce};
use super::{Engine, Settings, WorkError, bounded, forwarding, session};
pub use choosing::Which;
use choosing::chosen;
pub(super) use ending::accepted;
use noted::Noted;

/// What the tests of one mailbox came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tested {
    pub passed: u64,
    pub failed: u64,
    /// Not run and nobody's fault: no identity, no connector, somebody else at work.
    pub deferred: u64,
    /// Of those, because somebody else was at work.
    pub busy: u64,
}

impl std::ops::AddAssign for Tested {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.deferred += other.deferred;
        self.busy += other.busy;
    }
}

/// Tests one mailbox. Only trouble with the store itself is an error.
pub async fn mailbox(engine: &Engine, name: &Name, which: Which) -> Result<Tested, StoreError> {
    let Some(MailboxRow { profile: Some(profile), .. }) = engine.store.mailbox(name).await? else {
        return Ok(Tested::default());
    };
    let permit = engine.permits.acquire(&profile, Operation::Incoming).await;
    if engine.stopping.is_cancelled() {
        return Ok(Tested { deferred: 1, ..Tested::default() });
    }
    // A test proves a login, and is the only session there.
    engine.sessions.end(name);
    let held = match Held::acquire(engine, &LeaseScope::Mailbox(name.clone())).await {
        Ok(held) => held,
        Err(StoreError::Busy { holder, .. }) => {
            engine
                .tell(Event::Skipped { mailbox: name.clone(), reason: format!("{holder} is working on it") });
            return Ok(Tested { deferred: 1, busy: 1, ..Tested::default() });
        }
        Err(error) => return Err(error),
    };
    let tested = under_lease(engine, &held, (name, permit), which).await;
    held.release(engine).await;
    tested
}

async fn under_lease(
    engine: &Engine,
    held: &Held,
    (name, mut permit): (&Name, Permit),
    which: Which,
) -> Result<Tested, StoreError> {
    let settings = engine.settings().await?;
    let mut tested = Tested::default();
    // Incoming first: outgoing waits for its own message to come back through it.
    for operation in Operation::ALL {
        let Some(profile) = chosen(engine, name, (operation, which), &settings).await? else { continue };
        permit = engine.permits.exchange(permit, &profile, operation).await;
        // It may have changed while we waited.
        let row = engine.store.mailbox(name).await?;
        let Some((row, declared)) = row.as_ref().and_then(|row| Some((row, Reach::declared(row)?))) else {
            break;
        };
        if engine.stopping.is_cancelled() {
            break;
        }
        let before = standing_of(&row.stored.operations, operation);
        let mut test = Test { engine, held, row, declared: &declared, settings: &settings, tested };
        test.operation(operation, before).await?;
        tested = test.tested;
    }
    Ok(tested)
}

/// One mailbox under test, always in its declared version.
struct Test<'a> {
    engine: &'a Engine,
    held: &'a Held,
    row: &'a MailboxRow,
    declared: &'a Reach,
    settings: &'a Settings,
    tested: Tested,
}

/// A passed test.
struct Passed {
    warning: Option<String>,
    /// The inbox that a change leads to, entered when it takes effect.
    enters: Option<InboxId>,
}

impl Test<'_> {
    async fn operation(&mut self, operation: Operation, before: Standing) -> Result<(), StoreError> {
        let (engine, mailbox) = (self.engine, &self.declared.mailbox);
        let Some(route) = Route::find(engine, self.declared, operation) else {
            let reason = "this version has no connector for it yet".to_owned();
            return self.deferred(operation, &before, Awaiting::NoConnector, reason).await;
        };
        engine.tell(Event::TestBegun { mailbox: mailbox.name.clone(), operation });
        let begun =
            self.note(operation, &before, Noted::of(StateEvent::TestBegun, Occasion::TestBegun)).await?;
        let mut trace = Trace::new(engine.clock.clone());
        let work = async {
            match operation {
                Operation::Incoming => self.incoming(&route, &before, &mut trace).await.map(Some),
                Operation::Outgoing => self.outgoing(&route, &before, &mut trace).await.map(Some),
                Operation::Act => Ok(None),
            }
        };
        let Some(result) = engine.unless_stopped(limits::STOP_ANSWER_WAIT, work).await else {
            return self.stopped(operation, &begun).await;
        };
        let steps = trace.into_steps();
        match result {
            Ok(None) => Ok(()),
            Ok(Some(passed)) => self.passed(operation, &begun, passed, steps).await,
            Err(WorkError::Store(error)) => Err(error),
            Err(WorkError::Remote(RemoteError { cause, .. })) if cause.is_lack_of_identity() => {
                self.deferred(operation, &begun, Awaiting::NoIdentity, cause.to_string()).await
            }
            Err(WorkError::Remote(error)) => {
                let failure = route.judge(self.engine, error).await;
                self.failed(operation, &begun, failure, steps).await
            }
        }
    }

    /// Connect, log in, open the inbox, read the newest message's headers.
    async fn incoming(
        &self,
        route: &Route<'_>,
        before: &Standing,
        trace: &mut Trace,
    ) -> Result<Passed, WorkError> {
        let destination = route.destination(self.engine).await?;
        let mut session = bounded(TestStep::Connect, route.connector.receive(&destination, trace)).await?;
        let answer = match session.can_claim() {
            true => {
                let wish = session::wish(self.engine, route).await?;
                Some(bounded(TestStep::Open, session.claim(&wish)).await?)
            }
            false => None,
        };
        if let Some(to) = &route.mailbox.forward_to {
            forwarding::deploy((self.engine, &self.held.lease), (route, to), session.as_mut(), trace).await?;
            let _ = session.delete_and_close(&[]).await;
            return Ok(Passed { warning: None, enters: None });
        }
        let (cursor, enters) = self.cursor(route, before).await?;
        if let (Some(answer), None) = (answer, &enters) {
            let asked = Asked { at: self.engine.clock.now(), answer };
            self.engine.store.note_claim(&self.held.lease, &route.mailbox.name, &asked).await?;
        }
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
        trace.detail(format!("{} new", incoming::fresh(listing, &cursor).len()));
        forwarding::withdraw((self.engine, &self.held.lease), route, session.as_mut(), trace).await?;
        let _ = session.delete_and_close(&[]).await;
        Ok(Passed { warning: None, enters })
    }

    /// From where to read, and the inbox to enter when the test has passed. While a former version works, its cursor is not
    /// touched.
    async fn cursor(
        &self,
        route: &Route<'_>,
        before: &Standing,
    ) -> Result<(Cursor, Option<InboxId>), StoreError> {
        let (store, name, inbox) = (&self.engine.store, &route.mailbox.name, route.inbox());
        if before.pending.is_none() {
            store.enter_inbox(&self.held.lease, name, &inbox).await?;
            return Ok((store.cursor(name).await?, None));
        }
        let effective = Reach::effective(self.row, Operation::Incoming);
        let former = effective.as_ref().and_then(|it| Route::find(self.engine, it, Operation::Incoming));
        match former {
            Some(former) if former.inbox() == inbox => Ok((store.cursor(name).await?, Some(inbox))),
            Some(_) | None => Ok((Cursor::Start, Some(inbox))),
        }
    }

    /// Connect and log in; unless this very connection has proved itself before, send a message from the mailbox to
    /// itself, and wait for it to come back if incoming mail can be read.
    async fn outgoing(
        &self,
        route: &Route<'_>,
        before: &Standing,
        trace: &mut Trace,
    ) -> Result<Passed, WorkError> {
        let destination = route.destination(self.engine).await?;
        let mut session = route.connector.submit(&destination, trace).await?;
        let missing_since = self.engine.store.not_received_back(&self.declared.mailbox.name).await?;
        if missing_since.is_none() && self.has_sent(before) {
            session.close().await;
            return Ok(Passed { warning: None, enters: None });
        }
        let mailbox = &self.declared.mailbox;
        let nonce = nonce()?;
        self.engine.store.expect_self_message(&self.held.lease, &mailbox.name, &nonce).await?;
        // Known before sending, so that only what arrives later is looked at.
        let mut arrivals = Arrivals::open(self.engine, self.row, &mailbox.address).await;
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
        self.note_received_back(missing_since, warning.as_deref()).await?;
        Ok(Passed { warning, enters: None })
    }

    /// Whether a message was sent before by the same sender through the same server: then its owner is not sent another one.
    /// A changed password alone is proved by logging in.
    fn has_sent(&self, before: &Standing) -> bool {
        if before.pending.is_none() {
            let known = self.row.stored.operations.get(&Operation::Outgoing);
            let has_proved =
                known.is_some_and(|known| known.proved.is_some() && known.proved == known.connection);
            return before.state.is_driven() || has_proved;
        }
        let without_secrets = |reach: &Reach| {
            connection::digest(&reach.profile, &reach.mailbox, &BTreeMap::new(), Operation::Outgoing)
        };
        let former = Reach::effective(self.row, Operation::Outgoing);
        former.is_some_and(|former| without_secrets(&former) == without_secrets(self.declared))
    }

    async fn passed(
        &mut self,
        operation: Operation,
        begun: &Standing,
        passed: Passed,
        steps: Vec<StepTaken>,
    ) -> Result<(), StoreError> {
        let process_from = match operation {
            Operation::Incoming => Some(self.process_from()),
            Operation::Outgoing | Operation::Act => None,
        };
        let noted = Noted {
            event: StateEvent::TestPassed,
            occasion: Occasion::TestEnded { process_from },
            enters: passed.enters,
            error: None,
        };
        let state = self.note(operation, begun, noted).await?;
        self.tested.passed += 1;
        self.tell(operation, steps, state, TestResult::Passed { warning: passed.warning });
        if begun.pending.is_some() {
            let mailbox = self.declared.mailbox.name.clone();
            self.engine.tell(Event::Switched { mailbox, operation });
        }
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
        self.declared
            .mailbox
            .process_from
            .or(self.declared.profile.processing.from)
            .unwrap_or_else(this_second)
    }

    async fn failed(
        &mut self,
        operation: Operation,
        begun: &Standing,
        failure: Failure,
        steps: Vec<StepTaken>,
    ) -> Result<(), StoreError> {
        let (event, error) = (StateEvent::TestFailed(failure.summary()), Some(failure.error.clone()));
        let noted = Noted { error, ..Noted::of(event, Occasion::TestEnded { process_from: None }) };
        let state = self.note(operation, begun, noted).await?;
        self.tested.failed += 1;
        let failure = failure.leading_to(&state.state);
        self.tell(operation, steps, state, TestResult::Failed(failure));
        Ok(())
    }

    async fn deferred(
        &mut self,
        operation: Operation,
        before: &Standing,
        awaiting: Awaiting,
        reason: String,
    ) -> Result<(), StoreError> {
        let noted = Noted::of(StateEvent::TestDeferred(awaiting), Occasion::TestBegun);
        let state = self.note(operation, before, noted).await?;
        self.tested.deferred += 1;
        self.tell(operation, Vec::new(), state, TestResult::Deferred { reason });
        Ok(())
    }

    fn tell(&self, operation: Operation, steps: Vec<StepTaken>, state: Standing, result: TestResult) {
        let mailbox = self.declared.mailbox.name.clone();
        self.engine.tell(Event::TestEnded { mailbox, operation, steps, state, result });
    }

    /// Whether it fails as all mailboxes of its profile would, and whoever owns that was told so.
    async fn is_told_of_profile(&self, state: &OperationState) -> Result<bool, StoreError> {
        let halt = (self.declared.profile.name.clone(), Trouble::Halted);
        let is_of_profile = state.failure().is_some_and(canary::halts);
        Ok(is_of_profile && self.engine.store.troubles().await?.contains(&halt))
    }

    async fn note(
        &self,
        operation: Operation,
        before: &Standing,
        noted: Noted,
    ) -> Result<Standing, StoreError> {
        let now = self.engine.clock.now();
        let limits = (&self.settings.retry, &self.engine.permits.throttling);
        let state = noted.leads_to(before, now, limits);
        let Noted { occasion, enters, .. } = noted;
        let Reach { mailbox, profile, .. } = self.declared;
        let subject = Subject::of(mailbox, profile, operation);
        // What holds while it is tested is nothing that anybody was told of.
        let known = standing_of(&self.row.stored.operations, operation);
        let told = if before.state == OperationState::Testing { &known } else { before };
        let alert = match alerts::on_change(subject, told, &state, now) {
            Some(_) if self.is_told_of_profile(&state.state).await? => None,
            alert => alert,
        };
        let change = StateChange {
            mailbox: mailbox.name.clone(),
            operation,
            state: state.clone(),
            enters,
            alerts: self.engine.raise(alert, &self.settings.alerts),
            at: now,
            occasion,
        };
        self.engine.store.change_state(&self.held.lease, &change).await?;
        Ok(state)
    }
}
