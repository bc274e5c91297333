//! The life of one operation of one mailbox: one total function, the table of which is in `docs/states.md`.

use jiff::{SignedDuration, Timestamp};

use crate::model::failure::{FailureSummary, Nature, Scope};
use crate::model::operation::{Awaiting, OperationState, Readiness};
use crate::model::organization::Retry;

/// What may happen to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateEvent {
    /// An apply declared it.
    Declared(Readiness),
    TestBegun,
    TestPassed,
    TestFailed(FailureSummary),
    /// The test could not be run, and nobody's configuration is to blame.
    TestDeferred(Awaiting),
    CycleSucceeded,
    CycleFailed(FailureSummary),
}

/// The state after the event.
pub fn transition(
    state: &OperationState,
    event: &StateEvent,
    now: Timestamp,
    retry: &Retry,
) -> OperationState {
    match event {
        StateEvent::Declared(readiness) => declared(state, *readiness),
        StateEvent::TestBegun => test_begun(state),
        StateEvent::TestPassed => test_passed(state),
        StateEvent::TestFailed(failure) => test_failed(state, failure, now, retry),
        StateEvent::TestDeferred(awaiting) => test_deferred(state, *awaiting),
        StateEvent::CycleSucceeded => cycle_succeeded(state),
        StateEvent::CycleFailed(failure) => cycle_failed(state, failure, now, retry),
    }
}

fn declared(state: &OperationState, readiness: Readiness) -> OperationState {
    match readiness {
        Readiness::Off(reason) => OperationState::Off(reason),
        Readiness::NoConnector => OperationState::AwaitingTest(Awaiting::NoConnector),
        Readiness::NeedsTest => OperationState::AwaitingTest(Awaiting::Test),
        Readiness::Unchanged => match state {
            // A test that died with its process.
            OperationState::Testing => OperationState::AwaitingTest(Awaiting::Test),
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Enabled
            | OperationState::Retrying { .. }
            | OperationState::Disabled(_) => state.clone(),
        },
    }
}

/// What works goes on working while it is tested again.
fn test_begun(state: &OperationState) -> OperationState {
    match state {
        OperationState::Off(_) | OperationState::Enabled | OperationState::Retrying { .. } => state.clone(),
        OperationState::AwaitingTest(_) | OperationState::Testing | OperationState::Disabled(_) => {
            OperationState::Testing
        }
    }
}

fn test_passed(state: &OperationState) -> OperationState {
    match state {
        OperationState::Off(_) => state.clone(),
        OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Retrying { .. }
        | OperationState::Disabled(_) => OperationState::Enabled,
    }
}

fn test_failed(
    state: &OperationState,
    failure: &FailureSummary,
    now: Timestamp,
    retry: &Retry,
) -> OperationState {
    match state {
        OperationState::Off(_) => state.clone(),
        // A server that is away for a minute must not switch off what worked.
        OperationState::Enabled | OperationState::Retrying { .. } => cycle_failed(state, failure, now, retry),
        OperationState::AwaitingTest(_) | OperationState::Testing | OperationState::Disabled(_) => {
            OperationState::Disabled(failure.clone())
        }
    }
}

/// A missing identity never counts as a failed attempt and never disables anything.
fn test_deferred(state: &OperationState, awaiting: Awaiting) -> OperationState {
    match state {
        OperationState::AwaitingTest(_) | OperationState::Testing => OperationState::AwaitingTest(awaiting),
        OperationState::Off(_)
        | OperationState::Enabled
        | OperationState::Retrying { .. }
        | OperationState::Disabled(_) => state.clone(),
    }
}

fn cycle_succeeded(state: &OperationState) -> OperationState {
    match state {
        OperationState::Retrying { .. } => OperationState::Enabled,
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Disabled(_) => state.clone(),
    }
}

fn cycle_failed(
    state: &OperationState,
    failure: &FailureSummary,
    now: Timestamp,
    retry: &Retry,
) -> OperationState {
    if failure.scope == Scope::Message {
        return state.clone();
    }
    let failures_before = match state {
        OperationState::Enabled => 0,
        OperationState::Retrying { attempts, .. } => *attempts,
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Disabled(_) => return state.clone(),
    };
    match failure.nature {
        Nature::Permanent => OperationState::Disabled(failure.clone()),
        // As with the vendor: a transient failure that outlived its retries is permanent under the same code.
        Nature::Transient if failures_before >= retry.attempts => {
            OperationState::Disabled(FailureSummary { nature: Nature::Permanent, ..failure.clone() })
        }
        Nature::Transient => OperationState::Retrying {
            attempts: failures_before + 1,
            until: later(now, retry.wait),
            failure: failure.clone(),
        },
    }
}

/// `now` plus a wait, at the end of time at the latest.
pub fn later(now: Timestamp, wait: std::time::Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::TestStep;
    use crate::model::operation::OffReason;

    fn failure(nature: Nature, scope: Scope) -> FailureSummary {
        FailureSummary {
            code: "x".into(),
            step: TestStep::Connect,
            nature,
            scope,
            cause: "c".into(),
            remedy: "r".into(),
        }
    }

    fn all_states() -> Vec<OperationState> {
        vec![
            OperationState::Off(OffReason::NotApproved),
            OperationState::AwaitingTest(Awaiting::Test),
            OperationState::AwaitingTest(Awaiting::NoConnector),
            OperationState::AwaitingTest(Awaiting::NoIdentity),
            OperationState::Testing,
            OperationState::Enabled,
            OperationState::Retrying {
                attempts: 1,
                until: Timestamp::UNIX_EPOCH,
                failure: failure(Nature::Transient, Scope::Mailbox),
            },
            OperationState::Disabled(failure(Nature::Permanent, Scope::Mailbox)),
        ]
    }

    fn next(state: &OperationState, event: StateEvent) -> OperationState {
        transition(state, &event, Timestamp::UNIX_EPOCH, &Retry::default())
    }

    #[test]
    fn only_a_test_enables_what_is_not_enabled() {
        let events = [
            StateEvent::Declared(Readiness::NeedsTest),
            StateEvent::Declared(Readiness::Unchanged),
            StateEvent::TestBegun,
            StateEvent::CycleSucceeded,
            StateEvent::TestDeferred(Awaiting::NoIdentity),
        ];
        for state in all_states().iter().filter(|state| !state.is_driven()) {
            for event in &events {
                assert!(!next(state, event.clone()).is_driven(), "{state} after {event:?}");
            }
        }
    }

    #[test]
    fn what_is_off_stays_off_until_it_is_declared() {
        let off = OperationState::Off(OffReason::NotApproved);
        let permanent = failure(Nature::Permanent, Scope::Mailbox);
        for event in [
            StateEvent::TestBegun,
            StateEvent::TestPassed,
            StateEvent::TestFailed(permanent.clone()),
            StateEvent::TestDeferred(Awaiting::NoIdentity),
            StateEvent::CycleSucceeded,
            StateEvent::CycleFailed(permanent),
        ] {
            assert_eq!(next(&off, event), off);
        }
    }

    #[test]
    fn a_transient_failure_is_retried_ten_times_and_then_permanent_under_the_same_code() {
        let transient = failure(Nature::Transient, Scope::Profile);
        let mut state = OperationState::Enabled;
        for attempt in 1..=10 {
            state = next(&state, StateEvent::CycleFailed(transient.clone()));
            assert!(matches!(state, OperationState::Retrying { attempts, .. } if attempts == attempt));
        }
        state = next(&state, StateEvent::CycleFailed(transient.clone()));
        let OperationState::Disabled(last) = state else { panic!("still {state}") };
        assert_eq!((last.code, last.nature), (transient.code, Nature::Permanent));
    }

    #[test]
    fn a_permanent_failure_disables_at_once_and_a_failed_message_does_not() {
        let permanent = failure(Nature::Permanent, Scope::Mailbox);
        assert!(matches!(
            next(&OperationState::Enabled, StateEvent::CycleFailed(permanent)),
            OperationState::Disabled(_)
        ));
        let message = failure(Nature::Permanent, Scope::Message);
        assert_eq!(next(&OperationState::Enabled, StateEvent::CycleFailed(message)), OperationState::Enabled);
    }

    #[test]
    fn a_missing_identity_disables_nothing() {
        for state in all_states() {
            let after = next(&state, StateEvent::TestDeferred(Awaiting::NoIdentity));
            assert_eq!(after.is_driven(), state.is_driven());
            assert_eq!(
                matches!(after, OperationState::Disabled(_)),
                matches!(state, OperationState::Disabled(_))
            );
        }
    }

    #[test]
    fn a_test_that_died_is_run_again() {
        assert_eq!(
            next(&OperationState::Testing, StateEvent::Declared(Readiness::Unchanged)),
            OperationState::AwaitingTest(Awaiting::Test)
        );
        assert!(OperationState::Testing.needs_test());
    }

    #[test]
    fn a_wait_beyond_the_end_of_time_is_the_end_of_time() {
        assert_eq!(later(Timestamp::MAX, std::time::Duration::from_secs(1)), Timestamp::MAX);
    }
}
