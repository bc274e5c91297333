//! Files of messages: listed out of the octets, and put into them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::{Value, json};

use super::super::super::state::Held;
use super::super::damage::Damage;
use super::super::folders::{Place, own_mut};
use super::super::soap::Turn;
use super::route::Errand;
use super::{Answer, Payload};

/// What the service takes in one request.
const SMALL_BYTES_MAX: usize = 3 * 1024 * 1024;

const FILE: &str = "#microsoft.graph.fileAttachment";
const ITEM: &str = "#microsoft.graph.itemAttachment";

/// A file that a client describes.
#[derive(Clone)]
pub(super) struct File {
    pub name: String,
    pub media_type: String,
    pub content_id: Option<String>,
    pub is_inline: bool,
}

impl File {
    /// `None`: it has no name.
    pub fn described(by: &Value) -> Option<Self> {
        let text = |key: &str| by[key].as_str().map(str::to_owned);
        Some(Self {
            name: text("name")?,
            media_type: text("contentType").unwrap_or_else(|| "application/octet-stream".to_owned()),
            content_id: text("contentId"),
            is_inline: by["isInline"].as_bool() == Some(true),
        })
    }
}

pub(super) fn list(errand: &Errand<'_, '_>, held: &Held) -> Answer {
    let value = described(held);
    let context = format!("{}/$metadata#users/messages/attachments", errand.root());
    let wanted = errand.target.selected();
    let is_of_files = |key: &&str| matches!(*key, "contentId" | "contentBytes" | "contentLocation");
    if let Some(key) = wanted.iter().flatten().find(|key| is_of_files(key)) {
        let words = format!("Could not find a property named '{key}' on type 'microsoft.graph.attachment'.");
        return Answer::error(400, "BadRequest", &words);
    }
    let select = |mut one: Value| {
        if let (Some(wanted), Some(one)) = (&wanted, one.as_object_mut()) {
            let is_file = one["@odata.type"] == FILE;
            let is_wanted = |key: &str| {
                let cast = format!("microsoft.graph.fileAttachment/{key}");
                wanted.contains(&key) || is_file && wanted.contains(&cast.as_str())
            };
            one.retain(|key, _| key.starts_with('@') || key == "id" || is_wanted(key));
        }
        one
    };
    Answer::json(
        200,
        json!({ "@odata.context": context, "value": value.into_iter().map(select).collect::<Vec<_>>() }),
    )
}

/// The octets of a file, or of another message.
pub(super) fn value(errand: &Errand<'_, '_>, held: &Held, name: &str) -> Answer {
    if damage(errand, held).is_some_and(|damage| !damage.opens_attachments()) {
        return Answer::error(500, "ErrorCannotOpenFileAttachment", "The attachment could not be opened.");
    }
    let message = MessageParser::new().parse(&held.raw[..]);
    let parts = message.iter().flat_map(|message| message.attachments()).enumerate();
    let found = parts.into_iter().find(|(number, _)| id(held, *number) == name);
    match found {
        Some((_, part)) => {
            let octets = part.message().map_or_else(|| part.contents(), |inner| inner.raw_message());
            Answer { status: 200, fields: Vec::new(), body: Payload::Octets(octets.to_vec().into()) }
        }
        None => Answer::not_found(),
    }
}

/// What of a message cannot be read.
pub(super) fn damage(errand: &Errand<'_, '_>, held: &Held) -> Option<Damage> {
    errand.turn.inner.properties.get(&held.uidl).and_then(|properties| properties.damage)
}

fn described(held: &Held) -> Vec<Value> {
    let Some(message) = MessageParser::new().parse(&held.raw[..]) else { return Vec::new() };
    let one = |(number, part): (usize, &mail_parser::MessagePart<'_>)| {
        let kind = part.content_type();
        let media_type = kind.map(|it| format!("{}/{}", it.ctype(), it.subtype().unwrap_or("octet-stream")));
        json!({
            "@odata.type": if part.is_message() { ITEM } else { FILE },
            "id": id(held, number),
            "name": part.attachment_name().unwrap_or("attachment"),
            "contentType": media_type,
            "size": part.contents().len(),
            "isInline": part.content_disposition().is_some_and(|it| it.is_inline()),
            "contentId": part.content_id(),
        })
    };
    message.attachments().enumerate().map(one).collect()
}

fn id(held: &Held, number: usize) -> String {
    URL_SAFE.encode(format!("X|{}|{number}", held.uidl))
}

/// A file that came in one request.
pub(super) fn create(errand: &mut Errand<'_, '_>, (place, held): (&Place, &Held)) -> Answer {
    let body = errand.request.json().unwrap_or_default();
    let content = body["contentBytes"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let (Some(file), Some(content)) = (File::described(&body), content) else {
        return Answer::error(400, "ErrorInvalidRequest", "A file needs a name and its content.");
    };
    if content.len() > SMALL_BYTES_MAX {
        return Answer::error(413, "ErrorAttachmentSizeLimitExceeded", "The attachment is too large.");
    }
    match add(errand.turn, place, held, &file, &content) {
        Some(held) => Answer::json(201, described(&held).pop().unwrap_or_default()),
        None => Answer::error(400, "ErrorInvalidOperation", "Only a draft can be changed."),
    }
}

/// `None`: it is no draft.
pub(super) fn add(
    turn: &mut Turn<'_>,
    place: &Place,
    held: &Held,
    file: &File,
    content: &[u8],
) -> Option<Held> {
    turn.inner.properties.entry(held.uidl.clone()).or_default().version += 1;
    let drafts = own_mut(turn.inner, place).filter(|folder| folder.key == "drafts")?;
    let found = drafts.held.iter_mut().find(|other| other.uidl == held.uidl)?;
    found.raw = with_file(&found.raw, file, content).into();
    Some(found.clone())
}

/// The message as the first part of a mixed one, or with one more part where it is one already.
fn with_file(raw: &[u8], file: &File, content: &[u8]) -> Vec<u8> {
    let part = part(file, content);
    let known = MessageParser::new().parse_headers(raw).and_then(|message| {
        let kind = message.content_type()?;
        let is_mixed = kind.ctype().eq_ignore_ascii_case("multipart") && kind.subtype() == Some("mixed");
        kind.attribute("boundary").filter(|_| is_mixed).map(str::to_owned)
    });
    if let Some(boundary) = known {
        let close = format!("--{boundary}--");
        let at = raw.windows(close.len()).rposition(|window| window == close.as_bytes());
        let (before, after) = raw.split_at(at.unwrap_or(raw.len()));
        return [before, format!("--{boundary}\r\n").as_bytes(), &part, after].concat();
    }
    let boundary = format!("=_files_{}", raw.len());
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").map_or(raw.len(), |at| at + 2);
    let (head, body) = raw.split_at(end);
    let (mut outer, mut inner) = (Vec::new(), Vec::new());
    let mut is_about_body = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            is_about_body = line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
        }
        if is_about_body { inner.extend_from_slice(line) } else { outer.extend_from_slice(line) }
    }
    let kind = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n");
    let (next, close) = (format!("\r\n--{boundary}\r\n"), format!("--{boundary}--\r\n"));
    [&outer, kind.as_bytes(), &inner, body, next.as_bytes(), &part, close.as_bytes()].concat()
}

fn part(file: &File, content: &[u8]) -> Vec<u8> {
    let kind = if file.is_inline { "inline" } else { "attachment" };
    let mut head = format!("Content-Type: {}\r\nContent-Disposition: {kind};", file.media_type);
    head.push_str(&format!(" filename*=UTF-8''{}\r\n", encoded(&file.name)));
    if let Some(id) = &file.content_id {
        head.push_str(&format!("Content-ID: <{id}>\r\n"));
    }
    head.push_str("Content-Transfer-Encoding: base64\r\n\r\n");
    let text = STANDARD.encode(content);
    for line in text.as_bytes().chunks(76) {
        head.push_str(&String::from_utf8_lossy(line));
        head.push_str("\r\n");
    }
    head.into_bytes()
}

fn encoded(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(one).collect()
}
