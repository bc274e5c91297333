//! `mailplumb test`

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;

use super::apply::watched;
use super::context::run;
use super::exit::{Failure, Outcome};
use super::mailboxes::Selection;
use super::progress::{Progress, ticking};
use super::report::Applied;
use super::{Global, output};
use crate::engine::Engine;
use crate::engine::run::{Order, Report};
use crate::engine::test_and_enable::Which;
use crate::model::ledger::RunKind;
use crate::model::name::Name;
use crate::store::sqlite::Open;

/// Test and enable mailboxes again
///
/// Connects, logs in and reads; sends a message from the mailbox to itself where outgoing mail is not enabled yet. What passes
/// is enabled; what fails says at which step, what the server said, what it means and what to do. The test of a changed
/// connection switches to it when it passes; until then the former one works on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb test\n  mailplumb test support sales@contoso.example\n  \
                        mailplumb test profile/provider-pop")]
pub struct Test {
    #[command(flatten)]
    selection: Selection,
}

impl Test {
    pub fn run(self, global: &Global) -> Outcome {
        let (engine, progress) = watched(global.engine("test", Open::Existing)?);
        run(engine.stopping.clone(), async {
            let mailboxes = self.selection.choose(engine.store.as_ref()).await?;
            let mailboxes = mailboxes.into_iter().collect();
            let report = tests(&engine, &progress, RunKind::Test, mailboxes).await?;
            let applied = Applied { report, ..Applied::default() };
            applied.text()?;
            Ok(applied.code())
        })
    }
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
    progress.begin(mailboxes.len());
    let report = ticking(progress, crate::engine::run::run(engine, Order { kind, mailboxes, which })).await;
    progress.end();
    let report = report?;
    if engine.stopping.is_cancelled() {
        output::talk("stopped early");
    }
    Ok(report)
}
