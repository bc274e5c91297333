//! The rules of an inbox, as Graph shows them: the same that Exchange Web Services show.

use serde_json::{Map, Value, json};

use super::super::items;
use super::super::node::{Node, element};
use super::super::rules::{carry_out, make_room, parsed, priority};
use super::Answer;
use super::route::Errand;

pub(super) fn list(errand: &Errand<'_, '_>) -> Answer {
    let rules = errand.turn.inner.rules.get(&errand.account.0);
    let value: Vec<Value> = rules.into_iter().flatten().filter_map(|(_, rule)| shown(rule)).collect();
    let context = format!("{}/$metadata#users/mailFolders('inbox')/messageRules", errand.root());
    Answer::json(200, json!({ "@odata.context": context, "value": value }))
}

pub(super) fn create(errand: &mut Errand<'_, '_>) -> Answer {
    let Some(Value::Object(asked)) = errand.request.json() else { return refused("The rule is no JSON.") };
    if !asked.contains_key("displayName") || !asked.contains_key("actions") {
        return refused("A rule needs a name and actions.");
    }
    errand.turn.inner.numbers += 1;
    let id = items::encoded(&format!("R|{}", errand.turn.inner.numbers));
    let Some(rule) = written(&id, &asked) else { return refused("The rule has something invalid in it.") };
    let answer = shown(&rule).map_or_else(Answer::not_found, |rule| Answer::json(201, rule));
    let rules = errand.turn.inner.rules.entry(errand.account.0).or_default();
    if let Some(rule) = parsed(&rule) {
        make_room(rules, &id, priority(&rule));
    }
    rules.push((id, rule));
    carry_out(errand.turn, errand.account);
    answer
}

pub(super) fn one(errand: &mut Errand<'_, '_>, id: &str) -> Answer {
    let account = errand.account.0;
    let rules = errand.turn.inner.rules.entry(account).or_default();
    let Some(at) = rules.iter().position(|(known, _)| known == id) else { return Answer::not_found() };
    let Some(Value::Object(mut rule)) = shown(&rules[at].1) else { return Answer::not_found() };
    match errand.request.method.as_str() {
        "GET" => return Answer::json(200, Value::Object(rule)),
        "DELETE" => drop(rules.remove(at)),
        _ => {
            let Some(Value::Object(changes)) = errand.request.json() else {
                return refused("The changes are no JSON.");
            };
            // What is not named stays as it was.
            rule.extend(changes);
            let Some(written) = written(id, &rule) else { return refused("Something in it is invalid.") };
            if let Some(rule) = parsed(&written) {
                make_room(rules, id, priority(&rule));
            }
            rules[at].1 = written;
        }
    }
    let shown = rules.get(at).filter(|(known, _)| known == id).and_then(|(_, rule)| shown(rule));
    carry_out(errand.turn, errand.account);
    shown.map_or_else(|| Answer::nothing(204), |rule| Answer::json(200, rule))
}

fn refused(words: &str) -> Answer {
    Answer::error(400, "ErrorInvalidRequest", words)
}

/// Predicates that are lists of texts: by their names in Graph and in Exchange Web Services.
const PREDICATES: [(&str, &str); 3] = [
    ("bodyContains", "ContainsBodyStrings"),
    ("senderContains", "ContainsSenderStrings"),
    ("subjectContains", "ContainsSubjectStrings"),
];

fn shown(rule: &str) -> Option<Value> {
    let rule = parsed(rule)?;
    let is_true = |name| matches!(rule.text_at(&[name]), Some("true" | "1"));
    let forwards = rule.path(&["Actions", "ForwardAsAttachmentToRecipients"]);
    let addresses = forwards.map(|node| node.all("EmailAddress")).unwrap_or_default();
    let recipient = |node: &Node| {
        let address = node.text.trim();
        json!({ "emailAddress": { "name": address, "address": address } })
    };
    let mut shown = json!({
        "id": rule.text_at(&["RuleId"])?,
        "displayName": rule.text_at(&["DisplayName"])?,
        "sequence": rule.text_at(&["Priority"])?.parse::<u32>().ok()?,
        "isEnabled": is_true("IsEnabled"),
        "hasError": is_true("IsInError"),
        "isReadOnly": false,
        "actions": { "forwardAsAttachmentTo": addresses.into_iter().map(recipient).collect::<Vec<_>>() },
    });
    if matches!(rule.text_at(&["Actions", "StopProcessingRules"]), Some("true" | "1")) {
        shown["actions"]["stopProcessingRules"] = Value::Bool(true);
    }
    for (key, name) in [("conditions", "Conditions"), ("exceptions", "Exceptions")] {
        let predicates = rule.get(name).map(predicates).unwrap_or_default();
        if !predicates.is_empty() {
            shown[key] = Value::Object(predicates);
        }
    }
    Some(shown)
}

fn predicates(node: &Node) -> Map<String, Value> {
    let texts = |found: &Node| found.all("String").iter().map(|it| it.text.trim().to_owned()).collect();
    let all = PREDICATES.iter().filter_map(|(key, name)| {
        let texts: Vec<String> = texts(node.get(name)?);
        Some(((*key).to_owned(), texts.into()))
    });
    all.collect()
}

/// `None`: there is something in it that is wrong, or that the playground does not know.
fn written(id: &str, rule: &Map<String, Value>) -> Option<String> {
    let actions = rule.get("actions")?.as_object()?;
    if actions.keys().any(|key| !["forwardAsAttachmentTo", "stopProcessingRules"].contains(&key.as_str())) {
        return None;
    }
    let recipients =
        actions.get("forwardAsAttachmentTo").map_or(Some(&[][..]), |all| Some(all.as_array()?.as_slice()))?;
    let stops = actions.get("stopProcessingRules").map_or(Some(false), Value::as_bool)?;
    let address = |recipient: &Value| {
        let address = recipient["emailAddress"]["address"].as_str().filter(|text| text.contains('@'))?;
        Some(format!("<t:Address>{}</t:Address>", element("t:EmailAddress", address)))
    };
    let addresses = recipients.iter().map(address).collect::<Option<String>>()?;
    let priority = rule.get("sequence").map_or(Some(1), Value::as_u64)?;
    let is_enabled = rule.get("isEnabled").map_or(Some(true), Value::as_bool)?;
    let conditions = predicates_written("t:Conditions", rule.get("conditions"))?;
    let exceptions = predicates_written("t:Exceptions", rule.get("exceptions"))?;
    let forwards = match addresses.is_empty() {
        true => String::new(),
        false => {
            format!("<t:ForwardAsAttachmentToRecipients>{addresses}</t:ForwardAsAttachmentToRecipients>")
        }
    };
    let stops = if stops { element("t:StopProcessingRules", "true") } else { String::new() };
    Some(format!(
        "<t:Rule>{}{}{}{}{conditions}{exceptions}<t:Actions>{forwards}{stops}</t:Actions></t:Rule>",
        element("t:RuleId", id),
        element("t:DisplayName", rule.get("displayName")?.as_str()?),
        element("t:Priority", &priority.to_string()),
        element("t:IsEnabled", if is_enabled { "true" } else { "false" }),
    ))
}

fn predicates_written(tag: &str, predicates: Option<&Value>) -> Option<String> {
    let predicates = match predicates {
        None | Some(Value::Null) => return Some(String::new()),
        Some(predicates) => predicates.as_object()?,
    };
    let mut inside = String::new();
    for (key, texts) in predicates {
        let (_, name) = PREDICATES.iter().find(|(known, _)| known == key)?;
        let texts = texts.as_array()?.iter().map(|it| Some(element("t:String", it.as_str()?)));
        inside.push_str(&format!("<t:{name}>{}</t:{name}>", texts.collect::<Option<String>>()?));
    }
    Some(format!("<{tag}>{inside}</{tag}>"))
}
