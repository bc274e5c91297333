//! Which stored mailboxes go on under another name.

use std::collections::BTreeMap;

use crate::model::desired::DesiredNote;
use crate::model::name::Name;
use crate::model::problem::Origin;

use super::Estate;

/// What `lifecycle.previousNames` comes to.
pub(super) struct Renames<'a> {
    /// New name → stored name.
    pub to: BTreeMap<&'a Name, &'a Name>,
    /// Stored name → new name.
    pub from: BTreeMap<&'a Name, &'a Name>,
    /// Previous names that cannot be followed.
    pub conflicts: Vec<DesiredNote>,
}

/// A previous name counts while it is stored and no longer declared, and the new name is not stored yet. Of two
/// mailboxes with the same previous name the first by name gets it; the other one is told. So is a mailbox that is
/// stored under both names: the one under the previous name is deleted.
pub(super) fn find<'a>(estate: &Estate<'a>) -> Renames<'a> {
    let mut renames = Renames { to: BTreeMap::new(), from: BTreeMap::new(), conflicts: Vec::new() };
    for (name, declared) in &estate.desired.mailboxes {
        if estate.stored.mailboxes.contains_key(name) {
            continue;
        }
        for previous in gone(estate, &declared.value.lifecycle.previous_names) {
            if let Some(taken_by) = renames.from.get(previous) {
                let message = format!("its previous name `{previous}` already goes on as `{taken_by}`");
                renames.conflicts.push(note(name, message, &declared.origin));
                continue;
            }
            renames.to.insert(name, previous);
            renames.from.insert(previous, name);
            break;
        }
    }
    renames.conflicts.extend(stored_twice(estate, &renames.from));
    renames
}

/// Those of the names that are stored and no longer declared, as the store has them.
fn gone<'a>(estate: &Estate<'a>, names: &[Name]) -> impl Iterator<Item = &'a Name> {
    let Estate { desired, stored, .. } = *estate;
    let undeclared = names.iter().filter(|name| !desired.mailboxes.contains_key(*name));
    undeclared.filter_map(|name| stored.mailboxes.get_key_value(name).map(|(name, _)| name))
}

fn stored_twice(estate: &Estate<'_>, from: &BTreeMap<&Name, &Name>) -> Vec<DesiredNote> {
    let mut notes = Vec::new();
    for (name, declared) in &estate.desired.mailboxes {
        if !estate.stored.mailboxes.contains_key(name) {
            continue;
        }
        let previous = gone(estate, &declared.value.lifecycle.previous_names);
        for previous in previous.filter(|previous| !from.contains_key(previous)) {
            let message = format!(
                "it is stored under this name and under its previous name `{previous}`, which is deleted"
            );
            notes.push(note(name, message, &declared.origin));
        }
    }
    notes
}

fn note(name: &Name, message: String, origin: &Origin) -> DesiredNote {
    DesiredNote { subject: format!("mailbox/{name}"), message, origin: Some(origin.clone()) }
}
