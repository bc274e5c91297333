//! Which messages came since some day: what a listing may leave out (RFC 3501 section 6.4.4, RFC 4731).
//!
//! Only the lowest UID is kept, whatever the form of the answer, so that its length costs nothing.

use jiff::civil::Date;

use crate::model::failure::Cause;

use super::command::{Tag, bare};
use super::exchange::{About, Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::{Response, number, split_word};
use crate::protocol::Conversation;

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searching {
    /// ESEARCH: the answer is one number, however many messages there are.
    Extended,
    /// It names every message in one line, which must not become longer than a line may be.
    Plain,
}

/// What a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Found {
    /// The server has not answered intelligibly.
    #[default]
    Unknown,
    Nothing,
    /// The lowest UID.
    From(u32),
}

/// `UID SEARCH SINCE day`: the day on which messages came by the server's calendar, INTERNALDATE without time and zone.
pub fn search_since(tag: Tag, searching: Searching, day: Date) -> impl Conversation<Output = Found> {
    let day =
        format!("{}-{}-{:04}", day.day(), MONTHS[usize::from(day.month().unsigned_abs()) - 1], day.year());
    let words = match searching {
        Searching::Extended => format!("UID SEARCH RETURN (MIN COUNT) SINCE {day}"),
        Searching::Plain => format!("UID SEARCH SINCE {day}"),
    };
    let chunks = bare(&tag, &words);
    Asked::new(tag, chunks, Search { found: Found::Unknown })
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Found {
    /// The numbers of a SEARCH response; what is none (RFC 7162 ends it with `(MODSEQ 917)`) is stepped over.
    pub(super) fn plain(arguments: &[u8]) -> Self {
        let numbers = arguments.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        numbers.take_while(|word| !word.starts_with(b"(")).map(uid).fold(Self::Nothing, Self::or)
    }

    /// `(TAG "M3") UID MIN 7 COUNT 12`, in any order, with what nobody asked for, and `ALL 7:9,12` in the place of MIN. A
    /// server leaves MIN out when nothing was found.
    pub(super) fn extended(arguments: &[u8]) -> Self {
        let Some(mut rest) = behind_tag(arguments) else { return Self::Unknown };
        let (mut found, mut is_by_uid, mut is_any_counted) = (Self::Nothing, false, false);
        while !rest.is_empty() {
            let (word, after) = split_word(rest);
            rest = after;
            let (value, _) = split_word(rest);
            match word.to_ascii_uppercase().as_slice() {
                b"UID" => is_by_uid = true,
                b"MIN" => found = found.or(uid(value)),
                b"ALL" => {
                    let ends = value.split(|byte| matches!(byte, b',' | b':'));
                    found = ends.map(uid).fold(found, Self::or);
                }
                b"COUNT" => is_any_counted = number::<u32>(value) != Some(0),
                _ => {}
            }
        }
        match (found, is_by_uid, is_any_counted) {
            (Self::From(_), true, _) | (Self::Nothing, _, false) => found,
            // Numbers that are no UIDs say nothing, nor does a count without any of them.
            (Self::From(_), false, _) | (Self::Nothing, _, true) | (Self::Unknown, ..) => Self::Unknown,
        }
    }

    /// Of two answers the lower one. One that cannot be read makes both worthless.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Nothing, found) | (found, Self::Nothing) => found,
            (Self::From(one), Self::From(other)) => Self::From(one.min(other)),
        }
    }
}

/// What follows `(TAG "M3") `. `None`: it has no end.
fn behind_tag(arguments: &[u8]) -> Option<&[u8]> {
    let Some(inside) = arguments.strip_prefix(b"(") else { return Some(arguments) };
    let end = inside.iter().position(|byte| *byte == b')')?;
    Some(inside[end + 1..].trim_ascii_start())
}

fn uid(word: &[u8]) -> Found {
    number::<u32>(word).filter(|uid| *uid > 0).map_or(Found::Unknown, Found::From)
}

struct Search {
    found: Found,
}

impl Answer for Search {
    type Output = Found;

    fn about(&self) -> About {
        About::Mailbox
    }

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Found(found) => {
                self.found = match self.found {
                    Found::Unknown => found,
                    Found::Nothing | Found::From(_) => self.found.or(found),
                }
            }
            Response::Tagged { .. }
            | Response::Status { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Exists(_)
            | Response::Expunge
            | Response::Fetch(_)
            | Response::Other => {}
        }
        Ok(())
    }

    fn completed(&mut self, completion: Completion) -> Result<Found, Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Session, &completion))?;
        Ok(self.found)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    fn search(searching: Searching, answers: &str) -> Result<Found, Cause> {
        let make = || search_since(Tags::default().next_tag(), searching, date(2026, 11, 1));
        let words = match searching {
            Searching::Extended => "RETURN (MIN COUNT) SINCE 1-Nov-2026",
            Searching::Plain => "SINCE 1-Nov-2026",
        };
        play(make, &format!("C: M1 UID SEARCH {words}\n{answers}"))
    }

    #[test]
    fn the_lowest_uid_is_what_an_answer_of_any_form_says() {
        for (answer, found) in [
            ("S: * ESEARCH (TAG \"M1\") UID MIN 7 COUNT 12", Found::From(7)),
            ("S: * esearch (TAG M1) uid count 12 min 7 max 90", Found::From(7)),
            ("S: * ESEARCH (TAG \"M1\") UID ALL 9:12,3,20:30 MODSEQ 917", Found::From(3)),
            ("S: * ESEARCH UID MIN 7", Found::From(7)),
            ("S: * ESEARCH (TAG \"M1\") UID COUNT 0", Found::Nothing),
            ("S: * ESEARCH (TAG \"M1\") UID", Found::Nothing),
            ("S: * 4 EXISTS\nS: * SEARCH 12 7 9 (MODSEQ 917)", Found::From(7)),
            ("S: * SEARCH", Found::Nothing),
            ("S: * SEARCH 12\nS: * SEARCH 7", Found::From(7)),
        ] {
            assert_eq!(
                search(Searching::Extended, &format!("{answer}\nS: M1 OK done")),
                Ok(found),
                "{answer}"
            );
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_says_nothing() {
        for answer in [
            "S: * ESEARCH (TAG \"M1\") MIN 7",
            "S: * ESEARCH (TAG \"M1\") UID MIN x",
            "S: * ESEARCH (TAG \"M1\") UID COUNT 12",
            "S: * ESEARCH (TAG \"M1\" UID MIN 0",
            "S: * ESEARCH (TAG \"M1\") UID ALL 9:*",
            "S: * SEARCH 12 many 9",
            "S: * SEARCH 99999999999",
            "S: * 4 EXISTS",
        ] {
            let found = search(Searching::Plain, &format!("{answer}\nS: M1 OK done"));
            assert!(matches!(found, Ok(Found::Unknown)), "{answer}: {found:?}");
        }
    }

    #[test]
    fn a_refused_search_says_why() {
        assert!(matches!(search(Searching::Plain, "S: M1 BAD what?"), Err(Cause::Refused { .. })));
        let later = search(Searching::Plain, "S: M1 NO [LIMIT] slow down");
        assert!(matches!(later, Err(Cause::TemporarilyRefused { .. })));
    }
}
