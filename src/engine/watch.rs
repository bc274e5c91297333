//! The server's loop: follow the manifest, keep what is declared tested, drive each mailbox when it is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

use crate::model::event::Event;
use crate::model::failure::Cause;
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::organization::Retry;
use crate::model::plan::Policy;
use crate::model::profile::ServerKind;
use crate::source::Source;
use crate::store::{MailboxRow, StoreError};
use crate::sync::schedule::{self, Pace};
use crate::sync::transition::later;

use super::drive::Driven;
use super::first_tests::FirstTests;
use super::queue::{Job, Places, Queue};
use super::reconcile::{self, Reconciled};
use super::test_and_enable::{self, Which};
use super::{Engine, drive, permits};

/// The loop's own memory. All of it can be rebuilt from the store.
pub struct Watch {
    pub engine: Arc<Engine>,
    pub source: Arc<dyn Source>,
    pub host: HostSettings,
    pub policy: Policy,
    /// Told when the files may have changed.
    pub changes: mpsc::Receiver<()>,
}

struct Round {
    watch: Watch,
    queue: Queue,
    jobs: JoinSet<Result<Ended, StoreError>>,
    /// Whose job a task is; known also of one that panics.
    tasks: BTreeMap<Id, Name>,
    /// Mailboxes that may send, and from when on.
    may_send: BTreeMap<Name, Timestamp>,
    retry: Retry,
    /// Which mailboxes of each profile may be tested.
    first: FirstTests,
    /// What was last said about the manifest, so that it is said once.
    said: Option<String>,
}

/// Runs until the engine is asked to stop. Work under way is then given [`limits::STOP_GRACE`] to reach a safe place.
pub async fn run(watch: Watch) -> Result<(), StoreError> {
    let mut round = Round {
        watch,
        queue: Queue::default(),
        jobs: JoinSet::new(),
        tasks: BTreeMap::new(),
        may_send: BTreeMap::new(),
        retry: Retry::default(),
        first: FirstTests::default(),
        said: None,
    };
    round.reconcile().await;
    round.rebuild().await?;
    round.turn().await;
    Ok(())
}

impl Round {
    async fn turn(&mut self) {
        let stopping = self.watch.engine.stopping.clone();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut reread = tokio::time::interval(limits::REREAD_INTERVAL);
        reread.reset();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Some(ended) = self.jobs.join_next_with_id() => self.ended(ended).await,
                Some(()) = self.watch.changes.recv() => self.changed().await,
                _ = reread.tick() => self.changed().await,
                _ = tick.tick() => self.start_due().await,
            }
        }
        let _ = tokio::time::timeout(limits::STOP_GRACE, async {
            while self.jobs.join_next().await.is_some() {}
        })
        .await;
        self.jobs.shutdown().await;
    }

    async fn changed(&mut self) {
        self.reconcile().await;
        // Other processes test and approve, too: the store is the truth.
        if let Err(error) = self.rebuild().await {
            self.warn(&error);
        }
    }

    fn warn(&self, error: &StoreError) {
        self.watch.engine.tell(Event::Warned { message: error.to_string() });
    }

    async fn reconcile(&mut self) {
        let Watch { engine, source, host, policy, .. } = &self.watch;
        let event = match reconcile::once(engine, source.as_ref(), host, policy).await {
            Ok(Reconciled::Applied { revision, plan }) => {
                Event::Reconciled { revision, steps: plan.steps.len() }
            }
            Ok(Reconciled::Unchanged { revision }) => Event::Reconciled { revision, steps: 0 },
            Ok(Reconciled::Unreadable(error)) => kept(format!("the manifest cannot be read: {error}")),
            Ok(Reconciled::Invalid(problems)) => Event::KeptLastGood {
                reason: format!("the manifest has {} error(s)", problems.len()),
                problems,
            },
            Ok(Reconciled::Refused(blocked)) => kept(
                blocked
                    .iter()
                    .map(|one| format!("{}; {}", one.message, one.remedy))
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
            Err(error) => kept(format!("the change could not be stored: {error}")),
        };
        let words = format!("{event:?}");
        if self.said.as_ref() != Some(&words) {
            self.watch.engine.tell(event);
            self.said = Some(words);
        }
    }

    /// Queues what every mailbox is due for.
    async fn rebuild(&mut self) -> Result<(), StoreError> {
        let engine = Arc::clone(&self.watch.engine);
        self.retry = engine.settings().await?.retry;
        let rows = engine.store.mailboxes().await?;
        self.queue.clear();
        self.may_send.clear();
        let now = engine.clock.now();
        let alerts = self.first.judge(&rows, now);
        if !alerts.is_empty() {
            let settings = engine.settings().await?;
            engine.store.raise(&engine.raise(alerts, &settings.alerts)).await?;
        }
        for row in &rows {
            self.queue_mailbox(row);
        }
        Ok(())
    }

    fn queue_mailbox(&mut self, row: &MailboxRow) {
        let Some(profile) = &row.profile else { return };
        let name = &row.stored.declared.name;
        // Of the profile that is worked with, and of that one as it is declared now, if it still is the mailbox's.
        let worked_with = row.effective.get(&Operation::Incoming).map(|version| &version.profile);
        let worked_with = worked_with.filter(|former| former.name != profile.name).unwrap_or(profile);
        let places = Places { profile: worked_with.name.clone(), limit: permits::places(worked_with) };
        self.queue.set_places(name.clone(), places);
        let now = self.watch.engine.clock.now();
        for (operation, stored) in &row.stored.operations {
            if self.has_connector(profile.server.kind(), *operation)
                && self.first.allows(&profile.name, name, stored)
                && let Some(due) = schedule::next_test(stored, now, &self.retry)
            {
                self.queue.push(due, name.clone(), Job::Test);
            }
            match operation {
                Operation::Incoming => {
                    let pace = Pace {
                        interval_minutes: profile.processing.min_polling_interval_minutes,
                        jitter: jitter(name),
                        retry_wait: self.retry.wait,
                    };
                    if let Some(due) = schedule::next_cycle(&stored.state, pace, stored.cycle_at, now) {
                        self.queue.push(due, name.clone(), Job::Cycle(Operation::Incoming));
                    }
                }
                Operation::Outgoing => self.note_sender(name, &stored.state, now),
                Operation::Act => {}
            }
        }
    }

    /// Keeps who may send, and from when on.
    fn note_sender(&mut self, name: &Name, state: &OperationState, now: Timestamp) {
        let from = match state {
            OperationState::Enabled => now,
            OperationState::Retrying { until, .. } => schedule::next_try(*until, now, self.retry.wait),
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Testing
            | OperationState::Disabled(_) => {
                self.may_send.remove(name);
                return;
            }
        };
        self.may_send.insert(name.clone(), from);
    }

    fn has_connector(&self, kind: ServerKind, operation: Operation) -> bool {
        operation != Operation::Act && self.watch.engine.remotes.connector(kind).is_some()
    }

    async fn start_due(&mut self) {
        let engine = Arc::clone(&self.watch.engine);
        let now = engine.clock.now();
        match engine.store.outgoing_due(now).await {
            Ok(mailboxes) => {
                for name in mailboxes {
                    if self.may_send.get(&name).is_some_and(|from| *from <= now) {
                        self.queue.push(now, name, Job::Cycle(Operation::Outgoing));
                    }
                }
            }
            Err(error) => self.warn(&error),
        }
        for (name, job) in self.queue.take_due(now) {
            let task = self.jobs.spawn({
                let (engine, name) = (Arc::clone(&engine), name.clone());
                async move { work(&engine, &name, job).await }
            });
            self.tasks.insert(task.id(), name);
        }
    }

    async fn ended(&mut self, ended: Result<(Id, Result<Ended, StoreError>), JoinError>) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(name) = self.tasks.remove(&task) else { return };
        let Some(job) = self.queue.ended(&name) else { return };
        match result {
            Ok(Ok(Ended::Noted)) => {}
            Ok(Ok(Ended::Undone)) => return self.put_off(name, job, limits::UNDONE_WAIT),
            Ok(Err(error)) => {
                self.warn(&error);
                return self.put_off(name, job, limits::UNDONE_WAIT);
            }
            // A panic is a defect; it costs one round of one mailbox, and neither the others nor the server.
            Err(error) => {
                let message = format!("mailbox/{name}: internal error, tried again later: {error}");
                self.watch.engine.tell(Event::Warned { message });
                return self.put_off(name, job, self.retry.wait);
            }
        }
        if self.first.is_undecided_about(&name) {
            // One test more may have decided about all mailboxes of its profile.
            if let Err(error) = self.rebuild().await {
                self.warn(&error);
                self.put_off(name, job, limits::UNDONE_WAIT);
            }
            return;
        }
        match self.watch.engine.store.mailbox(&name).await {
            Ok(Some(row)) => self.queue_mailbox(&row),
            Ok(None) => {}
            Err(error) => {
                self.warn(&error);
                self.put_off(name, job, limits::UNDONE_WAIT);
            }
        }
    }

    /// Nothing was noted that would say when to go on.
    fn put_off(&mut self, name: Name, job: Job, wait: Duration) {
        let due = later(self.watch.engine.clock.now(), wait);
        if job == Job::Cycle(Operation::Outgoing) {
            self.may_send.insert(name.clone(), due);
        }
        self.queue.push(due, name, job);
    }
}

fn kept(reason: String) -> Event {
    Event::KeptLastGood { reason, problems: Vec::new() }
}

/// A number from 0 up to 1 that is always the same for a mailbox, so that its rhythm is steady.
fn jitter(name: &Name) -> f64 {
    let hash = blake3::hash(name.as_str().as_bytes());
    f64::from(hash.as_bytes()[0]) / 256.0
}

/// Whether a job left a note in the store from which the next one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Noted,
    /// It could not even be tried.
    Undone,
}

async fn work(engine: &Engine, name: &Name, job: Job) -> Result<Ended, StoreError> {
    let is_noted = match job {
        Job::Test => {
            let tested = test_and_enable::mailbox(engine, name, Which::Due).await?;
            tested.passed + tested.failed > 0 || tested.deferred == 0
        }
        Job::Cycle(operation) => match drive::cycle(engine, name, operation).await? {
            Driven::Done(_) => true,
            Driven::Failed(failure) => !matches!(failure.error.cause, Cause::NoIdentity { .. }),
            Driven::Skipped(_) => false,
        },
    };
    Ok(if is_noted { Ended::Noted } else { Ended::Undone })
}
