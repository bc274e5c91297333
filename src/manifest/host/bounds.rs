//! The numbers of a host file: how many connections, and how patient they are.

use std::time::Duration;

use serde::Deserialize;

use crate::manifest::codes;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::mirror::values::Period;
use crate::manifest::report::{Draft, Report};
use crate::model::host::{Connections, KeptSessions, Push, Throttling};
use crate::model::limits;

/// `connections` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionsText {
    /// Mailboxes worked on at once.
    at_once: Option<Spanned<u32>>,
    /// IMAP sessions that stay logged in; 0: none.
    kept: Option<Spanned<u32>>,
    kept_idle: Option<Spanned<Period>>,
    kept_age: Option<Spanned<Period>>,
    /// Kept sessions on which the server tells of new mail; 0: none.
    push: Option<Spanned<u32>>,
    push_renewal: Option<Spanned<Period>>,
}

/// `throttling` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThrottlingText {
    wait: Option<Spanned<Period>>,
    login_delay: Option<Spanned<Period>>,
    in_use: Option<Spanned<Period>>,
    wait_max: Option<Spanned<Period>>,
}

pub fn connections(written: ConnectionsText, report: &mut Report<'_>) -> Connections {
    let Connections { at_once_max, kept, push } = Connections::default();
    let age = (limits::CYCLE_GAP_MIN, limits::KEPT_SESSION_AGE_MAX);
    let idle = (limits::CYCLE_GAP_MIN, limits::KEPT_SESSION_IDLE_MAX);
    Connections {
        at_once_max: count(written.at_once, at_once_max, (1, limits::MAILBOXES_AT_ONCE_MAX), report),
        kept: KeptSessions {
            count_max: count(written.kept, kept.count_max, (0, limits::KEPT_SESSIONS_MAX), report),
            idle_max: period(written.kept_idle, kept.idle_max, idle, report),
            age_max: period(written.kept_age, kept.age_max, age, report),
        },
        push: Push {
            count_max: count(written.push, push.count_max, (0, limits::KEPT_SESSIONS_MAX), report),
            renew_after: period(
                written.push_renewal,
                push.renew_after,
                (Duration::from_secs(10), limits::PUSH_RENEWAL_MAX),
                report,
            ),
        },
    }
}

pub fn throttling(written: ThrottlingText, report: &mut Report<'_>) -> Throttling {
    let default = Throttling::default();
    let range = (Duration::from_secs(1), limits::THROTTLED_WAIT_MAX);
    Throttling {
        wait: period(written.wait, default.wait, range, report),
        login_delay: period(written.login_delay, default.login_delay, range, report),
        in_use: period(written.in_use, default.in_use, range, report),
        wait_max: period(written.wait_max, default.wait_max, range, report),
    }
}

fn count(
    written: Option<Spanned<u32>>,
    default: usize,
    (min, max): (usize, usize),
    report: &mut Report<'_>,
) -> usize {
    let Some(written) = written else { return default };
    match usize::try_from(written.value) {
        Ok(count) if (min..=max).contains(&count) => count,
        Ok(_) | Err(_) => {
            let words = format!("expected a number from {min} to {max}");
            report.add(Draft::error(codes::HOST_FILE, written.place, &words));
            default
        }
    }
}

fn period(
    written: Option<Spanned<Period>>,
    default: Duration,
    (min, max): (Duration, Duration),
    report: &mut Report<'_>,
) -> Duration {
    let Some(written) = written else { return default };
    let Period(period) = written.value;
    if (min..=max).contains(&period) {
        return period;
    }
    let words = format!("expected a duration from {} s to {} s", min.as_secs(), max.as_secs());
    report.add(Draft::error(codes::HOST_FILE, written.place, &words));
    default
}
