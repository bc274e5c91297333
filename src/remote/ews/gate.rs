//! Mailboxes that their server wants left alone for a while: whichever session is about to ask waits, or says so.
//!
//! A server that is busy says for how long (`BackOffMilliseconds`, `Retry-After`), and more calls before that make it worse.
//! The budget is that of the mailbox that is worked in, also when another account does it for its owner.
//! Source: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange>

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::profile::Access;
use crate::model::server::{Destination, Login};

/// Until when which mailboxes are left alone; moments count from some fixed one of this process.
#[derive(Default)]
pub struct Gates {
    closed: Mutex<BTreeMap<String, Duration>>,
}

/// What is to be done about a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Now,
    /// Worth waiting for, within the session.
    After(Duration),
    /// Not worth it: the mailbox is tried again later.
    TooLong(Duration),
}

impl Gates {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Duration>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server that is busy without saying for how long gets a moment all the same. Returns for how long it is closed.
    pub(super) fn close(&self, mailbox: &str, asked: Option<Duration>, now: Duration) -> Duration {
        let wait = asked.unwrap_or_default().max(limits::EWS_BUSY_WAIT_MIN);
        let until = now.saturating_add(wait);
        let mut closed = self.lock();
        closed.retain(|_, until| *until > now);
        let known = closed.entry(mailbox.to_owned()).or_default();
        *known = until.max(*known);
        wait
    }

    pub(super) fn pass(&self, mailbox: &str, now: Duration) -> Pass {
        let until = self.lock().get(mailbox).copied().unwrap_or_default();
        match until.saturating_sub(now) {
            Duration::ZERO => Pass::Now,
            wait if wait <= limits::EWS_BUSY_WAIT_WITHIN => Pass::After(wait),
            wait => Pass::TooLong(wait),
        }
    }
}

/// Whoever is impersonated pays; with other rights the account that logs in does.
pub(super) fn budget(destination: &Destination) -> String {
    let access = destination.service.as_ref().and_then(|service| service.access);
    let who = match (access, &destination.login) {
        (Some(Access::Delegation), Login::Password { username, .. }) => username.to_lowercase(),
        (Some(Access::Delegation | Access::Impersonation) | None, _) => destination.address.key(),
    };
    format!("{} {who}", destination.endpoint.host.to_lowercase())
}

/// How the cause begins when the server was not even asked.
const NOT_ASKED: &str = "[THROTTLED] not asked at all";

/// What is said instead of asking.
pub(super) fn not_asked(wait: Duration) -> Cause {
    let wait = wait.as_millis();
    let said =
        format!("{NOT_ASKED}: the server wants this mailbox left alone (try again in {wait} milliseconds)");
    Cause::TemporarilyRefused { said }
}

/// Whether a cause says that the server was not even asked.
pub(super) fn is_not_asked(cause: &Cause) -> bool {
    matches!(cause, Cause::TemporarilyRefused { said } if said.starts_with(NOT_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_mailbox_is_left_alone_for_as_long_as_its_server_says_and_no_other_is() {
        let gates = Gates::default();
        assert_eq!(gates.pass("a", SECOND), Pass::Now);
        gates.close("a", Some(297 * SECOND), SECOND);
        assert_eq!(gates.pass("a", 2 * SECOND), Pass::TooLong(296 * SECOND));
        assert_eq!(gates.pass("a", 297 * SECOND), Pass::After(SECOND));
        assert_eq!(gates.pass("a", 298 * SECOND), Pass::Now);
        assert_eq!(gates.pass("b", 2 * SECOND), Pass::Now);
    }

    #[test]
    fn a_server_that_says_no_time_or_none_at_all_gets_a_moment() {
        let gates = Gates::default();
        for asked in [None, Some(Duration::ZERO)] {
            assert_eq!(gates.close("a", asked, SECOND), limits::EWS_BUSY_WAIT_MIN);
            assert!(matches!(gates.pass("a", SECOND), Pass::After(_)));
        }
    }

    #[test]
    fn a_shorter_wait_never_opens_a_gate_before_a_longer_one() {
        let gates = Gates::default();
        gates.close("a", Some(60 * SECOND), SECOND);
        gates.close("a", Some(Duration::ZERO), 2 * SECOND);
        assert_eq!(gates.pass("a", 3 * SECOND), Pass::TooLong(58 * SECOND));
    }

    #[test]
    fn whoever_was_not_asked_is_known_by_it() {
        assert!(is_not_asked(&not_asked(SECOND)));
        assert!(!is_not_asked(&Cause::TemporarilyRefused { said: "[THROTTLED] HTTP 503".to_owned() }));
    }
}
