//! Until when the service does not want to hear of a mailbox: kept for all sessions of this process, because the limit is one
//! of application and mailbox, whoever calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::limits;
use crate::model::server::Destination;

/// Moments are those of [`crate::model::clock::Clock::elapsed`].
#[derive(Default)]
pub struct Waits(Mutex<BTreeMap<Key, Duration>>);

/// Profile and address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(String, String);

impl Key {
    pub fn of(destination: &Destination) -> Self {
        Self(destination.profile.to_string(), destination.address.key())
    }
}

impl Waits {
    /// How much longer nothing may be asked. `None`: now.
    pub(super) fn left(&self, key: &Key, now: Duration) -> Option<Duration> {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waits.get(key)?.checked_sub(now).filter(|left| !left.is_zero())
    }

    pub(super) fn wait(&self, key: &Key, now: Duration, wait: Duration) {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.len() >= limits::GRAPH_WAITS_KEPT_MAX {
            waits.retain(|_, until| *until > now);
        }
        if waits.len() < limits::GRAPH_WAITS_KEPT_MAX {
            let until = waits.entry(key.clone()).or_default();
            *until = (*until).max(now.saturating_add(wait));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_left_alone_until_the_longest_wait_is_over() {
        let (waits, seconds) = (Waits::default(), Duration::from_secs);
        let [anna, boris] = ["anna", "boris"].map(|name| Key("exo".to_owned(), name.to_owned()));
        waits.wait(&anna, seconds(10), seconds(30));
        waits.wait(&anna, seconds(20), seconds(5));
        assert_eq!(waits.left(&anna, seconds(30)), Some(seconds(10)));
        assert_eq!((waits.left(&anna, seconds(40)), waits.left(&boris, seconds(0))), (None, None));
    }
}
