//! `mailplumb sync`

use std::sync::Arc;

use clap::Args;
use tokio::task::JoinSet;

use super::context::run;
use super::events::cycle_words;
use super::exit::{DONE, ERROR, Failure, Outcome, PARTIAL};
use super::mailboxes::Selection;
use super::{Global, output};
use crate::engine::Engine;
use crate::engine::drive::{self, Driven};
use crate::model::event::Cycle;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::store::sqlite::Open;

/// Move mail once, for some or all mailboxes
///
/// Runs one incoming and one outgoing cycle for every enabled mailbox: new messages become records, queued messages are sent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb sync\n  mailplumb sync support")]
pub struct Sync {
    #[command(flatten)]
    selection: Selection,
}

/// What the cycles of all mailboxes came to.
#[derive(Debug, Default)]
struct Total {
    incoming: Cycle,
    outgoing: Cycle,
    mailboxes: usize,
    failed: usize,
    done: usize,
}

impl Sync {
    pub fn run(self, global: &Global) -> Outcome {
        let engine = Arc::new(global.engine("sync", Open::Existing)?);
        run(engine.stopping.clone(), async {
            let mailboxes = self.selection.choose(engine.store.as_ref()).await?;
            let total = sync_all(&engine, mailboxes).await?;
            output::data(&format!(
                "Synchronised {}: incoming {}; outgoing {}{}.",
                output::counted(total.mailboxes, "mailbox", "mailboxes"),
                cycle_words(Operation::Incoming, &total.incoming),
                cycle_words(Operation::Outgoing, &total.outgoing),
                if total.failed > 0 { format!("; {} cycles failed", total.failed) } else { String::new() },
            ))?;
            Ok(match (total.failed, total.done) {
                (0, _) if engine.stopping.is_cancelled() => PARTIAL,
                (0, _) => DONE,
                (_, 0) => ERROR,
                (_, _) => PARTIAL,
            })
        })
    }
}

async fn sync_all(engine: &Arc<Engine>, mailboxes: Vec<Name>) -> Result<Total, Failure> {
    let mut total = Total::default();
    let mut running = JoinSet::new();
    let mut waiting = mailboxes.into_iter();
    loop {
        while running.len() < limits::MAILBOXES_AT_ONCE_MAX && !engine.stopping.is_cancelled() {
            let Some(name) = waiting.next() else { break };
            let engine = Arc::clone(engine);
            running.spawn(async move { one(&engine, &name).await });
        }
        match running.join_next().await {
            Some(Ok(driven)) => total.add(driven?),
            Some(Err(error)) => return Err(Failure::new("internal error: a cycle died").cause(error)),
            None => return Ok(total),
        }
    }
}

/// Both cycles of one mailbox, one after the other: they share its lease.
async fn one(engine: &Engine, name: &Name) -> Result<Vec<(Operation, Driven)>, Failure> {
    let Some(row) = engine.store.mailbox(name).await? else { return Ok(Vec::new()) };
    let mut driven = Vec::new();
    for operation in [Operation::Incoming, Operation::Outgoing] {
        let state = drive::state_of(&row.stored.operations, operation);
        if state.is_driven() && !engine.stopping.is_cancelled() {
            driven.push((operation, drive::cycle(engine, name, operation).await?));
        } else if row.stored.declared.wants(operation) {
            output::talk(&format!("mailbox/{name} {operation}: not driven, it is {state}"));
        }
    }
    Ok(driven)
}

impl Total {
    fn add(&mut self, driven: Vec<(Operation, Driven)>) {
        self.mailboxes += usize::from(!driven.is_empty());
        for (operation, driven) in driven {
            match driven {
                Driven::Done(cycle) => {
                    self.done += 1;
                    match operation {
                        Operation::Incoming => self.incoming += cycle,
                        Operation::Outgoing => self.outgoing += cycle,
                        Operation::Act => {}
                    }
                }
                Driven::Failed(_) => self.failed += 1,
                Driven::Skipped(_) => {}
            }
        }
    }
}
