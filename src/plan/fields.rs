//! Field by field what changes, in the manifest's spelling: `pop3Smtp.incoming.host`.
//!
//! The fields are found by walking the serialised nouns, so that a new field shows up by itself; only where a noun
//! is shaped otherwise than the manifest is its path respelt here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::mailbox::{
    Accept, ActMethod, IncomingMethod, Lifecycle, Mailbox, MailboxCredentials, MailboxKind, OutgoingMethod,
};
use crate::model::organization::Organization;
use crate::model::plan::FieldChange;
use crate::model::profile::{Endpoint, Profile, Protocol, Server};

/// Dotted path → value, for people. What is left out or empty has no entry.
pub type Fields = BTreeMap<String, String>;

/// One of them. There may be very many that have the same path.
type Field = (Cow<'static, str>, Cow<'static, str>);

pub(super) fn organization_changes(before: Option<&Organization>, after: &Organization) -> Vec<FieldChange> {
    changes(before.map(organization), organization(after))
}

pub(super) fn profile_changes(before: Option<&Profile>, after: &Profile) -> Vec<FieldChange> {
    changes(before.map(profile), profile(after))
}

/// Nothing where both are the same, without looking at their fields.
pub(super) fn mailbox_changes(before: Option<&Mailbox>, after: &Mailbox) -> Vec<FieldChange> {
    match before {
        Some(before) if before == after => Vec::new(),
        Some(before) => changes(Some(mailbox(before)), mailbox(after)),
        None => {
            // There may be very many of them: no map is made only to sort its keys.
            let mut fields = mailbox_leaves(after);
            fields.sort();
            created(fields)
        }
    }
}

fn changes(before: Option<Fields>, mut after: Fields) -> Vec<FieldChange> {
    let Some(before) = before else {
        return created(after.into_iter().map(|(field, value)| (field.into(), value.into())).collect());
    };
    let mut changes = Vec::new();
    for (field, old) in before {
        let new = after.remove(&field);
        if new.as_ref() != Some(&old) {
            let (before, after) = (Some(old.into()), new.map(Into::into));
            changes.push(FieldChange { field: field.into(), before, after });
        }
    }
    changes.extend(after.into_iter().map(|(field, new)| FieldChange {
        field: field.into(),
        before: None,
        after: Some(new.into()),
    }));
    changes.sort();
    changes
}

/// Of something new, neither its name nor what it does not do is worth a line.
fn created(mut fields: Vec<Field>) -> Vec<FieldChange> {
    // Sorted out before they are collected, so that what is kept of very many has no room to spare.
    fields.retain(|(field, value)| field != "name" && value != "false");
    let created = fields.into_iter();
    created.map(|(field, value)| FieldChange { field, before: None, after: Some(value) }).collect()
}

/// Every field of the organization.
pub fn organization(organization: &Organization) -> Fields {
    let mut fields = respelt(leaves(organization), |path| match path {
        "guards.deletionsCount" => "guards.deletions.count".to_owned(),
        "guards.deletionsPercent" => "guards.deletions.percent".to_owned(),
        "guards.updatesPercent" => "guards.updates.percent".to_owned(),
        "tracking.attachmentBytesMax" => "tracking.attachments.sizeMax".to_owned(),
        "tracking.attachmentBlockedTypes" => "tracking.attachments.blockedTypes".to_owned(),
        other => other.to_owned(),
    });
    fields
        .insert("tracking.attachments.sizeMax".to_owned(), size(organization.tracking.attachment_bytes_max));
    let alerts = &organization.alerts;
    let levels =
        [("errors", alerts.errors), ("warnings", alerts.warnings), ("information", alerts.information)];
    for (level, _) in levels {
        fields.remove(&format!("alerts.{level}"));
    }
    let levels: Vec<&str> = levels
        .into_iter()
        .filter(|(_, is_on)| *is_on)
        .map(|(level, _)| level.strip_suffix('s').unwrap_or(level))
        .collect();
    fields.insert("alerts.levels".to_owned(), list(&levels));
    fields
}

/// Every field of a profile; computed ports end with ` (computed)`.
pub fn profile(profile: &Profile) -> Fields {
    let mut fields: Fields = leaves(profile).into_iter().map(profile_field).collect();
    let (servers, reading) = match &profile.server {
        Server::Pop3Smtp(servers) => (servers, Protocol::Pop3),
        Server::ImapSmtp(servers) => (servers, Protocol::Imap),
        Server::Exchange(_) | Server::ExchangeOnline(_) => return fields,
    };
    let kind = profile.server.kind().key();
    fields.extend(computed_port(kind, "incoming", Some(&servers.incoming), reading));
    fields.extend(computed_port(kind, "outgoing", servers.outgoing.as_ref(), Protocol::Smtp));
    fields
}

/// The manifest has no `server` level, groups some fields, and writes units behind its numbers.
fn profile_field((path, value): (String, String)) -> (String, String) {
    let Some(server) = path.strip_prefix("server.") else {
        return match path.as_str() {
            "massFailureAlert" => ("alerts.massFailure".to_owned(), value),
            "processing.minPollingIntervalMinutes" => {
                ("processing.minPollingInterval".to_owned(), format!("{value}m"))
            }
            _ => (path, value),
        };
    };
    if let Some(place) = server.strip_suffix(".timeoutSeconds") {
        return (format!("{place}.timeout"), format!("{value}s"));
    }
    let server = match server.strip_prefix("exchangeOnline.") {
        Some("clientId") => "exchangeOnline.serverToServer.clientId".to_owned(),
        Some(online) => match online.strip_prefix("proof.") {
            Some(proof) => format!("exchangeOnline.serverToServer.{proof}"),
            None => server.to_owned(),
        },
        None => server.to_owned(),
    };
    (server, value)
}

fn computed_port(
    kind: &str,
    direction: &str,
    endpoint: Option<&Endpoint>,
    protocol: Protocol,
) -> Option<(String, String)> {
    let endpoint = endpoint.filter(|endpoint| endpoint.port.is_none())?;
    Some((format!("{kind}.{direction}.port"), format!("{} (computed)", endpoint.port_or_default(protocol))))
}

/// Every field of a mailbox.
pub fn mailbox(mailbox: &Mailbox) -> Fields {
    mailbox_leaves(mailbox)
        .into_iter()
        .map(|(field, value)| (field.into_owned(), value.into_owned()))
        .collect()
}

/// [`leaves`] of a mailbox, without the detour over its JSON: a first plan asks for those of all mailboxes.
fn mailbox_leaves(mailbox: &Mailbox) -> Vec<Field> {
    let Mailbox {
        name,
        labels,
        kind,
        address,
        display_name,
        owner,
        active,
        approved,
        profile,
        incoming,
        forward_to,
        outgoing,
        appointments_contacts_tasks,
        accept,
        delete_after_processing,
        process_from,
        credentials,
        tracked_folders,
        claim_take_over_from,
        lifecycle,
    } = mailbox;
    let mut fields: Vec<Field> = Vec::with_capacity(16);
    let mut add = |path: &'static str, value: Option<Cow<'static, str>>| {
        fields.extend(value.map(|value| (Cow::Borrowed(path), value)));
    };
    let text = |text: &str| Some(Cow::Owned(text.to_owned()));
    let word = |word: &'static str| Some(Cow::Borrowed(word));
    let [address_path, display_name_path, delete_path] = paths_of(*kind);
    add("name", text(name.as_str()));
    add(address_path, text(address.as_str()));
    add(display_name_path, display_name.as_deref().and_then(text));
    add("owner", owner.as_ref().and_then(|owner| text(owner.as_str())));
    add("active", word(flag(*active)));
    add("approved", approved.as_ref().and_then(|approved| text(approved.as_str())));
    add("profile", profile.as_ref().and_then(|profile| text(profile.as_str())));
    add("incoming", word(incoming_word(*incoming)));
    add("forwardTo", forward_to.as_ref().and_then(|to| text(to.as_str())));
    add("outgoing", word(outgoing_word(*outgoing)));
    add("appointmentsContactsTasks", word(act_word(*appointments_contacts_tasks)));
    add("accept", word(accept_word(*accept)));
    add(delete_path, word(flag(*delete_after_processing)));
    add("processFrom", process_from.as_ref().and_then(serialised).map(Cow::Owned));
    if let Some(MailboxCredentials { username, password }) = credentials {
        add("credentials.username", text(username));
        add("credentials.password", Some(Cow::Owned(password.to_string())));
    }
    add("trackedFolders", (!tracked_folders.is_empty()).then(|| Cow::Owned(list(tracked_folders))));
    add("claim.takeOverFrom", claim_take_over_from.as_deref().and_then(text));
    let Lifecycle { prevent_destroy, previous_names } = lifecycle;
    add("lifecycle.preventDestroy", word(flag(*prevent_destroy)));
    let previous_names: Vec<&str> = previous_names.iter().map(|name| name.as_str()).collect();
    add("lifecycle.previousNames", (!previous_names.is_empty()).then(|| Cow::Owned(list(&previous_names))));
    fields.extend(labels.iter().map(|(key, value)| (format!("labels.{key}").into(), value.clone().into())));
    fields
}

fn flag(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

fn incoming_word(method: IncomingMethod) -> &'static str {
    match method {
        IncomingMethod::None => "none",
        IncomingMethod::ServerSideSync => "server-side-sync",
        IncomingMethod::ForwardMailbox => "forward-mailbox",
    }
}

fn outgoing_word(method: OutgoingMethod) -> &'static str {
    match method {
        OutgoingMethod::None => "none",
        OutgoingMethod::ServerSideSync => "server-side-sync",
    }
}

fn act_word(method: ActMethod) -> &'static str {
    match method {
        ActMethod::None => "none",
        ActMethod::ServerSideSync => "server-side-sync",
    }
}

fn accept_word(accept: Accept) -> &'static str {
    match accept {
        Accept::All => "all",
        Accept::Replies => "replies",
        Accept::KnownParties => "known-parties",
        Accept::AnyRecord => "any-record",
        Accept::None => "none",
    }
}

/// The keys that stand below `user`, `queue` or `forward`.
fn paths_of(kind: MailboxKind) -> [&'static str; 3] {
    match kind {
        MailboxKind::User => ["user.address", "user.displayName", "user.deleteAfterProcessing"],
        MailboxKind::Queue => ["queue.address", "queue.displayName", "queue.deleteAfterProcessing"],
        MailboxKind::Forward => ["forward.address", "forward.displayName", "forward.deleteAfterProcessing"],
    }
}

/// A value that serialises as one word.
fn serialised(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok().map(|value| scalar(&value))
}

fn respelt(fields: Vec<(String, String)>, spelling: impl Fn(&str) -> String) -> Fields {
    fields.into_iter().map(|(path, value)| (spelling(&path), value)).collect()
}

fn leaves(noun: &impl Serialize) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    // Every noun serialises: its maps have string keys. Should one cease to, its fields are missing from the
    // output, never a step.
    if let Ok(value) = serde_json::to_value(noun) {
        walk("", &value, &mut fields);
    }
    fields
}

fn walk(path: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            fields.push((path.to_owned(), scalar(value)));
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            fields.push((path.to_owned(), list(&items)));
        }
        Value::Object(map) => {
            if let Some(text) = secret_ref(map).or_else(|| duration(map)) {
                fields.push((path.to_owned(), text));
                return;
            }
            // A choice is a map with one key; which one it is shows even where nothing stands below it.
            if let (true, Some(choice)) = (is_choice(path, map), map.keys().next()) {
                fields.push((path.to_owned(), choice.clone()));
            }
            for (key, value) in map {
                if path.is_empty() {
                    walk(key, value, fields);
                } else if !value.is_null() {
                    walk(&format!("{path}.{key}"), value, fields);
                }
            }
        }
    }
}

type Object = serde_json::Map<String, Value>;

fn is_choice(path: &str, map: &Object) -> bool {
    map.len() == 1 && (path.ends_with(".credentials") || path.ends_with(".location"))
}

fn secret_ref(map: &Object) -> Option<String> {
    match (map.len(), map.get("secret")?, map.get("key")?) {
        (2, Value::String(secret), Value::String(key)) => Some(format!("{secret}/{key}")),
        _ => None,
    }
}

/// As serde writes a `Duration`: whole seconds in the largest unit that holds them exactly.
fn duration(map: &Object) -> Option<String> {
    let (seconds, nanos) = (map.get("secs")?.as_u64()?, map.get("nanos")?.as_u64()?);
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length));
    Some(match (nanos, unit) {
        (0, Some((length, unit))) => format!("{}{unit}", seconds / length),
        (0, None) => format!("{seconds}s"),
        (nanos, _) => format!("{seconds}.{nanos:09}s"),
    })
}

fn size(bytes: u64) -> String {
    if bytes > 0 && bytes.is_multiple_of(1024) { format!("{}KiB", bytes / 1024) } else { format!("{bytes}B") }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// An item that could be taken for several, or for none, stands in quotation marks.
fn list(items: &[impl AsRef<str>]) -> String {
    let item = |item: &str| {
        let is_plain = !item.is_empty() && item.trim() == item && !item.contains([',', '"', '[', ']']);
        if is_plain { item.to_owned() } else { Value::String(item.to_owned()).to_string() }
    };
    format!("[{}]", items.iter().map(|text| item(text.as_ref())).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_its_largest_exact_unit() {
        for (seconds, text) in
            [(0, "0s"), (1, "1s"), (90, "90s"), (300, "5m"), (7200, "2h"), (2_592_000, "30d")]
        {
            let value = serde_json::to_value(std::time::Duration::from_secs(seconds)).unwrap();
            assert_eq!(duration(value.as_object().unwrap()).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_choice_shows_even_where_nothing_stands_below_it() {
        let value =
            serde_json::json!({ "outgoing": { "credentials": { "windowsIntegrated": { "access": null } } } });
        let mut fields = Vec::new();
        walk("", &value, &mut fields);
        assert_eq!(fields, [("outgoing.credentials".to_owned(), "windowsIntegrated".to_owned())]);
    }

    #[test]
    fn the_fields_of_a_mailbox_are_the_leaves_of_its_serialised_form() {
        let json = serde_json::json!({
            "name": "anna", "labels": { "team": "sales", "a.b": "" }, "kind": "queue", "address": "anna@a.example",
            "displayName": "Anna", "owner": "o@a.example", "active": true, "approved": "anna@a.example", "profile": "hq",
            "incoming": "server-side-sync", "forwardTo": "c@a.example", "outgoing": "none",
            "appointmentsContactsTasks": "none", "accept": "known-parties",
            "deleteAfterProcessing": true, "processFrom": "2026-11-01T00:00:00Z",
            "credentials": { "username": "u", "password": { "secret": "s", "key": "k" } },
            "trackedFolders": ["a, b", "c"], "claimTakeOverFrom": "x",
            "lifecycle": { "preventDestroy": true, "previousNames": ["ann", "a"] },
        });
        let full: Mailbox = serde_json::from_value(json).unwrap();
        let bare = Mailbox {
            labels: Default::default(),
            kind: MailboxKind::User,
            display_name: None,
            owner: None,
            approved: None,
            profile: None,
            forward_to: None,
            process_from: None,
            credentials: None,
            tracked_folders: Vec::new(),
            claim_take_over_from: None,
            lifecycle: Lifecycle::default(),
            ..full.clone()
        };
        for (noun, kind) in [(full, "queue"), (bare, "user")] {
            let mut expected = leaves(&noun);
            expected.retain(|(path, _)| path != "kind");
            for (path, _) in &mut expected {
                match path.as_str() {
                    "address" | "displayName" | "deleteAfterProcessing" => *path = format!("{kind}.{path}"),
                    "claimTakeOverFrom" => "claim.takeOverFrom".clone_into(path),
                    _ => {}
                }
            }
            assert_eq!(mailbox(&noun), expected.into_iter().collect::<Fields>());
        }
    }

    #[test]
    fn a_method_reads_as_it_is_written() {
        let is_written = |word: &str, value: Option<String>| assert_eq!(Some(word), value.as_deref());
        for method in [IncomingMethod::None, IncomingMethod::ServerSideSync, IncomingMethod::ForwardMailbox] {
            is_written(incoming_word(method), serialised(&method));
        }
        for method in [OutgoingMethod::None, OutgoingMethod::ServerSideSync] {
            is_written(outgoing_word(method), serialised(&method));
        }
        for method in [ActMethod::None, ActMethod::ServerSideSync] {
            is_written(act_word(method), serialised(&method));
        }
        let accepts = [Accept::All, Accept::Replies, Accept::KnownParties, Accept::AnyRecord, Accept::None];
        accepts.into_iter().for_each(|accept| is_written(accept_word(accept), serialised(&accept)));
    }

    #[test]
    fn labels_that_look_like_a_reference_are_labels() {
        let json = serde_json::json!({
            "name": "anna", "labels": { "secret": "s", "key": "k" }, "kind": "user", "address": "anna@a.example",
            "displayName": null, "owner": null, "active": true, "approved": null, "profile": null, "incoming": "none",
            "outgoing": "none", "appointmentsContactsTasks": "none", "accept": "all", "deleteAfterProcessing": false,
            "processFrom": null, "credentials": null, "trackedFolders": [], "claimTakeOverFrom": null,
            "lifecycle": { "preventDestroy": false, "previousNames": [] },
        });
        let fields = mailbox(&serde_json::from_value(json).unwrap());
        assert_eq!((&*fields["labels.secret"], &*fields["labels.key"]), ("s", "k"));
    }

    #[test]
    fn different_lists_read_differently() {
        let lists: [&[&str]; 6] = [&["a, b"], &["a", "b"], &["a"], &["[a]"], &[""], &["\"a\""]];
        let texts: std::collections::BTreeSet<String> = lists.iter().map(|items| list(items)).collect();
        assert_eq!(texts.len(), lists.len(), "{texts:?}");
    }
}
