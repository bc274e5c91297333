//! The guards' truth table.

use mailplumb::model::desired::Desired;
use mailplumb::model::mailbox::{Lifecycle, Mailbox};
use mailplumb::model::organization::{GuardAction, Guards, Organization, Requirement};
use mailplumb::model::plan::{Action, Guard, Plan};
use mailplumb::model::selection::Selector;
use mailplumb::model::stored::Stored;
use mailplumb::plan;
use mailplumb::plan::render::Summary;

use super::generate::*;

/// One profile and `count - 1` mailboxes `m000` …: `count` resources.
fn estate(count: usize, guards: Guards) -> Desired {
    let mailboxes = (1..count).map(|n| mailbox(&format!("m{n:03}"), Some("provider-pop")));
    let organization = Organization { guards, ..organization() };
    desired(organization, [(secret("shared"), sealed("one"))], [pop("provider-pop")], mailboxes)
}

fn without(mut desired: Desired, count: usize) -> Desired {
    for _ in 0..count {
        desired.mailboxes.pop_last();
    }
    desired
}

fn with_edited(mut desired: Desired, count: usize) -> Desired {
    for declared in desired.mailboxes.values_mut().take(count) {
        declared.value.display_name = Some("Edited".to_owned());
    }
    desired
}

fn edited(mut desired: Desired, edit: impl Fn(&mut Mailbox)) -> Desired {
    for declared in desired.mailboxes.values_mut() {
        edit(&mut declared.value);
    }
    desired
}

fn guards_of(plan: &Plan) -> Vec<Option<Guard>> {
    plan.blocked.iter().map(|blocked| blocked.guard).collect()
}

fn blocked(desired: &Desired, stored: &Stored) -> Vec<Option<Guard>> {
    guards_of(&plan::plan(desired, stored, &policy()))
}

fn limits(deletions_count: u32, deletions_percent: u8, updates_percent: u8) -> Guards {
    Guards { deletions_count, deletions_percent, updates_percent, ..Guards::default() }
}

#[test]
fn deletions_are_limited_by_count_and_from_ten_resources_on_by_percentage() {
    //          stored, deleted, count, percent → refused
    for (stored, deleted, count, percent, is_refused) in [
        (50, 0, 0, 0, false),
        (50, 1, 0, 100, true),
        (50, 10, 10, 30, false),
        (50, 11, 10, 30, true),
        (50, 16, 99, 30, true),
        (50, 15, 99, 30, false),
        (10, 3, 99, 30, false),
        (10, 4, 99, 30, true),
        (9, 8, 99, 30, false),
        (9, 8, 7, 30, true),
    ] {
        let before = estate(stored, limits(count, percent, 100));
        let expected = if is_refused { vec![Some(Guard::Deletions)] } else { vec![] };
        let found = blocked(&without(before.clone(), deleted), &settled(&before));
        assert_eq!(found, expected, "{deleted} of {stored}, limits {count} and {percent} %");
    }
}

#[test]
fn updates_are_limited_by_percentage_from_ten_resources_on() {
    for (stored, updated, percent, is_refused) in
        [(20, 0, 0, false), (20, 6, 30, false), (20, 7, 30, true), (9, 8, 30, false), (10, 1, 0, true)]
    {
        let before = estate(stored, limits(10, 30, percent));
        let expected = if is_refused { vec![Some(Guard::Updates)] } else { vec![] };
        let found = blocked(&with_edited(before.clone(), updated), &settled(&before));
        assert_eq!(found, expected, "{updated} of {stored}, limit {percent} %");
    }
}

/// One line elsewhere switches everybody off: it counts as if each mailbox had been changed.
#[test]
fn what_is_switched_off_by_a_change_elsewhere_counts_as_updated() {
    let mut before = edited(estate(20, limits(10, 30, 30)), |mailbox| mailbox.approved = None);
    before.organization.value.approval.users = Requirement::NotRequired;
    let mut unapproved = before.clone();
    unapproved.organization.value.approval.users = Requirement::Required;
    let mut inactive = before.clone();
    inactive.profiles.values_mut().for_each(|profile| profile.value.active = false);
    for after in [unapproved, inactive] {
        let plan = plan::plan(&after, &settled(&before), &policy());
        assert_eq!(guards_of(&plan), [Some(Guard::Updates)]);
        let switched = plan.steps.iter().filter(|step| step.action == Action::Update).count();
        assert!(switched == 20 && Summary::of(&plan).update == 20, "{switched}");
    }
}

#[test]
fn tests_again_are_no_updates() {
    let before = estate(20, limits(10, 30, 5));
    let mut after = before.clone();
    after.secrets.insert(secret("shared"), declared(sealed("two"), 1));
    let plan = plan::plan(&after, &settled(&before), &policy());
    assert_eq!(plan.steps.len(), 20, "the secret and each mailbox");
    assert_eq!(guards_of(&plan), vec![]);
}

#[test]
fn restoring_what_was_deleted_is_never_refused() {
    let all = estate(60, limits(0, 0, 0));
    assert_eq!(blocked(&all, &settled(&without(all.clone(), 58))), vec![]);
    assert_eq!(blocked(&all, &Stored::empty()), vec![]);
}

#[test]
fn an_emptied_manifest_is_refused_while_something_is_stored() {
    let before = estate(3, Guards::default());
    let empty = desired(organization(), [], [], []);
    assert_eq!(blocked(&empty, &settled(&before)), vec![Some(Guard::EmptyManifest)]);
    assert_eq!(blocked(&empty, &Stored::empty()), vec![]);
    let allowing = estate(3, Guards { empty_manifest: GuardAction::Allow, ..Guards::default() });
    assert_eq!(blocked(&empty, &settled(&allowing)), vec![]);
    assert_eq!(blocked(&without(before.clone(), 2), &settled(&before)), vec![], "the profile is left");
}

#[test]
fn a_protected_mailbox_is_not_deleted_and_lifting_its_protection_is_an_apply_of_its_own() {
    let protect = |mailbox: &mut Mailbox| mailbox.lifecycle.prevent_destroy = true;
    let protected = edited(small(&["anna"]), protect);
    let stored = settled(&protected);
    assert_eq!(blocked(&small(&[]), &stored), vec![Some(Guard::PreventDestroy)]);
    let lifted = small(&["anna"]);
    let plan = plan::plan(&lifted, &stored, &policy());
    assert_eq!(guards_of(&plan), vec![]);
    assert_eq!(blocked(&small(&[]), &plan::model::apply_and_pass(&plan, &stored)), vec![]);
}

#[test]
fn renaming_a_protected_mailbox_does_not_destroy_it() {
    let protected = edited(small(&["anna"]), |mailbox| mailbox.lifecycle.prevent_destroy = true);
    let renamed = edited(small(&["hanna"]), |mailbox| {
        mailbox.lifecycle = Lifecycle { prevent_destroy: true, previous_names: vec![name("anna")] };
    });
    assert_eq!(blocked(&renamed, &settled(&protected)), vec![]);
}

#[test]
fn a_claim_is_taken_over_only_where_that_is_allowed() {
    let before = small(&["anna"]);
    let taking = edited(before.clone(), |mailbox| mailbox.claim_take_over_from = Some("fabrikam".to_owned()));
    assert_eq!(blocked(&taking, &settled(&before)), vec![Some(Guard::ClaimTakeOver)]);
    assert_eq!(blocked(&taking, &settled(&taking)), vec![], "it has been taken over");
    let mut allowing = before;
    allowing.organization.value.guards.claim_take_over = GuardAction::Allow;
    assert_eq!(blocked(&taking, &settled(&allowing)), vec![]);
}

#[test]
fn one_commit_cannot_loosen_a_guard_and_use_that() {
    let before = estate(50, limits(5, 100, 100));
    let mut after = without(before.clone(), 20);
    after.organization.value.guards.deletions_count = 100;
    let plan = plan::plan(&after, &settled(&before), &policy());
    assert_eq!(guards_of(&plan), vec![Some(Guard::Deletions)]);
    let notes: Vec<&str> = plan.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(
        notes,
        ["loosens its guards (guards.deletions.count 5 → 100); this plan is still judged by the stored ones"]
    );
}

#[test]
fn an_overridden_guard_is_a_note_with_its_reason() {
    let before = estate(20, limits(5, 10, 100));
    let after = without(before.clone(), 9);
    let mut policy = policy();
    policy.overrides.insert(Guard::Deletions, "the branch office closes".to_owned());
    let plan = plan::plan(&after, &settled(&before), &policy);
    assert_eq!(guards_of(&plan), vec![]);
    assert_eq!(
        plan.notes[0].message,
        "guard `deletions` is overridden (the branch office closes): deletes 9 of 20 stored (45 %) \
         profiles and mailboxes; at most 5 may be deleted at once (guards.deletions.count)"
    );
}

#[test]
fn an_override_of_one_guard_leaves_the_others_in_force() {
    let before = estate(20, Guards::default());
    let empty = desired(organization(), [], [], []);
    let mut policy = policy();
    policy.overrides.insert(Guard::Deletions, "moving".to_owned());
    let plan = plan::plan(&empty, &settled(&before), &policy);
    assert_eq!(guards_of(&plan), vec![Some(Guard::EmptyManifest)]);
}

#[test]
fn a_store_of_another_organization_is_refused_also_for_a_part() {
    let before = small(&["anna"]);
    let mut after = before.clone();
    after.organization.value.name = name("fabrikam");
    assert_eq!(blocked(&after, &settled(&before)), vec![Some(Guard::Organization)]);
    assert_eq!(blocked(&after, &Stored::empty()), vec![]);
    let mut policy = policy();
    policy.selection.targets = vec![Selector::parse("mailbox/anna").unwrap()];
    assert_eq!(guards_of(&plan::plan(&after, &settled(&before), &policy)), vec![Some(Guard::Organization)]);
    policy.overrides.insert(Guard::Organization, "renamed".to_owned());
    assert_eq!(guards_of(&plan::plan(&after, &settled(&before), &policy)), vec![]);
}

#[test]
fn deleting_a_profile_in_use_is_refused_whatever_is_overridden() {
    let before = small(&["anna"]);
    let mut after = before.clone();
    after.profiles.clear();
    let mut policy = policy();
    policy.overrides.extend(Guard::ALL.map(|guard| (guard, "all of them".to_owned())));
    let plan = plan::plan(&after, &settled(&before), &policy);
    assert_eq!(guards_of(&plan), vec![None]);
    assert_eq!(
        plan.blocked[0].message,
        "profile `provider-pop` cannot be deleted while mailbox/anna uses it"
    );
}

#[test]
fn a_secret_that_is_not_declared_is_refused() {
    let mut after = small(&["anna"]);
    after.secrets.clear();
    let plan = plan::plan(&after, &Stored::empty(), &policy());
    assert_eq!(
        plan.blocked[0].message,
        "mailbox/anna refers to secret `provider/shared`, which is not declared"
    );
}

#[test]
fn creating_and_bringing_back_what_was_deleted_is_never_guarded() {
    let full = estate(60, limits(0, 0, 0));
    let stored = settled(&without(full.clone(), 50));
    assert_eq!(blocked(&full, &stored), vec![]);
}

#[test]
fn the_profile_of_a_protected_mailbox_is_protected_with_it() {
    let guards = limits(99, 100, 100);
    let before = edited(estate(3, guards), |mailbox| mailbox.lifecycle.prevent_destroy = true);
    let mut after = before.clone();
    after.mailboxes.clear();
    after.profiles.clear();
    let plan = plan::plan(&after, &settled(&before), &policy());
    let messages: Vec<&str> = plan.blocked.iter().map(|blocked| blocked.message.as_str()).collect();
    assert!(
        messages.iter().any(|m| m.starts_with("profile `provider-pop` serves the protected mailbox")),
        "{messages:?}"
    );
}

#[test]
fn a_protected_mailbox_under_another_name_is_told_how_to_keep_it() {
    let before = edited(estate(2, limits(99, 100, 100)), |mailbox| mailbox.lifecycle.prevent_destroy = true);
    let mut after = before.clone();
    let (_, mut renamed) = after.mailboxes.pop_last().unwrap();
    renamed.value.name = name("other");
    after.mailboxes.insert(name("other"), renamed);
    let plan = plan::plan(&after, &settled(&before), &policy());
    assert_eq!(guards_of(&plan), [Some(Guard::PreventDestroy)]);
    assert!(plan.blocked[0].remedy.contains("previousNames: [m001]"), "{}", plan.blocked[0].remedy);
}

#[test]
fn an_override_is_part_of_the_plan_with_its_reason() {
    let before = estate(20, limits(1, 100, 100));
    let overrides = [(Guard::Deletions, "the office closes".to_owned())].into();
    let policy = mailplumb::model::plan::Policy { overrides, ..policy() };
    let plan = plan::plan(&without(before.clone(), 5), &settled(&before), &policy);
    assert_eq!(plan.blocked, vec![]);
    let [overridden] = &plan.overridden[..] else { panic!("{:?}", plan.overridden) };
    assert_eq!((overridden.guard, overridden.reason.as_str()), (Guard::Deletions, "the office closes"));
    assert!(overridden.message.starts_with("deletes 5 of 20 stored (25 %)"), "{}", overridden.message);
}
