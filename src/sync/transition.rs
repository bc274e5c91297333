//! The life of one operation of one mailbox: one total function, the table of which is in `docs/states.md`.

use jiff::{SignedDuration, Timestamp};

use super::again;
use crate::model::failure::{FailureSummary, Nature, Scope};
use crate::model::operation::{Awaiting, OperationState, Readiness};
use crate::model::organization::Retry;
use crate::model::pending::{Pending, Standing};

/// What may happen to an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateEvent {
    /// An apply declared it.
    Declared(Readiness),
    TestBegun,
    /// The test of what is declared passed.
    TestPassed,
    TestFailed(FailureSummary),
    /// The test could not be run, and nobody's configuration is to blame.
    TestDeferred(Awaiting),
    /// A cycle with the version that works ended.
    CycleSucceeded,
    CycleFailed(FailureSummary),
}

/// What holds after the event. Cycles speak of the version that works, tests of the declared one; the two differ while a
/// change is pending.
pub fn transition(standing: &Standing, event: &StateEvent, now: Timestamp, retry: &Retry) -> Standing {
    let Standing { state, pending } = standing;
    match (event, pending) {
        (StateEvent::Declared(readiness), _) => declared(standing, *readiness, now),
        (StateEvent::TestBegun, None) => test_begun(state).into(),
        (StateEvent::TestBegun, Some(_)) => standing.clone(),
        (StateEvent::TestPassed, _) => test_passed(state).into(),
        (StateEvent::TestFailed(failure), None) => test_failed(state, failure, now, retry).into(),
        (StateEvent::TestFailed(failure), Some(pending)) => with(state, change_failed(pending, failure, now)),
        (StateEvent::TestDeferred(awaiting), None) => test_deferred(state, *awaiting).into(),
        (StateEvent::TestDeferred(awaiting), Some(pending)) => {
            with(state, change_deferred(pending, *awaiting, now))
        }
        (StateEvent::CycleSucceeded, _) => {
            Standing { state: cycle_succeeded(state), pending: pending.clone() }
        }
        (StateEvent::CycleFailed(failure), None) => cycle_failed(state, failure, now, retry).into(),
        (StateEvent::CycleFailed(failure), Some(pending)) => {
            give_way(cycle_failed(state, failure, now, retry), pending)
        }
    }
}

fn with(state: &OperationState, pending: Pending) -> Standing {
    Standing { state: state.clone(), pending: Some(pending) }
}

fn waiting(awaiting: Awaiting, since: Timestamp) -> Pending {
    Pending::Waiting { awaiting, since }
}

fn declared(standing: &Standing, readiness: Readiness, now: Timestamp) -> Standing {
    let Standing { state, pending } = standing;
    // What works goes on until the test of the change has passed; where nothing works, there is nothing to keep.
    let changed = |awaiting: Awaiting| match state.is_driven() {
        true => with(state, waiting(awaiting, now)),
        false => OperationState::AwaitingTest(awaiting).into(),
    };
    match readiness {
        Readiness::Off(reason) => OperationState::Off(reason).into(),
        Readiness::NoConnector => changed(Awaiting::NoConnector),
        Readiness::NeedsTest => changed(Awaiting::Test),
        Readiness::Unchanged => Standing { state: taken_up(state), pending: pending.clone() },
        Readiness::StillPending => match pending {
            Some(pending) => with(state, due_again(pending, now)),
            None => taken_up(state).into(),
        },
        Readiness::Proved => match state.is_driven() {
            true => state.clone().into(),
            false => OperationState::AwaitingTest(Awaiting::Test).into(),
        },
    }
}

/// A test that died with its process waits again.
fn taken_up(state: &OperationState) -> OperationState {
    match state {
        OperationState::Testing => OperationState::AwaitingTest(Awaiting::Test),
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Enabled
        | OperationState::Retrying { .. }
        | OperationState::Trying { .. }
        | OperationState::Disabled(_) => state.clone(),
    }
}

/// Whatever it waited for may be there by now. Failures are remembered until the change is another one.
fn due_again(pending: &Pending, now: Timestamp) -> Pending {
    match pending {
        Pending::Waiting { awaiting: Awaiting::NoIdentity | Awaiting::NoConnector, since: _ } => {
            waiting(Awaiting::Test, now)
        }
        Pending::Waiting { awaiting: Awaiting::Test, since: _ } | Pending::Failed { .. } => pending.clone(),
    }
}

fn change_failed(pending: &Pending, failure: &FailureSummary, at: Timestamp) -> Pending {
    let before = match pending {
        Pending::Waiting { .. } => 0,
        Pending::Failed { attempts, .. } => *attempts,
    };
    Pending::Failed { failure: failure.clone(), attempts: before.saturating_add(1), at }
}

/// No failed attempt: what failed before stays what is known of it.
fn change_deferred(pending: &Pending, reason: Awaiting, now: Timestamp) -> Pending {
    match pending {
        Pending::Waiting { awaiting, since: _ } if *awaiting == reason => pending.clone(),
        Pending::Waiting { .. } => waiting(reason, now),
        Pending::Failed { .. } => pending.clone(),
    }
}

/// Once the former version stopped working for good, nothing is kept: the declared one takes over and is tested at once.
fn give_way(after: OperationState, pending: &Pending) -> Standing {
    match after {
        OperationState::Disabled(_) => OperationState::AwaitingTest(match pending {
            Pending::Waiting { awaiting, .. } => *awaiting,
            Pending::Failed { .. } => Awaiting::Test,
        })
        .into(),
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Trying { .. }
        | OperationState::Retrying { .. } => with(&after, pending.clone()),
    }
}

/// What works goes on working while it is tested again, and what is known of failures is not forgotten.
fn test_begun(state: &OperationState) -> OperationState {
    match state {
        OperationState::Off(_)
        | OperationState::Enabled
        | OperationState::Retrying { .. }
        | OperationState::Trying { .. }
        | OperationState::Disabled(_) => state.clone(),
        OperationState::AwaitingTest(_) | OperationState::Testing => OperationState::Testing,
    }
}

fn test_passed(state: &OperationState) -> OperationState {
    match state {
        OperationState::Off(_) => state.clone(),
        OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Retrying { .. }
        | OperationState::Trying { .. }
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
        OperationState::AwaitingTest(_) | OperationState::Testing | OperationState::Trying { .. } => {
            first_test_failed(state, failure, now, retry)
        }
        // It is tested once an hour already, whatever it fails with.
        OperationState::Disabled(_) => OperationState::Disabled(given_up(failure)),
    }
}

/// The vendor's rule for what never worked so far: a transient failure is tried again, as often as one of what worked.
fn first_test_failed(
    state: &OperationState,
    failure: &FailureSummary,
    now: Timestamp,
    retry: &Retry,
) -> OperationState {
    let (before, until) = match state {
        OperationState::Trying { attempts, until, .. } => (*attempts, Some(*until)),
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Retrying { .. }
        | OperationState::Disabled(_) => (0, None),
    };
    match (failure.nature, until.filter(|until| is_before(*until, now, retry))) {
        (Nature::Permanent, _) => OperationState::Disabled(given_up(failure)),
        // As with cycles: asking early uses up no attempt.
        (Nature::Transient, Some(until)) => {
            OperationState::Trying { attempts: before, until, failure: failure.clone() }
        }
        (Nature::Transient, None) if before >= retry.attempts => OperationState::Disabled(given_up(failure)),
        (Nature::Transient, None) => OperationState::Trying {
            attempts: before.saturating_add(1),
            until: later(now, retry.wait),
            failure: failure.clone(),
        },
    }
}

/// As with the vendor: a transient failure that outlived its retries is permanent under the same code.
fn given_up(failure: &FailureSummary) -> FailureSummary {
    let remedy = again::once_given_up(&failure.remedy);
    FailureSummary { nature: Nature::Permanent, remedy, ..failure.clone() }
}

/// A missing identity never counts as a failed attempt and never disables anything.
fn test_deferred(state: &OperationState, awaiting: Awaiting) -> OperationState {
    match state {
        OperationState::AwaitingTest(_) | OperationState::Testing | OperationState::Trying { .. } => {
            OperationState::AwaitingTest(awaiting)
        }
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
        | OperationState::Trying { .. }
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
        // Whoever tries again before it is time learns how it stands, and uses up none of the attempts: otherwise a few impatient
        // minutes would disable what the wait between the attempts is there to keep.
        OperationState::Retrying { attempts, until, .. }
            if failure.nature == Nature::Transient && is_before(*until, now, retry) =>
        {
            return OperationState::Retrying { attempts: *attempts, until: *until, failure: failure.clone() };
        }
        OperationState::Retrying { attempts, .. } => *attempts,
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Trying { .. }
        | OperationState::Disabled(_) => return state.clone(),
    };
    match failure.nature {
        Nature::Permanent => OperationState::Disabled(given_up(failure)),
        Nature::Transient if failures_before >= retry.attempts => OperationState::Disabled(given_up(failure)),
        Nature::Transient => OperationState::Retrying {
            attempts: failures_before.saturating_add(1),
            until: later(now, retry.wait),
            failure: failure.clone(),
        },
    }
}

/// Whether somebody tries an operation again before the wait after its last failure is over.
pub fn is_early(state: &OperationState, now: Timestamp, retry: &Retry) -> bool {
    match state {
        OperationState::Retrying { until, .. } | OperationState::Trying { until, .. } => {
            is_before(*until, now, retry)
        }
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Disabled(_) => false,
    }
}

/// A time that lies further ahead than the wait itself comes from a clock that was ahead, and counts for nothing.
fn is_before(until: Timestamp, now: Timestamp, retry: &Retry) -> bool {
    now < until && until <= later(now, retry.wait)
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
            OperationState::Trying {
                attempts: 1,
                until: Timestamp::UNIX_EPOCH,
                failure: failure(Nature::Transient, Scope::Mailbox),
            },
            OperationState::Disabled(failure(Nature::Permanent, Scope::Mailbox)),
        ]
    }

    fn next(state: &OperationState, event: StateEvent) -> OperationState {
        transition(&state.clone().into(), &event, Timestamp::UNIX_EPOCH, &Retry::default()).state
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn after(standing: &Standing, event: &StateEvent, second: i64) -> Standing {
        transition(standing, event, at(second), &Retry::default())
    }

    fn every_event() -> Vec<StateEvent> {
        let failures = [Nature::Transient, Nature::Permanent]
            .into_iter()
            .flat_map(|nature| [Scope::Message, Scope::Mailbox, Scope::Profile].map(|s| failure(nature, s)));
        let declared = [
            Readiness::Off(OffReason::NotApproved),
            Readiness::NoConnector,
            Readiness::Unchanged,
            Readiness::NeedsTest,
            Readiness::StillPending,
            Readiness::Proved,
        ];
        let deferred = [Awaiting::Test, Awaiting::NoConnector, Awaiting::NoIdentity];
        let mut events = vec![StateEvent::TestBegun, StateEvent::TestPassed, StateEvent::CycleSucceeded];
        events.extend(declared.map(StateEvent::Declared));
        events.extend(deferred.map(StateEvent::TestDeferred));
        events.extend(failures.flat_map(|f| [StateEvent::TestFailed(f.clone()), StateEvent::CycleFailed(f)]));
        events
    }

    fn all_pendings() -> Vec<Pending> {
        let mut all: Vec<Pending> = [Awaiting::Test, Awaiting::NoConnector, Awaiting::NoIdentity]
            .map(|awaiting| waiting(awaiting, at(0)))
            .into();
        let failure = failure(Nature::Permanent, Scope::Mailbox);
        all.push(Pending::Failed { failure, attempts: 2, at: at(0) });
        all
    }

    /// Every state, and every pending where there may be one.
    fn all_standings() -> Vec<Standing> {
        let mut all = Vec::new();
        for state in all_states() {
            if state.is_driven() {
                all.extend(all_pendings().into_iter().map(|pending| with(&state, pending)));
            }
            all.push(state.into());
        }
        all
    }

    #[test]
    fn only_what_is_driven_has_a_change_that_waits() {
        for standing in all_standings() {
            for event in every_event() {
                let after = after(&standing, &event, 1);
                assert!(
                    after.pending.is_none() || after.state.is_driven(),
                    "{standing} after {event:?} is {after}"
                );
            }
        }
    }

    #[test]
    fn a_change_waits_or_takes_effect_and_is_never_forgotten() {
        for standing in all_standings().into_iter().filter(|standing| standing.pending.is_some()) {
            for event in every_event() {
                let after = after(&standing, &event, 1);
                let is_settled = match &event {
                    StateEvent::Declared(Readiness::Off(_) | Readiness::Proved) | StateEvent::TestPassed => {
                        true
                    }
                    // The former version is given up, and the change is what is tested next.
                    StateEvent::CycleFailed(_) => matches!(after.state, OperationState::AwaitingTest(_)),
                    StateEvent::Declared(_)
                    | StateEvent::TestBegun
                    | StateEvent::TestFailed(_)
                    | StateEvent::TestDeferred(_)
                    | StateEvent::CycleSucceeded => false,
                };
                assert_eq!(after.pending.is_none(), is_settled, "{standing} after {event:?} is {after}");
            }
        }
    }

    #[test]
    fn a_failed_test_of_a_change_leaves_what_works_alone_and_is_counted() {
        let permanent = StateEvent::TestFailed(failure(Nature::Permanent, Scope::Mailbox));
        let mut standing =
            after(&OperationState::Enabled.into(), &StateEvent::Declared(Readiness::NeedsTest), 1);
        assert_eq!(standing, with(&OperationState::Enabled, waiting(Awaiting::Test, at(1))));
        for attempt in 1..=20 {
            standing = after(&standing, &permanent, i64::from(attempt));
            assert_eq!(standing.state, OperationState::Enabled);
            let Some(Pending::Failed { attempts, at: failed_at, .. }) = &standing.pending else { panic!() };
            assert_eq!((*attempts, *failed_at), (attempt, at(i64::from(attempt))));
            let retested = after(&standing, &StateEvent::Declared(Readiness::StillPending), 99);
            assert_eq!(retested, standing, "asking for the test again forgets nothing");
        }
        let other = after(&standing, &StateEvent::Declared(Readiness::NeedsTest), 30);
        assert_eq!(other.pending, Some(waiting(Awaiting::Test, at(30))), "another change has not failed yet");
    }

    #[test]
    fn a_version_that_stops_working_gives_way_to_the_one_that_waits() {
        let permanent = StateEvent::CycleFailed(failure(Nature::Permanent, Scope::Mailbox));
        let transient = StateEvent::CycleFailed(failure(Nature::Transient, Scope::Profile));
        for pending in all_pendings() {
            let standing = with(&OperationState::Enabled, pending.clone());
            let given_way = after(&standing, &permanent, 5);
            assert!(matches!(given_way.state, OperationState::AwaitingTest(_)), "{given_way}");
            let mut patient = standing;
            for attempt in 0..10 {
                patient = after(&patient, &transient, 5 + attempt * 300);
                assert!(matches!(patient.state, OperationState::Retrying { .. }));
                assert_eq!(patient.pending.as_ref(), Some(&pending));
            }
            assert_eq!(after(&patient, &transient, 5 + 10 * 300), given_way);
        }
    }

    #[test]
    fn only_a_test_enables_what_is_not_enabled() {
        for state in all_states().iter().filter(|state| !state.is_driven()) {
            for event in every_event().iter().filter(|event| **event != StateEvent::TestPassed) {
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
            let failed = StateEvent::CycleFailed(transient.clone());
            state = after(&state.into(), &failed, i64::from(attempt) * 300).state;
            assert!(matches!(state, OperationState::Retrying { attempts, .. } if attempts == attempt));
        }
        state = after(&state.into(), &StateEvent::CycleFailed(transient.clone()), 11 * 300).state;
        let OperationState::Disabled(last) = state else { panic!("still {state}") };
        assert_eq!((last.code, last.nature), (transient.code, Nature::Permanent));
    }

    #[test]
    fn a_failure_before_it_is_time_uses_up_no_attempt() {
        let failed = |nature| StateEvent::CycleFailed(failure(nature, Scope::Profile));
        let first = after(&OperationState::Enabled.into(), &failed(Nature::Transient), 0);
        let mut state = first.clone();
        for second in 1..300 {
            state = after(&state, &failed(Nature::Transient), second);
            assert_eq!(state, first);
        }
        let disabled = after(&state, &failed(Nature::Permanent), 299);
        assert!(matches!(disabled.state, OperationState::Disabled(_)), "what is permanent needs no patience");
        state = after(&state, &failed(Nature::Transient), 300);
        let OperationState::Retrying { attempts: 2, until, .. } = state.state else { panic!("{state}") };
        assert_eq!(until, at(600));
    }

    #[test]
    fn a_first_test_that_fails_for_a_reason_that_may_pass_is_tried_ten_times_more() {
        let failed = |nature| StateEvent::TestFailed(failure(nature, Scope::Profile));
        let transient = failed(Nature::Transient);
        let mut state =
            after(&OperationState::AwaitingTest(Awaiting::Test).into(), &StateEvent::TestBegun, 0);
        for attempt in 1..=10_u16 {
            let moment = i64::from(attempt) * 300;
            state = after(&after(&state, &StateEvent::TestBegun, moment), &transient, moment);
            assert!(
                matches!(state.state, OperationState::Trying { attempts, .. } if attempts == attempt),
                "{state}"
            );
            let early = after(&state, &transient, moment + 299);
            assert_eq!(early, state, "asking early uses up no attempt");
        }
        state = after(&state, &transient, 11 * 300);
        for hour in 1..3 {
            let OperationState::Disabled(last) = &state.state else { panic!("still {state}") };
            assert_eq!((last.code.as_str(), last.nature), ("x", Nature::Permanent));
            let moment = 11 * 300 + hour * 3600;
            state = after(&after(&state, &StateEvent::TestBegun, moment), &transient, moment);
        }
        assert_eq!(after(&state, &StateEvent::TestPassed, 99_999).state, OperationState::Enabled);
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
