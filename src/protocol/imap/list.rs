//! Listing the messages from some UID on.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::cursor::{Listed, RemoteId};
use crate::model::failure::Cause;
use crate::model::limits;

use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::fetch_line::FetchLine;
use super::refusal::{Stage, refusal};
use super::response::Response;
use crate::protocol::Conversation;

/// `UID FETCH first:*`, with dates and sizes. Ascending. A range that ends with `*` always names the last message,
/// whatever its UID: what is below `first` is left out.
pub fn list_from(tag: Tag, validity: u32, first: u32) -> impl Conversation<Output = Vec<Listed>> {
    // UIDs begin at 1; `0:*` is an error to some servers.
    let first = first.max(1);
    let chunks = bare(&tag, &format!("UID FETCH {first}:* (UID INTERNALDATE RFC822.SIZE)"));
    Asked::new(tag, chunks, List { validity, first, seen: BTreeMap::new() })
}

struct List {
    validity: u32,
    first: u32,
    seen: BTreeMap<u32, (Option<u64>, Option<Timestamp>)>,
}

impl List {
    fn note(&mut self, line: &FetchLine) -> Result<(), Cause> {
        let Some(uid) = line.uid else {
            // Somebody changed a flag. A line that cannot be read may hide a message, which must not be passed over.
            return if line.broken {
                Err(Cause::Garbage { detail: format!("message {} is listed without its UID", line.sequence) })
            } else {
                Ok(())
            };
        };
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

impl Answer for List {
    type Output = Vec<Listed>;

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Fetch(line) => self.note(&line),
            Response::Tagged { .. }
            | Response::Status { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Exists(_)
            | Response::Expunge
            | Response::Found(_)
            | Response::Other => Ok(()),
        }
    }

    fn completed(&mut self, completion: Completion) -> Result<Vec<Listed>, Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Session, &completion))?;
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
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    fn list(first: u32, answers: &str) -> Result<Vec<Listed>, Cause> {
        let make = || list_from(Tags::default().next_tag(), 9, first);
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
    fn a_listing_that_was_refused_is_not_an_empty_one() {
        assert!(matches!(list(1, "S: M1 NO [LIMIT] slow down"), Err(Cause::TemporarilyRefused { .. })));
        assert!(matches!(list(1, "S: * 1 FETCH (UID 3)\nS: M1 NO hm"), Err(Cause::Refused { .. })));
        assert!(matches!(list(1, "S: * 1 FETCH (UID 3)\nS: * BYE"), Err(Cause::ServerBye { .. })));
    }
}
