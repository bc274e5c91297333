//! The organization: the settings that hold for everything else.

use std::time::Duration;

use super::lines;
use crate::model::organization::{Approval, ApprovalSource, GuardAction, Organization, Requirement};

pub fn words(organization: &Organization) -> String {
    let Organization { approval, guards, retry, tracking, alerts, recipients, .. } = organization;
    let percent = |percent: u8| format!("{percent} %");
    let action = |action: GuardAction| match action {
        GuardAction::Refuse => "refused",
        GuardAction::Allow => "allowed",
    };
    let mut pairs = vec![
        ("approval", approval_words(approval)),
        (
            "guards",
            format!(
                "at most {} deletions or {}, updates {}; an empty manifest is {}, taking over a claim is {}",
                guards.deletions_count,
                percent(guards.deletions_percent),
                percent(guards.updates_percent),
                action(guards.empty_manifest),
                action(guards.claim_take_over)
            ),
        ),
        (
            "retries",
            format!(
                "{} times {}, {} times for each message",
                retry.attempts,
                span(retry.wait),
                retry.attempts_per_message
            ),
        ),
        ("alerts", format!("kept for {}", span(alerts.keep))),
    ];
    if let Some(token) = &tracking.token {
        pairs.push(("tracking", format!("by token {}", token.prefix)));
    }
    if let Some(profile) = &organization.defaults.profile {
        pairs.push(("profile", format!("{profile}, where a mailbox names none")));
    }
    for (name, recipient) in recipients {
        pairs.push(("recipient", format!("{name}: {recipient}")));
    }
    let name = organization.display_name.as_ref().unwrap_or(&organization.name.as_str().to_owned()).clone();
    format!("organization  {}\n{}", crate::cli::output::shown(&name), lines(&pairs))
}

fn approval_words(approval: &Approval) -> String {
    let source = match approval.source {
        ApprovalSource::Manifest => "in the manifest",
        ApprovalSource::Command => "by command",
    };
    let needed: Vec<&str> =
        [("users", approval.users), ("queues", approval.queues), ("forward mailboxes", approval.forward)]
            .into_iter()
            .filter(|(_, requirement)| *requirement == Requirement::Required)
            .map(|(who, _)| who)
            .collect();
    if needed.is_empty() { "not needed".to_owned() } else { format!("{source}, for {}", needed.join(", ")) }
}

/// In its largest exact unit: `30d`, `5m`.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let fitting = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}
