//! From documents to the nouns: references are followed, defaults applied, rules checked.

mod approval;
mod certificate;
pub mod ciphertext;
mod distinct;
mod effective;
mod endpoint;
mod exchange;
mod forward;
mod location;
mod mailbox;
mod methods;
mod organization;
mod profile;
mod secret;

use std::collections::BTreeMap;

use self::mailbox::{Mailboxes, Written};
use super::codes::{self, Code};
use super::decode::spanned::Spanned;
use super::documents::{Document, Documents};
use super::place::Place;
use super::recall::Recall;
use super::report::{Draft, Report};
use super::sieve::{Behind, Sieve, Whole};
use crate::model::desired::Declared;
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::organization::Organization;
use crate::model::profile::Profile;
use crate::model::secret::{BundleDigest, SealedBundle, SealedValue, SecretRef};

/// What `Desired` is made of.
#[derive(Debug)]
pub struct Resolved {
    pub organization: Option<Declared<Organization>>,
    pub profiles: BTreeMap<Name, Declared<Profile>>,
    pub mailboxes: BTreeMap<Name, Declared<Mailbox>>,
    pub secrets: BTreeMap<SecretRef, Declared<SealedValue>>,
    pub bundles: BTreeMap<BundleDigest, SealedBundle>,
}

/// Resolves everything; what cannot be resolved is reported and left out.
pub fn resolve(
    documents: Documents,
    host: &HostSettings,
    sieve: &mut dyn Sieve,
    recall: &mut Recall<'_>,
    report: &mut Report<'_>,
) -> Resolved {
    let Documents {
        organizations,
        profiles,
        broken_profiles,
        mailboxes,
        assignments,
        secrets,
        approvals,
        broken,
        unread,
        ..
    } = documents;
    let existence = Existence { broken: &broken, unread };
    let organization = organization::resolve(organizations, existence, report);
    let secrets = secret::resolve(secrets, organization.as_ref(), existence, report);
    profile::check_broken(broken_profiles, &secrets, host, report);
    let profiles = profile::resolve(profiles, &secrets, host, existence, report);
    organization::check_default_profile(organization.as_ref(), &profiles, report);
    let sifting = match &organization {
        Some(organization) => sieve.start(Behind {
            organization: &organization.declared.value,
            profiles: &profiles.declared,
            secrets: &secrets.values,
        }),
        // An error: nothing will be planned.
        None => Box::new(Whole),
    };
    let written = Written { entries: mailboxes, assignments, approvals };
    let mailboxes =
        Mailboxes { organization: organization.as_ref(), profiles: &profiles, secrets: &secrets, existence }
            .resolve(written, sifting, recall, report);
    Resolved {
        organization: organization.map(|organization| organization.declared),
        profiles: profiles.declared,
        mailboxes,
        secrets: secrets.values,
        bundles: secrets.bundles,
    }
}

/// What may exist although it could not be read.
#[derive(Debug, Clone, Copy)]
pub struct Existence<'d> {
    broken: &'d std::collections::BTreeSet<(&'static str, String)>,
    unread: bool,
}

impl<'d> Existence<'d> {
    /// Whether a name that is not known is surely a mistake.
    fn surely_missing(self, kind: &'static str, name: &str) -> bool {
        let is_broken = |name: &str| self.broken.contains(&(kind, name.to_owned()));
        // A document without a readable name may have this one.
        !self.unread && !is_broken(name) && !is_broken("")
    }

    /// The names of the documents of this kind that could not be read.
    fn names_of_broken(self, kind: &'static str) -> impl Iterator<Item = &'d str> {
        self.broken.iter().filter(move |(broken, _)| *broken == kind).map(|(_, name)| name.as_str())
    }

    /// Whether every document of this kind has been read.
    fn all_read(self, kind: &'static str) -> bool {
        !self.unread && !self.broken.iter().any(|(broken, _)| *broken == kind)
    }
}

/// Keeps the first document of each name; the others are reported.
fn unique<T>(documents: Vec<Document<T>>, kind: &str, report: &mut Report<'_>) -> Vec<Document<T>> {
    let mut first: BTreeMap<Name, Place> = BTreeMap::new();
    let mut kept = Vec::new();
    for document in documents {
        let Spanned { value, place } = &document.name;
        match first.get(value) {
            Some(earlier) => report.add(duplicate_name(kind, &document.name, *earlier)),
            None => {
                first.insert(value.clone(), *place);
                kept.push(document);
            }
        }
    }
    kept
}

fn duplicate_name(kind: &str, name: &Spanned<Name>, first: Place) -> Draft {
    let message = format!("another {kind} is named `{}` already", name.value);
    Draft::error(codes::DUPLICATE_NAME, name.place, message).related(first, "first here")
}

/// The one of several keys of a choice that is there.
fn exactly_one<T, const N: usize>(
    options: [(&'static str, Option<T>); N],
    place: Place,
    what: &str,
    report: &mut Report<'_>,
) -> Option<T> {
    let names = options.each_ref().map(|(name, _)| format!("`{name}`")).join(", ");
    let given: Vec<&str> =
        options.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
    let message = match given.as_slice() {
        [_] => return options.into_iter().find_map(|(_, value)| value),
        [] => format!("{what} is missing"),
        several => format!("{what} is given {} times: {}", several.len(), several.join(", ")),
    };
    report.add(
        Draft::error(codes::CHOICE, place, message).label(format!("expected exactly one key of {names}")),
    );
    None
}

/// A text with at most so many characters.
fn at_most(text: Option<Spanned<String>>, characters: usize, report: &mut Report<'_>) -> Option<String> {
    let text = text?;
    let count = text.value.chars().count();
    if count > characters {
        report.add(out_of_range(text.place, format!("at most {characters} characters, found {count}")));
    }
    printable(&text, report);
    Some(text.value)
}

/// The same of a text that may have several lines.
fn lines_at_most(
    text: Option<Spanned<String>>,
    characters: usize,
    report: &mut Report<'_>,
) -> Option<String> {
    let text = text?;
    let one_line = Spanned { value: text.value.replace('\n', " "), place: text.place };
    at_most(Some(one_line), characters, report);
    Some(text.value)
}

/// A user name as it is sent to a server: 1 to 250 characters of one line.
fn check_username(username: &Spanned<String>, report: &mut Report<'_>) {
    if username.value.is_empty() || username.value.chars().count() > limits::USERNAME_CHARACTERS_MAX {
        let expected = format!("1 to {} characters", limits::USERNAME_CHARACTERS_MAX);
        report.add(out_of_range(username.place, expected));
    }
    printable(username, report);
}

/// Escapes of a quoted text can write any character; control characters would reach terminals and servers.
fn printable(text: &Spanned<String>, report: &mut Report<'_>) {
    if let Some(character) =
        text.value.trim_end_matches('\n').chars().find(|character| character.is_control())
    {
        let message = format!("the character U+{:04X} cannot stand in this text", u32::from(character));
        report.add(Draft::error(codes::CONTROL_CHARACTER, text.place, message));
    }
}

/// A number in a range; the number itself even if it is outside, because it has been reported then.
fn in_range(
    number: Option<&Spanned<u32>>,
    range: std::ops::RangeInclusive<u32>,
    report: &mut Report<'_>,
) -> Option<u32> {
    let number = number?;
    if !range.contains(&number.value) {
        report.add(out_of_range(number.place, format!("a number from {} to {}", range.start(), range.end())));
        return None;
    }
    Some(number.value)
}

fn out_of_range(place: Place, expected: String) -> Draft {
    Draft::error(codes::OUT_OF_RANGE, place, format!("out of range: expected {expected}"))
}

/// The switch of the host file that is on where it says nothing.
const ON_BY_DEFAULT: &str = "allowAdAuthentication";

/// A thing that the host must allow: an error where it does not, a warning where its file was not given.
fn needs_host(
    host: &HostSettings,
    allowed: bool,
    place: Place,
    code: Code,
    what: &str,
    switch: &str,
) -> Option<Draft> {
    if host.given && allowed {
        return None;
    }
    // Of a switch that is on by default, a host file has said the opposite.
    let is_usual = allowed || switch == ON_BY_DEFAULT;
    let message = match is_usual {
        true => format!("{what}, which the host may switch off with `{switch}: false`"),
        false => format!("{what}; the host must allow it with `{switch}: true`"),
    };
    Some(if host.given {
        let hint = match is_usual {
            true => "the host file does; whoever owns the host decides about it".to_owned(),
            false => {
                format!("the host file does not say `{switch}: true`; whoever owns the host decides about it")
            }
        };
        Draft::error(code, place, message).hint(hint)
    } else {
        Draft::warning(codes::HOST_DEPENDENT, place, message)
            .hint("no host file was given, so this was not checked; give it with `--host-config`")
    })
}
