//! Listing the messages from some UID on.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::cursor::{Listed, RemoteId};
use crate::model::failure::Cause;
use crate::model::limits;

use super::command::{Tag, bare};
use super::exchange::{About, Answer, Asked, Completion};
use super::fetch_line::FetchLine;
use super::refusal::{Stage, refusal};
use super::response::Response;
use crate::protocol::Conversation;

/// `UID FETCH first:*`, with dates and sizes. Ascending. A range that ends with `*` always names the last message,
/// whatever its UID: what is below `first` is left out. `messages`: how many the mailbox holds, where the server said so.
pub fn list_from(
    tag: Tag,
    validity: u32,
    first: u32,
    messages: Option<u32>,
) -> impl Conversation<Output = Vec<Listed>> {
    // UIDs begin at 1; `0:*` is an error to some servers.
    let first = first.max(1);
    let chunks = bare(&tag, &format!("UID FETCH {first}:* (UID INTERNALDATE RFC822.SIZE)"));
    let messages = messages.map_or(limits::LISTING_MESSAGES_MAX, |count| count as usize);
    let nameless = Nameless::None;
    Asked::new(tag, chunks, List { validity, first, messages, seen: BTreeMap::new(), nameless })
}

struct List {
    validity: u32,
    first: u32,
    messages: usize,
    seen: BTreeMap<u32, (Option<u64>, Option<Timestamp>)>,
    nameless: Nameless,
}

/// Whether only lines without a UID have come so far, which somebody else's changes bring about too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nameless {
    None,
    /// The first message of which there was one.
    Only(u32),
    /// Others had one, or messages went meanwhile.
    NotOnly,
}

impl List {
    fn note(&mut self, line: &FetchLine) -> Result<(), Cause> {
        let Some(uid) = line.uid else {
            // Somebody changed a flag. A line that cannot be read, or says what was asked for, may hide a message, which must
            // not be passed over.
            if line.broken || line.size.is_some() || line.received.is_some() {
                return Err(without_uid(line.sequence));
            }
            if self.nameless == Nameless::None {
                self.nameless = Nameless::Only(line.sequence);
            }
            return Ok(());
        };
        self.nameless = Nameless::NotOnly;
        if uid < self.first {
            return Ok(());
        }
        let (size, received) = self.seen.entry(uid).or_default();
        *size = line.size.or(*size);
        *received = line.received.or(*received);
        if self.seen.len() > limits::LISTING_MESSAGES_MAX {
            return Err(Cause::LimitExceeded {
                what: "the number of messages in the inbox".to_owned(),
                limit: limits::LISTING_MESSAGES_MAX as u64,
            });
        }
        Ok(())
    }
}

fn without_uid(sequence: u32) -> Cause {
    Cause::Garbage { detail: format!("message {sequence} is listed without its UID") }
}

impl Answer for List {
    type Output = Vec<Listed>;

    fn about(&self) -> About {
        About::Messages(self.messages)
    }

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Fetch(line) => self.note(&line),
            Response::Expunge => {
                self.nameless = Nameless::NotOnly;
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

    fn completed(&mut self, completion: Completion) -> Result<Vec<Listed>, Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Session, &completion))?;
        // Asked for all messages, it spoke of some, and named none: that is no empty inbox.
        if let (Nameless::Only(sequence), 1) = (self.nameless, self.first) {
            return Err(without_uid(sequence));
        }
        let listed = |(uid, (size, received))| Listed {
            id: RemoteId::Uid { validity: self.validity, uid },
            size,
            received,
        };
        Ok(std::mem::take(&mut self.seen).into_iter().map(listed).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;
    use crate::protocol::Progress;

    fn list(first: u32, answers: &str) -> Result<Vec<Listed>, Cause> {
        let make = || list_from(Tags::default().next_tag(), 9, first, Some(9));
        play(make, &format!("C: M1 UID FETCH {first}:* (UID INTERNALDATE RFC822.SIZE)\n{answers}"))
    }

    fn uids(listed: &[Listed]) -> Vec<String> {
        listed.iter().map(|listed| listed.id.to_string()).collect()
    }

    #[test]
    fn a_listing_ascends_and_leaves_out_what_was_not_asked_for() {
        let listed = list(
            7,
            "S: * 5 FETCH (UID 9 RFC822.SIZE 20 INTERNALDATE \"01-Jan-2024 10:00:00 +0100\")
             S: * 6 EXISTS
             S: * 1 FETCH (FLAGS (\\Seen))
             S: * 4 FETCH (RFC822.SIZE 10 UID 8)
             S: * 1 EXPUNGE
             S: * VANISHED 3
             S: * 3 FETCH (UID 6 RFC822.SIZE 1)
             S: * 4 FETCH (UID 9 FLAGS (\\Seen))
             S: M1 OK done",
        )
        .unwrap();
        assert_eq!(uids(&listed), ["9:8", "9:9"]);
        assert_eq!(listed.iter().map(|listed| listed.size).collect::<Vec<_>>(), [Some(10), Some(20)]);
        assert_eq!(listed[1].received.unwrap().to_string(), "2024-01-01T09:00:00Z");
    }

    #[test]
    fn the_last_message_that_a_range_with_a_star_always_names_is_not_new() {
        assert!(list(7, "S: * 3 FETCH (UID 6 RFC822.SIZE 1)\nS: M1 OK").unwrap().is_empty());
    }

    #[test]
    fn a_line_without_a_readable_date_or_size_lists_its_message_all_the_same() {
        let listed = list(1, "S: * 1 FETCH (UID 3 INTERNALDATE NIL RFC822.SIZE 12x\nS: M1 OK").unwrap();
        assert_eq!(uids(&listed), ["9:3"]);
        assert_eq!((listed[0].size, listed[0].received), (None, None));
    }

    #[test]
    fn a_line_that_may_hide_a_message_is_not_passed_over() {
        let cause = list(1, "S: * 1 FETCH (RFC822.SIZE\nS: M1 OK").unwrap_err();
        assert!(matches!(cause, Cause::Garbage { .. }), "{cause}");
    }

    #[test]
    fn answers_without_their_uid_are_no_empty_inbox() {
        for answers in [
            "S: * 1 FETCH (RFC822.SIZE 12 INTERNALDATE \"01-Jan-2024 10:00:00 +0100\")\nS: M1 OK",
            "S: * 2 FETCH (UID 3 RFC822.SIZE 1)\nS: * 1 FETCH (RFC822.SIZE 12)\nS: M1 OK",
            "S: * 1 FETCH (FLAGS ())\nS: * 2 FETCH (FLAGS ())\nS: M1 OK",
        ] {
            let cause = list(1, answers).unwrap_err();
            assert!(
                matches!(&cause, Cause::Garbage { detail } if detail == "message 1 is listed without its UID"),
                "{cause}"
            );
        }
    }

    #[test]
    fn what_nobody_asked_for_does_no_harm() {
        let flags = "S: * 1 FETCH (FLAGS (\\Seen))";
        let beyond = "S: * 4000 FETCH (FLAGS ())\nS: * 4001 FETCH (MODSEQ (7))";
        let listed = list(1, &format!("{flags}\n{beyond}\nS: * 1 FETCH (UID 3 RFC822.SIZE 1)\nS: M1 OK"));
        assert_eq!(uids(&listed.unwrap()), ["9:3"]);
        assert!(list(7, &format!("{flags}\n{beyond}\nS: M1 OK")).unwrap().is_empty());
        assert!(list(1, &format!("{flags}\nS: * 1 EXPUNGE\nS: M1 OK")).unwrap().is_empty());
    }

    #[test]
    fn far_more_responses_than_messages_end_a_listing() {
        let mut list = list_from(Tags::default().next_tag(), 9, 1, Some(3));
        let _ = list.advance(&mut BytesMut::new());
        let line = "* 1 FETCH (FLAGS ())\r\n";
        let within = limits::UNASKED_RESPONSES_MAX + 6;
        let mut input = BytesMut::from(line.repeat(within).as_bytes());
        assert!(matches!(list.advance(&mut input), Ok(Progress::NeedInput)));
        let beyond = list.advance(&mut BytesMut::from(line)).unwrap_err();
        let limit = within as u64;
        assert_eq!(
            beyond,
            Cause::LimitExceeded { what: "the number of responses to one command".into(), limit }
        );
    }

    #[test]
    fn a_listing_that_was_refused_is_not_an_empty_one() {
        assert!(matches!(list(1, "S: M1 NO [LIMIT] slow down"), Err(Cause::TemporarilyRefused { .. })));
        assert!(matches!(list(1, "S: * 1 FETCH (UID 3)\nS: M1 NO hm"), Err(Cause::Refused { .. })));
        assert!(matches!(list(1, "S: * 1 FETCH (UID 3)\nS: * BYE"), Err(Cause::ServerBye { .. })));
    }
}
