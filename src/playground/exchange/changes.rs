//! Items: made, sent, changed, moved and deleted.

use bytes::Bytes;

use super::super::state::{Arrival, FolderName, Held, Submission};
use super::compose;
use super::folders::{self, NOT_FOUND, Place, own_mut, shared};
use super::items::{GONE, change_key, encoded, item_id, named};
use super::node::Node;
use super::soap::{Message, Turn};

pub(super) fn create(turn: &mut Turn<'_>) -> Vec<Message> {
    let disposition = turn.request.attribute("MessageDisposition").unwrap_or("SaveOnly").to_owned();
    let folder = turn.request.get("SavedItemFolderId");
    let folder = match folder {
        Some(holder) => folders::named(turn, Some(holder)),
        None => {
            let key = if disposition == "SaveOnly" { "drafts" } else { "sentitems" };
            Some(Place { account: turn.caller.account, key: key.to_owned() })
        }
    };
    let Some(folder) = folder else { return vec![NOT_FOUND] };
    let request = turn.request;
    let items = request.get("Items").map_or(&[][..], |items| &items.children);
    items.iter().map(|item| create_one(turn, item, &disposition, &folder)).collect()
}

fn create_one(turn: &mut Turn<'_>, item: &Node, disposition: &str, folder: &Place) -> Message {
    let from = turn.world.state.lock().user(folder.account).address.clone();
    let now = turn.world.state.now();
    let Some(raw) = compose::octets(item, &from, now).filter(|_| item.name == "Message") else {
        let words = "The MIME content of the item could not be read.";
        return Message::Error { code: "ErrorMimeContentInvalid", words, rest: "<m:Items/>" };
    };
    if raw.len() > turn.world.options.message_bytes_max {
        let words = "The message exceeds the maximum supported size.";
        return Message::Error { code: "ErrorMessageSizeExceeded", words, rest: "<m:Items/>" };
    }
    if disposition != "SaveOnly" {
        let recipients = compose::recipients(item, &raw);
        if let Err(message) = submit(turn, (&from, recipients), &raw) {
            return message;
        }
    }
    if disposition == "SendOnly" {
        return Message::Success("<m:Items/>".to_owned());
    }
    let Some(held) = put(turn, folder, raw.into()) else {
        let words = "The mailbox is full.";
        return Message::Error { code: "ErrorQuotaExceeded", words, rest: "<m:Items/>" };
    };
    for property in item.children.iter().filter(|child| child.name == "ExtendedProperty") {
        let name = property.get("ExtendedFieldURI").and_then(|field| field.attribute("PropertyName"));
        if let (Some(name), Some(value)) = (name, property.text_at(&["Value"])) {
            let properties = turn.inner.properties.entry(held.uidl.clone()).or_default();
            properties.named.insert(name.to_owned(), value.to_owned());
        }
    }
    let (id, key) = (item_id(folder, &held.uidl), change_key(turn.inner, &held));
    let id = format!("<t:ItemId Id=\"{id}\" ChangeKey=\"{key}\"/>");
    Message::Success(format!("<m:Items><t:Message>{id}</t:Message></m:Items>"))
}

/// Sends, as SMTP would have.
pub(super) fn submit(
    turn: &Turn<'_>,
    (from, recipients): (&str, Vec<String>),
    raw: &[u8],
) -> Result<(), Message> {
    let is_refused = |address: &String| turn.inner.refused.contains(&address.to_lowercase());
    if recipients.is_empty() || recipients.iter().any(is_refused) {
        let words = "At least one recipient isn't valid.";
        return Err(Message::Error { code: "ErrorInvalidRecipients", words, rest: "<m:Items/>" });
    }
    let now = turn.world.state.now();
    let submission = Submission {
        connection: 0,
        username: Some(turn.caller.username.clone()),
        from: from.to_owned(),
        recipients,
        raw: Bytes::copy_from_slice(raw),
    };
    let trace = format!(
        "Received: from playground by localhost with Microsoft SMTP Server; {}\r\n",
        super::super::calendar::header_date(now)
    );
    turn.world.state.lock().submit(&submission, &trace, now).map_err(|_| Message::Error {
        code: "ErrorQuotaExceeded",
        words: "The mailbox is full.",
        rest: "<m:Items/>",
    })
}

/// Puts octets into a folder. `None`: there is no room.
pub(super) fn put(turn: &mut Turn<'_>, place: &Place, raw: Bytes) -> Option<Held> {
    let now = turn.world.state.now();
    let mut arrival = Arrival::new(raw, now);
    arrival.flags.insert("\\Seen".to_owned());
    // Every message is the shared state's at first: it gives the lasting name.
    let name = shared(place).unwrap_or(FolderName::Sent);
    let mut state = turn.world.state.lock();
    let uid = state.append(place.account, name, arrival).ok()?;
    if shared(place).is_some() {
        return state.folder_mut(place.account, name).find(uid).cloned();
    }
    let held = state.expunge(place.account, name, uid)?;
    drop(state);
    own_mut(turn.inner, place)?.held.push(held.clone());
    Some(held)
}

pub(super) fn take(turn: &mut Turn<'_>, place: &Place, held: &Held) {
    match shared(place) {
        Some(name) => drop(turn.world.state.lock().expunge(place.account, name, held.uid)),
        None => {
            if let Some(folder) = own_mut(turn.inner, place) {
                folder.held.retain(|other| other.uidl != held.uidl);
            }
        }
    }
}

pub(super) fn send(turn: &mut Turn<'_>) -> Vec<Message> {
    let request = turn.request;
    let ids = request.get("ItemIds").map_or(&[][..], |ids| &ids.children);
    let copy = folders::named(turn, request.get("SavedItemFolderId"));
    let mut messages = Vec::new();
    for id in ids {
        let Some((place, held)) = named(turn, id) else {
            messages.push(Message::error(
                "ErrorItemNotFound",
                "The specified object was not found in the store.",
            ));
            continue;
        };
        if id.attribute("ChangeKey") != Some(&change_key(turn.inner, &held)) {
            let words =
                "The change key passed in the request does not match the current change key for the item.";
            messages.push(Message::error("ErrorStaleObject", words));
            continue;
        }
        let from = turn.world.state.lock().user(place.account).address.clone();
        let recipients = compose::recipients(&Node::default(), &held.raw);
        if let Err(error) = submit(turn, (&from, recipients), &held.raw) {
            messages.push(error);
            continue;
        }
        take(turn, &place, &held);
        if let Some(copy) = &copy {
            put(turn, copy, held.raw.clone());
        }
        messages.push(Message::Success(String::new()));
    }
    messages
}

pub(super) fn update(turn: &mut Turn<'_>) -> Vec<Message> {
    let request = turn.request;
    let conflict = request.attribute("ConflictResolution").unwrap_or_default();
    let changes = request.get("ItemChanges").map_or(&[][..], |changes| &changes.children);
    changes.iter().map(|change| update_one(turn, change, conflict)).collect()
}

fn update_one(turn: &mut Turn<'_>, change: &Node, conflict: &str) -> Message {
    let Some((place, held)) = change.get("ItemId").and_then(|id| named(turn, id)) else { return GONE };
    let key = change.get("ItemId").and_then(|id| id.attribute("ChangeKey"));
    if conflict != "AlwaysOverwrite" && key != Some(&change_key(turn.inner, &held)) {
        let words = "The send or update operation could not be performed because the change key passed in the request \
                     does not match the current change key for the item.";
        return Message::Error { code: "ErrorIrresolvableConflict", words, rest: "<m:Items/>" };
    }
    let properties = turn.inner.properties.entry(held.uidl.clone()).or_default();
    properties.version += 1;
    let updates = change.get("Updates").map_or(&[][..], |updates| &updates.children);
    let mut seen = None;
    for update in updates {
        match update.get("FieldURI").and_then(|field| field.attribute("FieldURI")) {
            Some("item:Categories") => {
                let all = update.all("String");
                properties.categories = all.iter().map(|it| it.text.clone()).collect();
            }
            Some("message:IsRead") => {
                let text = update.all("IsRead").first().map(|it| it.text.trim().to_owned());
                seen = Some(matches!(text.as_deref(), Some("true" | "1")));
            }
            Some(_) | None => {}
        }
    }
    if let Some(seen) = seen {
        mark(turn, &place, &held, seen);
    }
    let held = folders::held(turn, &place).into_iter().find(|it| it.uidl == held.uidl).unwrap_or(held);
    let (id, key) = (item_id(&place, &held.uidl), change_key(turn.inner, &held));
    Message::Success(format!(
        "<m:Items><t:Message><t:ItemId Id=\"{id}\" ChangeKey=\"{key}\"/></t:Message></m:Items><m:ConflictResults>\
         <t:Count>0</t:Count></m:ConflictResults>"
    ))
}

pub(super) fn mark(turn: &mut Turn<'_>, place: &Place, held: &Held, seen: bool) {
    let change = |held: &mut Held| {
        if seen {
            held.flags.insert("\\Seen".to_owned());
        } else {
            held.flags.remove("\\Seen");
        }
    };
    match shared(place) {
        Some(name) => {
            let mut state = turn.world.state.lock();
            state.folder_mut(place.account, name).find_mut(held.uid).into_iter().for_each(change);
        }
        None => {
            let folder = own_mut(turn.inner, place);
            let found = folder.and_then(|it| it.held.iter_mut().find(|other| other.uidl == held.uidl));
            found.into_iter().for_each(change);
        }
    }
}

pub(super) fn relocate(turn: &mut Turn<'_>) -> Vec<Message> {
    let request = turn.request;
    let Some(to) = folders::named(turn, request.get("ToFolderId")) else { return vec![NOT_FOUND] };
    let ids = request.get("ItemIds").map_or(&[][..], |ids| &ids.children);
    let mut messages = Vec::new();
    for id in ids {
        messages.push(match named(turn, id) {
            None => GONE,
            Some((place, held)) => match move_one(turn, (&place, &held), &to) {
                Some(id) => {
                    let id = format!("<t:ItemId Id=\"{id}\" ChangeKey=\"{}\"/>", encoded("C|0"));
                    Message::Success(format!("<m:Items><t:Message>{id}</t:Message></m:Items>"))
                }
                None => GONE,
            },
        });
    }
    messages
}

fn move_one(turn: &mut Turn<'_>, (place, held): (&Place, &Held), to: &Place) -> Option<String> {
    let moved = put(turn, to, held.raw.clone())?;
    if let Some(properties) = turn.inner.properties.remove(&held.uidl) {
        turn.inner.properties.insert(moved.uidl.clone(), properties);
    }
    mark(turn, to, &moved, held.flags.contains("\\Seen"));
    take(turn, place, held);
    Some(item_id(to, &moved.uidl))
}

pub(super) fn delete(turn: &mut Turn<'_>) -> Vec<Message> {
    let request = turn.request;
    let to_bin = request.attribute("DeleteType") == Some("MoveToDeletedItems");
    let ids = request.get("ItemIds").map_or(&[][..], |ids| &ids.children);
    let mut messages = Vec::new();
    for id in ids {
        let Some((place, held)) = named(turn, id) else {
            messages.push(Message::error(
                "ErrorItemNotFound",
                "The specified object was not found in the store.",
            ));
            continue;
        };
        if to_bin {
            let bin = Place { account: place.account, key: "deleteditems".to_owned() };
            move_one(turn, (&place, &held), &bin);
        } else {
            take(turn, &place, &held);
        }
        messages.push(Message::Success(String::new()));
    }
    messages
}
