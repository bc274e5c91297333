//! What belongs to a mailbox and is no item: subscriptions and configurations.

use super::folders::{self, NOT_FOUND};
use super::items;
use super::node::{Node, element, escaped};
use super::soap::{Message, Turn};
use super::streaming::Subscription;

pub(super) fn subscribe(turn: &mut Turn<'_>) -> Vec<Message> {
    let Some(request) = turn.request.get("StreamingSubscriptionRequest") else {
        return vec![Message::error("ErrorInvalidSubscriptionRequest", "Only streaming is supported here.")];
    };
    let Some(place) = folders::named(turn, request.get("FolderIds")) else { return vec![NOT_FOUND] };
    turn.inner.numbers += 1;
    let id = items::encoded(&format!("N|{}", turn.inner.numbers));
    let seen = folders::mark(turn, &place);
    turn.inner.subscriptions.insert(id.clone(), Subscription { place, seen, stream: 0 });
    vec![Message::Success(element("m:SubscriptionId", &id))]
}

pub(super) fn unsubscribe(turn: &mut Turn<'_>) -> Vec<Message> {
    let id = turn.request.text_at(&["SubscriptionId"]).unwrap_or_default();
    match turn.inner.subscriptions.remove(id) {
        Some(_) => vec![Message::Success(String::new())],
        None => vec![Message::error("ErrorSubscriptionNotFound", "The subscription was not found.")],
    }
}

pub(super) fn put_configuration(turn: &mut Turn<'_>) -> Vec<Message> {
    let name = turn.request.path(&["UserConfiguration", "UserConfigurationName"]);
    let name = name.and_then(|node| node.attribute("Name")).unwrap_or_default().to_owned();
    let key = (turn.caller.account.0, name);
    let is_there = turn.inner.configurations.contains_key(&key);
    if (turn.request.name == "CreateUserConfiguration") == is_there {
        let (code, words) = match is_there {
            true => ("ErrorItemSave", "The configuration object already exists."),
            false => ("ErrorItemNotFound", "The configuration object was not found."),
        };
        return vec![Message::error(code, words)];
    }
    let entries = turn.request.path(&["UserConfiguration", "Dictionary"]);
    let entries = entries.map(|node| node.all("DictionaryEntry")).unwrap_or_default();
    let text = |entry: &Node, part: &str| entry.text_at(&[part, "Value"]).unwrap_or_default().to_owned();
    let one = |entry: &&Node| {
        let object = |name: &str, value: &str| {
            format!("<t:{name}><t:Type>String</t:Type>{}</t:{name}>", element("t:Value", value))
        };
        let key = object("DictionaryKey", &text(entry, "DictionaryKey"));
        let value = object("DictionaryValue", &text(entry, "DictionaryValue"));
        format!("<t:DictionaryEntry>{key}{value}</t:DictionaryEntry>")
    };
    let inside: String = entries.iter().map(one).collect();
    turn.inner.configurations.insert(key, inside);
    vec![Message::Success(String::new())]
}

pub(super) fn get_configuration(turn: &mut Turn<'_>) -> Vec<Message> {
    let name = turn.request.get("UserConfigurationName");
    let name = name.and_then(|node| node.attribute("Name")).unwrap_or_default();
    match turn.inner.configurations.get(&(turn.caller.account.0, name.to_owned())) {
        None => vec![Message::error("ErrorItemNotFound", "The configuration object was not found.")],
        Some(entries) => vec![Message::Success(format!(
            "<m:UserConfiguration><t:UserConfigurationName Name=\"{}\"><t:DistinguishedFolderId Id=\"inbox\"/>\
             </t:UserConfigurationName><t:Dictionary>{entries}</t:Dictionary></m:UserConfiguration>",
            escaped(name)
        ))],
    }
}
