//! SyncFolderItems: what a client has been told is kept under the state that it was given.

use std::collections::BTreeMap;

use super::super::state::Held;
use super::SyncState;
use super::folders::{self, Place};
use super::items::{self, item_id};
use super::node::element;
use super::shape::Shape;
use super::soap::{Message, Turn};

/// Older ones are invalid.
const STATES_KEPT_MAX: usize = 8192;
/// Of all states together.
const ITEMS_KEPT_MAX: usize = 1_000_000;
const CHANGES_MAX: usize = 512;

const INVALID_STATE: Message = Message::Error {
    code: "ErrorInvalidSyncStateData",
    words: "Synchronization state data is corrupt or otherwise invalid.",
    rest: "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>",
};

/// What is told once.
enum Change {
    Create(Held),
    Update(Held),
    Delete(String),
}

pub(super) fn items(turn: &mut Turn<'_>) -> Vec<Message> {
    let Some(place) = folders::named(turn, turn.request.get("SyncFolderId")) else {
        return vec![folders::NOT_FOUND];
    };
    let told = match turn.request.text_at(&["SyncState"]).filter(|state| !state.is_empty()) {
        None => BTreeMap::new(),
        Some(state) => match known(turn, &place, state) {
            Some(told) => told,
            None => return vec![INVALID_STATE],
        },
    };
    let max = turn.request.text_at(&["MaxChangesReturned"]).and_then(|text| text.parse().ok());
    let max = max.unwrap_or(CHANGES_MAX).clamp(1, CHANGES_MAX);
    let mut changes = changes(turn, &place, &told);
    let is_last = changes.len() <= max;
    changes.truncate(max);
    let shape = Shape::of(turn.request.get("ItemShape"));
    let mut now = told.clone();
    let mut inside = String::new();
    for change in &changes {
        match change {
            Change::Create(held) | Change::Update(held) => {
                now.insert(held.uidl.clone(), items::version(turn.inner, held));
                let name = if matches!(change, Change::Create(_)) { "Create" } else { "Update" };
                let item = items::render(turn, &place, held, &shape);
                inside.push_str(&format!("<t:{name}>{item}</t:{name}>"));
            }
            Change::Delete(uidl) => {
                now.remove(uidl);
                let id = item_id(&place, uidl);
                inside.push_str(&format!("<t:Delete><t:ItemId Id=\"{id}\"/></t:Delete>"));
            }
        }
    }
    let state = match turn.request.text_at(&["SyncState"]) {
        Some(state) if changes.is_empty() && !state.is_empty() => state.to_owned(),
        Some(_) | None => keep(turn, &place, now),
    };
    vec![Message::Success(format!(
        "{}<m:IncludesLastItemInRange>{is_last}</m:IncludesLastItemInRange><m:Changes>{inside}</m:Changes>",
        element("m:SyncState", &state)
    ))]
}

fn known(turn: &Turn<'_>, place: &Place, state: &str) -> Option<BTreeMap<String, u32>> {
    let (_, found) = turn.inner.states.iter().find(|(name, _)| name == state)?;
    (found.account == place.account.0 && found.folder == place.key).then(|| found.told.clone())
}

fn keep(turn: &mut Turn<'_>, place: &Place, told: BTreeMap<String, u32>) -> String {
    turn.inner.states_given += 1;
    let name = items::encoded(&format!("S|{}", turn.inner.states_given));
    let state = SyncState { account: place.account.0, folder: place.key.clone(), told };
    turn.inner.states.push_back((name.clone(), state));
    let mut items: usize = turn.inner.states.iter().map(|(_, state)| state.told.len()).sum();
    while turn.inner.states.len() > STATES_KEPT_MAX || items > ITEMS_KEPT_MAX {
        let Some((_, forgotten)) = turn.inner.states.pop_front() else { break };
        items -= forgotten.told.len();
    }
    name
}

/// Newest first, as since Exchange 2010 SP2.
fn changes(turn: &Turn<'_>, place: &Place, told: &BTreeMap<String, u32>) -> Vec<Change> {
    let held = folders::held(turn, place);
    let gone = told.keys().filter(|uidl| !held.iter().any(|held| held.uidl == **uidl));
    let mut changes: Vec<Change> = gone.map(|uidl| Change::Delete(uidl.clone())).collect();
    for held in held.into_iter().rev() {
        match told.get(&held.uidl) {
            None => changes.push(Change::Create(held)),
            Some(version) if *version != items::version(turn.inner, &held) => {
                changes.push(Change::Update(held));
            }
            Some(_) => {}
        }
    }
    changes
}
