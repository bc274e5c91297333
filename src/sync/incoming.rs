//! What is to be fetched, and what becomes of each message that was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::stand_in::stand_in;
use super::{forwarded, message};
use crate::model::cursor::{Content, Cursor, Fetched, Listed, Listing, RemoteId, Shown};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::model::mailbox::Accept;
use crate::model::record::{
    ContentHash, Direction, MessageFacts, NewRecord, Octets, Parsed, Spooled, Standing, TrackedBy,
};

/// The listed messages that have not been dealt with, in the order in which they are to be. The listing is used up,
/// because it may be long.
pub fn fresh(listing: Listing, cursor: &Cursor) -> Vec<Listed> {
    match (listing, cursor) {
        (Listing::Imap { validity, mut messages, .. }, Cursor::Imap { validity: known, uid_last, .. })
            if validity == *known =>
        {
            messages.retain(|message| uid(message) > *uid_last);
            messages
        }
        (Listing::Pop3 { mut messages }, Cursor::Pop3 { seen }) => {
            messages.retain(|message| !is_seen(message, seen));
            messages
        }
        (Listing::Exchange { mut messages, .. }, Cursor::Exchange { ahead, .. }) => {
            messages.retain(|message| !item(message).is_some_and(|id| ahead.contains(id)));
            messages
        }
        // Never read, or the server numbers anew: everything is looked at again; octets that are already recorded are
        // recognised by their hash.
        (
            Listing::Imap { messages, .. } | Listing::Pop3 { messages } | Listing::Exchange { messages, .. },
            _,
        ) => messages,
    }
}

/// A UIDL of the same size as before. A server that gives one that it has used to another message (RFC 1939 section 7 allows it once
/// the first one is gone) shows another size; looked at once more, a message that was recorded is recognised by its content.
fn is_seen(message: &Listed, seen: &BTreeMap<String, Option<u64>>) -> bool {
    let Some(before) = uidl(message).and_then(|id| seen.get(id)) else { return false };
    match (before, message.size) {
        (Some(before), Some(now)) => *before == now,
        (Some(_) | None, _) => true,
    }
}

/// Of the messages that were to be removed, those that the server no longer has. A POP3 listing is complete; an IMAP
/// listing shows only what is new, but a UID of another UIDVALIDITY names nothing any more.
pub fn absent(due: Vec<RemoteId>, listing: &Listing) -> Vec<RemoteId> {
    match listing {
        Listing::Imap { validity: now, .. } => {
            let is_named = |id: &RemoteId| matches!(id, RemoteId::Uid { validity, .. } if validity == now);
            due.into_iter().filter(|id| !is_named(id)).collect()
        }
        Listing::Pop3 { .. } if is_silent(listing) => Vec::new(),
        Listing::Exchange { gone, shown: Shown::Changes, .. } => {
            let is_gone = |id: &RemoteId| matches!(id, RemoteId::Item(item) if gone.contains(item));
            due.into_iter().filter(is_gone).collect()
        }
        Listing::Pop3 { messages }
        | Listing::Exchange { messages, shown: Shown::Everything | Shown::Again, .. } => {
            let mut absent: BTreeSet<RemoteId> = due.into_iter().collect();
            for message in messages {
                absent.remove(&message.id);
            }
            absent.into_iter().collect()
        }
    }
}

fn uid(message: &Listed) -> u32 {
    match &message.id {
        RemoteId::Uid { uid, .. } => *uid,
        RemoteId::Uidl(_) | RemoteId::Item(_) => 0,
    }
}

fn uidl(message: &Listed) -> Option<&str> {
    match &message.id {
        RemoteId::Uidl(uidl) => Some(uidl),
        RemoteId::Uid { .. } | RemoteId::Item(_) => None,
    }
}

fn item(message: &Listed) -> Option<&str> {
    match &message.id {
        RemoteId::Item(item) => Some(item),
        RemoteId::Uid { .. } | RemoteId::Uidl(_) => None,
    }
}

/// With so many messages in a POP3 cursor, none of which is listed any more while others are, the ids are taken to be new ones.
const RENUMBERED_FROM: usize = 10;

/// Why the server has to be read from the beginning again although it was read before. `None`: it goes on. Another UIDVALIDITY,
/// or not one UIDL that is known, which a move to another server brings about, or a forgotten state of Exchange.
pub fn begins_again(listing: &Listing, cursor: &Cursor) -> Option<&'static str> {
    match (listing, cursor) {
        (Listing::Imap { validity, .. }, Cursor::Imap { validity: known, .. }) if validity != known => {
            Some("the server names its messages anew (UIDVALIDITY)")
        }
        (Listing::Pop3 { messages }, Cursor::Pop3 { seen })
            if seen.len() >= RENUMBERED_FROM
                && messages.len() >= RENUMBERED_FROM
                && !messages.iter().filter_map(uidl).any(|id| seen.contains_key(id)) =>
        {
            Some("the server names its messages anew (UIDL)")
        }
        (Listing::Exchange { shown: Shown::Again, .. }, _) => {
            Some("the server does not know any more how far it was read (its sync state)")
        }
        (Listing::Imap { .. } | Listing::Pop3 { .. } | Listing::Exchange { .. }, _) => None,
    }
}

/// The UIDLs in the cursor that the server no longer lists: they can be forgotten. Not judged for a listing that is
/// suddenly empty, because that may be a server in trouble.
pub fn gone(listing: &Listing, cursor: &Cursor) -> Vec<String> {
    match (listing, cursor) {
        (Listing::Pop3 { messages }, Cursor::Pop3 { seen }) if !is_silent(listing) => {
            let listed: BTreeSet<&str> = messages.iter().filter_map(uidl).collect();
            seen.keys().filter(|id| !listed.contains(id.as_str())).cloned().collect()
        }
        (Listing::Imap { .. } | Listing::Pop3 { .. } | Listing::Exchange { .. }, _) => Vec::new(),
    }
}

/// Whether a listing says nothing about what is gone: a maildrop that is suddenly empty may be a server in trouble.
fn is_silent(listing: &Listing) -> bool {
    match listing {
        Listing::Pop3 { messages } => messages.is_empty(),
        Listing::Imap { .. } | Listing::Exchange { .. } => false,
    }
}

/// How many of the fresh messages are fetched one by one, so that the one that breaks the server is found: what came before
/// it is recorded, so it is among the first.
pub fn one_by_one(failures_before: u16) -> usize {
    if failures_before == 0 { 0 } else { limits::FETCH_WINDOW_MESSAGES }
}

/// A few messages from all over a listing, whose headers tell whether old ones are among them.
pub fn sample(messages: &[Listed]) -> Vec<Listed> {
    let step = messages.len().div_ceil(SAMPLE_MESSAGES).max(1);
    messages.iter().step_by(step).cloned().collect()
}

const SAMPLE_MESSAGES: usize = 16;

/// What one mailbox makes of its messages.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub accept: Accept,
    /// Only what was received at or after this moment.
    pub from: Option<Timestamp>,
    pub delete_after: Deletion,
    pub undeliverable: Undeliverable,
    pub wrapping: Wrapping,
}

/// What is made of messages that are attached to messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// Attachments.
    Kept,
    /// What a forward mailbox is there for: the message is the attached one.
    TakenOff,
}

impl Rules {
    /// What a person says counts more than a filter; what lies in Sent Items is never touched there.
    pub fn under(mut self, standing: Standing) -> Self {
        match standing.tracked {
            None => {}
            Some(TrackedBy::Folder) => self.accept = Accept::All,
            Some(TrackedBy::Category) => (self.accept, self.from) = (Accept::All, None),
        }
        match standing.direction {
            Direction::Incoming => {}
            Direction::Outgoing => {
                self.delete_after = Deletion::LeaveOnServer;
                self.undeliverable = Undeliverable::Stays;
            }
        }
        self
    }
}

/// What becomes, at the server, of a message that could not be recorded as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeliverable {
    /// It stays where it is, for a person to look at.
    Stays,
    /// It is moved into a folder of its own.
    SetAside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    LeaveOnServer,
    /// Once the record is durable.
    AfterProcessing,
}

/// What becomes of one fetched message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Record(Box<NewRecord>),
    /// Received before "process mail from".
    BeforeFrom,
    /// The filter accepts nothing.
    NotAccepted,
    /// It carries this test nonce; a test message if the store knows it, ordinary mail if not.
    PerhapsSelfTest {
        nonce: String,
        otherwise: Box<NewRecord>,
    },
    /// It was listed and is no longer there.
    Vanished,
}

/// A message that is too large to be held.
#[derive(Debug, Clone)]
pub struct Large {
    pub spooled: Spooled,
    pub content: ContentHash,
    /// All of it up to [`limits::MESSAGE_PARSE_BYTES_MAX`], of a larger one its beginning.
    pub beginning: bytes::Bytes,
}

/// Which message it is.
#[derive(Debug, Clone)]
pub struct Place {
    pub id: RemoteId,
    pub received: Option<Timestamp>,
    /// See [`Fetched::rebuilt`].
    pub rebuilt: Option<String>,
}

/// Decides about one message.
pub fn decide(fetched: Fetched, rules: Rules) -> Decision {
    let place = Place { id: fetched.id, received: fetched.received, rebuilt: fetched.rebuilt };
    let unfetched = |place, reason| judge(place, (Octets::Missing, None), Err(reason), rules);
    match fetched.content {
        Content::Vanished => Decision::Vanished,
        Content::Bytes(raw) => {
            let parsed = parse(&raw, rules).map_err(|unparsable| unparsable.to_string());
            if raw.is_empty() {
                return judge(place, (Octets::Missing, None), parsed, rules);
            }
            let content = ContentHash::of(&raw);
            judge(place, (Octets::Held(raw), Some(content)), parsed, rules)
        }
        Content::Streamed(size) => {
            unfetched(place, format!("its {size} bytes did not arrive as the server had announced them"))
        }
        Content::Refused(said) | Content::Deferred(said) => {
            unfetched(place, format!("the server does not hand it over: {}", server_words(&said)))
        }
        Content::TooLarge(size) => {
            let limit = limits::RECEIVED_BYTES_MAX;
            unfetched(place, format!("it has {size} bytes, more than the limit of {limit}"))
        }
    }
}

/// Decides about a message that is too large to be held.
pub fn decide_large(place: Place, large: Large, rules: Rules) -> Decision {
    let parsed = if large.beginning.len() as u64 == large.spooled.bytes {
        parse(&large.beginning, rules)
    } else {
        message::parse_headers(&large.beginning)
            .map(|facts| MessageFacts { parsed: Parsed::HeadersOnly, ..facts })
    };
    let parsed = parsed.map_err(|unparsable| unparsable.to_string());
    let octets = (Octets::Spooled(large.spooled), Some(large.content));
    judge(place, octets, parsed, rules)
}

fn parse(raw: &[u8], rules: Rules) -> Result<MessageFacts, message::Unparsable> {
    let facts = message::parse(raw)?;
    Ok(match rules.wrapping {
        Wrapping::Kept => facts,
        Wrapping::TakenOff => forwarded::unwrapped(raw, facts),
    })
}

fn judge(
    place: Place,
    (raw, content): (Octets, Option<ContentHash>),
    parsed: Result<MessageFacts, String>,
    rules: Rules,
) -> Decision {
    let rebuilt = place.rebuilt.as_deref().map(server_words);
    let (facts, quarantine) = match parsed {
        Ok(facts) => {
            let stand_in = stand_in(&facts);
            (MessageFacts { rebuilt: rebuilt.clone(), ..facts }, stand_in)
        }
        Err(reason) => (MessageFacts::default(), Some(reason)),
    };
    let received_at = received_at(place.received, &facts);
    if is_before(received_at, rules.from) {
        return Decision::BeforeFrom;
    }
    match rules.accept {
        Accept::None => return Decision::NotAccepted,
        // Filters that need tracked mail or known parties are not there yet; `validate` says so, and nothing is lost.
        Accept::All | Accept::Replies | Accept::KnownParties | Accept::AnyRecord => {}
    }
    let nonce = facts.self_test_nonce.clone();
    // What could not be fetched has no octets to be known by: its place at the server stands in.
    let content = content.unwrap_or_else(|| ContentHash::of(format!("unfetched:{}", place.id).as_bytes()));
    // What was not understood stays where it is, for a person to look at; so does what could not be had as it is.
    let is_understood = quarantine.is_none() && rebuilt.is_none();
    let record = Box::new(NewRecord {
        remote: place.id,
        content,
        raw,
        received_at,
        facts,
        delete_after: rules.delete_after == Deletion::AfterProcessing && is_understood,
        quarantine,
        settles: None,
    });
    match nonce {
        Some(nonce) => Decision::PerhapsSelfTest { nonce, otherwise: record },
        None => Decision::Record(record),
    }
}

/// The server's date, else the topmost Received header's, else Date.
pub fn received_at(by_server: Option<Timestamp>, facts: &MessageFacts) -> Option<Timestamp> {
    by_server.or(facts.received).or(facts.date)
}

/// A message without any date is never too old: it would be lost.
pub fn is_before(received_at: Option<Timestamp>, from: Option<Timestamp>) -> bool {
    match (received_at, from) {
        (Some(received_at), Some(from)) => received_at < from,
        (None, _) | (_, None) => false,
    }
}

/// When the headers are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headers {
    /// They can tell that a message is too old, so that it need not be fetched.
    First,
    WithTheRest,
}

/// POP3 only, because the others list the date, and only while a mailbox is read for the first time.
pub fn headers_first(listing: &Listing, cursor: &Cursor, from: Option<Timestamp>) -> Headers {
    match (listing, cursor, from) {
        (Listing::Pop3 { .. }, Cursor::Start, Some(_)) => Headers::First,
        (Listing::Pop3 { .. } | Listing::Imap { .. } | Listing::Exchange { .. }, _, _) => {
            Headers::WithTheRest
        }
    }
}

/// Whether one message can bring it about that a session which fetches it fails so.
pub fn is_by_message(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::ConnectionLost { .. }
            | Cause::TimedOut { .. }
            | Cause::Garbage { .. }
            | Cause::LimitExceeded { .. }
            | Cause::Refused { .. }
            | Cause::ServerBye { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cursor::{Extent, Mark};

    fn imap(validity: u32, uids: &[u32]) -> Listing {
        let messages = uids
            .iter()
            .map(|uid| Listed { id: RemoteId::Uid { validity, uid: *uid }, size: Some(10), received: None })
            .collect();
        Listing::Imap { validity, messages, extent: Extent::default() }
    }

    fn pop3(uidls: &[&str]) -> Listing {
        let messages = uidls
            .iter()
            .map(|id| Listed { id: RemoteId::Uidl((*id).to_owned()), size: None, received: None })
            .collect();
        Listing::Pop3 { messages }
    }

    fn seen(uidls: &[&str]) -> Cursor {
        Cursor::Pop3 { seen: uidls.iter().map(|id| ((*id).to_owned(), None)).collect() }
    }

    fn rules() -> Rules {
        Rules {
            accept: Accept::All,
            from: None,
            delete_after: Deletion::LeaveOnServer,
            undeliverable: Undeliverable::Stays,
            wrapping: Wrapping::Kept,
        }
    }

    #[test]
    fn a_person_is_asked_before_the_filter_and_sent_items_are_left_as_they_are() {
        let from = Some(Timestamp::UNIX_EPOCH);
        let rules = Rules {
            accept: Accept::None,
            from,
            delete_after: Deletion::AfterProcessing,
            undeliverable: Undeliverable::SetAside,
            wrapping: Wrapping::Kept,
        };
        let under = |direction, tracked| rules.under(Standing { direction, tracked });
        let by_filter = under(Direction::Incoming, None);
        assert_eq!((by_filter.accept, by_filter.from), (Accept::None, from));
        let by_folder = under(Direction::Incoming, Some(TrackedBy::Folder));
        assert_eq!((by_folder.accept, by_folder.from), (Accept::All, from));
        let by_category = under(Direction::Incoming, Some(TrackedBy::Category));
        assert_eq!((by_category.accept, by_category.from), (Accept::All, None));
        assert_eq!(by_category.delete_after, Deletion::AfterProcessing);
        let sent = under(Direction::Outgoing, None);
        assert_eq!((sent.accept, sent.delete_after), (Accept::None, Deletion::LeaveOnServer));
        assert_eq!(sent.undeliverable, Undeliverable::Stays);
    }

    fn place() -> Place {
        Place { id: RemoteId::Uidl("u".into()), received: None, rebuilt: None }
    }

    fn fetched(raw: &'static [u8]) -> Fetched {
        let id = RemoteId::Uidl("u1".into());
        Fetched { id, received: None, content: Content::Bytes(bytes::Bytes::from_static(raw)), rebuilt: None }
    }

    #[test]
    fn what_was_dealt_with_is_not_fresh() {
        let cursor = Cursor::Imap { validity: 7, uid_last: 2, mark: Mark::default() };
        assert_eq!(fresh(imap(7, &[1, 2, 3, 4]), &cursor).len(), 2);
        assert_eq!(fresh(pop3(&["a", "b", "c"]), &seen(&["a", "c"])).len(), 1);
        assert!(fresh(pop3(&["a"]), &seen(&["a"])).is_empty());
    }

    #[test]
    fn a_new_uidvalidity_makes_everything_fresh_again() {
        let cursor = Cursor::Imap { validity: 7, uid_last: 100, mark: Mark::default() };
        assert_eq!(fresh(imap(8, &[1, 2]), &cursor).len(), 2);
        assert!(begins_again(&imap(8, &[]), &cursor).is_some_and(|words| words.contains("UIDVALIDITY")));
        assert_eq!(begins_again(&imap(7, &[]), &cursor), None);
    }

    #[test]
    fn a_uidl_that_the_server_gives_to_another_message_is_noticed_by_its_size() {
        let listed = |size| Listed { id: RemoteId::Uidl("a".into()), size, received: None };
        let fresh = |before, now| {
            let cursor = Cursor::Pop3 { seen: [("a".to_owned(), before)].into() };
            fresh(Listing::Pop3 { messages: vec![listed(now)] }, &cursor).len()
        };
        assert_eq!(fresh(Some(10), Some(11)), 1);
        assert_eq!((fresh(Some(10), Some(10)), fresh(Some(10), None), fresh(None, Some(11))), (0, 0, 0));
    }

    #[test]
    fn uidls_that_are_all_new_are_taken_for_a_move_to_another_server() {
        let ids = |letter: &str| (0..12).map(|at| format!("{letter}{at}")).collect::<Vec<_>>();
        let listing = |ids: &[String]| pop3(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        let cursor = seen(&ids("a").iter().map(String::as_str).collect::<Vec<_>>());
        assert!(begins_again(&listing(&ids("b")), &cursor).is_some());
        assert_eq!(begins_again(&listing(&ids("a")), &cursor), None);
        assert_eq!(begins_again(&pop3(&["b1"]), &cursor), None);
        assert_eq!(begins_again(&listing(&ids("b")), &seen(&["a1"])), None, "few say nothing");
    }

    #[test]
    fn an_empty_listing_forgets_nothing() {
        assert!(gone(&pop3(&[]), &seen(&["a"])).is_empty());
        assert_eq!(gone(&pop3(&["b"]), &seen(&["a", "b"])), ["a"]);
    }

    #[test]
    fn what_is_not_listed_any_more_needs_no_removal() {
        let uidl = |id: &str| RemoteId::Uidl(id.to_owned());
        let uid = |validity| RemoteId::Uid { validity, uid: 5 };
        assert_eq!(absent(vec![uidl("a"), uidl("b")], &pop3(&["b"])), [uidl("a")]);
        assert!(absent(vec![uidl("a")], &pop3(&[])).is_empty(), "a silent server proves nothing");
        assert_eq!(absent(vec![uid(7), uid(8), uidl("a")], &imap(8, &[])), [uid(7), uidl("a")]);
    }

    #[test]
    fn after_a_failure_the_first_messages_are_looked_at_one_by_one() {
        assert_eq!(one_by_one(0), 0);
        assert_eq!(one_by_one(1), limits::FETCH_WINDOW_MESSAGES);
    }

    #[test]
    fn a_sample_is_small_and_begins_with_the_first() {
        let ids: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let Listing::Pop3 { messages } = pop3(&ids.iter().map(String::as_str).collect::<Vec<_>>()) else {
            panic!()
        };
        assert_eq!((sample(&messages).len(), sample(&messages[..3]).len()), (16, 3));
        assert_eq!((sample(&messages)[0].clone(), sample(&[])), (messages[0].clone(), vec![]));
    }

    #[test]
    fn a_message_above_the_parse_limit_is_kept_and_marked() {
        let beginning = bytes::Bytes::from_static(b"Subject: huge\r\n\r\n");
        let content = ContentHash::of(b"all of it");
        let large = |bytes| Large {
            spooled: Spooled { number: 1, bytes },
            content: content.clone(),
            beginning: beginning.clone(),
        };
        let decide = |bytes| {
            let decision = decide_large(place(), large(bytes), rules());
            let Decision::Record(record) = decision else { panic!("{decision:?}") };
            *record
        };
        let (huge, read_back) = (decide(1 << 30), decide(17));
        assert_eq!((huge.facts.parsed, huge.quarantine), (Parsed::HeadersOnly, None));
        assert_eq!((huge.facts.subject.as_deref(), huge.content), (Some("huge"), content.clone()));
        assert_eq!(read_back.facts.parsed, Parsed::Whole);
    }

    #[test]
    fn a_message_without_a_date_is_never_too_old() {
        let rules = Rules { from: Some(Timestamp::MAX), ..rules() };
        assert!(matches!(decide(fetched(b"Subject: x\r\n\r\nbody"), rules), Decision::Record(_)));
        let dated = fetched(b"Date: Mon, 05 Jan 2026 10:00:00 +0000\r\n\r\nbody");
        assert_eq!(decide(dated, rules), Decision::BeforeFrom);
    }

    #[test]
    fn what_cannot_be_understood_is_kept_and_stays_on_the_server() {
        let rules = Rules { delete_after: Deletion::AfterProcessing, ..rules() };
        let Decision::Record(record) = decide(fetched(b"  \r\n"), rules) else { panic!() };
        assert!(record.quarantine.is_some() && !record.delete_after && !record.raw.is_missing());
        let refused = Fetched {
            id: RemoteId::Uidl("u2".into()),
            received: None,
            content: Content::Refused("conversion failed".into()),
            rebuilt: None,
        };
        let Decision::Record(record) = decide(refused, rules) else { panic!() };
        assert!(record.quarantine.is_some_and(|reason| reason.contains("conversion failed")));
    }

    #[test]
    fn a_note_in_the_place_of_a_message_is_not_taken_for_mail() {
        let rules = Rules { delete_after: Deletion::AfterProcessing, ..rules() };
        for note in [
            &b"From: Microsoft Exchange Server 2013 <x@y>\r\n\
               Subject: Retrieval using the IMAP4 protocol failed for the following message: 25\r\n\r\nno"[..],
            b"From: System Administrator <root@localhost>\r\nSubject: message unavailable\r\n\r\n",
        ] {
            let Decision::Record(record) = decide(fetched(note), rules) else { panic!() };
            assert!(record.quarantine.is_some_and(|reason| reason.contains("in the place of the message")));
            assert!(!record.delete_after && !record.raw.is_missing());
        }
        let about = fetched(b"From: anna@a.example\r\nSubject: message unavailable\r\n\r\n");
        let Decision::Record(record) = decide(about, rules) else { panic!() };
        assert_eq!(record.quarantine, None, "somebody writes about it");
    }

    #[test]
    fn a_foreign_test_header_does_not_make_mail_disappear() {
        let decision = decide(fetched(b"X-Mailplumb-Test: forged\r\nSubject: x\r\n\r\n"), rules());
        let Decision::PerhapsSelfTest { nonce, otherwise } = decision else { panic!() };
        assert_eq!((nonce.as_str(), otherwise.facts.subject.as_deref()), ("forged", Some("x")));
    }

    #[test]
    fn a_message_is_blamed_only_for_what_a_message_can_cause() {
        assert!(is_by_message(&Cause::ConnectionLost { detail: String::new() }));
        assert!(!is_by_message(&Cause::ConnectionRefused { host: "h".into(), port: 1 }));
    }
}
