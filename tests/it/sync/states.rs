//! The tables of `docs/states.md` are the product's.

use jiff::Timestamp;
use mailplumb::model::failure::{FailureSummary, Nature, Scope, TestStep};
use mailplumb::model::operation::{Awaiting, OffReason, OperationState, Readiness};
use mailplumb::model::organization::Retry;
use mailplumb::model::pending::{Pending, Standing};
use mailplumb::sync::transition::{StateEvent, transition};

const PAGE: &str = include_str!("../../../docs/states.md");

/// The cells of the table under a heading, without its header.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, below) = PAGE.split_once(heading).unwrap();
    let lines =
        below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    lines.skip(2).map(cells).collect()
}

fn failure(nature: Nature, scope: Scope) -> FailureSummary {
    FailureSummary {
        code: "x".to_owned(),
        step: TestStep::Connect,
        nature,
        scope,
        cause: "c".to_owned(),
        remedy: "r".to_owned(),
    }
}

fn events(words: &str) -> Vec<StateEvent> {
    let transient = failure(Nature::Transient, Scope::Profile);
    let permanent = failure(Nature::Permanent, Scope::Mailbox);
    match words {
        "apply: not wanted" => vec![StateEvent::Declared(Readiness::Off(OffReason::MethodNone))],
        "apply: connection new or changed" | "apply: another change" => {
            vec![StateEvent::Declared(Readiness::NeedsTest)]
        }
        "apply: changed back to what works" => vec![StateEvent::Declared(Readiness::Proved)],
        "apply: nothing changed" => {
            [Readiness::Unchanged, Readiness::StillPending].map(StateEvent::Declared).into()
        }
        "test begins" => vec![StateEvent::TestBegun],
        "test passes" => vec![StateEvent::TestPassed],
        "test fails, transient" => vec![StateEvent::TestFailed(transient)],
        "test fails, permanent" => vec![StateEvent::TestFailed(permanent)],
        "no identity at hand" => vec![StateEvent::TestDeferred(Awaiting::NoIdentity)],
        "cycle succeeds" => vec![StateEvent::CycleSucceeded],
        "cycle fails, transient" => vec![StateEvent::CycleFailed(transient)],
        "cycle fails, permanent" => vec![StateEvent::CycleFailed(permanent)],
        "one message fails" => vec![StateEvent::CycleFailed(failure(Nature::Permanent, Scope::Message))],
        other => panic!("no event `{other}`"),
    }
}

fn retrying(attempts: u16) -> OperationState {
    let failure = failure(Nature::Transient, Scope::Profile);
    OperationState::Retrying { attempts, until: Timestamp::UNIX_EPOCH, failure }
}

fn trying(attempts: u16) -> OperationState {
    let failure = failure(Nature::Transient, Scope::Profile);
    OperationState::Trying { attempts, until: Timestamp::UNIX_EPOCH, failure }
}

/// In the order of the columns.
fn states() -> [OperationState; 7] {
    [
        OperationState::Off(OffReason::NotApproved),
        OperationState::AwaitingTest(Awaiting::Test),
        OperationState::Testing,
        OperationState::Enabled,
        retrying(2),
        trying(2),
        OperationState::Disabled(failure(Nature::Permanent, Scope::Mailbox)),
    ]
}

fn key(state: &OperationState) -> &'static str {
    match state {
        OperationState::Off(_) => "off",
        OperationState::AwaitingTest(_) => "awaiting-test",
        OperationState::Testing => "testing",
        OperationState::Enabled => "enabled",
        OperationState::Retrying { .. } => "retrying",
        OperationState::Trying { .. } => "trying",
        OperationState::Disabled(_) => "disabled",
    }
}

fn after(standing: &Standing, event: &StateEvent) -> Standing {
    transition(standing, event, Timestamp::UNIX_EPOCH, &Retry::default())
}

/// Whether a cell tells what became of a state.
fn tells(cell: &str, before: &OperationState, after: &OperationState) -> bool {
    let word = cell.split([' ', ',']).next().unwrap();
    let is_numbered = match cell.split_once('(') {
        Some((_, "1)")) => matches!(
            after,
            OperationState::Retrying { attempts: 1, .. } | OperationState::Trying { attempts: 1, .. }
        ),
        Some((_, rest)) if rest.starts_with("n+1") => {
            matches!(
                after,
                OperationState::Retrying { attempts: 3, .. } | OperationState::Trying { attempts: 3, .. }
            )
        }
        Some((_, "no identity)")) => *after == OperationState::AwaitingTest(Awaiting::NoIdentity),
        Some((_, other)) => panic!("`{other}`"),
        None => true,
    };
    is_numbered && if word == "–" { before == after } else { word == key(after) }
}

/// What a cell says of the retry after the last one.
fn in_the_end(cell: &str) -> Option<&str> {
    cell.split_once("after 10 ").map(|(_, word)| word)
}

#[test]
fn what_moves_an_operation_is_as_documented() {
    let rows = table("## What moves it\n");
    assert_eq!(rows.len(), 12);
    for row in rows {
        for (before, cell) in states().into_iter().zip(&row[1..]) {
            for event in events(row[0]) {
                let standing = after(&before.clone().into(), &event);
                assert!(
                    tells(cell, &before, &standing.state),
                    "{} {before}: `{cell}` and {standing}",
                    row[0]
                );
                assert_eq!(standing.pending.is_some(), cell.contains("pending"), "{} {before}", row[0]);
                if let Some(word) = in_the_end(cell) {
                    let is_new = matches!(before, OperationState::Trying { .. });
                    let last = if is_new { trying(10) } else { retrying(10) };
                    assert_eq!(key(&after(&last.into(), &event).state), word, "{}", row[0]);
                }
            }
        }
    }
}

#[test]
fn what_moves_an_operation_with_a_pending_change_is_as_documented() {
    let rows = table("## What moves it while a change is pending\n");
    assert_eq!(rows.len(), 13);
    let waits = Pending::Waiting { awaiting: Awaiting::Test, since: Timestamp::UNIX_EPOCH };
    for row in rows {
        let [words, works, change] = row[..] else { panic!("{row:?}") };
        for before in [OperationState::Enabled, retrying(2)] {
            for event in events(words) {
                let standing =
                    after(&Standing { state: before.clone(), pending: Some(waits.clone()) }, &event);
                assert!(tells(works, &before, &standing.state), "{words} {before}: `{works}` and {standing}");
                let is_told = match (change, &standing.pending) {
                    ("–", pending) => pending.as_ref() == Some(&waits),
                    ("dropped" | "in use" | "takes over", pending) => pending.is_none(),
                    ("failed", pending) => matches!(pending, Some(Pending::Failed { attempts: 1, .. })),
                    (word, Some(pending)) => pending.to_string() == word,
                    (_, None) => false,
                };
                assert!(is_told, "{words} {before}: `{change}` and {standing}");
                if let Some(word) = in_the_end(works) {
                    let last = Standing { state: retrying(10), pending: Some(waits.clone()) };
                    let given_way = after(&last, &event);
                    assert_eq!((key(&given_way.state), given_way.pending), (word, None), "{words}");
                }
            }
        }
    }
}
