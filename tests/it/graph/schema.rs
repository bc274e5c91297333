//! What we say and what the playground answers, held against the vendor's description by a validator that is not ours.

use std::io::Write;
use std::process::{Command, Stdio};

use mailplumb::model::cursor::Cursor;
use mailplumb::model::forwarding::{InboxRule, RuleHealth, RuleReach};
use mailplumb::model::name::Address;
use mailplumb::playground::{Damage, GraphCall};
use mailplumb::protocol::ews::item_properties::WithBody;
use mailplumb::protocol::graph::*;
use serde_json::json;

use super::world::{ANNA, BORIS, World, ids, whole};
use crate::support::need::{Need, python, require, vendor_data};

const SCRIPT: &str = include_str!("../support/python/graph_schema.py");

/// Panics with what does not fit; returns how many documents were judged.
fn validate(calls: &[serde_json::Value]) -> u64 {
    let description = vendor_data().unwrap().join("graph-schema/graph-mail.openapi.json");
    let mut command = Command::new(python().unwrap());
    command
        .args(["-c", SCRIPT])
        .arg(description)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines: String = calls.iter().map(|call| format!("{call}\n")).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let counted: serde_json::Value = serde_json::from_str(said.trim().lines().last().unwrap()).unwrap();
    assert_eq!(counted["wrong"], 0, "{said}");
    counted["judged"].as_u64().unwrap()
}

/// A request alone.
fn asked(call: &Call) -> serde_json::Value {
    let kind = call.fields().into_iter().find(|(name, _)| *name == "Content-Type").map(|(_, value)| value);
    let request = String::from_utf8(call.body.octets().into_owned()).unwrap();
    json!({ "method": call.method.name(), "path": call.path, "contentType": kind, "request": request, "status": 200, "response": "" })
}

fn answered(call: GraphCall) -> serde_json::Value {
    let GraphCall { method, path, content_type, request, status, response, prefer: _ } = call;
    json!({ "method": method, "path": path, "contentType": content_type, "request": request, "status": status, "response": response })
}

/// One request of each operation, with everything that it can say.
fn requests() -> Vec<Call> {
    let user = Address::parse(ANNA).unwrap();
    let host = "graph.microsoft.com";
    let update =
        UpdateMessage { id: "A", categories: Some(vec!["Tracked".to_owned()]), read: Some(ReadState::Read) };
    let file = File {
        name: "a.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        content_id: Some("1@x".to_owned()),
        display: Display::Inline,
        content: b"x".to_vec(),
    };
    let mut all = vec![
        CreateAttachment { message: "A", file: &file }.call(&user),
        CreateUploadSession { message: "A", file: &file, hosts: &[] }.call(&user),
        ListAttachments { message: "A", pictures: Pictures::Told }.call(&user),
        ListAttachments { message: "A", pictures: Pictures::NotAsked }.call(&user),
        GetMessage { id: "A", body: WithBody::Yes }.call(&user),
        GetMessage { id: "A", body: WithBody::No }.call(&user),
        MessagesDelta {
            host,
            folder: Folder::Inbox,
            position: Position::Start,
            about: About::Arrival,
            page: 10,
        }
        .call(&user),
        MessagesDelta {
            host,
            folder: Folder::Inbox,
            position: Position::Start,
            about: About::ArrivalAndCategories,
            page: 10,
        }
        .call(&user),
        MessageValue { id: "A" }.call(&user),
        CreateMessage { raw: b"Subject: x\r\n\r\n" }.call(&user),
        SendMessage { id: "A" }.call(&user),
        SendMail { raw: b"Subject: x\r\n\r\n" }.call(&user),
        FindMessages { internet_message_id: "<1@x>" }.call(&user),
        GetMailFolder { folder: Folder::Id("F".to_owned()) }.call(&user),
        ListMailFolders { host, below: None, after: None }.call(&user),
        ListMailFolders { host, below: Some(Folder::Inbox), after: None }.call(&user),
        CreateMailFolder { below: None, name: "Undeliverable".to_owned() }.call(&user),
        CreateMailFolder { below: Some(Folder::Inbox), name: "Undeliverable".to_owned() }.call(&user),
        MoveMessage { id: "A", to: Folder::DeletedItems }.call(&user),
        update.call(&user),
        DeleteMessage { id: "A" }.call(&user),
    ];
    all.extend(requests_about_rules(&user));
    all.push(Batch { parts: all.clone() }.call(&user));
    all
}

fn requests_about_rules(user: &Address) -> [Call; 4] {
    let rule = InboxRule {
        stops: false,
        id: Some("R=".to_owned()),
        name: "mailplumb: forward".to_owned(),
        priority: 1,
        is_enabled: true,
        health: RuleHealth::Works,
        reach: RuleReach::EveryMessage,
        forward_as_attachment_to: vec![BORIS.to_owned()],
    };
    [
        ListMessageRules { host: "graph.microsoft.com", after: None }.call(user),
        CreateMessageRule { rule: &rule }.call(user),
        UpdateMessageRule { id: "R=", rule: &rule }.call(user),
        DeleteMessageRule { id: "R=" }.call(user),
    ]
}

#[test]
fn every_request_validates() {
    let Some(()) = require(Need::GraphSchema) else { return };
    let requests: Vec<_> = requests().iter().map(asked).collect();
    assert!(validate(&requests) >= 8);
}

#[test]
fn the_validator_refuses_what_is_wrong() {
    let Some(()) = require(Need::GraphSchema) else { return };
    for (path, request) in [
        ("/v1.0/users/a/messages/A/move", json!({ "destinationId": 7 })),
        ("/v1.0/users/a/messages/A", json!({ "isRead": "yes" })),
        ("/v1.0/users/a/messages/A", json!({ "noSuchProperty": 1 })),
        ("/v1.0/users/a/nothing", json!({})),
        (
            "/v1.0/users/a/mailFolders/inbox/messageRules/R",
            json!({ "actions": { "forwardAsAttachmentTo": "b" } }),
        ),
        ("/v1.0/users/a/mailFolders/inbox/messageRules/R", json!({ "priority": 1 })),
    ] {
        let method = if path.ends_with("move") { "POST" } else { "PATCH" };
        let call = json!({ "method": method, "path": path, "request": request.to_string(), "status": 200, "response": "" });
        assert!(std::panic::catch_unwind(|| validate(&[call])).is_err(), "{path} {request}");
    }
}

#[tokio::test]
async fn what_the_connector_asks_and_the_playground_says_validates() {
    let Some(()) = require(Need::GraphSchema) else { return };
    let world = World::new();
    world.deliver(0..25);
    let letter = crate::exchange::rebuilding::LETTER.as_bytes();
    for damage in [Damage::Mime, Damage::MimeAndText, Damage::MimeAndAttachments, Damage::Everything] {
        world.playground.exchange().deliver_damaged(ANNA, letter, damage);
    }
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    whole(&mut session, &listing).await;
    session.delete_and_close(&ids(&listing)[..3]).await.unwrap();
    let mut session = world.receive(ANNA).await.unwrap();
    session.list(&super::world::behind(&listing)).await.unwrap();
    let mut outgoing = world.submit(ANNA).await.unwrap();
    let to = Address::parse(BORIS).unwrap();
    let raw = format!("To: {BORIS}\r\nMessage-ID: <1@contoso.example>\r\nSubject: x\r\n\r\nx\r\n");
    let from = Address::parse(ANNA).unwrap();
    outgoing.send(&from, std::slice::from_ref(&to), raw.as_bytes()).await.unwrap();
    let large = super::attaching::mail(&[4 * 1024 * 1024, 2 * 1024 * 1024]);
    outgoing.send(&from, &[to], &large).await.unwrap();
    let _ = world.receive("nobody@contoso.example").await;
    for call in requests() {
        let line = format!("{} {}", call.method.name(), call.path);
        let (fields, application) = (call.fields(), super::world::APPLICATION);
        world.playground.graph().asks(application, &line, fields, call.body.octets().into_owned());
    }
    // What is said where files are put is no part of Graph, and of its description; the content of an attachment stands on a page of
    // its own only (<https://learn.microsoft.com/graph/api/attachment-get>).
    let is_content = |call: &GraphCall| call.path.contains("/attachments/") && call.path.ends_with("/$value");
    assert!(world.calls().iter().any(is_content));
    let is_graph = |call: &GraphCall| call.path.starts_with("/v1.0/") && !is_content(call);
    let calls: Vec<_> = world.calls().into_iter().filter(is_graph).map(answered).collect();
    assert!(calls.len() > 50, "{}", calls.len());
    assert!(validate(&calls) > 20);
}
