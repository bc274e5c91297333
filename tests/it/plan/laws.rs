//! The laws of a plan, each under its name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mailplumb::model::desired::Desired;
use mailplumb::model::footing::Footing;
use mailplumb::model::mailbox::Mailbox;
use mailplumb::model::name::Name;
use mailplumb::model::operation::{Awaiting, OperationState, Readiness};
use mailplumb::model::organization::Retry;
use mailplumb::model::pending::Standing;
use mailplumb::model::plan::{Action, Effect, Plan, Policy, PutMailbox, Target};
use mailplumb::model::profile::{MailServers, Server};
use mailplumb::model::retirement::Retirement;
use mailplumb::model::secret::SecretRef;
use mailplumb::model::selection::Selection;
use mailplumb::model::stored::{Stored, StoredOperation};
use mailplumb::plan::Rest;
use mailplumb::plan::render::{self, Style};
use mailplumb::plan::saved::{self, Circumstances};
use mailplumb::plan::settled::Behind;
use mailplumb::plan::{self, fingerprint};
use mailplumb::sync::transition::{StateEvent, transition};
use proptest::prelude::*;

use super::generate::{self, any_case, valid_case};

fn renderings(plan: &Plan) -> [String; 5] {
    [
        render::text(plan, Style::Plain),
        render::text(plan, Style::Coloured),
        render::markdown(plan),
        render::json(plan),
        saved::to_text(plan, &Circumstances::default()),
    ]
}

/// Stored name → declared name of what goes on under another name.
fn renames(plan: &Plan) -> BTreeMap<Name, Name> {
    let puts = plan.steps.iter().filter_map(|step| put_of(&step.effect));
    puts.filter_map(|put| Some((put.renamed_from.clone()?, put.mailbox.name.clone()))).collect()
}

fn put_of(effect: &Effect) -> Option<&PutMailbox> {
    match effect {
        Effect::PutMailbox(put) => Some(put),
        Effect::PutOrganization(_)
        | Effect::PutSecret { .. }
        | Effect::DeleteSecret(_)
        | Effect::PutProfile(_)
        | Effect::DeleteProfile(_)
        | Effect::DeleteMailbox(_) => None,
    }
}

fn declared_mailboxes(desired: &Desired) -> BTreeMap<&Name, &Mailbox> {
    desired.mailboxes.iter().map(|(name, declared)| (name, &declared.value)).collect()
}

/// Executes the steps one by one and checks before each that all it builds on is there.
fn execute_strictly(plan: &Plan, stored: &Stored) -> Result<(), TestCaseError> {
    let mut secrets: BTreeSet<SecretRef> = stored.secrets.keys().cloned().collect();
    let mut profiles: BTreeSet<Name> = stored.profiles.keys().cloned().collect();
    let mut mailboxes: BTreeMap<Name, Mailbox> =
        stored.mailboxes.iter().map(|(name, stored)| (name.clone(), stored.declared.clone())).collect();
    for step in plan.steps.iter() {
        match &step.effect {
            Effect::PutOrganization(_) => {}
            Effect::PutSecret { secret, .. } => {
                secrets.insert(secret.clone());
            }
            Effect::DeleteSecret(secret) => {
                prop_assert!(secrets.remove(secret));
                let used = |m: &Mailbox| m.credentials.as_ref().is_some_and(|c| c.password == *secret);
                prop_assert!(!mailboxes.values().any(used), "{secret} is in use");
            }
            Effect::PutProfile(profile) => {
                profiles.insert(profile.name.clone());
            }
            Effect::DeleteProfile(name) => {
                prop_assert!(profiles.remove(name));
                let used = |m: &Mailbox| m.profile.as_ref() == Some(name);
                prop_assert!(!mailboxes.values().any(used), "{name} is in use");
            }
            Effect::PutMailbox(put) => {
                prop_assert_eq!(put.operations.len(), 3);
                let mailbox = &put.mailbox;
                prop_assert!(mailbox.profile.iter().all(|profile| profiles.contains(profile)));
                prop_assert!(mailbox.credentials.iter().all(|own| secrets.contains(&own.password)));
                if let Some(previous) = &put.renamed_from {
                    prop_assert!(mailboxes.remove(previous).is_some());
                    prop_assert!(!mailboxes.contains_key(&mailbox.name));
                }
                mailboxes.insert(mailbox.name.clone(), mailbox.clone());
            }
            Effect::DeleteMailbox(name) => prop_assert!(mailboxes.remove(name).is_some()),
        }
    }
    Ok(())
}

/// Both sides without the mailboxes whose footings are equal, and what was left out.
fn narrowed(desired: &Desired, stored: &Stored, policy: &Policy) -> (Desired, Stored, Rest) {
    let secrets = plan::secret_digests(&desired.secrets);
    let profiles = desired.profiles.values().map(|declared| &declared.value);
    let approval = &desired.organization.value.approval;
    let behind = Behind::new(approval, profiles, secrets, (stored, policy));
    let (mut left, mut right, mut rest) = (desired.clone(), stored.clone(), Rest::default());
    for (name, declared) in &desired.mailboxes {
        let before = stored.mailboxes.get(name).and_then(Footing::of_stored);
        let Some(outlook) = behind.outlook(&declared.value) else { continue };
        if before == Some(outlook.footing) {
            left.mailboxes.remove(name);
            right.mailboxes.remove(name);
            rest.mailboxes += 1;
            rest.untested.add(stored.mailboxes[name].untested());
            if let Some(kind) = outlook.awaiting {
                *rest.awaiting.entry(kind).or_default() += 1;
            }
        }
    }
    (left, right, rest)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn total((desired, stored, policy) in any_case()) {
        let plan = plan::plan(&desired, &stored, &policy);
        for text in renderings(&plan) {
            prop_assert!(text.ends_with('\n'));
        }
        prop_assert_eq!(saved::parse(&saved::to_text(&plan, &Circumstances::default())).unwrap().0, plan);
    }

    #[test]
    fn deterministic((desired, stored, policy) in any_case()) {
        let (one, other) = (plan::plan(&desired, &stored, &policy), plan::plan(&desired, &stored, &policy));
        prop_assert_eq!(fingerprint(&one), fingerprint(&other));
        prop_assert_eq!(renderings(&one), renderings(&other));
    }

    /// What a footing says is settled is left out on both sides, and the plan is the same to the last byte.
    #[test]
    fn incremental((desired, stored, policy) in any_case(), rounds in 0_u8..3) {
        let policy = Policy { selection: Selection::default(), ..policy };
        let mut stored = stored;
        for _ in 0..rounds {
            stored = plan::model::apply_and_pass(&plan::plan(&desired, &stored, &policy), &stored);
        }
        let (narrow_desired, narrow_stored, rest) = narrowed(&desired, &stored, &policy);
        let narrow = plan::narrowed(&narrow_desired, &narrow_stored, &policy, &rest);
        prop_assert_eq!(renderings(&narrow), renderings(&plan::plan(&desired, &stored, &policy)));
    }

    /// After an apply hardly anything is looked at, whether its tests have passed or still wait: a law that leaves nothing out
    /// proves nothing.
    #[test]
    fn what_is_applied_is_settled((desired, stored, policy) in valid_case()) {
        let policy = Policy { selection: Selection::default(), ..policy };
        let plan = plan::plan(&desired, &stored, &policy);
        for after in [plan::model::apply(&plan, &stored), plan::model::apply_and_pass(&plan, &stored)] {
            let again = plan::plan(&desired, &after, &policy);
            let (left, _, _) = narrowed(&desired, &after, &policy);
            for (name, declared) in &left.mailboxes {
                let has_former_name = !declared.value.lifecycle.previous_names.is_empty();
                prop_assert!(has_former_name || !again.steps.is_empty(), "{} is not settled", name);
            }
        }
    }

    #[test]
    fn convergent((desired, stored, policy) in any_case()) {
        let first = plan::plan(&desired, &stored, &policy);
        let after = plan::model::apply_and_pass(&first, &stored);
        let second = plan::plan(&desired, &after, &policy);
        prop_assert_eq!(&*second.steps, &vec![]);
    }

    /// What the model does to an operation is what `sync::transition` does, which an apply follows.
    #[test]
    fn the_model_does_what_an_apply_does((desired, stored, policy) in any_case()) {
        let plan = plan::plan(&desired, &stored, &policy);
        let after = plan::model::apply(&plan, &stored);
        for put in plan.steps.iter().filter_map(|step| put_of(&step.effect)) {
            let before = stored.mailboxes.get(put.renamed_from.as_ref().unwrap_or(&put.mailbox.name));
            for (operation, planned) in &put.operations {
                let known = before.and_then(|before| before.operations.get(operation));
                let new = || OperationState::AwaitingTest(Awaiting::Test).into();
                let standing =
                    known.filter(|_| put.continues(planned)).map_or_else(new, StoredOperation::standing);
                let event = StateEvent::Declared(planned.readiness);
                let moved = transition(&standing, &event, Timestamp::UNIX_EPOCH, &Retry::default());
                let modelled = after.mailboxes[&put.mailbox.name].operations[operation].standing();
                let without_moments = |standing: Standing| {
                    (standing.state, standing.pending.map(|pending| pending.to_string()))
                };
                prop_assert_eq!(without_moments(modelled), without_moments(moved), "{:?} of {:?}", event, standing);
            }
        }
    }

    /// Traffic that works is stopped by nothing but the wish to stop it, or to give its address to another mailbox.
    #[test]
    fn what_works_and_is_still_wanted_goes_on((desired, stored, policy) in valid_case()) {
        let plan = plan::plan(&desired, &stored, &policy);
        let after = plan::model::apply(&plan, &stored);
        for put in plan.steps.iter().filter_map(|step| put_of(&step.effect)) {
            let before = stored.mailboxes.get(put.renamed_from.as_ref().unwrap_or(&put.mailbox.name));
            for (operation, planned) in &put.operations {
                let worked = before.and_then(|before| before.operations.get(operation));
                let worked = worked.is_some_and(|known| known.state.is_driven());
                let works = after.mailboxes[&put.mailbox.name].operations[operation].state.is_driven();
                let is_off = matches!(planned.readiness, Readiness::Off(_));
                let goes_on = worked && !is_off && put.continues(planned);
                prop_assert_eq!(works, goes_on, "{} {}", put.mailbox.name, operation);
            }
        }
    }

    /// Before the tests have run, a second plan only repeats what failed; what waits is a note.
    #[test]
    fn an_apply_leaves_nothing_to_declare((desired, stored, policy) in any_case()) {
        let after = plan::model::apply(&plan::plan(&desired, &stored, &policy), &stored);
        for step in plan::plan(&desired, &after, &policy).steps.iter() {
            prop_assert_eq!(step.action, Action::Retest);
            let put = put_of(&step.effect).unwrap();
            let operations = &after.mailboxes[&put.mailbox.name].operations;
            let has_failed = operations.values().any(|known| known.needs_test() && !known.is_untested());
            prop_assert!(has_failed, "{}: {}", step.target, step.reason);
        }
    }

    #[test]
    fn conservative((desired, stored, policy) in any_case()) {
        let plan = plan::plan(&desired, &stored, &policy);
        let renames = renames(&plan);
        for step in plan.steps.iter().filter(|step| step.action == Action::Delete) {
            let (is_stored, is_desired) = match &step.target {
                Target::Organization => (true, true),
                Target::Secret(secret) => {
                    (stored.secrets.contains_key(secret), desired.secrets.contains_key(secret))
                }
                Target::Profile(name) => {
                    (stored.profiles.contains_key(name), desired.profiles.contains_key(name))
                }
                Target::Mailbox(name) => (
                    stored.mailboxes.contains_key(name),
                    desired.mailboxes.contains_key(name) || renames.contains_key(name),
                ),
            };
            prop_assert!(is_stored && !is_desired, "{} is deleted", step.target);
        }
    }

    #[test]
    fn complete((desired, stored, policy) in valid_case()) {
        let plan = plan::plan(&desired, &stored, &policy);
        execute_strictly(&plan, &stored)?;
        let after = plan::model::apply(&plan, &stored);
        prop_assert_eq!(after.organization.as_ref(), Some(&desired.organization.value));
        let digests = desired.secrets.iter().map(|(name, sealed)| (name.clone(), sealed.value.digest()));
        prop_assert_eq!(after.secrets, digests.collect());
        let profiles = desired.profiles.iter().map(|(name, declared)| (name.clone(), declared.value.clone()));
        prop_assert_eq!(after.profiles, profiles.collect());
        let mailboxes: BTreeMap<&Name, &Mailbox> =
            after.mailboxes.iter().map(|(name, stored)| (name, &stored.declared)).collect();
        prop_assert_eq!(mailboxes, declared_mailboxes(&desired));
    }

    #[test]
    fn a_valid_manifest_is_blocked_by_guards_only((desired, stored, policy) in valid_case()) {
        for blocked in plan::plan(&desired, &stored, &policy).blocked {
            let guard = blocked.guard.expect("every reference is resolved");
            prop_assert!(!policy.overrides.contains_key(&guard));
        }
    }

    #[test]
    fn explained((desired, stored, policy) in any_case()) {
        let plan = plan::plan(&desired, &stored, &policy);
        let targets: BTreeSet<&Target> = plan.steps.iter().map(|step| &step.target).collect();
        prop_assert_eq!(targets.len(), plan.steps.len(), "one step per target");
        for step in plan.steps.iter() {
            prop_assert!(!step.reason.is_empty(), "{}", step.target);
            prop_assert!(!step.consequences.is_empty(), "{}", step.target);
            let is_declared = match step.action {
                Action::Create | Action::Rename => true,
                // A mailbox is also switched by what changes elsewhere.
                Action::Update => !matches!(step.target, Target::Mailbox(_)) || !step.changes.is_empty(),
                Action::Delete | Action::Retest => false,
            };
            prop_assert_eq!(is_declared, !step.changes.is_empty(), "{}: {:?}", &step.target, &step.changes);
            prop_assert_eq!(step.origin.is_none(), step.action == Action::Delete);
        }
        for (name, declared) in &desired.profiles {
            let differs = stored.profiles.get(name) != Some(&declared.value);
            prop_assert_eq!(differs, targets.contains(&Target::Profile(name.clone())));
        }
        for (name, declared) in &desired.mailboxes {
            if targets.contains(&Target::Mailbox(name.clone())) {
                continue;
            }
            let known = &stored.mailboxes[name];
            prop_assert_eq!(&known.declared, &declared.value);
            for operation in known.operations.values() {
                prop_assert_eq!(operation.needs_test(), operation.is_untested(), "{} is left untested", name);
                let has_note = plan.notes.iter().any(|note| note.subject == "tests");
                let is_noted = !operation.is_untested() || has_note || !policy.selection.is_everything();
                prop_assert!(is_noted, "{} waits and nobody says so", name);
                if operation.state == OperationState::AwaitingTest(Awaiting::NoConnector) {
                    prop_assert!(plan.notes.iter().any(|note| note.message.contains("a connector for")));
                }
            }
        }
        let renames = renames(&plan);
        let gone = stored.mailboxes.keys().filter(|name| !desired.mailboxes.contains_key(*name));
        for name in gone.filter(|name| !renames.contains_key(*name)) {
            prop_assert!(targets.contains(&Target::Mailbox(name.clone())));
        }
    }

    /// What the linter refuses never yields a step; what is not touched never blocks.
    #[test]
    fn linted((desired, stored, policy) in any_case(), picks in any::<[u8; 2]>()) {
        let (mut desired, mut stored) = (desired, stored);
        let policy = Policy { as_of: Some(jiff::civil::date(2027, 6, 1)), ..policy };
        let mut untouched = BTreeSet::new();
        for (at, (name, declared)) in desired.profiles.iter_mut().enumerate() {
            if picks[0] >> (at % 8) & 1 == 1 {
                let incoming = generate::endpoint("outlook.office365.com");
                let servers = MailServers { trust: None, incoming, outgoing: None };
                declared.value.server = Server::ImapSmtp(servers);
            }
            if picks[1] >> (at % 8) & 1 == 1 {
                stored.profiles.insert(name.clone(), declared.value.clone());
            }
            if stored.profiles.get(name) == Some(&declared.value) || !declared.value.active {
                untouched.insert(name.clone());
            }
        }
        let plan = plan::plan(&desired, &stored, &policy);
        for (name, declared) in &desired.profiles {
            let ended: Vec<_> =
                Retirement::of(&declared.value).filter(|it| it.has_ended(policy.as_of.unwrap())).collect();
            let target = Target::Profile(name.clone());
            let says = |message: &str| ended.iter().any(|it| message == it.words(policy.as_of.unwrap()));
            let blocks = plan.blocked.iter().any(|it| it.target.as_ref() == Some(&target) && says(&it.message));
            let notes = plan.notes.iter().any(|it| it.subject == target.to_string() && says(&it.message));
            let is_refused = !ended.is_empty() && !untouched.contains(name);
            prop_assert_eq!(blocks, is_refused, "{}", name);
            prop_assert_eq!(notes, !ended.is_empty() && untouched.contains(name), "{}", name);
            prop_assert!(!is_refused || plan.steps.iter().any(|step| step.target == target), "{}", name);
        }
    }

    #[test]
    fn in_the_order_of_execution((desired, stored, policy) in any_case()) {
        let ranks: Vec<u8> = plan::plan(&desired, &stored, &policy)
            .steps
            .iter()
            .map(|step| match &step.effect {
                Effect::PutOrganization(_) => 0,
                Effect::PutSecret { .. } => 1,
                Effect::PutProfile(_) => 2,
                Effect::PutMailbox(_) => 3,
                Effect::DeleteMailbox(_) => 4,
                Effect::DeleteProfile(_) => 5,
                Effect::DeleteSecret(_) => 6,
            })
            .collect();
        prop_assert!(ranks.is_sorted());
    }
}
