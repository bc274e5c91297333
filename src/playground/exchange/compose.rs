//! A message out of what a client says of it: its octets, or its properties one by one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mail_builder::MessageBuilder;

use super::node::Node;

/// The octets of an element `Message`. `None`: it cannot be understood.
pub(super) fn octets(message: &Node, from: &str, now: Timestamp) -> Option<Vec<u8>> {
    if let Some(mime) = message.get("MimeContent") {
        let encoded: String = mime.text.chars().filter(|c| !c.is_whitespace()).collect();
        return STANDARD.decode(encoded).ok();
    }
    let addresses = |name: &str| -> Vec<(String, String)> {
        let mailboxes = message.get(name).map(|list| list.all("Mailbox")).unwrap_or_default();
        let one = |mailbox: &&Node| {
            let address = mailbox.text_at(&["EmailAddress"])?.to_owned();
            Some((mailbox.text_at(&["Name"]).unwrap_or_default().to_owned(), address))
        };
        mailboxes.iter().filter_map(one).collect()
    };
    let mut builder = MessageBuilder::new()
        .from(from.to_owned())
        .subject(message.text_at(&["Subject"]).unwrap_or_default().to_owned())
        .date(now.as_second());
    for (name, list) in [("To", addresses("ToRecipients")), ("Cc", addresses("CcRecipients"))] {
        if !list.is_empty() {
            builder = match name {
                "To" => builder.to(list),
                _ => builder.cc(list),
            };
        }
    }
    let body = message.get("Body");
    let text = body.map(|body| body.text.clone()).unwrap_or_default();
    builder = match body.and_then(|body| body.attribute("BodyType")) {
        Some("HTML") => builder.html_body(text),
        Some(_) | None => builder.text_body(text),
    };
    builder.write_to_vec().ok()
}

/// To whom a message goes: those whom its header names, and those who are given beside it.
pub(super) fn recipients(message: &Node, raw: &[u8]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    if let Some(parsed) = mail_parser::MessageParser::new().parse(raw) {
        for list in [parsed.to(), parsed.cc(), parsed.bcc()].into_iter().flatten() {
            all.extend(list.iter().filter_map(|one| one.address()).map(str::to_owned));
        }
    }
    for name in ["ToRecipients", "CcRecipients", "BccRecipients"] {
        let mailboxes = message.get(name).map(|list| list.all("Mailbox")).unwrap_or_default();
        all.extend(mailboxes.iter().filter_map(|it| it.text_at(&["EmailAddress"])).map(str::to_owned));
    }
    let mut known = std::collections::BTreeSet::new();
    all.retain(|address| known.insert(address.to_lowercase()));
    all
}
