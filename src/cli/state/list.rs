//! `mailplumb state list`

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::context::read;
use crate::cli::exit::{DONE, Outcome};
use crate::cli::listing::FORMAT_VERSION;
use crate::cli::{Format, Global, output, resource};
use crate::model::plan::Target;
use crate::model::selection::Pattern;
use crate::model::stored::Stored;
use crate::store::Store;

/// List the addresses of everything that is stored
///
/// One on each line: what can be given to `describe`, `state show` and other commands.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb state list\n  mailplumb state list 'mailbox/*' --label team=sales"
)]
pub struct List {
    /// Only addresses like this; `*` stands for any characters
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Only what has this label: KEY=VALUE, or KEY for any value. May be given several times
    #[arg(short, long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Print the addresses in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb state list --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StateList")]
pub struct Document {
    format_version: &'static str,
    /// The store's identity.
    store: Option<String>,
    /// Of the last apply; 0: nothing was applied yet.
    revision: u64,
    resources: Vec<Entry>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// `mailbox/anna`
    resource: String,
    /// `organization`, `secret`, `profile` or `mailbox`
    kind: &'static str,
    /// Mailboxes only.
    address: Option<String>,
}

impl List {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let stored = read(async { Ok(store.stored().await?) })?;
        let targets = resource::all(&stored).into_iter().filter(|target| self.selects(target, &stored));
        let resources: Vec<Entry> = targets.map(|target| entry(&target, &stored)).collect();
        match self.output {
            Format::Text => {
                let lines: Vec<&str> = resources.iter().map(|entry| entry.resource.as_str()).collect();
                output::data(&lines.join("\n"))?;
                let count = output::counted(lines.len(), "thing", "things");
                output::talk(&format!("{count} at revision {}", stored.revision));
            }
            Format::Json => output::json(&Document {
                format_version: FORMAT_VERSION,
                store: stored.store.map(|store| store.0),
                revision: stored.revision.0,
                resources,
            })?,
        }
        Ok(DONE)
    }

    fn selects(&self, target: &Target, stored: &Stored) -> bool {
        let address = target.to_string();
        let labels = match target {
            Target::Organization | Target::Secret(_) => None,
            Target::Profile(name) => stored.profiles.get(name).map(|profile| &profile.labels),
            Target::Mailbox(name) => stored.mailboxes.get(name).map(|mailbox| &mailbox.declared.labels),
        };
        let is_labelled = |label: &String| match (label.split_once('='), labels) {
            (_, None) => false,
            (Some((key, value)), Some(labels)) => labels.get(key).is_some_and(|found| found == value),
            (None, Some(labels)) => labels.contains_key(label),
        };
        (self.patterns.is_empty()
            || self.patterns.iter().any(|pattern| Pattern::new(pattern).matches(&address)))
            && self.labels.iter().all(is_labelled)
    }
}

fn entry(target: &Target, stored: &Stored) -> Entry {
    let address = match target {
        Target::Organization | Target::Secret(_) | Target::Profile(_) => None,
        Target::Mailbox(name) => {
            stored.mailboxes.get(name).map(|mailbox| mailbox.declared.address.to_string())
        }
    };
    Entry { resource: target.to_string(), kind: resource::kind(target), address }
}
