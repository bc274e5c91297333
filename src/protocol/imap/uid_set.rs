//! UIDs as IMAP sequence sets.

use std::collections::BTreeSet;

/// Command lines stay well below the 8192 octets that RFC 7162 section 4 lets a client expect.
const SET_BYTES_MAX: usize = 4000;

/// The UIDs as few short texts: ranges where they are adjacent (`3:5,9`), none longer than a command line takes. One
/// text for each command; no UIDs, no texts.
pub fn uid_sets(uids: &BTreeSet<u32>) -> Vec<String> {
    let mut sets: Vec<String> = Vec::new();
    for (first, last) in ranges(uids) {
        let text = if first == last { first.to_string() } else { format!("{first}:{last}") };
        match sets.last_mut() {
            Some(set) if set.len() + 1 + text.len() <= SET_BYTES_MAX => {
                set.push(',');
                set.push_str(&text);
            }
            Some(_) | None => sets.push(text),
        }
    }
    sets
}

fn ranges(uids: &BTreeSet<u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*uid) => *last = *uid,
            Some(_) | None => ranges.push((*uid, *uid)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_uids_become_ranges() {
        let uids = BTreeSet::from([9, 3, 5, 4, 11, 12, u32::MAX]);
        assert_eq!(uid_sets(&uids), ["3:5,9,11:12,4294967295"]);
        assert!(uid_sets(&BTreeSet::new()).is_empty());
    }

    #[test]
    fn a_set_is_cut_before_it_exceeds_a_line() {
        let uids: BTreeSet<u32> = (0..2000).map(|n| n * 2 + 1_000_000_000).collect();
        let sets = uid_sets(&uids);
        assert!(sets.len() > 1 && sets.iter().all(|set| set.len() <= SET_BYTES_MAX));
        assert_eq!(sets.iter().map(|set| set.split(',').count()).sum::<usize>(), 2000);
    }
}
