//! `mailplumb apply`

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::confirm::{self, Input};
use super::context::{read, run, shown};
use super::exit::{DONE, Failure, Outcome, STALE};
use super::plan::Making;
use super::progress::Progress;
use super::report::Applied;
use super::{Format, Global, output, saved, typed};
use crate::engine::Engine;
use crate::engine::apply::{self, Provenance};
use crate::engine::lease::Held;
use crate::engine::run::{Unfinished, defer, unfinished, waiting};
use crate::model::desired::Desired;
use crate::model::host::HostSettings;
use crate::model::lease::LeaseScope;
use crate::model::ledger::RunKind;
use crate::model::name::Name;
use crate::model::plan::Plan;
use crate::plan::render;
use crate::secrets::Presence;
use crate::store::Store as _;
use crate::store::sqlite::Open;

/// Change the stored state, then test and enable the mailboxes
///
/// Makes a plan, shows it and asks; or applies a saved plan, of which only the sum is shown. The change is one transaction. Then
/// every mailbox whose connection is new or changed is tested and, when the test passes, enabled; until then one that works goes on
/// with its former connection. Of a profile with many mailboxes a few are tested first; when they fail for a reason that holds for
/// all, the others are not tested.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb apply\n  mailplumb apply --auto-approve --tests defer\n  \
                        mailplumb apply --target label:team=sales\n  \
                        mailplumb plan --out change.plan && mailplumb apply change.plan\n  \
                        mailplumb apply --resume")]
pub struct Apply {
    /// Apply this saved plan; it is its own approval
    #[arg(
        value_name = "PLAN",
        conflicts_with_all = ["override_guard", "as_of", "reason", "auto_approve", "targets", "excludes", "files", "concise"]
    )]
    plan: Option<PathBuf>,
    /// Go on with the tests that the last apply skipped or did not start
    #[arg(
        long,
        conflicts_with_all = [
            "plan", "override_guard", "as_of", "reason", "auto_approve", "targets", "excludes", "files", "concise", "tests"
        ]
    )]
    resume: bool,
    /// Do not ask
    #[arg(long)]
    auto_approve: bool,
    /// Whether questions may be asked
    #[arg(
        long,
        value_name = "BOOL",
        env = "MAILPLUMB_INPUT",
        default_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        action = clap::ArgAction::Set
    )]
    input: bool,
    /// Test now, or leave it to `mailplumb test` and `mailplumb watch`
    #[arg(long, value_name = "WHEN", default_value = "now")]
    tests: Tests,
    /// Wait so long for somebody else who is changing the state: `30s`, `5m`
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    lock_timeout: Duration,
    /// Print the plan and what it came to as text, or one JSON document at the end
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    /// Leave the fields of each step out
    #[arg(long)]
    concise: bool,
    #[command(flatten)]
    making: Making,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tests {
    Now,
    Defer,
}

/// `30s`, `5m`, `2h`
fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with a unit: `30s`, `5m`, `2h`".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| expected())?;
    let seconds = match unit {
        's' => Some(number),
        'm' => number.checked_mul(60),
        'h' => number.checked_mul(3600),
        _ => None,
    };
    seconds.filter(|seconds| *seconds <= 86_400).map(Duration::from_secs).ok_or_else(expected)
}

/// Plans that are made one after the other because somebody else changed the state in the meantime.
const PLANS_MAX: usize = 10;

impl Apply {
    pub fn run(self, global: &Global) -> Outcome {
        if self.resume {
            return self.resume(global);
        }
        let host = global.acting_host()?;
        if let Some(path) = &self.plan {
            let desired = global.behind(&host, &self.making.policy()?)?;
            let plan = saved::read_fitting(path, &desired, &global.source(), &global.state_path())?;
            return self.carry_out(global, desired, plan);
        }
        for _ in 0..PLANS_MAX {
            let (desired, plan) = self.fresh(global, &host)?;
            match self.carry_out(global, desired, plan) {
                Err(failure) if failure.code == STALE && !self.lock_timeout.is_zero() => {
                    output::talk(&format!("{}; planning again", failure.message));
                }
                outcome => return outcome,
            }
        }
        Err(Failure::new(format!("the state was changed {PLANS_MAX} times while this waited for it"))
            .code(STALE)
            .hint("run the command again when the others are done"))
    }

    fn carry_out(&self, global: &Global, desired: Desired, plan: Plan) -> Outcome {
        // The process ends with them; to free a hundred thousand steps one by one would only take time.
        let (desired, plan) = (ManuallyDrop::new(desired), ManuallyDrop::new(plan));
        self.show(&plan)?;
        if !plan.blocked.is_empty() {
            return Err(apply::ApplyError::Blocked(plan.blocked.clone()).into());
        }
        if plan.is_empty() {
            return self.without_change(global, &plan);
        }
        if self.plan.is_none() && !self.auto_approve {
            confirm::confirm(&plan, if self.input { Input::Terminal } else { Input::Never })?;
        }
        // Nothing has to be opened where the tests are left to others; an identity only helps to recognise values later.
        let keyring = match self.tests {
            Tests::Now => global.keyring()?,
            Tests::Defer => global.keyring_at_hand(Presence::Attended)?,
        };
        let (engine, progress) = watched(global.engine_for("apply", &plan, keyring)?);
        run(engine.stopping.clone(), self.execute(engine.clone(), progress, &plan, &desired))
    }

    /// A plan of what is stored now. Whoever is willing to wait for somebody else's change plans after it.
    fn fresh(&self, global: &Global, host: &HostSettings) -> Result<(Desired, Plan), Failure> {
        if !self.lock_timeout.is_zero() && global.state_path().exists() {
            let engine = global.engine_without_keys("apply")?;
            run(engine.stopping.clone(), async {
                let held = Held::acquire_within(&engine, &LeaseScope::State, self.lock_timeout).await?;
                held.release(&engine).await;
                Ok(())
            })?;
        }
        self.making.plan(global, host, None)
    }

    fn show(&self, plan: &Plan) -> Result<(), Failure> {
        let detail = if self.concise { render::Detail::Concise } else { render::Detail::Fields };
        match (self.output, &self.plan) {
            // It was shown, and perhaps reviewed, when it was saved.
            (Format::Text, Some(path)) => {
                output::data(&format!("{}: {}.", shown(path), render::Summary::of(plan)))
            }
            (Format::Text, None) => {
                output::data(&typed::advice(&render::text_in(plan, render::Style::Coloured, detail)))
            }
            (Format::Json, path) => {
                let name = path.as_deref().map_or_else(|| "the plan".to_owned(), |path: &Path| shown(path));
                output::talk(&format!("{name}: {}", render::Summary::of(plan)));
                Ok(())
            }
        }
    }

    /// Nothing is to be stored, and so nothing to be asked. What waits for its test is tested all the same.
    fn without_change(&self, global: &Global, plan: &Plan) -> Outcome {
        let mut applied = Applied { plan: Some(plan), ..Applied::default() };
        // A part is planned by whoever wants nothing else to be touched.
        // A saved plan is used once, and one that has no revision would be used again and again.
        if self.plan.is_some() {
            let more = typed::advice("`mailplumb test` tests what waits for it");
            output::talk(&format!("the saved plan changes nothing; {more}"));
            return self.conclude(&applied);
        }
        let waiting = match (self.tests, plan.selection.is_everything(), global.store_if_there()?) {
            (Tests::Now, true, Some(store)) => read(async { Ok(store.waiting().await?) })?,
            (Tests::Now, true, None) | (Tests::Now, false, _) | (Tests::Defer, _, _) => Vec::new(),
        };
        if waiting.is_empty() {
            return self.conclude(&applied);
        }
        let (engine, progress) = watched(global.engine("apply", Open::Existing)?);
        run(engine.stopping.clone(), async {
            let waiting = waiting.into_iter().collect();
            applied.report = super::test::tests(&engine, &progress, RunKind::Apply, waiting).await?;
            self.conclude(&applied)
        })
    }

    async fn execute(
        &self,
        engine: Arc<Engine>,
        progress: Arc<Progress>,
        plan: &Plan,
        desired: &Desired,
    ) -> Outcome {
        let provenance = match &self.plan {
            Some(_) => Provenance::Saved,
            None => Provenance::Fresh,
        };
        let revision = apply::apply_within(&engine, (plan, provenance), desired, self.lock_timeout).await?;
        let mut applied = Applied { plan: Some(plan), revision: Some(revision), ..Applied::default() };
        let waiting = waiting(&engine).await?;
        match self.tests {
            Tests::Now => {
                applied.report = super::test::tests(&engine, &progress, RunKind::Apply, waiting).await?;
            }
            Tests::Defer => {
                defer(&engine, &waiting).await?;
                applied.deferred = waiting.len() as u64;
            }
        }
        self.conclude(&applied)
    }

    fn resume(&self, global: &Global) -> Outcome {
        let (engine, progress) = watched(global.engine("apply", Open::Existing)?);
        run(engine.stopping.clone(), async {
            let left: BTreeSet<Name> = match unfinished(&engine).await? {
                Unfinished::Mailboxes(left) => left,
                Unfinished::NeverApplied => {
                    output::talk("nothing to resume: nothing was ever applied here");
                    BTreeSet::new()
                }
                Unfinished::Nothing => {
                    output::talk("nothing to resume: the last apply has nothing left that waits for a test");
                    BTreeSet::new()
                }
            };
            let mut applied = Applied::default();
            if !left.is_empty() {
                applied.report = super::test::tests(&engine, &progress, RunKind::Resume, left).await?;
            } else if self.output == Format::Text {
                return Ok(DONE);
            }
            self.conclude(&applied)
        })
    }

    fn conclude(&self, applied: &Applied<'_>) -> Outcome {
        match self.output {
            Format::Json => applied.json()?,
            Format::Text if applied.revision.is_none() && applied.report.entries.is_empty() => {}
            Format::Text if applied.deferred == 0 && applied.report.entries.is_empty() => {
                output::data("Applied. No mailbox waits for a test.")?;
            }
            Format::Text => applied.text()?,
        }
        Ok(applied.code())
    }
}

/// The engine with a progress that listens to it.
pub fn watched(mut engine: Engine) -> (Arc<Engine>, Arc<Progress>) {
    let progress = Arc::new(Progress::new(Arc::clone(&engine.clock), engine.stopping.clone()));
    engine.listener = Arc::clone(&progress) as Arc<dyn crate::model::event::Listener>;
    (Arc::new(engine), progress)
}
