//! A message as a person reads it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::html::html_to_text;

use super::decode::{self, Encoding};
use super::fields::one_line;
use super::header::{Extent, is_looked_for, looked_at};
use super::split::{Part, Structure, split};
use super::{file_name, flowed, words};
use crate::model::content::{AttachedPart, Body, Header, MessageContent};
use crate::model::limits;
use crate::model::organization::Tracking;
use crate::model::record::ContentHash;

/// Encoded octets of one text that are decoded: more cannot become shorter than the limit of the text.
const TEXT_ENCODED_BYTES_MAX: usize = 4 * limits::BODY_TEXT_BYTES_MAX;

/// Which attachments may be handed out: the organization's `tracking.attachments`.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    pub bytes_max: u64,
    /// Endings of file names, without the dot.
    pub blocked_types: &'a [String],
}

impl<'a> From<&'a Tracking> for Allowed<'a> {
    fn from(tracking: &'a Tracking) -> Self {
        Self { bytes_max: tracking.attachment_bytes_max, blocked_types: &tracking.attachment_blocked_types }
    }
}

impl Allowed<'_> {
    /// Why an attachment is withheld.
    fn objection(&self, file_name: &str, bytes: u64) -> Option<String> {
        if bytes > self.bytes_max {
            let max = self.bytes_max;
            return Some(format!(
                "it has {bytes} bytes, more than the {max} of tracking.attachments.sizeMax"
            ));
        }
        let (_, ending) = file_name.rsplit_once('.')?;
        let is_blocked = |blocked: &&String| blocked.trim_start_matches('.').eq_ignore_ascii_case(ending);
        let blocked = self.blocked_types.iter().find(is_blocked)?;
        Some(format!("its ending `{blocked}` is one of tracking.attachments.blockedTypes"))
    }
}

/// What a message says. Above [`limits::MESSAGE_PARSE_BYTES_MAX`] only its headers are looked at, and a note says so.
pub fn content(raw: &[u8], allowed: Allowed<'_>) -> MessageContent {
    let whole = catch_unwind(AssertUnwindSafe(|| read(raw, allowed)));
    whole.unwrap_or_else(|_| MessageContent {
        notes: vec!["the message could not be taken apart".to_owned()],
        ..MessageContent::default()
    })
}

/// What the beginning of a message says that has so many octets and is too large to be taken apart.
pub fn beginning(raw: &[u8], bytes: u64) -> MessageContent {
    let headers = catch_unwind(AssertUnwindSafe(|| headers(raw)));
    let (headers, cut) = headers.unwrap_or_default();
    let notes = cut.into_iter().chain([only_headers(bytes)]).collect();
    MessageContent { headers, body: None, attachments: Vec::new(), notes }
}

fn only_headers(bytes: u64) -> String {
    let max = limits::MESSAGE_PARSE_BYTES_MAX;
    format!("only the headers were read: the message has {bytes} bytes, more than {max}")
}

/// The attachments of a message, which is taken apart once for all of them.
pub struct Attachments<'r> {
    raw: &'r [u8],
    bodies: Vec<(Encoding, Range<usize>)>,
}

impl<'r> Attachments<'r> {
    pub fn of(raw: &'r [u8]) -> Self {
        let found = catch_unwind(AssertUnwindSafe(|| {
            let structure = split(raw);
            let bodies = structure.attachments().map(|part| (part.fields.encoding, part.body.clone()));
            bodies.collect()
        }));
        Self { raw, bodies: found.unwrap_or_default() }
    }

    /// The decoded octets of one. `None`: there is no attachment of this number.
    pub fn octets(&self, number: u32) -> Option<Vec<u8>> {
        let (encoding, body) = self.bodies.get(usize::try_from(number.checked_sub(1)?).ok()?)?;
        let octets = self.raw.get(body.clone())?;
        catch_unwind(AssertUnwindSafe(|| decode::decode(*encoding, octets))).ok()
    }
}

/// The decoded octets of one attachment. `None`: there is no attachment of this number.
pub fn octets(raw: &[u8], number: u32) -> Option<Vec<u8>> {
    Attachments::of(raw).octets(number)
}

/// Where in a message the one is that it forwards. `None`: it forwards none, or says something beside it.
pub fn forwarded(raw: &[u8]) -> Option<Range<usize>> {
    if raw.len() > limits::MESSAGE_PARSE_BYTES_MAX {
        return None;
    }
    let found = catch_unwind(AssertUnwindSafe(|| {
        let structure = split(raw);
        let mut attachments = structure.attachments();
        let (Some(only), None) = (attachments.next(), attachments.next()) else { return None };
        let octets = &raw[only.body.clone()];
        // RFC 2046 section 5.2.1: a message that is attached is never encoded. One that is all the same is left as it is.
        let is_plain = decode::length(only.fields.encoding, octets) == octets.len() as u64;
        let is_message = only.parent.is_some() && only.fields.media_type == "message/rfc822";
        let is_silent =
            structure.texts().all(|part| text(raw, part, &mut Vec::new()).chars().all(char::is_whitespace));
        (is_message && is_plain && is_silent && structure.notes.is_empty()).then(|| only.body.clone())
    }));
    found.ok().flatten()
}

fn read(raw: &[u8], allowed: Allowed<'_>) -> MessageContent {
    let (headers, cut) = headers(raw);
    let mut notes: Vec<String> = cut.into_iter().collect();
    if raw.len() > limits::MESSAGE_PARSE_BYTES_MAX {
        notes.push(only_headers(raw.len() as u64));
        return MessageContent { headers, body: None, attachments: Vec::new(), notes };
    }
    let mut structure = split(raw);
    notes.append(&mut structure.notes);
    let body = body(raw, &structure, &mut notes);
    let attachments =
        structure.attachments().zip(1..).map(|(part, number)| attachment(raw, part, number, allowed));
    MessageContent { headers, body, attachments: attachments.collect(), notes }
}

/// The header fields, decoded, and whether some were left out.
fn headers(raw: &[u8]) -> (Vec<Header>, Option<String>) {
    let (window, extent) = looked_at(raw);
    let mut is_left_out = extent == Extent::Chosen;
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut is_shown = true;
    for line in window.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        match line {
            _ if text.is_empty() && !line.starts_with(b" ") && !line.starts_with(b"\t") => break,
            [b' ' | b'\t', ..] => {
                if let Some(field) = fields.last_mut().filter(|_| is_shown) {
                    field.push(b' ');
                    field.extend_from_slice(text.trim_ascii_start());
                }
            }
            _ => {
                is_shown = fields.len() < limits::HEADER_FIELDS_MAX || is_looked_for(line);
                is_left_out |= !is_shown;
                if is_shown && fields.len() < 2 * limits::HEADER_FIELDS_MAX {
                    fields.push(text.to_vec());
                }
            }
        }
    }
    let note = format!(
        "only the first {} header fields are shown, and those that say what the message is",
        limits::HEADER_FIELDS_MAX
    );
    (fields.iter().filter_map(|field| header(field)).collect(), is_left_out.then_some(note))
}

/// `None`: a line that is no field.
fn header(field: &[u8]) -> Option<Header> {
    let text = decode::text(field, None).text;
    let (name, value) = text.split_once(':')?;
    let name = one_line(name);
    (!name.is_empty()).then(|| Header { name, value: one_line(&words::decoded(value)) })
}

/// The text of a message: of each alternative the plain one, or the other one if there is none; all others one after the other.
fn body(raw: &[u8], structure: &Structure, notes: &mut Vec<String>) -> Option<Body> {
    let is_plain = |part: &Part| part.fields.media_type == "text/plain";
    let plain: BTreeSet<usize> =
        structure.texts().filter(|part| is_plain(part)).filter_map(|part| part.alternative).collect();
    let mut whole: Option<Body> = None;
    for part in structure.texts() {
        if !is_plain(part) && part.alternative.is_some_and(|alternative| plain.contains(&alternative)) {
            continue;
        }
        let text = text(raw, part, notes);
        let body = whole.get_or_insert_with(|| Body {
            media_type: part.fields.media_type.clone(),
            charset: part.fields.charset.clone(),
            text: String::new(),
        });
        if !body.text.is_empty() && !body.text.ends_with('\n') {
            body.text.push('\n');
        }
        body.text.push_str(&text);
        if body.text.len() > limits::BODY_TEXT_BYTES_MAX {
            cut(&mut body.text);
            notes.push(format!("the text is cut after {} bytes", limits::BODY_TEXT_BYTES_MAX));
            break;
        }
    }
    whole
}

fn text(raw: &[u8], part: &Part, notes: &mut Vec<String>) -> String {
    let encoded = &raw[part.body.clone()];
    let encoded = &encoded[..encoded.len().min(TEXT_ENCODED_BYTES_MAX)];
    let octets = decode::decode(part.fields.encoding, encoded);
    let decoded = decode::text(&octets, part.fields.charset.as_deref());
    // A message of ten thousand texts gets one note about their charset.
    notes.extend(decoded.note.filter(|note| !notes.contains(note) && notes.len() < 10));
    if part.fields.media_type == "text/html" {
        let mut markup = decoded.text;
        if markup.len() > limits::BODY_TEXT_BYTES_MAX {
            cut(&mut markup);
        }
        return html_to_text(&markup).replace("\r\n", "\n");
    }
    flowed::unflowed(&decoded.text, part.fields.lines)
}

fn cut(text: &mut String) {
    let mut length = limits::BODY_TEXT_BYTES_MAX;
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    text.truncate(length);
}

fn attachment(raw: &[u8], part: &Part, number: u32, allowed: Allowed<'_>) -> AttachedPart {
    let octets = decode::decode(part.fields.encoding, &raw[part.body.clone()]);
    let media_type = part.fields.media_type.clone();
    let file_name = file_name::file_name(part.fields.name.as_deref(), &media_type, number);
    let bytes = octets.len() as u64;
    AttachedPart {
        number,
        name: part.fields.name.clone(),
        withheld: allowed.objection(&file_name, bytes),
        file_name,
        media_type,
        bytes,
        content: ContentHash::of(&octets),
    }
}
