//! Listing the messages from some UID on.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::cursor::{Listed, RemoteId};
use crate::model::failure::Cause;
use crate::model::limits;

use super::super::Conversation;
use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::fetch_line::FetchLine;
use super::refusal::{Stage, refusal};
use super::response::Response;

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
            | Response::Expunge(_)
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
