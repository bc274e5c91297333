//! LIST and UIDL: every message of the mailbox, with its size and its lasting id (RFC 1939 sections 5 and 7).

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::BytesMut;

use super::Pipelining;
use super::reply::{BlockLine, Lines, Status, unexpected_challenge};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::protocol::{Conversation, Pace, Progress};

/// One message of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Within this session.
    pub number: u32,
    /// In octets, as the server counts.
    pub size: Option<u64>,
    /// `None`: the server has no UIDL, or none for this message. Not necessarily unique.
    pub uidl: Option<String>,
}

/// LIST, then UIDL; a server without UIDL is no error. The entries ascend by number.
#[derive(Debug)]
pub struct ListAll {
    pipelining: Pipelining,
    state: State,
    lines: Lines,
    found: Found,
}

#[derive(Debug, Default)]
struct Found {
    messages: BTreeMap<u32, (Option<u64>, Option<String>)>,
    id_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    ExpectList,
    ExpectSizes,
    SayUidl,
    ExpectUidl,
    ExpectIds,
}

impl ListAll {
    pub fn new(pipelining: Pipelining) -> Self {
        Self { pipelining, state: State::Begin, lines: Lines::default(), found: Found::default() }
    }

    fn after_list(&self) -> State {
        match self.pipelining {
            Pipelining::Offered => State::ExpectUidl,
            Pipelining::NotOffered => State::SayUidl,
        }
    }

    fn entries(&mut self) -> Vec<Entry> {
        let found = std::mem::take(&mut self.found);
        found.messages.into_iter().map(|(number, (size, uidl))| Entry { number, size, uidl }).collect()
    }
}

impl Conversation for ListAll {
    type Output = Vec<Entry>;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Vec<Entry>>, Cause> {
        loop {
            match self.state {
                State::Begin => {
                    self.state = State::ExpectList;
                    let commands = match self.pipelining {
                        Pipelining::Offered => "LIST\r\nUIDL\r\n",
                        Pipelining::NotOffered => "LIST\r\n",
                    };
                    return Ok(Progress::Send(commands.into()));
                }
                State::SayUidl => {
                    self.state = State::ExpectUidl;
                    return Ok(Progress::Send(b"UIDL\r\n".to_vec()));
                }
                State::ExpectList => match self.lines.next(input, Status::parse)?.transpose()? {
                    None => return Ok(Progress::NeedInput),
                    Some(Status::Ok(_)) => self.state = State::ExpectSizes,
                    Some(Status::Err(refusal)) => return Err(refusal.cause()),
                    Some(Status::Continue(_)) => return Err(unexpected_challenge()),
                },
                State::ExpectUidl => match self.lines.next(input, Status::parse)?.transpose()? {
                    None => return Ok(Progress::NeedInput),
                    Some(Status::Ok(_)) => self.state = State::ExpectIds,
                    Some(Status::Err(_)) => return Ok(Progress::Done(self.entries())),
                    Some(Status::Continue(_)) => return Err(unexpected_challenge()),
                },
                State::ExpectSizes => {
                    let found = &mut self.found;
                    match self.lines.next(input, |line| note_size(found, line))?.transpose()? {
                        None => return Ok(Progress::NeedInput),
                        Some(Noted::More) => {}
                        Some(Noted::End) => self.state = self.after_list(),
                    }
                }
                State::ExpectIds => {
                    let found = &mut self.found;
                    match self.lines.next(input, |line| note_id(found, line))?.transpose()? {
                        None => return Ok(Progress::NeedInput),
                        Some(Noted::More) => {}
                        Some(Noted::End) => return Ok(Progress::Done(self.entries())),
                    }
                }
            }
        }
    }

    fn pace(&self) -> Pace {
        match self.state {
            State::Begin | State::ExpectList | State::SayUidl | State::ExpectUidl => Pace::Answer,
            State::ExpectSizes | State::ExpectIds => Pace::Bulk,
        }
    }

    /// Status lines and listings.
    fn answers(&self) -> usize {
        match self.state {
            State::Begin | State::ExpectList => 0,
            State::ExpectSizes => 1,
            State::SayUidl | State::ExpectUidl => 2,
            State::ExpectIds => 3,
        }
    }
}

enum Noted {
    More,
    End,
}

fn note_size(found: &mut Found, line: &[u8]) -> Result<Noted, Cause> {
    let BlockLine::Text(text) = BlockLine::of(line) else { return Ok(Noted::End) };
    let (number, rest) = numbered(text)?;
    let size = rest.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    if found.messages.insert(number, (size, None)).is_some() {
        return Err(Cause::Garbage { detail: format!("LIST names message {number} twice") });
    }
    within_limits(found)
}

fn note_id(found: &mut Found, line: &[u8]) -> Result<Noted, Cause> {
    let BlockLine::Text(text) = BlockLine::of(line) else { return Ok(Noted::End) };
    let (number, uidl) = numbered(text)?;
    if uidl.len() > limits::UIDL_BYTES_MAX {
        return Err(Cause::LimitExceeded {
            what: format!("the UIDL of message {number}"),
            limit: limits::UIDL_BYTES_MAX as u64,
        });
    }
    let entry = found.messages.entry(number).or_default();
    if entry.1.is_some() {
        return Err(Cause::Garbage { detail: format!("UIDL names message {number} twice") });
    }
    found.id_bytes += uidl.len();
    entry.1 = is_id(&uidl).then(|| uidl.into_owned());
    within_limits(found)
}

/// RFC 1939 allows printable ASCII. Anything that can be stored and shown is taken; what was no text at all has left
/// its mark in the conversion.
fn is_id(uidl: &str) -> bool {
    !uidl.is_empty() && !uidl.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

fn within_limits(found: &Found) -> Result<Noted, Cause> {
    let exceeded = |limit: usize| {
        Err(Cause::LimitExceeded { what: "the listing of the mailbox".to_owned(), limit: limit as u64 })
    };
    if found.messages.len() > limits::LISTING_MESSAGES_MAX {
        return exceeded(limits::LISTING_MESSAGES_MAX);
    }
    if found.id_bytes > limits::LISTING_BYTES_MAX {
        return exceeded(limits::LISTING_BYTES_MAX);
    }
    Ok(Noted::More)
}

/// `<number> <rest>`.
fn numbered(line: &[u8]) -> Result<(u32, Cow<'_, str>), Cause> {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (number, rest) = line.split_at(end);
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    match number {
        Some(number) if number > 0 => Ok((number, String::from_utf8_lossy(rest.trim_ascii()))),
        Some(_) | None => Err(Cause::Garbage {
            detail: format!("not a line of a listing: `{}`", server_words(&String::from_utf8_lossy(line))),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::play;
    use super::*;

    fn one_by_one() -> ListAll {
        ListAll::new(Pipelining::NotOffered)
    }

    fn pipelined() -> ListAll {
        ListAll::new(Pipelining::Offered)
    }

    fn entry(number: u32, size: Option<u64>, uidl: Option<&str>) -> Entry {
        Entry { number, size, uidl: uidl.map(str::to_owned) }
    }

    #[test]
    fn sizes_and_ids_are_joined_by_number() {
        let expected = vec![entry(1, Some(120), Some("a1")), entry(3, Some(200), Some("c3"))];
        let asked = "C: LIST
             S: +OK 2 messages
             S: 1 120
             S: 3 200
             S: .
             C: UIDL
             S: +OK
             S: 1 a1
             S: 3 c3
             S: .";
        assert_eq!(play(one_by_one, asked), Ok(expected.clone()));
        let at_once = "C: LIST
             C: UIDL
             S: +OK 2 messages
             S: 1 120
             S: 3 200
             S: .
             S: +OK
             S: 1 a1
             S: 3 c3
             S: .";
        assert_eq!(play(pipelined, at_once), Ok(expected));
    }

    #[test]
    fn an_empty_mailbox_has_no_entries() {
        assert_eq!(play(pipelined, "C: LIST\nC: UIDL\nS: +OK\nS: .\nS: +OK\nS: ."), Ok(vec![]));
    }

    #[test]
    fn a_server_without_uidl_still_lists() {
        let script = "C: LIST\nS: +OK\nS: 1 120\nS: .\nC: UIDL\nS: -ERR unknown command";
        assert_eq!(play(one_by_one, script), Ok(vec![entry(1, Some(120), None)]));
    }

    #[test]
    fn both_listings_may_disagree() {
        let script = "C: LIST
             C: UIDL
             S: +OK
             S: 1 120 extra words
             S: 2 huge
             S: .
             S: +OK
             S: 2
             S: 9 z9
             S: .";
        let expected = vec![entry(1, Some(120), None), entry(2, None, None), entry(9, None, Some("z9"))];
        assert_eq!(play(pipelined, script), Ok(expected));
    }

    #[test]
    fn an_id_may_be_longer_than_the_rfc_allows_but_not_endless() {
        let script = |length: usize| {
            format!("C: LIST\nS: +OK\nS: 1 5\nS: .\nC: UIDL\nS: +OK\nS: 1 {}\nS: .", "u".repeat(length))
        };
        let longest = "u".repeat(limits::UIDL_BYTES_MAX);
        assert_eq!(
            play(one_by_one, &script(limits::UIDL_BYTES_MAX)),
            Ok(vec![entry(1, Some(5), Some(&longest))])
        );
        let answer = play(one_by_one, &script(limits::UIDL_BYTES_MAX + 1));
        assert!(matches!(answer, Err(Cause::LimitExceeded { .. })), "{answer:?}");
    }

    #[test]
    fn an_id_that_is_no_text_is_no_id() {
        let mut found = Found::default();
        assert!(note_id(&mut found, b"1 \xff\xfe").is_ok());
        assert!(note_id(&mut found, b"2 a\x07b").is_ok());
        assert!(found.messages.values().all(|(_, uidl)| uidl.is_none()));
    }

    #[test]
    fn a_listing_that_makes_no_sense_is_not_used() {
        for line in ["0 5", "x 5", "-1 5", "99999999999 5", "1 5\nS: 1 6", ""] {
            let answer = play(one_by_one, &format!("C: LIST\nS: +OK\nS: {line}"));
            assert!(matches!(answer, Err(Cause::Garbage { .. })), "{line}: {answer:?}");
        }
    }

    #[test]
    fn a_refused_listing_says_why() {
        let answer = play(pipelined, "C: LIST\nC: UIDL\nS: -ERR [SYS/TEMP] index is being rebuilt");
        let said = "[SYS/TEMP] index is being rebuilt".to_owned();
        assert_eq!(answer, Err(Cause::TemporarilyRefused { said }));
    }
}
