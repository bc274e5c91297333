//! Where a listing has to begin: a mailbox that is read for the first time may hold years of mail that nobody wants, and its
//! server may be able to tell where the wanted part begins.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::ImapInbox;
use crate::model::cursor::Cursor;
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::imap::{self, Found, Opened, Searching};

pub(super) enum Wanted {
    /// This UID and all above.
    From(u32),
    /// None of the messages up to this UID.
    NothingUpTo(u32),
}

/// UIDs only ever grow within one validity (RFC 9051 section 2.3.1.1). Where they do not, what comes next would be taken for known.
pub(super) fn went_back(cursor: &Cursor, opened: &Opened) -> Option<Cause> {
    let Cursor::Imap { validity, uid_last, .. } = cursor else { return None };
    let next = opened.uid_next.filter(|next| *validity == opened.validity && next <= uid_last)?;
    let detail =
        format!("UIDNEXT is {next} although UID {uid_last} was there under the same UIDVALIDITY {validity}");
    Some(Cause::WentBack { detail })
}

/// The first UID to ask for; `None`: there is nothing beyond the cursor.
pub(super) fn first_uid(cursor: &Cursor, opened: &Opened) -> Option<u32> {
    if opened.messages == Some(0) {
        return None;
    }
    match cursor {
        Cursor::Imap { validity, mark, .. }
            if *validity == opened.validity && mark.is_unmoved(&opened.mark()) =>
        {
            None
        }
        Cursor::Imap { validity, uid_last, .. } if *validity == opened.validity => {
            let first = uid_last.checked_add(1)?;
            opened.uid_next.is_none_or(|next| next > first).then_some(first)
        }
        Cursor::Imap { .. } | Cursor::Start | Cursor::Pop3 { .. } | Cursor::Exchange { .. } => Some(1),
    }
}

impl ImapInbox {
    /// Asks only where the whole mailbox would be listed and is worth the question.
    pub(super) async fn wanted(&mut self, first: u32, opened: &Opened) -> Result<Wanted, Cause> {
        let (Some(from), 1) = (self.from, first) else { return Ok(Wanted::From(first)) };
        let count = opened.messages.unwrap_or(u32::MAX);
        let searching = match self.capabilities.esearch() {
            _ if count < limits::SEARCHED_FROM_MESSAGES => return Ok(Wanted::From(first)),
            true => Searching::Extended,
            false if count <= limits::SEARCHED_PLAIN_MESSAGES_MAX => Searching::Plain,
            false => return Ok(Wanted::From(first)),
        };
        let Some(day) = day_before(from) else { return Ok(Wanted::From(first)) };
        let tag = self.session.tags.next_tag();
        let found = match self.session.drive(imap::search_since(tag, searching, day)).await {
            // A server that does not search lists.
            Err(Cause::Refused { .. }) => Found::Unknown,
            found => found?,
        };
        Ok(match (found, opened.uid_next) {
            (Found::From(lowest), _) => Wanted::From(lowest),
            (Found::Nothing, Some(next)) => Wanted::NothingUpTo(next - 1),
            (Found::Nothing, None) | (Found::Unknown, _) => Wanted::From(first),
        })
    }
}

/// SINCE compares days by the server's own calendar, which may be half a day behind: the day before is always early enough.
/// What it lets through is looked at with its time.
fn day_before(from: Timestamp) -> Option<Date> {
    let earlier = from.checked_sub(SignedDuration::from_hours(24)).ok()?;
    let day = earlier.to_zoned(TimeZone::UTC).date();
    // Four digits are all that the command has.
    (day.year() >= 1).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_begins_a_day_early_because_calendars_differ() {
        let day = |text: &str| day_before(text.parse().unwrap()).map(|day| day.to_string());
        assert_eq!(day("2026-11-01T00:00:00Z").as_deref(), Some("2026-10-31"));
        assert_eq!(day("2026-01-01T23:59:59Z").as_deref(), Some("2025-12-31"));
        assert_eq!(day_before(Timestamp::MIN), None);
    }
}
