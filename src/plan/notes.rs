//! Differences that need no step, told once.

use std::collections::BTreeMap;

use crate::model::desired::DesiredNote;
use crate::model::organization::{GuardAction, Guards};
use crate::model::profile::ServerKind;

use super::{Estate, Untested};

pub(super) fn awaiting_connectors(awaiting: &BTreeMap<ServerKind, u64>) -> Vec<DesiredNote> {
    awaiting
        .iter()
        .map(|(kind, count)| DesiredNote {
            subject: "organization".to_owned(),
            message: match count {
                1 => format!("1 mailbox awaits a connector for {}", kind.key()),
                _ => format!("{count} mailboxes await a connector for {}", kind.key()),
            },
            origin: None,
        })
        .collect()
}

/// Tests that were left for later, or have not taken place yet. They are no part of what is declared.
pub(super) fn untested(untested: Untested) -> Option<DesiredNote> {
    let Untested { mailboxes, operations } = untested;
    let waiting = match (mailboxes, operations) {
        (0, _) => return None,
        (1, 1) => "1 operation of 1 mailbox waits".to_owned(),
        (1, _) => format!("{operations} operations of 1 mailbox wait"),
        _ => format!("{operations} operations of {mailboxes} mailboxes wait"),
    };
    Some(DesiredNote {
        subject: "tests".to_owned(),
        message: format!("{waiting} for a test; `mailplumb test` or `mailplumb watch` runs it"),
        origin: None,
    })
}

/// Guards that this plan loosens. They hold from the next plan on: the stored ones judge this one.
pub(super) fn loosened(estate: &Estate<'_>) -> Option<DesiredNote> {
    let before = estate.stored.organization.as_ref()?.guards;
    let declared = &estate.desired.organization;
    let loosened = loosened_fields(before, declared.value.guards);
    (!loosened.is_empty()).then(|| DesiredNote {
        subject: "organization".to_owned(),
        message: format!(
            "loosens its guards ({}); this plan is still judged by the stored ones",
            loosened.join(", ")
        ),
        origin: Some(declared.origin.clone()),
    })
}

fn loosened_fields(before: Guards, after: Guards) -> Vec<String> {
    let numbers = [
        ("guards.deletions.count", before.deletions_count, after.deletions_count),
        ("guards.deletions.percent", before.deletions_percent.into(), after.deletions_percent.into()),
        ("guards.updates.percent", before.updates_percent.into(), after.updates_percent.into()),
    ];
    let switches = [
        ("guards.emptyManifest", before.empty_manifest, after.empty_manifest),
        ("guards.claimTakeOver", before.claim_take_over, after.claim_take_over),
    ];
    let raised = numbers.into_iter().filter(|(_, before, after)| after > before);
    let allowed = switches
        .into_iter()
        .filter(|(_, before, after)| (*before, *after) == (GuardAction::Refuse, GuardAction::Allow));
    raised
        .map(|(field, before, after)| format!("{field} {before} → {after}"))
        .chain(allowed.map(|(field, _, _)| format!("{field} refuse → allow")))
        .collect()
}
