//! How messages and folders are named: by ids that change with a move, or by immutable ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

use super::super::super::state::{AccountId, Held};
use super::super::Inner;
use super::super::folders::{self, Place};
use super::super::soap::Turn;

/// Which ids a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    Immutable,
    Usual,
}

pub(super) fn message(inner: &Inner, ids: Ids, place: &Place, held: &Held) -> String {
    let account = place.account.0;
    match ids {
        Ids::Immutable => {
            let origin = inner.graph.origins.get(&held.uidl).unwrap_or(&held.uidl);
            URL_SAFE.encode(format!("A|{account}|{origin}"))
        }
        Ids::Usual => URL_SAFE.encode(format!("M|{account}|{}|{}", place.key, held.uidl)),
    }
}

pub(super) fn folder(place: &Place) -> String {
    URL_SAFE.encode(format!("F|{}|{}", place.account.0, place.key))
}

/// The id of a message that a client was told of and that may be gone.
pub(super) fn gone(inner: &Inner, ids: Ids, place: &Place, uidl: &str) -> String {
    let account = place.account.0;
    let origin = inner.graph.origins.get(uidl).map_or(uidl, String::as_str);
    match ids {
        Ids::Immutable => URL_SAFE.encode(format!("A|{account}|{origin}")),
        Ids::Usual => URL_SAFE.encode(format!("M|{account}|{}|{uidl}", place.key)),
    }
}

/// The folders of an account that hold messages.
pub(super) fn places(inner: &Inner, account: AccountId) -> Vec<Place> {
    let own = inner.folders.iter().filter(|folder| folder.account == account.0);
    let own = own.map(|folder| folder.key.clone());
    let keys = ["inbox", "sentitems"].map(str::to_owned).into_iter().chain(own);
    keys.map(|key| Place { account, key }).collect()
}

/// The folder that a part of a path names: by its id or by its well-known name.
pub(super) fn find_folder(turn: &Turn<'_>, account: AccountId, name: &str) -> Option<Place> {
    let is_it = |place: &Place| folder(place) == name || place.key.eq_ignore_ascii_case(name);
    places(turn.inner, account).into_iter().find(is_it)
}

/// The message that a part of a path names.
pub(super) fn find_message(turn: &Turn<'_>, account: AccountId, id: &str) -> Option<(Place, Held)> {
    for place in places(turn.inner, account) {
        for held in folders::held(turn, &place) {
            if [Ids::Immutable, Ids::Usual].iter().any(|ids| message(turn.inner, *ids, &place, &held) == id) {
                return Some((place, held));
            }
        }
    }
    None
}
