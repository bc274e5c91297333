//! The server's loop: follow the manifest, keep what is declared tested, drive each mailbox when it is due.

mod due;

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
use crate::model::operation::Operation;
use crate::model::organization::Retry;
use crate::model::plan::Policy;
use crate::model::profile::ServerKind;
use crate::plan::render;
use crate::source::{Lookout, Source};
use crate::store::{MailboxRow, StoreError};
use crate::sync::transition::later;

use super::Engine;
use super::first_tests::FirstTests;
use super::job::{Ended, JobResult, jitter, work};
use super::listening::{End, Heard, Listening};
use super::queue::{Job, Queue};
use super::reconcile::{self, Reconciled};
use super::rotation::{self, Rotation};
use super::settling::{Hold, Settling};

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
    jobs: JoinSet<JobResult>,
    /// Whose job a task is, and since when; known also of one that panics.
    tasks: BTreeMap<Id, (Name, Timestamp)>,
    rotation: Rotation,
    /// Mailboxes that may send, and from when on.
    may_send: BTreeMap<Name, Timestamp>,
    retry: Retry,
    /// Which mailboxes of each profile may be tested.
    first: FirstTests,
    listening: Listening,
    /// Mailboxes with new mail of which their server told while something else was done for them.
    news: BTreeSet<Name>,
    /// What was last said about the manifest, so that it is said once.
    said: Option<String>,
    settling: Settling,
    /// What is waited for before the manifest is applied.
    hold: Option<Hold>,
}

/// Runs until the engine is asked to stop; `lookout` looks at the files that passwords come from. Work under way is then given [`limits::STOP_GRACE`] to reach a safe place.
pub async fn run(watch: Watch, lookout: Box<dyn Lookout>) -> Result<(), StoreError> {
    let queue = Queue::new(watch.engine.permits.at_once_max());
    let listening = Listening::new(watch.host.connections.push);
    let mut round = Round {
        watch,
        queue,
        jobs: JoinSet::new(),
        tasks: BTreeMap::new(),
        rotation: Rotation::new(lookout),
        may_send: BTreeMap::new(),
        retry: Retry::default(),
        first: FirstTests::default(),
        listening,
        news: BTreeSet::new(),
        said: None,
        settling: Settling::default(),
        hold: None,
    };
    round.reconcile().await;
    round.rebuild().await?;
    round.turn().await;
    Ok(())
}

impl Round {
    async fn turn(&mut self) {
        let stopping = self.watch.engine.stopping.clone();
        let clock = Arc::clone(&self.watch.engine.clock);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut reread = tokio::time::interval(limits::REREAD_INTERVAL);
        reread.reset();
        loop {
            if let Some(hold) = self.hold.take() {
                reread.reset_after(hold.look_again());
            }
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Some(ended) = self.jobs.join_next_with_id() => self.all_ended(ended).await,
                heard = self.listening.next(clock.as_ref()) => self.heard(heard).await,
                Some(()) = self.watch.changes.recv() => self.changed().await,
                () = self.rotation.changed() => self.rotated().await,
                _ = reread.tick() => self.changed().await,
                _ = tick.tick() => self.start_due().await,
            }
        }
        let _ = tokio::time::timeout(limits::STOP_GRACE, async {
            while self.jobs.join_next().await.is_some() {}
        })
        .await;
        self.jobs.shutdown().await;
        self.watch.engine.sessions.close().await;
    }

    /// A job has ended, and perhaps others with it. Whoever waited for a place begins at once.
    async fn all_ended(&mut self, first: Result<(Id, JobResult), JoinError>) {
        self.ended(first).await;
        while let Some(next) = self.jobs.try_join_next_with_id() {
            self.ended(next).await;
        }
        self.begin_due(self.watch.engine.clock.now());
    }

    /// A server told of new mail, or will not tell any more.
    async fn heard(&mut self, Heard { mailbox, end }: Heard) {
        let now = self.watch.engine.clock.now();
        let due = match end {
            End::News(from) => from.max(now),
            End::Renew => now,
            // A server that is restarted lets many go at once; they do not come back all together.
            End::Lost(from) => from.max(later(now, limits::PUSH_LOST_WAIT.mul_f64(1.0 + jitter(&mailbox)))),
            End::Refused => return self.look_again(&mailbox).await,
            End::Stopped => return,
        };
        if self.queue.is_running(&mailbox) {
            self.news.insert(mailbox);
            return;
        }
        self.queue.push(due, mailbox, Job::Cycle(Operation::Incoming));
        if due <= now {
            self.begin_due(now);
        }
    }

    /// Queues what a mailbox is due for by what is stored of it now.
    async fn look_again(&mut self, mailbox: &Name) {
        match self.watch.engine.store.mailbox(mailbox).await {
            Ok(Some(row)) => self.queue_mailbox(&row),
            Ok(None) => {}
            Err(error) => self.warn(&error),
        }
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
        let event = match reconcile::once(engine, source.as_ref(), host, policy, &mut self.settling).await {
            Ok(Reconciled::Held(hold)) => {
                let words = hold.words();
                self.hold = Some(hold);
                let Some(reason) = words else { return };
                Event::Waiting { reason }
            }
            Ok(Reconciled::Applied { revision, plan }) => {
                self.rotation.at(revision);
                Event::Reconciled { revision, steps: plan.steps.len() }
            }
            Ok(Reconciled::Unchanged { revision }) => {
                self.rotation.at(revision);
                Event::Reconciled { revision, steps: 0 }
            }
            Ok(Reconciled::Unreadable(error)) => kept(format!("the manifest cannot be read: {error}")),
            Ok(Reconciled::Invalid(problems)) => Event::KeptLastGood {
                reason: format!("the manifest has {} error(s)", problems.len()),
                problems,
            },
            Ok(Reconciled::Refused(blocked)) => kept(render::causes(&blocked).join("; ")),
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
        let owed = self.queue.clear();
        self.may_send.clear();
        self.sweep(&rows);
        let now = engine.clock.now();
        let changes = self.first.judge(&rows, &engine.store.troubles().await?, now);
        if !changes.is_empty() {
            engine.note_troubles(changes, &engine.settings().await?).await?;
        }
        engine.look_after_alerts_of(&rows).await?;
        self.rotation.keep_only(&rows);
        for row in &rows {
            self.queue_mailbox(row);
            let is_rotated = match rotation::failed_at(row) {
                Some(at) => self.rotation.note(&engine, row, at).await?,
                None => false,
            };
            if is_rotated || owed.contains(&row.stored.declared.name) {
                self.test_again(row);
            }
        }
        Ok(())
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
        self.begin_due(now);
    }

    /// Begins what is due and has a place.
    fn begin_due(&mut self, now: Timestamp) {
        let engine = Arc::clone(&self.watch.engine);
        for (name, job) in self.queue.take_due(now) {
            let task = self.jobs.spawn({
                let (engine, name) = (Arc::clone(&engine), name.clone());
                async move { work(&engine, &name, job).await }
            });
            self.tasks.insert(task.id(), (name, now));
        }
    }

    async fn ended(&mut self, ended: Result<(Id, JobResult), JoinError>) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some((name, begun)) = self.tasks.remove(&task) else { return };
        let Some(job) = self.queue.ended(&name) else { return };
        let row = match result {
            Ok(Ok((Ended::Noted, row))) => row,
            Ok(Ok((Ended::Undone, _))) => return self.put_off(name, job, limits::UNDONE_WAIT),
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
        };
        if self.first.is_undecided_about(&name) {
            // One test more may have decided about all mailboxes of its profile.
            if let Err(error) = self.rebuild().await {
                self.warn(&error);
                self.put_off(name, job, limits::UNDONE_WAIT);
            }
            return;
        }
        if let Some(row) = row {
            self.after(&row, job);
            match self.rotation.note(&self.watch.engine, &row, begun).await {
                Ok(true) => self.test_again(&row),
                Ok(false) => {}
                Err(error) => self.warn(&error),
            }
        }
    }

    /// Goes on with a mailbox after one of its jobs.
    fn after(&mut self, row: &MailboxRow, job: Job) {
        let name = &row.stored.declared.name;
        if job == Job::Cycle(Operation::Incoming) {
            self.listening.begin(&self.watch.engine, name);
        }
        if let Some(profile) = &row.profile {
            self.restrict(profile);
        }
        self.queue_mailbox(row);
        if self.news.remove(name) && job != Job::Cycle(Operation::Incoming) {
            let now = self.watch.engine.clock.now();
            self.queue.push(now, name.clone(), Job::Cycle(Operation::Incoming));
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
