//! Items: how they are named and rendered, found and read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::state::{AccountId, Held};
use super::Inner;
use super::folders::{self, NOT_FOUND, Place};
use super::node::{Node, element, escaped};
use super::shape::Shape;
use super::soap::{Message, Turn};

pub(super) const GONE: Message = Message::Error {
    code: "ErrorItemNotFound",
    words: "The specified object was not found in the store.",
    rest: "<m:Items/>",
};

pub(super) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// An item's id holds its folder: it gets another one when it is moved.
pub(super) fn item_id(place: &Place, uidl: &str) -> String {
    encoded(&format!("I|{}|{}|{uidl}", place.account.0, place.key))
}

pub(super) fn parse_id(id: &str) -> Option<(Place, String)> {
    let text = String::from_utf8(STANDARD.decode(id).ok()?).ok()?;
    let mut parts = text.strip_prefix("I|")?.splitn(3, '|');
    let account = AccountId(parts.next()?.parse().ok()?);
    let key = parts.next()?.to_owned();
    Some((Place { account, key }, parts.next()?.to_owned()))
}

/// Changes with every change of the item.
pub(super) fn version(inner: &Inner, held: &Held) -> u32 {
    let version = inner.properties.get(&held.uidl).map_or(0, |properties| properties.version);
    version * 2 + u32::from(held.flags.contains("\\Seen"))
}

pub(super) fn change_key(inner: &Inner, held: &Held) -> String {
    encoded(&format!("C|{}", version(inner, held)))
}

/// The item that an id names, if the caller may see it.
pub(super) fn named(turn: &Turn<'_>, id: &Node) -> Option<(Place, Held)> {
    let (place, uidl) = parse_id(id.attribute("Id")?)?;
    if !turn.caller.may_open(turn.world, place.account) {
        return None;
    }
    let held = folders::held(turn, &place).into_iter().find(|held| held.uidl == uidl)?;
    Some((place, held))
}

/// One item in the order of the schema, with what the shape wants of it.
pub(super) fn render(turn: &Turn<'_>, place: &Place, held: &Held, shape: &Shape) -> String {
    let parsed = mail_parser::MessageParser::new().parse(&held.raw[..]);
    let properties = turn.inner.properties.get(&held.uidl).cloned().unwrap_or_default();
    let mut xml = String::new();
    if shape.mime {
        let octets = STANDARD.encode(&held.raw);
        xml.push_str(&format!("<t:MimeContent CharacterSet=\"UTF-8\">{octets}</t:MimeContent>"));
    }
    let (id, key) = (item_id(place, &held.uidl), change_key(turn.inner, held));
    xml.push_str(&format!("<t:ItemId Id=\"{id}\" ChangeKey=\"{key}\"/>"));
    if shape.wants("item:ParentFolderId") {
        xml.push_str(&format!("<t:ParentFolderId Id=\"{}\"/>", folders::folder_id(place)));
    }
    let mut say = |field: &str, name: &str, text: Option<String>| {
        if let (true, Some(text)) = (shape.wants(field), text) {
            xml.push_str(&element(name, &text));
        }
    };
    let message = parsed.as_ref();
    say("item:ItemClass", "t:ItemClass", Some("IPM.Note".to_owned()));
    say("item:Subject", "t:Subject", message.and_then(|it| it.subject()).map(str::to_owned));
    if shape.wants("item:Body") {
        let (kind, text) = match message.and_then(page) {
            Some(page) => ("HTML", page),
            None => ("Text", message.and_then(|it| it.body_text(0)).unwrap_or_default().into_owned()),
        };
        xml.push_str(&format!("<t:Body BodyType=\"{kind}\">{}</t:Body>", escaped(&text)));
    }
    if shape.wants("item:Attachments") {
        xml.push_str(&super::attachments::render_all(turn, &id, held));
    }
    let mut say = |field: &str, name: &str, text: Option<String>| {
        if let (true, Some(text)) = (shape.wants(field), text) {
            xml.push_str(&element(name, &text));
        }
    };
    say("item:DateTimeReceived", "t:DateTimeReceived", Some(held.received.to_string()));
    say("item:Size", "t:Size", Some(held.raw.len().to_string()));
    if shape.wants("item:Categories") && !properties.categories.is_empty() {
        let all: String = properties.categories.iter().map(|it| element("t:String", it)).collect();
        xml.push_str(&format!("<t:Categories>{all}</t:Categories>"));
    }
    render_header(&mut xml, message, shape);
    for (name, value) in properties.named.iter().filter(|(name, _)| shape.named.contains(*name)) {
        xml.push_str(&format!(
            "<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId=\"PublicStrings\" PropertyName=\"{}\" \
             PropertyType=\"String\"/><t:Value>{}</t:Value></t:ExtendedProperty>",
            escaped(name),
            escaped(value)
        ));
    }
    render_mail(&mut xml, message, held, shape);
    format!("<t:Message>{xml}</t:Message>")
}

/// What the message said of itself when it came, in the order of the schema.
fn render_header(xml: &mut String, message: Option<&mail_parser::Message<'_>>, shape: &Shape) {
    let raw = |name: &str| message.and_then(|it| it.header_raw(name)).map(|value| value.trim().to_owned());
    if let (true, Some(id)) = (shape.wants("item:InReplyTo"), raw("In-Reply-To")) {
        xml.push_str(&element("t:InReplyTo", &id));
    }
    if shape.wants("item:InternetMessageHeaders") {
        let one = |(name, value): (&str, &str)| {
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            let name = escaped(name);
            format!(
                "<t:InternetMessageHeader HeaderName=\"{name}\">{}</t:InternetMessageHeader>",
                escaped(&value)
            )
        };
        let all: String = message.into_iter().flat_map(|it| it.headers_raw()).map(one).collect();
        if !all.is_empty() {
            xml.push_str(&format!("<t:InternetMessageHeaders>{all}</t:InternetMessageHeaders>"));
        }
    }
    let sent = message.and_then(|it| it.date()).filter(|_| shape.wants("item:DateTimeSent"));
    if let Some(sent) = sent.and_then(|date| jiff::Timestamp::from_second(date.to_timestamp()).ok()) {
        xml.push_str(&element("t:DateTimeSent", &sent.to_string()));
    }
}

/// What a message has beside what every item has.
fn render_mail(xml: &mut String, message: Option<&mail_parser::Message<'_>>, held: &Held, shape: &Shape) {
    let mailboxes = |list: Option<&mail_parser::Address<'_>>| -> String {
        let all = list.into_iter().flat_map(|list| list.iter());
        all.filter_map(|one| one.address())
            .map(|address| format!("<t:Mailbox>{}</t:Mailbox>", element("t:EmailAddress", address)))
            .collect()
    };
    let lists = [
        ("message:Sender", "Sender", message.and_then(|it| it.sender())),
        ("message:ToRecipients", "ToRecipients", message.and_then(|it| it.to())),
        ("message:CcRecipients", "CcRecipients", message.and_then(|it| it.cc())),
        ("message:From", "From", message.and_then(|it| it.from())),
    ];
    for (field, name, list) in lists {
        let inside = mailboxes(list);
        if shape.wants(field) && !inside.is_empty() {
            xml.push_str(&format!("<t:{name}>{inside}</t:{name}>"));
        }
    }
    if let (true, Some(id)) =
        (shape.wants("message:InternetMessageId"), message.and_then(|it| it.message_id()))
    {
        xml.push_str(&element("t:InternetMessageId", &format!("<{id}>")));
    }
    if shape.wants("message:IsRead") {
        xml.push_str(&element("t:IsRead", &held.flags.contains("\\Seen").to_string()));
    }
    let references = message.and_then(|it| it.header_raw("References"));
    if let (true, Some(references)) = (shape.wants("message:References"), references) {
        xml.push_str(&element("t:References", references.trim()));
    }
    let inside = mailboxes(message.and_then(|it| it.reply_to()));
    if shape.wants("message:ReplyTo") && !inside.is_empty() {
        xml.push_str(&format!("<t:ReplyTo>{inside}</t:ReplyTo>"));
    }
}

pub(super) fn get(turn: &mut Turn<'_>) -> Vec<Message> {
    let shape = Shape::of(turn.request.get("ItemShape"));
    let ids = turn.request.get("ItemIds").map_or(&[][..], |ids| &ids.children);
    let damage = |held: &Held| turn.inner.properties.get(&held.uidl)?.damage?.refuses(&shape);
    let one = |id: &Node| match named(turn, id) {
        Some((place, held)) => {
            if let Some(refusal) = damage(&held) {
                return refusal;
            }
            Message::Success(format!("<m:Items>{}</m:Items>", render(turn, &place, &held, &shape)))
        }
        None => GONE,
    };
    ids.iter().map(one).collect()
}

pub(super) fn find(turn: &mut Turn<'_>) -> Vec<Message> {
    let Some(place) = folders::named(turn, turn.request.get("ParentFolderIds")) else {
        return vec![NOT_FOUND];
    };
    let shape = Shape::of(turn.request.get("ItemShape"));
    let mut found: Vec<Held> = folders::held(turn, &place).into_iter().rev().collect();
    if let Some(restriction) = turn.request.get("Restriction") {
        if !is_understood(restriction) {
            let words = "This restriction is not understood here.";
            return vec![Message::error("ErrorUnsupportedPathForQuery", words)];
        }
        found.retain(|held| fits(turn, held, restriction));
    }
    let view = turn.request.get("IndexedPageItemView");
    let number = |name: &str| view.and_then(|view| view.attribute(name)?.parse::<usize>().ok());
    let (total, offset) = (found.len(), number("Offset").unwrap_or(0));
    let page: Vec<Held> =
        found.into_iter().skip(offset).take(number("MaxEntriesReturned").unwrap_or(1000).min(1000)).collect();
    let next = offset + page.len();
    let inside: String = page.iter().map(|held| render(turn, &place, held, &shape)).collect();
    vec![Message::Success(format!(
        "<m:RootFolder IndexedPagingOffset=\"{next}\" TotalItemsInView=\"{total}\" IncludesLastItemInRange=\"{}\">\
         <t:Items>{inside}</t:Items></m:RootFolder>",
        next >= total
    ))]
}

/// The beginning of a subject that is searched for, and whether case matters.
fn beginning(restriction: &Node) -> Option<(&str, bool)> {
    let contains = restriction.get("Contains")?;
    let is_it = contains.attribute("ContainmentMode") == Some("Prefixed")
        && contains.get("FieldURI")?.attribute("FieldURI") == Some("item:Subject");
    let is_exact = !contains.attribute("ContainmentComparison").is_some_and(|how| how.contains("IgnoreCase"));
    let wanted = contains.get("Constant")?.attribute("Value")?;
    is_it.then_some((wanted, is_exact))
}

/// Equality of one property and the beginning of a subject are all that is understood. Whoever wants more is not told that there is
/// nothing.
fn is_understood(restriction: &Node) -> bool {
    const KNOWN: [&str; 2] = ["message:InternetMessageId", "item:Subject"];
    if beginning(restriction).is_some() {
        return true;
    }
    let Some(equal) = restriction.get("IsEqualTo") else { return false };
    let field = equal.get("FieldURI").and_then(|field| field.attribute("FieldURI"));
    equal.get("ExtendedFieldURI").is_some() || field.is_some_and(|field| KNOWN.contains(&field))
}

fn fits(turn: &Turn<'_>, held: &Held, restriction: &Node) -> bool {
    if let Some((wanted, is_exact)) = beginning(restriction) {
        let parsed = mail_parser::MessageParser::new().parse_headers(&held.raw[..]);
        return parsed.as_ref().and_then(|it| it.subject()).is_some_and(|subject| match is_exact {
            true => subject.starts_with(wanted),
            false => subject.to_lowercase().starts_with(&wanted.to_lowercase()),
        });
    }
    let Some(equal) = restriction.get("IsEqualTo") else { return false };
    let wanted = equal.path(&["FieldURIOrConstant", "Constant"]).and_then(|it| it.attribute("Value"));
    let Some(wanted) = wanted else { return false };
    if let Some(name) = equal.get("ExtendedFieldURI").and_then(|field| field.attribute("PropertyName")) {
        let properties = turn.inner.properties.get(&held.uidl);
        return properties.and_then(|it| it.named.get(name)).is_some_and(|value| value == wanted);
    }
    let Some(parsed) = mail_parser::MessageParser::new().parse(&held.raw[..]) else { return false };
    match equal.get("FieldURI").and_then(|field| field.attribute("FieldURI")) {
        Some("message:InternetMessageId") => {
            parsed.message_id().is_some_and(|id| wanted.trim_matches(['<', '>']) == id)
        }
        Some("item:Subject") => parsed.subject() == Some(wanted),
        Some(_) | None => false,
    }
}

/// The text of a message that was written as a page, such as one that shows pictures.
pub(super) fn page(message: &mail_parser::Message<'_>) -> Option<String> {
    let part = message.html_part(0).filter(|part| part.is_text_html())?;
    part.text_contents().map(str::to_owned)
}
