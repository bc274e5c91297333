//! What changed in a folder: what a client has been told is kept under the token that it was given.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::folders::{self, Place};
use super::super::items;
use super::Answer;
use super::route::Errand;
use super::{messages, names};

/// Older ones are forgotten.
const TOKENS_KEPT_MAX: usize = 256;
/// Of a page that nobody asked to be of another size.
const PAGE: usize = 10;
const PAGE_MAX: usize = 1000;

/// What a client knows of a folder: its messages with their versions.
pub(super) struct Told {
    account: usize,
    folder: String,
    selected: Option<String>,
    told: BTreeMap<String, u32>,
}

enum Change {
    Present(super::super::super::state::Held),
    Gone(String),
}

pub(super) fn answer(errand: &mut Errand<'_, '_>, place: &Place) -> Answer {
    let token = errand.target.get("$deltatoken").or(errand.target.get("$skiptoken")).map(str::to_owned);
    let (told, selected) = match &token {
        None => (BTreeMap::new(), errand.target.get("$select").map(str::to_owned)),
        Some(token) => match known(errand, place, token) {
            Some(known) => known,
            None => {
                let words = "The sync state generation is not found; the synchronization has to begin again.";
                return Answer::error(410, "syncStateNotFound", words);
            }
        },
    };
    let size = errand.request.prefers("odata.maxpagesize").and_then(|text| text.parse().ok());
    let size = size.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let mut changes = changes(errand, place, &told);
    let is_last = changes.len() <= size;
    changes.truncate(size);
    let mut now = told;
    let value: Vec<Value> =
        changes.iter().map(|change| tell(errand, place, change, &mut now, selected.as_deref())).collect();
    let link = link(
        errand,
        place,
        Told { account: place.account.0, folder: place.key.clone(), selected, told: now },
        is_last,
    );
    let name = if is_last { "@odata.deltaLink" } else { "@odata.nextLink" };
    let context = format!("{}/$metadata#Collection(message)", errand.root());
    Answer::json(200, json!({ "@odata.context": context, name: link, "value": value }))
}

fn known(
    errand: &Errand<'_, '_>,
    place: &Place,
    token: &str,
) -> Option<(BTreeMap<String, u32>, Option<String>)> {
    let (_, found) = errand.turn.inner.graph.told.iter().find(|(name, _)| name == token)?;
    let is_same = found.account == place.account.0 && found.folder == place.key;
    is_same.then(|| (found.told.clone(), found.selected.clone()))
}

/// In no order that a client could rely on: newest first.
fn changes(errand: &Errand<'_, '_>, place: &Place, told: &BTreeMap<String, u32>) -> Vec<Change> {
    let held = folders::held(errand.turn, place);
    let gone = told.keys().filter(|uidl| !held.iter().any(|held| held.uidl == **uidl));
    let mut changes: Vec<Change> = gone.map(|uidl| Change::Gone(uidl.clone())).collect();
    for held in held.into_iter().rev() {
        if told.get(&held.uidl) != Some(&items::version(errand.turn.inner, &held)) {
            changes.push(Change::Present(held));
        }
    }
    changes
}

fn tell(
    errand: &Errand<'_, '_>,
    place: &Place,
    change: &Change,
    now: &mut BTreeMap<String, u32>,
    selected: Option<&str>,
) -> Value {
    match change {
        Change::Present(held) => {
            now.insert(held.uidl.clone(), items::version(errand.turn.inner, held));
            let wanted = selected.map(|list| list.split(',').map(str::trim).collect::<Vec<_>>());
            messages::render(errand, (place, held), wanted.as_deref())
        }
        Change::Gone(uidl) => {
            now.remove(uidl);
            let id = names::gone(errand.turn.inner, errand.ids, place, uidl);
            json!({ "id": id, "@removed": { "reason": "deleted" } })
        }
    }
}

fn link(errand: &mut Errand<'_, '_>, place: &Place, told: Told, is_last: bool) -> String {
    let root = errand.root();
    let kept = &mut errand.turn.inner.graph;
    kept.tokens_given += 1;
    let token = URL_SAFE_NO_PAD.encode(format!("D|{}", kept.tokens_given));
    kept.told.push_back((token.clone(), told));
    if kept.told.len() > TOKENS_KEPT_MAX {
        kept.told.pop_front();
    }
    let kind = if is_last { "$deltatoken" } else { "$skiptoken" };
    let address = errand.target.parts.get(1).cloned().unwrap_or_default();
    let user = if errand.target.parts.first().is_some_and(|part| part == "me") {
        "me".to_owned()
    } else {
        format!("users/{address}")
    };
    format!("{root}/{user}/mailFolders/{}/messages/delta?{kind}={token}", names::folder(place))
}
