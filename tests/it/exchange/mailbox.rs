//! The connector: what it reads, removes and sends, and what it makes of a server that refuses.

use std::time::Duration;

use mailplumb::model::cursor::{Content, Cursor, Listing, Shown};
use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::name::Address;
use mailplumb::model::outbox::RecipientResult;
use mailplumb::model::profile::{Access, Authentication};
use mailplumb::sync::patience;

use super::world::{ANNA, BORIS, SELF, SERVICE, Who, World, behind, ids, whole};

fn raw(number: usize) -> Vec<u8> {
    format!("Message-ID: <{number}@contoso.example>\r\nSubject: number {number}\r\n\r\nbody\r\n").into_bytes()
}

fn deliver(world: &World, numbers: std::ops::Range<usize>) {
    for number in numbers {
        world.playground.state().deliver(ANNA, &raw(number)).unwrap();
    }
}

fn error<T>(result: Result<T, RemoteError>) -> RemoteError {
    match result {
        Ok(_) => panic!("it must not succeed"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn messages_come_oldest_first_and_as_they_are() {
    let world = World::new();
    deliver(&world, 0..5);
    let mut session = world.receive(&SELF).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let expected: Vec<Content> = (0..5).map(|number| Content::Bytes(raw(number).into())).collect();
    assert_eq!(whole(&mut session, &listing).await, expected);
    assert!(listing.messages().iter().all(|message| message.received.is_some() && message.size.is_some()));

    let cursor = behind(&listing);
    let idle = session.list(&cursor).await.unwrap();
    assert_eq!((ids(&idle).len(), behind(&idle)), (0, cursor.clone()), "an idle reading moves nothing");
    deliver(&world, 5..6);
    let new = session.list(&cursor).await.unwrap();
    assert_eq!(whole(&mut session, &new).await, [Content::Bytes(raw(5).into())]);
}

#[tokio::test]
async fn many_messages_come_page_by_page_and_each_once() {
    let world = World::new();
    deliver(&world, 0..1100);
    let mut session = world.receive(&SELF).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let unique: std::collections::BTreeSet<_> = ids(&listing).into_iter().collect();
    assert_eq!((listing.messages().len(), unique.len()), (1100, 1100));
    let pages = world.operations().iter().filter(|name| *name == "SyncFolderItems").count();
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn a_state_that_the_server_forgot_begins_again_with_the_same_ids() {
    let world = World::new();
    deliver(&world, 0..3);
    let mut session = world.receive(&SELF).await.unwrap();
    let first = session.list(&Cursor::Start).await.unwrap();
    world.playground.exchange().forget_sync_states();
    let again = session.list(&behind(&first)).await.unwrap();
    assert!(matches!(again, Listing::Exchange { shown: Shown::Again, .. }), "{again:?}");
    assert_eq!(ids(&again), ids(&first));
}

#[tokio::test]
async fn a_message_that_vanished_and_one_that_is_large_are_no_errors() {
    let world = World::new();
    deliver(&world, 0..3);
    let large = [raw(3), b"x".repeat(3 * 1024 * 1024)].concat();
    world.playground.state().deliver(ANNA, &large).unwrap();
    let mut session = world.receive(&SELF).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    world.playground.state().remove(ANNA, 2).unwrap();
    let contents = whole(&mut session, &listing).await;
    assert_eq!(contents[1], Content::Vanished);
    assert_eq!(contents[3], Content::Bytes(large.into()));
}

#[tokio::test]
async fn removed_messages_are_told_as_gone() {
    let world = World::new();
    deliver(&world, 0..3);
    let mut session = world.receive(&SELF).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let all = ids(&listing);
    let rested = session.delete_and_rest(&all[..2]).await.unwrap();
    assert_eq!(rested.removed, all[..2]);
    let mut session = rested.session.expect("it can be used again");
    let after = session.list(&behind(&listing)).await.unwrap();
    let Listing::Exchange { gone, messages, .. } = &after else { panic!() };
    assert_eq!((gone.len(), messages.len()), (2, 0));
    assert_eq!(world.playground.state().inbox(ANNA).unwrap().len(), 1);
    let again = session.delete_and_close(&all[..1]).await.unwrap();
    assert_eq!(again, all[..1], "what is gone already counts as removed");
}

const MAIL: &[u8] = b"From: anna@contoso.example\r\nTo: Boris <boris@contoso.example>\r\nMessage-ID: <m1@contoso.example>\r\n\
    Subject: hello\r\n\r\nhello\r\n";

fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| Address::parse(text).unwrap()).collect()
}

#[tokio::test]
async fn what_is_sent_arrives_and_leaves_a_copy() {
    let world = World::new();
    let mut session = world.submit(&SELF).await.unwrap();
    let from = Address::parse(ANNA).unwrap();
    let recipients = addresses(&[BORIS, "blind@elsewhere.example"]);
    let submitted = session.send(&from, &recipients, MAIL).await.unwrap();
    assert!(submitted.recipients.iter().all(|it| matches!(it, RecipientResult::Accepted { .. })));
    assert_eq!(submitted.recipients.len(), 2);
    session.close().await;
    let state = world.playground.state();
    assert!(state.inbox(BORIS).unwrap()[0].raw.ends_with(MAIL));
    assert_eq!(&state.sent(ANNA).unwrap()[0].raw[..], MAIL);
    assert_eq!(state.delivered_elsewhere()[0].recipients, ["blind@elsewhere.example"]);
}

#[tokio::test]
async fn one_account_works_in_the_mailboxes_of_others() {
    let world = World::new();
    deliver(&world, 0..1);
    for access in [Access::Impersonation, Access::Delegation] {
        let who = Who { username: SERVICE, access: Some(access), ..SELF };
        let mut session = world.receive(&who).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        assert_eq!(listing.messages().len(), 1, "{access:?}");
        let mut session = world.submit(&who).await.unwrap();
        session.send(&Address::parse(ANNA).unwrap(), &addresses(&[BORIS]), MAIL).await.unwrap();
    }
    assert_eq!(world.playground.state().sent(ANNA).unwrap().len(), 2);
    let anchors = world.playground.exchange().calls().into_iter().filter_map(|call| call.anchor);
    assert!(anchors.into_iter().all(|anchor| anchor == ANNA));
}

#[tokio::test]
async fn whoever_has_no_rights_is_told_so() {
    let world = World::new();
    let stranger = |access| Who { username: BORIS, access: Some(access), ..SELF };
    let denied = error(world.receive(&stranger(Access::Impersonation)).await);
    assert_eq!(denied.step, TestStep::Open, "{denied}");
    assert!(denied.to_string().contains("ErrorImpersonateUserDenied"), "{denied}");
    let denied = error(world.receive(&stranger(Access::Delegation)).await);
    assert!(denied.to_string().contains("ErrorFolderNotFound"), "{denied}");
    let nobody =
        Who { username: SERVICE, access: Some(Access::Impersonation), address: "x@contoso.example", ..SELF };
    let unknown = error(world.receive(&nobody).await);
    assert!(unknown.to_string().contains("ErrorNonExistentMailbox"), "{unknown}");
}

#[tokio::test]
async fn a_wrong_password_is_a_refused_login_and_is_not_repeated() {
    let world = World::new();
    for authentication in [Authentication::Auto, Authentication::Basic] {
        let who = Who { password: "wrong secret", authentication, ..SELF };
        let refused = error(world.receive(&who).await);
        assert_eq!(refused.step, TestStep::Authenticate);
        assert!(matches!(refused.cause, Cause::LoginRefused { .. }), "{refused}");
        assert!(!format!("{refused:?}").contains("wrong secret"));
    }
    assert!(world.operations().is_empty(), "a login that is not proved reaches no mailbox");
}

#[tokio::test]
async fn a_wrong_path_is_no_exchange() {
    let world = World::new();
    let refused = error(world.receive(&Who { path: "/owa/Exchange.asmx", ..SELF }).await);
    assert!(refused.to_string().contains("HTTP 404"), "{refused}");
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_says() {
    let world = World::new();
    deliver(&world, 0..1);
    let mut session = world.receive(&SELF).await.unwrap();
    world.playground.exchange().be_busy(1, Duration::from_secs(297));
    let busy = error(session.list(&Cursor::Start).await);
    let patience = patience::demanded(&busy).expect("it asks for patience");
    assert_eq!(patience.asked, Some(Duration::from_secs(297)), "{busy}");
    let calls = world.operations().len();
    let busy = error(session.list(&Cursor::Start).await);
    assert!(
        patience::demanded(&busy).is_some_and(|patience| patience.asked > Some(Duration::from_secs(200)))
    );
    assert_eq!(world.operations().len(), calls, "it is not asked again before");
}
