//! What an apply or a run of tests came to, for people and for programs.

use schemars::JsonSchema;
use serde::Serialize;

use super::exit::{self, DONE, Failure, PARTIAL, TEST_FAILED};
use super::listing::FORMAT_VERSION;
use super::output;
use super::progress::Heard;
use super::typed;
use crate::engine::run::Report;
use crate::model::failure::StepTaken;
use crate::model::ledger::{HaltReason, LedgerEntry, Outcome, SkipReason, Tally};
use crate::model::plan::Plan;
use crate::model::revision::Revision;
use crate::plan::render::Summary;

/// Mailboxes of one reason that are named before the rest is counted.
const NAMES_SHOWN: usize = 5;

/// `apply --output json`: one document, at the end.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyDocument {
    /// `major.minor`
    format_version: &'static str,
    /// The plan's fingerprint; null: nothing was planned (`--resume`).
    plan: Option<String>,
    /// The revision that the plan became; null: it was empty.
    revision: Option<u64>,
    /// Null with `--resume`.
    summary: Option<Summary>,
    /// Mailboxes whose tests were left to `test` and `watch`.
    deferred: u64,
    tests: Tally,
    ledger: Vec<Entry>,
    exit: exit::Told,
}

/// `test --output json`: one document, at the end.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestDocument {
    /// `major.minor`
    format_version: &'static str,
    tests: Tally,
    results: Vec<TestEntry>,
    exit: exit::Told,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TestEntry {
    #[serde(flatten)]
    entry: Entry,
    /// Those that were taken, in their order. One that failed is named by `message`.
    steps: Vec<Step>,
    /// It passed all the same. Null: there is none.
    warning: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Step {
    /// `connect`, `authenticate`, …
    step: String,
    milliseconds: f64,
    /// For people.
    detail: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Entry {
    mailbox: String,
    operation: &'static str,
    /// done | failed | skipped | not-started
    outcome: &'static str,
    /// Stable, for scripts: the failure's code, or why it was skipped or not started. Null: done.
    reason: Option<String>,
    /// For people.
    message: Option<String>,
    /// What to do.
    remedy: Option<String>,
}

/// What was done so far.
#[derive(Default)]
pub struct Applied<'a> {
    pub plan: Option<&'a Plan>,
    pub revision: Option<Revision>,
    pub deferred: u64,
    pub report: Report,
}

impl Applied<'_> {
    /// The exit code that tells it.
    pub fn code(&self) -> u8 {
        let is_undone = |entry: &LedgerEntry| match &entry.outcome {
            Outcome::NotStarted(_)
            | Outcome::Skipped(
                SkipReason::Busy | SkipReason::Changed | SkipReason::StoreFailed | SkipReason::NoIdentity,
            ) => true,
            Outcome::Done
            | Outcome::Failed(_)
            | Outcome::Skipped(SkipReason::NoConnector | SkipReason::Gone) => false,
        };
        if self.report.tally.failed > 0 {
            TEST_FAILED
        } else if self.report.entries.iter().any(is_undone) {
            PARTIAL
        } else {
            DONE
        }
    }

    pub fn json(&self) -> Result<(), Failure> {
        let code = self.code();
        output::json(&ApplyDocument {
            format_version: FORMAT_VERSION,
            plan: self.plan.map(crate::plan::fingerprint),
            revision: self.revision.map(|revision| revision.0),
            summary: self.plan.map(Summary::of),
            deferred: self.deferred,
            tests: self.report.tally,
            ledger: self.report.entries.iter().map(entry).collect(),
            exit: exit::Told::of(code),
        })
    }

    /// `told`: what was heard of each test.
    pub fn test_json(&self, mut told: Heard) -> Result<(), Failure> {
        let result = |one: &LedgerEntry| {
            let heard = told.remove(&(one.mailbox.clone(), one.operation)).unwrap_or_default();
            TestEntry {
                entry: entry(one),
                steps: heard.steps.iter().map(step).collect(),
                warning: heard.warning,
            }
        };
        output::json(&TestDocument {
            format_version: FORMAT_VERSION,
            tests: self.report.tally,
            results: self.report.entries.iter().map(result).collect(),
            exit: exit::Told::of(self.code()),
        })
    }

    /// The last lines for people.
    pub fn text(&self) -> Result<(), Failure> {
        if self.deferred > 0 {
            let count = usize::try_from(self.deferred).unwrap_or(usize::MAX);
            let count = output::counted(count, "mailbox waits", "mailboxes wait");
            let by = typed::advice("by `mailplumb test` or `mailplumb watch`");
            return output::data(&format!("Applied. {count} for a test, {by}."));
        }
        let Tally { done, failed, skipped, not_started } = self.report.tally;
        let mut words = format!("Tests: {done} passed, {failed} failed");
        for (count, what) in [(skipped, "skipped"), (not_started, "not started")] {
            if count > 0 {
                words.push_str(&format!(", {count} {what}"));
            }
        }
        for line in reasons(&self.report.entries) {
            output::data(&line)?;
        }
        output::data(&format!("{words}."))?;
        if self.report.entries.iter().any(|entry| entry.outcome.is_resumable()) {
            output::hint("`mailplumb apply --resume` goes on with what was skipped or not started");
        }
        Ok(())
    }
}

/// One line for each reason for which something was skipped or not started.
fn reasons(entries: &[LedgerEntry]) -> Vec<String> {
    let mut by_reason: Vec<(String, Vec<&LedgerEntry>)> = Vec::new();
    for entry in entries {
        let reason = match &entry.outcome {
            Outcome::Done | Outcome::Failed(_) => continue,
            Outcome::Skipped(reason) => format!("skipped, {}", reason.words()),
            Outcome::NotStarted(reason) => format!("not started, {reason}"),
        };
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, entries)) => entries.push(entry),
            None => by_reason.push((reason, vec![entry])),
        }
    }
    by_reason
        .into_iter()
        .map(|(reason, entries)| {
            let mut names: Vec<&str> = entries.iter().map(|entry| entry.mailbox.as_str()).collect();
            names.dedup();
            let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
            let count = output::counted(names.len(), "mailbox", "mailboxes");
            let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
            format!("{count} {reason}: {shown}{more}")
        })
        .collect()
}

fn entry(entry: &LedgerEntry) -> Entry {
    let (reason, message, remedy) = match &entry.outcome {
        Outcome::Done => (None, None, None),
        Outcome::Failed(failure) => (
            Some(failure.code.clone()),
            Some(format!("{}: {}", failure.step, failure.cause)),
            Some(failure.remedy.clone()),
        ),
        Outcome::Skipped(reason) => (Some(reason.key().to_owned()), Some(reason.words().to_owned()), None),
        Outcome::NotStarted(reason) => (Some(halt_key(reason).to_owned()), Some(reason.to_string()), None),
    };
    Entry {
        mailbox: entry.mailbox.to_string(),
        operation: entry.operation.key(),
        outcome: entry.outcome.key(),
        reason,
        message,
        remedy,
    }
}

fn step(taken: &StepTaken) -> Step {
    Step {
        step: taken.step.to_string(),
        // Microseconds are enough, and a program that adds them up gets no long tails.
        milliseconds: taken.took.as_micros() as f64 / 1000.0,
        detail: taken.detail.clone(),
    }
}

fn halt_key(reason: &HaltReason) -> &'static str {
    match reason {
        HaltReason::Waiting => "waiting",
        HaltReason::Stopped => "stopped",
        HaltReason::Canary { .. } => "canary",
    }
}
