//! From nodes to types. Whatever cannot be read is reported and left out, and reading goes on without it, so that one
//! run shows every problem of a resource.

pub mod de;
pub mod error;
pub mod spanned;
mod traps;

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use self::de::At;
use self::error::{Cause, Error};
use super::arena::{Node, Tree};
use super::codes;
use super::report::{Draft, Report, did_you_mean};

/// Problems of one resource after which the rest of it is not read.
const PROBLEMS_MAX: usize = 50;

/// What could be read of something.
#[derive(Debug)]
pub enum Decoded<T> {
    Whole(T),
    /// What is left of it without that of which problems have been reported.
    Rest(T),
}

impl<T> Decoded<T> {
    /// The value, and whether it is all of it.
    pub fn into_parts(self) -> (T, Reading) {
        match self {
            Self::Whole(value) => (value, Reading::Whole),
            Self::Rest(value) => (value, Reading::Broken),
        }
    }
}

/// Whether something could be read. What is broken is looked at for further mistakes, and never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Whole,
    Broken,
}

/// Reads the node with this index as a `T`. `None`: at least one problem has been reported.
pub fn decode<T: DeserializeOwned>(tree: &Tree<'_>, index: u32, report: &mut Report<'_>) -> Option<T> {
    match decode_rest(tree, index, report)? {
        Decoded::Whole(value) => Some(value),
        Decoded::Rest(_) => None,
    }
}

/// The same, also of what is left without its problems.
pub fn decode_rest<T: DeserializeOwned>(
    tree: &Tree<'_>,
    index: u32,
    report: &mut Report<'_>,
) -> Option<Decoded<T>> {
    let mut dropped = BTreeSet::new();
    loop {
        match T::deserialize(At { tree, index, dropped: &dropped }) {
            Ok(value) if dropped.is_empty() => return Some(Decoded::Whole(value)),
            Ok(value) => return Some(Decoded::Rest(value)),
            Err(error) => {
                let drop = error.drop;
                if let Some(draft) = describe(error, tree, index, &dropped) {
                    report.add(draft);
                }
                match drop {
                    Some(node) if dropped.len() < PROBLEMS_MAX && dropped.insert(node) => {}
                    Some(_) | None => return None,
                }
            }
        }
    }
}

fn describe(error: Error, tree: &Tree<'_>, root: u32, dropped: &BTreeSet<u32>) -> Option<Draft> {
    let node = error.node.unwrap_or(root);
    let place = tree.place(node);
    let secret = error.secret && !matches!(error.cause, Cause::Plaintext);
    let draft = match error.cause {
        Cause::Reported => return None,
        Cause::UnknownKey { expected, .. } if holds_secrets(expected) && is_null(tree, node + 1) => {
            rest_of_a_text(place)
        }
        Cause::UnknownKey { key, expected } if secret => unknown_key(&key, expected, place)
            .or_hint("`mailplumb secrets set NAME/KEY` encrypts a value and writes it as it belongs here"),
        Cause::UnknownKey { key, expected } => unknown_key(&key, expected, place),
        Cause::UnknownValue { value, expected } => {
            Draft::error(codes::UNKNOWN_VALUE, place, format!("`{}` is not possible here", shorten(&value)))
                .label(format!("expected {}", alternatives(expected)))
                .hint_if(did_you_mean(&value, expected.iter().copied()))
                .hint_if(traps::none_of_words(&value, expected))
        }
        Cause::MissingKey(key) => {
            // Its value could not be read, or its name is misspelt: either has been said.
            let near = |word: &str| word == key || did_you_mean(word, [key]).is_some();
            let was_dropped = |(k, _): &(u32, u32)| {
                dropped.contains(k) && tree.node(*k).is_some_and(|node| near(&node.text))
            };
            if tree.pairs(node).iter().any(was_dropped) {
                return None;
            }
            let first = tree.pairs(node).first().map_or(place, |(key, _)| tree.place(*key));
            let missing = Draft::error(codes::MISSING_KEY, first, format!("`{key}` is missing"))
                .label(format!("this map needs the key `{key}`"));
            match tree.removed(node, key) {
                Some(place) => missing.related(place, "it is removed here"),
                None => missing,
            }
        }
        Cause::WrongType { expected, found } => {
            let code = if may_be_secret(tree, node, expected) { codes::SHAPE } else { codes::WRONG_TYPE };
            Draft::error(code, place, format!("expected {expected}, found {found}"))
                .label(format!("expected {expected}"))
                .hint_if((expected == "a map").then(|| "an empty map is written `{}`".to_owned()))
                .hint_if(tree.node(node).and_then(|node| traps::hint(expected, node)))
        }
        Cause::Plaintext => plaintext(place),
        Cause::Empty => Draft::error(codes::EMPTY_VALUE, place, "a key without a value")
            .label("nothing stands here")
            .hint("leave the key out, or write a value; an empty map is `{}`, an empty list `[]`"),
        Cause::Invalid(words) => Draft::error(codes::INVALID_VALUE, place, words),
    };
    Some(if secret { draft.with_code(codes::SECRET_SHAPE) } else { draft })
}

/// A secret that stands readable in the manifest. Its text is not repeated, and the renderer masks its place.
pub fn plaintext(place: super::place::Place) -> Draft {
    Draft::error(codes::PLAINTEXT, place, "a secret value stands in plain text in the manifest")
        .label("expected an encrypted value or a reference to one")
        .hint(
            "encrypt it with `mailplumb secrets set NAME/KEY` and refer to it as `{ secret: NAME, key: KEY }`; \
             the value is in the history of this file now, so change it at the server too",
        )
}

fn unknown_key(key: &str, expected: &'static [&'static str], place: super::place::Place) -> Draft {
    let label = if expected.is_empty() {
        "nothing can stand here".to_owned()
    } else {
        format!("expected {}", alternatives(expected))
    };
    let meant = did_you_mean(key, expected.iter().copied());
    let near_secret = holds_secrets(expected);
    let hint = meant.or_else(|| elsewhere(key).map(str::to_owned));
    let code = if hint.is_some() && !near_secret { codes::UNKNOWN_KEY } else { codes::UNKNOWN_KEY_HIDDEN };
    Draft::error(code, place, format!("unknown key `{}`", shorten(key))).label(label).hint_if(hint)
}

/// Whether a map with these keys is where secrets stand.
fn holds_secrets(keys: &[&str]) -> bool {
    ["password", "secret"].into_iter().any(|word| keys.contains(&word))
}

fn is_null(tree: &Tree<'_>, value: u32) -> bool {
    tree.node(value).is_some_and(Node::is_null)
}

/// A key without a value, where secrets stand: in a flow map usually the end of a text with a comma in it. What may be half a
/// password is neither repeated nor shown.
fn rest_of_a_text(place: super::place::Place) -> Draft {
    Draft::error(codes::SHAPE, place, "an unknown key without a value")
        .label("this may be the rest of what stands before the comma")
        .hint("a text with a comma in it needs quotes inside `{ }`; a key needs `: ` and a value")
}

/// Whether a node of another type than expected may be a secret: a text in place of a login, or a map in place of a text.
fn may_be_secret(tree: &Tree<'_>, node: u32, expected: &str) -> bool {
    const AROUND_SECRETS: [&str; 8] =
        ["credentials", "profile", "oauth2", "serverToServer", "certificate", "incoming", "outgoing", "spec"];
    // A key stands right before its value.
    let key = node.checked_sub(1).and_then(|key| tree.node(key));
    match expected {
        "a map" => key.is_some_and(|key| AROUND_SECRETS.contains(&&*key.text)),
        "a text" => true,
        _ => false,
    }
}

/// Settings that exist, but not where people look for them first.
fn elsewhere(key: &str) -> Option<&'static str> {
    match key {
        "undeliverableFolder" => {
            Some("P-10: an Undeliverable folder exists only under `exchange` and `exchangeOnline`")
        }
        "trackedCategory" | "trackSentItems" => {
            Some("categories and Sent Items exist only under `exchange` and `exchangeOnline`")
        }
        "autodiscover" | "location" => {
            Some("P-01: Autodiscover exists only under `exchange`; name the `host` here")
        }
        "deleteAfterProcessing" => {
            Some("mail of users is never deleted; it exists under `queue` and `forward` only")
        }
        "approved" => Some("approving by selector would defeat approval; write `approved` on each mailbox"),
        "username" | "password" => {
            Some("P-03: user name and password stand under `credentials: { profile: … }`, or on the mailbox")
        }
        "remove" => Some(
            "only a later layer removes something, with `remove: true` beside its `name` and nothing else",
        ),
        _ => None,
    }
}

fn alternatives(expected: &[&str]) -> String {
    let quoted: Vec<String> = expected.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn shorten(word: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    if word.chars().count() <= CHARACTERS_MAX {
        return word.escape_debug().collect();
    }
    word.chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).chain(['…']).collect()
}
