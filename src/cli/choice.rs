//! Choosing a part of the manifest on the command line.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;

use super::context::shown;
use super::exit::Failure;
use crate::model::desired::Desired;
use crate::model::limits;
use crate::model::selection::{Selection, Selector};
use crate::model::stored::Stored;
use crate::plan::selection::{Unmatched, unmatched};

/// Which part of the manifest; all of it when nothing is said.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Part of the manifest")]
pub struct Choice {
    /// Only this: `mailbox/anna`, `profile/hq-*`, `secret/provider`, `organization`, `*@contoso.example`,
    /// `label:team=sales`, `kind:mailbox`; may be given several times
    #[arg(long = "target", value_name = "ADDRESS", value_parser = Selector::parse)]
    targets: Vec<Selector>,
    /// Not this, in the same forms; may be given several times
    #[arg(long = "exclude", value_name = "ADDRESS", value_parser = Selector::parse)]
    excludes: Vec<Selector>,
    /// Only what this file names, one per line; `#` begins a comment, `-` is stdin
    #[arg(long = "target-file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Choice {
    pub fn selection(&self) -> Result<Selection, Failure> {
        let mut targets = self.targets.clone();
        for path in &self.files {
            let before = targets.len();
            targets.extend(listed(path)?);
            if targets.len() == before {
                // An empty list means nothing, and must not come to mean everything.
                return Err(Failure::new(format!("`{}` names no target", shown(path)))
                    .hint("write one address per line, `mailbox/anna` for example"));
            }
        }
        if targets.len() + self.excludes.len() > limits::SELECTORS_MAX {
            return Err(Failure::new(format!("more than {} targets are named", limits::SELECTORS_MAX)));
        }
        Ok(Selection { targets, excludes: self.excludes.clone() })
    }
}

fn listed(path: &PathBuf) -> Result<Vec<Selector>, Failure> {
    let unreadable = |error| Failure::new(format!("`{}` cannot be read", shown(path))).cause(error);
    let mut text = String::new();
    let file: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).map_err(unreadable)?),
    };
    file.take(limits::TARGET_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > limits::TARGET_FILE_BYTES_MAX {
        let max = limits::TARGET_FILE_BYTES_MAX;
        return Err(Failure::new(format!("`{}` has more than {max} bytes", shown(path))));
    }
    let mut selectors = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let selector = Selector::parse(line)
            .map_err(|error| Failure::new(format!("{}:{number}: {error}", shown(path))))?;
        selectors.push(selector);
    }
    Ok(selectors)
}

/// Refuses selectors that match nothing: a misspelt one would leave out what was meant.
pub fn check(selection: &Selection, desired: &Desired, stored: &Stored) -> Result<(), Failure> {
    let mut failure: Option<Failure> = None;
    for Unmatched { selector, nearest } in unmatched(desired, stored, selection).into_iter().take(SAID_MAX) {
        let message = match nearest {
            Some(nearest) => {
                format!("`{selector}` is neither declared nor stored; did you mean `{nearest}`?")
            }
            None => format!("`{selector}` is neither declared nor stored"),
        };
        failure = Some(match failure {
            None => Failure::new(message),
            Some(failure) => failure.cause(message),
        });
    }
    match failure {
        None => Ok(()),
        Some(failure) => Err(failure.hint("`mailplumb plan` shows the addresses of everything that changes")),
    }
}

/// So many wrong selectors are said at once.
const SAID_MAX: usize = 20;
