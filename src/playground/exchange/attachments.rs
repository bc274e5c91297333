//! What is attached to an item: the attachments of its message, and files beside its octets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{MimeHeaders, PartType};

use super::super::state::Held;
use super::items;
use super::node::{Node, element};
use super::soap::{Message, Turn};

/// One attachment with its content.
struct Attachment {
    name: Option<String>,
    media_type: String,
    content_id: Option<String>,
    is_inline: bool,
    content: Content,
}

enum Content {
    /// In base64.
    File(String),
    /// Another message, whose octets are in base64.
    Item(String),
}

fn file_id(item: &str, number: usize) -> String {
    items::encoded(&format!("A|{number}|{item}"))
}

/// Those of the message first: their numbers never change.
fn of(turn: &Turn<'_>, held: &Held) -> Vec<Attachment> {
    let parsed = mail_parser::MessageParser::new().parse(&held.raw[..]);
    let mut all: Vec<Attachment> =
        parsed.iter().flat_map(|message| message.attachments().map(parsed_one).collect::<Vec<_>>()).collect();
    let beside = turn.inner.properties.get(&held.uidl).map_or(&[][..], |properties| &properties.files);
    all.extend(beside.iter().map(|(name, media_type, content)| Attachment {
        name: Some(name.clone()),
        media_type: media_type.clone(),
        content_id: None,
        is_inline: false,
        content: Content::File(content.clone()),
    }));
    all
}

fn parsed_one(part: &mail_parser::MessagePart<'_>) -> Attachment {
    let media_type = part.content_type().map(|it| match it.subtype() {
        Some(of) => format!("{}/{of}", it.ctype()),
        None => it.ctype().to_owned(),
    });
    let octets = STANDARD.encode(part.contents());
    let is_item = matches!(part.body, PartType::Message(_));
    Attachment {
        name: part.attachment_name().map(str::to_owned),
        media_type: media_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        content_id: part.content_id().map(str::to_owned),
        is_inline: part.content_disposition().is_some_and(|it| it.is_inline()),
        content: if is_item { Content::Item(octets) } else { Content::File(octets) },
    }
}

impl Attachment {
    /// `inside`: what follows the properties.
    fn render(&self, id: &str, inside: &str) -> String {
        let kind = match self.content {
            Content::File(_) => "FileAttachment",
            Content::Item(_) => "ItemAttachment",
        };
        let text = |name: &str, text: Option<&String>| text.map_or(String::new(), |text| element(name, text));
        format!(
            "<t:{kind}><t:AttachmentId Id=\"{id}\"/>{}{}{}<t:IsInline>{}</t:IsInline>{inside}</t:{kind}>",
            text("t:Name", self.name.as_ref()),
            text("t:ContentType", Some(&self.media_type)),
            text("t:ContentId", self.content_id.as_ref()),
            self.is_inline
        )
    }
}

/// Their properties. Nothing, where there are none.
pub(super) fn render_all(turn: &Turn<'_>, item: &str, held: &Held) -> String {
    let all = of(turn, held);
    if all.is_empty() {
        return String::new();
    }
    let one = |(number, attachment): (usize, &Attachment)| attachment.render(&file_id(item, number), "");
    let inside: String = all.iter().enumerate().map(one).collect();
    format!("<t:Attachments>{inside}</t:Attachments>")
}

pub(super) fn create_attachment(turn: &mut Turn<'_>) -> Vec<Message> {
    let gone = || Message::Error {
        code: "ErrorItemNotFound",
        words: "The specified object was not found in the store.",
        rest: "<m:Attachments/>",
    };
    let request = turn.request;
    let parent = request.get("ParentItemId").and_then(|id| items::named(turn, id));
    let Some((place, held)) = parent else { return vec![gone()] };
    let id = items::item_id(&place, &held.uidl);
    let wanted = request.get("Attachments").map_or(&[][..], |all| &all.children);
    let mut messages = Vec::new();
    for file in wanted {
        let text = |name: &str| file.text_at(&[name]).unwrap_or_default().to_owned();
        let properties = turn.inner.properties.entry(held.uidl.clone()).or_default();
        properties.version += 1;
        properties.files.push((text("Name"), text("ContentType"), text("Content")));
        let number = of(turn, &held).len() - 1;
        let key = items::encoded(&format!("C|{}", items::version(turn.inner, &held)));
        messages.push(Message::Success(format!(
            "<m:Attachments><t:FileAttachment><t:AttachmentId Id=\"{}\" RootItemId=\"{id}\" RootItemChangeKey=\"{key}\"/>\
             </t:FileAttachment></m:Attachments>",
            file_id(&id, number)
        )));
    }
    messages
}

pub(super) fn get_attachment(turn: &mut Turn<'_>) -> Vec<Message> {
    let ids = turn.request.get("AttachmentIds").map_or(&[][..], |ids| &ids.children);
    ids.iter().map(|id| get_one_attachment(turn, id)).collect()
}

fn get_one_attachment(turn: &Turn<'_>, id: &Node) -> Message {
    let id = id.attribute("Id").unwrap_or_default();
    let Some(attachment) = attachment(turn, id) else {
        let words = "The attachment could not be opened.";
        return Message::Error { code: "ErrorCannotOpenFileAttachment", words, rest: "<m:Attachments/>" };
    };
    let wants_mime = turn.request.path(&["AttachmentShape", "IncludeMimeContent"]);
    let wants_mime = wants_mime.is_some_and(|node| matches!(node.text.trim(), "true" | "1"));
    let inside = match &attachment.content {
        Content::File(content) => element("t:Content", content),
        Content::Item(octets) if wants_mime => {
            let octets = format!("<t:MimeContent CharacterSet=\"UTF-8\">{octets}</t:MimeContent>");
            format!("<t:Message>{octets}</t:Message>")
        }
        Content::Item(_) => "<t:Message/>".to_owned(),
    };
    Message::Success(format!("<m:Attachments>{}</m:Attachments>", attachment.render(id, &inside)))
}

fn attachment(turn: &Turn<'_>, id: &str) -> Option<Attachment> {
    let text = String::from_utf8(STANDARD.decode(id).ok()?).ok()?;
    let (number, item) = text.strip_prefix("A|")?.split_once('|')?;
    let reference = Node { attributes: vec![("Id".to_owned(), item.to_owned())], ..Node::default() };
    let (_, held) = items::named(turn, &reference)?;
    let damage = turn.inner.properties.get(&held.uidl).and_then(|properties| properties.damage);
    if damage.is_some_and(|damage| !damage.opens_attachments()) {
        return None;
    }
    let number: usize = number.parse().ok()?;
    of(turn, &held).into_iter().nth(number)
}
