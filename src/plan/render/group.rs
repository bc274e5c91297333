//! The one walk over a plan: what is counted, and which steps say the same of several targets.

use std::borrow::Cow;
use std::collections::HashMap;

use super::line::Detail;
use crate::model::operation::Readiness;
use crate::model::plan::{Action, Effect, FieldChange, Plan, Step, Target};

/// The last line's figures.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Summary {
    /// Steps that create something.
    pub create: u64,
    /// Steps that update or rename something, or switch it without a test.
    pub update: u64,
    /// Steps that delete something.
    pub delete: u64,
    /// Mailboxes with an operation to be tested, new and changed ones among them.
    pub test: u64,
}

impl Summary {
    pub fn of(plan: &Plan) -> Self {
        Self::of_steps(plan.steps.iter())
    }

    pub fn of_steps<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Self {
        let mut summary = Self::default();
        for step in steps {
            summary.test += u64::from(has_test(step));
            match step.action {
                Action::Create => summary.create += 1,
                Action::Update | Action::Rename => summary.update += 1,
                Action::Delete => summary.delete += 1,
                Action::Retest => {}
            }
        }
        summary
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { create, update, delete, test } = self;
        write!(f, "{create} to create, {update} to update, {delete} to delete, {test} to test")
    }
}

fn has_test(step: &Step) -> bool {
    match &step.effect {
        Effect::PutMailbox(put) => put.operations.values().any(|operation| match operation.readiness {
            Readiness::NeedsTest | Readiness::StillPending => true,
            Readiness::Off(_) | Readiness::NoConnector | Readiness::Unchanged | Readiness::Proved => false,
        }),
        Effect::PutOrganization(_)
        | Effect::PutSecret { .. }
        | Effect::DeleteSecret(_)
        | Effect::PutProfile(_)
        | Effect::DeleteProfile(_)
        | Effect::DeleteMailbox(_) => false,
    }
}

/// Steps that say the same, in the order of execution; at least one.
pub(super) struct Group<'a> {
    pub first: &'a Step,
    pub others: Vec<&'a Step>,
}

impl<'a> Group<'a> {
    pub fn steps(&self) -> impl Iterator<Item = &'a Step> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    pub fn len(&self) -> usize {
        1 + self.others.len()
    }
}

pub(super) fn groups(plan: &Plan, detail: Detail) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut bytes = Vec::with_capacity(512);
    for step in plan.steps.iter() {
        bytes.clear();
        likeness(step, detail, &mut bytes);
        let at = known.get(bytes.as_slice()).copied();
        match at.and_then(|at| groups.get_mut(at)) {
            Some(group) => group.others.push(step),
            None => {
                known.insert(bytes.clone(), groups.len());
                groups.push(Group { first: step, others: Vec::new() });
            }
        }
    }
    groups
}

/// Writes what is equal for steps that read the same except for their target, and for no others.
fn likeness(step: &Step, detail: Detail, bytes: &mut Vec<u8>) {
    // A length before each text, so that no two of them run together.
    let mut write = |text: Option<&str>| {
        bytes.extend_from_slice(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
    };
    write(Some(kind(&step.target)));
    write(Some(&shared_reason(step)));
    let shown = match detail {
        Detail::Fields => step.changes.as_slice(),
        Detail::Concise => &[],
    };
    for change in shown {
        let (field, before, after) = like(step, change);
        [Some(field), before, after].into_iter().for_each(&mut write);
    }
    bytes.extend_from_slice(&(shown.len() as u64).to_le_bytes());
    serde_json::to_writer(&mut *bytes, &(step.action, &step.consequences)).expect("texts serialise");
}

fn like<'a>(step: &Step, change: &'a FieldChange) -> (&'a str, Option<&'a str>, Option<&'a str>) {
    let values = if is_its_own(step, change) {
        // Whether there is a value is not: to withdraw all approvals is something else than to change them.
        (change.before.as_deref().map(|_| ""), change.after.as_deref().map(|_| ""))
    } else {
        (change.before.as_deref(), change.after.as_deref())
    };
    (&change.field, values.0, values.1)
}

/// The reason as mailboxes share it that differ in their own key of a secret: most have the key of their own name.
pub(super) fn shared_reason(step: &Step) -> Cow<'_, str> {
    match &step.target {
        Target::Mailbox(name) if step.reason.contains('/') => {
            step.reason.replace(&format!("/{name}`"), &format!("/{OWN}`")).into()
        }
        Target::Organization | Target::Secret(_) | Target::Profile(_) | Target::Mailbox(_) => {
            step.reason.as_str().into()
        }
    }
}

/// Stands for what differs by its nature.
pub(super) const OWN: &str = "(each its own)";

/// Whether this field of a mailbox differs by its nature from that of the next one.
fn is_its_own(step: &Step, change: &FieldChange) -> bool {
    let is_declared =
        matches!(step.action, Action::Create | Action::Update) && kind(&step.target) == "mailbox";
    let last = change.field.rsplit('.').next().unwrap_or(&change.field);
    is_declared && matches!(last, "address" | "displayName" | "approved" | "username" | "password")
}

pub(super) fn kind(target: &Target) -> &'static str {
    match target {
        Target::Organization => "organization",
        Target::Secret(_) => "secret",
        Target::Profile(_) => "profile",
        Target::Mailbox(_) => "mailbox",
    }
}
