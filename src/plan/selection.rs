//! What a selection chooses among the things that are declared or stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::desired::Desired;
use crate::model::likeness;
use crate::model::mailbox::Mailbox;
use crate::model::name::{Labels, Name};
use crate::model::plan::Target;
use crate::model::selection::{Selection, Selector, TargetKind};
use crate::model::stored::Stored;

/// The chosen targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub targets: BTreeSet<Target>,
    /// Named by an exclusion: not even added when something chosen needs it.
    pub excluded: BTreeSet<Target>,
}

/// A selector that chooses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    pub selector: Selector,
    /// The address that was perhaps meant.
    pub nearest: Option<String>,
}

/// The selectors that match nothing that is declared or stored. A misspelt one would silently limit a plan to nothing.
pub fn unmatched(desired: &Desired, stored: &Stored, selection: &Selection) -> Vec<Unmatched> {
    let selectors = || selection.targets.iter().chain(&selection.excludes);
    if selectors().next().is_none() {
        return Vec::new();
    }
    let things = Things::of(desired, stored);
    // Those that name one thing are looked up; only the patterns are compared with everything.
    let index = things.index();
    let mut unmatched = Vec::new();
    for selector in selectors() {
        let is_matched = match literal(selector) {
            Some(text) => index.contains(&text),
            None => things.any(&Matcher::new([selector])),
        };
        if !is_matched {
            let nearest = things.nearest(&selector.to_string());
            unmatched.push(Unmatched { selector: selector.clone(), nearest });
        }
    }
    unmatched
}

/// `mailbox/anna` of a selector that names one thing.
fn literal(selector: &Selector) -> Option<String> {
    match selector {
        Selector::Address(TargetKind::Profile | TargetKind::Mailbox, name) if name.is_literal() => {
            Some(selector.to_string())
        }
        Selector::Mail(address) if address.is_literal() => Some(address.as_str().to_owned()),
        Selector::Address(..)
        | Selector::Mail(_)
        | Selector::Organization
        | Selector::Label(..)
        | Selector::Kind(_) => None,
    }
}

/// `renames`: new name → stored name. Both names of a mailbox are chosen together, or neither.
pub(super) fn choose(
    desired: &Desired,
    stored: &Stored,
    selection: &Selection,
    renames: &BTreeMap<&Name, &Name>,
) -> Chosen {
    let (targets, excludes) = (Matcher::new(&selection.targets), Matcher::new(&selection.excludes));
    let mut wanted = BTreeSet::new();
    let mut excluded = BTreeSet::new();
    for thing in &Things::of(desired, stored).0 {
        if selection.targets.is_empty() || targets.matches(thing) {
            wanted.insert(thing.target.clone());
        }
        if excludes.matches(thing) {
            excluded.insert(thing.target.clone());
        }
    }
    for (new, old) in renames {
        for set in [&mut wanted, &mut excluded] {
            let both = [Target::Mailbox((*new).clone()), Target::Mailbox((*old).clone())];
            if both.iter().any(|name| set.contains(name)) {
                set.extend(both);
            }
        }
    }
    let targets = wanted.into_iter().filter(|target| !excluded.contains(target)).collect();
    Chosen { targets, excluded }
}

/// Something that can be chosen, with what it is chosen by. A thing that is both declared and stored is here twice.
struct Thing<'a> {
    target: Target,
    /// What stands behind the kind: `anna`, `provider/anna`.
    name: String,
    labels: Option<&'a Labels>,
    /// In lower case.
    mail: Option<String>,
}

struct Things<'a>(Vec<Thing<'a>>);

impl<'a> Things<'a> {
    fn of(desired: &'a Desired, stored: &'a Stored) -> Self {
        let plain = |target: Target, name: String, labels| Thing { target, name, labels, mail: None };
        let mailbox = |name: &Name, mailbox: &'a Mailbox| Thing {
            target: Target::Mailbox(name.clone()),
            name: name.to_string(),
            labels: Some(&mailbox.labels),
            mail: Some(mailbox.address.key()),
        };
        let mut things = vec![plain(Target::Organization, String::new(), None)];
        for secret in desired.secrets.keys().chain(stored.secrets.keys()) {
            things.push(plain(Target::Secret(secret.clone()), secret.to_string(), None));
        }
        let declared = desired.profiles.iter().map(|(name, declared)| (name, &declared.value));
        for (name, profile) in declared.chain(&stored.profiles) {
            things.push(plain(Target::Profile(name.clone()), name.to_string(), Some(&profile.labels)));
        }
        let declared = desired.mailboxes.iter().map(|(name, declared)| mailbox(name, &declared.value));
        things.extend(declared);
        things.extend(stored.mailboxes.iter().map(|(name, stored)| mailbox(name, &stored.declared)));
        Self(things)
    }

    fn any(&self, matcher: &Matcher<'_>) -> bool {
        self.0.iter().any(|thing| matcher.matches(thing))
    }

    /// Every address and mail address.
    fn index(&self) -> BTreeSet<String> {
        let addresses = self.0.iter().map(|thing| thing.target.to_string());
        addresses.chain(self.0.iter().filter_map(|thing| thing.mail.clone())).collect()
    }

    fn nearest(&self, wanted: &str) -> Option<String> {
        let texts = self.0.iter().flat_map(|thing| [Some(thing.target.to_string()), thing.mail.clone()]);
        let labels = self.0.iter().filter_map(|thing| thing.labels);
        let labels = labels.flatten().map(|(key, value)| format!("label:{key}={value}"));
        likeness::nearest(wanted, texts.flatten().chain(labels))
    }
}

/// Selectors, so arranged that thousands that name one thing each cost no more than one.
struct Matcher<'a> {
    literals: BTreeSet<String>,
    others: Vec<&'a Selector>,
}

impl<'a> Matcher<'a> {
    fn new(selectors: impl IntoIterator<Item = &'a Selector>) -> Self {
        let mut matcher = Self { literals: BTreeSet::new(), others: Vec::new() };
        for selector in selectors {
            match literal(selector) {
                Some(text) => {
                    matcher.literals.insert(text);
                }
                None => matcher.others.push(selector),
            }
        }
        matcher
    }

    fn matches(&self, thing: &Thing<'_>) -> bool {
        (!self.literals.is_empty() && self.names(thing))
            || self.others.iter().any(|selector| matches(selector, thing))
    }

    fn names(&self, thing: &Thing<'_>) -> bool {
        let by_mail = thing.mail.as_ref().is_some_and(|mail| self.literals.contains(mail));
        by_mail || self.literals.contains(&thing.target.to_string())
    }
}

fn matches(selector: &Selector, thing: &Thing<'_>) -> bool {
    match selector {
        Selector::Address(kind, pattern) => {
            // A secret without its key is all of its keys.
            let without_key = || match &thing.target {
                Target::Secret(secret) => pattern.matches(secret.secret.as_str()),
                Target::Organization | Target::Profile(_) | Target::Mailbox(_) => false,
            };
            kind_of(&thing.target) == *kind && (pattern.matches(&thing.name) || without_key())
        }
        Selector::Organization => thing.target == Target::Organization,
        Selector::Mail(pattern) => thing.mail.as_ref().is_some_and(|mail| pattern.matches(mail)),
        Selector::Label(key, value) => {
            let found = thing.labels.and_then(|labels| labels.get(key));
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value.matches(found)))
        }
        Selector::Kind(kind) => kind_of(&thing.target) == *kind,
    }
}

fn kind_of(target: &Target) -> TargetKind {
    match target {
        Target::Organization => TargetKind::Organization,
        Target::Secret(_) => TargetKind::Secret,
        Target::Profile(_) => TargetKind::Profile,
        Target::Mailbox(_) => TargetKind::Mailbox,
    }
}
