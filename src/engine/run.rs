//! A run of tests over many mailboxes: a few of each large profile first, each outcome noted in the ledger as it is
//! known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::model::alert::{Alert, AlertLevel, Trouble, TroubleChanges};
use crate::model::event::Event;
use crate::model::failure::FailureSummary;
use crate::model::ledger::{HaltReason, LedgerEntry, NewRun, Outcome, RunKind, Tally};
use crate::model::limits;
use crate::model::name::{Address, Name};
use crate::model::operation::{Operation, OperationState};
use crate::model::stored::{StoredMailbox, StoredOperation};
use crate::store::{MailboxRow, RunQuery, StoreError};
use crate::sync::canary;
use crate::sync::outcome::{self, Ended};

use super::Engine;
use super::test_and_enable::{self, Which};

/// Which mailboxes are tested, and why.
#[derive(Debug, Clone)]
pub struct Order {
    pub kind: RunKind,
    pub mailboxes: BTreeSet<Name>,
    pub which: Which,
}

/// What a run came to: every operation that it was to test, with its outcome.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub entries: Vec<LedgerEntry>,
    pub tally: Tally,
}

/// The mailboxes with an operation that waits for a test.
pub async fn waiting(engine: &Engine) -> Result<BTreeSet<Name>, StoreError> {
    Ok(engine.store.waiting().await?.into_iter().collect())
}

/// Leaves the tests of these mailboxes to `test` and `watch`, and notes how many there are.
pub async fn defer(engine: &Engine, mailboxes: &BTreeSet<Name>) -> Result<(), StoreError> {
    let run = new_run(engine, RunKind::Apply, Vec::new(), mailboxes.len() as u64).await?;
    let id = engine.store.begin_run(&run).await?;
    engine.store.end_run(id, engine.clock.now()).await
}

/// What `apply --resume` has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// Nothing was ever applied here.
    NeverApplied,
    /// Every test of the last apply has ended.
    Nothing,
    Mailboxes(BTreeSet<Name>),
}

/// The mailboxes that the last apply did not get to, or had to skip, and that still wait. An apply that died before its
/// tests began left no ledger; then all that wait are meant.
pub async fn unfinished(engine: &Engine) -> Result<Unfinished, StoreError> {
    let Some(newest) = engine.store.revisions(1).await?.pop() else { return Ok(Unfinished::NeverApplied) };
    let waiting = waiting(engine).await?;
    let left: BTreeSet<Name> = match engine.store.last_run(RunQuery::OfApply).await? {
        Some((run, entries)) if run.revision == newest.revision && run.deferred == 0 => entries
            .into_iter()
            .filter(|entry| entry.outcome.is_resumable())
            .map(|entry| entry.mailbox)
            .filter(|mailbox| waiting.contains(mailbox))
            .collect(),
        Some(_) | None => waiting,
    };
    Ok(if left.is_empty() { Unfinished::Nothing } else { Unfinished::Mailboxes(left) })
}

/// Tests what is ordered. Trouble with the store while one mailbox is worked on is that mailbox's outcome.
pub async fn run(engine: &Arc<Engine>, order: Order) -> Result<Report, StoreError> {
    let rows = engine.store.mailboxes().await?;
    let rows: Vec<MailboxRow> =
        rows.into_iter().filter(|row| order.mailboxes.contains(&row.stored.declared.name)).collect();
    let items = rows.iter().flat_map(|row| items(&row.stored, order.which)).collect();
    let new = new_run(engine, order.kind, items, 0).await?;
    let id = engine.store.begin_run(&new).await?;
    engine.tell(Event::RunBegun { tests: new.items.len() });
    let mut turn = Turn {
        engine: Arc::clone(engine),
        run: id,
        which: order.which,
        before: rows.iter().map(|row| (row.stored.declared.name.clone(), row.stored.clone())).collect(),
        groups: BTreeMap::new(),
        jobs: JoinSet::new(),
        outcomes: BTreeMap::new(),
    };
    turn.begin(rows);
    turn.finish().await?;
    engine.look_after_alerts().await?;
    engine.store.end_run(id, engine.clock.now()).await?;
    Ok(report(new.items, turn.outcomes))
}

async fn new_run(
    engine: &Engine,
    kind: RunKind,
    items: Vec<(Name, Operation)>,
    deferred: u64,
) -> Result<NewRun, StoreError> {
    let revision = engine.store.revisions(1).await?.pop().map(|entry| entry.revision).unwrap_or_default();
    let (holder, at) = (engine.holder.to_string(), engine.clock.now());
    Ok(NewRun { revision, kind, holder, at, deferred, items })
}

fn items(stored: &StoredMailbox, which: Which) -> Vec<(Name, Operation)> {
    let chosen = stored.operations.iter().filter(|(_, operation)| is_chosen(operation, which));
    chosen.map(|(operation, _)| (stored.declared.name.clone(), *operation)).collect()
}

/// As `test_and_enable` chooses.
fn is_chosen(operation: &StoredOperation, which: Which) -> bool {
    match which {
        Which::All => !matches!(operation.state, OperationState::Off(_)),
        Which::Needed | Which::Due => operation.needs_test(),
    }
}

fn report(items: Vec<(Name, Operation)>, mut outcomes: BTreeMap<(Name, Operation), Outcome>) -> Report {
    let entries: Vec<LedgerEntry> = items
        .into_iter()
        .map(|(mailbox, operation)| {
            let outcome = outcomes.remove(&(mailbox.clone(), operation)).unwrap_or(Outcome::NOT_YET);
            LedgerEntry { mailbox, operation, outcome }
        })
        .collect();
    let tally = Tally::of(entries.iter().map(|entry| &entry.outcome));
    Report { entries, tally }
}

/// The mailboxes of one profile of which some are tested first.
struct Group {
    /// Those whose test has not ended.
    first: BTreeSet<Name>,
    rest: Vec<Name>,
    halted: Option<(Name, FailureSummary)>,
}

/// A run under way.
struct Turn {
    engine: Arc<Engine>,
    run: u64,
    which: Which,
    before: BTreeMap<Name, StoredMailbox>,
    /// By profile.
    groups: BTreeMap<Name, Group>,
    jobs: JoinSet<(Name, Option<Name>, Ended)>,
    outcomes: BTreeMap<(Name, Operation), Outcome>,
}

impl Turn {
    fn begin(&mut self, rows: Vec<MailboxRow>) {
        let mut profiles: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for row in rows {
            let name = row.stored.declared.name;
            match row.profile {
                Some(profile) => profiles.entry(profile.name).or_default().push(name),
                None => self.start(name, None),
            }
        }
        for (profile, mailboxes) in profiles {
            let stored = mailboxes.iter().filter_map(|name| self.before.get(name));
            let Some(first) = canary::choose(stored) else {
                mailboxes.into_iter().for_each(|name| self.start(name, None));
                continue;
            };
            let rest = mailboxes.into_iter().filter(|name| !first.contains(name)).collect();
            first.iter().for_each(|name| self.start(name.clone(), Some(profile.clone())));
            self.groups.insert(profile, Group { first, rest, halted: None });
        }
    }

    fn start(&mut self, name: Name, profile: Option<Name>) {
        let (engine, which) = (Arc::clone(&self.engine), self.which);
        self.jobs.spawn(async move {
            let ended = one(&engine, &name, which).await;
            (name, profile, ended)
        });
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let engine = Arc::clone(&self.engine);
        let patience = async {
            engine.stopping.cancelled().await;
            tokio::time::sleep(limits::STOP_GRACE).await;
        };
        tokio::pin!(patience);
        let mut is_patient = true;
        loop {
            let joined = tokio::select! {
                joined = self.jobs.join_next() => joined,
                // A server that does not answer keeps nobody who wants to stop; its test counts as not begun.
                () = &mut patience, if is_patient => {
                    is_patient = false;
                    self.jobs.abort_all();
                    continue;
                }
            };
            match joined {
                None => break,
                Some(Ok((name, profile, ended))) => self.ended(name, profile, ended).await?,
                Some(Err(error)) if error.is_cancelled() => {}
                // A panic is a defect; it costs one mailbox its test, and no other.
                Some(Err(error)) => self.engine.tell(Event::Warned {
                    message: format!("internal error, the test of a mailbox died: {error}"),
                }),
            }
        }
        if self.engine.stopping.is_cancelled() {
            self.not_started(&HaltReason::Stopped).await?;
        }
        Ok(())
    }

    async fn ended(&mut self, name: Name, profile: Option<Name>, ended: Ended) -> Result<(), StoreError> {
        let Some(before) = self.before.get(&name) else { return Ok(()) };
        let after = match self.engine.store.mailbox(&name).await {
            Ok(row) => row.map(|row| row.stored),
            Err(_) => Some(before.clone()),
        };
        let mut noted = Vec::new();
        for (operation, known) in before.operations.iter().filter(|(_, one)| is_chosen(one, self.which)) {
            let now = after.as_ref().and_then(|after| after.operations.get(operation));
            noted.push((name.clone(), *operation, outcome::of(known, now, ended)));
        }
        let against = noted.iter().find_map(|(_, _, outcome)| match outcome {
            Outcome::Failed(failure) if canary::halts(failure) => Some((**failure).clone()),
            Outcome::Failed(_) | Outcome::Done | Outcome::Skipped(_) | Outcome::NotStarted(_) => None,
        });
        self.note(noted).await?;
        match profile {
            Some(profile) => self.judge(profile, name, against).await,
            None => Ok(()),
        }
    }

    /// One of those that are tested first has ended; the last of them decides about the others.
    async fn judge(
        &mut self,
        profile: Name,
        mailbox: Name,
        against: Option<FailureSummary>,
    ) -> Result<(), StoreError> {
        let Some(group) = self.groups.get_mut(&profile) else { return Ok(()) };
        group.first.remove(&mailbox);
        if let (Some(failure), None) = (against, &group.halted) {
            group.halted = Some((mailbox, failure));
        }
        if !group.first.is_empty() {
            return Ok(());
        }
        let Some(Group { rest, halted, .. }) = self.groups.remove(&profile) else { return Ok(()) };
        match halted {
            None => {
                self.engine.end_halt(&profile).await?;
                rest.into_iter().for_each(|name| self.start(name, None));
            }
            Some((mailbox, failure)) => self.halt(profile, rest, (mailbox, failure)).await?,
        }
        Ok(())
    }

    async fn halt(
        &mut self,
        profile: Name,
        rest: Vec<Name>,
        (mailbox, failure): (Name, FailureSummary),
    ) -> Result<(), StoreError> {
        let settings = self.engine.settings().await?;
        let row = self.engine.store.mailbox(&mailbox).await?;
        let owner = row.and_then(|row| row.profile).map(|profile| profile.owner);
        let alert = halted((&profile, owner.as_ref()), rest.len(), &failure, self.engine.clock.now());
        let changes = TroubleChanges {
            begun: vec![(profile.clone(), Trouble::Halted)],
            ended: Vec::new(),
            alerts: vec![alert],
        };
        self.engine.note_troubles(changes, &settings).await?;
        let outcome = Outcome::NotStarted(HaltReason::Canary { profile, mailbox });
        let noted = self.items_of(&rest).map(|(name, operation)| (name, operation, outcome.clone()));
        let noted = noted.collect();
        self.note(noted).await
    }

    fn items_of<'a>(&'a self, names: &'a [Name]) -> impl Iterator<Item = (Name, Operation)> + 'a {
        let rows = names.iter().filter_map(|name| self.before.get(name));
        rows.flat_map(|stored| items(stored, self.which))
    }

    /// Everything that has no outcome yet.
    async fn not_started(&mut self, reason: &HaltReason) -> Result<(), StoreError> {
        let names: Vec<Name> = self.before.keys().cloned().collect();
        let noted = self
            .items_of(&names)
            .filter(|item| !self.outcomes.contains_key(item))
            .map(|(name, operation)| (name, operation, Outcome::NotStarted(reason.clone())))
            .collect();
        self.note(noted).await
    }

    async fn note(&mut self, noted: Vec<(Name, Operation, Outcome)>) -> Result<(), StoreError> {
        let at = self.engine.clock.now();
        let written = self.engine.store.note_outcomes(self.run, &noted, &[], at).await;
        for (name, operation, outcome) in noted {
            self.outcomes.insert((name, operation), outcome);
        }
        written
    }
}

async fn one(engine: &Engine, name: &Name, which: Which) -> Ended {
    if engine.stopping.is_cancelled() {
        return Ended::Stopped;
    }
    match test_and_enable::mailbox(engine, name, which).await {
        Ok(tested) if tested.busy > 0 => Ended::Busy,
        Ok(_) if engine.stopping.is_cancelled() => Ended::Stopped,
        Ok(_) => Ended::Worked,
        Err(StoreError::Withdrawn(_)) => Ended::Withdrawn,
        Err(error) => {
            engine.tell(Event::Warned { message: format!("mailbox/{name} could not be tested: {error}") });
            Ended::StoreFailed
        }
    }
}

/// The one alert for a profile whose first tests speak against it.
pub fn halted(
    (profile, owner): (&Name, Option<&Address>),
    waiting: usize,
    failure: &FailureSummary,
    at: jiff::Timestamp,
) -> Alert {
    Alert {
        at,
        level: AlertLevel::Error,
        code: Trouble::Halted.code().to_owned(),
        mailbox: None,
        profile: Some(profile.clone()),
        operation: None,
        owners: owner.into_iter().cloned().collect(),
        cause: format!(
            "{waiting} further mailboxes were not tested, because the first ones failed at {}: {}",
            failure.step, failure.cause
        ),
        remedy: format!("{}; then `mailplumb apply --resume`", failure.remedy),
    }
}
