//! What a changed ciphertext means, as far as it was compared.

use std::collections::BTreeMap;

use mailplumb::model::desired::Desired;
use mailplumb::model::operation::{Operation, Readiness};
use mailplumb::model::plan::{Consequence, Effect, Plan, Policy, Target};
use mailplumb::model::secret::{BundleDigest, Comparison, Sealed, SealedValue, Verdict};
use mailplumb::model::stored::Stored;
use mailplumb::plan::{self, model};

use super::generate::{declared, policy, sealed, secret, settled, small};

fn changed() -> (Desired, Stored) {
    let before = small(&["anna", "ben"]);
    let mut after = before.clone();
    after.secrets.insert(secret("shared"), declared(sealed("two"), 1));
    (after, settled(&before))
}

fn told(verdict: Verdict, before: &[&str]) -> Policy {
    let sealed_to_before = Some(before.iter().map(|name| (*name).to_owned()).collect());
    let compared = BTreeMap::from([(secret("shared"), Comparison { verdict, sealed_to_before })]);
    Policy { compared, ..policy() }
}

fn retests(plan: &Plan) -> usize {
    let needs = |effect: &Effect| match effect {
        Effect::PutMailbox(put) => {
            put.operations.values().filter(|it| it.readiness == Readiness::NeedsTest).count()
        }
        Effect::PutOrganization(_)
        | Effect::PutSecret { .. }
        | Effect::DeleteSecret(_)
        | Effect::PutProfile(_)
        | Effect::DeleteProfile(_)
        | Effect::DeleteMailbox(_) => 0,
    };
    plan.steps.iter().map(|step| needs(&step.effect)).sum()
}

#[test]
fn a_value_that_was_only_encrypted_again_tests_nothing() {
    let (after, stored) = changed();
    let same = plan::plan(&after, &stored, &told(Verdict::Same, &[]));
    assert_eq!((same.steps.len(), retests(&same)), (1, 0));
    assert_eq!(same.steps[0].target, Target::Secret(secret("shared")));
    assert_eq!(same.steps[0].reason, "re-encrypted, same value");
    assert_eq!(same.steps[0].consequences, [Consequence::NoEffectOnTraffic]);
    // Once it is applied nobody has to compare it again: without an identity there is nothing to do either.
    let after_it = model::apply(&same, &stored);
    assert!(plan::plan(&after, &after_it, &policy()).is_empty());
}

#[test]
fn a_value_that_changed_or_was_not_compared_is_tested() {
    let (after, stored) = changed();
    for (policy, reason) in [
        (told(Verdict::Different, &[]), "its value changed"),
        (told(Verdict::Unknown, &[]), "the ciphertext changed; its value was not compared"),
        (policy(), "the ciphertext changed; its value was not compared"),
    ] {
        let plan = plan::plan(&after, &stored, &policy);
        assert_eq!(plan.steps[0].reason, reason);
        assert!(retests(&plan) > 0, "{reason}");
    }
}

#[test]
fn other_recipients_are_told_whatever_the_value() {
    let (mut after, stored) = changed();
    let value = &mut after.secrets.get_mut(&secret("shared")).unwrap().value;
    value.sealed_to = vec!["ops".to_owned(), "ci".to_owned()];
    for (verdict, reason) in [
        (Verdict::Same, "re-encrypted for ci, ops instead of ops, same value"),
        (Verdict::Different, "its value changed; encrypted for ci, ops instead of ops"),
        (
            Verdict::Unknown,
            "the ciphertext changed, encrypted for ci, ops instead of ops; its value was not compared",
        ),
    ] {
        assert_eq!(plan::plan(&after, &stored, &told(verdict, &["ops"])).steps[0].reason, reason);
    }
    // The order of the names says nothing.
    assert_eq!(
        plan::plan(&after, &stored, &told(Verdict::Same, &["ci", "ops"])).steps[0].reason,
        "re-encrypted, same value"
    );
}

#[test]
fn a_later_change_of_a_re_encrypted_value_is_tested_and_blames_the_secret() {
    let (after, stored) = changed();
    let stored = model::apply(&plan::plan(&after, &stored, &told(Verdict::Same, &[])), &stored);
    let mut later = after.clone();
    later.secrets.insert(secret("shared"), declared(sealed("three"), 1));
    let plan = plan::plan(&later, &stored, &told(Verdict::Different, &[]));
    assert!(plan.steps.iter().any(|step| step.reason == "secret `provider/shared` changed"), "{plan:#?}");
    assert!(retests(&plan) > 0);
    let stored = model::apply_and_pass(&plan, &stored);
    assert!(plan::plan(&later, &stored, &policy()).is_empty());
}

#[test]
fn a_ciphertext_that_comes_back_is_the_one_that_was_proved() {
    let (after, before) = changed();
    let stored = model::apply(&plan::plan(&after, &before, &told(Verdict::Same, &[])), &before);
    let plan = plan::plan(&small(&["anna", "ben"]), &stored, &policy());
    assert_eq!((plan.steps.len(), retests(&plan)), (1, 0));
}

#[test]
fn a_bundle_that_changed_changes_each_of_its_values_unless_they_were_compared() {
    let value = |ciphertext: &str| SealedValue {
        sealed: Sealed::Bundle {
            file: "team.age".to_owned(),
            bundle: BundleDigest::of(ciphertext.as_bytes()),
            key: "shared".to_owned(),
        },
        sealed_to: Vec::new(),
        expires: None,
    };
    let mut before = small(&["anna"]);
    before.secrets.insert(secret("shared"), declared(value("one"), 1));
    let mut after = before.clone();
    after.secrets.insert(secret("shared"), declared(value("two"), 1));
    let stored = settled(&before);
    let plan = plan::plan(&after, &stored, &policy());
    assert_eq!(plan.steps[0].reason, "the bundle changed; its value was not compared");
    let both = || [Operation::Incoming, Operation::Outgoing].into();
    let expected = [Consequence::NeedsRetest(both()), Consequence::KeepsWorking(both())];
    assert_eq!(plan.steps[1].consequences, expected);
    assert_eq!(retests(&plan::plan(&after, &stored, &told(Verdict::Same, &[]))), 0);
}
