//! The inbox rule that forwards a mailbox's mail: looked at, made, put right, removed. Nobody else's rule is touched. What is to be done
//! is decided here, for every way in which the rules of a server are read and written.

use async_trait::async_trait;

use crate::model::failure::Cause;
use crate::model::forwarding::{InboxRule, RuleChange, RuleHealth, RuleOutcome, RuleReach, RuleWish};
use crate::model::name::Address;

/// The rules of one inbox.
#[async_trait]
pub(super) trait Rules: Send {
    async fn rules(&mut self) -> Result<Vec<InboxRule>, Cause>;

    /// In this order.
    async fn change(&mut self, changes: Vec<RuleChange>) -> Result<(), Cause>;
}

/// How the names of our rules begin, by which they are found again and people know whose they are.
const PREFIX: &str = "mailplumb: forward to ";

/// Looks whether it is as wished, and changes nothing.
pub(super) async fn look(inbox: &mut dyn Rules, wish: &RuleWish) -> Result<RuleOutcome, Cause> {
    Ok(match decide(&inbox.rules().await?, wish) {
        Decision::Leave(outcome) => outcome,
        Decision::Change(_, ToBe::Created) => RuleOutcome::Missing,
        Decision::Change(_, ToBe::Changed | ToBe::Gone) => RuleOutcome::Wrong,
    })
}

/// Brings about what is wished, and looks whether it is so.
pub(super) async fn keep(inbox: &mut dyn Rules, wish: &RuleWish) -> Result<RuleOutcome, Cause> {
    let (changes, to_be) = match decide(&inbox.rules().await?, wish) {
        Decision::Leave(outcome) => return Ok(outcome),
        Decision::Change(changes, to_be) => (changes, to_be),
    };
    inbox.change(changes).await?;
    match (decide(&inbox.rules().await?, &RuleWish { known: None, ..wish.clone() }), to_be) {
        (Decision::Leave(RuleOutcome::Unchanged { id }), ToBe::Created) => Ok(RuleOutcome::Created { id }),
        (Decision::Leave(RuleOutcome::Unchanged { id }), ToBe::Changed) => Ok(RuleOutcome::Changed { id }),
        (Decision::Leave(RuleOutcome::Absent | RuleOutcome::DoneByAnother { .. }), ToBe::Gone) => {
            Ok(RuleOutcome::Removed)
        }
        (Decision::Leave(_) | Decision::Change(..), ToBe::Created | ToBe::Changed | ToBe::Gone) => {
            let detail = "it took the change of the inbox rules, and they are not as it was told".to_owned();
            Err(Cause::Garbage { detail })
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Leave(RuleOutcome),
    Change(Vec<RuleChange>, ToBe),
}

/// What is to be there after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToBe {
    Created,
    Changed,
    Gone,
}

fn decide(rules: &[InboxRule], wish: &RuleWish) -> Decision {
    let mut ours = rules
        .iter()
        .filter_map(|rule| Some((rule, rule.id.clone()?)))
        .filter(|(rule, id)| is_ours(rule, id, wish));
    let Some(to) = &wish.to else {
        let gone: Vec<RuleChange> = ours.map(|(_, id)| RuleChange::Delete(id)).collect();
        return match gone.is_empty() {
            true => Decision::Leave(RuleOutcome::Absent),
            false => Decision::Change(gone, ToBe::Gone),
        };
    };
    let Some((first, id)) = ours.next() else {
        return match rules.iter().find(|rule| works(rule) && leads_to(rule, to)) {
            Some(other) => Decision::Leave(RuleOutcome::DoneByAnother { name: other.name.clone() }),
            None => Decision::Change(vec![RuleChange::Create(rule(None, 1, to))], ToBe::Created),
        };
    };
    // One that somebody has copied would forward everything twice.
    let mut changes: Vec<RuleChange> = ours.map(|(_, id)| RuleChange::Delete(id)).collect();
    let is_right = works(first) && leads_to(first, to) && first.forward_as_attachment_to.len() == 1;
    if !is_right {
        changes.push(RuleChange::Set(rule(Some(id.clone()), first.priority, to)));
    }
    match changes.is_empty() {
        true => Decision::Leave(RuleOutcome::Unchanged { id }),
        false => Decision::Change(changes, ToBe::Changed),
    }
}

fn is_ours(rule: &InboxRule, id: &str, wish: &RuleWish) -> bool {
    wish.known.as_deref() == Some(id) || rule.name.starts_with(PREFIX)
}

fn works(rule: &InboxRule) -> bool {
    rule.is_enabled && rule.health == RuleHealth::Works && rule.reach == RuleReach::EveryMessage
}

/// Exchange may show somebody of its own directory by the name that the directory has; then the name of our rule tells.
fn leads_to(rule: &InboxRule, to: &Address) -> bool {
    rule.forward_as_attachment_to.iter().any(|recipient| match Address::parse(recipient) {
        Ok(address) => address.same_as(to),
        Err(_) => rule.name == name(to),
    })
}

fn name(to: &Address) -> String {
    format!("{PREFIX}{to}")
}

/// It comes first when it is made: a rule before it could keep messages from it.
fn rule(id: Option<String>, priority: u32, to: &Address) -> InboxRule {
    InboxRule {
        id,
        name: name(to),
        priority,
        is_enabled: true,
        health: RuleHealth::Works,
        reach: RuleReach::EveryMessage,
        forward_as_attachment_to: vec![to.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn wish(to: Option<&str>, known: Option<&str>) -> RuleWish {
        RuleWish { to: to.map(address), known: known.map(str::to_owned) }
    }

    fn ours(id: &str) -> InboxRule {
        rule(Some(id.to_owned()), 3, &address("c@a.example"))
    }

    fn by_hand(id: &str) -> InboxRule {
        InboxRule { name: "mine".to_owned(), ..ours(id) }
    }

    #[test]
    fn a_rule_is_made_where_none_does_it() {
        let wanted = wish(Some("c@a.example"), None);
        let other = InboxRule { forward_as_attachment_to: vec!["x@a.example".to_owned()], ..by_hand("1") };
        let expected =
            Decision::Change(vec![RuleChange::Create(rule(None, 1, &address("c@a.example")))], ToBe::Created);
        assert_eq!(decide(&[other], &wanted), expected);
        let some = InboxRule { reach: RuleReach::SomeMessages, ..by_hand("1") };
        assert_eq!(decide(&[some], &wanted), expected, "a rule about some messages does not do it");
        let by_another = Decision::Leave(RuleOutcome::DoneByAnother { name: "mine".to_owned() });
        assert_eq!(decide(&[by_hand("1")], &wanted), by_another, "twice would be once too often");
    }

    #[test]
    fn our_rule_is_put_right_whatever_somebody_did_to_it() {
        let wanted = wish(Some("C@A.example"), Some("1"));
        assert_eq!(
            decide(&[ours("1")], &wanted),
            Decision::Leave(RuleOutcome::Unchanged { id: "1".to_owned() })
        );
        let spoilt = [
            InboxRule { is_enabled: false, ..ours("1") },
            InboxRule { health: RuleHealth::InError, ..ours("1") },
            InboxRule { reach: RuleReach::SomeMessages, ..ours("1") },
            InboxRule { forward_as_attachment_to: vec!["x@a.example".to_owned()], ..by_hand("1") },
        ];
        for one in spoilt {
            let Decision::Change(changes, ToBe::Changed) = decide(&[one, by_hand("2")], &wanted) else {
                panic!()
            };
            let [RuleChange::Set(set)] = changes.as_slice() else { panic!("{changes:?}") };
            assert_eq!((set.id.as_deref(), set.priority), (Some("1"), 3), "in its place");
            assert!(works(set) && leads_to(set, &address("c@a.example")));
        }
        let twice = decide(&[ours("1"), ours("2")], &wanted);
        assert_eq!(twice, Decision::Change(vec![RuleChange::Delete("2".to_owned())], ToBe::Changed));
    }

    #[test]
    fn only_our_rules_are_removed() {
        let unwanted = wish(None, Some("3"));
        let rules = [by_hand("1"), ours("2"), by_hand("3")];
        let removed = ["2", "3"].map(|id| RuleChange::Delete(id.to_owned())).to_vec();
        assert_eq!(decide(&rules, &unwanted), Decision::Change(removed, ToBe::Gone));
        assert_eq!(decide(&rules[..1], &unwanted), Decision::Leave(RuleOutcome::Absent));
    }

    #[test]
    fn a_recipient_by_the_name_of_the_directory_is_known_by_the_name_of_our_rule() {
        let internal = InboxRule { forward_as_attachment_to: vec!["/o=A/cn=c".to_owned()], ..ours("1") };
        let wanted = |to| wish(Some(to), None);
        let unchanged = Decision::Leave(RuleOutcome::Unchanged { id: "1".to_owned() });
        assert_eq!(decide(std::slice::from_ref(&internal), &wanted("c@a.example")), unchanged);
        assert!(matches!(decide(&[internal], &wanted("d@a.example")), Decision::Change(_, ToBe::Changed)));
    }
}
