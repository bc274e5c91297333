//! Which stored mailboxes go on under another name.

use std::collections::BTreeMap;

use crate::model::desired::DesiredNote;
use crate::model::name::Name;

use super::Estate;

/// What `lifecycle.previousNames` comes to.
pub(super) struct Renames<'a> {
    /// New name → stored name.
    pub to: BTreeMap<&'a Name, &'a Name>,
    /// Stored name → new name.
    pub from: BTreeMap<&'a Name, &'a Name>,
    /// Previous names that two mailboxes claim.
    pub conflicts: Vec<DesiredNote>,
}

/// A previous name counts while it is stored and no longer declared, and the new name is not stored yet. Of two
/// mailboxes with the same previous name the first by name gets it; the other one is told.
pub(super) fn find<'a>(estate: &Estate<'a>) -> Renames<'a> {
    let mut renames = Renames { to: BTreeMap::new(), from: BTreeMap::new(), conflicts: Vec::new() };
    for (name, declared) in &estate.desired.mailboxes {
        if estate.stored.mailboxes.contains_key(name) {
            continue;
        }
        for previous in &declared.value.lifecycle.previous_names {
            let stored = estate.stored.mailboxes.get_key_value(previous);
            let Some((previous, _)) = stored.filter(|_| !estate.desired.mailboxes.contains_key(previous))
            else {
                continue;
            };
            if let Some(taken_by) = renames.from.get(previous) {
                renames.conflicts.push(DesiredNote {
                    subject: format!("mailbox/{name}"),
                    message: format!("its previous name `{previous}` already goes on as `{taken_by}`"),
                    origin: Some(declared.origin.clone()),
                });
                continue;
            }
            renames.to.insert(name, previous);
            renames.from.insert(previous, name);
            break;
        }
    }
    renames
}
