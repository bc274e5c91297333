//! When a mailbox is due again.

use std::time::Duration;

use jiff::Timestamp;

use super::transition::later;
use crate::model::failure::Nature;
use crate::model::limits;
use crate::model::operation::{Awaiting, OperationState};
use crate::model::organization::Retry;
use crate::model::pending::Pending;
use crate::model::stored::StoredOperation;

/// How often a mailbox is read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// 0: as often as [`limits::CYCLE_GAP_MIN`] allows.
    pub interval_minutes: u16,
    /// From 0 up to 1: spreads mailboxes over a tenth of the interval.
    pub jitter: f64,
    pub retry_wait: Duration,
}

/// When the next incoming cycle is due after one that ended at `ended`; one that was never read is due at once. A clock that
/// was ahead for a while must not silence a mailbox: no time counts that lies further ahead than the wait itself.
pub fn next_cycle(
    state: &OperationState,
    pace: Pace,
    ended: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let interval = Duration::from_secs(u64::from(pace.interval_minutes) * 60).max(limits::CYCLE_GAP_MIN);
    let spread = interval.mul_f64(pace.jitter.clamp(0.0, 1.0) / 10.0);
    match (state, ended) {
        (OperationState::Enabled, None) => Some(now),
        (OperationState::Enabled, Some(ended)) => Some(later(ended.min(now), interval + spread)),
        (OperationState::Retrying { until, .. }, _) => Some(next_try(*until, now, pace.retry_wait)),
        (
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Testing
            | OperationState::Trying { .. }
            | OperationState::Disabled(_),
            _,
        ) => None,
    }
}

/// When a failing operation is tried again.
pub fn next_try(until: Timestamp, now: Timestamp, wait: Duration) -> Timestamp {
    until.min(later(now, wait))
}

/// When an operation that is not enabled, or a change that waits, is tested again without anybody asking: at once when it
/// waits for its first test, after the retry's wait when waiting may have helped, once an hour otherwise. Counted from its
/// last change, so that asking again does not put it off. `retry`: as [`super::patience::retry_of_tests`] makes it.
pub fn next_test(operation: &StoredOperation, now: Timestamp, retry: &Retry) -> Option<Timestamp> {
    if let Some(pending) = &operation.pending {
        return next_test_of_change(pending, now, retry);
    }
    let after = |from: Timestamp, wait: Duration| Some(later(from.min(now), wait).max(now));
    // A test that failed as the one before changed nothing.
    let last = operation.tested_at.map_or(operation.changed_at, |at| at.max(operation.changed_at));
    match &operation.state {
        OperationState::AwaitingTest(Awaiting::Test) | OperationState::Testing => Some(now),
        OperationState::AwaitingTest(Awaiting::NoIdentity) => {
            after(operation.changed_at, limits::RETEST_WITHOUT_IDENTITY)
        }
        OperationState::Trying { until, .. } => Some(next_try(*until, now, retry.wait).max(now)),
        OperationState::Disabled(failure) => match failure.nature {
            Nature::Transient => after(last, retry.wait),
            Nature::Permanent => after(last, limits::RETEST_DISABLED),
        },
        OperationState::AwaitingTest(Awaiting::NoConnector)
        | OperationState::Off(_)
        | OperationState::Enabled
        | OperationState::Retrying { .. } => None,
    }
}

fn next_test_of_change(pending: &Pending, now: Timestamp, retry: &Retry) -> Option<Timestamp> {
    let after = |from: Timestamp, wait: Duration| Some(later(from.min(now), wait).max(now));
    match pending {
        Pending::Waiting { awaiting: Awaiting::Test, since: _ } => Some(now),
        Pending::Waiting { awaiting: Awaiting::NoIdentity, since } => {
            after(*since, limits::RETEST_WITHOUT_IDENTITY)
        }
        Pending::Waiting { awaiting: Awaiting::NoConnector, since: _ } => None,
        Pending::Failed { failure, attempts, at } => match failure.nature {
            Nature::Transient if *attempts <= retry.attempts => after(*at, retry.wait),
            Nature::Transient | Nature::Permanent => after(*at, limits::RETEST_DISABLED),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::model::failure::Scope;

    fn pace(interval_minutes: u16, jitter: f64) -> Pace {
        Pace { interval_minutes, jitter, retry_wait: Duration::from_secs(300) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_profile_without_a_floor_is_still_not_a_busy_loop() {
        let due = next_cycle(&OperationState::Enabled, pace(0, 0.0), Some(at(7)), at(7));
        assert_eq!(due, Some(later(at(7), limits::CYCLE_GAP_MIN)));
    }

    #[test]
    fn what_was_never_read_is_due_at_once_and_what_is_not_enabled_never() {
        assert_eq!(next_cycle(&OperationState::Enabled, pace(5, 0.5), None, at(7)), Some(at(7)));
        let waiting = OperationState::AwaitingTest(Awaiting::Test);
        assert_eq!(next_cycle(&waiting, pace(5, 0.0), None, at(7)), None);
    }

    #[test]
    fn jitter_adds_at_most_a_tenth() {
        let due = next_cycle(&OperationState::Enabled, pace(10, 5.0), Some(at(0)), at(0));
        assert_eq!(due, Some(at(660)));
    }

    #[test]
    fn a_clock_that_was_ahead_silences_nothing() {
        let due = next_cycle(&OperationState::Enabled, pace(1, 0.0), Some(at(1_000_000)), at(100));
        assert_eq!(due, Some(at(160)));
        assert_eq!(next_try(at(1_000_000), at(100), Duration::from_secs(300)), at(400));
    }

    #[test]
    fn asking_again_does_not_put_a_test_off() {
        let operation = samples::operation(OperationState::AwaitingTest(Awaiting::NoIdentity));
        let ask = |seconds| {
            let now = Timestamp::from_second(seconds).unwrap();
            next_test(&operation, now, &Retry::default()).unwrap().as_second()
        };
        assert_eq!([0, 59, 60, 61, 1000].map(ask), [60, 60, 60, 61, 1000]);
    }

    #[test]
    fn what_is_disabled_is_tested_once_an_hour_although_nothing_changes_with_it() {
        let failure = samples::failure("x", (Nature::Permanent, Scope::Profile));
        let operation = StoredOperation {
            tested_at: Some(at(4000)),
            ..samples::operation(OperationState::Disabled(failure))
        };
        let due = next_test(&operation, at(4001), &Retry::default());
        assert_eq!(due, Some(later(at(4000), limits::RETEST_DISABLED)));
    }

    #[test]
    fn a_change_that_waits_is_tested_at_once_and_one_that_failed_in_its_time() {
        let failed = |nature| Pending::Failed {
            failure: samples::failure("x", (nature, Scope::Profile)),
            attempts: 1,
            at: at(100),
        };
        let waits = |awaiting| Pending::Waiting { awaiting, since: at(100) };
        let retry = Retry::default();
        for (pending, due) in [
            (waits(Awaiting::Test), Some(at(101))),
            (waits(Awaiting::NoIdentity), Some(later(at(100), limits::RETEST_WITHOUT_IDENTITY))),
            (waits(Awaiting::NoConnector), None),
            (failed(Nature::Transient), Some(later(at(100), retry.wait))),
            (failed(Nature::Permanent), Some(later(at(100), limits::RETEST_DISABLED))),
        ] {
            let operation = StoredOperation {
                pending: Some(pending.clone()),
                ..samples::operation(OperationState::Enabled)
            };
            assert_eq!(next_test(&operation, at(101), &retry), due, "{pending}");
        }
    }
}
