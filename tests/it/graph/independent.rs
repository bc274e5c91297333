//! The playground against Microsoft's own SDK: what it makes we read, and the reverse. And tokens from a certified provider,
//! for a client that proves itself with a certificate.

use std::process::Command;

use mailplumb::model::cursor::{Content, Cursor};
use mailplumb::model::name::Address;

use super::world::{ANNA, BORIS, World, whole};
use crate::support::need::{Need, graph_modules, program, require};

const SCRIPT: &str = "tests/it/support/graph/client.mjs";

#[tokio::test]
async fn the_vendors_sdk_and_we_see_the_same_mailbox() {
    let Some(()) = require(Need::GraphSdk) else { return };
    let world = World::new();
    let raw = b"Subject: from the playground\r\nFrom: a@b.example\r\n\r\nhello\r\n";
    world.playground.state().deliver(ANNA, raw).unwrap();
    let mut outgoing = world.submit(ANNA).await.unwrap();
    let ours = format!(
        "From: {ANNA}\r\nTo: {ANNA}\r\nMessage-ID: <ours@x.example>\r\nSubject: sent by us\r\n\r\nx\r\n"
    );
    let own = Address::parse(ANNA).unwrap();
    outgoing.send(&own, std::slice::from_ref(&own), ours.as_bytes()).await.unwrap();

    // To the SDK it is another host, which gets no token.
    world
        .playground
        .graph()
        .lead_uploads_to(&format!("127.0.0.1:{}", world.playground.graph().address().port()));

    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, world.playground.ca_pem()).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program("node").unwrap())
        .arg(root.join(SCRIPT))
        .env("NODE_EXTRA_CA_CERTS", &authority)
        .env("MODULES", graph_modules().unwrap())
        .env("ROOT", format!("https://localhost:{}", world.playground.graph().address().port()))
        .env("TOKEN", world.playground.access_token(super::world::APPLICATION))
        .env("ADDRESS", ANNA)
        .env("OTHER", BORIS)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(seen["before"], serde_json::json!(["sent by us", "from the playground"]), "{seen}");
    for fact in ["keptId", "movedKeptId", "isRead", "deltaLink", "mime"] {
        assert_eq!(seen[fact], true, "{fact}: {seen}");
    }
    assert_eq!(seen["told"], 3, "{seen}");
    assert_eq!(seen["categories"], serde_json::json!(["Tracked"]), "{seen}");
    assert_eq!(seen["batch"], serde_json::json!([200, 404]), "{seen}");
    assert_eq!(seen["refused"], serde_json::json!([404, "ErrorInvalidUser"]), "{seen}");

    assert_eq!(seen["uploaded"], true, "{seen}");
    assert_eq!(seen["files"], serde_json::json!([["large.bin", 7 * 1024 * 1024 + 5]]), "{seen}");

    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let contents = whole(&mut session, &listing).await;
    let holds = |text: &str| {
        let is_it = |content: &Content| matches!(content, Content::Bytes(raw) if String::from_utf8_lossy(raw).contains(text));
        contents.iter().filter(|content| is_it(content)).count()
    };
    let counted = ["sent at once by the SDK", "from the playground", "sent by us"].map(holds);
    assert_eq!(counted, [1, 1, 1], "{contents:?}");
    assert!(world.playground.exchange().folders(ANNA).contains("Undeliverable"));
    let at_boris = world.playground.state().inbox(BORIS).unwrap();
    assert!(at_boris.iter().any(|held| String::from_utf8_lossy(&held.raw).contains("sent by the SDK")));
    let large = at_boris
        .iter()
        .find(|held| String::from_utf8_lossy(&held.raw).contains("uploaded by the SDK"))
        .unwrap();
    let message = mail_parser::MessageParser::new().parse(&large.raw[..]).unwrap();
    let content: Vec<u8> = b"abcdefg".iter().copied().cycle().take(7 * 1024 * 1024 + 5).collect();
    assert_eq!(message.attachments().next().unwrap().contents(), content);
}
