//! The plan as lines, before they are coloured or fenced.

use std::borrow::Cow;
use std::collections::HashMap;

use similar::{ChangeTag, TextDiff};

use crate::model::desired::DesiredNote;
use crate::model::plan::{Action, FieldChange, Plan, Step, Target};

use super::defaults;
use super::group::{self, Group, OWN, Summary};
use super::obstacle::{self, Obstacle};
use super::words::{self, clean};

/// Names of a group that are shown before the rest is only counted.
const NAMES_SHOWN: usize = 5;
/// The same of a group that is deleted, stopped or loses mail.
const DESTRUCTIVE_NAMES_SHOWN: usize = 500;
/// Names in a line of their own.
const NAMES_CHARACTERS_MAX: usize = 100;
/// A value above this length, or of several lines, is shown as what differs in it.
const INLINE_CHARACTERS_MAX: usize = 120;
/// Texts above this size are not compared line by line.
const DIFF_BYTES_MAX: usize = 16 * 1024;

/// How much is said of each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every field that changes.
    Fields,
    /// Why, and with which consequence.
    Concise,
}

/// What a line is about; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Create,
    Update,
    Delete,
    Test,
    Blocked,
    Plain,
}

pub(super) struct Line {
    pub tone: Tone,
    pub text: String,
}

fn line(tone: Tone, text: String) -> Line {
    Line { tone, text }
}

fn indented(text: impl AsRef<str>) -> Line {
    line(Tone::Plain, format!("    {}", text.as_ref()))
}

/// Steps, what blocks them, notes, and the sum.
pub(super) fn lines(plan: &Plan, detail: Detail) -> Vec<Line> {
    let mut lines = Vec::new();
    for group in group::groups(plan, detail) {
        group_lines(&group, detail, &mut lines);
    }
    for obstacle in obstacle::obstacles(&plan.blocked) {
        section(&mut lines);
        lines.extend(obstacle_lines(&obstacle));
    }
    if !plan.notes.is_empty() {
        section(&mut lines);
    }
    lines.extend(note_lines(&plan.notes));
    section(&mut lines);
    lines.extend(end(plan));
    lines
}

/// What the plan is limited to, and the sum.
pub(super) fn end(plan: &Plan) -> Vec<Line> {
    let mut lines = Vec::new();
    if !plan.selection.is_everything() {
        let selection = plan.selection.to_string();
        lines.push(line(Tone::Plain, format!("Limited to {}.", clean(&selection))));
    }
    lines.push(line(Tone::Plain, sum(plan)));
    lines
}

/// An empty line between what came before and what follows.
fn section(lines: &mut Vec<Line>) {
    if !lines.is_empty() {
        lines.push(line(Tone::Plain, String::new()));
    }
}

fn sum(plan: &Plan) -> String {
    match (plan.is_empty(), plan.blocked.len()) {
        (true, 0) if plan.selection.is_everything() => {
            "No changes. What is stored is what the manifest declares.".to_owned()
        }
        (true, 0) => "No changes. What is stored of this part is what the manifest declares.".to_owned(),
        (true, blocked) => format!("No changes. Blocked for {}.", reasons(blocked)),
        (false, 0) => format!("Plan: {}.", Summary::of(plan)),
        (false, blocked) => format!("Plan: {}. Blocked for {}.", Summary::of(plan), reasons(blocked)),
    }
}

fn reasons(count: usize) -> String {
    if count == 1 { "1 reason".to_owned() } else { format!("{count} reasons") }
}

/// A step, or several that say the same.
pub(super) fn group_lines(group: &Group<'_>, detail: Detail, lines: &mut Vec<Line>) {
    let step = group.first;
    let (sign, tone) = sign(step.action);
    let place = step.origin.as_ref().map(|origin| format!("  ({})", clean(&words::place(origin))));
    lines.push(line(tone, format!("{sign} {}{}", title(group), place.unwrap_or_default())));
    if is_destructive(step) {
        lines.extend(other_names(group));
    }
    match detail {
        Detail::Fields => field_lines(group, lines),
        Detail::Concise => {}
    }
    let is_shared = group.others.iter().all(|other| other.reason == step.reason);
    let reason = if is_shared { step.reason.as_str().into() } else { group::shared_reason(step) };
    lines.push(indented(format!("because: {}", clean(&reason))));
    for consequence in &step.consequences {
        lines.push(indented(format!("⇒ {}", clean(&words::consequence(consequence, step.action)))));
    }
}

fn field_lines(group: &Group<'_>, lines: &mut Vec<Line>) {
    let step = group.first;
    let mut defaults = 0_usize;
    for (nth, change) in step.changes.iter().enumerate() {
        if group.others.iter().any(|other| other.changes.get(nth) != Some(change)) {
            own_values(group, nth, change, lines);
        } else if defaults::is_default(step, change) {
            defaults += 1;
        } else {
            change_lines(change, step.action, lines);
        }
    }
    match defaults {
        0 => {}
        1 => lines.push(indented("(1 field has its default)")),
        _ => lines.push(indented(format!("({defaults} fields have their defaults)"))),
    }
}

/// A field of which the steps do not all say the same; of an update, with the values of those that the title names.
fn own_values(group: &Group<'_>, nth: usize, change: &FieldChange, lines: &mut Vec<Line>) {
    let field = clean(&change.field);
    match group.first.action {
        Action::Create | Action::Delete | Action::Rename | Action::Retest => {
            return lines.push(indented(format!("{field}: {OWN}")));
        }
        Action::Update => {}
    }
    let is_shared = |side: fn(&FieldChange) -> Option<&str>| {
        group.others.iter().all(|other| other.changes.get(nth).is_some_and(|it| side(it) == side(change)))
    };
    let shown = |side: fn(&FieldChange) -> Option<&str>| match is_shared(side) {
        true => value(side(change)),
        false => OWN.into(),
    };
    let [before, after] = [shown(|it| it.before.as_deref()), shown(|it| it.after.as_deref())];
    lines.push(indented(format!("{field}: {before} → {after}")));
    for step in group.steps().take(NAMES_SHOWN) {
        let Some(change) = step.changes.get(nth) else { continue };
        let [before, after] = [value(change.before.as_deref()), value(change.after.as_deref())];
        lines.push(indented(format!("  {}: {before} → {after}", clean(&name(&step.target)))));
    }
    if group.len() > NAMES_SHOWN {
        lines.push(indented(format!("  and {} more, which the JSON lists", group.len() - NAMES_SHOWN)));
    }
}

/// One side of a change, or that there is none.
fn value(side: Option<&str>) -> Cow<'_, str> {
    side.map_or("(none)".into(), clean)
}

fn sign(action: Action) -> (&'static str, Tone) {
    match action {
        Action::Create => ("+", Tone::Create),
        Action::Update | Action::Rename => ("~", Tone::Update),
        Action::Delete => ("-", Tone::Delete),
        Action::Retest => ("↻", Tone::Test),
    }
}

/// `mailbox/anna`, or `mailbox ×812: anna, ben, carl, dora, emil, …`
fn title(group: &Group<'_>) -> String {
    if group.len() == 1 {
        return clean(&group.first.target.to_string()).into_owned();
    }
    let names: Vec<String> =
        group.steps().take(NAMES_SHOWN).map(|step: &Step| clean(&name(&step.target)).into_owned()).collect();
    let rest = if group.len() > NAMES_SHOWN { ", …" } else { "" };
    format!("{} ×{}: {}{rest}", group::kind(&group.first.target), group.len(), names.join(", "))
}

/// Whether nobody should have to guess which targets are meant.
fn is_destructive(step: &Step) -> bool {
    let loses = |consequence| words::loss(consequence).is_some();
    step.action == Action::Delete || (step.action != Action::Create && step.consequences.iter().any(loses))
}

/// The names that the title has no room for.
fn other_names(group: &Group<'_>) -> Vec<Line> {
    let names: Vec<String> = group
        .steps()
        .skip(NAMES_SHOWN)
        .take(DESTRUCTIVE_NAMES_SHOWN - NAMES_SHOWN)
        .map(|step| clean(&name(&step.target)).into_owned())
        .collect();
    let mut lines = Vec::new();
    let mut text = String::new();
    for name in names {
        if !text.is_empty() && text.chars().count() + name.chars().count() > NAMES_CHARACTERS_MAX {
            lines.push(indented(format!("{text},")));
            text.clear();
        }
        text = if text.is_empty() { name } else { format!("{text}, {name}") };
    }
    let left = group.len().saturating_sub(DESTRUCTIVE_NAMES_SHOWN);
    if left > 0 {
        text.push_str(&format!(" and {left} more, which the JSON lists"));
    }
    if !text.is_empty() {
        lines.push(indented(text));
    }
    lines
}

fn name(target: &Target) -> String {
    match target {
        Target::Organization => "organization".to_owned(),
        Target::Secret(secret) => secret.to_string(),
        Target::Profile(name) | Target::Mailbox(name) => name.to_string(),
    }
}

fn change_lines(change: &FieldChange, action: Action, lines: &mut Vec<Line>) {
    let FieldChange { field, before, after } = change;
    let field = clean(field);
    match (action, before, after) {
        (_, Some(before), Some(after)) if is_long(before) || is_long(after) => {
            lines.push(indented(format!("{field}:")));
            diff_lines(before, after, lines);
        }
        (Action::Create, _, Some(after)) => lines.push(indented(format!("{field}: {}", clean(after)))),
        (
            Action::Create | Action::Update | Action::Rename | Action::Delete | Action::Retest,
            before,
            after,
        ) => {
            let [before, after] = [value(before.as_deref()), value(after.as_deref())];
            lines.push(indented(format!("{field}: {before} → {after}")));
        }
    }
}

fn is_long(text: &str) -> bool {
    text.contains('\n') || text.chars().nth(INLINE_CHARACTERS_MAX).is_some()
}

fn diff_lines(before: &str, after: &str, lines: &mut Vec<Line>) {
    if before.len().max(after.len()) > DIFF_BYTES_MAX {
        lines.push(indented(format!("  {} bytes → {} bytes", before.len(), after.len())));
        return;
    }
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let (sign, tone) = match change.tag() {
            ChangeTag::Equal => (' ', Tone::Plain),
            ChangeTag::Delete => ('-', Tone::Delete),
            ChangeTag::Insert => ('+', Tone::Create),
        };
        let text = change.value();
        let text = clean(text.strip_suffix('\n').unwrap_or(text));
        lines.push(line(tone, format!("      {sign} {text}").trim_end().to_owned()));
    }
}

/// What stands against the plan, and what to do.
pub(super) fn obstacle_lines(obstacle: &Obstacle<'_>) -> Vec<Line> {
    let blocked = obstacle.first;
    let guard = blocked.guard.map(|guard| format!(" by guard `{}`", guard.key())).unwrap_or_default();
    let place = blocked.origin.as_ref().map(|origin| format!("  ({})", clean(&words::place(origin))));
    let mut lines = vec![line(
        Tone::Blocked,
        format!("! blocked{guard}: {}{}", clean(&blocked.message), place.unwrap_or_default()),
    )];
    lines.extend(obstacle.also().map(|also| indented(format!("the same for {}", clean(&also)))));
    lines.push(indented(format!("do: {}", clean(&blocked.remedy))));
    lines.extend(words::override_flag(blocked).map(|flag| indented(format!("or: {flag}"))));
    lines
}

/// Notes that say the same of several things are one line, at the place of the first.
pub(super) fn note_lines(notes: &[DesiredNote]) -> Vec<Line> {
    let mut groups: Vec<(&DesiredNote, usize)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for note in notes {
        match known.get(note.message.as_str()).and_then(|at| groups.get_mut(*at)) {
            Some((_, count)) => *count += 1,
            None => {
                known.insert(&note.message, groups.len());
                groups.push((note, 1));
            }
        }
    }
    groups.into_iter().map(|(note, count)| note_line(note, count)).collect()
}

fn note_line(note: &DesiredNote, count: usize) -> Line {
    let place = note.origin.as_ref().map(|origin| format!("  ({})", clean(&words::place(origin))));
    let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let (subject, message) = (clean(&note.subject), clean(&note.message));
    line(Tone::Plain, format!("note: {subject}{others}: {message}{}", place.unwrap_or_default()))
}
