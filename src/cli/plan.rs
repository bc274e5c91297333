//! `mailplumb plan`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::compare::Comparing;
use super::context::{policy, shown};
use super::exit::{CHANGES, DONE, Failure, Outcome};
use super::{Global, output};
use crate::model::desired::Desired;
use crate::model::host::HostSettings;
use crate::model::plan::{Guard, Plan, Policy};
use crate::plan::render;
use crate::store::Store;

/// Show what would change in the stored state
///
/// Compares the manifest with what earlier applies stored and prints the steps, each with its reason and its consequence.
/// Changes nothing, contacts nobody, and needs no key. Where an identity is at hand that opens without asking, secrets whose
/// ciphertext changed are opened to tell whether their values did.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb plan\n  mailplumb plan --out change.plan && mailplumb apply change.plan\n  \
                        mailplumb plan --detailed-exitcode   # 0 nothing to do, 2 changes, 1 error"
)]
pub struct PlanCommand {
    /// Print the plan in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: PlanFormat,
    /// Save the plan in this file, for `mailplumb apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 when there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    creation: Creation,
    #[command(flatten)]
    comparing: Comparing,
    #[command(flatten)]
    overrides: Overrides,
}

/// Whether a store that was named has to be there.
#[derive(Debug, Clone, Args)]
pub struct Creation {
    /// Begin a new store where --state says, if there is none
    #[arg(long)]
    create: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    Text,
    Json,
    Markdown,
}

/// Guards that are overridden, each by name.
#[derive(Debug, Clone, Args)]
pub struct Overrides {
    /// Override this guard; may be given several times
    #[arg(long, value_name = "GUARD", requires = "reason", value_parser = parse_guard)]
    override_guard: Vec<Guard>,
    /// Judge what providers switch off as on this day [default: today]
    #[arg(long, value_name = "DATE")]
    as_of: Option<jiff::civil::Date>,
    /// Why guards are overridden; it is recorded
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Overrides {
    /// The policy of this build with these overrides.
    pub fn policy(&self) -> Policy {
        let reason = self.reason.clone().unwrap_or_default();
        let overrides = self.override_guard.iter().map(|guard| (*guard, reason.clone())).collect();
        let policy = policy();
        Policy { overrides, as_of: self.as_of.or(policy.as_of), ..policy }
    }
}

fn parse_guard(text: &str) -> Result<Guard, String> {
    Guard::ALL.into_iter().find(|guard| guard.key() == text).ok_or_else(|| {
        let names: Vec<&str> = Guard::ALL.iter().map(|guard| guard.key()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

impl PlanCommand {
    pub fn run(self, global: &Global) -> Outcome {
        let (_, plan) = planned(global, &global.host()?, (&self.creation, self.comparing, &self.overrides))?;
        match self.output {
            PlanFormat::Text => output::data(&render::text(&plan, render::Style::Coloured))?,
            PlanFormat::Json => output::data(&render::json(&plan))?,
            PlanFormat::Markdown => output::data(&render::markdown(&plan))?,
        }
        if let Some(path) = &self.out {
            save(&plan, path)?;
        }
        Ok(if self.detailed_exitcode && !plan.is_empty() { CHANGES } else { DONE })
    }
}

fn save(plan: &Plan, path: &PathBuf) -> Result<(), Failure> {
    std::fs::write(path, crate::plan::saved::to_text(plan)).map_err(|error| {
        Failure::new(format!("the plan cannot be saved in `{}`", shown(path))).cause(error)
    })?;
    output::talk(&format!(
        "saved in {}; apply exactly this with `mailplumb apply {}`",
        shown(path),
        shown(path)
    ));
    Ok(())
}

/// What the manifest asks for, as far as something may be to do, and the plan; without a store, everything is new, and it is
/// said.
pub fn planned(
    global: &Global,
    host: &HostSettings,
    (creation, comparing, overrides): (&Creation, Comparing, &Overrides),
) -> Result<(Desired, Plan), Failure> {
    let policy = overrides.policy();
    let store = if creation.create { global.store_if_there()? } else { global.store_to_read()? };
    if store.is_none() {
        output::talk(&format!("no store at {} yet: everything is new", shown(&global.state_path())));
    }
    let store = store.as_ref().map(|store| store as &dyn Store);
    let (inputs, desired) = global.inputs(host, &policy, store)?;
    let compared = comparing.compared(global, &desired, &inputs.stored)?;
    let plan = inputs.plan(&desired, &Policy { compared, ..policy });
    Ok((desired, plan))
}
