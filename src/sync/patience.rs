//! What a server wants that asks for patience: how long to wait, and for how many mailboxes that holds.
//!
//! Sources: RFC 5530 and RFC 9051 section 7.1 (`[LIMIT]`, `[INUSE]`, `[UNAVAILABLE]`), RFC 2449 section 8 and RFC 3206
//! (`[IN-USE]`, `[LOGIN-DELAY]`, `[SYS/TEMP]`), RFC 5321 section 3.8 (421), and what large providers say instead.

use std::time::Duration;

use jiff::Timestamp;

use super::schedule::next_try;
use super::transition::later;
use crate::model::failure::{Cause, FailureSummary, RemoteError, TestStep};
use crate::model::host::Throttling;
use crate::model::operation::OperationState;
use crate::model::organization::Retry;

/// Why to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Too many requests or connections, or a server that is overloaded.
    SlowDown,
    /// The last login was too short a time ago.
    LoginDelay,
    /// Somebody else has the mailbox open.
    InUse,
}

/// Who has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    Mailbox,
    /// It was said before the server knew who we are: everybody who uses it.
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    pub demand: Demand,
    pub breadth: Breadth,
    /// How long the server itself says.
    pub asked: Option<Duration>,
}

impl Demand {
    const ALL: [Self; 3] = [Self::SlowDown, Self::LoginDelay, Self::InUse];

    /// The stable code of the failure.
    pub fn code(self) -> &'static str {
        match self {
            Self::SlowDown => "throttled",
            Self::LoginDelay => "login-delay",
            Self::InUse => "mailbox-in-use",
        }
    }

    fn wait(self, throttling: &Throttling) -> Duration {
        match self {
            Self::SlowDown => throttling.wait,
            Self::LoginDelay => throttling.login_delay,
            Self::InUse => throttling.in_use,
        }
    }
}

/// What a failure asks for; `None`: nothing of the kind.
pub fn demanded(error: &RemoteError) -> Option<Patience> {
    let (demand, said) = match said(error)? {
        Said::AskingForPatience(said) => (demand(&said)?, said),
        Said::Refusing(said) => (tells_of_a_lock(&said).then_some(Demand::InUse)?, said),
    };
    Some(Patience { demand, breadth: breadth(error.step), asked: asked(&said) })
}

/// What a server said, in upper case.
enum Said {
    AskingForPatience(String),
    /// For good, as far as its codes tell. The lock of a mailbox passes all the same.
    Refusing(String),
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other failure is a server that asks for patience")]
fn said(error: &RemoteError) -> Option<Said> {
    match &error.cause {
        // Only one that says for how long: whatever else it says is tried again as a failure of its own kind.
        Cause::TokenUnavailable { cause, .. } => match &**cause {
            Cause::TemporarilyRefused { said } if said.starts_with("[THROTTLED]") => {
                Some(Said::AskingForPatience(said.to_ascii_uppercase()))
            }
            _ => None,
        },
        Cause::TemporarilyRefused { said } | Cause::ServerBye { said } => {
            Some(Said::AskingForPatience(said.to_ascii_uppercase()))
        }
        Cause::LoginRefused { said } | Cause::Refused { said } if opens_mailbox(error.step) => {
            Some(Said::Refusing(said.to_ascii_uppercase()))
        }
        _ => None,
    }
}

/// Whether our own mailbox is opened at this step, and not a recipient's.
fn opens_mailbox(step: TestStep) -> bool {
    match step {
        TestStep::Authenticate | TestStep::Open => true,
        TestStep::Secret
        | TestStep::Token
        | TestStep::Autodiscover
        | TestStep::Resolve
        | TestStep::Connect
        | TestStep::Tls
        | TestStep::Greet
        | TestStep::ForwardRule
        | TestStep::Read
        | TestStep::Send
        | TestStep::ReceiveBack
        | TestStep::Delete
        | TestStep::Close => false,
    }
}

/// Whether a server says, in upper case and without a code, that somebody else has the mailbox open. RFC 1939 section 4 has no
/// codes yet: `-ERR maildrop already locked`, `-ERR unable to lock maildrop`. A locked *account* is another matter.
pub(super) fn tells_of_a_lock(said: &str) -> bool {
    const OF_WHAT: [&str; 4] = ["MAILDROP", "MAIL DROP", "MAILBOX", "SESSION"];
    const HELD: [&str; 6] = [" LOCK", "LOCKED", "LOCK ", "IN USE", "BUSY", "ALREADY OPEN"];
    let holds = |marks: &[&str]| marks.iter().any(|mark| said.contains(mark));
    let is_other = said.starts_with("[AUTH") || said.contains("ACCOUNT") || said.contains("BLOCK");
    holds(&OF_WHAT) && holds(&HELD) && !is_other
}

fn demand(said: &str) -> Option<Demand> {
    const CODES: [(&str, Demand); 8] = [
        ("THROTTLED", Demand::SlowDown),
        ("LIMIT", Demand::SlowDown),
        ("UNAVAILABLE", Demand::SlowDown),
        ("SYS/TEMP", Demand::SlowDown),
        ("LOGIN-DELAY", Demand::LoginDelay),
        ("IN-USE", Demand::InUse),
        ("INUSE", Demand::InUse),
        ("421", Demand::SlowDown),
    ];
    const WORDS: [&str; 6] = [
        "TOO MANY",
        "THROTTL",
        "MAXIMUM NUMBER OF CONNECTIONS",
        "RATE LIMIT",
        "BACKOFF TIME",
        "AUTHENTICATED BUT NOT CONNECTED",
    ];
    let inside = said.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(code, _)| code);
    let begins = inside.unwrap_or(said);
    let is_code = |code: &str| {
        begins.strip_prefix(code).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let known = CODES.iter().find(|(code, _)| is_code(code)).map(|(_, demand)| *demand);
    known
        .or_else(|| WORDS.iter().any(|words| said.contains(words)).then_some(Demand::SlowDown))
        .or_else(|| tells_of_a_lock(said).then_some(Demand::InUse))
}

/// Before the login nobody in particular can be meant.
pub fn breadth(step: TestStep) -> Breadth {
    match step {
        TestStep::Secret
        | TestStep::Token
        | TestStep::Resolve
        | TestStep::Connect
        | TestStep::Tls
        | TestStep::Greet => Breadth::Server,
        TestStep::Autodiscover
        | TestStep::Authenticate
        | TestStep::Open
        | TestStep::ForwardRule
        | TestStep::Read
        | TestStep::Send
        | TestStep::ReceiveBack
        | TestStep::Delete
        | TestStep::Close => Breadth::Mailbox,
    }
}

/// `Suggested Backoff Time: 92415 milliseconds` (Exchange), `try again in 60 seconds`, `retry after 5 minutes`.
fn asked(said: &str) -> Option<Duration> {
    let words: Vec<&str> = said.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let leads = |before: &str| matches!(before, "IN" | "AFTER" | "TIME" | "WAIT" | "FOR");
    words.windows(3).enumerate().find_map(|(at, window)| {
        let [_, number, unit] = window else { return None };
        let before = words.get(..=at)?.iter().rev().find(|word| !word.is_empty())?;
        let number: u64 = number.parse().ok().filter(|_| leads(before))?;
        let wait = match unit.trim_end_matches('S') {
            "MILLISECOND" | "M" => Duration::from_millis(number),
            "SECOND" | "SEC" | "" => Duration::from_secs(number),
            "MINUTE" | "MIN" => Duration::from_secs(number.saturating_mul(60)),
            _ => return None,
        };
        Some(wait)
    })
}

/// The wait after a failure, `failures_before` of the kind in a row before it: doubled with each, never shorter than what
/// the server asked for, never longer than the host allows. A server that asks for a time is believed once.
pub fn wait(patience: Patience, failures_before: u16, throttling: &Throttling) -> Duration {
    /// Less is not worth to be asked for.
    const ASKED_MIN: Duration = Duration::from_secs(1);
    let own = |failures: u16| {
        let doubled = 2_u32.saturating_pow(u32::from(failures));
        patience.demand.wait(throttling).saturating_mul(doubled)
    };
    let wait = match (patience.asked, failures_before.checked_sub(1)) {
        (None, _) => own(failures_before),
        (Some(asked), None) => asked.max(ASKED_MIN),
        (Some(asked), Some(earlier)) => asked.max(own(earlier)),
    };
    wait.min(throttling.wait_max)
}

/// The retry settings for one failure: where the server asks for patience, that decides about the wait.
pub fn retry_of(
    error: &RemoteError,
    before: &OperationState,
    retry: &Retry,
    throttling: &Throttling,
) -> Retry {
    match demanded(error) {
        Some(patience) => Retry { wait: wait(patience, failures(before), throttling), ..*retry },
        None => *retry,
    }
}

fn failures(state: &OperationState) -> u16 {
    match state {
        OperationState::Retrying { attempts, .. } | OperationState::Trying { attempts, .. } => *attempts,
        OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Disabled(_) => 0,
    }
}

/// No try lies before the time until which the server itself has just asked to be left alone, however often it was asked in between.
pub fn kept_away(
    state: OperationState,
    error: &RemoteError,
    now: Timestamp,
    throttling: &Throttling,
) -> OperationState {
    let asked = demanded(error).and_then(|patience| patience.asked);
    match (state, asked) {
        (OperationState::Retrying { attempts, until, failure }, Some(asked)) => {
            let until = until.max(later(now, asked.min(throttling.wait_max)));
            OperationState::Retrying { attempts, until, failure }
        }
        (state, _) => state,
    }
}

/// The longest that an operation may have to wait for its next try: a guard against clocks, see
/// [`crate::sync::schedule::next_try`].
pub fn longest_wait(state: &OperationState, retry: &Retry, throttling: &Throttling) -> Duration {
    match state {
        OperationState::Retrying { failure, .. } | OperationState::Trying { failure, .. }
            if asks(failure) =>
        {
            throttling.wait_max.max(retry.wait)
        }
        OperationState::Retrying { .. }
        | OperationState::Trying { .. }
        | OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Disabled(_) => retry.wait,
    }
}

/// The retry settings for [`crate::sync::schedule::next_test`].
pub fn retry_of_tests(state: &OperationState, retry: &Retry, throttling: &Throttling) -> Retry {
    match state {
        OperationState::Trying { .. } => Retry { wait: longest_wait(state, retry, throttling), ..*retry },
        OperationState::Retrying { .. }
        | OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Disabled(_) => *retry,
    }
}

/// Until when a server that limits what it does for a mailbox wants to hear nothing of it. `None`: it may be asked. A clock that was
/// put back keeps nobody waiting longer than the host allows.
pub fn left_alone_until<'a>(
    states: impl Iterator<Item = &'a OperationState>,
    now: Timestamp,
    throttling: &Throttling,
) -> Option<Timestamp> {
    let asked = states.filter_map(|state| match state {
        OperationState::Retrying { until, failure, .. } | OperationState::Trying { until, failure, .. }
            if failure.code == Demand::SlowDown.code() =>
        {
            Some(next_try(*until, now, throttling.wait_max))
        }
        OperationState::Retrying { .. }
        | OperationState::Trying { .. }
        | OperationState::Off(_)
        | OperationState::AwaitingTest(_)
        | OperationState::Testing
        | OperationState::Enabled
        | OperationState::Disabled(_) => None,
    });
    asked.filter(|until| *until > now).max()
}

fn asks(failure: &FailureSummary) -> bool {
    Demand::ALL.iter().any(|demand| demand.code() == failure.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(step: TestStep, said: &str) -> Option<Patience> {
        demanded(&RemoteError::new(step, Cause::TemporarilyRefused { said: said.to_owned() }))
    }

    #[test]
    fn a_provider_of_tokens_is_left_alone_as_long_as_it_says() {
        let asked = |said: &str| {
            let cause = Box::new(Cause::TemporarilyRefused { said: said.to_owned() });
            let cause = Cause::TokenUnavailable { provider: "p".to_owned(), cause };
            demanded(&RemoteError::new(TestStep::Token, cause)).and_then(|patience| patience.asked)
        };
        let wait = asked("[THROTTLED] HTTP 503 (retry after 1200 seconds)");
        assert_eq!(wait, Some(Duration::from_secs(1200)));
        assert_eq!(asked("HTTP 503"), None);
    }

    #[test]
    fn each_way_of_asking_for_patience_is_understood() {
        use Demand::{InUse, LoginDelay, SlowDown};
        for (said, demand) in [
            ("[THROTTLED] slow down", Some(SlowDown)),
            ("[LIMIT] Too many requests", Some(SlowDown)),
            ("[UNAVAILABLE] Maximum number of connections from user+IP exceeded", Some(SlowDown)),
            ("[SYS/TEMP] backend away", Some(SlowDown)),
            ("[SYS/TEMP/DISK] full", Some(SlowDown)),
            ("[LOGIN-DELAY] minimum time between logins is 300 seconds", Some(LoginDelay)),
            ("[IN-USE] locked by another session", Some(InUse)),
            ("[INUSE] busy", Some(InUse)),
            ("421 4.7.0 Too many connections from your host", Some(SlowDown)),
            ("User is authenticated but not connected.", Some(SlowDown)),
            ("[LIMITED] unknown code", None),
            ("4210 strange", None),
            ("451 4.3.0 greylisted", None),
        ] {
            assert_eq!(of(TestStep::Open, said).map(|patience| patience.demand), demand, "{said}");
        }
        let bye = Cause::ServerBye { said: "421 4.3.2 shutting down".to_owned() };
        assert!(demanded(&RemoteError::new(TestStep::Send, bye)).is_some());
        let wrong = Cause::LoginRefused { said: "[LIMIT] no".to_owned() };
        assert_eq!(demanded(&RemoteError::new(TestStep::Authenticate, wrong)), None);
    }

    #[test]
    fn no_try_lies_within_the_time_for_which_a_server_has_asked() {
        let until = |second| Timestamp::from_second(second).unwrap();
        let failure = FailureSummary {
            code: "throttled".into(),
            step: TestStep::Open,
            nature: crate::model::failure::Nature::Transient,
            scope: crate::model::failure::Scope::Mailbox,
            cause: "c".into(),
            remedy: "r".into(),
        };
        let retrying =
            |second| OperationState::Retrying { attempts: 2, until: until(second), failure: failure.clone() };
        let asks = |said: &str| {
            RemoteError::new(TestStep::Open, Cause::TemporarilyRefused { said: said.to_owned() })
        };
        let throttling = Throttling::default();
        let twenty = asks("[THROTTLED] HTTP 429 (retry after 1200 seconds)");
        let kept = |second, error| kept_away(retrying(second), error, until(10), &throttling);
        assert_eq!(kept(310, &twenty), retrying(1210));
        assert_eq!(kept(2000, &twenty), retrying(2000));
        assert_eq!(kept(310, &asks("[THROTTLED] HTTP 429")), retrying(310));
    }

    #[test]
    fn a_locked_mailbox_is_waited_for_whatever_words_tell_of_it() {
        let refused = |step, said: &str| {
            let said = said.to_owned();
            [Cause::LoginRefused { said: said.clone() }, Cause::Refused { said }]
                .map(|cause| demanded(&RemoteError::new(step, cause)).map(|patience| patience.demand))
        };
        for said in [
            "maildrop already locked",
            "unable to lock maildrop",
            "Unable to lock mailbox",
            "Mailbox is locked by another session",
            "/var/mail/.anna.pop lock busy! Is another session active? (11)",
            "Can't open mailbox: in use",
            "your mailbox is in use by another POP3 client",
            "mail drop is busy",
        ] {
            assert_eq!(refused(TestStep::Authenticate, said), [Some(Demand::InUse); 2], "{said}");
            assert_eq!(refused(TestStep::Send, said), [None; 2], "a recipient's: {said}");
        }
        for said in [
            "account locked",
            "the account of this mailbox is locked",
            "invalid password",
            "mailbox blocked",
            "[AUTH] mailbox locked",
        ] {
            assert_eq!(refused(TestStep::Authenticate, said), [None; 2], "{said}");
        }
    }

    #[test]
    fn what_is_said_before_the_login_concerns_everybody() {
        let said = "421 too many connections";
        assert_eq!(of(TestStep::Greet, said).unwrap().breadth, Breadth::Server);
        assert_eq!(of(TestStep::Authenticate, said).unwrap().breadth, Breadth::Mailbox);
    }

    #[test]
    fn the_time_that_a_server_names_is_read() {
        for (said, seconds) in [
            ("[THROTTLED] Request is throttled. Suggested Backoff Time: 92000 milliseconds", Some(92)),
            ("[LIMIT] try again in 60 seconds", Some(60)),
            ("[LIMIT] retry after 5 minutes.", Some(300)),
            ("[LIMIT] 10 connections at most", None),
            ("[LIMIT] in 99999999999999999999 seconds", None),
        ] {
            let asked = of(TestStep::Open, said).unwrap().asked;
            assert_eq!(asked, seconds.map(Duration::from_secs), "{said}");
        }
    }

    #[test]
    fn waits_double_up_to_the_limit_and_are_never_shorter_than_what_was_asked_for() {
        let throttling = Throttling::default();
        let patience = of(TestStep::Open, "[THROTTLED]").unwrap();
        let waits = [0, 1, 2, 3, 6, 50_000].map(|failures| wait(patience, failures, &throttling).as_secs());
        assert_eq!(waits, [60, 120, 240, 480, 3600, 3600]);
        let asked = of(TestStep::Open, "[THROTTLED] wait 600 seconds").unwrap();
        assert_eq!(wait(asked, 0, &throttling).as_secs(), 600);
        let soon = of(TestStep::Open, "[THROTTLED] retry after 2 seconds").unwrap();
        let waits = [0, 1, 2, 3].map(|failures| wait(soon, failures, &throttling).as_secs());
        assert_eq!(waits, [2, 60, 120, 240], "one that asks again and again is left alone for longer");
        let forever = of(TestStep::Open, "[THROTTLED] wait 9000000 seconds").unwrap();
        assert_eq!(wait(forever, 0, &throttling), throttling.wait_max);
    }

    #[test]
    fn a_mailbox_is_left_alone_while_one_of_its_operations_has_to_wait_and_whatever_the_clock_does() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let retrying = |code: &str, until| OperationState::Retrying {
            attempts: 1,
            until: at(until),
            failure: FailureSummary {
                code: code.to_owned(),
                step: TestStep::Read,
                nature: crate::model::failure::Nature::Transient,
                scope: crate::model::failure::Scope::Mailbox,
                cause: String::new(),
                remedy: String::new(),
            },
        };
        let until = |states: &[OperationState], now| {
            let until = left_alone_until(states.iter(), at(now), &Throttling::default());
            until.map(Timestamp::as_second)
        };
        let states = [OperationState::Enabled, retrying("throttled", 900), retrying("timed-out", 5000)];
        assert_eq!(until(&states, 100), Some(900));
        assert_eq!(until(&states, 900), None);
        assert_eq!(until(&states[..1], 100), None);
        assert_eq!(until(&[retrying("throttled", 1_000_000)], 100), Some(3700));
    }

    #[test]
    fn other_failures_wait_as_they_are_declared_to() {
        let retry = Retry::default();
        let lost = RemoteError::new(TestStep::Read, Cause::TimedOut { seconds: 60 });
        assert_eq!(retry_of(&lost, &OperationState::Enabled, &retry, &Throttling::default()), retry);
    }
}
