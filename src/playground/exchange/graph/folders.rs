//! Folders, as Graph shows them.

use serde_json::{Map, Value, json};

use super::super::folders::{Place, held};
use super::super::{Inner, OwnFolder};
use super::Answer;
use super::names;
use super::route::Errand;

pub(super) fn one(errand: &mut Errand<'_, '_>, place: &Place) -> Answer {
    Answer::json(200, selected(errand, place))
}

/// Mail folders only; the calendar and its like have their own interface.
pub(super) fn list(errand: &mut Errand<'_, '_>, parent: Option<&Place>) -> Answer {
    let parent_key = parent.map_or("msgfolderroot", |place| place.key.as_str());
    let all = names::places(errand.turn.inner, errand.account);
    let children: Vec<Place> = all
        .into_iter()
        .filter(|place| {
            parent_of(errand.turn.inner, place) == parent_key && is_mail(errand.turn.inner, place)
        })
        .collect();
    let value: Vec<Value> = children.iter().map(|place| selected(errand, place)).collect();
    Answer::json(200, json!({ "@odata.context": context(errand), "value": value }))
}

pub(super) fn create(errand: &mut Errand<'_, '_>, parent: Option<&Place>) -> Answer {
    let name = errand.request.json().and_then(|body| Some(body["displayName"].as_str()?.to_owned()));
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Answer::error(400, "ErrorInvalidRequest", "A folder needs a name.");
    };
    let parent = parent.map_or("msgfolderroot", |place| place.key.as_str()).to_owned();
    let inner = &mut *errand.turn.inner;
    let account = errand.account.0;
    if inner.folders.iter().any(|it| it.account == account && it.parent == parent && it.name == name) {
        return Answer::error(409, "ErrorFolderExists", "A folder with the specified name already exists.");
    }
    inner.numbers += 1;
    let key = format!("own:{}", inner.numbers);
    inner.folders.push(OwnFolder {
        account,
        parent,
        key: key.clone(),
        name,
        class: "IPF.Note".to_owned(),
        held: Vec::new(),
    });
    let place = Place { account: errand.account, key };
    Answer::json(201, selected(errand, &place))
}

fn context(errand: &Errand<'_, '_>) -> String {
    format!("{}/$metadata#users/mailFolders", errand.root())
}

fn own<'i>(inner: &'i Inner, place: &Place) -> Option<&'i OwnFolder> {
    inner.folders.iter().find(|folder| folder.account == place.account.0 && folder.key == place.key)
}

fn parent_of(inner: &Inner, place: &Place) -> String {
    own(inner, place).map_or_else(|| "msgfolderroot".to_owned(), |folder| folder.parent.clone())
}

fn is_mail(inner: &Inner, place: &Place) -> bool {
    own(inner, place).is_none_or(|folder| folder.class == "IPF.Note")
}

fn selected(errand: &Errand<'_, '_>, place: &Place) -> Value {
    let whole = whole(errand, place);
    let Some(wanted) = errand.target.selected() else { return Value::Object(whole) };
    Value::Object(
        whole.into_iter().filter(|(key, _)| key == "id" || wanted.contains(&key.as_str())).collect(),
    )
}

fn whole(errand: &Errand<'_, '_>, place: &Place) -> Map<String, Value> {
    let inner = &*errand.turn.inner;
    let messages = held(errand.turn, place);
    let unread = messages.iter().filter(|held| !held.flags.contains("\\Seen")).count();
    let name = match own(inner, place) {
        Some(folder) => folder.name.clone(),
        None if place.key == "inbox" => "Inbox".to_owned(),
        None => "Sent Items".to_owned(),
    };
    let children = names::places(inner, place.account);
    let children =
        children.iter().filter(|child| parent_of(inner, child) == place.key && is_mail(inner, child));
    let parent = Place { account: place.account, key: parent_of(inner, place) };
    let folder = json!({
        "id": names::folder(place),
        "displayName": name,
        "parentFolderId": names::folder(&parent),
        "childFolderCount": children.count(),
        "unreadItemCount": unread,
        "totalItemCount": messages.len(),
        "isHidden": false,
    });
    folder.as_object().cloned().unwrap_or_default()
}
