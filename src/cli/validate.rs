//! `mailplumb validate`

use clap::Args;

use super::context::today;
use super::exit::{DONE, ERROR, Outcome};
use super::{Format, Global, output, problems};
use crate::engine::reconcile::{self, Loaded};
use crate::manifest;
use crate::model::problem::Severity;

/// Report every problem of the manifest at once
///
/// Reads all files and reports each problem with its file, line and column, what was expected and what to do. Needs neither
/// a key nor a store nor a network.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailplumb validate --file ./mail")]
pub struct Validate {
    /// Print the problems in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

impl Validate {
    pub fn run(self, global: &Global) -> Outcome {
        let Loaded { files, desired, problems: mut found } =
            reconcile::load(&global.source(), &global.host()?)?;
        found.extend(desired.iter().flat_map(|desired| manifest::expiry::check(desired, today())));
        let count = |severity: Severity| found.iter().filter(|problem| problem.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        match self.output {
            Format::Json => output::json(&problems::to_json(&found))?,
            Format::Text => {
                problems::print(&found, &files);
                let words = format!(
                    "{}, {}",
                    output::counted(errors, "error", "errors"),
                    output::counted(warnings, "warning", "warnings")
                );
                output::data(&match &desired {
                    Some(desired) => format!(
                        "Valid: {}, {}; {words}.",
                        output::counted(desired.profiles.len(), "profile", "profiles"),
                        output::counted(desired.mailboxes.len(), "mailbox", "mailboxes")
                    ),
                    None => format!("Not valid: {words}."),
                })?;
            }
        }
        Ok(if desired.is_some() { DONE } else { ERROR })
    }
}
