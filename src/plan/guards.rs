//! The safety rules that refuse a plan unless they are overridden by name.
//!
//! Their limits are those of the stored organization, so that one commit cannot loosen a guard and use that.

use crate::model::desired::DesiredNote;
use crate::model::organization::{GuardAction, Guards};
use crate::model::plan::{Action, Blocked, Consequence, Guard, Step, Target};

use super::{Estate, notes};

/// Percentages count from so many stored profiles and mailboxes on: of a few, one is already a lot.
const PERCENT_STORED_MIN: usize = 10;

pub(super) struct Verdict {
    pub blocked: Vec<Blocked>,
    pub notes: Vec<DesiredNote>,
}

pub(super) fn check(estate: &Estate<'_>, steps: &[Step]) -> Verdict {
    let stored = estate.stored.organization.as_ref();
    let guards = stored.unwrap_or(&estate.desired.organization.value).guards;
    let mut found = Vec::new();
    found.extend(empty_manifest(estate, guards));
    found.extend(deletions(estate, guards, steps));
    found.extend(updates(estate, guards, steps));
    found.extend(protected(estate, steps));
    found.extend(claims(guards, steps));
    let mut verdict = Verdict { blocked: Vec::new(), notes: notes::loosened(estate).into_iter().collect() };
    for (guard, blocked) in found {
        match estate.policy.overrides.get(&guard) {
            Some(reason) => verdict.notes.push(overridden(guard, blocked, reason)),
            None => verdict.blocked.push(blocked),
        }
    }
    verdict
}

type Found = (Guard, Blocked);

fn found(guard: Guard, message: String, remedy: &str) -> Found {
    let blocked =
        Blocked { guard: Some(guard), target: None, message, remedy: remedy.to_owned(), origin: None };
    (guard, blocked)
}

fn overridden(guard: Guard, blocked: Blocked, reason: &str) -> DesiredNote {
    DesiredNote {
        subject: blocked.target.map_or_else(|| "organization".to_owned(), |target| target.to_string()),
        message: format!("guard `{}` is overridden ({reason}): {}", guard.key(), blocked.message),
        origin: blocked.origin,
    }
}

fn empty_manifest(estate: &Estate<'_>, guards: Guards) -> Option<Found> {
    let is_empty = estate.desired.profiles.is_empty() && estate.desired.mailboxes.is_empty();
    let stored = stored_count(estate);
    match guards.empty_manifest {
        GuardAction::Refuse if is_empty && stored > 0 => Some(found(
            Guard::EmptyManifest,
            format!("the manifest declares no profile and no mailbox, and {stored} are stored"),
            "check that the right directory was read",
        )),
        GuardAction::Refuse | GuardAction::Allow => None,
    }
}

fn deletions(estate: &Estate<'_>, guards: Guards, steps: &[Step]) -> Option<Found> {
    let (deleted, stored) = (count(steps, &[Action::Delete]), stored_count(estate));
    let limit = if deleted > guards.deletions_count as usize {
        format!("at most {} may be deleted at once", guards.deletions_count)
    } else if exceeds_percent(deleted, stored, guards.deletions_percent) {
        format!("at most {} % may be deleted at once", guards.deletions_percent)
    } else {
        return None;
    };
    Some(found(
        Guard::Deletions,
        format!("deletes {deleted} of {stored} stored profiles and mailboxes; {limit}"),
        "check that nothing is missing from the manifest, or delete in smaller parts",
    ))
}

fn updates(estate: &Estate<'_>, guards: Guards, steps: &[Step]) -> Option<Found> {
    let (updated, stored) = (count(steps, &[Action::Update, Action::Rename]), stored_count(estate));
    exceeds_percent(updated, stored, guards.updates_percent).then(|| {
        found(
            Guard::Updates,
            format!(
                "updates {updated} of {stored} stored profiles and mailboxes; at most {} % may be updated at once",
                guards.updates_percent
            ),
            "check that the change is meant for all of them, or change them in smaller parts",
        )
    })
}

/// The stored protection counts: lifting it is one apply, deleting is the next.
fn protected(estate: &Estate<'_>, steps: &[Step]) -> Vec<Found> {
    let deleted = steps.iter().filter(|step| step.action == Action::Delete);
    deleted
        .filter_map(|step| {
            let Target::Mailbox(name) = &step.target else { return None };
            let stored = estate.stored.mailboxes.get(name)?;
            stored.declared.lifecycle.prevent_destroy.then(|| {
                let (guard, mut blocked) = found(
                    Guard::PreventDestroy,
                    format!("mailbox `{name}` is protected (lifecycle.preventDestroy) and would be deleted"),
                    "declare it again; to delete it, apply `preventDestroy: false` first and remove it then",
                );
                blocked.target = Some(step.target.clone());
                (guard, blocked)
            })
        })
        .collect()
}

fn claims(guards: Guards, steps: &[Step]) -> Vec<Found> {
    match guards.claim_take_over {
        GuardAction::Allow => Vec::new(),
        GuardAction::Refuse => steps.iter().filter_map(claim).collect(),
    }
}

fn claim(step: &Step) -> Option<Found> {
    step.consequences.iter().find_map(|consequence| match consequence {
        Consequence::TakesOverClaim { from } => {
            let (guard, mut blocked) = found(
                Guard::ClaimTakeOver,
                format!("{} would be taken over from `{from}`", step.target),
                "make sure that the other holder has let go of it",
            );
            blocked.target = Some(step.target.clone());
            blocked.origin = step.origin.clone();
            Some((guard, blocked))
        }
        Consequence::NoEffectOnTraffic
        | Consequence::NeedsRetest(_)
        | Consequence::NeedsReapproval
        | Consequence::ReplaysMail { .. }
        | Consequence::StopsTraffic(_)
        | Consequence::SharesMailWith { .. } => None,
    })
}

/// Profiles and mailboxes with a step of one of these actions.
fn count(steps: &[Step], actions: &[Action]) -> usize {
    let counts = |step: &&Step| match step.target {
        Target::Profile(_) | Target::Mailbox(_) => actions.contains(&step.action),
        Target::Organization | Target::Secret(_) => false,
    };
    steps.iter().filter(counts).count()
}

fn stored_count(estate: &Estate<'_>) -> usize {
    estate.stored.profiles.len() + estate.stored.mailboxes.len()
}

fn exceeds_percent(count: usize, stored: usize, percent: u8) -> bool {
    stored >= PERCENT_STORED_MIN && count * 100 > stored * usize::from(percent)
}
