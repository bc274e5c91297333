//! Names and addresses of mailboxes, each of which there is once.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::duplicate_name;
use crate::manifest::codes;
use crate::manifest::entries::Entry;
use crate::manifest::place::Place;
use crate::manifest::recall::Recall;
use crate::manifest::report::{Draft, Report};
use crate::model::name::{Address, Name};

/// The mailboxes. Those whose name an earlier one has are looked at like the others. Where a mailbox that is known without having been read is
/// part of a clash, reading everything tells which.
pub fn check(entries: Vec<Entry>, recall: &mut Recall<'_>, report: &mut Report<'_>) -> Vec<Entry> {
    if !may_clash(&entries, recall) {
        return entries;
    }
    if recall.known().next().is_some() {
        recall.doubt();
    }
    report_clashes(&entries, report);
    entries
}

/// Whether two mailboxes may have the same name or address, or a former name may be in use. Compares hashes, so it may be
/// mistaken, but never when it says no.
fn may_clash(entries: &[Entry], recall: &Recall<'_>) -> bool {
    let mut names: Vec<u64> = entries.iter().map(|entry| hashed(entry.name.value.as_str())).collect();
    let mut addresses: Vec<u64> = entries.iter().map(|entry| hashed_as_key(&entry.address.value)).collect();
    for known in recall.known() {
        names.push(hashed(known.name()));
        addresses.push(hashed(known.address()));
    }
    let former = entries.iter().flat_map(|entry| &entry.lifecycle.previous_names);
    names.extend(former.map(|name| hashed(name.value.as_str())));
    has_twice(names) || has_twice(addresses)
}

fn has_twice(mut hashes: Vec<u64>) -> bool {
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| pair.first() == pair.last())
}

/// The hash of what an address is compared by. Most are that already.
fn hashed_as_key(address: &Address) -> u64 {
    if address.is_key() { hashed(address.as_str()) } else { hashed(&address.key()) }
}

fn hashed(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Names and addresses that an earlier mailbox has; previous names that somebody else uses.
fn report_clashes(entries: &[Entry], report: &mut Report<'_>) {
    let mut names: BTreeMap<Name, Place> = BTreeMap::new();
    let mut addresses: BTreeMap<String, Place> = BTreeMap::new();
    for entry in entries {
        match names.get(&entry.name.value) {
            Some(first) => report.add(duplicate_name("mailbox", &entry.name, *first)),
            None => {
                names.insert(entry.name.value.clone(), entry.name.place);
            }
        }
        if let Some(first) = addresses.insert(entry.address.value.key(), entry.address.place) {
            let message = format!("another mailbox has the address `{}` already", entry.address.value);
            report.add(
                Draft::error(codes::DUPLICATE_ADDRESS, entry.address.place, message)
                    .related(first, "first here"),
            );
        }
    }
    let mut previous: BTreeMap<&Name, Place> = BTreeMap::new();
    for name in entries.iter().flat_map(|entry| &entry.lifecycle.previous_names) {
        let taken = names.get(&name.value).copied().or_else(|| previous.insert(&name.value, name.place));
        if let Some(taken) = taken {
            let message = format!("`{}` cannot be a previous name: it is in use", name.value);
            report.add(Draft::error(codes::PREVIOUS_NAME, name.place, message).related(taken, "here"));
        }
    }
}
