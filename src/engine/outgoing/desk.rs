//! What the sessions of one cycle share: the queue that they take from, and the counts.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::engine::destination::Route;
use crate::engine::{Engine, Settings, WorkError};
use crate::model::alert::Alert;
use crate::model::event::Cycle;
use crate::model::lease::Lease;
use crate::model::limits;
use crate::model::operation::{Operation, OperationState};
use crate::model::organization::Retry;
use crate::model::outbox::{AttemptOutcome, Begun, DuePlace, OutgoingMessage, OutgoingState, Turn};
use crate::store::StoreError;
use crate::sync::alerts::{self, Owners, Subject};
use crate::sync::{patience, transition};

/// Where the sessions of one mailbox get their messages, and hand in what became of them.
pub(super) struct Desk<'a> {
    pub engine: &'a Engine,
    pub lease: &'a Lease,
    pub route: &'a Route<'a>,
    pub settings: &'a Settings,
    queue: tokio::sync::Mutex<Queue>,
    cycle: Mutex<Cycle>,
    unsure: AtomicU32,
    /// Somebody tries again before the wait after a failure is over.
    pub is_early: bool,
    /// The last cycle did.
    pub has_failed: bool,
    /// Cancelled when no further message is to be begun.
    halted: CancellationToken,
}

struct Queue {
    waiting: VecDeque<OutgoingMessage>,
    after: Option<DuePlace>,
    /// Read once: a message that is deferred without delay waits for the next cycle.
    now: Timestamp,
    is_read: bool,
}

/// A message whose attempt has begun, with its octets or why they cannot be read.
pub(super) struct Ready {
    pub message: OutgoingMessage,
    pub raw: Result<Bytes, String>,
}

/// A message whose attempt has ended.
pub(super) struct Ended {
    pub message: OutgoingMessage,
    pub outcome: AttemptOutcome,
    pub attempt: Attempt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Made,
    /// Noted as begun, and then not made.
    Withdrawn,
}

impl<'a> Desk<'a> {
    pub fn new(
        engine: &'a Engine,
        lease: &'a Lease,
        route: &'a Route<'a>,
        (settings, state): (&'a Settings, &OperationState),
    ) -> Self {
        let now = engine.clock.now();
        let wait = patience::longest_wait(state, &settings.retry, &engine.permits.throttling);
        let patient = Retry { wait, ..settings.retry };
        let queue = Queue { waiting: VecDeque::new(), after: None, now, is_read: false };
        Self {
            unsure: AtomicU32::new(0),
            is_early: transition::is_early(state, now, &patient),
            has_failed: matches!(state, OperationState::Retrying { .. }),
            engine,
            lease,
            route,
            settings,
            queue: tokio::sync::Mutex::new(queue),
            cycle: Mutex::default(),
            halted: engine.stopping.child_token(),
        }
    }

    /// Messages, the one that ended so among them, of which nobody knows whether they were taken, since the last of which somebody
    /// does; of all sessions.
    pub fn unsure_in_a_row(&self, ended: OutgoingState) -> u32 {
        match ended {
            OutgoingState::Unsure => self.unsure.fetch_add(1, Ordering::Relaxed) + 1,
            OutgoingState::Pending
            | OutgoingState::Sending
            | OutgoingState::Sent
            | OutgoingState::Failed
            | OutgoingState::Cancelled => {
                self.unsure.store(0, Ordering::Relaxed);
                0
            }
        }
    }

    /// How many messages wait at least.
    pub async fn look(&self) -> Result<usize, StoreError> {
        let mut queue = self.queue.lock().await;
        self.refill(&mut queue).await?;
        Ok(queue.waiting.len())
    }

    /// No session begins any more.
    pub fn halt(&self) {
        self.halted.cancel();
    }

    pub fn is_halted(&self) -> bool {
        self.halted.is_cancelled()
    }

    /// Notes what has ended, and begins the next few attempts in the same write. Nothing is begun once halted, and when
    /// the lease is gone.
    pub async fn turn(&self, ended: Vec<Ended>) -> Result<Vec<Ready>, WorkError> {
        let ready = if self.is_halted() { Vec::new() } else { self.take().await? };
        self.note(ended, ready).await
    }

    /// Notes what has ended.
    pub async fn end(&self, ended: Vec<Ended>) -> Result<(), WorkError> {
        self.note(ended, Vec::new()).await.map(|_| ())
    }

    async fn note(&self, ended: Vec<Ended>, mut ready: Vec<Ready>) -> Result<Vec<Ready>, WorkError> {
        if ended.is_empty() && ready.is_empty() {
            return Ok(ready);
        }
        let (ended, alerts) = self.judge(ended);
        let begins = ready.iter().map(|one| one.message.id).collect();
        let turn = Turn { ended, alerts, begins, at: self.engine.clock.now() };
        match self.engine.store.turn(self.lease, &self.route.mailbox.name, &turn).await? {
            Begun::Attempts(begun) => ready.retain(|one| begun.contains(&one.message.id)),
            Begun::LeaseLost => {
                self.halt();
                return Err(StoreError::Fenced(self.lease.scope.clone()).into());
            }
        }
        self.count(|cycle| cycle.found += ready.len() as u64);
        Ok(ready)
    }

    /// Counts the outcomes, and says what a person should know of them.
    pub fn judge(&self, ended: Vec<Ended>) -> (Vec<AttemptOutcome>, Vec<Alert>) {
        let mut raised = Vec::new();
        let mut outcomes = Vec::with_capacity(ended.len());
        for Ended { mut message, outcome, attempt } in ended {
            self.count(|cycle| match (attempt, outcome.state) {
                (Attempt::Withdrawn, _) => cycle.found = cycle.found.saturating_sub(1),
                (Attempt::Made, OutgoingState::Sent) => cycle.sent += 1,
                (Attempt::Made, OutgoingState::Pending | OutgoingState::Sending) => cycle.deferred += 1,
                (Attempt::Made, OutgoingState::Failed | OutgoingState::Cancelled) => cycle.failed += 1,
                (Attempt::Made, OutgoingState::Unsure) => cycle.unsure += 1,
            });
            message.state = outcome.state;
            message.failure.clone_from(&outcome.failure);
            raised.extend(alerts::on_outgoing(self.subject(), &message, outcome.at));
            outcomes.push(outcome);
        }
        (outcomes, self.engine.raise(raised, &self.settings.alerts))
    }

    /// What was done.
    pub fn close(self) -> Cycle {
        self.cycle.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut Cycle)) {
        change(&mut self.cycle.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            mailbox: &self.route.mailbox.name,
            profile: Some(&self.route.profile.name),
            owners: Owners::of(self.route.mailbox, Some(self.route.profile)),
            operation: Operation::Outgoing,
        }
    }

    /// The next group, with its octets: read before the attempts begin, so that whatever happens in between leaves no
    /// doubt.
    async fn take(&self) -> Result<Vec<Ready>, WorkError> {
        let mut ready = Vec::new();
        for message in self.next_group().await? {
            let raw = match self.engine.store.raw(&message.content).await {
                Ok(Some(raw)) => Ok(raw),
                Ok(None) => Err("its octets are not in the store".to_owned()),
                Err(StoreError::Damaged(detail)) => Err(detail),
                Err(error) => return Err(error.into()),
            };
            ready.push(Ready { message, raw });
        }
        Ok(ready)
    }

    async fn next_group(&self) -> Result<Vec<OutgoingMessage>, StoreError> {
        let mut queue = self.queue.lock().await;
        self.refill(&mut queue).await?;
        let mut group = Vec::new();
        let mut bytes = 0;
        while group.len() < limits::OUTGOING_GROUP_MESSAGES
            && let Some(next) = queue.waiting.front()
        {
            bytes += next.bytes;
            if bytes > limits::OUTGOING_GROUP_BYTES && !group.is_empty() {
                break;
            }
            group.extend(queue.waiting.pop_front());
        }
        Ok(group)
    }

    async fn refill(&self, queue: &mut Queue) -> Result<(), StoreError> {
        if !queue.waiting.is_empty() || queue.is_read {
            return Ok(());
        }
        let (mailbox, limit) = (&self.route.mailbox.name, limits::OUTGOING_BATCH_MESSAGES);
        let due = self.engine.store.due_after(mailbox, queue.now, queue.after, limit as u64).await?;
        queue.is_read = due.len() < limit;
        if let Some(last) = due.last() {
            queue.after = Some(DuePlace { attempts: last.attempts, id: last.id });
        }
        queue.waiting = due.into();
        Ok(())
    }
}
