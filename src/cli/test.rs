//! `mailplumb test`

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;

use super::apply::watched;
use super::context::run;
use super::exit::{DONE, Failure, Outcome, PARTIAL};
use super::mailboxes::{Selection, approval_hint};
use super::progress::{Doing, Progress, ticking};
use super::report::Applied;
use super::{Format, Global, output};
use crate::engine::Engine;
use crate::engine::run::{Order, Report};
use crate::engine::test_and_enable::Which;
use crate::model::ledger::RunKind;
use crate::model::name::Name;
use crate::model::operation::{OffReason, OperationState};
use crate::store::sqlite::Open;

/// Test and enable mailboxes again
///
/// Connects, logs in and reads; sends a message from the mailbox to itself where outgoing mail is not enabled yet. What passes
/// is enabled; what fails says at which step, what the server said, what it means and what to do. The test of a changed
/// connection switches to it when it passes; until then the former one works on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb test\n  mailplumb test support sales@contoso.example\n  \
                        mailplumb test profile/provider-pop\n  mailplumb test --output json")]
pub struct Test {
    #[command(flatten)]
    selection: Selection,
    /// Print the results as text, or as one JSON document with steps and timings at the end
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

impl Test {
    pub fn run(self, global: &Global) -> Outcome {
        let (engine, progress) = watched(global.engine("test", Open::Existing)?);
        run(engine.stopping.clone(), async {
            match self.output {
                Format::Text => {}
                Format::Json => progress.keep_heard(),
            }
            let mailboxes = self.selection.choose(engine.store.as_ref()).await?;
            let mailboxes: BTreeSet<Name> = mailboxes.into_iter().collect();
            let unapproved = name_those_off(&engine, &mailboxes).await?;
            let report = tests(&engine, &progress, RunKind::Test, mailboxes).await?;
            let applied = Applied { report, ..Applied::default() };
            match self.output {
                Format::Text => applied.text()?,
                Format::Json => applied.test_json(progress.take_heard())?,
            }
            // Whoever means a certain mailbox did not get what they asked for.
            match (applied.code(), self.selection.is_explicit() && unapproved > 0) {
                (DONE, true) => Ok(PARTIAL),
                (code, _) => Ok(code),
            }
        })
    }
}

/// Operations that are asked for and off: a test of them would enable nothing. Returns how many mailboxes want an approval.
async fn name_those_off(engine: &Engine, chosen: &BTreeSet<Name>) -> Result<usize, Failure> {
    let mut unapproved = 0;
    for (name, stored) in engine.store.stored_among(chosen.clone()).await? {
        let mut is_unapproved = false;
        for (operation, known) in &stored.operations {
            is_unapproved |= known.state == OperationState::Off(OffReason::NotApproved);
            if let (OperationState::Off(reason), true) = (&known.state, stored.declared.wants(*operation)) {
                output::talk(&format!("mailbox/{name} {operation}: skipped, {}", reason.words()));
            }
        }
        if is_unapproved {
            let hint = approval_hint(engine.store.as_ref(), &name).await?;
            output::talk(&format!("mailbox/{name}: needs an approval; {hint}"));
            unapproved += 1;
        }
    }
    Ok(unapproved)
}

/// Tests mailboxes side by side, a few of each large profile first, and says how it goes on.
pub async fn tests(
    engine: &Arc<Engine>,
    progress: &Progress,
    kind: RunKind,
    mailboxes: BTreeSet<Name>,
) -> Result<Report, Failure> {
    let which = match kind {
        RunKind::Test => Which::All,
        RunKind::Apply | RunKind::Resume => Which::Needed,
    };
    progress.begin(Doing::Tests, mailboxes.len());
    let report = ticking(progress, crate::engine::run::run(engine, Order { kind, mailboxes, which })).await;
    progress.end();
    let report = report?;
    if engine.stopping.is_cancelled() {
        output::talk("stopped early");
    }
    Ok(report)
}
