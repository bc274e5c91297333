//! JSON for programs: one entry per step, in the order of execution, shaped so that rules written for other
//! planners carry over (`resource_changes[].change.actions`). Secret values are absent, not marked.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::desired::DesiredNote;
use crate::model::plan::{Action, Blocked, Consequence, Effect, Guard, Overridden, Plan, Step};
use crate::model::problem::Origin;
use crate::model::selection::{Selection, Selector};

use super::group::Summary;
use super::words;

const FORMAT_VERSION: &str = "1.0";

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
struct Document<'a> {
    /// `major.minor`: a reader rejects another major and ignores what a higher minor adds.
    #[serde(rename = "formatVersion")]
    format_version: &'static str,
    /// Names this very plan.
    fingerprint: String,
    /// The store's identity; null: there is none yet.
    store: Option<&'a str>,
    revision: u64,
    manifest: &'a str,
    /// The part of the manifest that it is limited to; null: all of it.
    selection: Option<Part>,
    /// Whether nothing stands against applying it.
    applicable: bool,
    summary: Summary,
    resource_changes: Vec<Resource<'a>>,
    blocked: Vec<Refusal<'a>>,
    /// Guards that refused and that were overridden.
    overridden: Vec<Override<'a>>,
    notes: Vec<Note<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Part {
    targets: Vec<String>,
    excludes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Override<'a> {
    guard: &'static str,
    message: &'a str,
    reason: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct Resource<'a> {
    /// `mailbox/anna`
    address: String,
    /// The address under which it is stored now, when that differs.
    previous_address: Option<String>,
    change: Change<'a>,
    action_reason: &'a str,
    consequences: Vec<Outcome>,
    source: Option<Source<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Outcome {
    /// Stable, for scripts: `stops-traffic`.
    kind: &'static str,
    operations: Vec<&'static str>,
    /// For people.
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct Change<'a> {
    actions: [&'static str; 1],
    fields: Vec<Field<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Field<'a> {
    field: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct Refusal<'a> {
    /// Null: no override helps.
    guard: Option<&'static str>,
    target: Option<String>,
    message: &'a str,
    remedy: &'a str,
    source: Option<Source<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Note<'a> {
    subject: &'a str,
    message: &'a str,
    source: Option<Source<'a>>,
}

/// Line and column count from 1.
#[derive(Serialize, JsonSchema)]
struct Source<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

/// The plan as one indented document, ending with a line end.
pub fn json(plan: &Plan) -> String {
    let document = Document {
        format_version: FORMAT_VERSION,
        fingerprint: crate::plan::fingerprint(plan),
        store: plan.store.as_ref().map(|store| store.0.as_str()),
        revision: plan.revision.0,
        manifest: &plan.manifest.0,
        selection: part(&plan.selection),
        applicable: plan.blocked.is_empty(),
        summary: Summary::of(plan),
        resource_changes: plan.steps.iter().map(resource).collect(),
        blocked: plan.blocked.iter().map(refusal).collect(),
        overridden: plan.overridden.iter().map(overridden).collect(),
        notes: plan.notes.iter().map(note).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("texts and numbers serialise");
    text.push('\n');
    text
}

/// The JSON Schema of [`json`].
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Document<'static>)
}

fn part(selection: &Selection) -> Option<Part> {
    let texts = |selectors: &[Selector]| selectors.iter().map(ToString::to_string).collect();
    (!selection.is_everything())
        .then(|| Part { targets: texts(&selection.targets), excludes: texts(&selection.excludes) })
}

fn overridden(overridden: &Overridden) -> Override<'_> {
    let Overridden { guard, message, reason } = overridden;
    Override { guard: guard.key(), message, reason }
}

fn resource(step: &Step) -> Resource<'_> {
    let action = match step.action {
        Action::Create => "create",
        Action::Update | Action::Rename => "update",
        Action::Delete => "delete",
        Action::Retest => "test",
    };
    let fields = step.changes.iter().map(|change| Field {
        field: &change.field,
        before: change.before.as_deref(),
        after: change.after.as_deref(),
    });
    let consequences = step.consequences.iter().map(|consequence| outcome(consequence, step.action));
    Resource {
        address: step.target.to_string(),
        previous_address: previous_address(&step.effect),
        change: Change { actions: [action], fields: fields.collect() },
        action_reason: &step.reason,
        consequences: consequences.collect(),
        source: step.origin.as_ref().map(source),
    }
}

fn outcome(consequence: &Consequence, action: Action) -> Outcome {
    let none = BTreeSet::new();
    let (kind, operations) = match consequence {
        Consequence::NoEffectOnTraffic => ("no-effect-on-traffic", &none),
        Consequence::NeedsRetest(operations) => ("needs-retest", operations),
        Consequence::KeepsWorking(operations) => ("keeps-working", operations),
        Consequence::NeedsReapproval => ("needs-reapproval", &none),
        Consequence::ReplaysMail { .. } => ("replays-mail", &none),
        Consequence::StopsTraffic(operations) => ("stops-traffic", operations),
        Consequence::RecordsNothing => ("records-nothing", &none),
        Consequence::LeavesOutMail { .. } => ("leaves-out-mail", &none),
        Consequence::RemovesMail => ("removes-mail", &none),
        Consequence::TakesOverClaim { .. } => ("takes-over-claim", &none),
        Consequence::ForwardsMail { .. } => ("forwards-mail", &none),
        Consequence::RemovesRule { .. } => ("removes-rule", &none),
        Consequence::LeavesRule { .. } => ("leaves-rule", &none),
        Consequence::SharesMailWith { .. } => ("shares-mail-with", &none),
    };
    let operations = operations.iter().map(|operation| operation.key()).collect();
    Outcome { kind, operations, text: words::consequence(consequence, action) }
}

fn previous_address(effect: &Effect) -> Option<String> {
    match effect {
        Effect::PutMailbox(put) => put.renamed_from.as_ref().map(|name| format!("mailbox/{name}")),
        Effect::PutOrganization(_)
        | Effect::PutSecret { .. }
        | Effect::DeleteSecret(_)
        | Effect::PutProfile(_)
        | Effect::DeleteProfile(_)
        | Effect::DeleteMailbox(_) => None,
    }
}

fn refusal(blocked: &Blocked) -> Refusal<'_> {
    Refusal {
        guard: blocked.guard.map(Guard::key),
        target: blocked.target.as_ref().map(ToString::to_string),
        message: &blocked.message,
        remedy: &blocked.remedy,
        source: blocked.origin.as_ref().map(source),
    }
}

fn note(note: &DesiredNote) -> Note<'_> {
    Note { subject: &note.subject, message: &note.message, source: note.origin.as_ref().map(source) }
}

fn source(origin: &Origin) -> Source<'_> {
    Source { file: &origin.file, line: origin.line, column: origin.column }
}
