//! Planning a part: the plan of a state in which only what was chosen is as the manifest declares it, and everything
//! else is as it is stored. So every rule of a whole plan holds for a part of one, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::desired::{Declared, Desired, DesiredNote};
use crate::model::name::Name;
use crate::model::plan::{Action, Blocked, Plan, Policy, Step, Target};
use crate::model::problem::Origin;
use crate::model::secret::{SecretDigest, SecretRef};
use crate::model::stored::Stored;

use super::render::Summary;
use super::scope::Scope;
use super::selection::{self, Chosen};
use super::{Estate, references, rename, whole};

pub(super) fn plan(desired: &Desired, stored: &Stored, policy: &Policy) -> Plan {
    let everything = whole(&estate(desired, stored, policy));
    let renames = rename::find(&estate(desired, stored, policy));
    let mut chosen = selection::choose(desired, stored, &policy.selection, &renames.to);
    let included = include(desired, stored, &mut chosen);
    let mixed = mix(desired, stored, &chosen);
    let secrets = mixed_secrets(desired, stored, &chosen);
    let scope = Scope::Part { chosen: &chosen, declared: desired };
    let mut plan = whole(&Estate::new((&mixed, stored, policy), secrets, scope));
    for step in Arc::make_mut(&mut plan.steps) {
        // What only the store knows has no place in the manifest.
        if !scope.contains(&step.target) && !scope.leaves_out(&step.target) {
            step.origin = None;
        }
    }
    withdraw_tests_of_blocked(&mut plan, scope);
    plan.blocked.extend(address_twice(&mixed, &chosen));
    plan.blocked.extend(without_organization(&plan.steps, stored, &chosen));
    plan.notes.extend(included);
    plan.notes.extend(left_out(&everything, &plan));
    plan.selection = policy.selection.clone();
    plan
}

/// What is left out and would lose what it uses is blocked already; that it would be tested is no news then.
fn withdraw_tests_of_blocked(plan: &mut Plan, scope: Scope<'_>) {
    let blocked: BTreeSet<&Target> =
        plan.blocked.iter().filter(|one| one.guard.is_none()).filter_map(|one| one.target.as_ref()).collect();
    Arc::make_mut(&mut plan.steps)
        .retain(|step| scope.contains(&step.target) || !blocked.contains(&step.target));
}

/// The estate of a whole plan.
pub(super) fn estate<'a>(desired: &'a Desired, stored: &'a Stored, policy: &'a Policy) -> Estate<'a> {
    let secrets = desired.secrets.iter().map(|(name, sealed)| (name.clone(), sealed.value.digest()));
    Estate::new((desired, stored, policy), secrets.collect(), Scope::Whole)
}

/// Adds what the chosen cannot do without and what is not stored yet, and says so. What was excluded by name is not
/// added: then the plan is blocked.
fn include(desired: &Desired, stored: &Stored, chosen: &mut Chosen) -> Vec<DesiredNote> {
    let mut notes = Vec::new();
    let mut add = |target: Target, is_stored: bool, because: &Target, chosen: &mut Chosen| {
        if !is_stored && !chosen.excluded.contains(&target) && chosen.targets.insert(target.clone()) {
            notes.push(note(&target, format!("included: {because} needs it and it is not stored yet")));
        }
    };
    let declared_mailboxes: Vec<&Name> = desired
        .mailboxes
        .keys()
        .filter(|name| chosen.targets.contains(&Target::Mailbox((*name).clone())))
        .collect();
    for name in declared_mailboxes {
        let because = Target::Mailbox(name.clone());
        let Some(mailbox) = desired.mailboxes.get(name) else { continue };
        if let Some(profile) = mailbox.value.profile.as_ref().filter(|p| desired.profiles.contains_key(*p)) {
            let is_stored = stored.profiles.contains_key(profile);
            add(Target::Profile(profile.clone()), is_stored, &because, chosen);
        }
        if let Some(own) = &mailbox.value.credentials
            && desired.secrets.contains_key(&own.password)
        {
            let is_stored = stored.secrets.contains_key(&own.password);
            add(Target::Secret(own.password.clone()), is_stored, &because, chosen);
        }
    }
    let declared = desired.profiles.iter();
    let chosen_profiles: Vec<_> =
        declared.filter(|(name, _)| chosen.targets.contains(&Target::Profile((*name).clone()))).collect();
    for (name, profile) in chosen_profiles {
        for secret in references::secrets_of(&profile.value) {
            if desired.secrets.contains_key(secret) {
                let is_stored = stored.secrets.contains_key(secret);
                add(Target::Secret(secret.clone()), is_stored, &Target::Profile(name.clone()), chosen);
            }
        }
    }
    // Nothing can be stored without an organization.
    if !chosen.targets.is_empty() && stored.organization.is_none() {
        let first = chosen.targets.iter().next_back().cloned().unwrap_or(Target::Organization);
        add(Target::Organization, false, &first, chosen);
    }
    notes
}

/// What is stored, and the chosen part of it as it is declared.
fn mix(desired: &Desired, stored: &Stored, chosen: &Chosen) -> Desired {
    let somewhere = &desired.organization.origin;
    let organization = match (&stored.organization, chosen.targets.contains(&Target::Organization)) {
        (Some(stored), false) => declare(stored.clone(), somewhere),
        (Some(_), true) | (None, _) => desired.organization.clone(),
    };
    let stored_mailboxes: BTreeMap<&Name, _> =
        stored.mailboxes.iter().map(|(name, mailbox)| (name, &mailbox.declared)).collect();
    Desired {
        organization,
        profiles: mixed(
            &desired.profiles,
            &stored.profiles.iter().collect(),
            |name| chosen.targets.contains(&Target::Profile(name.clone())),
            somewhere,
        ),
        mailboxes: mixed(
            &desired.mailboxes,
            &stored_mailboxes,
            |name| chosen.targets.contains(&Target::Mailbox(name.clone())),
            somewhere,
        ),
        secrets: desired.secrets.clone(),
        bundles: desired.bundles.clone(),
        notes: desired.notes.iter().filter(|note| is_about(note, chosen)).cloned().collect(),
        digest: desired.digest.clone(),
    }
}

fn mixed<T: Clone>(
    declared: &BTreeMap<Name, Declared<T>>,
    stored: &BTreeMap<&Name, &T>,
    is_chosen: impl Fn(&Name) -> bool,
    somewhere: &Origin,
) -> BTreeMap<Name, Declared<T>> {
    let mut mixed: BTreeMap<Name, Declared<T>> = BTreeMap::new();
    for (name, value) in declared.iter().filter(|(name, _)| is_chosen(name)) {
        mixed.insert(name.clone(), value.clone());
    }
    for (name, value) in stored.iter().filter(|(name, _)| !is_chosen(name)) {
        let origin = declared.get(*name).map_or(somewhere, |declared| &declared.origin);
        mixed.insert((*name).clone(), declare((*value).clone(), origin));
    }
    mixed
}

fn declare<T>(value: T, origin: &Origin) -> Declared<T> {
    Declared { value, origin: origin.clone() }
}

fn mixed_secrets(desired: &Desired, stored: &Stored, chosen: &Chosen) -> BTreeMap<SecretRef, SecretDigest> {
    let is_chosen = |secret: &&SecretRef| chosen.targets.contains(&Target::Secret((*secret).clone()));
    let declared = desired.secrets.iter().filter(|(secret, _)| is_chosen(secret));
    let stored = stored.secrets.iter().filter(|(secret, _)| !is_chosen(secret));
    let declared = declared.map(|(secret, sealed)| (secret.clone(), sealed.value.digest()));
    declared.chain(stored.map(|(secret, digest)| (secret.clone(), digest.clone()))).collect()
}

/// Remarks about a thing that was left out would only distract.
fn is_about(note: &DesiredNote, chosen: &Chosen) -> bool {
    match note.subject.split_once('/') {
        Some(("mailbox", name)) => {
            Name::parse(name).is_ok_and(|name| chosen.targets.contains(&Target::Mailbox(name)))
        }
        Some(("profile", name)) => {
            Name::parse(name).is_ok_and(|name| chosen.targets.contains(&Target::Profile(name)))
        }
        Some(_) | None => true,
    }
}

/// An address that moves from one mailbox to another while only one of them is chosen.
fn address_twice(mixed: &Desired, chosen: &Chosen) -> Vec<Blocked> {
    let mut holders: BTreeMap<String, Vec<(&Name, &Origin)>> = BTreeMap::new();
    for (name, declared) in &mixed.mailboxes {
        holders.entry(declared.value.address.key()).or_default().push((name, &declared.origin));
    }
    let is_chosen = |name: &Name| chosen.targets.contains(&Target::Mailbox(name.clone()));
    let mut blocked = Vec::new();
    for (address, holders) in holders.iter().filter(|(_, holders)| holders.len() > 1) {
        let new = holders.iter().find(|(name, _)| is_chosen(name));
        let old = holders.iter().find(|(name, _)| !is_chosen(name));
        let (Some((new, origin)), Some((old, _))) = (new, old) else { continue };
        blocked.push(Blocked {
            guard: None,
            target: Some(Target::Mailbox((*new).clone())),
            message: format!("`{address}` is still the address of mailbox/{old}, which is left out"),
            remedy: format!("choose mailbox/{old} too"),
            origin: Some((*origin).clone()),
        });
    }
    blocked
}

/// The organization is excluded by name although there is none yet to store anything under.
fn without_organization(steps: &[Step], stored: &Stored, chosen: &Chosen) -> Option<Blocked> {
    let is_needed = stored.organization.is_none() && !steps.is_empty();
    (is_needed && chosen.excluded.contains(&Target::Organization)).then(|| Blocked {
        guard: None,
        target: Some(Target::Organization),
        message: "nothing can be stored without the organization, which is excluded and not stored yet"
            .to_owned(),
        remedy: "include it this once".to_owned(),
        origin: None,
    })
}

/// What the whole plan would do and this one does not.
fn left_out(everything: &Plan, part: &Plan) -> Option<DesiredNote> {
    let there: BTreeSet<(&Target, Action)> =
        part.steps.iter().map(|step| (&step.target, step.action)).collect();
    let missing: Vec<&Step> =
        everything.steps.iter().filter(|step| !there.contains(&(&step.target, step.action))).collect();
    let summary = Summary::of_steps(missing.iter().copied());
    (!missing.is_empty()).then(|| DesiredNote {
        subject: "selection".to_owned(),
        message: format!("left out: {summary}; plan without --target and --exclude to see it"),
        origin: None,
    })
}

fn note(target: &Target, message: String) -> DesiredNote {
    DesiredNote { subject: target.to_string(), message, origin: None }
}
