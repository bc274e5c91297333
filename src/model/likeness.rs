//! Which of the known names a person may have meant.

/// Below this, a suggestion would be a guess.
const NEAR: f64 = 0.6;

/// How like two names are, 0 to 1. What both have before their `/` says nothing: every mailbox is like `mailbox/x` there.
fn likeness(wanted: &str, known: &str) -> f64 {
    let (wanted, known) = match (wanted.split_once('/'), known.split_once('/')) {
        (Some((kind, wanted)), Some((same, known))) if kind.eq_ignore_ascii_case(same) => (wanted, known),
        _ => (wanted, known),
    };
    let longest = wanted.len().max(known.len());
    // So many letters too few or too many are enough to be far; it saves looking at most names.
    if wanted.len().abs_diff(known.len()) * 2 > longest {
        return 0.0;
    }
    strsim::normalized_damerau_levenshtein(&wanted.to_lowercase(), &known.to_lowercase())
}

/// The name that is most like what was written, if one is near. Of several the first in alphabetical order.
pub fn nearest<T: AsRef<str>>(wanted: &str, names: impl IntoIterator<Item = T>) -> Option<T> {
    let near = names.into_iter().map(|name| (likeness(wanted, name.as_ref()), name));
    let near = near.filter(|(likeness, _)| *likeness >= NEAR);
    let best =
        near.max_by(|(a, left), (b, right)| a.total_cmp(b).then_with(|| right.as_ref().cmp(left.as_ref())));
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        let names = ["mailbox/u9", "mailbox/anna", "profile/anna", "anna@a.example"];
        for (wanted, expected) in [
            ("mailbox/zz", None),
            ("mailbox/nope", None),
            ("mailbox/ana", Some("mailbox/anna")),
            ("mailbox/ANNA", Some("mailbox/anna")),
            ("profiles/anna", Some("profile/anna")),
            ("ana@a.example", Some("anna@a.example")),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, names), expected, "{wanted}");
        }
        assert_eq!(nearest("anna", ["hanna", "annb"]), Some("hanna"));
    }
}
