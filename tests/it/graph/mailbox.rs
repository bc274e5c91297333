//! What the connector reads and removes.

use std::collections::BTreeSet;

use mailplumb::model::cursor::{Content, Cursor, Listing, Part};
use mailplumb::model::failure::{Cause, TestStep};

use super::world::{ANNA, BORIS, World, behind, error, ids, options, raw, whole};

#[tokio::test]
async fn messages_come_oldest_first_and_as_they_are() {
    let world = World::new();
    world.deliver(0..5);
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let expected: Vec<Content> = (0..5).map(|number| Content::Bytes(raw(number).into())).collect();
    assert_eq!(whole(&mut session, &listing).await, expected);
    assert!(listing.messages().iter().all(|message| message.received.is_some()));

    let cursor = behind(&listing);
    let idle = session.list(&cursor).await.unwrap();
    assert_eq!(ids(&idle).len(), 0);
    world.deliver(5..6);
    let new = session.list(&behind(&idle)).await.unwrap();
    assert_eq!(whole(&mut session, &new).await, [Content::Bytes(raw(5).into())]);
}

#[tokio::test]
async fn an_idle_mailbox_costs_one_call_and_a_new_session_one_more() {
    let world = World::new();
    world.deliver(0..30);
    let mut session = world.receive(ANNA).await.unwrap();
    let cursor = behind(&session.list(&Cursor::Start).await.unwrap());
    let octets = |from: usize| -> usize {
        world.calls()[from..].iter().map(|call| call.path.len() + call.response.len()).sum()
    };
    let before = world.calls().len();
    session.list(&cursor).await.unwrap();
    assert_eq!(world.calls().len() - before, 1);
    assert!(octets(before) < 1024, "{}", octets(before));
    let before = world.calls().len();
    world.receive(ANNA).await.unwrap().list(&cursor).await.unwrap();
    assert_eq!(world.calls().len() - before, 2);
    assert!(octets(before) < 1536, "{}", octets(before));
}

#[tokio::test]
async fn many_messages_come_page_by_page_and_each_once() {
    let world = World::new();
    world.deliver(0..450);
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let unique: BTreeSet<_> = ids(&listing).into_iter().collect();
    assert_eq!((listing.messages().len(), unique.len(), world.asked("messages/delta")), (450, 450, 3));
}

#[tokio::test]
async fn only_the_headers_are_handed_over_where_only_they_are_wanted() {
    let world = World::new();
    world.deliver(0..1);
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let fetched = session.fetch(listing.messages(), Part::Headers).await.unwrap();
    let Content::Bytes(head) = &fetched[0].content else { panic!("{fetched:?}") };
    assert!(head.ends_with(b"\r\n\r\n") && raw(0).starts_with(head));
}

#[tokio::test]
async fn a_message_that_vanished_and_one_that_is_large_are_no_errors() {
    let world = World::new();
    world.deliver(0..3);
    let large = [raw(3), b"x".repeat(10 * 1024 * 1024)].concat();
    world.playground.state().deliver(ANNA, &large).unwrap();
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    world.playground.state().remove(ANNA, 2).unwrap();
    let contents = whole(&mut session, &listing).await;
    assert_eq!(contents[1], Content::Vanished);
    // Too large to be held: it is handed over in pieces, see `fetch_each`.
    assert_eq!(contents[3], Content::TooLarge(large.len() as u64));
}

#[tokio::test]
async fn removed_messages_are_told_as_gone_and_removed_twenty_at_a_time() {
    let world = World::new();
    world.deliver(0..45);
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let all = ids(&listing);
    let rested = session.delete_and_rest(&all[..43]).await.unwrap();
    assert_eq!(rested.removed, all[..43]);
    assert_eq!(world.asked("$batch"), 3);
    let mut session = rested.session.expect("it can be used again");
    let after = session.list(&behind(&listing)).await.unwrap();
    let Listing::Exchange { gone, messages, .. } = &after else { panic!() };
    assert_eq!((gone.len(), messages.len()), (43, 0));
    assert_eq!(world.playground.state().inbox(ANNA).unwrap().len(), 2);
    let again = session.delete_and_close(&all[..1]).await.unwrap();
    assert_eq!(again, all[..1], "what is gone already counts as removed");
}

#[tokio::test]
async fn a_mailbox_outside_of_the_scope_and_one_that_does_not_exist_are_told_apart() {
    let mut options = options();
    options.impersonation = mailplumb::playground::Impersonation::Nobody;
    let world = World::with(options);
    let refused = error(world.receive(ANNA).await);
    assert_eq!(refused.step, TestStep::Open, "the sign-in itself succeeded: {refused}");
    assert!(matches!(&refused.cause, Cause::Graph { status: 403, code, .. } if code == "ErrorAccessDenied"));
    let unknown = error(world.receive("nobody@contoso.example").await);
    assert!(
        matches!(&unknown.cause, Cause::Graph { status: 404, code, .. } if code == "ErrorInvalidUser"),
        "{unknown}"
    );
}

#[tokio::test]
async fn a_token_that_was_withdrawn_is_replaced_once() {
    let world = World::new();
    world.receive(ANNA).await.unwrap();
    world.playground.withdraw_tokens();
    world.receive(BORIS).await.unwrap();
}
