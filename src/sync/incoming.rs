//! What is to be fetched, and what becomes of each message that was.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::message;
use crate::model::cursor::{Content, Cursor, CursorAdvance, Fetched, Listed, Listing, RemoteId};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::model::mailbox::Accept;
use crate::model::record::{ContentHash, MessageFacts, NewRecord};

/// The listed messages that have not been dealt with, in the order in which they are to be.
pub fn fresh(listing: &Listing, cursor: &Cursor) -> Vec<Listed> {
    match (listing, cursor) {
        (Listing::Imap { validity, messages }, Cursor::Imap { validity: known, uid_last })
            if validity == known =>
        {
            messages.iter().filter(|message| uid(message) > *uid_last).cloned().collect()
        }
        (Listing::Pop3 { messages }, Cursor::Pop3 { seen }) => messages
            .iter()
            .filter(|message| !uidl(message).is_some_and(|id| seen.contains(id)))
            .cloned()
            .collect(),
        // Never read, or the server numbers anew: everything is looked at again; octets that are already recorded are
        // recognised by their hash.
        (Listing::Imap { messages, .. } | Listing::Pop3 { messages }, _) => messages.clone(),
    }
}

fn uid(message: &Listed) -> u32 {
    match &message.id {
        RemoteId::Uid { uid, .. } => *uid,
        RemoteId::Uidl(_) => 0,
    }
}

fn uidl(message: &Listed) -> Option<&str> {
    match &message.id {
        RemoteId::Uidl(uidl) => Some(uidl),
        RemoteId::Uid { .. } => None,
    }
}

/// Whether the server numbers its messages anew (another UIDVALIDITY).
pub fn is_renumbered(listing: &Listing, cursor: &Cursor) -> bool {
    match (listing, cursor) {
        (Listing::Imap { validity, .. }, Cursor::Imap { validity: known, .. }) => validity != known,
        (
            Listing::Imap { .. } | Listing::Pop3 { .. },
            Cursor::Start | Cursor::Imap { .. } | Cursor::Pop3 { .. },
        ) => false,
    }
}

/// The UIDLs in the cursor that the server no longer lists: they can be forgotten. Not judged for a listing that is
/// suddenly empty, because that may be a server in trouble.
pub fn gone(listing: &Listing, cursor: &Cursor) -> Vec<String> {
    match (listing, cursor) {
        (Listing::Pop3 { messages }, Cursor::Pop3 { seen }) if !is_silent(listing) => {
            let listed: BTreeSet<&str> = messages.iter().filter_map(uidl).collect();
            seen.iter().filter(|id| !listed.contains(id.as_str())).cloned().collect()
        }
        (
            Listing::Imap { .. } | Listing::Pop3 { .. },
            Cursor::Start | Cursor::Imap { .. } | Cursor::Pop3 { .. },
        ) => Vec::new(),
    }
}

/// Whether a listing says nothing about what is gone: a maildrop that is suddenly empty may be a server in trouble.
pub fn is_silent(listing: &Listing) -> bool {
    match listing {
        Listing::Pop3 { messages } => messages.is_empty(),
        Listing::Imap { .. } => false,
    }
}

/// Cuts the fresh messages into batches, each fetched and recorded in one go. After failures a batch is one message,
/// so that the one that breaks the server is found.
pub fn batches(fresh: &[Listed], failures_before: u16) -> Vec<&[Listed]> {
    let count_max = if failures_before == 0 { limits::FETCH_WINDOW_MESSAGES } else { 1 };
    let mut batches = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (index, message) in fresh.iter().enumerate() {
        let size = message.size.unwrap_or(0);
        let is_full = index - start >= count_max || bytes + size > limits::FETCH_WINDOW_BYTES;
        if is_full && index > start {
            batches.push(&fresh[start..index]);
            start = index;
            bytes = 0;
        }
        bytes += size;
    }
    if start < fresh.len() {
        batches.push(&fresh[start..]);
    }
    batches
}

/// The cursor once these messages, a batch of [`fresh`] in its order, have been dealt with.
pub fn advance(listing: &Listing, batch: &[Listed], gone: Vec<String>) -> CursorAdvance {
    match listing {
        Listing::Imap { validity, .. } => CursorAdvance::Imap {
            validity: *validity,
            uid_last: batch.iter().map(uid).max().unwrap_or_default(),
        },
        Listing::Pop3 { .. } => {
            CursorAdvance::Pop3 { seen: batch.iter().filter_map(uidl).map(str::to_owned).collect(), gone }
        }
    }
}

/// What one mailbox makes of its messages.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub accept: Accept,
    /// Only what was received at or after this moment.
    pub from: Option<Timestamp>,
    pub delete_after: Deletion,
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

/// Decides about one message.
pub fn decide(fetched: Fetched, rules: Rules) -> Decision {
    let (raw, parsed) = match fetched.content {
        Content::Vanished => return Decision::Vanished,
        Content::Bytes(raw) => {
            let parsed = message::parse(&raw).map_err(|unparsable| unparsable.to_string());
            (raw, parsed)
        }
        Content::Streamed(size) => {
            (bytes::Bytes::new(), Err(format!("it has {size} bytes and was not kept")))
        }
        Content::Refused(said) => {
            (bytes::Bytes::new(), Err(format!("the server does not hand it over: {}", server_words(&said))))
        }
        Content::TooLarge(size) => (
            bytes::Bytes::new(),
            Err(format!("it has {size} bytes, more than the limit of {}", limits::MESSAGE_BYTES_MAX)),
        ),
    };
    let (facts, quarantine) = match parsed {
        Ok(facts) => (facts, None),
        Err(reason) => (MessageFacts::default(), Some(reason)),
    };
    let received_at = received_at(fetched.received, &facts);
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
    let content = if raw.is_empty() {
        ContentHash::of(format!("unfetched:{}", fetched.id).as_bytes())
    } else {
        ContentHash::of(&raw)
    };
    let record = Box::new(NewRecord {
        remote: fetched.id,
        content,
        raw,
        received_at,
        facts,
        // What was not understood stays where it is, for a person to look at.
        delete_after: rules.delete_after == Deletion::AfterProcessing && quarantine.is_none(),
        quarantine,
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

/// Whether the headers alone can tell that a message is too old, so that it need not be fetched: POP3 only, because
/// IMAP lists the date, and only while a mailbox is read for the first time.
pub fn headers_first(listing: &Listing, cursor: &Cursor, from: Option<Timestamp>) -> bool {
    from.is_some() && matches!((listing, cursor), (Listing::Pop3 { .. }, Cursor::Start))
}

/// Whether a message that was fetched alone, and failed so often, is given up and quarantined so that the mailbox goes
/// on. The cause must be of the kind that one message can bring about.
pub fn is_given_up(cause: &Cause, failures_before: u16, attempts_per_message: u16) -> bool {
    let by_message = matches!(
        cause,
        Cause::ConnectionLost { .. }
            | Cause::TimedOut { .. }
            | Cause::Garbage { .. }
            | Cause::LimitExceeded { .. }
            | Cause::Refused { .. }
            | Cause::ServerBye { .. }
    );
    by_message && failures_before >= attempts_per_message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imap(validity: u32, uids: &[u32]) -> Listing {
        let messages = uids
            .iter()
            .map(|uid| Listed { id: RemoteId::Uid { validity, uid: *uid }, size: Some(10), received: None })
            .collect();
        Listing::Imap { validity, messages }
    }

    fn pop3(uidls: &[&str]) -> Listing {
        let messages = uidls
            .iter()
            .map(|id| Listed { id: RemoteId::Uidl((*id).to_owned()), size: None, received: None })
            .collect();
        Listing::Pop3 { messages }
    }

    fn seen(uidls: &[&str]) -> Cursor {
        Cursor::Pop3 { seen: uidls.iter().map(|id| (*id).to_owned()).collect() }
    }

    fn rules() -> Rules {
        Rules { accept: Accept::All, from: None, delete_after: Deletion::LeaveOnServer }
    }

    fn fetched(raw: &'static [u8]) -> Fetched {
        let id = RemoteId::Uidl("u1".into());
        Fetched { id, received: None, content: Content::Bytes(bytes::Bytes::from_static(raw)) }
    }

    #[test]
    fn what_was_dealt_with_is_not_fresh() {
        let cursor = Cursor::Imap { validity: 7, uid_last: 2 };
        assert_eq!(fresh(&imap(7, &[1, 2, 3, 4]), &cursor).len(), 2);
        assert_eq!(fresh(&pop3(&["a", "b", "c"]), &seen(&["a", "c"])).len(), 1);
        assert!(fresh(&pop3(&["a"]), &seen(&["a"])).is_empty());
    }

    #[test]
    fn a_new_uidvalidity_makes_everything_fresh_again() {
        let cursor = Cursor::Imap { validity: 7, uid_last: 100 };
        assert_eq!(fresh(&imap(8, &[1, 2]), &cursor).len(), 2);
        assert!(is_renumbered(&imap(8, &[]), &cursor));
    }

    #[test]
    fn an_empty_listing_forgets_nothing() {
        assert!(gone(&pop3(&[]), &seen(&["a"])).is_empty());
        assert_eq!(gone(&pop3(&["b"]), &seen(&["a", "b"])), ["a"]);
    }

    #[test]
    fn batches_keep_order_and_limits() {
        let listing = imap(1, &(1..=150).collect::<Vec<_>>());
        let fresh = fresh(&listing, &Cursor::Start);
        let cut = batches(&fresh, 0);
        assert_eq!(cut.iter().map(|batch| batch.len()).collect::<Vec<_>>(), [64, 64, 22]);
        assert_eq!(cut.concat(), fresh);
        assert_eq!(batches(&fresh, 1).len(), 150, "after a failure one by one");
        assert_eq!(advance(&listing, cut[0], vec![]), CursorAdvance::Imap { validity: 1, uid_last: 64 });
    }

    #[test]
    fn one_message_above_the_window_is_a_batch_of_its_own() {
        let size = Some(limits::FETCH_WINDOW_BYTES * 2);
        let big = |uid| Listed { id: RemoteId::Uid { validity: 1, uid }, size, received: None };
        assert_eq!(batches(&[big(1), big(2)], 0).len(), 2);
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
        assert!(record.quarantine.is_some() && !record.delete_after && !record.raw.is_empty());
        let refused = Fetched {
            id: RemoteId::Uidl("u2".into()),
            received: None,
            content: Content::Refused("conversion failed".into()),
        };
        let Decision::Record(record) = decide(refused, rules) else { panic!() };
        assert!(record.quarantine.is_some_and(|reason| reason.contains("conversion failed")));
    }

    #[test]
    fn a_foreign_test_header_does_not_make_mail_disappear() {
        let decision = decide(fetched(b"X-Mailplumb-Test: forged\r\nSubject: x\r\n\r\n"), rules());
        let Decision::PerhapsSelfTest { nonce, otherwise } = decision else { panic!() };
        assert_eq!((nonce.as_str(), otherwise.facts.subject.as_deref()), ("forged", Some("x")));
    }

    #[test]
    fn a_message_is_given_up_only_for_what_a_message_can_cause() {
        let lost = Cause::ConnectionLost { detail: String::new() };
        assert!(!is_given_up(&lost, 4, 5));
        assert!(is_given_up(&lost, 5, 5));
        let refused = Cause::ConnectionRefused { host: "h".into(), port: 1 };
        assert!(!is_given_up(&refused, 9, 5));
    }
}
