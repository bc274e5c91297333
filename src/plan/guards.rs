//! The safety rules that refuse a plan unless they are overridden by name.
//!
//! Their limits are those of the stored organization, so that one commit cannot loosen a guard and use that.

use crate::model::desired::DesiredNote;
use crate::model::name::Name;
use crate::model::organization::{GuardAction, Guards};
use crate::model::plan::{Action, Blocked, Consequence, Guard, Overridden, Step, Target};

use super::{Estate, notes};

/// Percentages count from so many stored profiles and mailboxes on: of a few, one is already a lot.
const PERCENT_STORED_MIN: usize = 10;

pub(super) struct Verdict {
    pub blocked: Vec<Blocked>,
    pub overridden: Vec<Overridden>,
    pub notes: Vec<DesiredNote>,
}

pub(super) fn check(estate: &Estate<'_>, steps: &[Step]) -> Verdict {
    let stored = estate.stored.organization.as_ref();
    let guards = stored.unwrap_or(&estate.desired.organization.value).guards;
    let mut found = Vec::new();
    found.extend(another_organization(estate));
    found.extend(empty_manifest(estate, guards));
    found.extend(deletions(estate, guards, steps));
    found.extend(updates(estate, guards, steps));
    found.extend(protected(estate, steps));
    found.extend(claims(guards, steps));
    let notes = notes::loosened(estate).into_iter().collect();
    let mut verdict = Verdict { blocked: Vec::new(), overridden: Vec::new(), notes };
    for (guard, blocked) in found {
        match estate.policy.overrides.get(&guard) {
            Some(reason) => {
                let message = blocked.message.clone();
                verdict.overridden.push(Overridden { guard, message, reason: reason.clone() });
                verdict.notes.push(overridden(guard, blocked, reason));
            }
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

/// A store serves one organization. Another name is nearly always the wrong store or the wrong manifest, and applying it
/// would replace everything.
fn another_organization(estate: &Estate<'_>) -> Option<Found> {
    let declared = &estate.scope.declared(estate.desired).organization;
    let stored = estate.stored.organization.as_ref().filter(|stored| stored.name != declared.value.name)?;
    let (guard, mut blocked) = found(
        Guard::Organization,
        format!(
            "this store is that of the organization `{}`, and the manifest declares `{}`",
            stored.name, declared.value.name
        ),
        "name the store of this organization with --state, or the manifest of that one with --file; override it only if the organization was renamed",
    );
    blocked.target = Some(Target::Organization);
    blocked.origin = Some(declared.origin.clone());
    Some((guard, blocked))
}

fn empty_manifest(estate: &Estate<'_>, guards: Guards) -> Option<Found> {
    let declared = estate.scope.declared(estate.desired);
    let is_empty = declared.profiles.len() + declared.mailboxes.len() + estate.rest.mailboxes == 0;
    let stored = stored_count(estate);
    match guards.empty_manifest {
        GuardAction::Refuse if is_empty && stored > 0 => Some(found(
            Guard::EmptyManifest,
            format!(
                "the manifest declares no profile and no mailbox, and {stored} are stored (guards.emptyManifest: refuse)"
            ),
            "check that the right directory was read",
        )),
        GuardAction::Refuse | GuardAction::Allow => None,
    }
}

fn deletions(estate: &Estate<'_>, guards: Guards, steps: &[Step]) -> Option<Found> {
    let is_deletion = |step: &&Step| is_profile_or_mailbox(step) && step.action == Action::Delete;
    let (deleted, stored) = (steps.iter().filter(is_deletion).count(), stored_count(estate));
    let (limit, setting) = if deleted > guards.deletions_count as usize {
        (format!("{}", guards.deletions_count), "guards.deletions.count")
    } else if exceeds_percent(deleted, stored, guards.deletions_percent) {
        (format!("{} %", guards.deletions_percent), "guards.deletions.percent")
    } else {
        return None;
    };
    Some(found(
        Guard::Deletions,
        format!(
            "deletes {} profiles and mailboxes; at most {limit} may be deleted at once ({setting})",
            share(deleted, stored)
        ),
        &format!(
            "check that nothing is missing from the manifest; delete in smaller parts, or raise {setting} in an apply before"
        ),
    ))
}

fn updates(estate: &Estate<'_>, guards: Guards, steps: &[Step]) -> Option<Found> {
    let (updated, stored) = (steps.iter().filter(is_guarded_update).count(), stored_count(estate));
    exceeds_percent(updated, stored, guards.updates_percent).then(|| {
        found(
            Guard::Updates,
            format!(
                "updates or switches off {} profiles and mailboxes; at most {} % may be updated at once (guards.updates.percent)",
                share(updated, stored),
                guards.updates_percent
            ),
            "check that the change is meant for all of them; change them in smaller parts, or raise guards.updates.percent in an apply before",
        )
    })
}

/// `16 of 50 (32 %) stored`
fn share(count: usize, stored: usize) -> String {
    format!("{count} of {stored} stored ({} %)", count * 100 / stored.max(1))
}

/// The stored protection counts, whatever the manifest says by now: lifting it is one apply, deleting is the next. The
/// profile of a protected mailbox goes only where the mailbox has gone.
fn protected(estate: &Estate<'_>, steps: &[Step]) -> Vec<Found> {
    let deleted: Vec<&Step> = steps.iter().filter(|step| step.action == Action::Delete).collect();
    deleted
        .iter()
        .filter_map(|step| match &step.target {
            Target::Mailbox(name) => protected_mailbox(estate, name, step),
            Target::Profile(name) => protected_profile(estate, name, &deleted, step),
            Target::Organization | Target::Secret(_) => None,
        })
        .collect()
}

fn protected_mailbox(estate: &Estate<'_>, name: &Name, step: &Step) -> Option<Found> {
    let stored = &estate.stored.mailboxes.get(name)?.declared;
    if !stored.lifecycle.prevent_destroy {
        return None;
    }
    let successor = estate.desired.mailboxes.values().find(|declared| {
        declared.value.address.same_as(&stored.address)
            && !estate.stored.mailboxes.contains_key(&declared.value.name)
    });
    let remedy = match successor {
        Some(declared) => format!(
            "if it is called `{0}` now, declare `lifecycle: {{ previousNames: [{name}] }}` on mailbox `{0}`",
            declared.value.name
        ),
        None => "declare it again; to delete it, apply `preventDestroy: false` first and remove it then"
            .to_owned(),
    };
    let message = format!("mailbox `{name}` is protected (lifecycle.preventDestroy) and would be deleted");
    Some(about(step, found(Guard::PreventDestroy, message, &remedy)))
}

fn protected_profile(estate: &Estate<'_>, name: &Name, deleted: &[&Step], step: &Step) -> Option<Found> {
    let (mailbox, _) = estate.stored.mailboxes.iter().find(|(mailbox, stored)| {
        stored.declared.lifecycle.prevent_destroy
            && stored.declared.profile.as_ref() == Some(name)
            && deleted.iter().any(|step| step.target == Target::Mailbox((*mailbox).clone()))
    })?;
    let message = format!("profile `{name}` serves the protected mailbox `{mailbox}` and would be deleted");
    Some(about(
        step,
        found(Guard::PreventDestroy, message, "declare both again, or lift the protection first"),
    ))
}

fn about(step: &Step, (guard, mut blocked): Found) -> Found {
    blocked.target = Some(step.target.clone());
    blocked.origin = step.origin.clone();
    (guard, blocked)
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
        | Consequence::KeepsWorking(_)
        | Consequence::NeedsReapproval
        | Consequence::ReplaysMail { .. }
        | Consequence::StopsTraffic(_)
        | Consequence::RecordsNothing
        | Consequence::LeavesOutMail { .. }
        | Consequence::RemovesMail
        | Consequence::ForwardsMail { .. }
        | Consequence::RemovesRule { .. }
        | Consequence::LeavesRule { .. }
        | Consequence::SharesMailWith { .. } => None,
    })
}

/// Profiles and mailboxes with a step of one of these actions.
fn is_profile_or_mailbox(step: &Step) -> bool {
    match step.target {
        Target::Profile(_) | Target::Mailbox(_) => true,
        Target::Organization | Target::Secret(_) => false,
    }
}

/// What changes itself, or is switched off by a change elsewhere. To drop a change that failed is no change.
fn is_guarded_update(step: &&Step) -> bool {
    let stops = step.consequences.iter().any(|one| matches!(one, Consequence::StopsTraffic(_)));
    let is_update = matches!(step.action, Action::Update | Action::Rename);
    is_profile_or_mailbox(step) && is_update && (!step.changes.is_empty() || stops)
}

fn stored_count(estate: &Estate<'_>) -> usize {
    estate.stored.profiles.len() + estate.stored.mailboxes.len() + estate.rest.mailboxes
}

fn exceeds_percent(count: usize, stored: usize, percent: u8) -> bool {
    stored >= PERCENT_STORED_MIN && count * 100 > stored * usize::from(percent)
}
