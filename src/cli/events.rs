//! One line per event, on stderr.

use std::sync::Arc;
use std::time::Duration;

use super::output::{self, BAD, DOUBTFUL, FAINT, GOOD};
use super::problems;
use crate::model::clock::Clock;
use crate::model::event::{Cycle, Event, Listener, TestResult};
use crate::model::failure::{Failure, StepTaken};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::pending::Standing;

/// Prints events for people.
pub struct Printer {
    clock: Arc<dyn Clock>,
    /// `watch` logs: each line begins with the time.
    stamped: bool,
}

impl Printer {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stamped: false }
    }

    pub fn stamped(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stamped: true }
    }

    fn line(&self, text: &str) {
        if self.stamped {
            output::talk(&format!("{} {text}", output::moment(self.clock.now())));
        } else {
            output::talk(text);
        }
    }
}

impl Listener for Printer {
    fn tell(&self, event: Event) {
        match event {
            Event::Applied { revision, created, updated, deleted } => self.line(&format!(
                "applied revision {revision}: {created} created, {updated} updated, {deleted} deleted"
            )),
            // The end of a test says it all.
            Event::TestBegun { .. } => {}
            Event::TestEnded { mailbox, operation, steps, state, result } => {
                self.line(&test_ended(&mailbox, operation, &steps, &state, &result));
            }
            Event::Switched { mailbox, operation } => {
                self.line(&format!("mailbox/{mailbox} {operation}: the change is in use now"));
            }
            Event::CycleEnded { mailbox, operation, cycle } => {
                // A server's log is not filled with cycles that found nothing.
                if !self.stamped || cycle != Cycle::default() {
                    self.line(&format!("mailbox/{mailbox} {operation}: {}", cycle_words(operation, &cycle)));
                }
            }
            Event::CycleFailed { mailbox, operation, failure, state, cycle } => {
                let before = match cycle_words(operation, &cycle) {
                    _ if cycle == Cycle::default() => String::new(),
                    words => format!("{words}; then "),
                };
                self.line(&format!(
                    "mailbox/{mailbox} {operation}: {before}{}",
                    failure_words(&failure, &state)
                ));
            }
            Event::Skipped { mailbox, reason } => {
                self.line(&format!("mailbox/{mailbox}: {DOUBTFUL}skipped{DOUBTFUL:#}, {reason}"));
            }
            // Alerts repeat what the line before said; they are for `mailplumb alerts`.
            Event::Alerted(_) => {}
            Event::Reconciled { revision, steps: 0 } => {
                self.line(&format!("the manifest is in force, revision {revision}"));
            }
            Event::Reconciled { revision, steps } => {
                self.line(&format!("the manifest changed: {steps} steps, now revision {revision}"));
            }
            Event::Waiting { reason } => self.line(&format!("waiting: {reason}")),
            Event::KeptLastGood { reason, problems } => {
                problems::print(&problems, &[]);
                self.line(&format!(
                    "{BAD}not applied{BAD:#}: {reason}; the last good configuration stays in force"
                ));
            }
            Event::Warned { message } => self.line(&format!("{DOUBTFUL}warning{DOUBTFUL:#}: {message}")),
        }
    }
}

fn test_ended(
    mailbox: &Name,
    operation: Operation,
    steps: &[StepTaken],
    state: &Standing,
    result: &TestResult,
) -> String {
    let subject = format!("mailbox/{mailbox} {operation}");
    match result {
        TestResult::Passed { warning: None } => {
            format!("{subject}: {GOOD}passed{GOOD:#} {FAINT}({}){FAINT:#}", step_words(steps))
        }
        TestResult::Passed { warning: Some(warning) } => format!(
            "{subject}: {GOOD}passed{GOOD:#} {FAINT}({}){FAINT:#}\n  {DOUBTFUL}warning{DOUBTFUL:#}: {warning}",
            step_words(steps)
        ),
        TestResult::Failed(failure) => format!("{subject}: {}", failure_words(failure, state)),
        TestResult::Deferred { reason } => format!("{subject}: {state}; {reason}"),
    }
}

fn step_words(steps: &[StepTaken]) -> String {
    let words = |step: &StepTaken| match &step.detail {
        Some(detail) => format!("{} {} [{detail}]", step.step, milliseconds(step.took)),
        None => format!("{} {}", step.step, milliseconds(step.took)),
    };
    steps.iter().map(words).collect::<Vec<_>>().join(", ")
}

fn milliseconds(took: Duration) -> String {
    let micros = took.as_micros();
    if micros < 10_000 {
        format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
    } else {
        format!("{} ms", micros / 1000)
    }
}

fn failure_words(failure: &Failure, state: &Standing) -> String {
    format!(
        "{BAD}failed{BAD:#} at step {}: {}\n  meaning: {}\n  do: {}\n  now: {state}",
        failure.error.step, failure.error.cause, failure.meaning, failure.remedy
    )
}

/// What a cycle did: every message that was found is accounted for.
pub fn cycle_words(operation: Operation, cycle: &Cycle) -> String {
    let counts = match operation {
        Operation::Incoming | Operation::Act => vec![
            (cycle.recorded, "recorded"),
            (cycle.known, "already recorded"),
            (cycle.before_from, "older than the start date"),
            (cycle.quarantined, "of them quarantined"),
            (cycle.deferred, "not handed over yet"),
            (cycle.deleted, "removed from the server"),
            (cycle.flagged, "flagged as deleted (the server has no UIDPLUS, so they stay in the mailbox)"),
        ],
        Operation::Outgoing => vec![
            (cycle.sent, "sent"),
            (cycle.deferred, "to be tried again"),
            (cycle.failed, "failed"),
            (cycle.unsure, "unsure"),
        ],
    };
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if words.is_empty() { "nothing new".to_owned() } else { words.join(", ") }
}
