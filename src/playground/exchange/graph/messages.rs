//! Messages: listed, read, made, changed, moved and deleted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::super::state::Held;
use super::super::changes;
use super::super::folders::{self, Place};
use super::super::items;
use super::attachments;
use super::compose;
use super::names;
use super::route::Errand;
use super::sending;
use super::uploads;
use super::{Answer, Payload};

const PAGE: usize = 10;

/// Newest first.
pub(super) fn list(errand: &mut Errand<'_, '_>, place: Option<&Place>) -> Answer {
    let places = match place {
        Some(place) => vec![place.clone()],
        None => names::places(errand.turn.inner, errand.account),
    };
    let mut found: Vec<(Place, Held)> = Vec::new();
    for place in places {
        let held = folders::held(errand.turn, &place);
        found.extend(held.into_iter().map(|held| (place.clone(), held)));
    }
    if let Some(filter) = errand.target.get("$filter") {
        let Some((property, wanted)) = equals(filter) else {
            return Answer::error(
                400,
                "ErrorInvalidUrlQueryFilter",
                "The query filter contains one or more invalid nodes.",
            );
        };
        found.retain(|(place, held)| whole(errand, (place, held)).get(&property) == Some(&wanted));
    }
    found.sort_by_key(|(_, held)| std::cmp::Reverse(held.received));
    let skip = errand.target.number("$skip").unwrap_or(0);
    let top = errand.target.number("$top").unwrap_or(PAGE).clamp(1, 1000);
    let total = found.len();
    let wanted = errand.target.selected();
    let value: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(top)
        .map(|(place, held)| render(errand, (place, held), wanted.as_deref()))
        .collect();
    let mut body =
        json!({ "@odata.context": format!("{}/$metadata#messages", errand.root()), "value": value });
    if skip + top < total {
        let path = errand.request.target.split('?').next().unwrap_or_default().trim_start_matches("/v1.0");
        let select = errand.target.get("$select").map(|list| format!("&$select={list}")).unwrap_or_default();
        body["@odata.nextLink"] =
            format!("{}{path}?$top={top}&$skip={}{select}", errand.root(), skip + top).into();
    }
    Answer::json(200, body)
}

/// `internetMessageId eq '<1@x>'`, `isRead eq false`
fn equals(filter: &str) -> Option<(String, Value)> {
    let (property, value) = filter.split_once(" eq ")?;
    let value = match value.trim() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => Value::String(text.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'")),
    };
    Some((property.trim().to_owned(), value))
}

pub(super) fn create(errand: &mut Errand<'_, '_>, folder: &str) -> Answer {
    let Some(raw) = octets(errand) else {
        return Answer::error(
            400,
            "ErrorMimeContentInvalid",
            "The MIME content of the item could not be read.",
        );
    };
    if raw.len() > errand.turn.world.options.message_bytes_max {
        return Answer::error(
            413,
            "ErrorMessageSizeExceeded",
            "The message exceeds the maximum supported size.",
        );
    }
    let place = Place { account: errand.account, key: folder.to_owned() };
    match changes::put(errand.turn, &place, raw.into()) {
        Some(held) => Answer::json(201, render(errand, (&place, &held), None)),
        None => Answer::error(507, "ErrorQuotaExceeded", "The mailbox is full."),
    }
}

/// The octets of what is posted: JSON, or MIME in Base64.
pub(super) fn octets(errand: &Errand<'_, '_>) -> Option<Vec<u8>> {
    if errand.request.is_json() {
        let body = errand.request.json()?;
        return compose::octets(&body, &address(errand), errand.turn.world.state.now());
    }
    let text: String = String::from_utf8(errand.request.body.clone()).ok()?;
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(text).ok().filter(|raw| !raw.is_empty())
}

pub(super) fn address(errand: &Errand<'_, '_>) -> String {
    errand.turn.world.state.lock().user(errand.account).address.clone()
}

pub(super) fn one(errand: &mut Errand<'_, '_>, (place, held): (&Place, &Held), rest: &[&str]) -> Answer {
    let damage = attachments::damage(errand, held);
    let selected = errand.target.selected();
    let refused = damage.and_then(|damage| damage.refuses_by_graph(selected.as_deref(), rest));
    if let Some((code, words)) = refused {
        return Answer::error(500, code, words);
    }
    match (errand.request.method.as_str(), rest) {
        ("GET", []) => {
            let wanted = errand.target.selected();
            Answer::json(200, render(errand, (place, held), wanted.as_deref()))
        }
        ("GET", ["$value"]) => {
            Answer { status: 200, fields: Vec::new(), body: Payload::Octets(held.raw.clone()) }
        }
        ("PATCH", []) => update(errand, (place, held)),
        ("DELETE", []) => {
            changes::take(errand.turn, place, held);
            Answer::nothing(204)
        }
        ("GET", ["attachments"]) => attachments::list(errand, held),
        ("GET", ["attachments", name, "$value"]) => attachments::value(errand, held, name),
        ("POST", ["attachments"]) => attachments::create(errand, (place, held)),
        ("POST", ["attachments", "createUploadSession" | "microsoft.graph.createUploadSession"]) => {
            uploads::open(errand, (place, held))
        }
        ("POST", ["move" | "microsoft.graph.move"]) => relocate(errand, (place, held)),
        ("POST", ["send" | "microsoft.graph.send"]) => sending::draft(errand, (place, held)),
        _ => Answer::error(400, "BadRequest", "Resource not found for the segment."),
    }
}

fn update(errand: &mut Errand<'_, '_>, (place, held): (&Place, &Held)) -> Answer {
    let Some(body) = errand.request.json() else {
        return Answer::error(400, "BadRequest", "Unable to read JSON request payload.");
    };
    let properties = errand.turn.inner.properties.entry(held.uidl.clone()).or_default();
    properties.version += 1;
    if let Some(categories) = body["categories"].as_array() {
        properties.categories = categories.iter().filter_map(|it| it.as_str()).map(str::to_owned).collect();
    }
    if let Some(seen) = body["isRead"].as_bool() {
        changes::mark(errand.turn, place, held, seen);
    }
    match folders::held(errand.turn, place).into_iter().find(|it| it.uidl == held.uidl) {
        Some(held) => Answer::json(200, render(errand, (place, &held), None)),
        None => Answer::not_found(),
    }
}

fn relocate(errand: &mut Errand<'_, '_>, (place, held): (&Place, &Held)) -> Answer {
    let wanted = errand.request.json().and_then(|body| Some(body["destinationId"].as_str()?.to_owned()));
    let to = wanted.and_then(|name| names::find_folder(errand.turn, errand.account, &name));
    let Some(to) = to else {
        return Answer::error(
            404,
            "ErrorItemNotFound",
            "The specified folder could not be found in the store.",
        );
    };
    match to_folder(errand, (place, held), &to) {
        Some(moved) => Answer::json(201, render(errand, (&to, &moved), None)),
        None => Answer::error(507, "ErrorQuotaExceeded", "The mailbox is full."),
    }
}

/// It keeps its immutable id.
pub(super) fn to_folder(
    errand: &mut Errand<'_, '_>,
    (place, held): (&Place, &Held),
    to: &Place,
) -> Option<Held> {
    let moved = changes::put(errand.turn, to, held.raw.clone())?;
    let inner = &mut *errand.turn.inner;
    if let Some(properties) = inner.properties.remove(&held.uidl) {
        inner.properties.insert(moved.uidl.clone(), properties);
    }
    let origin = inner.graph.origins.get(&held.uidl).unwrap_or(&held.uidl).clone();
    inner.graph.origins.insert(moved.uidl.clone(), origin);
    changes::mark(errand.turn, to, &moved, held.flags.contains("\\Seen"));
    changes::take(errand.turn, place, held);
    folders::held(errand.turn, to).into_iter().find(|it| it.uidl == moved.uidl)
}

/// `wanted`: the properties that are asked for; `None`: all.
pub(super) fn render(errand: &Errand<'_, '_>, message: (&Place, &Held), wanted: Option<&[&str]>) -> Value {
    let whole = whole(errand, message);
    let is_wanted = |key: &str| {
        key == "id" || wanted.map_or(key != "internetMessageHeaders", |wanted| wanted.contains(&key))
    };
    Value::Object(whole.into_iter().filter(|(key, _)| key.starts_with('@') || is_wanted(key)).collect())
}

fn whole(errand: &Errand<'_, '_>, (place, held): (&Place, &Held)) -> Map<String, Value> {
    let inner = &*errand.turn.inner;
    let properties = inner.properties.get(&held.uidl).cloned().unwrap_or_default();
    let change_key = items::change_key(inner, held);
    let received = held.received.to_string();
    let mut message = json!({
        "@odata.etag": format!("W/\"{change_key}\""),
        "id": names::message(inner, errand.ids, place, held),
        "changeKey": change_key,
        "parentFolderId": names::folder(place),
        "receivedDateTime": received,
        "createdDateTime": received,
        "sentDateTime": received,
        "isDraft": place.key == "drafts",
        "isRead": held.flags.contains("\\Seen"),
        "categories": properties.categories,
        "importance": "normal",
    });
    if let (Some(message), Some(said)) = (message.as_object_mut(), compose::described(&held.raw).as_object())
    {
        message.extend(said.clone());
    }
    message.as_object().cloned().unwrap_or_default()
}
