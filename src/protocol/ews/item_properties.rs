//! GetItem for an item whose octets the server cannot hand over: what it says of itself, one property after another.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getitem-operation>

use jiff::Timestamp;

use super::element::Element;
use super::item::{self, ItemId, WithMime};
use super::{EwsError, Operation, Xml, missing, only_message};
use crate::model::limits;

/// All that a message can be put together from, beside the content of its attachments.
#[derive(Debug, Clone)]
pub struct GetItemProperties {
    pub id: ItemId,
    pub body: WithBody,
}

/// Whether the text is asked for, too: it may be what the server cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithBody {
    Yes,
    No,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemProperties {
    /// The header fields with which it came: name and value.
    pub headers: Vec<(String, String)>,
    pub subject: Option<String>,
    pub sender: Vec<Person>,
    pub from: Vec<Person>,
    pub to: Vec<Person>,
    pub cc: Vec<Person>,
    pub reply_to: Vec<Person>,
    /// With its angle brackets, as the next two.
    pub message_id: Option<String>,
    pub in_reply_to: Option<String>,
    pub references: Option<String>,
    pub sent: Option<Timestamp>,
    pub received: Option<Timestamp>,
    pub body: Option<Text>,
    pub attachments: Vec<Attached>,
}

/// Somebody as Exchange names him: the address of one of its own mailboxes may be none of the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: Option<String>,
    pub address: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub kind: TextKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    Plain,
    Html,
}

/// What is attached, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    pub id: String,
    pub kind: AttachedKind,
    pub name: Option<String>,
    pub media_type: Option<String>,
    /// By which an HTML text shows it.
    pub content_id: Option<String>,
    /// Whether the server says that it stands in the text.
    pub is_inline: bool,
}

impl ItemProperties {
    /// Whether it is a picture that the text shows, by the server's word or by the text itself. A text that nobody has shows nothing.
    pub fn shows(&self, attached: &Attached) -> bool {
        let (Some(Text { kind: TextKind::Html, text }), Some(id)) = (&self.body, &attached.content_id) else {
            return false;
        };
        let id = id.trim_matches(['<', '>']);
        !id.is_empty() && (attached.is_inline || text.contains(&format!("cid:{id}")))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachedKind {
    File,
    /// Another message, an appointment …
    Item,
}

const FIELDS: [&str; 13] = [
    "item:Subject",
    "item:Attachments",
    "item:DateTimeReceived",
    "item:InReplyTo",
    "item:InternetMessageHeaders",
    "item:DateTimeSent",
    "message:Sender",
    "message:ToRecipients",
    "message:CcRecipients",
    "message:From",
    "message:InternetMessageId",
    "message:References",
    "message:ReplyTo",
];

impl Operation for GetItemProperties {
    type Response = ItemProperties;
    const NAME: &'static str = "GetItem";

    fn write(&self, xml: &mut Xml) {
        let mut fields = FIELDS.to_vec();
        match self.body {
            WithBody::Yes => fields.push("item:Body"),
            WithBody::No => {}
        }
        item::write_shape(xml, WithMime::No, &fields);
        item::write_ids(xml, std::slice::from_ref(&self.id));
    }

    fn read(&self, answer: &Element) -> Result<ItemProperties, EwsError> {
        let items = only_message(answer)?.child("Items");
        let item = items.and_then(|items| items.children.first()).ok_or_else(|| missing("an item"))?;
        Ok(properties(item))
    }
}

fn properties(item: &Element) -> ItemProperties {
    let text = |name: &str| item.text_of(name).map(str::to_owned);
    let moment = |name: &str| item.text_of(name).and_then(|moment| moment.parse().ok());
    let fields = item.child("InternetMessageHeaders").map_or(&[][..], |fields| &fields.children);
    let field =
        |field: &Element| Some((field.attribute("HeaderName")?.to_owned(), field.text.trim().to_owned()));
    let attachments = item.child("Attachments").map_or(&[][..], |attachments| &attachments.children);
    ItemProperties {
        headers: fields.iter().filter_map(field).collect(),
        subject: text("Subject"),
        sender: people(item, "Sender"),
        from: people(item, "From"),
        to: people(item, "ToRecipients"),
        cc: people(item, "CcRecipients"),
        reply_to: people(item, "ReplyTo"),
        message_id: text("InternetMessageId"),
        in_reply_to: text("InReplyTo"),
        references: text("References"),
        sent: moment("DateTimeSent"),
        received: moment("DateTimeReceived"),
        body: item.child("Body").filter(|body| !body.text.is_empty()).map(body),
        attachments: attachments.iter().filter_map(attached).take(limits::EWS_ATTACHMENTS_MAX).collect(),
    }
}

fn people(item: &Element, list: &str) -> Vec<Person> {
    let all = item.child(list).map_or(&[][..], |list| &list.children);
    let person = |mailbox: &Element| Person {
        name: mailbox.text_of("Name").map(str::to_owned),
        address: mailbox.text_of("EmailAddress").map(str::to_owned),
    };
    all.iter().map(person).collect()
}

fn body(body: &Element) -> Text {
    let kind = match body.attribute("BodyType") {
        Some("HTML") => TextKind::Html,
        Some(_) | None => TextKind::Plain,
    };
    Text { kind, text: body.text.clone() }
}

/// `None`: it has no id, or is only a link to somewhere else.
fn attached(element: &Element) -> Option<Attached> {
    let kind = match element.name.as_str() {
        "FileAttachment" => AttachedKind::File,
        "ItemAttachment" => AttachedKind::Item,
        _ => return None,
    };
    let id = element.child("AttachmentId")?.attribute("Id").filter(|id| !id.is_empty())?;
    let text = |name: &str| element.text_of(name).map(str::to_owned);
    Some(Attached {
        id: id.to_owned(),
        kind,
        name: text("Name"),
        media_type: text("ContentType"),
        content_id: text("ContentId"),
        is_inline: matches!(element.text_of("IsInline"), Some("true" | "1")),
    })
}
