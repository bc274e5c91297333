//! Sequence sets (RFC 3501 `sequence-set`): numbers, ranges, and `*` for the largest in use.

/// `None` is `*`.
type Bound = Option<u32>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SequenceSet(Vec<(Bound, Bound)>);

impl SequenceSet {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let range = |range: &str| match range.split_once(':') {
            Some((from, to)) => Some((bound(from)?, bound(to)?)),
            None => bound(range).map(|single| (single, single)),
        };
        text.split(',').map(range).collect::<Option<_>>().map(Self)
    }

    /// Whether a number is meant. `largest` is what `*` stands for; a range's ends may come in either order, so
    /// `9:*` means at least the largest, even when that is below 9.
    pub(super) fn contains(&self, number: u32, largest: u32) -> bool {
        self.0.iter().any(|(from, to)| {
            let (from, to) = (from.unwrap_or(largest), to.unwrap_or(largest));
            (from.min(to)..=from.max(to)).contains(&number)
        })
    }

    /// Whether all numbers exist, as message sequence numbers must.
    pub(super) fn is_within(&self, largest: u32) -> bool {
        let exists = |bound: &Bound| bound.unwrap_or(largest).max(1) <= largest;
        self.0.iter().all(|(from, to)| exists(from) && exists(to))
    }
}

fn bound(text: &str) -> Option<Bound> {
    if text == "*" {
        return Some(None);
    }
    let digits = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_the_largest_number_in_use() {
        let set = SequenceSet::parse("2,4:*").unwrap();
        let within = |largest| (1..=9).filter(|n| set.contains(*n, largest)).collect::<Vec<_>>();
        assert_eq!(within(6), [2, 4, 5, 6]);
        assert_eq!(within(3), [2, 3, 4]);
    }

    #[test]
    fn sequence_numbers_must_exist() {
        assert!(SequenceSet::parse("1:*").unwrap().is_within(3));
        assert!(!SequenceSet::parse("4").unwrap().is_within(3));
        assert!(!SequenceSet::parse("*").unwrap().is_within(0));
    }

    #[test]
    fn nonsense_is_no_sequence_set() {
        for text in ["", "0", "1,,2", "1:2:3", "01", ":", "1:", "99999999999"] {
            assert_eq!(SequenceSet::parse(text), None, "{text}");
        }
    }
}
