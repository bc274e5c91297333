//! `mailplumb sync`

mod document;

use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::apply::watched;
use super::context::run;
use super::events::cycle_words;
use super::exit::{DONE, ERROR, Failure, Outcome, PARTIAL};
use super::mailboxes::{Selection, approval_hint, side_by_side};
use super::progress::{Doing, Progress, ticking};
use super::{Format, Global, exit, output};
use crate::engine::Engine;
use crate::engine::drive::{self, Driven};
use crate::model::event::Cycle;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{OffReason, Operation, OperationState};
use crate::model::outbox::OutgoingState;
use crate::store::sqlite::Open;
use crate::store::{OutboxQuery, Store, StoreError};
pub use document::Document;
use document::{Entry, IncomingCounts, OutgoingCounts, Summary};

/// Move mail once, for some or all mailboxes
///
/// Runs one incoming and one outgoing cycle for every enabled mailbox: new messages become records, queued messages are sent.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb sync\n  mailplumb sync support\n  mailplumb sync --output json"
)]
pub struct Sync {
    #[command(flatten)]
    selection: Selection,
    /// Print what was done as text, or as one JSON document at the end
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// What the cycles of all mailboxes came to.
#[derive(Debug, Default)]
struct Total {
    incoming: Cycle,
    outgoing: Cycle,
    mailboxes: usize,
    failed: usize,
    done: usize,
    /// Not begun, although it is declared: disabled, waiting for a test, or somebody else works on it.
    waiting: usize,
    /// A cycle that failed then has moved something before.
    moved: bool,
    entries: Vec<Entry>,
}

impl Sync {
    pub fn run(self, global: &Global) -> Outcome {
        let (engine, progress) = watched(global.engine("sync", Open::Existing)?);
        run(engine.stopping.clone(), async {
            let mailboxes = self.selection.choose(engine.store.as_ref()).await?;
            let begun = engine.clock.now();
            let unapproved = match self.selection.is_explicit() {
                true => name_unapproved(&engine, &mailboxes).await?,
                false => 0,
            };
            progress.begin(Doing::Cycles, mailboxes.len());
            let mut total = ticking(&progress, sync_all(&engine, &progress, mailboxes)).await;
            progress.end();
            engine.sessions.close().await;
            engine.look_after_alerts().await?;
            total.waiting += unapproved;
            let code = match (total.failed, total.done) {
                (0, _) if engine.stopping.is_cancelled() || total.waiting > 0 => PARTIAL,
                (0, _) => DONE,
                (_, 0) if !total.moved => ERROR,
                (_, _) => PARTIAL,
            };
            match self.output {
                Format::Text => {
                    output::data(&total.words())?;
                    if total.outgoing.failed + total.outgoing.unsure > 0 {
                        name_not_sent(engine.store.as_ref(), begun).await?;
                    }
                }
                Format::Json => output::json(&total.into_document(code))?,
            }
            Ok(code)
        })
    }
}

/// Declared mailboxes that wait for nothing but an approval: each is named, with what to do.
async fn name_unapproved(engine: &Engine, mailboxes: &[Name]) -> Result<usize, Failure> {
    let mut count = 0;
    for (name, stored) in engine.store.stored_among(mailboxes.iter().cloned().collect()).await? {
        let mut states = stored.operations.values().map(|operation| &operation.state);
        if states.any(|state| *state == OperationState::Off(OffReason::NotApproved)) {
            let hint = approval_hint(engine.store.as_ref(), &name).await?;
            output::talk(&format!("mailbox/{name}: needs an approval; {hint}"));
            count += 1;
        }
    }
    Ok(count)
}

/// Messages named after a sync before the rest is only counted.
const NOT_SENT_NAMED_MAX: usize = 20;

/// What a person has to look at since a moment.
async fn name_not_sent(store: &dyn Store, since: Timestamp) -> Result<(), Failure> {
    for state in [OutgoingState::Failed, OutgoingState::Unsure] {
        let limit = Some(limits::OUTGOING_BATCH_MESSAGES as u64);
        let query = OutboxQuery { state: Some(state), limit, ..OutboxQuery::default() };
        let messages = store.outbox(&query).await?;
        let recent: Vec<_> = messages.iter().filter(|message| message.changed_at >= since).collect();
        for message in recent.iter().take(NOT_SENT_NAMED_MAX) {
            let (id, mailbox) = (message.id, &message.mailbox);
            let cause = message.failure.as_ref().map_or("", |failure| failure.cause.as_str());
            let cause = output::shown(cause);
            output::data(&format!("outgoing message {id} of mailbox/{mailbox} {}: {cause}", state.key()))?;
        }
        if let Some(more @ 1..) = recent.len().checked_sub(NOT_SENT_NAMED_MAX) {
            let listing = format!("`mailplumb outbox list --in-state {}`", state.key());
            output::data(&format!("and {more} more: {listing}"))?;
        }
    }
    Ok(())
}

async fn sync_all(engine: &Arc<Engine>, progress: &Arc<Progress>, mailboxes: Vec<Name>) -> Total {
    let mut total = Total::default();
    let work = |engine: Arc<Engine>, name: Name| {
        let progress = Arc::clone(progress);
        async move {
            let worked = one(&engine, &name).await;
            progress.advance();
            Ok(worked)
        }
    };
    for result in side_by_side(engine, mailboxes, work).await {
        match result {
            Ok(worked) => total.add(worked),
            Err(failure) => {
                exit::explain(&failure);
                total.failed += 1;
            }
        }
    }
    total
}

/// What was done for one mailbox.
#[derive(Debug, Default)]
struct Worked {
    driven: Vec<(Operation, Driven)>,
    /// Declared operations that a failure or a missing test keeps from being driven.
    waiting: usize,
    failed: usize,
    entries: Vec<Entry>,
}

/// Both cycles of one mailbox, one after the other: they share its lease.
async fn one(engine: &Engine, name: &Name) -> Worked {
    let mut worked = Worked::default();
    let row = match engine.store.mailbox(name).await {
        Ok(Some(row)) => row,
        Ok(None) => return worked,
        Err(error) => return worked.failed(name, Operation::Incoming, error),
    };
    for operation in [Operation::Incoming, Operation::Outgoing] {
        let state = drive::state_of(&row.stored.operations, operation);
        if state.is_driven() && !engine.stopping.is_cancelled() {
            match drive::cycle(engine, name, operation).await {
                Ok(driven) => {
                    worked.entries.push(Entry::of(name, operation, &driven));
                    worked.driven.push((operation, driven));
                }
                Err(error) => return worked.failed(name, operation, error),
            }
        } else if row.stored.declared.wants(operation) {
            worked.waiting += usize::from(state.needs_test());
            worked.entries.push(Entry::not_driven(name, operation, &state));
            output::talk(&format!("mailbox/{name} {operation}: not driven, it is {state}"));
        }
    }
    worked
}

impl Worked {
    fn failed(mut self, name: &Name, operation: Operation, error: StoreError) -> Self {
        self.entries.push(Entry::store_failed(name, operation, error.to_string()));
        exit::explain(&Failure::from(error).cause(format!("while synchronising mailbox/{name}")));
        self.failed += 1;
        self
    }
}

impl Total {
    fn add(&mut self, worked: Worked) {
        self.mailboxes += usize::from(!worked.driven.is_empty());
        self.failed += worked.failed;
        self.waiting += worked.waiting;
        self.entries.extend(worked.entries);
        for (operation, driven) in worked.driven {
            let cycle = match driven {
                Driven::Done(cycle) => {
                    self.done += 1;
                    cycle
                }
                Driven::Failed(_, cycle) => {
                    self.failed += 1;
                    self.moved |= cycle.recorded + cycle.sent + cycle.deleted > 0;
                    cycle
                }
                Driven::Skipped(_) => {
                    self.waiting += 1;
                    continue;
                }
            };
            match operation {
                Operation::Incoming => self.incoming += cycle,
                Operation::Outgoing => self.outgoing += cycle,
                Operation::Act => {}
            }
        }
    }

    fn words(&self) -> String {
        format!(
            "Synchronised {}: incoming {}; outgoing {}{}.",
            output::counted(self.mailboxes, "mailbox", "mailboxes"),
            cycle_words(Operation::Incoming, &self.incoming),
            cycle_words(Operation::Outgoing, &self.outgoing),
            match self.failed {
                0 => String::new(),
                failed => format!("; {} failed", output::counted(failed, "cycle", "cycles")),
            },
        )
    }

    fn into_document(self, code: u8) -> Document {
        let summary = Summary {
            mailboxes: self.mailboxes,
            done: self.done,
            failed: self.failed,
            waiting: self.waiting,
            incoming: IncomingCounts::of(&self.incoming),
            outgoing: OutgoingCounts::of(&self.outgoing),
        };
        Document::new(summary, self.entries, code)
    }
}
