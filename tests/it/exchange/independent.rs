//! The playground against `exchangelib`, a client that is not ours: what it makes we read, and the reverse.

use std::process::Command;

use mailplumb::model::cursor::{Content, Cursor};

use super::world::{ANNA, PASSWORD, SELF, World, whole};
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
