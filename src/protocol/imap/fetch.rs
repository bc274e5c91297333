//! Fetching messages without marking them as read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::cursor::{Content, Part};
use crate::model::failure::Cause;
use crate::model::limits;

use super::super::Conversation;
use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::fetch_line::{Body, FetchLine};
use super::refusal::{Stage, refusal};
use super::response::Response;
use super::uid_set::uid_sets;

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
/// are too large altogether are [`Cause::LimitExceeded`].
pub fn fetch(tag: Tag, wanted: BTreeSet<u32>, part: Part) -> impl Conversation<Output = FetchOutcome> {
    let section = match part {
        Part::Whole => "",
        Part::Headers => "HEADER",
    };
    let set = uid_sets(&wanted).join(",");
    let chunks = bare(&tag, &format!("UID FETCH {set} (UID INTERNALDATE BODY.PEEK[{section}])"));
    Asked::new(tag, chunks, Fetch { wanted, part, ..Fetch::default() })
}

struct Fetch {
    wanted: BTreeSet<u32>,
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
            (Some(Body::Bytes(_) | Body::TooLarge(_)), _) | (_, None) => {}
        }
    }

    fn content(self) -> Content {
        match self.body {
            Some(Body::Bytes(bytes)) => Content::Bytes(bytes),
            Some(Body::TooLarge(size)) => Content::TooLarge(size),
            Some(Body::Nil) => Content::Refused("the server answered NIL instead of the message".to_owned()),
            None => Content::Refused("the server left the message out of its answer".to_owned()),
        }
    }
}

/// Octets of one batch that are held at most: a batch in which the server announced sizes far too small.
const BATCH_BYTES_MAX: u64 = 2 * limits::MESSAGE_BYTES_MAX;

impl Fetch {
    fn note(&mut self, line: FetchLine) -> Result<(), Cause> {
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
        Ok(())
    }

    /// What the tagged answer says about the messages that were not answered for.
    fn missing(&self, completion: &Completion) -> Missing {
        match completion.accepted() {
            Ok(()) if self.unreadable => Missing::Unknown(Cause::Garbage {
                detail: "the server's answer for the message cannot be read".to_owned(),
            }),
            Ok(()) => Missing::Vanished,
            // RFC 5530: all that is wrong is that some of them are gone.
            Err(completion) if completion.reply.has_code("EXPUNGEISSUED") && !self.unreadable => {
                Missing::Vanished
            }
            Err(completion) => Missing::Unknown(refusal(Stage::Session, &completion)),
        }
    }
}

impl Answer for Fetch {
    type Output = FetchOutcome;

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Fetch(line) => self.note(line),
            // Every higher sequence number names another message from now on.
            Response::Expunge(_) => {
                self.uids.clear();
                self.orphans.clear();
                Ok(())
            }
            Response::Tagged { .. }
            | Response::Status { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Exists(_)
            | Response::Other => Ok(()),
        }
    }

    fn completed(&mut self, completion: Completion) -> Result<FetchOutcome, Cause> {
        let missing = self.missing(&completion);
        let found = std::mem::take(&mut self.found);
        let answered = found.into_iter().map(|(uid, found)| (uid, (found.received, found.content())));
        Ok(FetchOutcome { answered: answered.collect(), missing })
    }
}
