//! Saved plans and fingerprints.

use mailplumb::model::plan::Plan;
use mailplumb::model::stored::Stored;
use mailplumb::plan::saved::{self, Circumstances, SavedError};
use mailplumb::plan::snapshot::{self, SnapshotError};
use mailplumb::plan::{self, fingerprint, render};

use super::generate::*;

fn plan_of(names: &[&str]) -> Plan {
    plan::plan(&small(names), &Stored::empty(), &policy())
}

#[test]
fn a_saved_plan_comes_back_as_it_was() {
    let plan = plan_of(&["anna", "ben"]);
    assert_eq!(saved::parse(&saved::to_text(&plan, &Circumstances::default())).unwrap().0, plan);
}

#[test]
fn a_fingerprint_names_one_plan() {
    assert_eq!(fingerprint(&plan_of(&["anna"])), fingerprint(&plan_of(&["anna"])));
    assert_ne!(fingerprint(&plan_of(&["anna"])), fingerprint(&plan_of(&["ben"])));
}

#[test]
fn an_edited_plan_is_refused() {
    let text = saved::to_text(&plan_of(&["anna"]), &Circumstances::default())
        .replace("pop.provider.example", "pop.evil.example");
    let error = saved::parse(&text).unwrap_err();
    assert!(matches!(error, SavedError::Tampered { .. }), "{error}");
}

#[test]
fn a_plan_of_another_version_is_refused_before_its_shape_is_looked_at() {
    let text = r#"{ "formatVersion": 2, "everything": "else" }"#;
    let error = saved::parse(text).unwrap_err();
    assert_eq!(error.to_string(), "the saved plan has format 2 and this version reads format 1");
}

#[test]
fn what_is_no_plan_is_refused_with_its_place() {
    let text = saved::to_text(&plan_of(&["anna"]), &Circumstances::default());
    let cut = &text[..text.len() / 2];
    for bad in ["", "{}", "[]", "name: anna", cut, r#"{ "formatVersion": 1, "fingerprint": "", "plan": 1 }"#]
    {
        let error = saved::parse(bad).unwrap_err();
        assert!(matches!(error, SavedError::NotAPlan { .. }), "{error}");
        assert!(error.to_string().contains("line"), "{error}");
    }
}

#[test]
fn no_ciphertext_is_in_any_form_of_a_plan() {
    let mut desired = small(&["anna"]);
    desired.secrets.insert(secret("shared"), declared(sealed("a-very-sealed-text"), 1));
    let plan = plan::plan(&desired, &Stored::empty(), &policy());
    let forms = [
        saved::to_text(&plan, &Circumstances::default()),
        render::json(&plan),
        render::markdown(&plan),
        render::text(&plan, render::Style::Plain),
    ];
    for form in forms {
        assert!(!form.contains("a-very-sealed-text"));
    }
}

#[test]
fn the_json_form_is_what_its_schema_says() {
    let schema = serde_json::to_value(render::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let before = small(&["anna", "ben"]);
    let mut after = small(&["carl"]);
    after.notes.push(mailplumb::model::desired::DesiredNote {
        subject: "organization".to_owned(),
        message: "a note".to_owned(),
        origin: None,
    });
    after.mailboxes.values_mut().for_each(|m| m.value.lifecycle.previous_names = vec![name("anna")]);
    let mut stored = settled(&before);
    stored.organization.as_mut().unwrap().guards.deletions_count = 0;
    let plan = plan::plan(&after, &stored, &policy());
    assert!(!plan.blocked.is_empty() && !plan.notes.is_empty() && plan.steps.len() > 2);
    let value: serde_json::Value = serde_json::from_str(&render::json(&plan)).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(value["formatVersion"], "1.0");
}

#[test]
fn a_snapshot_comes_back_as_the_state_it_was_taken_of() {
    let stored = settled(&small(&["anna", "ben"]));
    assert_eq!(snapshot::parse(&snapshot::to_text(&stored)).unwrap(), stored);
    let error = snapshot::parse(r#"{ "formatVersion": 9 }"#).unwrap_err();
    assert!(error.to_string().contains("has format 9 and this version reads format 1"), "{error}");
    for bad in ["", "{}", "[]", r#"{ "formatVersion": 1, "stored": 1 }"#] {
        let error = snapshot::parse(bad).unwrap_err();
        assert!(matches!(error, SnapshotError::NotASnapshot { .. }), "{error}");
    }
}
