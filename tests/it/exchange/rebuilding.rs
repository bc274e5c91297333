//! Messages that the server cannot hand over: what can be had of them becomes a record that says so.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailplumb::model::cursor::{Content, Cursor, Fetched};
use mailplumb::model::failure::Cause;
use mailplumb::playground::Damage;
use mailplumb::remote::Arrivals;

use super::schema;
use super::scripted::{Scripted, answers, created, failure, gotten, http, ids_in, page, success};
use super::story::Office;
use super::world::{ANNA, SELF, World};
use crate::support::need::{Need, require};

pub const LETTER: &str = "Received: from a by b; Sun, 1 Nov 2026 10:00:00 +0000\r\n\
    Message-ID: <1@d.example>\r\nIn-Reply-To: <0@d.example>\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <c@d.example>\r\n\
    To: anna@contoso.example\r\nSubject: the damaged one\r\nDate: Sun, 1 Nov 2026 09:59:00 +0000\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nthe text\r\n--b\r\n\
    Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    UERG\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: the inner one\r\n\r\ninner text\r\n--b--\r\n";

/// A page with a picture in it, and a file beside it.
pub const PICTURE: &str = "From: c@d.example\r\nTo: anna@contoso.example\r\nSubject: a picture\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
    --r\r\nContent-Type: text/html\r\n\r\n<p>see <img src=\"cid:p@x\"></p>\r\n--r\r\nContent-Type: image/png\r\n\
    Content-ID: <p@x>\r\nContent-Disposition: inline; filename=p.png\r\nContent-Transfer-Encoding: base64\r\n\r\nUElD\r\n\
    --r--\r\n--m\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nUERG\r\n--m--\r\n";

/// That the picture stands in the text, and the file beside it.
#[track_caller]
pub fn assert_shows_picture(raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}: {text}"));
    assert!(at("multipart/related") < at("Content-ID: <p@x>"), "{text}");
    assert!(at("Content-ID: <p@x>") < at("_text--") && at("_text--") < at("a.pdf"), "{text}");
    let message = mail_parser::MessageParser::new().parse(raw).unwrap();
    assert!(message.body_html(0).unwrap().contains("cid:p@x"));
    let contents: Vec<&[u8]> = message.attachments().map(mail_parser::MessagePart::contents).collect();
    assert_eq!(contents, [b"PIC", b"PDF"]);
}

/// All that is handed over, message by message.
#[derive(Default)]
pub struct Taken {
    open: Vec<u8>,
    pub messages: Vec<(Fetched, Vec<u8>)>,
}

#[async_trait]
impl Arrivals for Taken {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        self.open.extend_from_slice(&octets);
        Ok(())
    }

    async fn message(&mut self, fetched: Fetched) -> Result<(), Cause> {
        let octets = match &fetched.content {
            Content::Bytes(octets) => octets.to_vec(),
            Content::Streamed(size) => {
                assert_eq!(*size, self.open.len() as u64);
                std::mem::take(&mut self.open)
            }
            Content::Vanished | Content::Refused(_) | Content::Deferred(_) | Content::TooLarge(_) => {
                Vec::new()
            }
        };
        self.messages.push((fetched, octets));
        Ok(())
    }
}

async fn taken(world: &World) -> Vec<(Fetched, Vec<u8>)> {
    let mut session = world.receive(&SELF).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let mut taken = Taken::default();
    session.fetch_each(listing.messages(), &mut taken).await.unwrap();
    taken.messages
}

#[tokio::test]
async fn what_cannot_be_had_as_it_is_is_put_together_from_what_else_is_known_of_it() {
    let world = World::new();
    let fine = b"Subject: fine\r\nFrom: c@d.example\r\n\r\nbody\r\n";
    world.playground.state().deliver(ANNA, fine).unwrap();
    world.playground.exchange().deliver_damaged(ANNA, LETTER.as_bytes(), Damage::Mime);
    world.playground.state().deliver(ANNA, fine).unwrap();
    let taken = taken(&world).await;
    let rebuilt: Vec<bool> = taken.iter().map(|(fetched, _)| fetched.rebuilt.is_some()).collect();
    assert_eq!(rebuilt, [false, true, false], "its neighbours are what they were");
    let (fetched, raw) = &taken[1];
    let because = "ErrorMimeContentConversionFailed: The MIME content conversion failed.";
    assert_eq!(fetched.rebuilt.as_deref(), Some(because));
    assert_is_letter(raw);
}

/// That a message put together says what the letter says.
#[track_caller]
pub fn assert_is_letter(raw: &[u8]) {
    let message = mail_parser::MessageParser::new().parse(raw).unwrap();
    assert_eq!((message.subject(), message.message_id()), (Some("the damaged one"), Some("1@d.example")));
    assert_eq!(message.from().unwrap().first().unwrap().name(), Some("Jürgen"));
    assert_eq!(message.in_reply_to().as_text(), Some("0@d.example"));
    assert_eq!(message.body_text(0).unwrap().trim(), "the text");
    assert_eq!(message.attachment(0).unwrap().contents(), b"PDF");
    assert_eq!(message.attachment(1).unwrap().message().unwrap().subject(), Some("the inner one"));
}

#[tokio::test]
async fn a_picture_that_its_text_shows_stands_there_again() {
    let world = World::new();
    world.playground.exchange().deliver_damaged(ANNA, PICTURE.as_bytes(), Damage::Mime);
    assert_shows_picture(&taken(&world).await[0].1);
}

#[tokio::test]
async fn what_is_missing_of_it_is_said_and_where_nothing_can_be_had_the_reason_is_given() {
    for (damage, said, octets) in [
        (Damage::MimeAndText, "without its text (ErrorItemPropertyRequestFailed", "Subject: the damaged one"),
        (
            Damage::MimeAndAttachments,
            "without the attachment a.pdf (ErrorCannotOpenFileAttachment",
            "Subject: the",
        ),
    ] {
        let world = World::new();
        world.playground.exchange().deliver_damaged(ANNA, LETTER.as_bytes(), damage);
        let [(fetched, raw)] = <[_; 1]>::try_from(taken(&world).await).unwrap();
        assert!(fetched.rebuilt.as_deref().unwrap().contains(said), "{fetched:?}");
        assert!(String::from_utf8(raw).unwrap().contains(octets));
    }
    let world = World::new();
    world.playground.exchange().deliver_damaged(ANNA, LETTER.as_bytes(), Damage::Everything);
    let [(fetched, _)] = <[_; 1]>::try_from(taken(&world).await).unwrap();
    let Content::Refused(said) = &fetched.content else { panic!("{fetched:?}") };
    assert_eq!(said.matches("ErrorItemCorrupt").count(), 2, "of its octets and of its properties: {said}");
}

#[tokio::test]
async fn what_is_asked_and_answered_about_it_validates() {
    let Some(()) = require(Need::Schemas) else { return };
    let world = World::new();
    for damage in [Damage::Mime, Damage::MimeAndText, Damage::MimeAndAttachments, Damage::Everything] {
        world.playground.exchange().deliver_damaged(ANNA, LETTER.as_bytes(), damage);
    }
    taken(&world).await;
    let calls = world.playground.exchange().calls();
    assert!(calls.iter().any(|call| call.operation == "GetAttachment"));
    let (asked, answered): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .map(|call| ((call.operation.clone(), call.request), (call.operation, call.response)))
        .unzip();
    schema::validate(&asked);
    schema::validate(&answered);
}

/// Lists one message, and says of it what `get` says.
async fn scripted(get: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (Arc<Scripted>, Taken) {
    let server = Scripted::start(move |asked| match asked.operation.as_str() {
        "SyncFolderItems" => Some(page("s1", "true", &created("Message", "A"))),
        "GetFolder" => None,
        _ => Some(get(&asked.body)),
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let mut taken = Taken::default();
    session.fetch_each(listing.messages(), &mut taken).await.unwrap();
    (Arc::new(server), taken)
}

fn properties(inside: &str) -> Vec<u8> {
    let item = format!("<m:Items><t:Message><t:ItemId Id=\"A\"/>{inside}</t:Message></m:Items>");
    answers("GetItem", &[success("GetItem", &item)])
}

#[tokio::test]
async fn a_message_that_comes_without_its_octets_is_asked_about_too() {
    let (_, taken) = scripted(|_| properties("<t:Subject>x</t:Subject>")).await;
    let (fetched, raw) = &taken.messages[0];
    assert_eq!(fetched.rebuilt.as_deref(), Some("it came without its content"));
    assert!(String::from_utf8_lossy(raw).starts_with("Subject: x\r\n"));
}

#[tokio::test]
async fn trouble_that_passes_costs_no_message() {
    for code in [
        "ErrorBatchProcessingStopped",
        "ErrorMailboxStoreUnavailable",
        "ErrorTimeoutExpired",
        "ErrorInternalServerError",
        "ErrorAccessDenied",
    ] {
        let (server, taken) =
            scripted(move |body| answers("GetItem", &vec![failure("GetItem", code, ""); ids_in(body).len()]))
                .await;
        assert!(matches!(&taken.messages[0].0.content, Content::Deferred(said) if said.contains(code)));
        assert_eq!(server.count("GetItem"), 1);
    }
}

/// Nobody can tell a damaged item from a server in trouble by this code.
#[tokio::test]
async fn what_is_refused_for_no_reason_again_and_again_is_put_together_in_the_end() {
    let server = Scripted::start(|asked| match asked.operation.as_str() {
        "SyncFolderItems" => Some(page("s1", "true", &created("Message", "A"))),
        "GetItem" if asked.body.contains("IncludeMime") => {
            Some(answers("GetItem", &[failure("GetItem", "ErrorInternalServerError", "")]))
        }
        "GetItem" => Some(properties("<t:Subject>a</t:Subject>")),
        _ => None,
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let mut taken = Taken::default();
    session.fetch_each(listing.messages(), &mut taken).await.unwrap();
    session.tries_last([listing.messages()[0].id.clone()].into());
    session.fetch_each(listing.messages(), &mut taken).await.unwrap();
    assert!(matches!(taken.messages[0].0.content, Content::Deferred(_)));
    assert!(taken.messages[1].0.rebuilt.is_some());
}

/// A gateway that never lets the octets of one item through, and answers with a page of its own.
#[tokio::test]
async fn a_page_instead_of_one_message_holds_up_no_other_and_ends_with_what_can_be_had() {
    for status in ["500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout", "400 Bad Request"] {
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "SyncFolderItems" => {
                Some(page("s1", "true", &["A", "B"].map(|id| created("Message", id)).concat()))
            }
            "GetItem" if asked.body.contains("Id=\"A\"") && asked.body.contains("IncludeMime") => {
                Some(http(status, &["Content-Type: text/html"], b"<html><title>no</title></html>"))
            }
            "GetItem" if asked.body.contains("IncludeMime") => {
                Some(answers("GetItem", &[gotten("B", "Subject: b\r\n\r\n")]))
            }
            "GetItem" => Some(properties("<t:Subject>a</t:Subject>")),
            _ => None,
        })
        .await;
        let mut session = server.receive().await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let mut taken = Taken::default();
        session.fetch_each(listing.messages(), &mut taken).await.unwrap();
        assert!(matches!(taken.messages[0].0.content, Content::Deferred(_)), "{status}");
        assert_eq!(taken.messages[1].1, b"Subject: b\r\n\r\n", "{status}");
        session.tries_last([listing.messages()[0].id.clone()].into());
        session.fetch_each(&listing.messages()[..1], &mut taken).await.unwrap();
        assert!(taken.messages[2].0.rebuilt.as_deref().unwrap().contains("HTTP"), "{status}");
    }
}

#[tokio::test]
async fn octets_that_are_no_base64_spoil_one_message_and_not_the_others() {
    let server = Scripted::start(|asked| match asked.operation.as_str() {
        "SyncFolderItems" => Some(page("s1", "true", &["A", "B"].map(|id| created("Message", id)).concat())),
        "GetItem" if asked.body.contains("IncludeMime") => {
            let bad = gotten("A", "Subject: a\r\n\r\n").replace("U3Vi", "U3!!");
            let with_references = gotten("B", "Subject: b\r\n\r\n").replace("U3Vi", "U3&#xD;\nVi");
            Some(answers("GetItem", &[bad, with_references]))
        }
        "GetItem" => Some(properties("<t:Subject>a</t:Subject>")),
        _ => None,
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let mut taken = Taken::default();
    session.fetch_each(listing.messages(), &mut taken).await.unwrap();
    assert!(taken.messages[0].0.rebuilt.as_deref().unwrap().contains("no base64"));
    assert_eq!(taken.messages[1].1, b"Subject: b\r\n\r\n");
}

#[tokio::test]
async fn a_refusal_that_names_no_damage_asks_no_further() {
    let (server, taken) =
        scripted(|_| answers("GetItem", &[failure("GetItem", "ErrorVirusDetected", "")])).await;
    assert!(matches!(&taken.messages[0].0.content, Content::Refused(_)));
    assert_eq!((server.count("GetItem"), server.count("GetAttachment")), (1, 0));
}

#[tokio::test]
async fn a_file_that_is_large_comes_in_pieces() {
    let content = "QUJD".repeat(1024 * 1024);
    let (_, taken) = scripted(move |body| match (body.contains("GetAttachment"), body.contains("IncludeMimeContent")) {
        (true, _) => {
            let file = format!(
                "<m:Attachments><t:FileAttachment><t:Name>a</t:Name><t:Content>{content}</t:Content></t:FileAttachment>\
                 </m:Attachments>"
            );
            answers("GetAttachment", &[success("GetAttachment", &file)])
        }
        (false, true) => answers("GetItem", &[failure("GetItem", "ErrorContentConversionFailed", "")]),
        (false, false) => properties(
            "<t:Subject>x</t:Subject><t:Attachments><t:FileAttachment><t:AttachmentId Id=\"F\"/><t:Name>a</t:Name>\
             </t:FileAttachment></t:Attachments>",
        ),
    })
    .await;
    let raw = &taken.messages[0].1;
    let message = mail_parser::MessageParser::new().parse(raw).unwrap();
    assert_eq!(message.attachment(0).unwrap().contents(), b"ABC".repeat(1024 * 1024));
}

#[tokio::test]
async fn one_that_refuses_its_whole_batch_spoils_no_other() {
    let server = Scripted::start(|asked| match asked.operation.as_str() {
        "SyncFolderItems" => Some(page("s1", "true", &["A", "B"].map(|id| created("Message", id)).concat())),
        "GetItem" if asked.body.contains("Id=\"A\"") && asked.body.contains("IncludeMime") => {
            Some(super::scripted::fault("ErrorItemCorrupt", None))
        }
        "GetItem" if asked.body.contains("IncludeMime") => {
            Some(answers("GetItem", &[gotten("B", "Subject: b\r\n\r\n")]))
        }
        "GetItem" => Some(properties("<t:Subject>a</t:Subject>")),
        _ => None,
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let mut taken = Taken::default();
    session.fetch_each(listing.messages(), &mut taken).await.unwrap();
    let rebuilt: Vec<bool> = taken.messages.iter().map(|(fetched, _)| fetched.rebuilt.is_some()).collect();
    assert_eq!(rebuilt, [true, false]);
}

#[test]
fn its_record_says_so_and_it_stays_at_the_server() {
    let office = Office::opens_with(
        "  user: { address: anna@contoso.example }\n  approved: anna@contoso.example\n  profile: hq\n  incoming: server-side-sync\n  outgoing: server-side-sync\n",
        "  queue: { address: anna@contoso.example, deleteAfterProcessing: true }\n  approved: anna@contoso.example\n  profile: hq\n  incoming: server-side-sync\n  outgoing: none\n",
    );
    let (person, playground) = (&office.person, &office.playground);
    person.types("apply --auto-approve").ends(0);
    let before = playground.state().inbox(ANNA).unwrap().len();
    let exchange = playground.exchange();
    exchange.deliver_damaged(ANNA, LETTER.as_bytes(), Damage::Mime);
    exchange.deliver_damaged(ANNA, &LETTER.replace("<1@", "<2@").into_bytes(), Damage::Everything);
    playground.state().deliver(ANNA, b"Subject: fine\r\nFrom: c@d.example\r\n\r\nbody\r\n").unwrap();
    person.types("sync").ends(0).says("3 recorded");
    person.types("messages").ends(0).says("rebuilt, 2 attachments").says("quarantined");
    let shown = person.types("messages show 1");
    shown.ends(0).says("rebuilt     from its properties and attachments, and kept at the server: ErrorMime");
    assert_eq!(playground.state().inbox(ANNA).unwrap().len(), before + 2, "only the whole one is removed");
    exchange.forget_sync_states();
    person.types("sync").ends(0);
    let listed = person.types("messages");
    assert_eq!(listed.stdout.matches("the damaged one").count(), 1, "it is known again: {listed:#?}");
}
