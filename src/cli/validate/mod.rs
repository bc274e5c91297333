//! `mailplumb validate`

mod github;
mod json;
mod places;
mod sarif;

use clap::{Args, ValueEnum};

pub use self::json::Document;
use self::places::Places;
use super::context::{policy, today};
use super::exit::{DONE, ERROR, Failure, Outcome, USAGE};
use super::{Global, output, problems};
use crate::engine::reading::{self, Against, Survey};
use crate::manifest::{self, codes};
use crate::model::desired::Desired;
use crate::model::limits;
#[cfg(test)]
use crate::model::problem::SourceFile;
use crate::model::problem::{Problem, Severity};
use crate::secrets::environment::Environment;

/// Report every problem of the manifest at once
///
/// Reads all files and reports each problem with its file, line and column, what was expected and what to do. Needs neither
/// a key nor a store nor a network.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb validate --file ./mail\n  mailplumb validate --output sarif > mailplumb.sarif\n  \
                        mailplumb validate --explain MP0023"
)]
pub struct Validate {
    /// Print the problems in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Form,
    /// Judge what expires and what providers switch off as on this day [default: today]
    #[arg(long, value_name = "DATE")]
    as_of: Option<jiff::civil::Date>,
    /// Explain this code instead, and read no manifest
    #[arg(long, value_name = "CODE", conflicts_with_all = ["output", "as_of"])]
    explain: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// For programs
    Json,
    /// Annotations of a GitHub workflow; the text goes to stderr
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

impl Validate {
    pub fn run(self, global: &Global) -> Outcome {
        if let Some(code) = &self.explain {
            return explain(code);
        }
        let Survey { files, desired, problems: mut found, not_judged, rest, .. } =
            reading::survey(&global.source(), &global.host()?, &policy(), Against::Nothing)?;
        let as_of = self.as_of.unwrap_or_else(today);
        found.extend(desired.iter().flat_map(|desired| manifest::expiry::check(desired, as_of)));
        found.extend(desired.iter().flat_map(|desired| manifest::dated::warnings(desired, as_of)));
        let base = match self.output {
            Form::Text | Form::Json => places::here(),
            Form::Github | Form::Sarif => places::repository(&Environment::Process),
        };
        let places = Places::within(&base, &files, &found);
        match self.output {
            Form::Text => {
                problems::print(&found, &files);
                output::data(&sum(
                    desired.as_ref().map(|desired| (desired, rest.mailboxes)),
                    &found,
                    &not_judged,
                ))?;
            }
            Form::Json => output::json(&json::document(&found, &places, &not_judged))?,
            Form::Sarif => output::json(&sarif::document(&found, &places))?,
            Form::Github => {
                problems::print(&found, &files);
                output::talk(&sum(
                    desired.as_ref().map(|desired| (desired, rest.mailboxes)),
                    &found,
                    &not_judged,
                ));
                output::data(&github::commands(&found, &places))?;
            }
        }
        Ok(if desired.is_some() { DONE } else { ERROR })
    }
}

fn count(problems: &[Problem], severity: Severity) -> usize {
    problems.iter().filter(|problem| problem.severity == severity).count()
}

/// `desired`: with the number of mailboxes that were read and let go.
fn sum(desired: Option<(&Desired, usize)>, problems: &[Problem], not_judged: &[&str]) -> String {
    let errors = match problems.last() {
        Some(last) if last.code == codes::TOO_MANY_PROBLEMS.0 => {
            format!("more than {} errors", limits::PROBLEMS_KEPT_MAX)
        }
        Some(_) | None => output::counted(count(problems, Severity::Error), "error", "errors"),
    };
    let warnings = output::counted(count(problems, Severity::Warning), "warning", "warnings");
    match desired {
        Some((desired, let_go)) => format!(
            "Valid: {}, {}; {errors}, {warnings}.",
            output::counted(desired.profiles.len(), "profile", "profiles"),
            output::counted(desired.mailboxes.len() + let_go, "mailbox", "mailboxes")
        ),
        None if not_judged.is_empty() => format!("Not valid: {errors}, {warnings}."),
        None => format!(
            "Not valid: {errors}, {warnings}.\nNot checked, because it may stand in what could not be read: {}.",
            not_judged.join("; ")
        ),
    }
}

fn explain(code: &str) -> Outcome {
    match manifest::meanings::explanation(code) {
        Some(text) => {
            output::data(text)?;
            Ok(DONE)
        }
        None => Err(Failure::new(format!("there is no code `{}`", code.escape_debug()))
            .hint("codes look like MP0023; docs/problems.md lists them")
            .code(USAGE)),
    }
}

#[cfg(test)]
fn problems_of(text: &str) -> (Vec<SourceFile>, Vec<Problem>) {
    let files = vec![SourceFile {
        name: "a b.yaml".into(),
        path: "./mail/a b.yaml".into(),
        bytes: text.as_bytes().into(),
        layer: None,
        fault: None,
    }];
    let problems = manifest::read(&files, &crate::model::host::HostSettings::default()).problems;
    (files, problems)
}
