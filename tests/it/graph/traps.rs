//! What Graph does to clients that believe too much, each once.

use mailplumb::model::cursor::{Content, Cursor, Fetched, Listing, Part, Shown};
use mailplumb::model::failure::{Cause, Nature};
use mailplumb::playground::GraphFault;
use serde_json::json;

use super::world::{ANNA, World, behind, error, ids, whole};

const DELTA: &str = "messages/delta";
const LINK: &str =
    "https://graph.microsoft.com/v1.0/users/anna@contoso.example/mailFolders/inbox/messages/delta";

fn page(body: serde_json::Value) -> GraphFault {
    GraphFault::Answer { status: 200, fields: Vec::new(), body: body.to_string() }
}

#[tokio::test]
async fn a_forgotten_link_begins_again_with_the_same_ids() {
    for (status, code) in
        [(410, "syncStateNotFound"), (410, "resyncRequired"), (400, "SyncStateInvalid"), (410, "")]
    {
        let world = World::new();
        world.deliver(0..3);
        let mut session = world.receive(ANNA).await.unwrap();
        let first = session.list(&Cursor::Start).await.unwrap();
        world.playground.graph().misbehave("$deltatoken", 1, GraphFault::error(status, code, "x"));
        let again = session.list(&behind(&first)).await.unwrap();
        assert!(matches!(again, Listing::Exchange { shown: Shown::Again, .. }), "{again:?}");
        assert_eq!(ids(&again), ids(&first), "{status} {code}");
    }
}

#[tokio::test]
async fn links_that_are_forgotten_between_two_pages_begin_again_and_double_nothing() {
    let world = World::new();
    world.deliver(0..250);
    world.playground.graph().misbehave("$skiptoken", 1, GraphFault::error(410, "syncStateNotFound", "x"));
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(listing.messages().len(), 250);
}

#[tokio::test]
async fn a_link_to_the_inbox_of_a_mailbox_that_was_made_anew_begins_again() {
    let world = World::new();
    world.deliver(0..3);
    let mut session = world.receive(ANNA).await.unwrap();
    let first = session.list(&Cursor::Start).await.unwrap();
    let gone =
        GraphFault::error(404, "ErrorItemNotFound", "The specified object was not found in the store.");
    world.playground.graph().misbehave("$deltatoken", 1, gone.clone());
    let again = session.list(&behind(&first)).await.unwrap();
    assert!(matches!(again, Listing::Exchange { shown: Shown::Again, .. }), "{again:?}");
    assert_eq!(again.messages().len(), 3);
    // Where not even the name leads to a folder, beginning again does not help.
    world.playground.graph().misbehave(DELTA, 3, gone);
    let failure = error(session.list(&behind(&first)).await);
    assert!(matches!(&failure.cause, Cause::Graph { status: 404, code, .. } if code == "ErrorItemNotFound"));
}

#[tokio::test]
async fn a_service_that_never_knows_its_own_links_is_given_up() {
    let world = World::new();
    world.playground.graph().misbehave(DELTA, u32::MAX, GraphFault::error(410, "syncStateNotFound", "x"));
    let mut session = world.receive(ANNA).await.unwrap();
    let failure = error(session.list(&Cursor::Start).await);
    assert!(matches!(failure.cause, Cause::Graph { status: 410, .. }), "{failure}");
    assert_eq!(world.asked(DELTA), 1);
}

#[tokio::test]
async fn empty_pages_are_followed_and_a_message_told_twice_is_one() {
    let world = World::new();
    let graph = world.playground.graph();
    let next = |token: &str| format!("{LINK}?$skiptoken={token}");
    graph.misbehave("delta?$select", 1, page(json!({ "value": [], "@odata.nextLink": next("1") })));
    graph.misbehave("skiptoken=1", 1, page(json!({ "value": [], "@odata.nextLink": next("2") })));
    let twice = json!([{ "id": "A" }, { "id": "A" }, { "id": "B" }]);
    graph.misbehave("skiptoken=2", 1, page(json!({ "value": twice, "@odata.nextLink": next("3") })));
    let end = json!({ "value": [{ "id": "B" }], "@odata.deltaLink": format!("{LINK}?$deltatoken=4") });
    graph.misbehave("skiptoken=3", 1, page(end));
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(ids(&listing).len(), 2);
}

#[tokio::test]
async fn what_was_moved_away_and_came_back_is_there_and_what_left_last_is_gone() {
    let world = World::new();
    let removed = |id: &str, reason: &str| json!({ "id": id, "@removed": { "reason": reason } });
    let value = json!([
        removed("back", "changed"), { "id": "back" },
        { "id": "moved" }, removed("moved", "changed"),
        removed("deleted", "deleted"),
    ]);
    let end = json!({ "value": value, "@odata.deltaLink": format!("{LINK}?$deltatoken=1") });
    world.playground.graph().misbehave(DELTA, 1, page(end));
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let Listing::Exchange { gone, messages, .. } = &listing else { panic!() };
    assert_eq!(messages.iter().map(|it| it.id.to_string()).collect::<Vec<_>>(), ["back"]);
    assert_eq!(gone, &["deleted", "moved"]);
}

#[tokio::test]
async fn a_moved_message_keeps_its_id() {
    let world = World::new();
    world.deliver(0..2);
    let mut session = world.receive(ANNA).await.unwrap();
    let first = session.list(&Cursor::Start).await.unwrap();
    assert!(
        world.calls().iter().all(|call| call.prefer.as_deref().is_some_and(|it| it.contains("ImmutableId")))
    );
    let mut again = world.receive(ANNA).await.unwrap();
    assert_eq!(ids(&again.list(&Cursor::Start).await.unwrap()), ids(&first));
}

#[tokio::test]
async fn a_message_that_a_person_reads_is_told_again_under_its_own_id() {
    let world = World::new();
    world.deliver(0..2);
    let mut session = world.receive(ANNA).await.unwrap();
    let first = session.list(&Cursor::Start).await.unwrap();
    world.playground.graph().read_by_person(ANNA, "number 0");
    let second = session.list(&behind(&first)).await.unwrap();
    assert_eq!(ids(&second), ids(&first)[..1]);
}

#[tokio::test]
async fn no_token_goes_to_another_host() {
    for name in ["@odata.nextLink", "@odata.deltaLink"] {
        let world = World::new();
        let body = json!({ "value": [], name: "https://graph.microsoft.com.evil.example/v1.0/x" });
        world.playground.graph().misbehave(DELTA, 1, page(body));
        let mut session = world.receive(ANNA).await.unwrap();
        let failure = error(session.list(&Cursor::Start).await);
        assert!(
            failure.to_string().contains("another host, `graph.microsoft.com.evil.example`"),
            "{failure}"
        );
    }
    // A kept link that leads elsewhere is not followed either.
    let world = World::new();
    world.deliver(0..1);
    let mut session = world.receive(ANNA).await.unwrap();
    let state = mailplumb::model::cursor::SyncState(Some("https://evil.example/v1.0/x".to_owned()));
    let cursor = Cursor::Exchange { state, ahead: Default::default() };
    let listing = session.list(&cursor).await.unwrap();
    assert!(matches!(listing, Listing::Exchange { shown: Shown::Again, .. }), "{listing:?}");
}

#[tokio::test]
async fn a_page_that_leads_back_to_itself_ends_the_listing() {
    let world = World::new();
    let here = format!("{LINK}?$skiptoken=loop");
    let body = json!({ "value": [], "@odata.nextLink": here });
    world.playground.graph().misbehave(DELTA, 10, page(body));
    let mut session = world.receive(ANNA).await.unwrap();
    let failure = error(session.list(&Cursor::Start).await);
    assert!(failure.to_string().contains("leads back to a page that was read"), "{failure}");
    assert_eq!(world.asked(DELTA), 2);

    let world = World::new();
    let round = |here: &str, next: &str| {
        let body =
            json!({ "value": [{ "id": "one" }], "@odata.nextLink": format!("{LINK}?$skiptoken={next}") });
        world.playground.graph().misbehave(here, 9, page(body));
    };
    round("skiptoken=ping", "pong");
    round("skiptoken=pong", "ping");
    let first = json!({ "value": [{ "id": "one" }], "@odata.nextLink": format!("{LINK}?$skiptoken=ping") });
    world.playground.graph().misbehave(DELTA, 1, page(first));
    let mut session = world.receive(ANNA).await.unwrap();
    let failure = error(session.list(&Cursor::Start).await);
    assert!(failure.to_string().contains("leads back to a page that was read"), "{failure}");
    assert_eq!(world.asked(DELTA), 3);
}

#[tokio::test]
async fn what_only_reads_is_asked_once_more_when_an_open_connection_turns_out_to_be_closed() {
    let world = World::new();
    world.deliver(0..2);
    let mut session = world.receive(ANNA).await.unwrap();
    world.playground.graph().misbehave(DELTA, 1, GraphFault::DoneAndClosed);
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!((listing.messages().len(), world.asked(DELTA)), (2, 2));
    world.playground.graph().misbehave("$value", u32::MAX, GraphFault::DoneAndClosed);
    let failure = error(session.fetch(listing.messages(), Part::Whole).await);
    assert!(matches!(failure.cause, Cause::ConnectionLost { .. }), "{failure}");
    assert_eq!(world.asked("$value"), 2);
}

#[tokio::test]
async fn a_page_that_takes_too_long_shrinks() {
    let world = World::new();
    world.deliver(0..30);
    world.playground.graph().misbehave(DELTA, 3, GraphFault::error(504, "UnknownError", "x"));
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(listing.messages().len(), 30);
    let sizes: Vec<String> = world.calls().into_iter().filter_map(|call| call.prefer).collect();
    let told = |size: u32| sizes.iter().filter(|it| it.ends_with(&format!("maxpagesize={size}"))).count();
    assert_eq!([200, 100, 50, 25].map(told), [1, 1, 1, 2], "{sizes:?}");
}

#[tokio::test]
async fn a_page_that_always_takes_too_long_is_a_failure_that_passes() {
    let world = World::new();
    world.playground.graph().misbehave(DELTA, u32::MAX, GraphFault::error(504, "UnknownError", "x"));
    let mut session = world.receive(ANNA).await.unwrap();
    let failure = error(session.list(&Cursor::Start).await);
    assert!(matches!(failure.cause, Cause::TemporarilyRefused { .. }), "{failure}");
    assert_eq!(world.asked(DELTA), 6, "200, 100, 50, 25, 12, 10");
}

#[tokio::test]
async fn one_throttled_part_of_a_batch_is_asked_again_and_no_other() {
    let world = World::new();
    world.deliver(0..5);
    let mut session = world.receive(ANNA).await.unwrap();
    let all = ids(&session.list(&Cursor::Start).await.unwrap());
    world.playground.graph().misbehave("part DELETE", 2, GraphFault::throttled(0));
    let removed = session.delete_and_close(&all).await.unwrap();
    assert_eq!(removed.len(), 5);
    let batches: Vec<_> = world.calls().into_iter().filter(|call| call.path.ends_with("$batch")).collect();
    let parts = |call: &mailplumb::playground::GraphCall| call.request.matches("\"method\"").count();
    assert_eq!(batches.iter().map(parts).collect::<Vec<_>>(), [5, 2]);
}

#[tokio::test]
async fn removals_that_are_all_refused_are_told_and_one_that_is_not_hides_none() {
    let world = World::new();
    world.deliver(0..3);
    let mut session = world.receive(ANNA).await.unwrap();
    let all = ids(&session.list(&Cursor::Start).await.unwrap());
    world.playground.graph().misbehave("part DELETE", 2, GraphFault::error(403, "ErrorAccessDenied", "no"));
    assert_eq!(session.delete_and_rest(&all).await.unwrap().removed, all[2..]);
    let session = world.receive(ANNA).await.unwrap();
    world.playground.graph().misbehave("part DELETE", 2, GraphFault::error(403, "ErrorAccessDenied", "no"));
    let failure = error(session.delete_and_close(&all[..2]).await);
    assert!(
        matches!(&failure.cause, Cause::Refused { said } if said.contains("ErrorAccessDenied")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_part_of_a_batch_that_has_to_wait_long_ends_the_work_for_now() {
    let world = World::new();
    world.deliver(0..2);
    let mut session = world.receive(ANNA).await.unwrap();
    let all = ids(&session.list(&Cursor::Start).await.unwrap());
    world.playground.graph().misbehave("part DELETE", 1, GraphFault::throttled(600));
    let failure = error(session.delete_and_close(&all).await);
    assert!(failure.to_string().contains("retry after 600 seconds"), "{failure}");
    assert_eq!(world.asked("$batch"), 1);
    assert!(world.receive(ANNA).await.is_err(), "and nobody asks before that");
}

#[tokio::test]
async fn a_message_that_cannot_be_made_into_mime_spoils_no_other() {
    let world = World::new();
    world.deliver(0..3);
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let fault = GraphFault::error(500, "ErrorMimeContentConversionFailed", "Content conversion failed.");
    world.playground.graph().misbehave("$value", 1, fault);
    let fetched = session.fetch(listing.messages(), Part::Whole).await.unwrap();
    let rebuilt: Vec<bool> = fetched.iter().map(|one| one.rebuilt.is_some()).collect();
    assert_eq!(rebuilt, [true, false, false], "{fetched:?}");
    assert!(fetched.iter().all(|one| matches!(one.content, Content::Bytes(_))));
}

#[tokio::test]
async fn answers_that_are_none_are_told_and_held_to_their_limits() {
    let html = "<html><head><title>Sign in to the proxy</title></head></html>";
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("{{\"value\":[],\"x\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    for (status, body, says) in [
        (200, html, "cannot be understood"),
        (200, "", "cannot be understood"),
        (200, "{\"value\":[]}", "nextLink"),
        (200, deep.as_str(), "exceeds the limit of 32"),
        (200, large.as_str(), "exceeds the limit"),
        (503, html, "Sign in to the proxy"),
        (418, "{\"error\":{\"code\":\"teapot\",\"message\":\"short and stout\"}}", "short and stout"),
    ] {
        let world = World::new();
        let fault = GraphFault::Answer { status, fields: Vec::new(), body: body.to_owned() };
        world.playground.graph().misbehave(DELTA, 1, fault);
        let mut session = world.receive(ANNA).await.unwrap();
        let failure = error(session.list(&Cursor::Start).await);
        assert!(failure.to_string().contains(says), "{says}: {failure}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new();
    let fields = vec![("Location".to_owned(), "https://169.254.169.254/latest?secret".to_owned())];
    let fault = GraphFault::Answer { status: 302, fields, body: String::new() };
    world.playground.graph().misbehave(DELTA, 1, fault);
    let mut session = world.receive(ANNA).await.unwrap();
    let failure = error(session.list(&Cursor::Start).await).to_string();
    assert!(failure.contains("`169.254.169.254`") && !failure.contains("secret"), "{failure}");
}

fn proxy_page(status: u16) -> GraphFault {
    let fields = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
    let body = "<html><head><title>Please log in</title></head></html>".to_owned();
    GraphFault::Answer { status, fields, body }
}

#[tokio::test]
async fn what_stands_in_between_is_no_message_however_well_it_says_it_went() {
    let without_kind =
        |body: &str| GraphFault::Answer { status: 200, fields: Vec::new(), body: body.to_owned() };
    let json = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let faults = [
        proxy_page(200),
        without_kind("\r\n<!DOCTYPE html><p>Blocked"),
        without_kind(r#"{"error":{"code":"x"}}"#),
        GraphFault::Answer { status: 200, fields: json, body: "\"x\"".to_owned() },
        GraphFault::Answer { status: 206, fields: Vec::new(), body: "Subject: a part".to_owned() },
    ];
    for fault in faults {
        let world = World::new();
        world.deliver(0..1);
        let mut session = world.receive(ANNA).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        world.playground.graph().misbehave("$value", 1, fault.clone());
        let failure = error(session.fetch(listing.messages(), Part::Whole).await);
        assert!(matches!(failure.cause, Cause::Garbage { .. }), "{fault:?}: {failure}");
        let mut session = world.receive(ANNA).await.unwrap();
        assert_eq!(whole(&mut session, &listing).await.len(), 1, "and it is there the next time");
    }
}

#[tokio::test]
async fn a_message_that_is_cut_off_with_its_connection_is_no_message() {
    for octets in [0, 1, 30] {
        let world = World::new();
        world.deliver(0..1);
        let mut session = world.receive(ANNA).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        world.playground.graph().misbehave("$value", 1, GraphFault::CutOff { octets });
        let failure = error(session.fetch(listing.messages(), Part::Whole).await);
        assert!(matches!(failure.cause, Cause::ConnectionLost { .. }), "{octets}: {failure}");
    }
}

#[tokio::test]
async fn a_page_of_a_proxy_says_nothing_about_messages_and_rights() {
    let world = World::new();
    world.deliver(0..1);
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    world.playground.graph().misbehave("$value", 1, proxy_page(404));
    let contents = session.fetch(listing.messages(), Part::Whole).await;
    let is_gone = |content: &Fetched| matches!(content.content, Content::Vanished);
    assert!(!contents.is_ok_and(|all| all.iter().any(is_gone)), "nobody said that the message is gone");
    world.playground.graph().misbehave("mailFolders/inbox", 1, proxy_page(403));
    let failure = error(world.receive(ANNA).await);
    let Cause::Graph { status, code, .. } = &failure.cause else { panic!("{failure}") };
    let (key, nature, _) = mailplumb::sync::graph::class(failure.step, *status, code).unwrap();
    assert_eq!((key, nature), ("proxy-page", Nature::Transient), "{failure}");
}
