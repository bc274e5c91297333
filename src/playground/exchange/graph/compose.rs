//! A message out of its properties, and its properties out of the octets.

use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_parser::{Address, MessageParser};
use serde_json::{Value, json};

use super::super::items;

/// The octets of a message that a client describes. `None`: it cannot be understood.
pub(super) fn octets(message: &Value, from: &str, now: Timestamp) -> Option<Vec<u8>> {
    let addresses = |name: &str| -> Vec<(String, String)> {
        let one = |recipient: &Value| {
            let address = &recipient["emailAddress"];
            let name = address["name"].as_str().unwrap_or_default();
            Some((name.to_owned(), address["address"].as_str()?.to_owned()))
        };
        message[name].as_array().map(|all| all.iter().filter_map(one).collect()).unwrap_or_default()
    };
    message.as_object()?;
    let mut builder = MessageBuilder::new()
        .from(from.to_owned())
        .subject(message["subject"].as_str().unwrap_or_default().to_owned())
        .date(now.as_second());
    if let Some(id) = message["internetMessageId"].as_str() {
        builder = builder.message_id(id.trim_matches(['<', '>']).to_owned());
    }
    let (to, cc, bcc) = (addresses("toRecipients"), addresses("ccRecipients"), addresses("bccRecipients"));
    builder = if to.is_empty() { builder } else { builder.to(to) };
    builder = if cc.is_empty() { builder } else { builder.cc(cc) };
    builder = if bcc.is_empty() { builder } else { builder.bcc(bcc) };
    let text = message["body"]["content"].as_str().unwrap_or_default().to_owned();
    let is_html =
        message["body"]["contentType"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    builder = if is_html { builder.html_body(text) } else { builder.text_body(text) };
    builder.write_to_vec().ok()
}

/// What the octets say, under the names of Graph.
pub(super) fn described(raw: &[u8]) -> Value {
    let Some(message) = MessageParser::new().parse(raw) else { return json!({}) };
    let text = message.body_text(0).unwrap_or_default().into_owned();
    let preview: String = text.chars().take(255).collect();
    let (kind, content) = items::page(&message).map_or(("text", text), |page| ("html", page));
    let mut said = json!({
        "subject": message.subject().unwrap_or_default(),
        "bodyPreview": preview,
        "body": { "contentType": kind, "content": content },
        "toRecipients": recipients(message.to()),
        "ccRecipients": recipients(message.cc()),
        "bccRecipients": recipients(message.bcc()),
        "replyTo": recipients(message.reply_to()),
        "internetMessageHeaders": fields(&message),
        "hasAttachments": message.attachment_count() > 0,
    });
    if let Some(id) = message.message_id() {
        said["internetMessageId"] = format!("<{id}>").into();
    }
    if let Some(from) = recipients(message.from()).as_array().and_then(|all| all.first()) {
        said["from"] = from.clone();
        said["sender"] = from.clone();
    }
    said
}

/// As they came.
fn fields(message: &mail_parser::Message<'_>) -> Vec<Value> {
    let one = |(name, value): (&str, &str)| json!({ "name": name, "value": value.trim() });
    message.headers_raw().map(one).collect()
}

fn recipients(list: Option<&Address<'_>>) -> Value {
    let one = |address: &mail_parser::Addr<'_>| {
        let mail = address.address()?.to_owned();
        let name = address.name().unwrap_or(&mail).to_owned();
        Some(json!({ "emailAddress": { "name": name, "address": mail } }))
    };
    list.map(|list| list.iter().filter_map(one).collect::<Vec<_>>()).unwrap_or_default().into()
}
