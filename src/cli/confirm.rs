//! Asking before something is changed.

use std::io::{self, IsTerminal};

use super::exit::Failure;
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
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
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
    match answer("Apply this plan?") {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new("not confirmed; nothing was changed")),
        Err(error) => Err(Failure::new("the answer cannot be read; nothing was changed").cause(error)),
    }
}

/// Asks on the terminal as it is: Ctrl-C ends the process, and Ctrl-D is a no.
fn answer(question: &str) -> io::Result<bool> {
    loop {
        output::fragment(&format!("{question} [y/N] "));
        let mut line = String::new();
        if io::stdin().read_line(&mut line)? == 0 {
            output::fragment("\n");
            return Ok(false);
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => output::talk("`y` for yes, `n` for no"),
        }
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
