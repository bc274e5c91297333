//! What belongs to a mailbox and is no item: subscriptions, configurations and rules.

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

fn rules_answer(name: &str, rest: &str) -> String {
    format!(
        "<m:{name}Response ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>{rest}</m:{name}Response>"
    )
}

pub(super) fn get_rules(turn: &mut Turn<'_>) -> String {
    let rules = turn.inner.rules.get(&turn.caller.account.0);
    let inside: String = rules.into_iter().flatten().map(|(_, rule)| rule.as_str()).collect();
    let blob = "<m:OutlookRuleBlobExists>false</m:OutlookRuleBlobExists>";
    rules_answer("GetInboxRules", &format!("{blob}<m:InboxRules>{inside}</m:InboxRules>"))
}

pub(super) fn update_rules(turn: &mut Turn<'_>) -> String {
    let operations = turn.request.get("Operations").map_or(&[][..], |all| &all.children);
    for operation in operations {
        let id = operation.text_at(&["Rule", "RuleId"]).or(operation.text_at(&["RuleId"]));
        let id = match id {
            Some(id) => id.to_owned(),
            None => {
                turn.inner.numbers += 1;
                items::encoded(&format!("R|{}", turn.inner.numbers))
            }
        };
        let rules = turn.inner.rules.entry(turn.caller.account.0).or_default();
        rules.retain(|(known, _)| *known != id);
        if let Some(rule) = operation.get("Rule") {
            let xml = render_rule(&id, rule);
            rules.push((id, xml));
        }
    }
    rules_answer("UpdateInboxRules", "")
}

fn render_rule(id: &str, rule: &Node) -> String {
    let text = |name: &str| rule.text_at(&[name]).unwrap_or("1").to_owned();
    let forward = rule.path(&["Actions", "ForwardAsAttachmentToRecipients"]);
    let addresses = forward.map(|node| node.all("EmailAddress")).unwrap_or_default();
    let one = |address: &&Node| {
        let inside =
            format!("{}<t:RoutingType>SMTP</t:RoutingType>", element("t:EmailAddress", address.text.trim()));
        format!("<t:Address>{inside}</t:Address>")
    };
    let inside: String = addresses.iter().map(one).collect();
    format!(
        "<t:Rule>{}{}{}{}<t:Actions><t:ForwardAsAttachmentToRecipients>{inside}</t:ForwardAsAttachmentToRecipients>\
         </t:Actions></t:Rule>",
        element("t:RuleId", id),
        element("t:DisplayName", &text("DisplayName")),
        element("t:Priority", &text("Priority")),
        element("t:IsEnabled", &text("IsEnabled")),
    )
}
