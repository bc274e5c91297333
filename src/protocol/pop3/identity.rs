//! Names for messages that outlive a session.
//!
//! The UIDL is the name, where the server gives each message its own. Where several messages share one, or where
//! there is none, the name is made of the message's header block: no message is mistaken for another that was seen
//! before. When a message changes from one kind of name to the other it is fetched once more, and recognised by its
//! content.

use std::collections::BTreeMap;

use super::listing::Entry;

/// The numbers of the messages whose UIDL does not name them: their header blocks are needed.
pub fn unnamed(entries: &[Entry]) -> Vec<u32> {
    let shared = uses(entries);
    let named =
        |entry: &&Entry| entry.uidl.as_ref().is_some_and(|uidl| shared.get(uidl.as_str()) == Some(&1));
    entries.iter().filter(|entry| !named(entry)).map(|entry| entry.number).collect()
}

/// BLAKE3 of a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderMark(blake3::Hash);

impl HeaderMark {
    pub fn of(block: &[u8]) -> Self {
        Self(blake3::hash(block))
    }
}

/// The name of every entry, in their order, all different. `headers` holds the marks of those that are [`unnamed`],
/// where the server has handed their headers out.
pub fn names(entries: &[Entry], headers: &BTreeMap<u32, HeaderMark>) -> Vec<String> {
    let shared = uses(entries);
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut names = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = match &entry.uidl {
            Some(uidl) if shared.get(uidl.as_str()) == Some(&1) => uidl.clone(),
            Some(uidl) => format!("{uidl}~{}", mark(entry, headers)),
            None => format!("top-{}", mark(entry, headers)),
        };
        let count = taken.entry(name.clone()).or_default();
        *count += 1;
        // Messages with the same headers are told apart by their order.
        names.push(if *count == 1 { name } else { format!("{name}~{count}") });
    }
    names
}

fn uses(entries: &[Entry]) -> BTreeMap<&str, u32> {
    let mut uses = BTreeMap::new();
    for uidl in entries.iter().filter_map(|entry| entry.uidl.as_deref()) {
        *uses.entry(uidl).or_default() += 1;
    }
    uses
}

/// Of the header block; of the size where the server does not hand the headers out.
fn mark(entry: &Entry, headers: &BTreeMap<u32, HeaderMark>) -> String {
    let mark = headers.get(&entry.number).copied();
    let HeaderMark(hash) = mark.unwrap_or_else(|| HeaderMark::of(format!("{:?}", entry.size).as_bytes()));
    hash.to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u32, uidl: Option<&str>) -> Entry {
        Entry { number, size: Some(100), uidl: uidl.map(str::to_owned) }
    }

    fn blocks(blocks: &[(u32, &'static str)]) -> BTreeMap<u32, HeaderMark> {
        blocks.iter().map(|(number, text)| (*number, HeaderMark::of(text.as_bytes()))).collect()
    }

    #[test]
    fn a_uidl_of_its_own_is_the_name() {
        let entries = [entry(1, Some("a")), entry(2, Some("b"))];
        assert!(unnamed(&entries).is_empty());
        assert_eq!(names(&entries, &BTreeMap::new()), ["a", "b"]);
    }

    #[test]
    fn messages_that_share_a_uidl_are_told_apart_by_their_headers() {
        let entries = [entry(1, Some("a")), entry(2, Some("x")), entry(3, Some("x"))];
        assert_eq!(unnamed(&entries), [2, 3]);
        let both = names(&entries, &blocks(&[(2, "Subject: 2"), (3, "Subject: 3")]));
        assert_eq!(both[0], "a");
        assert!(both[1].starts_with("x~") && both[2].starts_with("x~") && both[1] != both[2]);
        let swapped = [entry(1, Some("x")), entry(2, Some("x"))];
        let after = names(&swapped, &blocks(&[(1, "Subject: 3"), (2, "Subject: 2")]));
        assert_eq!(after, [both[2].clone(), both[1].clone()], "a name does not depend on the position");
    }

    #[test]
    fn one_that_is_left_of_a_shared_uidl_is_not_taken_for_the_other() {
        let entries = [entry(1, Some("x")), entry(2, Some("x"))];
        let before = names(&entries, &blocks(&[(1, "Subject: 1"), (2, "Subject: 2")]));
        let after = names(&[entry(1, Some("x"))], &BTreeMap::new());
        assert!(!before.contains(&after[0]), "it would count as dealt with");
    }

    #[test]
    fn without_uidl_the_headers_name_a_message() {
        let entries = [entry(1, None), entry(2, None)];
        assert_eq!(unnamed(&entries), [1, 2]);
        let found = names(&entries, &blocks(&[(1, "Subject: 1"), (2, "Subject: 1")]));
        assert!(found[0].starts_with("top-"));
        assert_eq!(found[1], format!("{}~2", found[0]), "the same headers twice");
    }
}
