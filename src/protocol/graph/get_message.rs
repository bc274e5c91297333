//! A message whose MIME the service cannot hand over: what it says of itself, one property after another.
//! <https://learn.microsoft.com/graph/api/message-get>

use jiff::Timestamp;
use serde::Deserialize;

use super::{Call, GraphError, Operation, document, path};
use crate::model::name::Address;
use crate::protocol::ews::item_properties::{ItemProperties, Person, Text, TextKind, WithBody};
use crate::protocol::http::Method;

/// All that a message can be put together from, beside what is attached to it.
#[derive(Debug)]
pub struct GetMessage<'a> {
    pub id: &'a str,
    pub body: WithBody,
}

/// `internetMessageHeaders` are answered only to whoever names them.
const SELECTED: &str = "$select=id,subject,sender,from,toRecipients,ccRecipients,replyTo,internetMessageId,\
                        internetMessageHeaders,sentDateTime,receivedDateTime";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    subject: Option<String>,
    sender: Option<Recipient>,
    from: Option<Recipient>,
    to_recipients: Option<Vec<Recipient>>,
    cc_recipients: Option<Vec<Recipient>>,
    reply_to: Option<Vec<Recipient>>,
    internet_message_id: Option<String>,
    internet_message_headers: Option<Vec<HeaderField>>,
    sent_date_time: Option<Timestamp>,
    received_date_time: Option<Timestamp>,
    body: Option<ItemBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: Option<EmailAddress>,
}

#[derive(Deserialize)]
struct EmailAddress {
    name: Option<String>,
    address: Option<String>,
}

#[derive(Deserialize)]
struct HeaderField {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemBody {
    content_type: Option<String>,
    content: Option<String>,
}

impl Operation for GetMessage<'_> {
    /// Without attachments, which are asked for apart.
    type Response = ItemProperties;

    fn call(&self, user: &Address) -> Call {
        let body = match self.body {
            WithBody::Yes => ",body",
            WithBody::No => "",
        };
        Call::new(Method::Get, format!("{}?{SELECTED}{body}", path(user, &["messages", self.id])))
    }

    fn read(&self, body: &[u8]) -> Result<ItemProperties, GraphError> {
        document::read::<Message>("a message", body).map(properties)
    }
}

fn properties(message: Message) -> ItemProperties {
    let fields = message.internet_message_headers.unwrap_or_default();
    ItemProperties {
        headers: fields.into_iter().filter_map(|field| Some((field.name?, field.value?))).collect(),
        subject: message.subject,
        sender: message.sender.and_then(person).into_iter().collect(),
        from: message.from.and_then(person).into_iter().collect(),
        to: people(message.to_recipients),
        cc: people(message.cc_recipients),
        reply_to: people(message.reply_to),
        message_id: message.internet_message_id,
        in_reply_to: None,
        references: None,
        sent: message.sent_date_time,
        received: message.received_date_time,
        body: message.body.and_then(text),
        attachments: Vec::new(),
    }
}

fn people(list: Option<Vec<Recipient>>) -> Vec<Person> {
    list.unwrap_or_default().into_iter().filter_map(person).collect()
}

fn person(recipient: Recipient) -> Option<Person> {
    let EmailAddress { name, address } = recipient.email_address?;
    Some(Person { name, address })
}

fn text(body: ItemBody) -> Option<Text> {
    let kind = match body.content_type {
        Some(kind) if kind.eq_ignore_ascii_case("html") => TextKind::Html,
        Some(_) | None => TextKind::Plain,
    };
    let text = body.content.filter(|text| !text.is_empty())?;
    Some(Text { kind, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<ItemProperties, GraphError> {
        GetMessage { id: "A", body: WithBody::Yes }.read(body.as_bytes())
    }

    #[test]
    fn what_a_message_says_of_itself_is_read_and_what_it_does_not_say_is_not_missed() {
        let all = read(
            "{\"id\":\"A\",\"subject\":\"s\",\"from\":{\"emailAddress\":{\"name\":\"C\",\"address\":\"c@x.example\"}},\
             \"toRecipients\":[{\"emailAddress\":{\"address\":\"a@x.example\"}},{}],\"sender\":null,\
             \"internetMessageHeaders\":[{\"name\":\"X-A\",\"value\":\"b\"},{\"name\":\"X-C\"}],\
             \"receivedDateTime\":\"2026-11-01T10:00:00Z\",\"body\":{\"contentType\":\"html\",\"content\":\"<p>\"}}",
        )
        .unwrap();
        assert_eq!((all.subject.as_deref(), all.from[0].name.as_deref()), (Some("s"), Some("C")));
        assert_eq!((all.to.len(), all.sender.len()), (1, 0));
        assert_eq!(all.headers, [("X-A".to_owned(), "b".to_owned())]);
        assert_eq!(all.body.unwrap().kind, TextKind::Html);
        assert_eq!(read("{}").unwrap(), ItemProperties::default());
        assert!(read("[]").is_err());
    }
}
