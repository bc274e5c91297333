//! `mailplumb history`

use clap::Args;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::read;
use super::exit::{DONE, Failure, Outcome};
use super::listing::FORMAT_VERSION;
use super::{Format, Global, output};
use crate::model::plan::Overridden;
use crate::model::revision::{Revision, RevisionEntry};
use crate::store::Store;
use crate::store::report::Report;
use crate::store::sqlite::SqliteStore;

/// List the applies, newest first, or show one
///
/// Each apply made one revision: when, by whom, how much it changed, and of which manifest.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb history --limit 10\n  mailplumb history 12")]
pub struct History {
    /// Show this revision
    #[arg(value_name = "REVISION")]
    revision: Option<u64>,
    /// Print at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50, conflicts_with = "revision")]
    limit: u64,
    /// Print the revisions in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb history --output json`, with or without a revision
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "History")]
pub struct Document {
    format_version: &'static str,
    /// Newest first.
    revisions: Vec<Entry>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Entry {
    revision: u64,
    applied_at: Timestamp,
    /// The command, its host and its process.
    applied_by: String,
    created: u64,
    updated: u64,
    deleted: u64,
    /// Digest of the manifest that was applied; the same manifest has the same one.
    manifest: String,
    /// The part of the manifest that it was limited to, for people. Null: all of it.
    limited_to: Option<String>,
    /// The guards that were overridden for it.
    overridden: Vec<Override>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Override {
    /// Stable, for scripts: `deletions`, `prevent-destroy` …
    guard: &'static str,
    /// What the guard said.
    message: String,
    /// Why it was overridden, in the words of whoever did.
    reason: String,
}

impl Entry {
    fn of(entry: RevisionEntry) -> Self {
        Self {
            revision: entry.revision.0,
            applied_at: entry.applied_at,
            applied_by: entry.holder,
            created: entry.created,
            updated: entry.updated,
            deleted: entry.deleted,
            manifest: entry.manifest.0,
            limited_to: (!entry.selection.is_everything()).then(|| entry.selection.to_string()),
            overridden: entry.overridden.into_iter().map(Override::of).collect(),
        }
    }
}

impl Override {
    fn of(overridden: Overridden) -> Self {
        Self { guard: overridden.guard.key(), message: overridden.message, reason: overridden.reason }
    }
}

impl History {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let entries = read(self.entries(&store))?;
        let revisions: Vec<Entry> = entries.into_iter().map(Entry::of).collect();
        match (self.output, self.revision) {
            (Format::Json, _) => output::json(&Document { format_version: FORMAT_VERSION, revisions })?,
            (Format::Text, Some(_)) => {
                output::data(&revisions.iter().map(details).collect::<Vec<_>>().join("\n"))?;
            }
            (Format::Text, None) => {
                let rows = revisions.iter().map(row).collect();
                let header = ["revision", "applied", "created", "updated", "deleted", "manifest", "by", ""];
                output::data(&output::table(&header, rows))?;
                output::talk(&format!("{} shown", output::counted(revisions.len(), "revision", "revisions")));
            }
        }
        Ok(DONE)
    }

    async fn entries(&self, store: &SqliteStore) -> Result<Vec<RevisionEntry>, Failure> {
        let Some(wanted) = self.revision else { return Ok(store.revisions(self.limit).await?) };
        if let Some(entry) = store.revision(Revision(wanted)).await? {
            return Ok(vec![entry]);
        }
        let newest = store.revisions(1).await?.first().map_or(0, |entry| entry.revision.0);
        Err(Failure::new(format!("there is no revision {wanted}")).hint(match newest {
            0 => "nothing was applied yet".to_owned(),
            newest => format!("the newest one is {newest}; `mailplumb history` lists them"),
        }))
    }
}

fn row(entry: &Entry) -> Vec<String> {
    vec![
        entry.revision.to_string(),
        output::moment(entry.applied_at),
        entry.created.to_string(),
        entry.updated.to_string(),
        entry.deleted.to_string(),
        entry.manifest.chars().take(12).collect(),
        entry.applied_by.clone(),
        remarks(entry),
    ]
}

/// What sets an apply apart from an ordinary one.
fn remarks(entry: &Entry) -> String {
    let guards: Vec<&str> = entry.overridden.iter().map(|one| one.guard).collect();
    let overridden = (!guards.is_empty()).then(|| format!("overrode {}", guards.join(", ")));
    let limited = entry.limited_to.as_ref().map(|selection| format!("for {selection}"));
    limited.into_iter().chain(overridden).collect::<Vec<_>>().join("; ")
}

fn details(entry: &Entry) -> String {
    let mut lines = vec![
        format!("revision  {}", entry.revision),
        format!("applied   {}", output::moment(entry.applied_at)),
        format!("by        {}", output::shown(&entry.applied_by)),
        format!("changes   {} created, {} updated, {} deleted", entry.created, entry.updated, entry.deleted),
        format!("manifest  {}", entry.manifest),
    ];
    lines.extend(entry.limited_to.iter().map(|selection| format!("for       {selection}")));
    for one in &entry.overridden {
        lines.push(format!("overrode  {}: {}", one.guard, output::shown(&one.message)));
        lines.push(format!("  because {}", output::shown(&one.reason)));
    }
    lines.join("\n")
}
