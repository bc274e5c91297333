//! Messages on their way from a session into the store: one task reads the server, this one parses and decides, and the
//! store's writer makes a group of records durable while the next one gathers.
//! What has arrived and is not yet durable is bounded: when it is too much, the server is not read until some of it is.
//! Groups are written one after the other, so that a cursor never goes past a group that was refused.

mod inlet;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

use crate::model::cursor::{Content, Fetched, Listed, RemoteId};
use crate::model::event::Cycle;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::lease::Lease;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::record::{Direction, IncomingBatch, NewRecord, Quarantined, Recorded, Standing};
use crate::remote::Receive;
use crate::store::{Spool, Store, StoreError};
use crate::sync::dealt::Dealt;
use crate::sync::incoming::{self, Decision, Deletion, Large, Place, Rules, Undeliverable};
use crate::sync::owed::{Arrears, Changes, Settled};

use super::{Engine, WorkError, returned};
use inlet::{Arrival, read};

/// How a fetch ended.
pub(super) enum Ended {
    AllAnswered(Box<dyn Receive>),
    Failed(RemoteError),
    /// The process was asked to stop.
    Stopped,
}

/// Takes the messages of one mailbox in.
pub(super) struct Intake<'a> {
    engine: &'a Engine,
    lease: &'a Lease,
    mailbox: &'a Name,
    rules: Rules,
    dealt: Dealt,
    /// What the listing told of messages that stand out.
    standings: BTreeMap<RemoteId, Standing>,
    arrears: Arrears,
    /// Messages of the present fetch without an answer.
    unanswered: usize,
    group: Group,
    group_bytes_max: u64,
    writing: Writing,
    spool: Option<Box<dyn Spool>>,
    /// What was done so far.
    pub cycle: Cycle,
    pub quarantined: Quarantined,
}

/// The group before the present one.
enum Writing {
    Nothing,
    Group(JoinHandle<Result<Recorded, StoreError>>),
    /// The store refused it. No later one is written: the cursor would go past it.
    Refused,
}

/// Messages that become durable together.
#[derive(Default)]
struct Group {
    records: Vec<NewRecord>,
    /// Our own test messages, where mail is removed after processing.
    remove: Vec<RemoteId>,
    /// What could not be recorded, where that is moved aside.
    set_aside: Vec<RemoteId>,
    /// Messages dealt with, also those that leave no record.
    messages: usize,
    bytes: u64,
    /// Given back when the group is durable.
    room: Vec<OwnedSemaphorePermit>,
    spools: Vec<Box<dyn Spool>>,
    /// When its first message has waited long enough for others.
    due: Option<Pin<Box<Sleep>>>,
}

impl Group {
    /// Waits until the group is to be written although it is not full.
    async fn until_due(&mut self) {
        match &mut self.due {
            Some(due) => due.await,
            None => std::future::pending().await,
        }
    }

    fn is_full(&self, bytes_max: u64) -> bool {
        self.messages >= limits::RECORD_GROUP_MESSAGES || self.bytes >= bytes_max
    }
}

impl<'a> Intake<'a> {
    pub fn new(
        engine: &'a Engine,
        lease: &'a Lease,
        mailbox: &'a Name,
        (rules, dealt, arrears): (Rules, Dealt, Arrears),
    ) -> Self {
        Self {
            engine,
            lease,
            mailbox,
            rules,
            dealt,
            standings: BTreeMap::new(),
            arrears,
            unanswered: 0,
            group: Group::default(),
            group_bytes_max: limits::RECORD_GROUP_BYTES,
            writing: Writing::Nothing,
            spool: None,
            cycle: Cycle::default(),
            quarantined: Quarantined::default(),
        }
    }

    pub fn knowing(self, standings: BTreeMap<RemoteId, Standing>) -> Self {
        Self { standings, ..self }
    }

    fn standing(&self, id: &RemoteId) -> Standing {
        self.standings.get(id).copied().unwrap_or_default()
    }

    /// What the mailbox makes of this message.
    pub fn rules_for(&self, id: &RemoteId) -> Rules {
        self.rules.under(self.standing(id))
    }

    /// The message is a record already.
    pub fn know(&mut self, id: &RemoteId) {
        self.dealt.note(id);
        self.cycle.known += 1;
    }

    /// The message is too old to be fetched.
    pub fn pass_over(&mut self, id: &RemoteId) {
        self.dealt.note(id);
        self.cycle.before_from += 1;
    }

    /// Fetches these messages. What has arrived is taken in, however it ends; an error is one of the store.
    pub async fn fetch(
        &mut self,
        session: Box<dyn Receive>,
        messages: Vec<Listed>,
    ) -> Result<Ended, WorkError> {
        self.unanswered = messages.len();
        // The reader goes on while a group is written.
        self.group_bytes_max = limits::RECORD_GROUP_BYTES.min(inlet::room(session.holds()) / 4 * 3);
        let (reader, arrivals) = read(session, messages);
        if let Some(ended) = self.take_all(arrivals).await? {
            return Ok(ended);
        }
        // Pieces of a message whose end did not come belong to none.
        self.spool = None;
        let (session, read) = reader.await.map_err(|_panic| interrupted())?;
        match read {
            Err(error) => Ok(Ended::Failed(error)),
            Ok(()) if self.unanswered > 0 => {
                let detail = format!("no answer about {} messages", self.unanswered);
                Ok(Ended::Failed(RemoteError::new(TestStep::Read, Cause::Garbage { detail })))
            }
            Ok(()) => Ok(Ended::AllAnswered(session)),
        }
    }

    /// Takes in until nothing comes any more (`None`), or until there is a reason to wait no longer.
    async fn take_all(&mut self, mut arrivals: mpsc::Receiver<Arrival>) -> Result<Option<Ended>, WorkError> {
        loop {
            let arrived = tokio::select! {
                biased;
                () = self.engine.stopping.cancelled() => return Ok(Some(Ended::Stopped)),
                () = self.group.until_due() => {
                    self.write().await?;
                    continue;
                }
                arrived = timeout(limits::REMOTE_CALL_TIMEOUT, arrivals.recv()) => arrived,
            };
            match arrived {
                Ok(Some(Arrival::Piece(octets, _room))) => self.spool(octets).await?,
                Ok(Some(Arrival::Message(fetched, room))) => {
                    self.group.room.push(room);
                    self.take(*fetched).await?;
                }
                Ok(None) => return Ok(None),
                // Each wait has its own limit, and a server that drips would never reach one.
                Err(_) => {
                    let seconds = limits::REMOTE_CALL_TIMEOUT.as_secs();
                    let error = RemoteError::new(TestStep::Read, Cause::TimedOut { seconds });
                    return Ok(Some(Ended::Failed(error)));
                }
            }
        }
    }

    async fn spool(&mut self, octets: Bytes) -> Result<(), WorkError> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            empty => empty.insert(self.engine.store.spool().await?),
        };
        Ok(spool.append(octets).await?)
    }

    /// Decides about one message. Its record becomes durable with its group.
    pub async fn take(&mut self, fetched: Fetched) -> Result<(), WorkError> {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.arrears.bear(&fetched).map_err(|cause| RemoteError::new(TestStep::Read, cause))?;
        if !self.arrears.is_past(&fetched.id) {
            self.dealt.note(&fetched.id);
        }
        match self.arrears.settle(fetched, self.engine.clock.now()) {
            Settled::Answered(fetched) => self.decide(fetched).await?,
            Settled::Owed(_) => {
                // What came of it before the refusal is the beginning of no other message.
                self.spool = None;
                self.cycle.deferred += 1;
            }
        }
        self.group.messages += 1;
        self.group.due.get_or_insert_with(|| Box::pin(sleep(limits::RECORD_GROUP_WAIT)));
        if self.group.is_full(self.group_bytes_max) {
            self.write().await?;
        }
        Ok(())
    }

    async fn decide(&mut self, fetched: Fetched) -> Result<(), WorkError> {
        let decision = match (fetched.content, self.spool.take()) {
            (Content::Streamed(bytes), Some(spool)) if spool.bytes() == bytes => {
                let Fetched { id, received, rebuilt, .. } = fetched;
                self.decide_spooled(Place { id, received, rebuilt }, spool).await?
            }
            (content, _) => {
                let rules = self.rules_for(&fetched.id);
                incoming::decide(Fetched { content, ..fetched }, rules)
            }
        };
        if let Some(mut record) = self.record_of(decision).await? {
            let Standing { direction, tracked } = self.standing(&record.remote);
            (record.facts.direction, record.facts.tracked) = (direction, tracked);
            if let (Some(report), Direction::Incoming) = (&record.facts.report, direction) {
                record.settles = returned::settled(self.engine, self.mailbox, report).await?.map(Box::new);
            }
            self.group.bytes += record.raw.bytes();
            let undeliverable = self.rules_for(&record.remote).undeliverable;
            if record.quarantine.is_some() && undeliverable == Undeliverable::SetAside {
                self.group.set_aside.push(record.remote.clone());
            }
            self.group.records.push(record);
        }
        Ok(())
    }

    async fn decide_spooled(
        &mut self,
        place: Place,
        mut spool: Box<dyn Spool>,
    ) -> Result<Decision, WorkError> {
        let parsed_max = limits::MESSAGE_PARSE_BYTES_MAX as u64;
        let looked_at =
            if spool.bytes() <= parsed_max { parsed_max } else { limits::HEADER_LOOK_BYTES_MAX as u64 };
        let beginning = spool.beginning(looked_at).await?;
        let (spooled, content) = spool.finish().await?;
        self.group.spools.push(spool);
        let rules = self.rules_for(&place.id);
        Ok(incoming::decide_large(place, Large { spooled, content, beginning }, rules))
    }

    async fn record_of(&mut self, decision: Decision) -> Result<Option<NewRecord>, WorkError> {
        match decision {
            Decision::Record(record) => Ok(Some(*record)),
            Decision::PerhapsSelfTest { nonce, otherwise } => {
                if !self.engine.store.is_self_message(&nonce).await? {
                    return Ok(Some(*otherwise));
                }
                if self.rules_for(&otherwise.remote).delete_after == Deletion::AfterProcessing {
                    self.group.remove.push(otherwise.remote);
                }
                Ok(None)
            }
            Decision::BeforeFrom => {
                self.cycle.before_from += 1;
                Ok(None)
            }
            Decision::NotAccepted | Decision::Vanished => Ok(None),
        }
    }

    /// Waits for the group that is being written, and begins to write the present one.
    async fn write(&mut self) -> Result<(), WorkError> {
        self.settle().await?;
        let mut group = std::mem::take(&mut self.group);
        let Changes { owed, answered } = self.arrears.changes();
        let batch = IncomingBatch {
            mailbox: self.mailbox.clone(),
            records: Arc::new(std::mem::take(&mut group.records)),
            remove: std::mem::take(&mut group.remove),
            set_aside: std::mem::take(&mut group.set_aside),
            owed,
            answered,
            advance: self.dealt.advance(),
            at: self.engine.clock.now(),
        };
        self.quarantined.add(&batch);
        let (store, lease): (Arc<dyn Store>, Lease) = (Arc::clone(&self.engine.store), self.lease.clone());
        // On a task of its own, so that the next group gathers meanwhile. It ends even when nobody waits for it.
        self.writing = Writing::Group(tokio::spawn(async move {
            let recorded = store.record(&lease, &batch).await;
            // The octets first, and then their room.
            drop(batch);
            drop(group);
            recorded
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), WorkError> {
        let writing = match std::mem::replace(&mut self.writing, Writing::Refused) {
            Writing::Nothing => {
                self.writing = Writing::Nothing;
                return Ok(());
            }
            Writing::Group(writing) => writing,
            Writing::Refused => return Err(interrupted()),
        };
        let recorded = writing.await.map_err(|_panic| interrupted())??;
        self.writing = Writing::Nothing;
        self.cycle.recorded += recorded.new;
        self.cycle.known += recorded.known;
        Ok(())
    }

    /// Makes everything durable that was taken in.
    pub async fn finish(&mut self) -> Result<(), WorkError> {
        self.settle().await?;
        if self.group.messages > 0 || self.dealt.has_news() {
            self.write().await?;
            self.settle().await?;
        }
        Ok(())
    }
}

fn interrupted() -> WorkError {
    StoreError::Failed("internal error while messages were taken in; nothing more was written".to_owned())
        .into()
}
