//! Asking before something is changed.

use std::io::IsTerminal;

use super::exit::{Failure, INTERRUPTED};
use super::output;
use crate::model::plan::{Action, Plan, Step};
use crate::plan::render::{self, Summary};

/// Whether questions may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// On a terminal.
    Terminal,
    /// `--input=false`
    Never,
}

/// Destructive steps that are repeated before the question.
const STEPS_REPEATED: usize = 10;

/// Asks; nothing is changed without a yes. The sum and whatever destroys or stops something are said again, because the
/// plan itself may have scrolled away.
pub fn confirm(plan: &Plan, input: Input) -> Result<(), Failure> {
    match input {
        Input::Never => {
            return Err(refusal("input is switched off (--input=false)"));
        }
        Input::Terminal => {}
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refusal("there is no terminal to ask on"));
    }
    let destructive = destructive(plan);
    for line in destructive.iter().take(STEPS_REPEATED) {
        output::talk(&format!("{}{line}{:#}", output::BAD, output::BAD));
    }
    if destructive.len() > STEPS_REPEATED {
        output::talk(&format!("… and {} more", destructive.len() - STEPS_REPEATED));
    }
    output::talk(&format!("{}.", Summary::of(plan)));
    let answer = dialoguer::Confirm::new().with_prompt("Apply this plan?").default(false).interact_opt();
    match answer {
        Ok(Some(true)) => Ok(()),
        // Escape answers nothing.
        Ok(Some(false) | None) => Err(Failure::new("not confirmed; nothing was changed")),
        Err(dialoguer::Error::IO(error)) if error.kind() == std::io::ErrorKind::Interrupted => {
            // The question hides it.
            output::show_cursor();
            Err(Failure::new("interrupted; nothing was changed").code(INTERRUPTED))
        }
        Err(error) => Err(Failure::new("the answer cannot be read; nothing was changed").cause(error)),
    }
}

fn refusal(message: &str) -> Failure {
    Failure::new(message)
        .hint("review the plan and apply it with --auto-approve, or save it with `mailplumb plan --out`")
}

/// What is deleted, what stops working and what mail is lost, in words.
fn destructive(plan: &Plan) -> Vec<String> {
    plan.steps.iter().flat_map(destructive_lines).collect()
}

fn destructive_lines(step: &Step) -> Vec<String> {
    let lost: Vec<&str> = step.consequences.iter().filter_map(render::loss).collect();
    match (step.action, lost.is_empty()) {
        (Action::Delete, true) => vec![format!("- {} is deleted", step.target)],
        (Action::Delete, false) => vec![format!("- {} is deleted, its traffic stops", step.target)],
        (Action::Create | Action::Update | Action::Rename | Action::Retest, _) => {
            lost.into_iter().map(|lost| format!("~ {}: {lost}", step.target)).collect()
        }
    }
}
