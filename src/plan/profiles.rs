//! The steps of the organization and of the profiles.

use crate::model::desired::Declared;
use crate::model::name::Name;
use crate::model::plan::{Action, Consequence, Effect, Step, Target};
use crate::model::profile::Profile;

use super::mailboxes::Mailboxes;
use super::{Estate, REASON_CREATE, REASON_UPDATE, deletion, fields, hosts};

pub(super) fn organization_step(estate: &Estate<'_>, mailboxes: &Mailboxes) -> Option<Step> {
    let Declared { value, origin } = &estate.desired.organization;
    let before = estate.stored.organization.as_ref();
    let (action, reason) = match before {
        Some(before) if before == value => return None,
        Some(_) => (Action::Update, REASON_UPDATE),
        None => (Action::Create, REASON_CREATE),
    };
    Some(Step {
        action,
        target: Target::Organization,
        changes: fields::organization_changes(before, value),
        consequences: mailboxes.consequences_of(&Target::Organization),
        reason: reason.to_owned(),
        origin: Some(origin.clone()),
        effect: Effect::PutOrganization(Box::new(value.clone())),
    })
}

pub(super) fn puts(estate: &Estate<'_>, mailboxes: &Mailboxes) -> Vec<Step> {
    estate
        .desired
        .profiles
        .iter()
        .filter_map(|(name, declared)| put(estate, mailboxes, name, declared))
        .collect()
}

fn put(
    estate: &Estate<'_>,
    mailboxes: &Mailboxes,
    name: &Name,
    declared: &Declared<Profile>,
) -> Option<Step> {
    let before = estate.stored.profiles.get(name);
    let (action, reason) = match before {
        Some(before) if *before == declared.value => return None,
        Some(_) => (Action::Update, REASON_UPDATE),
        None => (Action::Create, REASON_CREATE),
    };
    let target = Target::Profile(name.clone());
    let mut consequences = mailboxes.consequences_of(&target);
    let known = before.map(|before| hosts::of(&before.server)).unwrap_or_default();
    let new = hosts::of(&declared.value.server).into_iter().filter(|host| !known.contains(host));
    consequences.extend(new.map(|host| Consequence::SharesMailWith { host }));
    if consequences.len() > 1 {
        consequences.retain(|consequence| *consequence != Consequence::NoEffectOnTraffic);
    }
    Some(Step {
        action,
        target,
        changes: fields::profile_changes(before, &declared.value),
        consequences,
        reason: reason.to_owned(),
        origin: Some(declared.origin.clone()),
        effect: Effect::PutProfile(Box::new(declared.value.clone())),
    })
}

pub(super) fn deletes(estate: &Estate<'_>) -> Vec<Step> {
    let gone = estate.stored.profiles.keys().filter(|name| !estate.desired.profiles.contains_key(*name));
    gone.map(|name| deletion(Target::Profile(name.clone()), Effect::DeleteProfile(name.clone()))).collect()
}
