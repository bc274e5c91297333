//! Markdown for the comment of a change request.
//!
//! What the manifest says stands in a fenced block only, so that it can neither link, mention nor render anything.

use crate::model::plan::Plan;

use super::group::Summary;
use super::line;

/// GitHub takes comments of 65 536 characters; the rest is for what a caller puts around.
const CHARACTERS_MAX: usize = 60_000;

/// The plan as one heading and one block. Lines that do not fit are counted.
pub fn markdown(plan: &Plan) -> String {
    let heading = if plan.is_empty() { "no changes".to_owned() } else { Summary::of(plan).to_string() };
    let mut text = format!("### mailplumb plan: {heading}\n\n");
    if !plan.blocked.is_empty() {
        text.push_str("**Blocked.** The plan cannot be applied as it is; the reasons are below.\n\n");
    }
    let lines: Vec<String> = line::lines(plan).into_iter().map(|line| line.text).collect();
    let fence = fence(&lines);
    text.push_str(&format!("{fence}diff\n"));
    let mut left = CHARACTERS_MAX;
    let mut left_out = 0_usize;
    for line in &lines {
        let length = line.chars().count() + 1;
        if left_out > 0 || length > left {
            left_out += 1;
            continue;
        }
        left -= length;
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("{fence}\n"));
    if left_out > 0 {
        text.push_str(&format!("\n{left_out} further lines are left out here.\n"));
    }
    text
}

/// Longer than any run of backticks in what it encloses.
fn fence(lines: &[String]) -> String {
    let run = |line: &String| line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let longest = lines.iter().map(run).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}
