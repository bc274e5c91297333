//! What we say and what the playground answers, held against the vendor's schemas; and the vendor's samples, read by us.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use mailplumb::model::cursor::Cursor;
use mailplumb::model::name::Address;
use mailplumb::model::profile::Access;
use mailplumb::protocol::ews::item::WithMime;
use mailplumb::protocol::ews::update_item::ReadState;
use mailplumb::protocol::ews::{self, element, *};

use super::world::{ANNA, BORIS, SELF, SERVICE, Who, World, ids};
use crate::support::need::{Need, require, vendor_data};

fn folder() -> PathBuf {
    vendor_data().unwrap().join("ews-schema")
}

/// Validates whole envelopes; panics with what does not fit.
#[track_caller]
pub fn validate(envelopes: &[(String, String)]) {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("xmllint");
    command.arg("--noout").arg("--schema").arg(folder().join("exchange-15.2/soap-ews.xsd"));
    for (at, (name, text)) in envelopes.iter().enumerate() {
        let path = scratch.path().join(format!("{at:05}-{name}.xml"));
        std::fs::write(&path, text).unwrap();
        command.arg(path);
        // `Body` is lax: an element of another namespace would pass unseen.
        let envelope = element::read(text.as_bytes()).unwrap();
        let first = &envelope.child("Body").unwrap().children[0];
        let is_fault = first.is(element::Namespace::Envelope, "Fault");
        assert!(is_fault || first.namespace == element::Namespace::Messages, "{name}: {text}");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.ends_with(" validates")).take(20).collect();
    assert!(output.status.success(), "{}", wrong.join("\n"));
}

fn request<O: Operation>(operation: &O) -> (String, String) {
    let address = Address::parse(ANNA).unwrap();
    let zone = Some("W. Europe Standard Time".to_owned());
    let header = Header { version: ServerVersion::FIRST, impersonated: Some(address), time_zone: zone };
    (O::NAME.to_owned(), envelope(operation, &header))
}

fn inbox() -> FolderRef {
    FolderRef::Own(WellKnown::Inbox)
}

fn item() -> ItemId {
    ItemId { id: "AAMkAD==".to_owned(), change_key: Some("CQAAAA==".to_owned()) }
}

fn address() -> Address {
    Address::parse(ANNA).unwrap()
}

/// One request of each operation, with everything that it can say.
fn requests() -> Vec<(String, String)> {
    [folder_requests(), item_requests(), message_requests(), other_requests()].concat()
}

fn folder_requests() -> Vec<(String, String)> {
    let shared = FolderRef::Of(address(), WellKnown::SentItems);
    vec![
        request(&GetFolder { folder: inbox() }),
        request(&FindFolder {
            parent: FolderRef::Own(WellKnown::MessageRoot),
            traversal: Traversal::Deep,
            name: Some("Undeliverable \"x\"".to_owned()),
            offset: 0,
            count_max: 100,
        }),
        request(&CreateFolder { parent: inbox(), name: "Undeliverable".to_owned() }),
        request(&SyncFolderHierarchy { below: Some(inbox()), state: Some("H4s=".to_owned()) }),
        request(&SyncFolderItems {
            folder: shared.clone(),
            state: Some("H4s=".to_owned()),
            changes_max: 512,
            further: &[Further::Categories, Further::Marker],
        }),
    ]
}

fn item_requests() -> Vec<(String, String)> {
    let categories = vec![Change::Categories(vec!["Tracked".to_owned()]), Change::Read(ReadState::Read)];
    vec![
        request(&FindItem {
            folder: inbox(),
            restriction: Some(Restriction::Marker("1@a.example".to_owned())),
            offset: 0,
            count_max: 1,
        }),
        request(&FindItem {
            folder: FolderRef::Id(FolderId("AAMk".to_owned())),
            restriction: Some(Restriction::InternetMessageId("<1@a.example>".to_owned())),
            offset: 10,
            count_max: 1000,
        }),
        request(&GetItem { ids: vec![item(), item()], mime: WithMime::Yes, fields: &["item:Categories"] }),
        request(&GetItemProperties { id: item(), body: item_properties::WithBody::Yes }),
        request(&SendItem { id: item(), copy: Some(FolderRef::Own(WellKnown::SentItems)) }),
        request(&UpdateItem { id: item(), changes: categories, conflict: Conflict::Resolve }),
        request(&UpdateItem {
            id: item(),
            changes: vec![Change::Categories(vec![])],
            conflict: Conflict::Refuse,
        }),
        request(&MoveItem { ids: vec![item()], to: FolderRef::Own(WellKnown::DeletedItems) }),
        request(&DeleteItem { ids: vec![item()], disposal: Disposal::SoftDelete }),
    ]
}

fn message_requests() -> Vec<(String, String)> {
    let shared = FolderRef::Of(address(), WellKnown::SentItems);
    let blind = [Address::parse(BORIS).unwrap()];
    let create = |disposition| CreateItem {
        disposition,
        folder: Some(shared.clone()),
        raw: b"Subject: x\r\n\r\n",
        blind_recipients: &blind,
        marker: Some("1@a.example"),
    };
    [Disposition::SaveOnly, Disposition::SendOnly, Disposition::SendAndSaveCopy]
        .map(|disposition| request(&create(disposition)))
        .into()
}

fn other_requests() -> Vec<(String, String)> {
    let rule = |id: Option<&str>| InboxRule {
        id: id.map(str::to_owned),
        name: "mailplumb".to_owned(),
        priority: 1,
        is_enabled: true,
        health: RuleHealth::Works,
        reach: RuleReach::EveryMessage,
        stops: false,
        forward_as_attachment_to: vec![BORIS.to_owned()],
    };
    let configuration = UserConfiguration {
        entries: BTreeMap::from([("owner".to_owned(), "prod <1>".to_owned())]),
        ..UserConfiguration::in_inbox("Mailplumb.Claim")
    };
    let rules = vec![
        RuleChange::Create(rule(None)),
        RuleChange::Set(rule(Some("R1"))),
        RuleChange::Delete("R2".to_owned()),
    ];
    vec![
        request(&ResolveNames { entry: format!("smtp:{ANNA}") }),
        request(&CreateAttachment {
            parent: item(),
            name: "a<b>.txt",
            media_type: "text/plain",
            octets: b"x",
        }),
        request(&GetAttachment { id: "AAMk".to_owned() }),
        request(&GetServerTimeZones { ids: vec!["UTC".to_owned()] }),
        request(&Subscribe { folder: inbox() }),
        request(&GetStreamingEvents {
            subscriptions: vec![Subscription { id: "JgBl".to_owned() }],
            minutes: 30,
        }),
        request(&Unsubscribe { subscription: Subscription { id: "JgBl".to_owned() } }),
        request(&GetUserConfiguration(configuration.clone())),
        request(&CreateUserConfiguration(configuration.clone())),
        request(&UpdateUserConfiguration(configuration)),
        request(&GetInboxRules { mailbox: address() }),
        request(&UpdateInboxRules { mailbox: address(), changes: rules }),
    ]
}

#[test]
fn every_request_validates() {
    let Some(()) = require(Need::Schemas) else { return };
    let requests = requests();
    let names: BTreeSet<&str> = requests.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 24, "one of each operation: {names:?}");
    validate(&requests);
}

/// Sends every request to the playground, whose mailboxes have what it asks about or not.
#[tokio::test]
async fn what_the_playground_says_validates_and_is_understood() {
    let Some(()) = require(Need::Schemas) else { return };
    let world = World::new();
    for number in 0..3 {
        let raw = format!("From: x@y.example\r\nTo: {ANNA}\r\nSubject: <{number}> & more\r\n\r\nbody\r\n");
        world.playground.state().deliver(ANNA, raw.as_bytes()).unwrap();
    }
    let who = Who { username: SERVICE, access: Some(Access::Impersonation), ..SELF };
    let mut session = world.receive(&who).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    super::world::whole(&mut session, &listing).await;
    session.delete_and_close(&ids(&listing)[..1]).await.unwrap();
    let mut outgoing = world.submit(&SELF).await.unwrap();
    let to = Address::parse(BORIS).unwrap();
    let raw = format!("To: {BORIS}\r\nSubject: x\r\n\r\nx\r\n");
    outgoing.send(&Address::parse(ANNA).unwrap(), &[to], raw.as_bytes()).await.unwrap();
    for (_, text) in requests() {
        world.playground.exchange().asks(SERVICE, &text);
    }
    world.playground.exchange().be_busy(1, std::time::Duration::from_secs(1));
    world.playground.exchange().asks(SERVICE, &requests()[0].1);
    let calls = world.playground.exchange().calls();
    let (asked, answered): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .map(|call| ((call.operation.clone(), call.request), (call.operation, call.response)))
        .unzip();
    validate(&asked);
    validate(&answered);
}

/// The folder's XML files.
fn samples(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder().join("samples").join(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "xml") {
            let octets = std::fs::read(&path).unwrap();
            found.push((path, octets));
        }
    }
    found.sort();
    found
}

/// Reads an answer of the operation that its name says. `None`: it is not one of ours.
fn understood(name: &str, document: &[u8]) -> Option<Result<(), EwsError>> {
    fn read<O: Operation>(operation: &O, document: &[u8]) -> Option<Result<(), EwsError>> {
        Some(ews::read(operation, document).map(drop))
    }
    let configuration = || UserConfiguration::in_inbox("x");
    let address = || Address::parse(ANNA).unwrap();
    match name {
        "GetFolderResponse" => read(&GetFolder { folder: inbox() }, document),
        "CreateFolderResponse" => read(&CreateFolder { parent: inbox(), name: String::new() }, document),
        "SyncFolderHierarchyResponse" => read(&SyncFolderHierarchy { below: None, state: None }, document),
        "SyncFolderItemsResponse" => {
            read(&SyncFolderItems { folder: inbox(), state: None, changes_max: 1, further: &[] }, document)
        }
        "FindItemResponse" => {
            read(&FindItem { folder: inbox(), restriction: None, offset: 0, count_max: 1 }, document)
        }
        "FindFolderResponse" => {
            let traversal = Traversal::Shallow;
            read(&FindFolder { parent: inbox(), traversal, name: None, offset: 0, count_max: 1 }, document)
        }
        "MoveItemResponse" => read(&MoveItem { ids: vec![], to: inbox() }, document),
        "DeleteItemResponse" => read(&DeleteItem { ids: vec![], disposal: Disposal::HardDelete }, document),
        "SendItemResponse" => read(&SendItem { id: item(), copy: None }, document),
        "ResolveNamesResponse" => read(&ResolveNames { entry: String::new() }, document),
        "GetServerTimeZonesResponse" => read(&GetServerTimeZones { ids: vec![] }, document),
        "SubscribeResponse" => read(&Subscribe { folder: inbox() }, document),
        "GetStreamingEventsResponse" => {
            read(&GetStreamingEvents { subscriptions: vec![], minutes: 1 }, document)
        }
        "GetUserConfigurationResponse" => read(&GetUserConfiguration(configuration()), document),
        "CreateUserConfigurationResponse" => read(&CreateUserConfiguration(configuration()), document),
        "GetInboxRulesResponse" => read(&GetInboxRules { mailbox: address() }, document),
        "UpdateInboxRulesResponse" => {
            read(&UpdateInboxRules { mailbox: address(), changes: vec![] }, document)
        }
        "CreateAttachmentResponse" => {
            read(&CreateAttachment { parent: item(), name: "", media_type: "", octets: b"" }, document)
        }
        "GetAttachmentResponse" => read(&GetAttachment { id: String::new() }, document),
        _ => None,
    }
}

fn body_of(path: &Path, octets: &[u8]) -> String {
    let envelope = element::read(octets).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let body = envelope.child("Body").and_then(|body| body.children.first());
    body.map_or(envelope.name.clone(), |body| body.name.clone())
}

#[test]
fn the_vendors_samples_and_recorded_exchanges_are_read() {
    let Some(()) = require(Need::Schemas) else { return };
    let all: Vec<_> = samples("ews").into_iter().chain(samples("recorded")).collect();
    assert!(all.len() > 550, "{}", all.len());
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for (path, octets) in &all {
        let name = body_of(path, octets);
        match understood(&name, octets) {
            None => {}
            Some(Ok(()) | Err(EwsError::Refused(_))) => *counted.entry(name).or_default() += 1,
            Some(Err(error)) => panic!("{}: {error}", path.display()),
        }
    }
    assert!(counted.len() >= 14, "{counted:?}");
    assert!(counted.values().sum::<usize>() >= 60, "{counted:?}");
}
