//! The plan's values in words.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::model::operation::Operation;
use crate::model::plan::{Action, Blocked, Consequence, Guard};
use crate::model::problem::Origin;

pub(super) fn consequence(consequence: &Consequence, action: Action) -> String {
    match (consequence, action) {
        (Consequence::NoEffectOnTraffic, _) => "no effect on traffic".to_owned(),
        (Consequence::NeedsRetest(operations), Action::Create) => {
            format!("needs test: {}", list(operations))
        }
        (
            Consequence::NeedsRetest(operations),
            Action::Update | Action::Rename | Action::Delete | Action::Retest,
        ) => format!("needs re-test: {}", list(operations)),
        (Consequence::KeepsWorking(operations), _) => {
            format!("works on as before until the test passes: {}", list(operations))
        }
        (Consequence::NeedsReapproval, _) => "needs re-approval: the new address is not approved".to_owned(),
        (Consequence::ReplaysMail { from }, _) => format!("replays mail received since {from}"),
        (Consequence::StopsTraffic(operations), _) => format!("stops traffic: {}", list(operations)),
        (Consequence::RecordsNothing, _) => {
            "records nothing any more; what arrives meanwhile is not recorded later either".to_owned()
        }
        (Consequence::LeavesOutMail { before }, _) => format!("leaves out mail received before {before}"),
        (Consequence::RemovesMail, _) => "removes messages from the server once they are recorded".to_owned(),
        (Consequence::TakesOverClaim { from }, _) => format!("takes over the claim of `{from}`"),
        (Consequence::ForwardsMail { to }, _) => {
            format!("an inbox rule at the server forwards every message, as an attachment, to {to}")
        }
        (Consequence::RemovesRule { to }, _) => {
            format!("its test removes the inbox rule that forwards to {to}")
        }
        (Consequence::LeavesRule { to }, _) => format!(
            "the inbox rule that forwards to {to} stays in the mailbox; have it removed there, or before this plan declare \
             `incoming: server-side-sync`, whose test removes it"
        ),
        (Consequence::SharesMailWith { host }, _) => format!("shares mail data with {host}"),
    }
}

/// What stops or is lost, in few words; `None`: nothing.
pub fn loss(consequence: &Consequence) -> Option<&'static str> {
    match consequence {
        Consequence::StopsTraffic(_) => Some("traffic stops"),
        Consequence::RecordsNothing => Some("nothing is recorded any more"),
        Consequence::LeavesOutMail { .. } => Some("mail is left out"),
        Consequence::RemovesMail => Some("messages are removed from the server"),
        Consequence::NoEffectOnTraffic
        | Consequence::NeedsRetest(_)
        | Consequence::KeepsWorking(_)
        | Consequence::NeedsReapproval
        | Consequence::ReplaysMail { .. }
        | Consequence::TakesOverClaim { .. }
        | Consequence::ForwardsMail { .. }
        | Consequence::RemovesRule { .. }
        | Consequence::LeavesRule { .. }
        | Consequence::SharesMailWith { .. } => None,
    }
}

fn list(operations: &BTreeSet<Operation>) -> String {
    operations.iter().map(|operation| operation.key()).collect::<Vec<_>>().join(", ")
}

/// `mailboxes.yaml:12`
pub(super) fn place(origin: &Origin) -> String {
    format!("{}:{}", origin.file, origin.line)
}

/// What to type to go ahead nevertheless; `None`: nothing helps.
pub(super) fn override_flag(blocked: &Blocked) -> Option<String> {
    blocked.guard.map(|guard: Guard| format!("--override-guard {} --reason …", guard.key()))
}

/// Makes control characters, and those that reorder a line on the screen, visible.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(misleads) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if misleads(c) { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_cannot_paint_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(clean("Grüße 你好"), "Grüße 你好");
    }
}
