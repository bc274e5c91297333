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

/// The priority of the rule that is carried out before all others.
const FIRST: u32 = 1;

/// Looks whether it is as wished, and changes nothing.
pub(super) async fn look(inbox: &mut dyn Rules, wish: &RuleWish) -> Result<RuleOutcome, Cause> {
    let rules = inbox.rules().await?;
    Ok(match decide(&rules, wish) {
        Decision::Leave(outcome) => outcome,
        Decision::Change(_, ToBe::Created) => RuleOutcome::Missing,
        Decision::Change(_, ToBe::Changed | ToBe::Gone) => match hindrance(&rules, wish) {
            Some(Hindrance::InError(_)) => RuleOutcome::InError,
            Some(Hindrance::Overtaken(by)) => RuleOutcome::Overtaken { by: by.name.clone() },
            None => RuleOutcome::Wrong,
        },
    })
}

/// Brings about what is wished, and looks whether it is so.
pub(super) async fn keep(inbox: &mut dyn Rules, wish: &RuleWish) -> Result<RuleOutcome, Cause> {
    let (changes, to_be) = match decide(&inbox.rules().await?, wish) {
        Decision::Leave(RuleOutcome::Overtaken { by }) => return Err(Cause::RuleOvertaken { by }),
        Decision::Leave(outcome) => return Ok(outcome),
        Decision::Change(changes, to_be) => (changes, to_be),
    };
    inbox.change(changes).await?;
    let rules = inbox.rules().await?;
    match (decide(&rules, &RuleWish { known: None, ..wish.clone() }), to_be) {
        (Decision::Leave(RuleOutcome::Unchanged { id }), ToBe::Created) => Ok(RuleOutcome::Created { id }),
        (Decision::Leave(RuleOutcome::Unchanged { id }), ToBe::Changed) => Ok(RuleOutcome::Changed { id }),
        (Decision::Leave(RuleOutcome::Absent | RuleOutcome::DoneByAnother { .. }), ToBe::Gone) => {
            Ok(RuleOutcome::Removed)
        }
        (Decision::Leave(_) | Decision::Change(..), ToBe::Created | ToBe::Changed | ToBe::Gone) => {
            let detail = "it took the change of the inbox rules, and they are not as it was told".to_owned();
            Err(match hindrance(&rules, wish) {
                Some(Hindrance::InError(ours)) => Cause::RuleInError { rule: ours.name.clone() },
                Some(Hindrance::Overtaken(by)) => Cause::RuleOvertaken { by: by.name.clone() },
                None => Cause::Garbage { detail },
            })
        }
    }
}

/// Why our rule does nothing, or not for every message, although it says what it should.
#[derive(Debug, PartialEq, Eq)]
enum Hindrance<'r> {
    InError(&'r InboxRule),
    Overtaken(&'r InboxRule),
}

fn hindrance<'r>(rules: &'r [InboxRule], wish: &RuleWish) -> Option<Hindrance<'r>> {
    let is_right = |rule: &&InboxRule| rule.id.as_deref().is_some_and(|id| is_ours(rule, id, wish));
    let ours = rules.iter().find(is_right)?;
    match ours.health {
        RuleHealth::InError => Some(Hindrance::InError(ours)),
        RuleHealth::Works => stopper_before(rules, ours).map(Hindrance::Overtaken),
    }
}

/// The first rule that may keep messages from this one. Of two with the same number, the one that the server names first.
fn stopper_before<'r>(rules: &'r [InboxRule], rule: &InboxRule) -> Option<&'r InboxRule> {
    let at = rules.iter().position(|other| other == rule)?;
    let mut before = rules
        .iter()
        .enumerate()
        .filter(|(other_at, other)| (other.priority, *other_at) < (rule.priority, at));
    let stops = |other: &InboxRule| other.stops && other.is_enabled && other.health == RuleHealth::Works;
    before.find(|(_, other)| stops(other)).map(|(_, other)| other)
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
            Some(other) => Decision::Leave(match stopper_before(rules, other) {
                // Ours beside it would forward most messages twice, and which of the two stays is not for us to decide.
                Some(stopper) => RuleOutcome::Overtaken { by: stopper.name.clone() },
                None => RuleOutcome::DoneByAnother { name: other.name.clone() },
            }),
            None => Decision::Change(vec![RuleChange::Create(rule(None, FIRST, to))], ToBe::Created),
        };
    };
    // One that somebody has copied would forward everything twice.
    let mut changes: Vec<RuleChange> = ours.map(|(_, id)| RuleChange::Delete(id)).collect();
    let is_right = works(first) && leads_to(first, to) && first.forward_as_attachment_to.len() == 1;
    let stopper = stopper_before(rules, first);
    let priority = if stopper.is_some() { FIRST } else { first.priority };
    if !is_right || priority != first.priority {
        changes.push(RuleChange::Set(rule(Some(id.clone()), priority, to)));
    }
    if let (Some(stopper), true) = (stopper, changes.is_empty()) {
        // Nothing comes before the first place, and the server does otherwise.
        return Decision::Leave(RuleOutcome::Overtaken { by: stopper.name.clone() });
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
        stops: false,
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
    fn our_rule_is_put_before_one_that_stops() {
        let wanted = wish(Some("c@a.example"), Some("1"));
        let stopper = |priority| InboxRule {
            priority,
            stops: true,
            forward_as_attachment_to: Vec::new(),
            reach: RuleReach::SomeMessages,
            ..by_hand("2")
        };
        let first = Decision::Change(
            vec![RuleChange::Set(rule(Some("1".to_owned()), FIRST, &address("c@a.example")))],
            ToBe::Changed,
        );
        assert_eq!(decide(&[stopper(2), ours("1")], &wanted), first);
        assert_eq!(decide(&[stopper(3), ours("1")], &wanted), first, "the server names it first");
        let unchanged = Decision::Leave(RuleOutcome::Unchanged { id: "1".to_owned() });
        assert_eq!(decide(&[ours("1"), stopper(3)], &wanted), unchanged, "behind ours");
        assert_eq!(decide(&[stopper(4), ours("1")], &wanted), unchanged, "behind ours");
        let goes_on = InboxRule { stops: false, ..stopper(1) };
        let off = InboxRule { is_enabled: false, ..stopper(1) };
        let broken = InboxRule { health: RuleHealth::InError, ..stopper(1) };
        for harmless in [goes_on, off, broken] {
            assert_eq!(decide(&[harmless, ours("1")], &wanted), unchanged);
        }
        let overtaken = Decision::Leave(RuleOutcome::Overtaken { by: "mine".to_owned() });
        let at_once = InboxRule { priority: FIRST, ..ours("1") };
        assert_eq!(decide(&[stopper(1), at_once], &wanted), overtaken, "it is not written again and again");
        let theirs = InboxRule { name: "forwards".to_owned(), ..ours("3") };
        assert_eq!(decide(&[stopper(1), theirs], &wish(Some("c@a.example"), None)), overtaken);
    }

    /// A server that does as it likes with the places and the health of rules.
    struct Stubborn {
        rules: Vec<InboxRule>,
        changes: usize,
    }

    #[async_trait]
    impl Rules for Stubborn {
        async fn rules(&mut self) -> Result<Vec<InboxRule>, Cause> {
            Ok(self.rules.clone())
        }

        async fn change(&mut self, changes: Vec<RuleChange>) -> Result<(), Cause> {
            self.changes += changes.len();
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_keeps_our_rule_from_its_work_is_told() {
        let wanted = wish(Some("c@a.example"), Some("1"));
        let stopper = InboxRule { priority: 1, stops: true, ..by_hand("2") };
        let mut inbox = Stubborn { rules: vec![stopper, ours("1")], changes: 0 };
        let by = "mine".to_owned();
        assert_eq!(look(&mut inbox, &wanted).await, Ok(RuleOutcome::Overtaken { by: by.clone() }));
        assert_eq!((keep(&mut inbox, &wanted).await, inbox.changes), (Err(Cause::RuleOvertaken { by }), 1));
        let in_error = InboxRule { health: RuleHealth::InError, ..ours("1") };
        let mut inbox = Stubborn { rules: vec![in_error], changes: 0 };
        assert_eq!(look(&mut inbox, &wanted).await, Ok(RuleOutcome::InError));
        let rule = "mailplumb: forward to c@a.example".to_owned();
        assert_eq!(keep(&mut inbox, &wanted).await, Err(Cause::RuleInError { rule }));
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
