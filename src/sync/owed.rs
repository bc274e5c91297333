//! A message that its server did not hand over: how often it is asked for again, and when it is given up.
//!
//! As the vendor does (server-side synchronisation retries one message in later cycles, five times), so that a passing trouble costs
//! no message, and one that does not pass ends in the quarantine.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::transition::later;
use crate::model::cursor::{Content, Fetched, Listed, Owed, RemoteId};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::model::organization::Retry;

/// The owed messages of one mailbox while it is read.
#[derive(Debug)]
pub struct Arrears {
    retry: Retry,
    owed: BTreeMap<RemoteId, Owed>,
    /// Those of them that the cursor is past: no listing shows them as new.
    past: BTreeSet<RemoteId>,
    /// New messages that were not handed over, one after the other.
    in_a_row: usize,
    changes: Changes,
}

/// What has to be noted with the next records.
#[derive(Debug, Default)]
pub struct Changes {
    pub owed: Vec<Owed>,
    /// Owed no longer.
    pub answered: Vec<RemoteId>,
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    Answered(Fetched),
    /// It is asked for again. In the server's words.
    Owed(String),
}

impl Arrears {
    pub fn new(owed: Vec<Owed>, fresh: &[Listed], retry: Retry) -> Self {
        let mut past: BTreeSet<RemoteId> = owed.iter().map(|owed| owed.id.clone()).collect();
        if !past.is_empty() {
            past.retain(|id| !fresh.iter().any(|message| message.id == *id));
        }
        let owed = owed.into_iter().map(|owed| (owed.id.clone(), owed)).collect();
        Self { retry, owed, past, in_a_row: 0, changes: Changes::default() }
    }

    /// What is to be asked for beside the fresh messages.
    pub fn listed(&self) -> Vec<Listed> {
        self.past.iter().filter_map(|id| self.owed.get(id)).map(Owed::listed).collect()
    }

    /// Those that are given up if they are not handed over once more.
    pub fn last(&self, now: Timestamp) -> BTreeSet<RemoteId> {
        let is_last = |owed: &&Owed| {
            !is_early(owed, now, &self.retry)
                && owed.attempts.saturating_add(1) >= self.retry.attempts_per_message
        };
        self.owed.values().filter(is_last).map(|owed| owed.id.clone()).collect()
    }

    pub fn is_past(&self, id: &RemoteId) -> bool {
        self.past.contains(id)
    }

    /// Before an answer is settled. Too many that are not handed over are the trouble of the server: then nothing is noted of this
    /// one, and the reading ends.
    pub fn bear(&mut self, fetched: &Fetched) -> Result<(), Cause> {
        let Content::Deferred(said) = &fetched.content else {
            self.in_a_row = 0;
            return Ok(());
        };
        if self.owed.contains_key(&fetched.id) {
            return Ok(());
        }
        self.in_a_row += 1;
        if self.in_a_row > limits::DEFERRED_IN_A_ROW_MAX || self.owed.len() >= limits::OWED_MESSAGES_MAX {
            return Err(Cause::TemporarilyRefused { said: said.clone() });
        }
        Ok(())
    }

    pub fn settle(&mut self, fetched: Fetched, now: Timestamp) -> Settled {
        let Fetched { id, received, content, rebuilt } = fetched;
        let content = match content {
            Content::Deferred(said) => {
                let asked = Asked { id: id.clone(), received, said };
                match refused(asked, self.owed.get(&id), now, &self.retry) {
                    Verdict::AskAgain(owed) => {
                        self.changes.owed.push(owed.clone());
                        let said = owed.said.clone();
                        self.owed.insert(id, owed);
                        return Settled::Owed(said);
                    }
                    Verdict::GiveUp(reason) => Content::Refused(reason),
                }
            }
            content @ (Content::Bytes(_)
            | Content::Streamed(_)
            | Content::Vanished
            | Content::Refused(_)
            | Content::TooLarge(_)) => content,
        };
        if self.owed.remove(&id).is_some() {
            self.changes.answered.push(id.clone());
        }
        Settled::Answered(Fetched { id, received, content, rebuilt })
    }

    pub fn changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }
}

/// What follows from one more refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    AskAgain(Owed),
    /// With the reason.
    GiveUp(String),
}

/// The message that was asked for.
#[derive(Debug, Clone)]
struct Asked {
    id: RemoteId,
    received: Option<Timestamp>,
    /// The server's words.
    said: String,
}

/// Attempts count only with the retry's wait between them: whoever reads the mailbox every second asks more often, and gives up
/// no earlier.
fn refused(asked: Asked, before: Option<&Owed>, now: Timestamp, retry: &Retry) -> Verdict {
    let Asked { id, received, said } = asked;
    let (attempts, counted_at) = match before {
        None => (1, now),
        Some(before) if is_early(before, now, retry) => (before.attempts, before.counted_at),
        Some(before) => (before.attempts.saturating_add(1), now),
    };
    if attempts >= retry.attempts_per_message {
        return Verdict::GiveUp(format!("{} (in {attempts} attempts)", server_words(&said)));
    }
    Verdict::AskAgain(Owed { id, received, attempts, counted_at, said: server_words(&said) })
}

/// A clock that was ahead for a while must not put a message off for ever.
fn is_early(before: &Owed, now: Timestamp, retry: &Retry) -> bool {
    before.counted_at <= now && now < later(before.counted_at, retry.wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ask(before: Option<&Owed>, second: i64) -> Verdict {
        let id = RemoteId::Uidl("u".to_owned());
        let asked = Asked { id, received: None, said: "later".to_owned() };
        refused(asked, before, at(second), &Retry::default())
    }

    #[test]
    fn a_message_is_given_up_with_its_last_attempt_and_not_earlier() {
        let mut before = None;
        for attempt in 1..5 {
            let Verdict::AskAgain(owed) = ask(before.as_ref(), attempt * 300) else { panic!("{attempt}") };
            assert_eq!(i64::from(owed.attempts), attempt);
            before = Some(owed);
        }
        let given_up = Verdict::GiveUp("later (in 5 attempts)".to_owned());
        assert_eq!(ask(before.as_ref(), 1500), given_up);
    }

    #[test]
    fn impatience_gives_nothing_up() {
        let Verdict::AskAgain(first) = ask(None, 0) else { panic!() };
        let mut before = first.clone();
        for second in 1..300 {
            let Verdict::AskAgain(owed) = ask(Some(&before), second) else { panic!("{second}") };
            assert_eq!(owed, first);
            before = owed;
        }
        let Verdict::AskAgain(second) = ask(Some(&before), 300) else { panic!() };
        assert_eq!((second.attempts, second.counted_at), (2, at(300)));
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_no_message_waiting() {
        let Verdict::AskAgain(first) = ask(None, 1_000_000) else { panic!() };
        let Verdict::AskAgain(second) = ask(Some(&first), 10) else { panic!() };
        assert_eq!(second.attempts, 2);
    }

    fn answer(number: u32, content: Content) -> Fetched {
        Fetched { id: RemoteId::Uid { validity: 7, uid: number }, received: None, content, rebuilt: None }
    }

    fn deferred(number: u32) -> Fetched {
        answer(number, Content::Deferred("later".to_owned()))
    }

    #[test]
    fn what_is_owed_is_asked_for_beside_the_new_messages_until_it_is_answered() {
        let mut first = Arrears::new(Vec::new(), &[], Retry::default());
        assert_eq!(first.settle(deferred(3), at(0)), Settled::Owed("later".to_owned()));
        let owed = first.changes().owed;
        let mut second = Arrears::new(owed.clone(), &[], Retry::default());
        assert_eq!(second.listed(), [owed[0].listed()]);
        assert!(second.is_past(&owed[0].id) && !second.is_past(&deferred(4).id));
        let whole = answer(3, Content::Bytes(bytes::Bytes::from_static(b"x")));
        assert_eq!(second.settle(whole.clone(), at(1)), Settled::Answered(whole));
        assert_eq!(second.changes().answered, [owed[0].id.clone()]);
        let again = Arrears::new(owed.clone(), &[owed[0].listed()], Retry::default());
        assert!(again.listed().is_empty() && !again.is_past(&owed[0].id), "it is listed as new");
    }

    #[test]
    fn a_server_that_hands_nothing_over_is_in_trouble_and_a_message_now_and_then_is_not() {
        let mut arrears = Arrears::new(Vec::new(), &[], Retry::default());
        let mut defer = |number| {
            let borne = arrears.bear(&deferred(number));
            if borne.is_ok() {
                arrears.settle(deferred(number), at(0));
            }
            borne.is_ok()
        };
        let most = u32::try_from(limits::DEFERRED_IN_A_ROW_MAX).unwrap();
        assert!((0..most).all(&mut defer) && !defer(most));
        let whole = answer(100, Content::Bytes(bytes::Bytes::from_static(b"x")));
        assert!(arrears.bear(&whole).is_ok() && arrears.bear(&deferred(200)).is_ok());
    }
}
