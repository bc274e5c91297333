//! `mailplumb test`

use std::sync::Arc;

use clap::Args;

use super::context::run;
use super::exit::{DONE, Failure, Outcome, PARTIAL, TEST_FAILED};
use super::mailboxes::{Selection, side_by_side};
use super::{Global, exit, output};
use crate::engine::Engine;
use crate::engine::test_and_enable::{self, Tested, Which};
use crate::model::name::Name;
use crate::store::sqlite::Open;

/// Test and enable mailboxes again
///
/// Connects, logs in and reads; sends a message from the mailbox to itself where outgoing mail is not enabled yet. What passes
/// is enabled; what fails says at which step, what the server said, what it means and what to do. The test of a changed
/// connection switches to it when it passes; until then the former one works on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb test\n  mailplumb test support sales@contoso.example\n  \
                        mailplumb test --profile provider-pop")]
pub struct Test {
    #[command(flatten)]
    selection: Selection,
}

impl Test {
    pub fn run(self, global: &Global) -> Outcome {
        let engine = Arc::new(global.engine("test", Open::Existing)?);
        run(engine.stopping.clone(), async {
            let mailboxes = self.selection.choose(engine.store.as_ref()).await?;
            let tested = test_all(&engine, mailboxes, Which::All).await;
            conclude(&engine, tested).await
        })
    }
}

/// The mailboxes with an operation, or a change of one, that waits for a test.
pub async fn waiting(engine: &Engine) -> Result<Vec<Name>, Failure> {
    Ok(engine.store.waiting().await?)
}

/// Tests mailboxes side by side. Trouble with the store counts as a failed test.
pub async fn test_all(engine: &Arc<Engine>, mailboxes: Vec<Name>, which: Which) -> Tested {
    let work = move |engine: Arc<Engine>, name: Name| async move {
        test_and_enable::mailbox(&engine, &name, which)
            .await
            .map_err(|error| Failure::from(error).cause(format!("while testing mailbox/{name}")))
    };
    let mut total = Tested::default();
    for result in side_by_side(engine, mailboxes, work).await {
        total += result.unwrap_or_else(|failure| {
            exit::explain(&failure);
            Tested { failed: 1, ..Tested::default() }
        });
    }
    total
}

/// Says what the tests came to; the exit code tells failures.
pub async fn conclude(engine: &Engine, tested: Tested) -> Outcome {
    let Tested { passed, failed, deferred } = tested;
    let mut words = format!("Tests: {passed} passed, {failed} failed");
    if deferred > 0 {
        words.push_str(&format!(", {deferred} not run"));
    }
    output::data(&format!("{words}."))?;
    if engine.stopping.is_cancelled() {
        output::talk("stopped early; the rest waits for `mailplumb test`");
        return Ok(PARTIAL);
    }
    Ok(if failed > 0 { TEST_FAILED } else { DONE })
}
