//! Plans of a part: what a selection chooses, what comes with it, and what it never touches.

use std::collections::BTreeSet;

use mailplumb::model::desired::Desired;
use mailplumb::model::organization::Requirement;
use mailplumb::model::plan::{Action, Guard, Plan, Policy, Step, Target};
use mailplumb::model::selection::{Selection, Selector};
use mailplumb::model::stored::Stored;
use mailplumb::plan;
use mailplumb::plan::render::{self, Style};
use mailplumb::plan::selection::unmatched;
use proptest::prelude::*;
use proptest::sample::select;

use super::generate::*;

fn selectors(texts: &[&str]) -> Vec<Selector> {
    texts.iter().map(|text| Selector::parse(text).unwrap()).collect()
}

fn selection(targets: &[&str], excludes: &[&str]) -> Selection {
    Selection { targets: selectors(targets), excludes: selectors(excludes) }
}

fn planned(desired: &Desired, stored: &Stored, targets: &[&str], excludes: &[&str]) -> Plan {
    plan::plan(desired, stored, &Policy { selection: selection(targets, excludes), ..policy() })
}

fn targets(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.target.to_string()).collect()
}

fn notes(plan: &Plan) -> String {
    plan.notes.iter().map(|note| format!("{}: {}\n", note.subject, note.message)).collect()
}

fn any_selection() -> impl Strategy<Value = Selection> {
    let texts = vec![
        "mailbox/m0",
        "mailbox/m1",
        "mailbox/m2",
        "mailbox/m?",
        "mailbox/*",
        "profile/p0",
        "profile/p1",
        "profile/*",
        "secret/provider",
        "secret/provider/k0",
        "secret/*",
        "organization",
        "kind:mailbox",
        "kind:profile",
        "kind:secret",
        "label:team",
        "label:team=sales",
        "m3@contoso.example",
        "*@*",
    ];
    let list = || proptest::collection::vec(select(texts.clone()), 0..3);
    (list(), list()).prop_map(|(targets, excludes)| selection(&targets, &excludes))
}

/// What the notes say was added.
fn included(plan: &Plan) -> BTreeSet<String> {
    let added = plan.notes.iter().filter(|note| note.message.starts_with("included: "));
    added.map(|note| note.subject.clone()).collect()
}

/// A mailbox feels what stands behind it: where that was chosen, its operations are judged as they are stored, and a
/// change of its own that was left out cannot spare it a test. Where the organization was left out, it is judged by other rules
/// than those of the whole plan.
fn is_only_judged_anew(step: &Step, selection: &Selection, has_other_rules: bool) -> bool {
    let stands_behind = |selector: &Selector| {
        let text = selector.to_string();
        ["organization", "profile/", "secret/", "kind:profile", "kind:secret", "label:"]
            .iter()
            .any(|start| text.starts_with(start))
    };
    let is_behind_chosen = selection.targets.is_empty() || selection.targets.iter().any(stands_behind);
    let is_judged = match step.action {
        Action::Retest => true,
        // Switched on or off, with nothing of its own changed.
        Action::Update => step.changes.is_empty(),
        Action::Create | Action::Rename | Action::Delete => false,
    };
    is_judged && (is_behind_chosen || has_other_rules)
}

fn is_consistent(stored: &Stored) -> bool {
    stored.mailboxes.values().all(|mailbox| {
        let declared = &mailbox.declared;
        declared.profile.iter().all(|profile| stored.profiles.contains_key(profile))
            && declared.credentials.iter().all(|own| stored.secrets.contains_key(&own.password))
    })
}

fn nothing_new(plan: &Plan) -> bool {
    plan.blocked.iter().all(|blocked| blocked.guard.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_of_a_part_is_total_and_deterministic((desired, stored, policy) in any_case(), selection in any_selection()) {
        let policy = Policy { selection, ..policy };
        let (one, other) = (plan::plan(&desired, &stored, &policy), plan::plan(&desired, &stored, &policy));
        prop_assert_eq!(render::text(&one, Style::Plain), render::text(&other, Style::Plain));
        prop_assert_eq!(plan::fingerprint(&one), plan::fingerprint(&other));
        prop_assert_eq!(&one.selection, &policy.selection);
        unmatched(&desired, &stored, &policy.selection);
    }

    #[test]
    fn a_repeated_plan_of_a_part_finds_nothing_to_do((desired, stored, policy) in any_case(), selection in any_selection()) {
        let policy = Policy { selection, ..policy };
        let first = plan::plan(&desired, &stored, &policy);
        let after = plan::model::apply_and_pass(&first, &stored);
        let second = plan::plan(&desired, &after, &policy);
        // Of what is blocked no test is planned; whatever blocked it is gone when the rest was forced upon the store.
        let blocked: BTreeSet<&Target> = first.blocked.iter().filter_map(|one| one.target.as_ref()).collect();
        let again: Vec<&Target> =
            second.steps.iter().map(|step| &step.target).filter(|target| !blocked.contains(target)).collect();
        prop_assert_eq!(again, Vec::<&Target>::new(), "{}", render::text(&second, Style::Plain));
    }

    #[test]
    fn what_was_not_chosen_is_never_touched((desired, stored, policy) in any_case(), selection in any_selection()) {
        let everything = Policy { selection: Selection::default(), ..policy.clone() };
        let policy = Policy { selection, ..policy };
        let plan = plan::plan(&desired, &stored, &policy);
        let whole: BTreeSet<Target> =
            plan::plan(&desired, &stored, &everything).steps.iter().map(|step| step.target.clone()).collect();
        let after = plan::model::apply(&plan, &stored);
        let touched: BTreeSet<&Target> = plan.steps.iter().map(|step| &step.target).collect();
        let rules = stored.organization.as_ref().map(|organization| &organization.approval);
        let has_other_rules = rules.is_some_and(|rules| *rules != desired.organization.value.approval);
        for step in plan.steps.iter().filter(|step| !whole.contains(&step.target)) {
            let is_judged = is_only_judged_anew(step, &policy.selection, has_other_rules);
            prop_assert!(is_judged, "{} is not in the whole plan", step.target);
        }
        for (name, mailbox) in &stored.mailboxes {
            let is_renamed = plan.steps.iter().any(|step| step.action == Action::Rename);
            if !touched.contains(&Target::Mailbox(name.clone())) && !is_renamed {
                prop_assert_eq!(Some(mailbox), after.mailboxes.get(name));
            }
        }
        if policy.selection == selection_of_mailboxes() {
            let others = plan.steps.iter().filter(|step| !matches!(step.target, Target::Mailbox(_)));
            for step in others {
                prop_assert!(included(&plan).contains(&step.target.to_string()), "{}", step.target);
            }
        }
    }

    #[test]
    fn a_part_leaves_a_consistent_state((desired, stored, policy) in valid_case(), selection in any_selection()) {
        let policy = Policy { selection, ..policy };
        let plan = plan::plan(&desired, &stored, &policy);
        prop_assume!(nothing_new(&plan) && is_consistent(&stored));
        prop_assert!(is_consistent(&plan::model::apply(&plan, &stored)), "{}", render::text(&plan, Style::Plain));
    }

    #[test]
    fn choosing_everything_is_the_whole_plan((desired, stored, policy) in any_case()) {
        let all = selection(&["organization", "kind:secret", "kind:profile", "kind:mailbox"], &[]);
        let part = plan::plan(&desired, &stored, &Policy { selection: all, ..policy.clone() });
        let whole = plan::plan(&desired, &stored, &policy);
        prop_assert_eq!(part.steps, whole.steps);
        prop_assert_eq!(part.blocked, whole.blocked);
    }
}

fn selection_of_mailboxes() -> Selection {
    selection(&["kind:mailbox"], &[])
}

#[test]
fn a_chosen_mailbox_brings_what_it_cannot_do_without_and_says_so() {
    let desired = small(&["anna", "ben"]);
    let plan = planned(&desired, &Stored::empty(), &["mailbox/anna"], &[]);
    assert_eq!(
        targets(&plan),
        ["organization", "secret/provider/shared", "profile/provider-pop", "mailbox/anna"]
    );
    let notes = notes(&plan);
    for words in [
        "profile/provider-pop: included: mailbox/anna needs it and it is not stored yet\n",
        "organization: included: ",
        "selection: left out: 1 to create, 0 to update, 0 to delete, 1 to test; plan without",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
    let again = planned(&desired, &settled(&small(&["anna"])), &["mailbox/ben"], &[]);
    assert_eq!(targets(&again), ["mailbox/ben"]);
}

#[test]
fn what_is_needed_and_excluded_blocks_the_plan() {
    let plan = planned(&small(&["anna"]), &Stored::empty(), &["mailbox/anna"], &["kind:profile"]);
    assert_eq!(plan.blocked.len(), 1);
    assert_eq!(plan.blocked[0].guard, None);
    assert_eq!(
        plan.blocked[0].message,
        "mailbox/anna needs profile/provider-pop, which is excluded and not stored yet"
    );
}

#[test]
fn without_the_organization_nothing_is_stored_for_the_first_time() {
    let desired = small(&["anna"]);
    let plan = planned(&desired, &Stored::empty(), &[], &["organization"]);
    let words = "nothing can be stored without the organization, which is excluded and not stored yet";
    let blocked: Vec<_> =
        plan.blocked.iter().map(|blocked| (blocked.message.as_str(), blocked.guard)).collect();
    assert_eq!(blocked, [(words, None)]);
    let plan = planned(&small(&["anna", "ben"]), &settled(&desired), &[], &["organization"]);
    assert!(plan.blocked.is_empty() && !plan.steps.is_empty());
}

#[test]
fn deletions_are_chosen_too_and_the_guards_count_what_remains() {
    let names: Vec<String> = (0..40).map(|n| format!("m{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stored = settled(&small(&names));
    let desired = small(&names[..20]);
    let whole = planned(&desired, &stored, &[], &[]);
    assert_eq!(whole.blocked[0].guard, Some(Guard::Deletions));
    let plan = planned(&desired, &stored, &["mailbox/m2*"], &["mailbox/m29"]);
    assert_eq!(plan.steps.len(), 9);
    assert!(plan.steps.iter().all(|step| step.action == Action::Delete) && plan.blocked.is_empty());
}

#[test]
fn a_profile_that_a_mailbox_left_out_still_uses_is_not_deleted() {
    let stored = settled(&small(&["anna"]));
    let mut desired = small(&[]);
    desired.profiles.clear();
    let plan = planned(&desired, &stored, &["kind:profile"], &[]);
    let blocked: Vec<_> = plan
        .blocked
        .iter()
        .filter(|one| one.guard.is_none())
        .map(|one| (one.message.as_str(), one.remedy.as_str(), one.origin.as_ref()))
        .collect();
    let words = "profile `provider-pop` cannot be deleted while mailbox/anna uses it, which is left out";
    // The manifest declares the mailbox no more: there is no place to point to.
    assert_eq!(blocked, [(words, "choose mailbox/anna too", None)]);
}

#[test]
fn a_secret_that_a_mailbox_left_out_still_uses_is_not_deleted_and_nobody_is_tested_for_it() {
    let stored = settled(&small(&["anna"]));
    let mut desired = small(&[]);
    desired.secrets.clear();
    let plan = planned(&desired, &stored, &["kind:secret"], &[]);
    let words = "secret `provider/shared` cannot be deleted while mailbox/anna uses it, which is left out";
    let about_anna: Vec<_> =
        plan.blocked.iter().filter(|one| one.target == Some(Target::Mailbox(name("anna")))).collect();
    assert_eq!(about_anna.len(), 1);
    assert_eq!((about_anna[0].message.as_str(), &about_anna[0].origin), (words, &None));
    assert_eq!(targets(&plan), ["secret/provider/shared"]);
}

#[test]
fn a_changed_profile_tests_the_mailboxes_that_were_not_chosen_too() {
    let stored = settled(&small(&["anna", "ben"]));
    let mut desired = small(&["anna", "ben"]);
    desired.profiles.insert(name("provider-pop"), declared(moved_profile(), 3));
    desired.mailboxes.get_mut(&name("ben")).unwrap().value.display_name = Some("Ben".to_owned());
    let plan = planned(&desired, &stored, &["profile/provider-pop"], &[]);
    let steps: Vec<(Action, String)> =
        plan.steps.iter().map(|step| (step.action, step.target.to_string())).collect();
    assert_eq!(
        steps,
        [
            (Action::Update, "profile/provider-pop".to_owned()),
            (Action::Retest, "mailbox/anna".to_owned()),
            (Action::Retest, "mailbox/ben".to_owned()),
        ]
    );
}

fn moved_profile() -> mailplumb::model::profile::Profile {
    let mut moved = pop("provider-pop");
    let mailplumb::model::profile::Server::Pop3Smtp(servers) = &mut moved.server else { unreachable!() };
    servers.incoming = endpoint("elsewhere.example");
    moved
}

#[test]
fn a_mailbox_that_failed_is_left_alone_when_another_is_chosen() {
    let desired = small(&["anna", "ben"]);
    let mut stored = settled(&desired);
    for operation in stored.mailboxes.get_mut(&name("ben")).unwrap().operations.values_mut() {
        operation.state = failed();
    }
    assert_eq!(targets(&planned(&desired, &stored, &[], &[])), ["mailbox/ben"]);
    assert!(planned(&desired, &stored, &["mailbox/anna"], &[]).steps.is_empty());
    assert!(planned(&desired, &stored, &["profile/provider-pop"], &[]).steps.is_empty());
}

#[test]
fn a_changed_approval_judges_the_mailboxes_as_they_are_stored() {
    let mut before = small(&["anna", "ben"]);
    for mailbox in before.mailboxes.values_mut() {
        mailbox.value.approved = None;
    }
    before.organization.value.approval.users = Requirement::NotRequired;
    let stored = settled(&before);
    // Ben's own approval would spare him what the organization's change brings; it is left out.
    let mut desired = small(&["anna", "ben"]);
    desired.mailboxes.get_mut(&name("anna")).unwrap().value.approved = None;
    let plan = planned(&desired, &stored, &["organization"], &[]);
    let steps: Vec<(Action, String)> =
        plan.steps.iter().map(|step| (step.action, step.target.to_string())).collect();
    assert_eq!(
        steps,
        [
            (Action::Update, "organization".to_owned()),
            (Action::Update, "mailbox/anna".to_owned()),
            (Action::Update, "mailbox/ben".to_owned()),
        ]
    );
    let after = plan::model::apply(&plan, &stored);
    assert_eq!(after.mailboxes[&name("ben")].declared.approved, None);
}

#[test]
fn an_address_that_moves_between_mailboxes_moves_whole_or_not_at_all() {
    let stored = settled(&small(&["anna", "ben"]));
    let mut desired = small(&["anna", "ben"]);
    let [anna, ben] = ["anna", "ben"].map(|who| desired.mailboxes[&name(who)].value.address.clone());
    desired.mailboxes.get_mut(&name("anna")).unwrap().value.address = ben;
    desired.mailboxes.get_mut(&name("ben")).unwrap().value.address = anna;
    let half = planned(&desired, &stored, &["mailbox/anna"], &[]);
    assert!(half.blocked[0].message.contains("is still the address of mailbox/ben, which is left out"));
    assert!(planned(&desired, &stored, &["mailbox/anna", "mailbox/ben"], &[]).blocked.is_empty());
}

#[test]
fn both_names_of_a_renamed_mailbox_choose_it() {
    let stored = settled(&small(&["anna"]));
    let mut desired = small(&["anne"]);
    desired.mailboxes.get_mut(&name("anne")).unwrap().value.lifecycle.previous_names = vec![name("anna")];
    for chosen in ["mailbox/anna", "mailbox/anne"] {
        let plan = planned(&desired, &stored, &[chosen], &[]);
        assert_eq!(plan.steps.iter().map(|step| step.action).collect::<Vec<_>>(), [Action::Rename]);
        assert!(planned(&desired, &stored, &[], &[chosen]).steps.is_empty());
    }
}

#[test]
fn a_selector_that_chooses_nothing_is_named_with_what_was_perhaps_meant() {
    let desired = small(&["anna"]);
    let wrong =
        selection(&["mailbox/ana", "anna@contosso.example", "label:team=x"], &["profile/provider-pop"]);
    let found = unmatched(&desired, &Stored::empty(), &wrong);
    let found: Vec<(String, Option<&str>)> =
        found.iter().map(|one| (one.selector.to_string(), one.nearest.as_deref())).collect();
    assert_eq!(found[0], ("mailbox/ana".to_owned(), Some("mailbox/anna")));
    assert_eq!(found.len(), 3, "{found:?}");
}
