//! `mailplumb plan`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::choice::{self, Choice};
use super::compare::Comparing;
use super::context::{policy, shown};
use super::exit::{CHANGES, DONE, Failure, GUARDED, Outcome};
use super::{Global, output, saved, typed};
use crate::model::desired::Desired;
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::plan::{Guard, Plan, Policy};
use crate::model::revision::{Revision, StoreId};
use crate::model::stored::Stored;
use crate::plan::{render, snapshot};
use crate::store::Store;

/// Show what would change in the stored state
///
/// Compares the manifest with what earlier applies stored and prints the steps, each with its reason and its consequence.
/// Changes nothing that is declared or stored (a store of an older version gets this version's schema), contacts nobody, and needs no
/// key. Where an identity is at hand that opens without asking, secrets whose
/// ciphertext changed are opened to tell whether their values did.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb plan\n  mailplumb plan --target label:team=sales --exclude mailbox/anna\n  \
                        mailplumb plan --out change.plan && mailplumb apply change.plan\n  \
                        mailplumb plan --show change.plan\n  \
                        mailplumb plan --detailed-exitcode   # 0 nothing to do, 2 changes, 1 error"
)]
pub struct PlanCommand {
    /// Print the plan in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: PlanFormat,
    /// Leave the fields of each step out
    #[arg(long)]
    concise: bool,
    /// Save the plan in this file, for `mailplumb apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print this saved plan instead of making one
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["out", "snapshot", "targets", "excludes", "files", "override_guard", "as_of", "detailed_exitcode"]
    )]
    show: Option<PathBuf>,
    /// Plan against this snapshot of the state, as `mailplumb state snapshot` writes it
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Exit with 2 when there is something to do, with 10 when a guard or anything else blocks it
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    making: Making,
}

/// How a plan is made.
#[derive(Debug, Args)]
pub struct Making {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    creation: Creation,
    #[command(flatten)]
    comparing: Comparing,
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    Text,
    Json,
    Markdown,
}

/// Whether a store that was named has to be there.
#[derive(Debug, Clone, Args)]
struct Creation {
    /// Begin a new store where --state says, if there is none
    #[arg(long)]
    create: bool,
}

/// Guards that are overridden, each by name.
#[derive(Debug, Clone, Args)]
struct Overrides {
    /// Override this guard; may be given several times
    #[arg(long, value_name = "GUARD", requires = "reason", value_parser = parse_guard)]
    override_guard: Vec<Guard>,
    /// Judge what expires and what providers switch off as on this day [default: today]
    #[arg(long, value_name = "DATE")]
    as_of: Option<jiff::civil::Date>,
    /// Why guards are overridden; it is recorded
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: Option<String>,
}

/// The exit code that tells what `apply` would find.
fn detailed(plan: &Plan) -> u8 {
    match plan {
        Plan { blocked, .. } if !blocked.is_empty() => GUARDED,
        plan if plan.is_empty() => DONE,
        _ => CHANGES,
    }
}

impl Making {
    /// The policy of this build with what was chosen and overridden.
    pub fn policy(&self) -> Result<Policy, Failure> {
        let reason = self.overrides.reason.clone().unwrap_or_default();
        let overrides = self.overrides.override_guard.iter().map(|guard| (*guard, reason.clone())).collect();
        let policy = policy();
        let (as_of, selection) = (self.overrides.as_of.or(policy.as_of), self.choice.selection()?);
        Ok(Policy { overrides, as_of, selection, ..policy })
    }

    /// What the manifest asks for, as far as something may be to do, and the plan; without a store, everything is new, and it
    /// is said.
    pub fn plan(
        &self,
        global: &Global,
        host: &HostSettings,
        id_of_new: Option<StoreId>,
    ) -> Result<(Desired, Plan), Failure> {
        let policy = self.policy()?;
        let store = if self.creation.create { global.store_if_there()? } else { global.store_to_read()? };
        let store = store.as_ref().map(|store| store as &dyn Store);
        let (mut inputs, desired) = global.inputs(host, &policy, store)?;
        if store.is_none() {
            output::talk(&format!("no store at {} yet: everything is new", shown(&global.state_path())));
        }
        if inputs.stored.store.is_none() {
            inputs.stored.store = id_of_new;
        }
        choice::check(&policy.selection, &desired, &inputs.stored)?;
        let compared = self.comparing.compared(global, &desired, &inputs.stored)?;
        let plan = inputs.plan(&desired, &Policy { compared, ..policy });
        Ok((desired, plan))
    }
}

fn parse_guard(text: &str) -> Result<Guard, String> {
    Guard::ALL.into_iter().find(|guard| guard.key() == text).ok_or_else(|| {
        let names: Vec<&str> = Guard::ALL.iter().map(|guard| guard.key()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn parse_reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        Err("a reason has words".to_owned())
    } else if text.chars().count() > limits::REASON_CHARACTERS_MAX {
        Err(format!("a reason has at most {} characters", limits::REASON_CHARACTERS_MAX))
    } else {
        Ok(text.to_owned())
    }
}

impl PlanCommand {
    pub fn run(self, global: &Global) -> Outcome {
        if let Some(path) = &self.show {
            return self.show(path, global);
        }
        let plan = match &self.snapshot {
            Some(path) => against_snapshot(global, path, &self.making.policy()?)?,
            None => {
                // The store that `apply` makes is known by this name, so that a saved plan fits no other one.
                let id = self.out.is_some().then(crate::store::sqlite::new_id).transpose()?;
                self.making.plan(global, &global.host()?, id)?.1
            }
        };
        self.print(&plan)?;
        if let Some(path) = &self.out {
            let state = global.state_path();
            let new_store = (self.snapshot.is_none() && !state.exists()).then_some(state.as_path());
            saved::save(&plan, &crate::source::Source::load(&global.source())?, new_store, path)?;
        }
        Ok(if self.detailed_exitcode { detailed(&plan) } else { DONE })
    }

    fn show(&self, path: &Path, global: &Global) -> Outcome {
        let (plan, circumstances) = saved::read(path)?;
        output::talk(&format!("{}: {}", shown(path), saved::provenance(&plan, &circumstances)));
        // Only a hint: a reviewer may look at a plan where the store is not.
        if let Ok(Some(store)) = global.store_to_read()
            && let Ok(now) = super::context::run(tokio_util::sync::CancellationToken::new(), async {
                Ok(store.revisions(1).await?.pop().map_or(Revision::default(), |entry| entry.revision))
            })
            && now != plan.revision
        {
            output::warning(&format!(
                "it is stale: it was made from revision {} and the state is at revision {now}",
                plan.revision
            ));
        }
        self.print(&plan)?;
        Ok(DONE)
    }

    fn print(&self, plan: &Plan) -> Result<(), Failure> {
        let detail = if self.concise { render::Detail::Concise } else { render::Detail::Fields };
        match self.output {
            PlanFormat::Text => {
                output::data(&typed::advice(&render::text_in(plan, render::Style::Coloured, detail)))
            }
            PlanFormat::Json => output::data(&render::json(plan)),
            PlanFormat::Markdown => output::data(&render::markdown_in(plan, detail)),
        }
    }
}

fn read_snapshot(path: &Path) -> Result<Stored, Failure> {
    let hint = "name a file that `state snapshot --out FILE` wrote";
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("the snapshot `{}` cannot be read", shown(path))).cause(error).hint(hint)
    })?;
    snapshot::parse(&text).map_err(|error| {
        Failure::new(format!("`{}` cannot be planned against", shown(path))).cause(error).hint(hint)
    })
}

/// A plan where the store is not: nothing is compared by value there.
fn against_snapshot(global: &Global, path: &Path, policy: &Policy) -> Result<Plan, Failure> {
    let desired = global.desired(&global.host()?, policy)?;
    let stored = read_snapshot(path)?;
    choice::check(&policy.selection, &desired, &stored)?;
    Ok(crate::plan::plan(&desired, &stored, policy))
}
