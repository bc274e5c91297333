//! Fetching messages without marking them as read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::cursor::{Content, Part};
use crate::model::failure::Cause;
use crate::model::limits;

use super::command::{Tag, bare};
use super::exchange::{About, Answer, Asked, Completion};
use super::fetch_line::{Body, FetchLine};
use super::refusal::{Stage, refusal};
use super::response::Response;
use super::uid_set::uid_sets;
use crate::protocol::Conversation;

/// What became of the messages asked for.
#[derive(Debug)]
pub struct FetchOutcome {
    /// By UID.
    pub answered: BTreeMap<u32, (Option<Timestamp>, Content)>,
    /// What may be said of all others.
    pub missing: Missing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The server answered for all that are there.
    Vanished,
    /// The server did not answer for all, or not intelligibly: asked for alone, more may become known.
    Unknown(Cause),
}

/// One `UID FETCH` for a batch. The wanted UIDs are expected to fit one line, see [`uid_sets`].
///
/// Answers may come in any order, in several responses for one message, and between responses that nobody asked
/// for. Bodies that are too large to be held are dropped while they are read ([`Content::TooLarge`]); batches that
/// are too large altogether are [`Cause::LimitExceeded`]. Whole messages are better asked for by [`super::FetchEach`].
pub fn fetch(tag: Tag, wanted: BTreeSet<u32>, part: Part) -> impl Conversation<Output = FetchOutcome> {
    let section = match part {
        Part::Whole => "",
        Part::Headers => "HEADER",
    };
    let set = uid_sets(&wanted).join(",");
    let chunks = bare(&tag, &format!("UID FETCH {set} (UID INTERNALDATE BODY.PEEK[{section}])"));
    Asked::new(tag, chunks, Fetch::of(wanted, part))
}

/// What was answered about the messages of one command.
pub(super) struct Fetch {
    wanted: BTreeSet<u32>,
    asked: usize,
    part: Part,
    found: BTreeMap<u32, Found>,
    /// The UIDs of the sequence numbers seen, and what was said of those whose UID is not known yet.
    uids: BTreeMap<u32, u32>,
    orphans: BTreeMap<u32, Found>,
    /// Octets of bodies held.
    held: u64,
    unreadable: bool,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            wanted: BTreeSet::new(),
            asked: 0,
            part: Part::Whole,
            found: BTreeMap::new(),
            uids: BTreeMap::new(),
            orphans: BTreeMap::new(),
            held: 0,
            unreadable: false,
        }
    }
}

#[derive(Default)]
struct Found {
    received: Option<Timestamp>,
    body: Option<Body>,
}

impl Found {
    /// Adds what another response says; the first body stays unless it was NIL.
    fn merge(&mut self, other: Self) {
        self.received = self.received.or(other.received);
        match (&self.body, other.body) {
            (None | Some(Body::Nil), Some(body)) => self.body = Some(body),
            (Some(Body::Bytes(_) | Body::Streamed(_) | Body::TooLarge(_)), _) | (_, None) => {}
        }
    }

    fn content(self) -> Content {
        match self.body {
            Some(Body::Bytes(bytes)) => Content::Bytes(bytes),
            Some(Body::Streamed(size)) => Content::Streamed(size),
            Some(Body::TooLarge(size)) => Content::TooLarge(size),
            Some(Body::Nil) => Content::Deferred("the server answered NIL instead of the message".to_owned()),
            None => Content::Deferred("the server left the message out of its answer".to_owned()),
        }
    }
}

/// Octets of one batch that are held at most: a batch in which the server announced sizes far too small.
const BATCH_BYTES_MAX: u64 = limits::FETCH_BYTES_MAX;

/// A message that has arrived, by its UID.
pub type Answered = (u32, (Option<Timestamp>, Content));

impl Fetch {
    pub fn of(wanted: BTreeSet<u32>, part: Part) -> Self {
        Self { asked: wanted.len(), wanted, part, ..Self::default() }
    }

    pub fn is_wanted(&self, uid: u32) -> bool {
        self.wanted.contains(&uid)
    }

    /// After an EXPUNGE every higher sequence number names another message.
    pub fn renumber(&mut self) {
        self.uids.clear();
        self.orphans.clear();
    }

    /// Hands out a message once its text is there; whatever is said of it afterwards is nobody's any more.
    pub fn take_ready(&mut self, uid: u32) -> Option<Answered> {
        match self.found.get(&uid)?.body {
            None | Some(Body::Nil) => return None,
            Some(Body::Bytes(_) | Body::Streamed(_) | Body::TooLarge(_)) => {}
        }
        self.wanted.remove(&uid);
        let found = self.found.remove(&uid)?;
        self.held = 0;
        Some((uid, (found.received, found.content())))
    }

    /// What is left when the command has ended: messages without a text, and the wanted ones that were not answered for.
    pub fn rest(mut self, completion: &Completion) -> (FetchOutcome, BTreeSet<u32>) {
        let wanted = std::mem::take(&mut self.wanted);
        let outcome = self.outcome(completion);
        let unanswered = wanted.into_iter().filter(|uid| !outcome.answered.contains_key(uid)).collect();
        (outcome, unanswered)
    }

    /// Returns the UID that the line is about, if that is known.
    pub fn note(&mut self, line: FetchLine) -> Result<Option<u32>, Cause> {
        let (sequence, uid) = (line.sequence, line.uid.or(self.uids.get(&line.sequence).copied()));
        self.unreadable |= line.broken;
        let found = Found { received: line.received, body: line.body(self.part) };
        if let Some(Body::Bytes(bytes)) = &found.body {
            self.held = self.held.saturating_add(bytes.len() as u64);
        }
        if self.held > BATCH_BYTES_MAX {
            return Err(Cause::LimitExceeded {
                what: "the size of a batch".to_owned(),
                limit: BATCH_BYTES_MAX,
            });
        }
        match uid {
            Some(uid) => {
                self.uids.insert(sequence, uid);
                let orphan = self.orphans.remove(&sequence);
                if self.wanted.contains(&uid) {
                    let entry = self.found.entry(uid).or_default();
                    entry.merge(found);
                    entry.merge(orphan.unwrap_or_default());
                }
            }
            None => self.orphans.entry(sequence).or_default().merge(found),
        }
        Ok(uid)
    }

    fn outcome(&mut self, completion: &Completion) -> FetchOutcome {
        let missing = self.missing(completion);
        let mut found = std::mem::take(&mut self.found);
        if completion.reply.has_code("EXPUNGEISSUED") {
            // Dovecot names the messages that are gone, with NIL in the place of their text, and then says OK.
            found.retain(|_, found| !matches!(found.body, None | Some(Body::Nil)));
        }
        let answered = found.into_iter().map(|(uid, found)| (uid, (found.received, found.content())));
        FetchOutcome { answered: answered.collect(), missing }
    }

    /// What the tagged answer says about the messages that were not answered for.
    fn missing(&self, completion: &Completion) -> Missing {
        match completion.accepted() {
            // These may be the answers that are missing.
            Ok(()) if self.orphans.values().any(|orphan| orphan.body.is_some()) => {
                Missing::Unknown(Cause::Garbage {
                    detail: "the server answers without naming the UID of the message".to_owned(),
                })
            }
            Ok(()) if self.unreadable => Missing::Unknown(Cause::Garbage {
                detail: "the server's answer for the message cannot be read".to_owned(),
            }),
            Ok(()) => Missing::Vanished,
            // RFC 5530: all that is wrong is that some of them are gone.
            Err(completion) if completion.reply.has_code("EXPUNGEISSUED") && !self.unreadable => {
                Missing::Vanished
            }
            // Some servers end so at a message whose file is damaged: that will not pass.
            Err(completion) if completion.reply.has_code("SERVERBUG") => {
                Missing::Unknown(Cause::Refused { said: completion.reply.said })
            }
            Err(completion) => Missing::Unknown(refusal(Stage::Session, &completion)),
        }
    }
}

impl Answer for Fetch {
    type Output = FetchOutcome;

    fn about(&self) -> About {
        About::Messages(self.asked)
    }

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Fetch(line) => self.note(line).map(drop),
            Response::Expunge => {
                self.renumber();
                Ok(())
            }
            Response::Tagged { .. }
            | Response::Status { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Exists(_)
            | Response::Found(_)
            | Response::Other => Ok(()),
        }
    }

    fn completed(&mut self, completion: Completion) -> Result<FetchOutcome, Cause> {
        Ok(self.outcome(&completion))
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    fn ask(uids: &[u32], command: &str, part: Part, answers: &str) -> FetchOutcome {
        let wanted: BTreeSet<u32> = uids.iter().copied().collect();
        let make = || fetch(Tags::default().next_tag(), wanted.clone(), part);
        play(make, &format!("C: M1 UID FETCH {command}\n{answers}")).unwrap()
    }

    fn ask_whole(uids: &[u32], set: &str, answers: &str) -> FetchOutcome {
        ask(uids, &format!("{set} (UID INTERNALDATE BODY.PEEK[])"), Part::Whole, answers)
    }

    #[test]
    fn a_message_that_is_gone_may_be_nil_in_an_answer_that_is_ok() {
        let answers = "
            S: * 1 FETCH (UID 1 BODY[] {1}
            S: x)
            S: * 2 FETCH (UID 2 INTERNALDATE \"01-Jan-1970 00:00:00 +0000\" BODY[] NIL)
            S: * 2 EXPUNGE
            S: M1 OK [EXPUNGEISSUED] Some messages were already expunged";
        let outcome = ask_whole(&[1, 2], "1:2", answers);
        assert_eq!(texts(&outcome), [(1, "x".to_owned())]);
        assert_eq!(outcome.missing, Missing::Vanished);
    }

    fn texts(outcome: &FetchOutcome) -> Vec<(u32, String)> {
        let text = |content: &Content| match content {
            Content::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Content::Vanished => "vanished".to_owned(),
            Content::Streamed(size) => format!("streamed: {size}"),
            Content::Refused(said) | Content::Deferred(said) => format!("refused: {said}"),
            Content::TooLarge(size) => format!("too large: {size}"),
        };
        outcome.answered.iter().map(|(uid, (_, content))| (*uid, text(content))).collect()
    }

    #[test]
    fn answers_come_in_any_order_split_and_interleaved() {
        let outcome = ask_whole(
            &[3, 4, 5, 9],
            "3:5,9",
            r#"S: * 12 EXISTS
               S: * 4 FETCH (UID 9 BODY[] {9}
               S: S: nine
               S: )
               S: * 2 FETCH (FLAGS (\Seen))
               S: * 1 FETCH (INTERNALDATE " 1-Jan-2024 00:00:00 +0000" UID 3)
               S: * 2 FETCH (BODY[] "four")
               S: * 1 FETCH (BODY[] {5}
               S: three)
               S: * 2 FETCH (UID 4)
               S: * 7 FETCH (UID 77 BODY[] "nobody asked")
               S: * OK [ALERT] tea is ready {44}
               S: * 3 FETCH (UID 5 BODY[] ~{4}
               S: five INTERNALDATE "02-Jan-2024 00:00:00 +0000")
               S: M1 OK done"#,
        );
        let expected = [(3, "three"), (4, "four"), (5, "five"), (9, "S: nine\r\n")];
        assert_eq!(texts(&outcome), expected.map(|(uid, text)| (uid, text.to_owned())));
        assert!(outcome.answered[&3].0.is_some() && outcome.answered[&5].0.is_some());
        assert_eq!(outcome.missing, Missing::Vanished);
    }

    #[test]
    fn headers_are_asked_for_alone() {
        let command = "1 (UID INTERNALDATE BODY.PEEK[HEADER])";
        let answer = "S: * 1 FETCH (UID 1 BODY[HEADER] {4}\nS: A:b⏎\nS: \nS: )\nS: M1 OK";
        let answer = answer.replace("{4}", "{5}");
        let outcome = ask(&[1], command, Part::Headers, &answer);
        assert_eq!(texts(&outcome), [(1, "A:b\r\n".to_owned())]);
    }

    #[test]
    fn a_message_without_an_answer_has_vanished() {
        let outcome = ask_whole(&[1, 2], "1:2", "S: * 1 FETCH (UID 1 BODY[] \"a\")\nS: M1 OK");
        assert_eq!((texts(&outcome).len(), outcome.missing), (1, Missing::Vanished));
        let gone = "S: M1 NO [EXPUNGEISSUED] Some messages were already expunged.";
        assert_eq!(ask_whole(&[1], "1", gone).missing, Missing::Vanished);
    }

    #[test]
    fn nil_and_nothing_at_all_are_refusals_of_one_message() {
        let outcome = ask_whole(
            &[1, 2, 3],
            "1:3",
            "S: * 1 FETCH (UID 1 BODY[] NIL)
             S: * 2 FETCH (UID 2 FLAGS ())
             S: * 3 FETCH (UID 3 BODY[] NIL)
             S: * 3 FETCH (UID 3 BODY[] \"late\")
             S: M1 OK",
        );
        let texts = texts(&outcome);
        assert!(texts[0].1.starts_with("refused: ") && texts[1].1.starts_with("refused: "), "{texts:?}");
        assert_eq!(texts[2].1, "late");
    }

    #[test]
    fn a_refused_batch_says_nothing_about_what_is_missing() {
        let answer = "S: * 1 FETCH (UID 1 BODY[] \"a\")\nS: M1 NO [SERVERBUG] cannot read message 2";
        let outcome = ask_whole(&[1, 2], "1:2", answer);
        assert_eq!(texts(&outcome).len(), 1);
        assert!(matches!(outcome.missing, Missing::Unknown(Cause::Refused { .. })));
        let throttled = "S: M1 NO [UNAVAILABLE] later";
        let missing = ask_whole(&[1], "1", throttled).missing;
        assert!(matches!(missing, Missing::Unknown(Cause::TemporarilyRefused { .. })));
    }

    #[test]
    fn an_unreadable_answer_does_not_make_a_message_vanish_nor_hide_the_others() {
        let answer = "
            S: * 1 FETCH (BODY[] \"open)
            S: * 2 FETCH (UID 2 BODY[] \"b\")
            S: M1 OK";
        let outcome = ask_whole(&[1, 2], "1:2", answer);
        assert_eq!(texts(&outcome), [(2, "b".to_owned())]);
        assert!(matches!(outcome.missing, Missing::Unknown(Cause::Garbage { .. })));
    }

    #[test]
    fn a_text_without_a_uid_does_not_make_its_message_vanish() {
        let outcome = ask_whole(&[1, 2], "1:2", "S: * 1 FETCH (BODY[] \"whose?\")\nS: M1 OK");
        assert!(outcome.answered.is_empty());
        let Missing::Unknown(Cause::Garbage { detail }) = outcome.missing else { panic!("{outcome:?}") };
        assert!(detail.contains("UID"), "{detail}");
    }

    #[test]
    fn after_an_expunge_a_sequence_number_names_another_message() {
        let answer = "
            S: * 1 FETCH (UID 1 FLAGS ())
            S: * 1 EXPUNGE
            S: * 1 FETCH (BODY[] \"of message 2\")
            S: * 1 FETCH (UID 2 FLAGS ())
            S: M1 OK";
        let outcome = ask_whole(&[1, 2], "1:2", answer);
        let texts = texts(&outcome);
        assert!(texts[0].1.starts_with("refused: "), "{texts:?}");
        assert_eq!(texts[1], (2, "of message 2".to_owned()));
    }
}
