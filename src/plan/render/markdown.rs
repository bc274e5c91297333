//! Markdown for the comment of a change request.
//!
//! What the manifest says stands in fenced blocks only, so that it can neither link, mention nor render anything.

use crate::model::plan::{Action, Plan};

use super::group::{self, Group, Summary};
use super::line::{self, Detail, Line};
use super::obstacle;

/// GitHub takes comments of 65 536 characters; the rest is for what a caller puts around.
const CHARACTERS_MAX: usize = 60_000;
/// Kept for the heading, the sum and the words about what was left out.
const CHARACTERS_RESERVED: usize = 1_000;

/// The plan as one heading and one block. Where it does not fit, what blocks it and what it deletes come first, then as
/// many of the other steps as there is room for; the rest is counted.
pub fn markdown(plan: &Plan) -> String {
    markdown_in(plan, Detail::Fields)
}

/// [`markdown`], with as much of each step as is asked for.
pub fn markdown_in(plan: &Plan, detail: Detail) -> String {
    let heading = if plan.is_empty() { "no changes".to_owned() } else { Summary::of(plan).to_string() };
    let mut text = format!("### mailplumb plan: {heading}\n\n");
    if !plan.selection.is_everything() {
        text.push_str("Limited to a part of the manifest, see the last lines.\n\n");
    }
    if !plan.blocked.is_empty() {
        text.push_str("**Blocked.** The plan cannot be applied as it is; the reasons are below.\n\n");
    }
    let whole = texts(line::lines(plan, detail));
    let (lines, left_out) = match size(&whole) <= CHARACTERS_MAX {
        true => (whole, None),
        false => cut(plan, detail),
    };
    let fence = fence(&lines);
    text.push_str(&format!("{fence}diff\n"));
    for line in &lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("{fence}\n"));
    if let Some(left_out) = left_out {
        text.push_str(&format!("\nLeft out here for want of room: {left_out}.\n"));
    }
    text
}

/// As much as fits, and what does not, in words.
fn cut(plan: &Plan, detail: Detail) -> (Vec<String>, Option<String>) {
    let mut room = CHARACTERS_MAX - CHARACTERS_RESERVED;
    let mut lines = Vec::new();
    let mut put = |block: Vec<String>| {
        let fits = size(&block) <= room;
        if fits {
            room -= size(&block);
            lines.extend(block);
        }
        fits
    };
    let mut blocked_left = 0_usize;
    for obstacle in obstacle::obstacles(&plan.blocked) {
        blocked_left += usize::from(!put(texts(line::obstacle_lines(&obstacle))));
    }
    let groups = group::groups(plan, detail);
    let (deletions, others): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
        groups.iter().partition(|group| group.first.action == Action::Delete);
    let mut missing = Vec::new();
    for group in deletions.into_iter().chain(others) {
        let mut block = Vec::new();
        line::group_lines(group, detail, &mut block);
        if !put(texts(block)) {
            missing.extend(group.steps());
        }
    }
    let mut notes_left = 0_usize;
    for note in line::note_lines(&plan.notes) {
        notes_left += usize::from(!put(vec![note.text]));
    }
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(Summary::of_steps(missing).to_string());
    }
    for (count, what) in [(blocked_left, "blocking reasons"), (notes_left, "notes")] {
        if count > 0 {
            said.push(format!("{count} {what}"));
        }
    }
    lines.push(String::new());
    lines.extend(texts(line::end(plan)));
    (lines, (!said.is_empty()).then(|| said.join(", ")))
}

fn texts(lines: Vec<Line>) -> Vec<String> {
    lines.into_iter().map(|line| line.text).collect()
}

/// In characters, line ends included.
fn size(lines: &[String]) -> usize {
    lines.iter().map(|line| line.chars().count() + 1).sum()
}

/// Longer than any run of backticks in what it encloses.
fn fence(lines: &[String]) -> String {
    let run = |line: &String| line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let longest = lines.iter().map(run).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}
