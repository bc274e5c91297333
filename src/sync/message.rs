//! Raw octets → what headers and structure say. The raw message is the truth; this is a view of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use jiff::Timestamp;
use mail_parser::{Addr, DateTime, HeaderName, HeaderValue, Message, MessageParser};

use super::{mime, report, self_message};
use crate::model::limits;
use crate::model::record::{Attachment, Correspondent, Direction, MessageFacts, Parsed};

const CORRESPONDENTS_MAX: usize = 1000;
const REFERENCES_MAX: usize = 200;

/// What it looks for is put into a map, once. Of every other field only the end is looked for: nobody reads what it would be taken
/// apart into.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_id(HeaderName::MessageId)
        .header_id(HeaderName::InReplyTo)
        .header_id(HeaderName::References)
        .header_text(HeaderName::Subject)
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_date(HeaderName::Date)
        .header_received(HeaderName::Received)
        .default_header_ignore()
});

/// Why a message has no facts. It is kept raw and quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unparsable {
    #[error("the message has neither headers nor a body")]
    Empty,
    #[error("the message could not be parsed")]
    Parser,
}

/// Parses a message. Above [`limits::MESSAGE_PARSE_BYTES_MAX`] only its headers are looked at.
pub fn parse(raw: &[u8]) -> Result<MessageFacts, Unparsable> {
    if raw.iter().all(u8::is_ascii_whitespace) {
        return Err(Unparsable::Empty);
    }
    // The parser is given strangers' mail; a panic in it must cost one message, not the process.
    let facts = catch_unwind(AssertUnwindSafe(|| {
        let facts = match headers(raw) {
            Some(facts) => facts,
            // A body without a header.
            None if raw.starts_with(b"\r\n") || raw.starts_with(b"\n") => MessageFacts::default(),
            None => return None,
        };
        if raw.len() > limits::MESSAGE_PARSE_BYTES_MAX {
            return Some(MessageFacts { parsed: Parsed::HeadersOnly, ..facts });
        }
        let attachments: Vec<Attachment> = mime::attached(raw).into_iter().map(attachment).collect();
        let report = report::read(raw, &attachments);
        Some(MessageFacts { attachments, report, ..facts })
    }));
    facts.map_err(|_| Unparsable::Parser)?.ok_or(Unparsable::Parser)
}

/// Parses the headers only: what a `TOP` or `BODY[HEADER]` returned.
pub fn parse_headers(raw: &[u8]) -> Result<MessageFacts, Unparsable> {
    let facts = catch_unwind(AssertUnwindSafe(|| headers(raw)));
    facts.map_err(|_| Unparsable::Parser)?.ok_or(Unparsable::Empty)
}

/// `None`: no header.
fn headers(raw: &[u8]) -> Option<MessageFacts> {
    let (header, extent) = mime::looked_at(raw);
    let mended = mime::mended(&header);
    let facts = header_facts(&PARSER.parse_headers(&*mended)?);
    let parsed = match extent {
        mime::Extent::Whole => facts.parsed,
        mime::Extent::Chosen => Parsed::HeaderCut,
    };
    Some(MessageFacts { parsed, ..facts })
}

/// Where a header stands several times, the first one counts: it is the one that people are shown, and the topmost
/// Received is the one that the own server wrote.
fn header_facts(message: &Message<'_>) -> MessageFacts {
    let first = |name: HeaderName<'static>| message.header_values(name).next();
    let people = |name| correspondents(first(name).and_then(HeaderValue::as_address));
    let list = |name| first(name).map(texts).unwrap_or_default();
    MessageFacts {
        message_id: list(HeaderName::MessageId).into_iter().next(),
        in_reply_to: list(HeaderName::InReplyTo),
        references: list(HeaderName::References),
        subject: list(HeaderName::Subject).into_iter().next(),
        from: people(HeaderName::From),
        to: people(HeaderName::To),
        cc: people(HeaderName::Cc),
        date: first(HeaderName::Date).and_then(HeaderValue::as_datetime).and_then(timestamp),
        received: message
            .header_values(HeaderName::Received)
            .filter_map(HeaderValue::as_received)
            .find_map(|received| received.date.as_ref().and_then(timestamp)),
        attachments: Vec::new(),
        self_test_nonce: message
            .header_raw(HeaderName::Other(self_message::HEADER.into()))
            .map(|nonce| text(nonce.trim())),
        direction: Direction::Incoming,
        tracked: None,
        rebuilt: None,
        forwarded: None,
        report: None,
        parsed: Parsed::Whole,
    }
}

/// A header text as it is kept: no control characters, a sane length.
pub(super) fn text(raw: &str) -> String {
    raw.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(limits::HEADER_TEXT_CHARACTERS_MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}

fn texts(value: &HeaderValue<'_>) -> Vec<String> {
    match value {
        HeaderValue::Text(one) => vec![text(one)],
        HeaderValue::TextList(many) => many.iter().take(REFERENCES_MAX).map(|one| text(one)).collect(),
        HeaderValue::Address(_)
        | HeaderValue::DateTime(_)
        | HeaderValue::ContentType(_)
        | HeaderValue::Received(_)
        | HeaderValue::Empty => Vec::new(),
    }
}

fn correspondents(addresses: Option<&mail_parser::Address<'_>>) -> Vec<Correspondent> {
    let Some(addresses) = addresses else { return Vec::new() };
    addresses.iter().filter_map(correspondent).take(CORRESPONDENTS_MAX).collect()
}

fn correspondent(addr: &Addr<'_>) -> Option<Correspondent> {
    let address = text(addr.address.as_deref()?);
    let name = addr.name.as_deref().map(text).filter(|name| !name.is_empty());
    Some(Correspondent { name, address })
}

fn timestamp(date: &DateTime) -> Option<Timestamp> {
    date.is_valid().then(|| Timestamp::from_second(date.to_timestamp()).ok()).flatten()
}

fn attachment(part: mime::Attached) -> Attachment {
    Attachment {
        // A name is for people; nobody may take it for a path.
        name: part.name.map(|name| name.replace(['/', '\\'], "_")),
        media_type: part.media_type,
        start: part.place.start as u64,
        end: part.place.end as u64,
        bytes: part.bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_decoded_and_addresses_kept() {
        let raw = b"From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>\r\nTo: a@b.example, C <c@d.example>\r\n\
            Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\n\
            References: <a@x> <0@x>\r\nDate: Mon, 05 Jan 2026 10:00:00 +0100\r\n\r\nhello\r\n";
        let facts = parse(raw).unwrap();
        assert_eq!(facts.subject.as_deref(), Some("Grüße"));
        assert_eq!(facts.message_id.as_deref(), Some("1@x"));
        assert_eq!(facts.from[0].name.as_deref(), Some("Jürgen"));
        assert_eq!(facts.to.len(), 2);
        assert_eq!(facts.references, ["a@x", "0@x"]);
        assert_eq!(facts.date.unwrap().to_string(), "2026-01-05T09:00:00Z");
    }

    #[test]
    fn the_topmost_received_and_the_first_of_doubled_headers_count() {
        let raw = b"Received: from a by b; Sat, 21 Nov 2026 10:00:00 +0000\r\n\
            Received: from x by y; Mon, 05 Jan 2015 10:00:00 +0000\r\n\
            Subject: first\r\nSubject: second\r\nMessage-ID: <1@x>\r\nMessage-ID: <2@x>\r\n\r\n";
        let facts = parse(raw).unwrap();
        assert_eq!(facts.received.unwrap().to_string(), "2026-11-21T10:00:00Z");
        assert_eq!(facts.subject.as_deref(), Some("first"));
        assert_eq!(facts.message_id.as_deref(), Some("1@x"));
    }

    #[test]
    fn attachments_are_ranges_of_the_raw_message() {
        let raw = b"Content-Type: multipart/mixed; boundary=b\r\nFrom: a@b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
            Content-Type: application/pdf; name=\"../x.pdf\"\r\nContent-Disposition: attachment\r\n\
            Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n";
        let facts = parse(raw).unwrap();
        let [one] = facts.attachments.as_slice() else { panic!("{facts:?}") };
        assert_eq!((one.media_type.as_str(), one.bytes), ("application/pdf", 5));
        assert_eq!(one.name.as_deref(), Some(".._x.pdf"));
        let range = &raw[usize::try_from(one.start).unwrap()..usize::try_from(one.end).unwrap()];
        assert!(range.starts_with(b"aGVsbG8="), "{}", String::from_utf8_lossy(range));
    }

    #[test]
    fn our_own_test_message_is_recognised() {
        let address = crate::model::name::Address::parse("a@b.example").unwrap();
        let raw = self_message::compose(&address, "n0nce", Timestamp::UNIX_EPOCH);
        assert_eq!(parse(&raw).unwrap().self_test_nonce.as_deref(), Some("n0nce"));
        assert_eq!(parse_headers(&raw).unwrap().self_test_nonce.as_deref(), Some("n0nce"));
    }

    #[test]
    fn subjects_and_names_as_they_are_written_in_reality() {
        let raw =
            b"From: M\xfcller <m@x.example>\r\nSubject: =?utf-8?B?4pyT4pw=?= =?utf-8?B?kyBvaw==?=\r\n\r\nx";
        let facts = parse(raw).unwrap();
        assert_eq!(facts.subject.as_deref(), Some("\u{2713}\u{2713} ok"));
        assert_eq!(facts.from[0].name.as_deref(), Some("M\u{fc}ller"));
        assert_eq!(parse_headers(raw).unwrap().subject, facts.subject);
    }

    #[test]
    fn a_header_of_thousands_of_received_lines_is_marked_and_tells_what_counts() {
        let received = "Received: from x by y; Sun, 22 Nov 2026 10:00:00 +0000\r\n".repeat(6000);
        let raw = format!(
            "{received}Subject: late\r\nMessage-ID: <late@y>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Disposition: attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC\r\n\r\nx\r\n--b--\r\n"
        );
        let facts = parse(raw.as_bytes()).unwrap();
        assert_eq!((facts.subject.as_deref(), facts.message_id.as_deref()), (Some("late"), Some("late@y")));
        assert_eq!((facts.parsed, facts.attachments.len()), (Parsed::HeaderCut, 1));
        assert_eq!(facts.attachments[0].name.as_deref(), Some("€"));
        assert_eq!(parse_headers(raw.as_bytes()).unwrap().parsed, Parsed::HeaderCut);
    }

    /// What a fetch of headers alone brings, see [`limits::HEADER_BYTES_MAX`].
    #[test]
    fn a_date_behind_the_end_of_a_cut_header_is_unknown_and_no_other_one() {
        let filler = "X-Spam: very much so\r\n".repeat(limits::HEADER_BYTES_MAX / 20);
        let behind = format!("Subject: s\r\n{filler}Date: Mon, 05 Jan 2015 10:00:00 +0000\r\n\r\n");
        let cut = &behind.as_bytes()[..limits::HEADER_BYTES_MAX];
        let facts = parse_headers(cut).unwrap();
        assert_eq!((facts.date, facts.received, facts.subject.as_deref()), (None, None, Some("s")));
        assert!(parse_headers(behind.as_bytes()).unwrap().date.is_some(), "the whole message tells");
        let topmost = format!("Received: from a by b; Sat, 21 Nov 2026 10:00:00 +0000\r\n{behind}");
        let facts = parse_headers(&topmost.as_bytes()[..limits::HEADER_BYTES_MAX]).unwrap();
        assert!(facts.received.is_some(), "the server's own line stands first");
    }

    #[test]
    fn an_empty_message_is_an_answer_not_a_panic() {
        for raw in [&b""[..], b"\r\n", b"\r\n\r\n  "] {
            assert_eq!(parse(raw), Err(Unparsable::Empty));
        }
    }

    #[test]
    fn broken_mail_still_has_facts() {
        for raw in [
            &b"From: a\r\n\r\n"[..],
            b"Subject: \xff\xfe raw 8-bit\r\n\r\nbody",
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nno end",
            b"Date: yesterday\r\nSubject: x\r\n\r\nx",
            b"Subject: nul \0 here\r\n\r\n\0",
        ] {
            assert!(parse(raw).is_ok(), "{}", String::from_utf8_lossy(raw));
        }
        assert_eq!(parse(b"Date: yesterday\r\nSubject: x\r\n\r\nx").unwrap().date, None);
    }

    proptest::proptest! {
        #[test]
        fn fields_that_are_passed_over_leave_the_others_as_they_are(
            header in "((Subject|To|Received|Message-ID|X-Mailplumb-Test|DKIM-Signature|List-Id|Content-Type|Keywords)[ :]{0,2}\
                      [a<>@,;=\"(? \t:\u{fc}\\\\]{0,12}(\r?\n){0,2}[ \t]?){0,6}"
        ) {
            let everything = MessageParser::new().parse_headers(header.as_bytes());
            let chosen = PARSER.parse_headers(header.as_bytes());
            let facts = |message: Option<Message<'_>>| message.as_ref().map(header_facts);
            proptest::prop_assert_eq!(facts(chosen), facts(everything));
        }

        #[test]
        fn arbitrary_octets_never_panic(raw in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
            let _ = parse(&raw);
            let _ = parse_headers(&raw);
        }
    }
}
