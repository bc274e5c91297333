//! Files beside the octets of an item.

use super::items;
use super::node::{Node, element};
use super::soap::{Message, Turn};

fn file_id(item: &str, number: usize) -> String {
    items::encoded(&format!("A|{number}|{item}"))
}

pub(super) fn render_files(item: &str, files: &[(String, String, String)]) -> String {
    let one = |(number, (name, media_type, _)): (usize, &(String, String, String))| {
        format!(
            "<t:FileAttachment><t:AttachmentId Id=\"{}\"/>{}{}</t:FileAttachment>",
            file_id(item, number),
            element("t:Name", name),
            element("t:ContentType", media_type)
        )
    };
    let inside: String = files.iter().enumerate().map(one).collect();
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
        let number = properties.files.len() - 1;
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
    let found = attachment(turn, id.attribute("Id").unwrap_or_default());
    let Some((name, media_type, content)) = found else {
        let words = "The attachment could not be opened.";
        return Message::Error { code: "ErrorCannotOpenFileAttachment", words, rest: "<m:Attachments/>" };
    };
    Message::Success(format!(
        "<m:Attachments><t:FileAttachment><t:AttachmentId Id=\"{}\"/>{}{}{}</t:FileAttachment></m:Attachments>",
        id.attribute("Id").unwrap_or_default(),
        element("t:Name", &name),
        element("t:ContentType", &media_type),
        element("t:Content", &content)
    ))
}

fn attachment(turn: &Turn<'_>, id: &str) -> Option<(String, String, String)> {
    use base64::Engine;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(id).ok()?).ok()?;
    let (number, item) = text.strip_prefix("A|")?.split_once('|')?;
    let reference = Node { attributes: vec![("Id".to_owned(), item.to_owned())], ..Node::default() };
    let (_, held) = items::named(turn, &reference)?;
    turn.inner.properties.get(&held.uidl)?.files.get(number.parse::<usize>().ok()?).cloned()
}
