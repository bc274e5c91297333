//! One line per event, on stderr.

use std::sync::Arc;
use std::time::Duration;

use super::output::{self, BAD, DOUBTFUL, FAINT, GOOD};
use super::{problems, typed};
use crate::model::clock::Clock;
use crate::model::event::{Cycle, Event, Listener, TestResult};
use crate::model::failure::{Failure, StepTaken};
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::pending::Standing;
use crate::model::problem::{Problem, Severity};

/// Prints events for people.
pub struct Printer {
    clock: Arc<dyn Clock>,
    /// `watch` logs: each line begins with the time.
    stamped: bool,
    layout: Layout,
}

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A person at a terminal: a failure is spread over some lines.
    Spread,
    /// A log, in which each line stands alone: one for each event.
    OneLine,
}

impl Layout {
    fn of_talk() -> Self {
        if output::columns_of_talk().is_some() { Self::Spread } else { Self::OneLine }
    }

    /// Between the parts of what is said of one event.
    fn joint(self) -> &'static str {
        match self {
            Self::Spread => "\n  ",
            Self::OneLine => "; ",
        }
    }
}

impl Printer {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stamped: false, layout: Layout::of_talk() }
    }

    pub fn stamped(clock: Arc<dyn Clock>) -> Self {
        Self { stamped: true, ..Self::new(clock) }
    }

    /// One line, with its time where that is wanted.
    pub fn line(&self, text: &str) {
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
            Event::RunBegun { .. } | Event::TestBegun { .. } => {}
            Event::TestEnded { mailbox, operation, steps, state, result } => {
                let ended = test_ended(&mailbox, operation, &steps, (&state, self.layout), &result);
                self.line(&ended);
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
                    failure_words(&failure, &state, self.layout)
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
                match self.layout {
                    Layout::Spread => problems::print(&problems, &[]),
                    Layout::OneLine => problems.iter().for_each(|one| self.line(&problem_words(one))),
                }
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
    (state, layout): (&Standing, Layout),
    result: &TestResult,
) -> String {
    let subject = format!("mailbox/{mailbox} {operation}");
    match result {
        TestResult::Passed { warning: None } => {
            format!("{subject}: {GOOD}passed{GOOD:#} {FAINT}({}){FAINT:#}", step_words(steps))
        }
        TestResult::Passed { warning: Some(warning) } => format!(
            "{subject}: {GOOD}passed{GOOD:#} {FAINT}({}){FAINT:#}{}{DOUBTFUL}warning{DOUBTFUL:#}: {warning}",
            step_words(steps),
            layout.joint()
        ),
        TestResult::Failed(failure) => format!("{subject}: {}", failure_words(failure, state, layout)),
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

/// Complete enough to be understood alone: the step, the code, what it means, what to do, how it stands, when it is tried again.
fn failure_words(failure: &Failure, state: &Standing, layout: Layout) -> String {
    let code = match layout {
        // There, the last part has it.
        Layout::Spread => String::new(),
        Layout::OneLine => format!(" [{}]", failure.code),
    };
    let parts = [
        format!("{BAD}failed{BAD:#} at step {}{code}: {}", failure.error.step, failure.error.cause),
        format!("meaning: {}", failure.meaning),
        format!("do: {}", typed::advice(&failure.remedy)),
        format!("now: {state}{}", next_attempt(&state.state)),
    ];
    parts.join(layout.joint())
}

/// When it is tried again, where the state itself does not say.
fn next_attempt(state: &OperationState) -> &'static str {
    match state {
        OperationState::Retrying { .. } => ", then tried again",
        OperationState::Trying { .. } => ", then tested again",
        OperationState::Disabled(_) => ", tested again with a change of it, or by `watch` within the hour",
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled => "",
    }
}

/// A problem of the manifest on one line.
fn problem_words(problem: &Problem) -> String {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let place = problem.origin.as_ref().map_or_else(String::new, |origin| format!("{origin}: "));
    let hint =
        problem.hint.as_ref().map_or_else(String::new, |hint| format!("; do: {}", typed::advice(hint)));
    output::shown(&format!("{place}{severity} [{}]: {}{hint}", problem.code, problem.message))
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
