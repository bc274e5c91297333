//! The server's loop: follow the manifest, keep what is declared tested, drive each mailbox when it is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

use crate::model::event::Event;
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::organization::Retry;
use crate::model::outbox::OutgoingState;
use crate::model::plan::Policy;
use crate::model::profile::{Profile, ServerKind};
use crate::source::Source;
use crate::store::{MailboxRow, OutboxQuery, StoreError};
use crate::sync::schedule;
use crate::sync::transition::later;

use super::reconcile::{self, Reconciled};
use super::test_and_enable::{self, Which};
use super::{Engine, drive};

/// What is done for one mailbox at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    Test,
    Cycle(Operation),
}

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
    queue: BTreeSet<(Timestamp, Name, Job)>,
    /// What is queued for each mailbox, so that it is queued once.
    queued: BTreeMap<(Name, Job), Timestamp>,
    running: BTreeMap<Name, Job>,
    jobs: JoinSet<Result<(), StoreError>>,
    /// Whose job a task is; known also of one that panics.
    tasks: BTreeMap<Id, Name>,
    /// Mailboxes that may send, and from when on.
    may_send: BTreeMap<Name, Timestamp>,
    retry: Retry,
    /// What was last said about the manifest, so that it is said once.
    said: Option<String>,
}

/// Runs until the engine is asked to stop. Work under way is then given [`limits::STOP_GRACE`] to reach a safe place.
pub async fn run(watch: Watch) -> Result<(), StoreError> {
    let mut round = Round {
        watch,
        queue: BTreeSet::new(),
        queued: BTreeMap::new(),
        running: BTreeMap::new(),
        jobs: JoinSet::new(),
        tasks: BTreeMap::new(),
        may_send: BTreeMap::new(),
        retry: Retry::default(),
        said: None,
    };
    round.reconcile().await;
    round.rebuild().await?;
    round.queue_dead_attempts().await?;
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
        self.queued.clear();
        self.may_send.clear();
        for row in &rows {
            self.queue_mailbox(row);
        }
        Ok(())
    }

    /// An attempt that died with its process has to be looked at even when nothing else is to be sent.
    async fn queue_dead_attempts(&mut self) -> Result<(), StoreError> {
        let query = OutboxQuery { state: Some(OutgoingState::Sending), ..OutboxQuery::default() };
        let engine = Arc::clone(&self.watch.engine);
        for message in engine.store.outbox(&query).await? {
            self.push(engine.clock.now(), message.mailbox, Job::Cycle(Operation::Outgoing));
        }
        Ok(())
    }

    fn queue_mailbox(&mut self, row: &MailboxRow) {
        let Some(profile) = &row.profile else { return };
        let name = &row.stored.declared.name;
        let now = self.watch.engine.clock.now();
        for (operation, stored) in &row.stored.operations {
            if self.has_connector(profile.server.kind(), *operation)
                && let Some(due) = schedule::next_test(stored, now, &self.retry)
            {
                self.push(due, name.clone(), Job::Test);
            }
            match operation {
                Operation::Incoming => {
                    if let Some(due) = incoming_due(profile, stored.cycle_at, &stored.state, now, name) {
                        self.push(due, name.clone(), Job::Cycle(Operation::Incoming));
                    }
                }
                Operation::Outgoing => match &stored.state {
                    OperationState::Enabled => {
                        self.may_send.insert(name.clone(), now);
                    }
                    OperationState::Retrying { until, .. } => {
                        self.may_send.insert(name.clone(), *until);
                    }
                    OperationState::Off(_)
                    | OperationState::AwaitingTest(_)
                    | OperationState::Testing
                    | OperationState::Disabled(_) => {
                        self.may_send.remove(name);
                    }
                },
                Operation::Act => {}
            }
        }
    }

    fn has_connector(&self, kind: ServerKind, operation: Operation) -> bool {
        operation != Operation::Act && self.watch.engine.remotes.connector(kind).is_some()
    }

    fn push(&mut self, due: Timestamp, name: Name, job: Job) {
        let key = (name, job);
        if let Some(earlier) = self.queued.get(&key) {
            if *earlier <= due {
                return;
            }
            self.queue.remove(&(*earlier, key.0.clone(), job));
        }
        self.queue.insert((due, key.0.clone(), job));
        self.queued.insert(key, due);
    }

    async fn start_due(&mut self) {
        let engine = Arc::clone(&self.watch.engine);
        let now = engine.clock.now();
        match engine.store.outgoing_due(now).await {
            Ok(mailboxes) => {
                for name in mailboxes {
                    if self.may_send.get(&name).is_some_and(|from| *from <= now) {
                        self.push(now, name, Job::Cycle(Operation::Outgoing));
                    }
                }
            }
            Err(error) => self.warn(&error),
        }
        let due: Vec<_> = self
            .queue
            .iter()
            .take_while(|(due, ..)| *due <= now)
            .filter(|(_, name, _)| !self.running.contains_key(name))
            .take(limits::MAILBOXES_AT_ONCE_MAX * 2)
            .cloned()
            .collect();
        for (due, name, job) in due {
            let is_full = self.running.len() >= limits::MAILBOXES_AT_ONCE_MAX * 2;
            if is_full || self.running.contains_key(&name) {
                continue;
            }
            self.queue.remove(&(due, name.clone(), job));
            self.queued.remove(&(name.clone(), job));
            self.running.insert(name.clone(), job);
            let task = self.jobs.spawn({
                let (engine, name) = (Arc::clone(&engine), name.clone());
                async move { work(&engine, &name, job).await }
            });
            self.tasks.insert(task.id(), name);
        }
    }

    async fn ended(&mut self, ended: Result<(Id, Result<(), StoreError>), JoinError>) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(name) = self.tasks.remove(&task) else { return };
        let Some(job) = self.running.remove(&name) else { return };
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.warn(&error),
            Err(error) => return self.died(name, job, &error),
        }
        match self.watch.engine.store.mailbox(&name).await {
            Ok(Some(row)) => self.queue_mailbox(&row),
            Ok(None) => {}
            Err(error) => self.warn(&error),
        }
    }
}

impl Round {
    /// A panic is a defect; it costs one round of one mailbox, and neither the others nor the server.
    fn died(&mut self, name: Name, job: Job, error: &JoinError) {
        let message = format!("mailbox/{name}: internal error, tried again later: {error}");
        self.watch.engine.tell(Event::Warned { message });
        let due = later(self.watch.engine.clock.now(), self.retry.wait);
        if self.may_send.contains_key(&name) {
            self.may_send.insert(name.clone(), due);
        }
        self.push(due, name, job);
    }
}

fn kept(reason: String) -> Event {
    Event::KeptLastGood { reason, problems: Vec::new() }
}

fn incoming_due(
    profile: &Profile,
    cycle_at: Option<Timestamp>,
    state: &OperationState,
    now: Timestamp,
    name: &Name,
) -> Option<Timestamp> {
    let interval = profile.processing.min_polling_interval_minutes;
    match (state, cycle_at) {
        // Never read: at once.
        (OperationState::Enabled, None) => Some(now),
        (OperationState::Enabled, Some(last)) => schedule::next_cycle(state, interval, last, jitter(name)),
        _ => schedule::next_cycle(state, interval, now, 0.0),
    }
}

/// A number from 0 up to 1 that is always the same for a mailbox, so that its rhythm is steady.
fn jitter(name: &Name) -> f64 {
    let hash = blake3::hash(name.as_str().as_bytes());
    f64::from(hash.as_bytes()[0]) / 256.0
}

async fn work(engine: &Engine, name: &Name, job: Job) -> Result<(), StoreError> {
    match job {
        Job::Test => test_and_enable::mailbox(engine, name, Which::Needed).await.map(|_| ()),
        Job::Cycle(operation) => drive::cycle(engine, name, operation).await.map(|_| ()),
    }
}
