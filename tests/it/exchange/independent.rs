//! The playground against `exchangelib`, a client that is not ours: what it makes we read, and the reverse.

use std::process::Command;

use mailplumb::model::cursor::{Content, Cursor};
use mailplumb::model::name::Address;
use mailplumb::protocol::ews::{
    self, GetInboxRules, Header, InboxRule, Operation, RuleChange, RuleHealth, RuleReach, ServerVersion,
    UpdateInboxRules,
};

use super::world::{ANNA, BORIS, PASSWORD, SELF, World, whole};
use crate::support::need::{Need, python, require};

/// Creates, finds, changes, moves, synchronises and sends; says what it saw as JSON.
const SCRIPT: &str = include_str!("client.py");

#[tokio::test]
async fn exchangelib_and_we_see_the_same_mailbox() {
    let Some(()) = require(Need::Python) else { return };
    let world = World::new();
    world
        .playground
        .state()
        .deliver(ANNA, b"Subject: from the playground\r\nFrom: a@b.example\r\n\r\nhello\r\n")
        .unwrap();
    let output = Command::new(python().unwrap())
        .args(["-c", SCRIPT, &world.playground.exchange().address().port().to_string(), ANNA, PASSWORD])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(seen["inbox_before"], serde_json::json!(["from the playground"]), "{seen}");
    assert_eq!(seen["synced"], 2, "{seen}");
    assert_eq!(seen["categories"], serde_json::json!(["Tracked"]), "{seen}");
    assert_eq!(seen["is_read"], true, "{seen}");
    assert_eq!(seen["file"], "attached", "{seen}");

    let mut session = world.receive(&SELF).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let contents = whole(&mut session, &listing).await;
    let holds = |text: &str| {
        let is_it = |content: &Content| matches!(content, Content::Bytes(raw) if String::from_utf8_lossy(raw).contains(text));
        contents.iter().filter(|content| is_it(content)).count()
    };
    assert_eq!((holds("sent by exchangelib"), holds("from the playground")), (1, 1), "{contents:?}");
    assert!(world.playground.exchange().folders(ANNA).contains("Undeliverable"));
}

/// Waits for new mail over a stream, and reads the rules that we have made.
#[tokio::test]
async fn exchangelib_hears_of_new_mail_and_sees_the_rule_that_we_made() {
    let Some(()) = require(Need::Python) else { return };
    let world = World::new();
    let rule = |id: Option<&str>, to: &str| InboxRule {
        id: id.map(str::to_owned),
        name: "forwarded by mailplumb".to_owned(),
        priority: 1,
        is_enabled: true,
        health: RuleHealth::Works,
        reach: RuleReach::EveryMessage,
        stops: false,
        forward_as_attachment_to: vec![to.to_owned()],
    };
    change_rules(&world, RuleChange::Create(rule(None, "first@contoso.example")));
    let made = rules(&world);
    let id = made[0].id.as_deref();
    change_rules(&world, RuleChange::Set(rule(id, BORIS)));
    assert_eq!(rules(&world), [rule(id, BORIS)], "the same rule, with another recipient");
    let script = include_str!("stream.py");
    let output = Command::new(python().unwrap())
        .args(["-c", script, &world.playground.exchange().address().port().to_string(), ANNA, PASSWORD])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(seen["rules"], serde_json::json!([["forwarded by mailplumb", true, [BORIS]]]), "{seen}");
    assert_eq!(seen["events"], serde_json::json!(["NewMailEvent"]), "{seen}");
    assert_eq!(seen["left"], 1, "{seen}");
    assert_ne!(seen["unknown"], "answered", "what is not understood is not answered: {seen}");
    change_rules(&world, RuleChange::Delete(id.unwrap().to_owned()));
    assert_eq!(rules(&world), []);
}

fn asks<O: Operation>(world: &World, operation: &O) -> O::Response {
    let header = Header { version: ServerVersion::FIRST, impersonated: None, time_zone: None };
    let said = world.playground.exchange().asks(ANNA, &ews::envelope(operation, &header));
    ews::read(operation, said.as_bytes()).unwrap()
}

fn rules(world: &World) -> Vec<InboxRule> {
    asks(world, &GetInboxRules { mailbox: Address::parse(ANNA).unwrap() })
}

fn change_rules(world: &World, change: RuleChange) {
    asks(world, &UpdateInboxRules { mailbox: Address::parse(ANNA).unwrap(), changes: vec![change] });
}
