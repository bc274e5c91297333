//! Which part of an estate a plan is about: what `--target` and `--exclude` say.

use serde::{Deserialize, Serialize};

use super::limits;

/// Nothing in either list: everything. Otherwise what some target chooses, without what some exclusion names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    pub targets: Vec<Selector>,
    pub excludes: Vec<Selector>,
}

impl Selection {
    pub fn is_everything(&self) -> bool {
        self.targets.is_empty() && self.excludes.is_empty()
    }
}

impl std::fmt::Display for Selection {
    /// `mailbox/anna, label:team=sales; without kind:profile`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |selectors: &[Selector]| {
            let shown =
                selectors.iter().take(SHOWN_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            match selectors.len().saturating_sub(SHOWN_MAX) {
                0 => shown,
                more => format!("{shown} and {more} more"),
            }
        };
        match (self.targets.is_empty(), self.excludes.is_empty()) {
            (true, true) => f.write_str("everything"),
            (false, true) => f.write_str(&list(&self.targets)),
            (true, false) => write!(f, "everything without {}", list(&self.excludes)),
            (false, false) => write!(f, "{}; without {}", list(&self.targets), list(&self.excludes)),
        }
    }
}

/// Selectors of a list that are shown before the rest is counted.
const SHOWN_MAX: usize = 8;

/// The kinds of things that a plan has steps for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    Organization,
    Secret,
    Profile,
    Mailbox,
}

impl TargetKind {
    pub const ALL: [Self; 4] = [Self::Organization, Self::Secret, Self::Profile, Self::Mailbox];

    pub fn key(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Secret => "secret",
            Self::Profile => "profile",
            Self::Mailbox => "mailbox",
        }
    }
}

/// One choice. Every name may hold `*` (any characters) and `?` (one character).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selector {
    /// `mailbox/anna`, `profile/hq-*`, `secret/provider/anna`, `secret/provider` (all its keys).
    Address(TargetKind, Pattern),
    Organization,
    /// `anna@contoso.example`, `*@contoso.example`: mailboxes by their mail address.
    Mail(Pattern),
    /// `label:team=sales`; `label:team` is any value.
    Label(String, Option<Pattern>),
    /// `kind:mailbox`
    Kind(TargetKind),
}

impl Selector {
    /// The error says which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > limits::SELECTOR_CHARACTERS_MAX {
            return Err(format!("it has more than {} characters", limits::SELECTOR_CHARACTERS_MAX));
        }
        if let Some(kind) = text.strip_prefix("kind:") {
            return kind_of(kind).map(Self::Kind);
        }
        if let Some(label) = text.strip_prefix("label:") {
            return match label.split_once('=') {
                Some((key, value)) if !key.is_empty() => {
                    Ok(Self::Label(key.to_owned(), Some(Pattern::new(value))))
                }
                None if !label.is_empty() => Ok(Self::Label(label.to_owned(), None)),
                Some(_) | None => Err("a label is chosen as `label:team=sales` or `label:team`".to_owned()),
            };
        }
        if text == TargetKind::Organization.key() {
            return Ok(Self::Organization);
        }
        match text.split_once('/') {
            Some((kind, name)) if !name.is_empty() => match kind_of(kind)? {
                TargetKind::Organization => Ok(Self::Organization),
                kind @ (TargetKind::Secret | TargetKind::Profile | TargetKind::Mailbox) => {
                    Ok(Self::Address(kind, Pattern::new(name)))
                }
            },
            None if text.contains('@') => Ok(Self::Mail(Pattern::new(&text.to_lowercase()))),
            Some(_) | None => Err(format!("`{text}` is none of {FORMS}")),
        }
    }
}

const FORMS: &str = "`mailbox/NAME`, `profile/NAME`, `secret/NAME[/KEY]`, `organization`, `user@domain`, `label:KEY[=VALUE]`, `kind:KIND`";

fn kind_of(text: &str) -> Result<TargetKind, String> {
    TargetKind::ALL.into_iter().find(|kind| kind.key() == text).ok_or_else(|| {
        let kinds = TargetKind::ALL.map(TargetKind::key).join(", ");
        format!("there is no kind `{text}`; the kinds are {kinds}")
    })
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(kind, name) => write!(f, "{}/{}", kind.key(), name.as_str()),
            Self::Organization => f.write_str("organization"),
            Self::Mail(address) => f.write_str(address.as_str()),
            Self::Label(key, Some(value)) => write!(f, "label:{key}={}", value.as_str()),
            Self::Label(key, None) => write!(f, "label:{key}"),
            Self::Kind(kind) => write!(f, "kind:{}", kind.key()),
        }
    }
}

impl TryFrom<String> for Selector {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

/// A text in which `*` stands for any characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for itself only.
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Takes time proportional to the product of both lengths at worst.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        let (mut p, mut t) = (0, 0);
        // Where to go on when the characters after the last `*` do not fit.
        let mut again: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    again = Some((p + 1, t));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == text[t] => {
                    p += 1;
                    t += 1;
                }
                Some(_) | None => match again {
                    Some((after, from)) => {
                        again = Some((after, from + 1));
                        p = after;
                        t = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_written_as_it_was_read() {
        for text in [
            "mailbox/anna",
            "profile/hq-*",
            "secret/provider/anna",
            "secret/provider",
            "organization",
            "*@contoso.example",
            "label:team=sales",
            "label:team",
            "kind:mailbox",
        ] {
            assert_eq!(Selector::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "anna", "mailbox/", "mailboxx/anna", "kind:", "kind:queue", "label:", "label:=x"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
        assert!(Selector::parse(&"a@".repeat(1000)).is_err());
    }

    #[test]
    fn a_pattern_matches_as_in_a_shell() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern).matches(text);
        for (pattern, text) in
            [("", ""), ("*", ""), ("a*", "a"), ("a*c", "abbc"), ("*b*b", "abab"), ("a?c", "aüc"), ("**", "x")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a*c", "abcd"), ("?", ""), ("a?", "a"), ("*b", "ba")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        // Not exponential.
        assert!(!matches(&"a*".repeat(100), &"a".repeat(99)));
    }
}
