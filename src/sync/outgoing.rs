//! What becomes of an outgoing message after an attempt, and by what a person decides.

mod resolving;

pub use resolving::{Unresolvable, resolve};

use jiff::Timestamp;

use super::known;
use super::transition::later;
use crate::model::failure::{Cause, Failure, FailureSummary, Nature, RemoteError, Scope, TestStep};
use crate::model::organization::Retry;
use crate::model::outbox::{
    AttemptOutcome, OutgoingMessage, OutgoingState, Recipient, RecipientResult, Submitted,
};

/// The recipients that are still to be tried.
pub fn open_recipients(message: &OutgoingMessage) -> Vec<&Recipient> {
    message.recipients.iter().filter(|recipient| is_open(recipient.state)).collect()
}

fn is_open(state: OutgoingState) -> bool {
    match state {
        OutgoingState::Pending | OutgoingState::Sending => true,
        OutgoingState::Sent | OutgoingState::Failed | OutgoingState::Unsure | OutgoingState::Cancelled => {
            false
        }
    }
}

/// The outcome of a submission that the server answered, at least in part. `is_early`: it was made before the time until which
/// the server wants to be left alone.
pub fn settle(
    message: &OutgoingMessage,
    submitted: &Submitted,
    (now, is_early): (Timestamp, bool),
    retry: &Retry,
) -> AttemptOutcome {
    let mut results = submitted.recipients.iter();
    let is_full = is_full(submitted);
    let is_pause = is_early && farewell(submitted).is_some();
    let attempts = message.attempts.saturating_add(u16::from(!is_full && !is_pause));
    let is_last = attempts >= retry.attempts_per_message;
    let recipients: Vec<Recipient> = message
        .recipients
        .iter()
        .map(|recipient| match is_open(recipient.state) {
            true => results
                .next()
                .map_or_else(|| unanswered(recipient), |result| after(recipient, result, is_last)),
            false => recipient.clone(),
        })
        .collect();
    let state = overall(&recipients);
    AttemptOutcome {
        id: message.id,
        attempts,
        next_attempt_at: match (is_full, is_pause) {
            (true, _) => now,
            (false, true) => later(now, retry.wait),
            (false, false) => later(now, backoff(retry, attempts)),
        },
        state,
        failure: explained(message.id, state, &recipients),
        recipients,
        at: now,
    }
}

/// Why a message is in that state. `None`: nothing went wrong.
fn explained(id: u64, state: OutgoingState, recipients: &[Recipient]) -> Option<FailureSummary> {
    worst(recipients).map(|(code, said)| FailureSummary {
        code: code.to_owned(),
        step: TestStep::Send,
        nature: if state == OutgoingState::Pending { Nature::Transient } else { Nature::Permanent },
        scope: Scope::Message,
        remedy: remedy(id, state, &said),
        cause: said,
    })
}

/// Whether the server took some recipients and all that it did not take were too many for one transaction: they have another one at
/// once, and it costs no attempt (RFC 5321 section 4.5.3.1.10).
fn is_full(submitted: &Submitted) -> bool {
    let mut left = submitted.recipients.iter().filter_map(|result| match result {
        RecipientResult::Deferred { said } => Some(said),
        RecipientResult::Accepted { .. }
        | RecipientResult::Refused { .. }
        | RecipientResult::Unsure { .. } => None,
    });
    let is_taken = |result: &RecipientResult| matches!(result, RecipientResult::Accepted { .. });
    submitted.recipients.iter().any(is_taken)
        && left.next().is_some_and(|said| is_about_count(said))
        && left.all(|said| is_about_count(said))
}

/// The words with which the server took its leave in place of an answer to the message (421, RFC 5321 section 3.8): it wants to
/// hear no more for now, and that is no verdict on this message alone.
pub fn farewell(submitted: &Submitted) -> Option<&str> {
    submitted.recipients.iter().find_map(|result| match result {
        RecipientResult::Deferred { said } if said.split_whitespace().next() == Some("421") => {
            Some(said.as_str())
        }
        RecipientResult::Deferred { .. }
        | RecipientResult::Accepted { .. }
        | RecipientResult::Refused { .. }
        | RecipientResult::Unsure { .. } => None,
    })
}

fn is_about_count(said: &str) -> bool {
    let mut words = said.split_whitespace();
    match (words.next(), words.next()) {
        (Some("452"), Some("4.5.3")) | (Some("552"), Some("5.5.3")) => true,
        (Some("452" | "552"), _) => {
            let said = said.to_ascii_lowercase();
            said.contains("too many") && said.contains("recipient")
        }
        _ => false,
    }
}

/// The outcome of an attempt that certainly reached nobody. What went wrong before this message was begun does not count
/// against it; a conversation that broke while it was being handed over does, also when the server took its leave (421), so that
/// one message which breaks its server does not hold up the others for ever: what has been tried less often goes before it.
pub fn not_sent(
    message: &OutgoingMessage,
    failure: &Failure,
    now: Timestamp,
    retry: &Retry,
) -> AttemptOutcome {
    let counts = failure.scope == Scope::Message || may_be_its_fault(&failure.error);
    let attempts = message.attempts.saturating_add(u16::from(counts));
    let is_refused = failure.scope == Scope::Message && failure.nature == Nature::Permanent;
    let is_final = counts && (is_refused || attempts >= retry.attempts_per_message);
    let state = if is_final { OutgoingState::Failed } else { OutgoingState::Pending };
    let words = failure.error.cause.to_string();
    let recipients = with_open(message, state, &words);
    AttemptOutcome {
        id: message.id,
        state: overall(&recipients),
        recipients,
        attempts,
        next_attempt_at: later(now, if counts { backoff(retry, attempts) } else { retry.wait }),
        failure: Some(failure.summary()),
        at: now,
    }
}

/// Of an attempt that was made before its time, to a server that still wants to be left alone: that says nothing of the message,
/// and costs it nothing. `None`: it is something else.
pub fn paused(
    message: &OutgoingMessage,
    failure: &Failure,
    now: Timestamp,
    retry: &Retry,
) -> Option<AttemptOutcome> {
    let is_pause = matches!(failure.error.cause, Cause::TemporarilyRefused { .. } | Cause::ServerBye { .. });
    (is_pause && failure.scope != Scope::Message).then(|| AttemptOutcome {
        next_attempt_at: later(now, retry.wait),
        failure: Some(failure.summary()),
        ..untouched(message, now)
    })
}

fn may_be_its_fault(error: &RemoteError) -> bool {
    let RemoteError { step, cause } = error;
    matches!(
        cause,
        Cause::ConnectionLost { .. }
            | Cause::TimedOut { .. }
            | Cause::Garbage { .. }
            | Cause::LimitExceeded { .. }
    ) || (*step == TestStep::Send
        && matches!(cause, Cause::TemporarilyRefused { .. } | Cause::ServerBye { .. }))
}

/// The outcome of an attempt that was noted and then not made: everything is as before.
pub fn untouched(message: &OutgoingMessage, now: Timestamp) -> AttemptOutcome {
    AttemptOutcome {
        id: message.id,
        state: OutgoingState::Pending,
        recipients: message.recipients.clone(),
        attempts: message.attempts,
        next_attempt_at: message.next_attempt_at.unwrap_or(now),
        failure: message.failure.clone(),
        at: now,
    }
}

/// The outcome of an attempt that died with its process: nobody knows whether the server took the message.
pub fn lost(message: &OutgoingMessage, now: Timestamp) -> AttemptOutcome {
    let cause = "the process ended while the message was being sent; the server may have taken it";
    without_retry(message, (OutgoingState::Unsure, "unsure", cause), now)
}

/// The outcome of such an attempt when its server tells that the message went out: to everybody whom it was meant for.
pub fn traced(message: &OutgoingMessage, said: &str, now: Timestamp) -> AttemptOutcome {
    let said = format!("the process ended while it was being sent; {said}");
    let recipients = with_open(message, OutgoingState::Sent, &said);
    AttemptOutcome {
        id: message.id,
        state: overall(&recipients),
        failure: None,
        recipients,
        attempts: message.attempts.saturating_add(1),
        next_attempt_at: now,
        at: now,
    }
}

/// The outcome for a message whose octets cannot be read from the store any more.
pub fn damaged(message: &OutgoingMessage, cause: &str, now: Timestamp) -> AttemptOutcome {
    without_retry(message, (OutgoingState::Failed, "damaged", cause), now)
}

fn without_retry(
    message: &OutgoingMessage,
    (state, code, cause): (OutgoingState, &str, &str),
    now: Timestamp,
) -> AttemptOutcome {
    AttemptOutcome {
        id: message.id,
        state,
        recipients: with_open(message, state, cause),
        attempts: message.attempts.saturating_add(1),
        next_attempt_at: now,
        failure: Some(FailureSummary {
            code: code.to_owned(),
            step: TestStep::Send,
            nature: Nature::Permanent,
            scope: Scope::Message,
            cause: cause.to_owned(),
            remedy: remedy(message.id, state, cause),
        }),
        at: now,
    }
}

/// The recipients, those that are still open in another state.
fn with_open(message: &OutgoingMessage, state: OutgoingState, said: &str) -> Vec<Recipient> {
    let moved = |recipient: &Recipient| match is_open(recipient.state) {
        true => Recipient { state, said: Some(said.to_owned()), ..recipient.clone() },
        false => recipient.clone(),
    };
    message.recipients.iter().map(moved).collect()
}

fn after(recipient: &Recipient, result: &RecipientResult, is_last: bool) -> Recipient {
    let (state, said) = match result {
        RecipientResult::Accepted { said } => (OutgoingState::Sent, said.clone()),
        RecipientResult::Deferred { said } if is_last => {
            (OutgoingState::Failed, format!("given up after repeated attempts: {said}"))
        }
        RecipientResult::Deferred { said } => (OutgoingState::Pending, said.clone()),
        RecipientResult::Refused { said } => (OutgoingState::Failed, said.clone()),
        RecipientResult::Unsure { detail } => (OutgoingState::Unsure, detail.clone()),
    };
    Recipient { address: recipient.address.clone(), state, said: Some(said) }
}

/// A connector that answers for fewer recipients than it was given leaves the rest in doubt.
fn unanswered(recipient: &Recipient) -> Recipient {
    let said = Some("the connector gave no result".to_owned());
    Recipient { state: OutgoingState::Unsure, said, ..recipient.clone() }
}

/// The state of the message from those of its recipients. Doubt wins: an unsure message is never sent again by itself,
/// not even to the recipients that were deferred, because it is one message to the person who has to decide.
pub(super) fn overall(recipients: &[Recipient]) -> OutgoingState {
    let any = |state: OutgoingState| recipients.iter().any(|recipient| recipient.state == state);
    if any(OutgoingState::Unsure) {
        OutgoingState::Unsure
    } else if any(OutgoingState::Pending) || any(OutgoingState::Sending) {
        OutgoingState::Pending
    } else if any(OutgoingState::Failed) {
        OutgoingState::Failed
    } else if any(OutgoingState::Cancelled) {
        OutgoingState::Cancelled
    } else {
        OutgoingState::Sent
    }
}

/// The words that explain a state other than sent.
fn worst(recipients: &[Recipient]) -> Option<(&'static str, String)> {
    let find = |state: OutgoingState, code: &'static str| {
        recipients.iter().find(|recipient| recipient.state == state).map(|recipient| {
            (code, format!("{}: {}", recipient.address, recipient.said.as_deref().unwrap_or("no words")))
        })
    };
    find(OutgoingState::Unsure, "unsure")
        .or_else(|| find(OutgoingState::Failed, "recipient-refused"))
        .or_else(|| find(OutgoingState::Pending, "recipient-deferred"))
}

/// `said`: what went wrong, in the words of whoever refused it.
fn remedy(id: u64, state: OutgoingState, said: &str) -> String {
    match state {
        OutgoingState::Unsure => format!(
            "look in the recipient's mailbox or the server's log; then `mailplumb outbox mark-sent {id}` if it is there, and if not \
             `mailplumb outbox retry {id}` to send it again or `mailplumb outbox cancel {id}` to leave it"
        ),
        OutgoingState::Pending | OutgoingState::Sending => {
            "nothing to do: it is tried again by itself".to_owned()
        }
        OutgoingState::Failed | OutgoingState::Sent | OutgoingState::Cancelled => {
            let refusal = RemoteError::new(TestStep::Send, Cause::Refused { said: said.to_owned() });
            let first = known::find(&refusal).map_or("mend what is named there", |known| known.remedy);
            format!("{first}; then `mailplumb outbox retry {id}` sends it again")
        }
    }
}

/// Doubles from attempt to attempt, up to sixteen times the declared wait.
fn backoff(retry: &Retry, attempts: u16) -> std::time::Duration {
    retry.wait.saturating_mul(1 << attempts.saturating_sub(1).min(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::{Address, Name};
    use crate::model::record::ContentHash;

    const ON_TIME: (Timestamp, bool) = (Timestamp::UNIX_EPOCH, false);

    pub(super) fn message(states: &[OutgoingState]) -> OutgoingMessage {
        let recipients = states
            .iter()
            .enumerate()
            .map(|(index, state)| Recipient {
                address: Address::parse(&format!("r{index}@x.example")).unwrap(),
                state: *state,
                said: None,
            })
            .collect();
        OutgoingMessage {
            id: 1,
            mailbox: Name::parse("m").unwrap(),
            message_id: "1@x".into(),
            subject: None,
            content: ContentHash::of(b"x"),
            bytes: 1,
            state: OutgoingState::Sending,
            recipients,
            attempts: 0,
            queued_at: Timestamp::UNIX_EPOCH,
            next_attempt_at: Some(Timestamp::UNIX_EPOCH),
            changed_at: Timestamp::UNIX_EPOCH,
            failure: None,
            idempotency_key: None,
            round: 1,
        }
    }

    fn said() -> String {
        "words".into()
    }

    fn settled(states: &[OutgoingState], results: Vec<RecipientResult>) -> AttemptOutcome {
        settle(&message(states), &Submitted { recipients: results }, ON_TIME, &Retry::default())
    }

    #[test]
    fn what_is_found_again_was_sent_and_what_is_not_is_in_doubt() {
        let dead = message(&[OutgoingState::Sending, OutgoingState::Failed]);
        let found = traced(&dead, "its copy is in Sent Items", Timestamp::UNIX_EPOCH);
        let states: Vec<OutgoingState> = found.recipients.iter().map(|it| it.state).collect();
        assert_eq!(states, [OutgoingState::Sent, OutgoingState::Failed], "what was settled before stays");
        assert_eq!((found.attempts, found.failure), (dead.attempts + 1, None));
        assert_eq!(lost(&dead, Timestamp::UNIX_EPOCH).state, OutgoingState::Unsure);
    }

    #[test]
    fn only_the_deferred_recipients_are_tried_again() {
        let outcome = settled(
            &[OutgoingState::Pending; 3],
            vec![
                RecipientResult::Accepted { said: said() },
                RecipientResult::Deferred { said: said() },
                RecipientResult::Refused { said: said() },
            ],
        );
        assert_eq!(outcome.state, OutgoingState::Pending);
        let mut again = message(&[]);
        again.recipients = outcome.recipients;
        let open = open_recipients(&again);
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].address.as_str(), "r1@x.example");
    }

    #[test]
    fn results_belong_to_the_open_recipients_in_order() {
        let outcome = settled(
            &[OutgoingState::Sent, OutgoingState::Pending],
            vec![RecipientResult::Refused { said: said() }],
        );
        assert_eq!(outcome.recipients[0].state, OutgoingState::Sent);
        assert_eq!(outcome.recipients[1].state, OutgoingState::Failed);
        assert_eq!(outcome.state, OutgoingState::Failed);
    }

    #[test]
    fn doubt_is_never_sent_again() {
        let outcome = settled(
            &[OutgoingState::Pending; 2],
            vec![RecipientResult::Unsure { detail: said() }, RecipientResult::Deferred { said: said() }],
        );
        assert_eq!(outcome.state, OutgoingState::Unsure);
        let short = settled(&[OutgoingState::Pending], vec![]);
        assert_eq!(short.state, OutgoingState::Unsure, "no result is doubt, not success");
    }

    #[test]
    fn a_message_that_is_deferred_too_often_fails() {
        let mut often = message(&[OutgoingState::Pending]);
        often.attempts = Retry::default().attempts_per_message - 1;
        let submitted = Submitted { recipients: vec![RecipientResult::Deferred { said: said() }] };
        let outcome = settle(&often, &submitted, ON_TIME, &Retry::default());
        assert_eq!(outcome.state, OutgoingState::Failed);
    }

    fn broken(message: &OutgoingMessage, cause: Cause) -> AttemptOutcome {
        let error = RemoteError::new(TestStep::Send, cause);
        let failure = Failure {
            error,
            code: "x".into(),
            nature: Nature::Transient,
            scope: Scope::Profile,
            meaning: String::new(),
            remedy: String::new(),
        };
        not_sent(message, &failure, Timestamp::UNIX_EPOCH, &Retry::default())
    }

    #[test]
    fn what_to_do_about_a_failed_message_depends_on_what_went_wrong() {
        let remedy_of = |said: &str| {
            let refused = RecipientResult::Refused { said: said.to_owned() };
            settled(&[OutgoingState::Pending], vec![refused]).failure.unwrap().remedy
        };
        assert!(
            remedy_of("550 5.1.1 no such user")
                .starts_with("check the address; then `mailplumb outbox retry")
        );
        assert!(remedy_of("552 5.3.4 message too big").contains("smaller attachments"));
        assert!(remedy_of("550 5.7.1 relaying denied").contains("log in for sending"));
        for other in ["554 no", "the message has 3 bytes, and the server takes at most 2"] {
            let remedy = remedy_of(other);
            assert!(!remedy.contains("address") && remedy.contains("outbox retry"), "{remedy}");
        }
    }

    #[test]
    fn a_pause_of_the_server_that_is_asked_about_too_early_costs_a_message_nothing() {
        let failure = |cause, scope| Failure {
            error: RemoteError::new(TestStep::Send, cause),
            code: "x".into(),
            nature: Nature::Transient,
            scope,
            meaning: String::new(),
            remedy: String::new(),
        };
        let message = message(&[OutgoingState::Pending]);
        let outcome = |failure: &Failure| paused(&message, failure, Timestamp::UNIX_EPOCH, &Retry::default());
        let bye = || Cause::ServerBye { said: "421 later".to_owned() };
        let early = outcome(&failure(bye(), Scope::Profile)).unwrap();
        assert_eq!((early.state, early.attempts), (OutgoingState::Pending, message.attempts));
        assert!(early.next_attempt_at > Timestamp::UNIX_EPOCH);
        assert!(outcome(&failure(bye(), Scope::Message)).is_none());
        let lost = Cause::ConnectionLost { detail: String::new() };
        assert!(outcome(&failure(lost, Scope::Profile)).is_none());
    }

    #[test]
    fn a_server_that_takes_its_leave_behind_a_message_wants_to_hear_no_more() {
        let deferred = |said: &str| RecipientResult::Deferred { said: said.to_owned() };
        let answer = |said: &str| Submitted { recipients: vec![deferred(said)] };
        let mut message = message(&[OutgoingState::Pending]);
        message.attempts = Retry::default().attempts_per_message - 1;
        let bye = answer("421 4.3.2 come back in an hour");
        assert_eq!(farewell(&bye), Some("421 4.3.2 come back in an hour"));
        assert_eq!(farewell(&answer("450 4.2.1 mailbox busy")), None);
        let settle = |submitted, is_early| {
            settle(&message, submitted, (Timestamp::UNIX_EPOCH, is_early), &Retry::default())
        };
        let early = settle(&bye, true);
        assert_eq!((early.state, early.attempts), (OutgoingState::Pending, message.attempts));
        assert!(early.next_attempt_at > Timestamp::UNIX_EPOCH);
        assert_eq!(settle(&bye, false).state, OutgoingState::Failed, "on time it counts");
        assert_eq!(
            settle(&answer("450 busy"), true).state,
            OutgoingState::Failed,
            "that is about the message"
        );
    }

    #[test]
    fn a_message_that_breaks_its_server_each_time_is_given_up() {
        let mut poison = message(&[OutgoingState::Pending]);
        let lost = || Cause::ConnectionLost { detail: String::new() };
        for attempt in 1..Retry::default().attempts_per_message {
            let outcome = broken(&poison, lost());
            assert_eq!((outcome.state, outcome.attempts), (OutgoingState::Pending, attempt));
            poison.attempts = outcome.attempts;
        }
        assert_eq!(broken(&poison, lost()).state, OutgoingState::Failed);
    }

    #[test]
    fn more_recipients_than_a_transaction_takes_have_another_one_at_once() {
        let accepted = || RecipientResult::Accepted { said: "250 ok".to_owned() };
        let deferred = |said: &str| RecipientResult::Deferred { said: said.to_owned() };
        let three = |results: [RecipientResult; 3]| {
            let mut message = message(&[OutgoingState::Pending; 3]);
            message.attempts = Retry::default().attempts_per_message - 1;
            let recipients = results.into();
            settle(&message, &Submitted { recipients }, ON_TIME, &Retry::default())
        };
        for said in ["452 4.5.3 Error: too many recipients", "452 Too many recipients", "552 5.5.3 no more"] {
            let outcome = three([accepted(), deferred(said), deferred(said)]);
            assert_eq!(outcome.state, OutgoingState::Pending, "{said}");
            assert_eq!(outcome.attempts, Retry::default().attempts_per_message - 1, "{said}");
            assert_eq!(outcome.next_attempt_at, Timestamp::UNIX_EPOCH, "{said}");
        }
        let nobody = three(["452 4.5.3 too many recipients"; 3].map(deferred));
        assert_eq!(nobody.state, OutgoingState::Failed, "no progress");
        let other = three([accepted(), deferred("452 4.5.3 x"), deferred("452 4.2.2 over quota")]);
        assert_eq!(other.attempts, Retry::default().attempts_per_message);
    }

    /// 421 in answer to a recipient ends the session as often as it is met.
    #[test]
    fn a_message_at_which_the_server_takes_its_leave_goes_behind_the_others() {
        let busy = || Cause::TemporarilyRefused { said: "421 4.3.2 closing".to_owned() };
        let outcome = broken(&message(&[OutgoingState::Pending]), busy());
        assert_eq!((outcome.state, outcome.attempts), (OutgoingState::Pending, 1));
        let before_it = RemoteError::new(TestStep::Greet, busy());
        assert!(!may_be_its_fault(&before_it), "no message was begun");
    }

    #[test]
    fn a_server_that_is_away_is_not_the_messages_fault() {
        let mut waiting = message(&[OutgoingState::Pending]);
        waiting.attempts = 4;
        let refused = Cause::ConnectionRefused { host: "h".into(), port: 1 };
        let outcome = broken(&waiting, refused);
        assert_eq!((outcome.state, outcome.attempts), (OutgoingState::Pending, 4));
    }

    #[test]
    fn an_attempt_that_died_leaves_doubt_for_those_who_were_open() {
        let outcome = lost(&message(&[OutgoingState::Sent, OutgoingState::Pending]), Timestamp::UNIX_EPOCH);
        let states: Vec<_> = outcome.recipients.iter().map(|recipient| recipient.state).collect();
        assert_eq!(states, [OutgoingState::Sent, OutgoingState::Unsure]);
        assert!(outcome.failure.is_some_and(|failure| failure.remedy.contains("outbox retry")));
    }
}
