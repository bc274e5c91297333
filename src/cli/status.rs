//! `mailplumb status`

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::read;
use super::exit::{DONE, Failure, Outcome};
use super::listing::FORMAT_VERSION;
use super::selectors::Selectors;
use super::view::{self, Operations, OutboxFigures, StateCode};
use super::{Format, Global, output, typed};
use crate::model::operation::Operation;
use crate::store::report::Report as _;
use crate::store::sqlite::SqliteStore;
use crate::store::{MailboxFigures, MailboxRow, Store};

/// Show the state of every mailbox
///
/// A sum first, then one line for each mailbox: the state of its operations, how many messages were recorded, what waits in the
/// outbox. Then what does not work, why, and what to do.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb status\n  mailplumb status --in-state disabled --in-state retrying\n  \
                        mailplumb status --label team=sales --output json"
)]
pub struct Status {
    #[command(flatten)]
    selectors: Selectors,
    /// Print the state in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb status --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Status")]
pub struct Document {
    format_version: &'static str,
    /// Of the last apply; 0: nothing was applied yet.
    revision: u64,
    /// Of the mailboxes that are listed.
    summary: Summary,
    /// By name.
    mailboxes: Vec<Line>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Summary {
    mailboxes: usize,
    /// How many mailboxes have each operation in each state; states that none is in are left out.
    operations: BTreeMap<Operation, BTreeMap<StateCode, usize>>,
    records: u64,
    quarantined: u64,
    outbox: OutboxFigures,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    address: String,
    profile: Option<String>,
    operations: Operations,
    /// Messages that were received and recorded.
    records: u64,
    /// Those of them that were not understood.
    quarantined: u64,
    outbox: OutboxFigures,
    /// Since when the message is missing that a test sent to the mailbox itself. Left out: it came back, or none was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_received_back: Option<Timestamp>,
}

impl Status {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let report = read(report(&store, &self.selectors))?;
        match self.output {
            Format::Json => output::json(&report)?,
            Format::Text => print(&report)?,
        }
        Ok(DONE)
    }
}

async fn report(store: &SqliteStore, selectors: &Selectors) -> Result<Document, Failure> {
    let revision = store.revisions(1).await?.first().map_or(0, |entry| entry.revision.0);
    let chosen = selectors.choose(store.mailboxes().await?)?;
    let figures = store.all_figures().await?;
    let none = MailboxFigures::default();
    let figures_of = |row: &MailboxRow| figures.get(&row.stored.declared.name).unwrap_or(&none);
    let mailboxes: Vec<Line> = chosen.iter().map(|row| line(row, figures_of(row))).collect();
    Ok(Document { format_version: FORMAT_VERSION, revision, summary: sum(&mailboxes), mailboxes })
}

fn line(row: &MailboxRow, figures: &MailboxFigures) -> Line {
    let declared = &row.stored.declared;
    Line {
        name: declared.name.to_string(),
        address: declared.address.to_string(),
        profile: declared.profile.as_ref().map(ToString::to_string),
        operations: view::operations(&row.stored.operations),
        records: figures.records,
        quarantined: figures.quarantined,
        outbox: OutboxFigures::of(figures),
        not_received_back: figures.not_received_back,
    }
}

fn sum(lines: &[Line]) -> Summary {
    let mut summary = Summary {
        mailboxes: lines.len(),
        operations: BTreeMap::new(),
        records: 0,
        quarantined: 0,
        outbox: OutboxFigures::default(),
    };
    for line in lines {
        for (operation, of) in &line.operations {
            *summary.operations.entry(*operation).or_default().entry(of.state).or_default() += 1;
        }
        summary.records += line.records;
        summary.quarantined += line.quarantined;
        summary.outbox.add(&line.outbox);
    }
    summary
}

fn print(report: &Document) -> Result<(), Failure> {
    output::data(&summary_words(report))?;
    if report.mailboxes.is_empty() {
        return Ok(());
    }
    let state = |line: &Line, operation| {
        line.operations.get(&operation).map_or_else(String::new, |of| of.text.clone())
    };
    let row = |line: &Line| {
        vec![
            line.name.clone(),
            line.profile.clone().unwrap_or_else(|| "-".to_owned()),
            state(line, Operation::Incoming),
            state(line, Operation::Outgoing),
            state(line, Operation::Act),
            line.records.to_string(),
            line.outbox.words(),
            output::moment_or_dash(line.operations.get(&Operation::Incoming).and_then(|of| of.cycle_at)),
        ]
    };
    let header = ["mailbox", "profile", "incoming", "outgoing", "act", "records", "outbox", "last read"];
    let table = output::table(&header, report.mailboxes.iter().map(row).collect());
    output::data(&format!("\n{table}"))?;
    print_failures(&report.mailboxes)
}

/// `3 mailboxes at revision 12. Incoming: 2 enabled, 1 disabled. …`
fn summary_words(report: &Document) -> String {
    let summary = &report.summary;
    let count = output::counted(summary.mailboxes, "mailbox", "mailboxes");
    let mut words = format!("{count} at revision {}", report.revision);
    for (operation, states) in &summary.operations {
        let states: Vec<String> =
            states.iter().map(|(state, count)| format!("{count} {}", state.key())).collect();
        words.push_str(&format!("\n{:<9} {}", format!("{operation}:"), states.join(", ")));
    }
    words.push_str(&format!("\n{:<9} {}", "outbox:", summary.outbox.words()));
    if let Some(oldest) = summary.outbox.oldest_pending_at {
        words.push_str(&format!(" (the oldest waits since {})", output::moment(oldest)));
    }
    if summary.quarantined > 0 {
        let quarantined = output::counted(
            usize::try_from(summary.quarantined).unwrap_or(usize::MAX),
            "message is quarantined",
            "messages are quarantined",
        );
        let more = typed::advice("`mailplumb messages --quarantined` lists them");
        words.push_str(&format!("\nrecords:  {quarantined}; {more}"));
    }
    words
}

/// The same trouble of many mailboxes is told once.
fn print_failures(lines: &[Line]) -> Result<(), Failure> {
    let mut troubles: BTreeMap<(&Operation, &String, &String), Vec<&str>> = BTreeMap::new();
    let mut changes: BTreeMap<(&Operation, String), Vec<&str>> = BTreeMap::new();
    for line in lines {
        for (operation, of) in &line.operations {
            if let (Some(cause), Some(remedy)) = (&of.cause, &of.remedy) {
                troubles.entry((operation, cause, remedy)).or_default().push(&line.name);
            }
            if let Some(pending) = &of.pending {
                changes.entry((operation, pending.words())).or_default().push(&line.name);
            }
        }
    }
    for ((operation, cause, remedy), names) in troubles {
        let shown = some_names(&names);
        output::data(&format!(
            "\n{shown}, {operation}: {}\n  do: {}",
            output::shown(cause),
            typed::remedy(remedy)
        ))?;
    }
    for ((operation, words), names) in changes {
        output::data(&format!("\n{}, {operation}: {words}", some_names(&names)))?;
    }
    let missing: Vec<&str> =
        lines.iter().filter(|line| line.not_received_back.is_some()).map(|line| line.name.as_str()).collect();
    if !missing.is_empty() {
        output::data(&format!(
            "\n{}, outgoing: the message of the last test has not come back (not-received-back)\n  do: {}",
            some_names(&missing),
            typed::advice("`mailplumb describe MAILBOX` says since when, and where to look")
        ))?;
    }
    Ok(())
}

fn some_names(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

const NAMES_SHOWN: usize = 5;
