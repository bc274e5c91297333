//! `mailplumb status`

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::context::run;
use super::exit::{DONE, Failure, Outcome};
use super::{Format, Global, output};
use crate::engine::drive::standing_of;
use crate::model::operation::{Operation, OperationState};
use crate::model::pending::Pending;
use crate::store::{MailboxFigures, MailboxRow, Store};

/// Show the state of every mailbox
///
/// One line for each mailbox: the state of its operations, how many messages were recorded, what waits in the outbox.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb status\n  mailplumb status --output json")]
pub struct Status {
    /// Print the state in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    format_version: u32,
    revision: u64,
    mailboxes: Vec<Line>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    address: String,
    profile: Option<String>,
    operations: BTreeMap<&'static str, OperationLine>,
    records: u64,
    quarantined: u64,
    outbox: OutboxLine,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OperationLine {
    /// As in the text form.
    state: String,
    tested_at: Option<Timestamp>,
    cycle_at: Option<Timestamp>,
    /// Why it does not work, and what to do.
    cause: Option<String>,
    remedy: Option<String>,
    /// The declared change that waits for its test, while the operation works on as before.
    pending: Option<PendingLine>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PendingLine {
    /// The code of its failure, or what it waits for.
    reason: String,
    /// Tests that failed in a row.
    attempts: u16,
    /// When the last one failed, or since when it waits.
    at: Timestamp,
    cause: Option<String>,
    remedy: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutboxLine {
    pending: u64,
    unsure: u64,
    failed: u64,
    oldest_pending_at: Option<Timestamp>,
}

impl Status {
    pub fn run(self, global: &Global) -> Outcome {
        let Some(store) = global.store_to_read()? else {
            return Err(Failure::new(format!(
                "nothing was applied yet: no store at `{}`",
                global.state_path().display()
            ))
            .hint("run `mailplumb apply`"));
        };
        let report = run(tokio_util::sync::CancellationToken::new(), report(&store))?;
        match self.output {
            Format::Json => output::json(&report)?,
            Format::Text => print(&report)?,
        }
        Ok(DONE)
    }
}

async fn report(store: &dyn Store) -> Result<Report, Failure> {
    let revision = store.revisions(1).await?.first().map_or(0, |entry| entry.revision.0);
    let mut mailboxes = Vec::new();
    for row in store.mailboxes().await? {
        let figures = store.figures(&row.stored.declared.name).await?;
        mailboxes.push(line(&row, &figures));
    }
    Ok(Report { format_version: 1, revision, mailboxes })
}

fn line(row: &MailboxRow, figures: &MailboxFigures) -> Line {
    let declared = &row.stored.declared;
    Line {
        name: declared.name.to_string(),
        address: declared.address.to_string(),
        profile: declared.profile.as_ref().map(ToString::to_string),
        operations: Operation::ALL
            .into_iter()
            .map(|operation| (operation.key(), operation_line(row, operation)))
            .collect(),
        records: figures.records,
        quarantined: figures.quarantined,
        outbox: OutboxLine {
            pending: figures.outbox_pending,
            unsure: figures.outbox_unsure,
            failed: figures.outbox_failed,
            oldest_pending_at: figures.oldest_pending_at,
        },
    }
}

fn operation_line(row: &MailboxRow, operation: Operation) -> OperationLine {
    let standing = standing_of(&row.stored.operations, operation);
    let stored = row.stored.operations.get(&operation);
    let failure = match &standing.state {
        OperationState::Retrying { failure, .. } | OperationState::Disabled(failure) => Some(failure),
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled => None,
    };
    OperationLine {
        tested_at: stored.and_then(|stored| stored.tested_at),
        cycle_at: stored.and_then(|stored| stored.cycle_at),
        cause: failure.map(|failure| format!("{}: {}", failure.step, failure.cause)),
        remedy: failure.map(|failure| failure.remedy.clone()),
        state: standing.to_string(),
        pending: standing.pending.as_ref().map(pending_line),
    }
}

fn pending_line(pending: &Pending) -> PendingLine {
    let (attempts, at) = match pending {
        Pending::Waiting { awaiting: _, since } => (0, *since),
        Pending::Failed { failure: _, attempts, at } => (*attempts, *at),
    };
    let failure = pending.failure();
    PendingLine {
        reason: pending.to_string(),
        attempts,
        at,
        cause: failure.map(|failure| format!("{}: {}", failure.step, failure.cause)),
        remedy: failure.map(|failure| failure.remedy.clone()),
    }
}

fn print(report: &Report) -> Result<(), Failure> {
    let state = |line: &Line, operation: Operation| {
        line.operations.get(operation.key()).map_or_else(String::new, |of| of.state.clone())
    };
    let rows = report
        .mailboxes
        .iter()
        .map(|line| {
            vec![
                line.name.clone(),
                line.profile.clone().unwrap_or_else(|| "-".to_owned()),
                state(line, Operation::Incoming),
                state(line, Operation::Outgoing),
                state(line, Operation::Act),
                line.records.to_string(),
                outbox_words(&line.outbox),
                output::moment_or_dash(
                    line.operations.get(Operation::Incoming.key()).and_then(|of| of.cycle_at),
                ),
            ]
        })
        .collect();
    let header = ["mailbox", "profile", "incoming", "outgoing", "act", "records", "outbox", "last read"];
    output::data(&output::table(&header, rows))?;
    for line in &report.mailboxes {
        for (operation, of) in &line.operations {
            if let (Some(cause), Some(remedy)) = (&of.cause, &of.remedy) {
                output::data(&format!("\n{} {operation}: {cause}\n  do: {remedy}", line.name))?;
            }
            if let Some(pending) = &of.pending {
                output::data(&format!("\n{} {operation}: {}", line.name, pending_words(pending)))?;
            }
        }
    }
    output::talk(&format!("revision {}, {} mailboxes", report.revision, report.mailboxes.len()));
    Ok(())
}

fn pending_words(pending: &PendingLine) -> String {
    let at = output::moment(pending.at);
    match (&pending.cause, &pending.remedy) {
        (Some(cause), Some(remedy)) => {
            let times = match pending.attempts {
                1 => "its test".to_owned(),
                attempts => format!("{attempts} tests"),
            };
            format!(
                "its change failed {times} and is not in use, last at {at}; the former version works on\n  \
                 {cause}\n  do: {remedy}"
            )
        }
        (None | Some(_), None | Some(_)) => format!(
            "its change waits for its test since {at} ({}); the former version works on\n  \
             do: run `mailplumb test`, or leave it to `mailplumb watch`",
            pending.reason
        ),
    }
}

fn outbox_words(outbox: &OutboxLine) -> String {
    let counts = [(outbox.pending, "pending"), (outbox.unsure, "unsure"), (outbox.failed, "failed")];
    let words: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if words.is_empty() { "empty".to_owned() } else { words.join(", ") }
}
