//! When a mailbox is due again.

use std::time::Duration;

use jiff::Timestamp;

use super::transition::later;
use crate::model::failure::Nature;
use crate::model::limits;
use crate::model::operation::{Awaiting, OperationState};
use crate::model::organization::Retry;
use crate::model::stored::StoredOperation;

/// When the next incoming cycle is due, computed at the end of one. `jitter` is a number from 0 up to 1 that spreads
/// mailboxes which were enabled together over a tenth of the interval.
pub fn next_cycle(
    state: &OperationState,
    interval_minutes: u16,
    now: Timestamp,
    jitter: f64,
) -> Option<Timestamp> {
    let interval = Duration::from_secs(u64::from(interval_minutes) * 60).max(limits::CYCLE_GAP_MIN);
    let spread = interval.mul_f64(jitter.clamp(0.0, 1.0) / 10.0);
    match state {
        OperationState::Enabled => Some(later(now, interval + spread)),
        OperationState::Retrying { until, .. } => Some(*until),
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Disabled(_) => None,
    }
}

/// When an operation that is not enabled is tested again without anybody asking: at once when it waits for its first
/// test, after the retry's wait when waiting may have helped, once an hour otherwise. Counted from its last change, so that
/// asking again does not put it off.
pub fn next_test(operation: &StoredOperation, now: Timestamp, retry: &Retry) -> Option<Timestamp> {
    let after = |wait: Duration| Some(later(operation.changed_at, wait).max(now));
    match &operation.state {
        OperationState::AwaitingTest(Awaiting::Test) | OperationState::Testing => Some(now),
        OperationState::AwaitingTest(Awaiting::NoIdentity) => after(limits::RETEST_WITHOUT_IDENTITY),
        OperationState::Disabled(failure) => match failure.nature {
            Nature::Transient => after(retry.wait),
            Nature::Permanent => after(limits::RETEST_DISABLED),
        },
        OperationState::AwaitingTest(Awaiting::NoConnector)
        | OperationState::Off(_)
        | OperationState::Enabled
        | OperationState::Retrying { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_a_floor_is_still_not_a_busy_loop() {
        let due = next_cycle(&OperationState::Enabled, 0, Timestamp::UNIX_EPOCH, 0.0);
        assert_eq!(due, Some(later(Timestamp::UNIX_EPOCH, limits::CYCLE_GAP_MIN)));
    }

    #[test]
    fn what_is_not_enabled_is_never_due() {
        let waiting = OperationState::AwaitingTest(Awaiting::Test);
        assert_eq!(next_cycle(&waiting, 5, Timestamp::UNIX_EPOCH, 0.0), None);
    }

    #[test]
    fn jitter_adds_at_most_a_tenth() {
        let due = next_cycle(&OperationState::Enabled, 10, Timestamp::UNIX_EPOCH, 5.0);
        assert_eq!(due, Some(later(Timestamp::UNIX_EPOCH, Duration::from_secs(660))));
    }

    #[test]
    fn asking_again_does_not_put_a_test_off() {
        let operation = StoredOperation {
            state: OperationState::AwaitingTest(Awaiting::NoIdentity),
            connection: None,
            changed_at: Timestamp::UNIX_EPOCH,
            tested_at: None,
            cycle_at: None,
        };
        let ask = |seconds| {
            let now = Timestamp::from_second(seconds).unwrap();
            next_test(&operation, now, &Retry::default()).unwrap().as_second()
        };
        assert_eq!([0, 59, 60, 61, 1000].map(ask), [60, 60, 60, 61, 1000]);
    }
}
