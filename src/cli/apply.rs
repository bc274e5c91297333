//! `mailplumb apply`

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::compare::Comparing;
use super::context::{run, shown};
use super::exit::{DONE, Failure, Outcome, STALE};
use super::plan::{Creation, Overrides, planned};
use super::test::{conclude, test_all};
use super::{Global, output};
use crate::engine::test_and_enable::Which;
use crate::engine::{Engine, apply};
use crate::model::desired::Desired;
use crate::model::plan::Plan;
use crate::plan::render;
use crate::store::sqlite::Open;

/// Change the stored state, then test and enable the mailboxes
///
/// Makes a plan, shows it and asks; or applies a saved plan, of which only the sum is shown. The change is one transaction. Then
/// every mailbox whose connection is new or changed is tested and, when the test passes, enabled; until then one that works goes on
/// with its former connection.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb apply\n  mailplumb apply --auto-approve --tests defer\n  \
                        mailplumb plan --out change.plan && mailplumb apply change.plan")]
pub struct Apply {
    /// Apply this saved plan
    #[arg(value_name = "PLAN", conflicts_with_all = ["override_guard", "auto_approve"])]
    plan: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    auto_approve: bool,
    /// Test now, or leave it to `mailplumb test` and `mailplumb watch`
    #[arg(long, value_name = "WHEN", default_value = "now")]
    tests: Tests,
    #[command(flatten)]
    creation: Creation,
    #[command(flatten)]
    comparing: Comparing,
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tests {
    Now,
    Defer,
}

impl Apply {
    pub fn run(self, global: &Global) -> Outcome {
        let host = global.acting_host()?;
        let (desired, plan) = match &self.plan {
            Some(path) => {
                let desired = global.behind(&host, &self.overrides.policy())?;
                let plan = saved(path, &desired)?;
                (desired, plan)
            }
            None => planned(global, &host, (&self.creation, self.comparing, &self.overrides))?,
        };
        match &self.plan {
            // It was shown, and perhaps reviewed, when it was saved.
            Some(path) => output::data(&format!("{}: {}.", shown(path), render::Summary::of(&plan)))?,
            None => output::data(&render::text(&plan, render::Style::Coloured))?,
        }
        if !plan.blocked.is_empty() {
            return Err(apply::ApplyError::Blocked(plan.blocked).into());
        }
        if plan.is_empty() {
            return Ok(DONE);
        }
        if self.plan.is_none() && !self.auto_approve && !is_confirmed()? {
            return Err(Failure::new("not confirmed; nothing was changed"));
        }
        let engine = Arc::new(global.engine("apply", Open::CreateIfMissing)?);
        run(engine.stopping.clone(), self.execute(engine.clone(), &plan, &desired))
    }

    async fn execute(&self, engine: Arc<Engine>, plan: &Plan, desired: &Desired) -> Outcome {
        apply::apply(&engine, plan, desired).await?;
        let waiting = super::test::waiting(&engine).await?;
        match self.tests {
            Tests::Now => {
                let tested = test_all(&engine, waiting, Which::Needed).await;
                conclude(&engine, tested).await
            }
            Tests::Defer => {
                let count = output::counted(waiting.len(), "mailbox waits", "mailboxes wait");
                output::data(&format!("Applied. {count} for a test."))?;
                Ok(DONE)
            }
        }
    }
}

/// A saved plan, if the manifest is still the one that it was made from.
fn saved(path: &PathBuf, desired: &Desired) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("the plan `{}` cannot be read", shown(path))).cause(error))?;
    let plan = crate::plan::saved::parse(&text)
        .map_err(|error| Failure::new(format!("`{}` is not a saved plan", shown(path))).cause(error))?;
    if plan.manifest != desired.digest {
        return Err(Failure::new("the manifest has changed since the plan was made")
            .code(STALE)
            .hint("make a new plan, and have it reviewed again"));
    }
    Ok(plan)
}

fn is_confirmed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new("there is no terminal to ask on").hint(
            "review the plan and apply it with --auto-approve, or save it with `mailplumb plan --out`",
        ));
    }
    dialoguer::Confirm::new()
        .with_prompt("Apply this plan?")
        .default(false)
        .interact()
        .map_err(|error| Failure::new("the answer cannot be read").cause(error))
}
