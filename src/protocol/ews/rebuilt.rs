//! A message put together from what Exchange says of it, piece by piece, where it cannot hand over the message itself.
//!
//! The same properties make the same octets: an item that is read again is known by them.
//! RFC 5322, RFC 2045, RFC 2046, RFC 2047, RFC 2183.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_builder::headers::Header as _;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::text::Text;

use super::item_properties::{Attached, AttachedKind, ItemProperties, Person, TextKind};
use crate::model::limits;

/// Says in the message's own header that it is not what its sender wrote, octet for octet.
pub const HEADER: &str = "X-Mailplumb-Rebuilt";

/// The frame of one message: what separates its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    boundary: String,
    /// What separates the text from the pictures in it (RFC 2387). `None`: it shows none.
    related: Option<String>,
}

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Beside the text, which shows it.
    InText,
    Attached,
}

impl Rebuilt {
    /// The header and the text. The pictures that it shows have to follow before [`Self::after_text`], all else after it. `because`: why the server could not hand over the message.
    pub fn begin(properties: &ItemProperties, because: &str) -> (Self, Vec<u8>) {
        let mut octets = header(properties);
        // Nobody who writes a message knows when it will arrive.
        let mut hasher = blake3::Hasher::new();
        hasher.update(&octets).update(format!("{:?}", properties.received).as_bytes());
        let digest = hasher.finalize().to_hex();
        let boundary = format!("=_{}", digest.get(..40).unwrap_or_default());
        let has_pictures = properties.attachments.iter().any(|attached| properties.shows(attached));
        let related = has_pictures.then(|| format!("{boundary}_text"));
        let rebuilt = Self { boundary, related };
        plain(&mut octets, HEADER, code_of(because));
        field(&mut octets, "MIME-Version", |octets, _| octets.extend_from_slice(b"1.0\r\n"));
        let content = ContentType::new("multipart/mixed").attribute("boundary", rebuilt.boundary.as_str());
        field(&mut octets, "Content-Type", |octets, column| content.write_header(octets, column));
        octets.extend_from_slice(b"\r\n");
        if let Some(body) = &properties.body {
            let kind = match body.kind {
                TextKind::Plain => "text/plain",
                TextKind::Html => "text/html",
            };
            if let Some(related) = &rebuilt.related {
                rebuilt.delimiter(&mut octets, Place::Attached);
                let content = ContentType::new("multipart/related")
                    .attribute("type", kind)
                    .attribute("boundary", related.as_str());
                field(&mut octets, "Content-Type", |octets, column| content.write_header(octets, column));
            }
            rebuilt.text_part(&mut octets, (kind, &body.text), Place::InText);
        }
        (rebuilt, octets)
    }

    /// What ends the text with its pictures.
    pub fn after_text(&self) -> Vec<u8> {
        self.related.as_ref().map_or_else(Vec::new, |related| format!("\r\n--{related}--\r\n").into_bytes())
    }

    /// What stands above the content of an attachment. A file follows in [`Lines`], a message as it is.
    pub fn attachment(&self, attached: &Attached, place: Place) -> Vec<u8> {
        let mut octets = Vec::new();
        self.delimiter(&mut octets, place);
        let name = attached.name.as_deref().map(one_line).unwrap_or_default();
        let media_type = match attached.kind {
            AttachedKind::File => attached.media_type.as_deref().filter(|it| is_media_type(it)),
            AttachedKind::Item => Some("message/rfc822"),
        };
        let mut content = ContentType::new(media_type.unwrap_or("application/octet-stream"));
        let mut disposition = ContentType::new(match place {
            Place::InText => "inline",
            Place::Attached => "attachment",
        });
        if !name.is_empty() {
            content = content.attribute("name", name.as_str());
            disposition = disposition.attribute("filename", name.as_str());
        }
        field(&mut octets, "Content-Type", |octets, column| content.write_header(octets, column));
        field(&mut octets, "Content-Disposition", |octets, column| disposition.write_header(octets, column));
        if let Some(id) = &attached.content_id {
            plain(&mut octets, "Content-ID", &format!("<{}>", id.trim_matches(['<', '>'])));
        }
        match attached.kind {
            AttachedKind::File => plain(&mut octets, "Content-Transfer-Encoding", "base64"),
            AttachedKind::Item => {}
        }
        octets.extend_from_slice(b"\r\n");
        octets
    }

    /// A note in the place of an attachment that cannot be had.
    pub fn missing(&self, attached: &Attached, because: &str, place: Place) -> Vec<u8> {
        let mut octets = Vec::new();
        let name = attached.name.as_deref().map(one_line).unwrap_or_default();
        let words =
            format!("The server could not hand over the attachment \"{name}\": {}\r\n", code_of(because));
        self.text_part(&mut octets, ("text/plain", &words), place);
        octets
    }

    pub fn end(&self) -> Vec<u8> {
        format!("\r\n--{}--\r\n", self.boundary).into_bytes()
    }

    fn delimiter(&self, octets: &mut Vec<u8>, place: Place) {
        let boundary = match (place, &self.related) {
            (Place::InText, Some(related)) => related,
            (Place::InText, None) | (Place::Attached, _) => &self.boundary,
        };
        octets.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
    }

    fn text_part(&self, octets: &mut Vec<u8>, (media_type, text): (&str, &str), place: Place) {
        self.delimiter(octets, place);
        plain(octets, "Content-Type", &format!("{media_type}; charset=utf-8"));
        plain(octets, "Content-Transfer-Encoding", "base64");
        octets.extend_from_slice(b"\r\n");
        let mut lines = Lines::default();
        octets.extend(lines.encoded(text.as_bytes()));
        octets.extend(lines.last());
    }
}

/// Octets in base64, in lines, however they are cut when they come.
#[derive(Debug, Default)]
pub struct Lines {
    /// Octets that do not fill a line yet.
    rest: Vec<u8>,
}

/// What makes a line of 76 characters (RFC 2045 section 6.8).
const LINE_OCTETS: usize = 57;

impl Lines {
    pub fn encoded(&mut self, octets: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(octets);
        let whole = self.rest.len() - self.rest.len() % LINE_OCTETS;
        let lines = lines(self.rest.get(..whole).unwrap_or_default());
        self.rest.drain(..whole);
        lines
    }

    /// The line that is not full.
    pub fn last(self) -> Vec<u8> {
        lines(&self.rest)
    }
}

fn lines(octets: &[u8]) -> Vec<u8> {
    let mut encoded = String::with_capacity(octets.len() / LINE_OCTETS * 78 + 78);
    for line in octets.chunks(LINE_OCTETS) {
        STANDARD.encode_string(line, &mut encoded);
        encoded.push_str("\r\n");
    }
    encoded.into_bytes()
}

/// The fields with which the message came, and those of its properties that are not among them.
fn header(properties: &ItemProperties) -> Vec<u8> {
    let mut octets = Vec::new();
    let kept: Vec<&(String, String)> =
        properties.headers.iter().filter(|(name, _)| is_field_name(name) && !is_replaced(name)).collect();
    for (name, value) in &kept {
        if octets.len() + name.len() + value.len() < limits::HEADER_BYTES_MAX / 2 {
            plain(&mut octets, name, value);
        }
    }
    let lacks = |name: &str| !kept.iter().any(|(kept, _)| kept.eq_ignore_ascii_case(name));
    let lists = [
        ("Sender", &properties.sender),
        ("From", &properties.from),
        ("Reply-To", &properties.reply_to),
        ("To", &properties.to),
        ("Cc", &properties.cc),
    ];
    for (name, list) in lists {
        if lacks(name) && !list.is_empty() && (name != "Sender" || properties.sender != properties.from) {
            people(&mut octets, name, list);
        }
    }
    let texts = [
        ("Message-ID", &properties.message_id),
        ("In-Reply-To", &properties.in_reply_to),
        ("References", &properties.references),
    ];
    for (name, text) in texts {
        if let (true, Some(text)) = (lacks(name), text) {
            plain(&mut octets, name, text);
        }
    }
    if let (true, Some(subject)) = (lacks("Subject"), &properties.subject) {
        let subject = Text::new(one_line(subject));
        field(&mut octets, "Subject", |octets, column| subject.write_header(octets, column));
    }
    if let (true, Some(moment)) = (lacks("Date"), properties.sent.or(properties.received)) {
        let date = Date::new(moment.as_second());
        field(&mut octets, "Date", |octets, column| date.write_header(octets, column));
    }
    octets
}

/// Those that say how the octets are to be read, which are others now; and ours, which a stranger may have written.
fn is_replaced(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("content-") || name == "mime-version" || name == HEADER.to_ascii_lowercase()
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

fn is_media_type(text: &str) -> bool {
    let good = |part: &str| {
        !part.is_empty() && part.bytes().all(|it| it.is_ascii_alphanumeric() || b"-+._".contains(&it))
    };
    matches!(text.split_once('/'), Some((kind, of)) if good(kind) && good(of) && !kind.eq_ignore_ascii_case("multipart"))
}

fn people(octets: &mut Vec<u8>, name: &str, people: &[Person]) {
    let one = |person: &Person| {
        let address = person.address.as_deref().unwrap_or_default();
        let address: String = address.chars().filter(|c| !c.is_control() && !"<>\",;".contains(*c)).collect();
        Address::new_address(person.name.as_deref().map(one_line), address)
    };
    let list = Address::new_list(people.iter().map(one).collect());
    field(octets, name, |octets, column| list.write_header(octets, column));
}

fn field(octets: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>, usize)) {
    octets.extend_from_slice(name.as_bytes());
    octets.extend_from_slice(b": ");
    value(octets, name.len() + 2);
}

/// A field whose value is written as it is, on one line.
fn plain(octets: &mut Vec<u8>, name: &str, value: &str) {
    field(octets, name, |octets, _| {
        octets.extend_from_slice(one_line(value).as_bytes());
        octets.extend_from_slice(b"\r\n");
    });
}

/// The words of a server may differ from time to time, its codes do not.
fn code_of(because: &str) -> &str {
    because.split_once(": ").map_or(because, |(code, _)| code)
}

/// A value cannot begin another header.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::item_properties::Text as Body;
    use super::*;

    fn properties() -> ItemProperties {
        ItemProperties {
            subject: Some("Größe\r\nBcc: evil@x.example".to_owned()),
            from: vec![Person {
                name: Some("Jürgen, \"J\"".to_owned()),
                address: Some("j@x.example".to_owned()),
            }],
            to: vec![Person { name: None, address: Some("/O=C/OU=<x>".to_owned()) }],
            message_id: Some("<1@x.example>".to_owned()),
            sent: Some("2026-03-01T09:30:00Z".parse().unwrap()),
            body: Some(Body { kind: TextKind::Html, text: "<p>grün".repeat(20) }),
            ..ItemProperties::default()
        }
    }

    fn file(name: &str) -> Attached {
        Attached {
            id: "A".to_owned(),
            kind: AttachedKind::File,
            name: Some(name.to_owned()),
            media_type: Some("image/png".to_owned()),
            content_id: None,
            is_inline: false,
        }
    }

    fn whole(properties: &ItemProperties) -> Vec<u8> {
        let (rebuilt, mut octets) = Rebuilt::begin(properties, "ErrorItemCorrupt: no");
        octets.extend(rebuilt.after_text());
        octets.extend(rebuilt.attachment(&file("Grüße.png"), Place::Attached));
        let mut lines = Lines::default();
        [&b"ab"[..], &[7; 100], b"", b"z"].iter().for_each(|piece| octets.extend(lines.encoded(piece)));
        octets.extend(lines.last());
        let inner = Attached { kind: AttachedKind::Item, ..file("inner") };
        octets.extend(rebuilt.attachment(&inner, Place::Attached));
        octets.extend_from_slice(b"Subject: inner\r\n\r\nx\r\n");
        octets.extend(rebuilt.missing(&file("lost.doc"), "ErrorItemNotFound: gone", Place::Attached));
        octets.extend(rebuilt.end());
        octets
    }

    #[test]
    fn what_is_put_together_reads_as_a_message() {
        let raw = whole(&properties());
        let message = mail_parser::MessageParser::new().parse(&raw).unwrap();
        assert_eq!(message.subject(), Some("Größe  Bcc: evil@x.example"));
        assert_eq!(message.from().unwrap().first().unwrap().name(), Some("Jürgen, \"J\""));
        assert_eq!((message.message_id(), message.bcc()), (Some("1@x.example"), None));
        assert_eq!(message.date().unwrap().to_rfc3339(), "2026-03-01T09:30:00Z");
        assert_eq!(message.body_html(0).unwrap(), "<p>grün".repeat(20));
        let names: Vec<_> = message.attachments().map(mail_parser::MimeHeaders::attachment_name).collect();
        assert_eq!(names, [Some("Grüße.png"), Some("inner")]);
        let content = [&b"ab"[..], &[7; 100], b"z"].concat();
        assert_eq!(message.attachment(0).unwrap().contents(), content);
        assert_eq!(message.attachment(1).unwrap().message().unwrap().subject(), Some("inner"));
        let text = String::from_utf8(raw.clone()).unwrap();
        assert!(text.contains("\r\nX-Mailplumb-Rebuilt: ErrorItemCorrupt\r\n"), "{text}");
        assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
        assert_eq!(whole(&properties()), raw, "the same properties make the same octets");
    }

    #[test]
    fn a_picture_that_the_text_shows_stands_beside_the_text() {
        let picture =
            |id: &str, is_inline| Attached { content_id: Some(id.to_owned()), is_inline, ..file("p.png") };
        let text = Body { kind: TextKind::Html, text: "<img src=\"cid:1@x\">".to_owned() };
        let attachments =
            vec![picture("<1@x>", false), picture("2@x", true), picture("3@x", false), file("f")];
        let properties = ItemProperties { body: Some(text), attachments, ..properties() };
        let shown: Vec<bool> = properties.attachments.iter().map(|it| properties.shows(it)).collect();
        assert_eq!(shown, [true, true, false, false]);
        let (rebuilt, mut octets) = Rebuilt::begin(&properties, "no");
        octets.extend(rebuilt.attachment(&properties.attachments[0], Place::InText));
        octets.extend(rebuilt.after_text());
        octets.extend(rebuilt.attachment(&properties.attachments[3], Place::Attached));
        octets.extend(rebuilt.end());
        let text = String::from_utf8(octets.clone()).unwrap();
        assert!(text.contains("multipart/related") && text.contains("Content-ID: <1@x>\r\n"), "{text}");
        let message = mail_parser::MessageParser::new().parse(&octets).unwrap();
        assert_eq!(message.body_html(0).unwrap(), "<img src=\"cid:1@x\">");
        assert_eq!(message.attachment_count(), 2);
        let plain = ItemProperties { body: None, ..properties };
        assert!(!plain.attachments.iter().any(|it| plain.shows(it)), "nothing shows them");
    }

    #[test]
    fn fields_that_came_with_it_are_kept_and_those_about_its_octets_are_not() {
        let came = [
            ("Subject", "=?utf-8?q?as_it_came?="),
            ("In-Reply-To", "<0@x.example>"),
            ("Content-Type", "text/evil"),
            ("X-Mailplumb-Rebuilt", "a stranger"),
            ("X Y: z", "no field"),
            ("X-Y", "a\r\nBcc: evil@x.example"),
        ];
        let headers = came.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let raw = Rebuilt::begin(&ItemProperties { headers, ..properties() }, "no").1;
        let text = String::from_utf8(raw).unwrap();
        assert!(
            text.starts_with(
                "Subject: =?utf-8?q?as_it_came?=\r\nIn-Reply-To: <0@x.example>\r\nX-Y: a  Bcc: "
            )
        );
        assert_eq!(text.matches("Subject:").count(), 1);
        assert!(!text.contains("evil\r\n") && !text.contains("stranger") && !text.contains("X Y"), "{text}");
    }
}
