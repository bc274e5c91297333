//! Messages to be submitted: made from parts, or a ready one made fit. Message-ID and date are arguments.
//! RFC 5322, RFC 2045, RFC 2047.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::catch_unwind;

use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::Header as _;
use mail_builder::headers::date::Date;
use mail_parser::MessageParser;

use super::smtp::with_crlf;
use crate::model::limits;
use crate::model::name::Address;

/// A Message-ID without its angle brackets. It holds nothing that could end a header line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageId(String);

impl MessageId {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let good = |byte: u8| byte.is_ascii_graphic() && byte != b'<' && byte != b'>';
        if text.is_empty() || text.len() > limits::MESSAGE_ID_BYTES_MAX {
            Err("a Message-ID has 1 to 900 characters")
        } else if !text.bytes().all(good) {
            Err("a Message-ID consists of printable ASCII without blanks and angle brackets")
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The parts of a plain text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub from: Address,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub subject: String,
    /// With any line ends.
    pub text: String,
    pub message_id: MessageId,
    pub date: Timestamp,
}

/// The message with CRLF line ends, in ASCII unless an address is not before its `@`: any server can carry it.
pub fn compose(draft: &Draft) -> Vec<u8> {
    let one = |address: &Address| address.in_ascii().map_or_else(|| address.to_string(), Cow::into_owned);
    let list = |addresses: &[Address]| -> Vec<String> { addresses.iter().map(one).collect() };
    let mut message = MessageBuilder::new()
        .message_id(draft.message_id.as_str())
        .date(Date::new(draft.date.as_second()))
        .from(one(&draft.from));
    if !draft.to.is_empty() {
        message = message.to(list(&draft.to));
    }
    if !draft.cc.is_empty() {
        message = message.cc(list(&draft.cc));
    }
    let text = String::from_utf8_lossy(&with_crlf(draft.text.as_bytes())).into_owned();
    let mut raw = Vec::new();
    message.subject(one_line(&draft.subject)).text_body(text).serialize(&mut raw);
    raw
}

/// A subject cannot begin another header.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// A message that is ready to be queued, with what its header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// With CRLF line ends, a Message-ID and a date, and without Bcc.
    pub raw: Vec<u8>,
    pub message_id: MessageId,
    pub subject: Option<String>,
    /// Of To, Cc and Bcc, each once, in this order.
    pub recipients: Vec<Address>,
}

/// Why a message cannot be queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the message exceeds the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the header exceeds the limit of {limit} bytes")]
    HeaderTooLarge { limit: usize },
    #[error("line {line} is not a header line; a message begins with `From:`, `To:` and the like")]
    NotAHeader { line: usize },
    #[error("the message has no `From:`")]
    NoFrom,
    #[error("the addresses of the header cannot be read")]
    Unreadable,
    #[error("`{text}` in the header is not an e-mail address: {reason}")]
    Address { text: String, reason: &'static str },
    #[error("the message has more than {limit} recipients")]
    TooManyRecipients { limit: usize },
}

/// Makes a ready message fit for submission. `message_id` and `date` are used where it has none of its own.
pub fn prepare(raw: &[u8], message_id: MessageId, date: Timestamp) -> Result<Prepared, Unfit> {
    if raw.len() as u64 > limits::MESSAGE_BYTES_MAX {
        return Err(Unfit::TooLarge { limit: limits::MESSAGE_BYTES_MAX });
    }
    let normal = with_crlf(raw);
    let (header, body) = split(&normal);
    if header.len() > limits::HEADER_BYTES_MAX {
        return Err(Unfit::HeaderTooLarge { limit: limits::HEADER_BYTES_MAX });
    }
    let fields = fields(header)?;
    if !fields.iter().any(|field| field.is("From")) {
        return Err(Unfit::NoFrom);
    }
    let (subject, recipients) = read(header)?;
    let own = fields.iter().filter(|field| field.is("Message-ID")).find_map(Field::message_id);
    let message_id = own.unwrap_or(message_id);
    let has_date = fields.iter().any(|field| field.is("Date") && !field.value().is_empty());

    let mut fit = format!("Message-ID: <{}>\r\n", message_id.as_str()).into_bytes();
    if !has_date {
        fit.extend_from_slice(b"Date: ");
        Date::new(date.as_second()).write_header(&mut fit, "Date: ".len());
    }
    let ours = |field: &&Field<'_>| {
        let empty_date = field.is("Date") && !has_date;
        !(field.is("Message-ID") || field.is("Bcc") || field.is("Resent-Bcc") || empty_date)
    };
    fields.iter().filter(ours).for_each(|field| fit.extend_from_slice(field.text));
    fit.extend_from_slice(b"\r\n");
    fit.extend_from_slice(body);
    Ok(Prepared { raw: fit, message_id, subject, recipients })
}

/// The header with the line end of its last field, and the body behind the empty line.
fn split(normal: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = normal.strip_prefix(b"\r\n") {
        return (b"", body);
    }
    match normal.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
        Some(end) => (&normal[..end + 2], &normal[end + 4..]),
        None => (normal, b""),
    }
}

/// One header field with its folded lines and its line end.
struct Field<'a> {
    name: &'a [u8],
    text: &'a [u8],
}

impl Field<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    fn value(&self) -> String {
        let colon = self.text.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
        String::from_utf8_lossy(&self.text[colon..]).trim().to_owned()
    }

    fn message_id(&self) -> Option<MessageId> {
        let value = self.value();
        let inner = value.strip_prefix('<')?.strip_suffix('>')?;
        MessageId::parse(inner).ok()
    }
}

fn fields(header: &[u8]) -> Result<Vec<Field<'_>>, Unfit> {
    let mut fields = Vec::new();
    let mut begun: Option<(&[u8], usize)> = None;
    let mut offset = 0;
    for (number, line) in header.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        if !folded {
            if let Some((name, start)) = begun.take() {
                fields.push(Field { name, text: &header[start..offset] });
            }
            begun = Some((field_name(line).ok_or(Unfit::NotAHeader { line: number + 1 })?, offset));
        } else if begun.is_none() {
            return Err(Unfit::NotAHeader { line: number + 1 });
        }
        offset += line.len();
    }
    if let Some((name, start)) = begun {
        fields.push(Field { name, text: &header[start..offset] });
    }
    Ok(fields)
}

/// Printable ASCII before a colon; blanks between them are obsolete and accepted (RFC 5322 section 4.5).
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

/// Subject and recipients. The parser is kept from taking the program down with it: some inputs are known to trip its
/// arithmetic in builds with overflow checks.
fn read(header: &[u8]) -> Result<(Option<String>, Vec<Address>), Unfit> {
    let parsed = catch_unwind(|| {
        let message = MessageParser::default().parse_headers(header)?;
        let subject = message.subject().map(str::to_owned);
        // Every field of a name counts, although there should be one: a recipient must not get lost.
        let named: Vec<String> = ["To", "Cc", "Bcc"]
            .into_iter()
            .flat_map(|name| message.header_values(name).filter_map(|value| value.as_address()))
            .flat_map(|list| list.iter())
            .filter_map(|one| one.address().or(one.name()).map(str::to_owned))
            .collect();
        Some((subject, named))
    });
    let (subject, named) = parsed.ok().flatten().ok_or(Unfit::Unreadable)?;
    let mut known = BTreeSet::new();
    let mut recipients = Vec::new();
    for text in named {
        let address = Address::parse(&text).map_err(|reason| Unfit::Address { text, reason })?;
        if known.insert(address.key()) {
            recipients.push(address);
        }
    }
    if recipients.len() > limits::RECIPIENTS_MAX {
        return Err(Unfit::TooManyRecipients { limit: limits::RECIPIENTS_MAX });
    }
    Ok((subject, recipients))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn id(text: &str) -> MessageId {
        MessageId::parse(text).unwrap()
    }

    fn date() -> Timestamp {
        "2026-03-01T09:30:00Z".parse().unwrap()
    }

    fn draft(subject: &str, text: &str) -> Draft {
        Draft {
            from: address("anna@a.example"),
            to: vec![address("b@b.example"), address("c@c.example")],
            cc: vec![address("d@d.example")],
            subject: subject.to_owned(),
            text: text.to_owned(),
            message_id: id("1@a.example"),
            date: date(),
        }
    }

    fn composed(subject: &str, text: &str) -> String {
        String::from_utf8(compose(&draft(subject, text))).unwrap()
    }

    #[test]
    fn a_plain_message_reads_as_it_was_written() {
        assert_eq!(
            composed("Hello", "first\nsecond\n"),
            "Message-ID: <1@a.example>\r\nDate: Sun, 1 Mar 2026 09:30:00 +0000\r\nFrom: <anna@a.example>\r\n\
             To: <b@b.example>, <c@c.example>\r\nCc: <d@d.example>\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             first\r\nsecond\r\n"
        );
    }

    #[test]
    fn a_domain_beyond_ascii_keeps_the_header_in_ascii() {
        let to = vec![address("q@bücher.example")];
        let message = compose(&Draft { to, ..draft("Grüße", "text") });
        let message = String::from_utf8(message).unwrap();
        assert!(message.is_ascii() && message.contains("\r\nTo: <q@xn--bcher-kva.example>\r\n"), "{message}");
    }

    #[test]
    fn a_subject_cannot_begin_another_header() {
        let message = composed("x\r\nBcc: evil@x.example\r\n\r\nbody\u{85}\u{0}", "text");
        let (header, _) = message.split_once("\r\n\r\n").unwrap();
        assert!(!header.contains("\r\nBcc"), "{header}");
        assert!(!header.contains('\0'), "{header}");
    }

    #[test]
    fn whatever_is_written_arrives_the_same_and_in_seven_bits() {
        let long = "x".repeat(5000);
        for text in
            ["grüße\nвторой\n", &long, "tab\there\n\n trailing \n", ".\n..\n", "a\rb\n", "From x\n", "=3D\n"]
        {
            let raw = compose(&draft(
                "Größe 👍 und mehr als genug Wörter, um die Zeile zu falten, sicherlich",
                text,
            ));
            assert!(raw.is_ascii(), "{text}");
            let header_and_body = String::from_utf8(raw.clone()).unwrap();
            for line in header_and_body.split("\r\n") {
                assert!(line.len() <= 998 && !line.contains(['\r', '\n', '\0']), "{line:?}");
            }
            let parsed = MessageParser::default().parse(&raw).unwrap();
            let expected = String::from_utf8(with_crlf(text.as_bytes())).unwrap();
            assert_eq!(parsed.body_text(0).unwrap(), expected);
            let subject = "Größe 👍 und mehr als genug Wörter, um die Zeile zu falten, sicherlich";
            assert_eq!(parsed.subject(), Some(subject));
        }
    }

    #[test]
    fn a_message_id_cannot_end_its_line() {
        for bad in ["", "a b", "a\r\nX: y", "<a@b>", "ü@b", &"x".repeat(901)] {
            assert!(MessageId::parse(bad).is_err(), "{bad}");
        }
    }

    fn prepared(raw: &str) -> Result<Prepared, Unfit> {
        prepare(raw.as_bytes(), id("new@a.example"), date())
    }

    #[test]
    fn a_message_with_its_own_id_and_date_keeps_them() {
        let message = prepared(
            "From: anna@a.example\nTo: B <b@b.example>,\n c@c.example\nDATE: Sun, 1 Mar 2026 10:00:00 +0100\n\
             Message-Id:\n <own@a.example>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nbody\n",
        )
        .unwrap();
        assert_eq!(message.message_id, id("own@a.example"));
        assert_eq!(message.subject.as_deref(), Some("Grüße"));
        assert_eq!(message.recipients, [address("b@b.example"), address("c@c.example")]);
        assert_eq!(
            String::from_utf8(message.raw).unwrap(),
            "Message-ID: <own@a.example>\r\nFrom: anna@a.example\r\nTo: B <b@b.example>,\r\n c@c.example\r\n\
             DATE: Sun, 1 Mar 2026 10:00:00 +0100\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n"
        );
    }

    #[test]
    fn a_message_without_id_and_date_is_given_them() {
        let message = prepared("From: a@a.example\nMessage-ID: broken\nDate:\n\nbody").unwrap();
        assert_eq!(message.message_id, id("new@a.example"));
        assert_eq!(
            String::from_utf8(message.raw).unwrap(),
            "Message-ID: <new@a.example>\r\nDate: Sun, 1 Mar 2026 09:30:00 +0000\r\nFrom: a@a.example\r\n\r\n\
             body\r\n"
        );
    }

    #[test]
    fn blind_copies_are_recipients_and_stay_blind() {
        let message = prepared(
            "From: a@a.example\nTo: team: b@b.example, B@B.example;\nbcc: secret@x.example,\n\tother@x.example\n\
             Resent-Bcc: z@z.example\n\nBcc: this is text\n",
        )
        .unwrap();
        let expected = ["b@b.example", "secret@x.example", "other@x.example"].map(address);
        assert_eq!(message.recipients, expected);
        let raw = String::from_utf8(message.raw).unwrap();
        assert!(!raw.contains("x.example") && !raw.contains("z.example"), "{raw}");
        assert!(raw.ends_with("\r\n\r\nBcc: this is text\r\n"));
    }

    #[test]
    fn a_second_field_of_the_same_name_counts() {
        let message = prepared("From: a@a.example\nTo: b@b.example\nto: c@c.example\n\n").unwrap();
        assert_eq!(message.recipients, ["b@b.example", "c@c.example"].map(address));
    }

    #[test]
    fn the_body_keeps_its_octets() {
        let raw = b"From: a@a.example\nTo: b@b.example\n\n\xff\xfe\x00.\n";
        let message = prepare(raw, id("n@a.example"), date()).unwrap();
        assert!(message.raw.ends_with(b"\r\n\r\n\xff\xfe\x00.\r\n"));
    }

    #[test]
    fn what_is_not_a_message_is_refused_with_its_line() {
        assert_eq!(prepared("Hello Anna,\nhow are you?\n"), Err(Unfit::NotAHeader { line: 1 }));
        assert_eq!(prepared(" folded: first\n"), Err(Unfit::NotAHeader { line: 1 }));
        assert_eq!(prepared("From: a@a.example\nno colon\n\nx"), Err(Unfit::NotAHeader { line: 2 }));
        assert_eq!(prepared("To: b@b.example\n\nx"), Err(Unfit::NoFrom));
        assert_eq!(prepared(""), Err(Unfit::NoFrom));
        assert_eq!(prepared("\nFrom: a@a.example\n"), Err(Unfit::NoFrom));
    }

    #[test]
    fn a_recipient_that_cannot_be_reached_is_not_dropped_silently() {
        let error = prepared("From: a@a.example\nTo: b@b.example, nobody\n\nx");
        assert!(matches!(error, Err(Unfit::Address { .. })), "{error:?}");
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let to: Vec<String> = (0..=limits::RECIPIENTS_MAX).map(|n| format!("r{n}@b.example")).collect();
        let error = prepared(&format!("From: a@a.example\nTo: {}\n\nx", to.join(",\n ")));
        assert_eq!(error, Err(Unfit::TooManyRecipients { limit: limits::RECIPIENTS_MAX }));
        let header = format!("From: a@a.example\nX: {}\n\nx", "x".repeat(limits::HEADER_BYTES_MAX));
        assert_eq!(prepared(&header), Err(Unfit::HeaderTooLarge { limit: limits::HEADER_BYTES_MAX }));
    }

    proptest::proptest! {
        #[test]
        fn preparing_twice_changes_nothing(
            header in "(From: a@a\\.example\n)?((To|Cc|Bcc|Subject|Date|Message-ID|X): ?[ -~]{0,30}\n( [ -~]{1,9}\n)?){0,4}",
            body in "\\PC{0,20}",
        ) {
            if let Ok(once) = prepared(&format!("{header}\n{body}")) {
                let again = prepare(&once.raw, id("other@a.example"), Timestamp::UNIX_EPOCH).unwrap();
                proptest::prop_assert_eq!(again.raw, once.raw);
                proptest::prop_assert_eq!(again.message_id, once.message_id);
            }
        }
    }
}
