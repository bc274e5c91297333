//! Fetching many whole messages: each is handed over as it arrives, and the next ones are asked for meanwhile.
//!
//! Two commands are under way at a time, so that the server always has one to work on while the answer to the other is on
//! its way. A server answers commands in their order (RFC 3501 section 5.5: these may not be ambiguous, and fetches by UID
//! are not).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::BytesMut;

use crate::model::cursor::{Content, Part};
use crate::model::failure::Cause;
use crate::model::limits;

use super::command::{Tag, Tags};
use super::exchange::{About, Completion};
use super::fetch::{Answered, Fetch, Missing};
use super::fetch_line::FetchLine;
use super::reader::{Excess, Reader};
use super::response::{Condition, Response, garbage};
use super::uid_set::uid_sets;
use crate::protocol::{Arrived, Conversation, Pace, Progress, Streaming};

/// The UIDs about which the server said nothing intelligible, and why: asked for alone, more may become known.
pub type Unclear = BTreeMap<u32, Cause>;

/// Commands under way at a time.
const COMMANDS_AT_ONCE: usize = 2;

/// `UID FETCH` for one range after the other. The server's dates are not asked for: the listing had them.
pub struct FetchEach<'a> {
    tags: &'a mut Tags,
    unasked: VecDeque<u32>,
    asked: VecDeque<(Tag, Fetch)>,
    reader: Reader,
    items: VecDeque<Arrived<Answered>>,
    unclear: Unclear,
    about: About,
    responses: usize,
    answers: usize,
}

impl<'a> FetchEach<'a> {
    pub fn new(tags: &'a mut Tags, uids: BTreeSet<u32>) -> Self {
        let about = About::Messages(uids.len());
        Self {
            tags,
            unasked: uids.into_iter().collect(),
            asked: VecDeque::new(),
            reader: Reader::new(Excess::Stream),
            items: VecDeque::new(),
            unclear: Unclear::new(),
            about,
            responses: 0,
            answers: 0,
        }
    }

    /// The next commands, in one write.
    fn ask(&mut self) -> Option<Vec<u8>> {
        let mut commands = String::new();
        while self.asked.len() < COMMANDS_AT_ONCE && !self.unasked.is_empty() {
            let count = self.unasked.len().min(limits::FETCH_COMMAND_MESSAGES);
            let wanted: BTreeSet<u32> = self.unasked.drain(..count).collect();
            let tag = self.tags.next_tag();
            let set = uid_sets(&wanted).join(",");
            commands.push_str(&format!("{} UID FETCH {set} (UID BODY.PEEK[])\r\n", tag.as_str()));
            self.asked.push_back((tag, Fetch::of(wanted, Part::Whole)));
        }
        (!commands.is_empty()).then(|| commands.into_bytes())
    }

    fn note(&mut self, line: FetchLine) -> Result<(), Cause> {
        let named = line.uid;
        let by_uid = named.and_then(|uid| self.asked.iter().position(|(_, fetch)| fetch.is_wanted(uid)));
        let Some((_, fetch)) = self.asked.get_mut(by_uid.unwrap_or(0)) else { return Ok(()) };
        if let Some(uid) = fetch.note(line)?
            && let Some(answered) = fetch.take_ready(uid)
        {
            self.answers += 1;
            self.items.push_back(Arrived::Message(answered));
        }
        Ok(())
    }

    fn completed(&mut self, tag: &str, completion: &Completion) -> Result<(), Cause> {
        let Some((_, fetch)) = self.asked.pop_front_if(|(asked, _)| asked.as_str() == tag) else {
            return Err(garbage(tag.as_bytes()));
        };
        self.answers += 1;
        let (outcome, unanswered) = fetch.rest(completion);
        self.items.extend(outcome.answered.into_iter().map(Arrived::Message));
        match outcome.missing {
            Missing::Vanished => {
                let vanished = |uid| Arrived::Message((uid, (None, Content::Vanished)));
                self.items.extend(unanswered.into_iter().map(vanished));
            }
            Missing::Unknown(cause) => {
                self.unclear.extend(unanswered.into_iter().map(|uid| (uid, cause.clone())));
            }
        }
        Ok(())
    }

    fn hear(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Tagged { tag, outcome, reply } => self.completed(&tag, &Completion { outcome, reply }),
            Response::Status { condition: Condition::Bye, reply } => {
                Err(Cause::ServerBye { said: reply.said })
            }
            Response::Fetch(line) => self.note(line),
            Response::Expunge => {
                self.asked.iter_mut().for_each(|(_, fetch)| fetch.renumber());
                Ok(())
            }
            Response::Continue { text } => Err(garbage(&[b"+ ", text.as_slice()].concat())),
            Response::Status { .. }
            | Response::Capability(_)
            | Response::Exists(_)
            | Response::Found(_)
            | Response::Other => Ok(()),
        }
    }

    fn take_streamed(&mut self) {
        while let Some(octets) = self.reader.next_streamed() {
            self.items.push_back(Arrived::Piece(octets));
        }
    }
}

impl Conversation for FetchEach<'_> {
    type Output = Unclear;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Unclear>, Cause> {
        loop {
            if let Some(commands) = self.ask() {
                return Ok(Progress::Send(commands));
            }
            if self.asked.is_empty() {
                return Ok(Progress::Done(std::mem::take(&mut self.unclear)));
            }
            let frame = self.reader.next(input);
            // Before the response that says whose they are.
            self.take_streamed();
            let Some(frame) = frame? else { return Ok(Progress::NeedInput) };
            self.responses += 1;
            self.about.admit(self.responses)?;
            self.hear(Response::parse(&frame)?)?;
        }
    }

    fn pace(&self) -> Pace {
        self.about.pace()
    }

    fn answers(&self) -> usize {
        self.answers
    }
}

impl Streaming for FetchEach<'_> {
    type Item = Arrived<Answered>;

    fn next_item(&mut self) -> Option<Self::Item> {
        self.items.pop_front()
    }

    fn has_items(&self) -> bool {
        !self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::play;
    use super::*;
    use crate::protocol::Collected;

    /// What was handed over, in its order, and what stayed unclear.
    fn ask(uids: impl IntoIterator<Item = u32>, transcript: &str) -> Result<(Vec<String>, Unclear), Cause> {
        let uids: BTreeSet<u32> = uids.into_iter().collect();
        let make = || {
            let tags: &'static mut Tags = Box::leak(Box::default());
            Collected::new(FetchEach::new(tags, uids.clone()))
        };
        let (items, unclear) = play(make, transcript)?;
        let words = items.into_iter().map(|item| match item {
            Arrived::Piece(octets) => format!("{} octets", octets.len()),
            Arrived::Message((uid, (_, Content::Bytes(bytes)))) => {
                format!("{uid} {}", String::from_utf8_lossy(&bytes))
            }
            Arrived::Message((uid, (_, content))) => format!("{uid} {content:?}"),
        });
        Ok((words.collect(), unclear))
    }

    #[test]
    fn the_next_messages_are_asked_for_while_the_first_ones_arrive() {
        let script = "
            C: M1 UID FETCH 1:256 (UID BODY.PEEK[])
            C: M2 UID FETCH 257:512 (UID BODY.PEEK[])
            S: * 1 FETCH (UID 1 BODY[] \"a\")
            S: M1 OK
            C: M3 UID FETCH 513:514 (UID BODY.PEEK[])
            S: * 257 FETCH (UID 257 BODY[] \"b\")
            S: * 513 FETCH (UID 513 BODY[] \"c\")
            S: M2 OK
            S: * 514 FETCH (UID 514 BODY[] \"d\")
            S: M3 OK";
        let (items, unclear) = ask(1..=514, script).unwrap();
        let texts: Vec<&String> = items.iter().filter(|item| !item.contains("Vanished")).collect();
        assert_eq!(texts, ["1 a", "257 b", "513 c", "514 d"]);
        assert_eq!((items.len(), unclear.len()), (514, 0), "every message has its answer");
    }

    #[test]
    fn a_message_too_large_to_be_held_comes_in_pieces_before_its_answer() {
        let size = usize::try_from(limits::HELD_BYTES_MAX).unwrap() + 1;
        let mut tags = Tags::default();
        let mut fetch = FetchEach::new(&mut tags, BTreeSet::from([5, 6]));
        let mut input = BytesMut::new();
        assert!(matches!(fetch.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(format!("* 1 FETCH (UID 5 BODY[] {{{size}}}\r\n").as_bytes());
        input.extend_from_slice(&vec![b'x'; size]);
        input.extend_from_slice(b")\r\n* 2 FETCH (UID 6 BODY[] {1}\r\ny)\r\nM1 OK\r\n");
        assert!(matches!(fetch.advance(&mut input), Ok(Progress::Done(_))));
        let mut octets = 0;
        while let Some(Arrived::Piece(piece)) = fetch.items.pop_front_if(|it| matches!(it, Arrived::Piece(_)))
        {
            octets += piece.len();
        }
        assert_eq!(octets, size);
        let streamed = Content::Streamed(size as u64);
        assert_eq!(fetch.next_item(), Some(Arrived::Message((5, (None, streamed)))));
        assert!(matches!(fetch.next_item(), Some(Arrived::Message((6, (None, Content::Bytes(_)))))));
    }

    #[test]
    fn what_nobody_asked_for_may_come_anywhere() {
        let script = r#"
            C: M1 UID FETCH 1:3 (UID BODY.PEEK[])
            S: * 4 EXISTS
            S: * 2 FETCH (FLAGS (\Seen))
            S: * 1 FETCH (UID 1 FLAGS () BODY[] "a" MODSEQ (12))
            S: * OK [ALERT] tea {3}
            S: * 9 FETCH (UID 9 BODY[] "never asked for")
            S: * 1 FETCH (UID 1 BODY[] "a second time")
            S: * 3 FETCH (BODY[] "c" UID 3)
            S: * 1 EXPUNGE
            S: * VANISHED 77
            S: * 1 FETCH (UID 2 BODY[] NIL)
            S: M1 OK done"#;
        let (items, unclear) = ask(1..=3, script).unwrap();
        assert_eq!(items[..2], ["1 a", "3 c"]);
        assert!(items[2].starts_with("2 Deferred"), "{items:?}");
        assert_eq!((items.len(), unclear.len()), (3, 0));
    }

    #[test]
    fn a_refused_command_leaves_its_messages_unclear_and_the_others_come() {
        let script = "
            C: M1 UID FETCH 1:256 (UID BODY.PEEK[])
            C: M2 UID FETCH 257 (UID BODY.PEEK[])
            S: * 1 FETCH (UID 1 BODY[] \"a\")
            S: M1 NO [SERVERBUG] cannot read message 2
            S: * 257 FETCH (UID 257 BODY[] \"z\")
            S: M2 OK";
        let (items, unclear) = ask(1..=257, script).unwrap();
        assert_eq!(items, ["1 a", "257 z"]);
        assert_eq!((unclear.keys().next(), unclear.len()), (Some(&2), 255));
    }

    #[test]
    fn a_goodbye_or_an_answer_out_of_order_ends_it() {
        let asked = "C: M1 UID FETCH 1 (UID BODY.PEEK[])\n";
        let end = |line: &str| ask([1], &format!("{asked}S: {line}")).unwrap_err();
        assert!(matches!(end("* BYE shutting down"), Cause::ServerBye { .. }));
        assert!(matches!(end("M2 OK"), Cause::Garbage { .. }));
        assert!(matches!(end("+ go on"), Cause::Garbage { .. }));
    }
}
