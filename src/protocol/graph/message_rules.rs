//! The rules of the inbox, of which one forwards a mailbox's mail.
//! <https://learn.microsoft.com/graph/api/mailfolder-list-messagerules>
//! <https://learn.microsoft.com/graph/api/mailfolder-post-messagerules>
//! <https://learn.microsoft.com/graph/api/messagerule-update>
//! <https://learn.microsoft.com/graph/api/messagerule-delete>

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Body, Call, Expected, GraphError, Link, Operation, document, path};
use crate::model::forwarding::{InboxRule, RuleHealth, RuleReach};
use crate::model::name::Address;
use crate::protocol::http::Method;

const RULES: [&str; 3] = ["mailFolders", "inbox", "messageRules"];

/// One page of them.
#[derive(Debug)]
pub struct ListMessageRules<'a> {
    /// Whom links may lead to.
    pub host: &'a str,
    /// Where the last page said that the next one is.
    pub after: Option<Link>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct MessageRules {
    pub rules: Vec<InboxRule>,
    pub next: Option<Link>,
}

#[derive(Deserialize)]
struct Document {
    value: Vec<Rule>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: Option<String>,
    display_name: Option<String>,
    sequence: Option<i64>,
    is_enabled: Option<bool>,
    has_error: Option<bool>,
    conditions: Option<Value>,
    exceptions: Option<Value>,
    actions: Option<Actions>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Actions {
    stop_processing_rules: Option<bool>,
    forward_as_attachment_to: Option<Vec<Recipient>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: Option<EmailAddress>,
}

#[derive(Deserialize)]
struct EmailAddress {
    address: Option<String>,
}

impl Operation for ListMessageRules<'_> {
    type Response = MessageRules;

    fn call(&self, user: &Address) -> Call {
        let path = match &self.after {
            Some(link) => link.path().to_owned(),
            None => path(user, &RULES),
        };
        Call::new(Method::Get, path)
    }

    fn read(&self, body: &[u8]) -> Result<MessageRules, GraphError> {
        let Document { value, next } = document::read("a list of rules", body)?;
        let next = next.map(|link| Link::parse(&link, self.host)).transpose()?;
        Ok(MessageRules { rules: value.into_iter().map(rule).collect(), next })
    }
}

fn rule(rule: Rule) -> InboxRule {
    let Actions { stop_processing_rules, forward_as_attachment_to } = rule.actions.unwrap_or_default();
    let recipients = forward_as_attachment_to.unwrap_or_default();
    let says_something = |predicates: Option<Value>| predicates.is_some_and(|value| says(&value));
    InboxRule {
        id: rule.id,
        name: rule.display_name.unwrap_or_default(),
        priority: rule.sequence.and_then(|number| number.try_into().ok()).unwrap_or(1),
        is_enabled: rule.is_enabled == Some(true),
        health: if rule.has_error == Some(true) { RuleHealth::InError } else { RuleHealth::Works },
        reach: match says_something(rule.conditions) || says_something(rule.exceptions) {
            true => RuleReach::SomeMessages,
            false => RuleReach::EveryMessage,
        },
        stops: stop_processing_rules == Some(true),
        forward_as_attachment_to: recipients.into_iter().filter_map(|it| it.email_address?.address).collect(),
    }
}

/// Predicates that are not set are left out by the service, or are null, false or empty.
fn says(predicates: &Value) -> bool {
    match predicates {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => all.iter().any(|(key, value)| !key.starts_with('@') && says(value)),
    }
}

/// A rule that is not there yet.
#[derive(Debug)]
pub struct CreateMessageRule<'a> {
    pub rule: &'a InboxRule,
}

impl Operation for CreateMessageRule<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        let body = Body::Json(Value::Object(written(self.rule)));
        Call::new(Method::Post, path(user, &RULES)).with(body).expecting(Expected::Status(201))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}

/// A rule as it is to be from now on.
#[derive(Debug)]
pub struct UpdateMessageRule<'a> {
    pub id: &'a str,
    pub rule: &'a InboxRule,
}

impl Operation for UpdateMessageRule<'_> {
    type Response = ();

    /// What is not named stays as it was, so that conditions are taken away by name.
    fn call(&self, user: &Address) -> Call {
        let mut changes = written(self.rule);
        changes.insert("conditions".to_owned(), Value::Null);
        changes.insert("exceptions".to_owned(), Value::Null);
        let [folders, inbox, rules] = RULES;
        Call::new(Method::Patch, path(user, &[folders, inbox, rules, self.id]))
            .with(Body::Json(Value::Object(changes)))
            .expecting(Expected::Status(200))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}

/// A rule that is to be gone.
#[derive(Debug)]
pub struct DeleteMessageRule<'a> {
    pub id: &'a str,
}

impl Operation for DeleteMessageRule<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        let [folders, inbox, rules] = RULES;
        Call::new(Method::Delete, path(user, &[folders, inbox, rules, self.id]))
            .expecting(Expected::Status(204))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}

fn written(rule: &InboxRule) -> Map<String, Value> {
    let recipient = |address: &String| json!({ "emailAddress": { "name": address, "address": address } });
    let recipients: Vec<Value> = rule.forward_as_attachment_to.iter().map(recipient).collect();
    let fields = [
        ("displayName", Value::String(rule.name.clone())),
        ("sequence", rule.priority.into()),
        ("isEnabled", rule.is_enabled.into()),
        ("actions", json!({ "forwardAsAttachmentTo": recipients })),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<MessageRules, GraphError> {
        ListMessageRules { host: "graph.microsoft.com", after: None }.read(body.as_bytes())
    }

    #[test]
    fn a_rule_is_read_as_far_as_it_is_about_forwarding() {
        let recipient = r#"{"emailAddress":{"name":"C","address":"c@a.example"}}"#;
        let whole = |rest: &str| {
            let body = format!(
                "{{\"value\":[{{\"id\":\"A=\",\"displayName\":\"n\",\"sequence\":2,\"isEnabled\":true,\"hasError\":false,\
                 \"isReadOnly\":false,\"actions\":{{\"forwardAsAttachmentTo\":[{recipient}]}}{rest}}}]}}"
            );
            read(&body).unwrap().rules.remove(0)
        };
        let plain = whole("");
        assert_eq!(
            (plain.id.as_deref(), plain.priority, plain.reach),
            (Some("A="), 2, RuleReach::EveryMessage)
        );
        assert_eq!(plain.forward_as_attachment_to, ["c@a.example"]);
        for nothing in ["null", "{}", r#"{"hasAttachments":false,"subjectContains":[],"@odata.type":"x"}"#] {
            assert_eq!(whole(&format!(",\"conditions\":{nothing}")), plain, "{nothing}");
        }
        for something in [
            r#"{"subjectContains":["x"]}"#,
            r#"{"withinSizeRange":{"minimumSize":1}}"#,
            r#"{"sentToMe":true}"#,
        ] {
            for predicates in ["conditions", "exceptions"] {
                let rule = whole(&format!(",\"{predicates}\":{something}"));
                assert_eq!(rule.reach, RuleReach::SomeMessages, "{something}");
            }
        }
        let bare = read(r#"{"value":[{"id":"B"}]}"#).unwrap().rules.remove(0);
        assert!(!bare.is_enabled && bare.forward_as_attachment_to.is_empty());
        let elsewhere = r#"{"value":[],"@odata.nextLink":"https://evil.example/v1.0/x"}"#;
        assert!(read(elsewhere).is_err() && read("{}").is_err());
    }
}
