//! The rules of an inbox, as clients write them; those that forward each message are carried out.

use super::super::state::AccountId;
use super::items;
use super::node::{Node, element, escaped};
use super::soap::Turn;

const BLOB: &str = "Outlook rule blob exists.";
const VALIDATION: &str = "There is a validation error on the operation.";

pub(super) fn get_rules(turn: &mut Turn<'_>) -> String {
    let AccountId(account) = turn.caller.account;
    let rules = turn.inner.rules.get(&account);
    let inside: String = rules.into_iter().flatten().map(|(_, rule)| rule.as_str()).collect();
    let blob = turn.inner.rule_blobs.contains(&account);
    answer(
        "GetInboxRules",
        &format!(
            "<m:OutlookRuleBlobExists>{blob}</m:OutlookRuleBlobExists><m:InboxRules>{inside}</m:InboxRules>"
        ),
    )
}

pub(super) fn update_rules(turn: &mut Turn<'_>) -> String {
    let AccountId(account) = turn.caller.account;
    let removes_blob = turn.request.text_at(&["RemoveOutlookRuleBlob"]) == Some("true");
    if turn.inner.rule_blobs.contains(&account) && !removes_blob {
        return refusal("ErrorOutlookRuleBlobExists", BLOB, "");
    }
    turn.inner.rule_blobs.remove(&account);
    let operations = turn.request.get("Operations").map_or(&[][..], |all| &all.children);
    if let Some((index, value)) = operations.iter().enumerate().find_map(no_address) {
        return refusal("ErrorInboxRulesValidationError", VALIDATION, &objection(index, &value));
    }
    for operation in operations {
        let id = operation.text_at(&["Rule", "RuleId"]).or(operation.text_at(&["RuleId"]));
        let id = match id {
            Some(id) => id.to_owned(),
            None => {
                turn.inner.numbers += 1;
                items::encoded(&format!("R|{}", turn.inner.numbers))
            }
        };
        let rules = turn.inner.rules.entry(account).or_default();
        if let Some(rule) = operation.get("Rule") {
            make_room(rules, &id, priority(rule));
        }
        let at = rules.iter().position(|(known, _)| *known == id);
        let rule = operation.get("Rule").map(|rule| (id, rule));
        match (at, rule) {
            (Some(at), Some((id, rule))) => rules[at] = (id.clone(), rendered_rule(&id, rule)),
            (None, Some((id, rule))) => rules.push((id.clone(), rendered_rule(&id, rule))),
            (Some(at), None) => drop(rules.remove(at)),
            (None, None) => {}
        }
    }
    carry_out(turn, turn.caller.account);
    answer("UpdateInboxRules", "")
}

fn answer(name: &str, rest: &str) -> String {
    format!(
        "<m:{name}Response ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>{rest}</m:{name}Response>"
    )
}

fn refusal(code: &str, words: &str, rest: &str) -> String {
    format!(
        "<m:UpdateInboxRulesResponse ResponseClass=\"Error\">{}{}<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{rest}\
         </m:UpdateInboxRulesResponse>",
        element("m:MessageText", words),
        element("m:ResponseCode", code),
    )
}

/// An address that is none, and of which operation.
fn no_address((index, operation): (usize, &Node)) -> Option<(usize, String)> {
    let addresses = operation.all("EmailAddress").into_iter().map(|node| node.text.trim());
    addresses.into_iter().find(|text| !text.contains('@')).map(|text| (index, text.to_owned()))
}

fn objection(index: usize, value: &str) -> String {
    format!(
        "<m:RuleOperationErrors><t:RuleOperationError><t:OperationIndex>{index}</t:OperationIndex><t:ValidationErrors>\
         <t:Error><t:FieldURI>Action:ForwardAsAttachmentToRecipients</t:FieldURI><t:ErrorCode>InvalidAddress</t:ErrorCode>\
         <t:ErrorMessage>The address is not valid.</t:ErrorMessage>{}</t:Error></t:ValidationErrors>\
         </t:RuleOperationError></m:RuleOperationErrors>",
        element("t:FieldValue", value)
    )
}

/// A rule as it was sent, under its id.
fn rendered_rule(id: &str, rule: &Node) -> String {
    let rest: String = rule.children.iter().filter(|child| child.name != "RuleId").map(rendered).collect();
    format!("<t:Rule>{}{rest}</t:Rule>", element("t:RuleId", id))
}

fn rendered(node: &Node) -> String {
    let attributes: String =
        node.attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
    let inside: String = match node.children.as_slice() {
        [] => escaped(node.text.trim()),
        children => children.iter().map(rendered).collect(),
    };
    format!("<t:{name}{attributes}>{inside}</t:{name}>", name = node.name)
}

pub(super) fn priority(rule: &Node) -> u32 {
    rule.text_at(&["Priority"]).and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Of two rules with the same number, the one that was written last comes first: the others move up.
pub(super) fn make_room(rules: &mut [(String, String)], id: &str, from: u32) {
    let mut others: Vec<(u32, &mut String)> = rules
        .iter_mut()
        .filter(|(known, _)| known != id)
        .filter_map(|(_, rule)| Some((priority(&parsed(rule)?), rule)))
        .collect();
    others.sort_by_key(|(number, _)| *number);
    let mut taken = from;
    for (number, rule) in others {
        if number == taken {
            let written = |number: u32| element("t:Priority", &number.to_string());
            *rule = rule.replace(&written(number), &written(number + 1));
            taken += 1;
        }
    }
}

/// Rules without conditions forward from now on what arrives.
pub(super) fn carry_out(turn: &mut Turn<'_>, account: AccountId) {
    let rules = turn.inner.rules.get(&account.0);
    let mut rules: Vec<Node> = rules.into_iter().flatten().filter_map(|(_, rule)| parsed(rule)).collect();
    rules.sort_by_key(priority);
    let is_carried_out = |rule: &Node| {
        let is_on = matches!(rule.text_at(&["IsEnabled"]), Some("true" | "1"));
        let says_nothing = |name| rule.get(name).is_none_or(|predicates| predicates.children.is_empty());
        is_on && says_nothing("Conditions") && says_nothing("Exceptions")
    };
    let stops = |rule: &&Node| {
        is_carried_out(rule)
            && matches!(rule.text_at(&["Actions", "StopProcessingRules"]), Some("true" | "1"))
    };
    let last = rules.iter().position(|rule| stops(&rule)).map_or(rules.len(), |at| at + 1);
    let forwards = rules[..last].iter().filter(|rule| is_carried_out(rule)).flat_map(|rule| {
        let recipients = rule.path(&["Actions", "ForwardAsAttachmentToRecipients"]);
        let addresses = recipients.map(|node| node.all("EmailAddress")).unwrap_or_default();
        addresses.into_iter().map(|node| node.text.trim().to_owned()).collect::<Vec<_>>()
    });
    let forwards = forwards.collect();
    turn.world.state.lock().forward_all(account, forwards);
}

/// A rule is kept as it is answered, with the prefix of an envelope that is not there yet.
pub(super) fn parsed(rule: &str) -> Option<Node> {
    super::node::parse(&rule.replace("<t:", "<").replace("</t:", "</"))
}
