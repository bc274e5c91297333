//! Which fields of something new only say what would hold anyway.
//!
//! A new organization has twenty settings of which a person wrote two: those two are worth reading.

use crate::model::limits;
use crate::model::organization::{AlertSettings, Guards, Retry, Tracking};
use crate::model::plan::{Action, FieldChange, Step, Target};

/// Whether this field of a new thing has its default.
pub(super) fn is_default(step: &Step, change: &FieldChange) -> bool {
    let (Action::Create, Some(after)) = (step.action, &change.after) else { return false };
    let known = match &step.target {
        Target::Organization => organization(&change.field),
        Target::Profile(_) => profile(&change.field),
        Target::Mailbox(_) => mailbox(&change.field),
        Target::Secret(_) => None,
    };
    known.is_some_and(|known| known == *after)
}

fn organization(field: &str) -> Option<String> {
    let (guards, retry, tracking) = (Guards::default(), Retry::default(), Tracking::default());
    let default = match field {
        "guards.deletions.count" => guards.deletions_count.to_string(),
        "guards.deletions.percent" => guards.deletions_percent.to_string(),
        "guards.updates.percent" => guards.updates_percent.to_string(),
        "guards.emptyManifest" | "guards.claimTakeOver" => "refuse".to_owned(),
        "retry.attempts" => retry.attempts.to_string(),
        "retry.attemptsPerMessage" => retry.attempts_per_message.to_string(),
        "retry.wait" => format!("{}m", retry.wait.as_secs() / 60),
        "alerts.keep" => format!("{}d", AlertSettings::default().keep.as_secs() / 86_400),
        "alerts.levels" => "[error, warning, information]".to_owned(),
        "approval.forward" | "approval.queues" | "approval.users" => "required".to_owned(),
        "approval.source" => "manifest".to_owned(),
        "tracking.attachments.sizeMax" => format!("{}KiB", tracking.attachment_bytes_max / 1024),
        "tracking.correlation" => tracking.correlation.to_string(),
        "tracking.internalMail" => "one-activity".to_owned(),
        "tracking.token.prefix" => tracking.token.map(|token| token.prefix)?,
        "tracking.unresolvedRecipients" => "refuse".to_owned(),
        _ => return None,
    };
    Some(default)
}

fn profile(field: &str) -> Option<String> {
    let last = field.rsplit('.').next().unwrap_or(field);
    let default = match last {
        "active" | "massFailure" => "true".to_owned(),
        "authentication" => "auto".to_owned(),
        "maxConcurrentConnections" => limits::CONNECTIONS_DEFAULT.to_string(),
        "minPollingInterval" => format!("{}m", limits::POLLING_INTERVAL_MINUTES_DEFAULT),
        _ => return None,
    };
    Some(default)
}

fn mailbox(field: &str) -> Option<String> {
    match field {
        "active" => Some("true".to_owned()),
        "appointmentsContactsTasks" => Some("none".to_owned()),
        _ => None,
    }
}
