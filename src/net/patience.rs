//! How long a server is waited for: a whole answer has its time, and whoever sends it octet by octet gets no more of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::model::limits;
use crate::protocol::Pace;

/// What is left of the time for what the server owes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    left: Duration,
}

impl Patience {
    pub fn new(wait: Duration) -> Self {
        Self { left: wait }
    }

    /// For so long the next octets may be waited for.
    pub fn left(self) -> Duration {
        self.left
    }

    /// So many octets came, or were taken, after so much waiting: only that costs any, whatever we do ourselves in between is
    /// free. At the least rate of a transfer, or above, nothing is ever used up, and nothing is saved for later either.
    pub fn spend(&mut self, waited: Duration, octets: usize, (pace, wait): (Pace, Duration)) {
        let left = self.left.saturating_sub(waited);
        self.left = match pace {
            Pace::Answer => left,
            Pace::Bulk => wait.min(left + earned(octets)),
            Pace::Trickle => wait,
        };
    }
}

fn earned(octets: usize) -> Duration {
    Duration::from_micros((octets as u64).saturating_mul(1_000_000) / limits::TRANSFER_RATE_MIN_BYTES)
}

/// Measures a wait by the clock that the timers go by, and tells nobody the time.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(moment())
    }

    pub fn waited(&self) -> Duration {
        moment().saturating_duration_since(self.0)
    }
}

fn moment() -> Instant {
    sleep(Duration::ZERO).deadline()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const WAIT: Duration = Duration::from_secs(60);
    const LONG: Duration = Duration::from_secs(6000);

    /// How long a server is listened to that sends so many octets every so often.
    fn heard(octets: usize, every: Duration, pace: Pace) -> Duration {
        let mut patience = Patience::new(WAIT);
        let mut waited = Duration::ZERO;
        while patience.left() > every && waited < LONG {
            waited += every;
            patience.spend(every, octets, (pace, WAIT));
        }
        waited
    }

    #[test]
    fn an_answer_has_its_time_however_it_comes() {
        assert!(heard(1, SECOND, Pace::Answer) <= WAIT);
        assert!(heard(100_000, SECOND, Pace::Answer) <= WAIT);
    }

    #[test]
    fn a_transfer_goes_on_at_the_least_rate_and_ends_below_it() {
        assert_eq!(heard(500, SECOND, Pace::Bulk), LONG);
        assert!(heard(250, SECOND, Pace::Bulk) <= 2 * WAIT);
        assert!(heard(1, SECOND, Pace::Bulk) <= WAIT + SECOND);
        // What came quickly is not saved up for later.
        assert!(heard(1_000_000, WAIT, Pace::Bulk) <= WAIT);
    }

    #[test]
    fn what_trickles_by_design_only_must_not_fall_silent() {
        assert_eq!(heard(1, WAIT / 2, Pace::Trickle), LONG);
    }
}
