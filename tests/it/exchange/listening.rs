//! Streams of notifications: one for many mailboxes, and what it does when it breaks.

use std::time::Duration;

use mailplumb::model::cursor::Cursor;
use mailplumb::model::profile::Access;
use mailplumb::playground::Silence;
use mailplumb::remote::{Receive, Wake};
use tokio_util::sync::CancellationToken;

use super::schema;
use super::world::{ANNA, BORIS, SELF, SERVICE, Who, World, behind, ids};
use crate::support::need::{Need, require};

const LONG: Duration = Duration::from_secs(600);

fn for_others(address: &'static str) -> Who {
    Who { username: SERVICE, access: Some(Access::Impersonation), address, ..SELF }
}

fn deliver(world: &World, address: &str) {
    world.playground.state().deliver(address, b"Subject: x\r\nFrom: c@d.example\r\n\r\nbody\r\n").unwrap();
}

async fn wait(session: &mut Box<dyn Receive>) -> Wake {
    session.wait_for_mail(&CancellationToken::new(), LONG).await.unwrap()
}

/// Begins to wait, and says when the wait is known to the server.
async fn waiting(
    world: &World,
    mut session: Box<dyn Receive>,
    streams: usize,
) -> tokio::task::JoinHandle<(Box<dyn Receive>, Wake)> {
    let before = world.playground.exchange().subscriptions();
    let task = tokio::spawn(async move {
        let woken = wait(&mut session).await;
        (session, woken)
    });
    while world.playground.exchange().subscriptions() <= before
        || world.playground.exchange().streams() < streams
    {
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_tells_of_the_mail_of_many_mailboxes() {
    let world = World::new();
    let mut sessions = Vec::new();
    for address in [ANNA, BORIS] {
        let mut session = world.receive(&for_others(address)).await.unwrap();
        assert!(session.can_wait() && session.waits_apart());
        session.list(&Cursor::Start).await.unwrap();
        sessions.push(session);
    }
    let boris = waiting(&world, sessions.pop().unwrap(), 1).await;
    let anna = waiting(&world, sessions.pop().unwrap(), 1).await;
    deliver(&world, ANNA);
    let (mut session, woken) = anna.await.unwrap();
    assert_eq!(woken, Wake::News);
    assert_eq!(ids(&session.list(&Cursor::Start).await.unwrap()).len(), 1);
    // The former one ends when its server has noticed.
    while world.playground.exchange().streams() != 1 {
        tokio::task::yield_now().await;
    }
    // The subscription is kept from one wait to the next.
    let subscriptions = world.playground.exchange().subscriptions();
    deliver(&world, ANNA);
    assert_eq!(wait(&mut session).await, Wake::News);
    assert_eq!(world.playground.exchange().subscriptions(), subscriptions);
    deliver(&world, BORIS);
    assert_eq!(boris.await.unwrap().1, Wake::News);
    let streams = world.operations().iter().filter(|name| *name == "GetStreamingEvents").count();
    assert!(streams >= 1, "asked for, and told");
    let calls = world.playground.exchange().calls().into_iter().filter(|call| call.operation == "Subscribe");
    assert!(
        calls.into_iter().all(|call| call.anchor.as_deref() == Some(BORIS)),
        "all go where the anchor is"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_between_a_listing_and_the_wait_is_not_missed() {
    let world = World::new();
    let mut session = world.receive(&for_others(ANNA)).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    deliver(&world, ANNA);
    assert_eq!(wait(&mut session).await, Wake::News);
    let new = session.list(&behind(&listing)).await.unwrap();
    assert_eq!(ids(&new).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_between_the_subscription_and_its_stream_is_not_missed() {
    let world = World::new();
    let mut session = world.receive(&for_others(ANNA)).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let task = waiting(&world, session, 0).await;
    deliver(&world, ANNA);
    let (mut session, woken) = task.await.unwrap();
    assert_eq!(woken, Wake::News);
    assert_eq!(ids(&session.list(&behind(&listing)).await.unwrap()).len(), 1);
    let calls = world.operations();
    let at = |name: &str| calls.iter().rposition(|operation| operation == name).unwrap();
    let looked = calls[at("Subscribe")..].iter().position(|operation| operation == "SyncFolderItems");
    let streamed = calls[at("Subscribe")..].iter().position(|operation| operation == "GetStreamingEvents");
    assert!(streamed < looked, "a look before the stream is there would be one too early: {calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_state_that_ends_before_the_wait_leads_to_a_look_and_the_mailbox_stays_listened_to() {
    let world = World::new();
    let mut session = world.receive(&for_others(ANNA)).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    world.playground.exchange().forget_sync_states();
    assert_eq!(wait(&mut session).await, Wake::News);
    session.list(&behind(&listing)).await.unwrap();
    deliver(&world, ANNA);
    assert_eq!(wait(&mut session).await, Wake::News);
    let subscribed = world.operations().iter().filter(|name| *name == "Subscribe").count();
    assert_eq!(subscribed, 1, "the subscription is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_the_server_lost_leads_to_a_look_and_to_another_one() {
    let world = World::new();
    let mut session = world.receive(&for_others(ANNA)).await.unwrap();
    session.list(&Cursor::Start).await.unwrap();
    let task = waiting(&world, session, 1).await;
    world.playground.exchange().lose_subscriptions();
    let (mut session, woken) = task.await.unwrap();
    assert_eq!(woken, Wake::News);
    session.list(&Cursor::Start).await.unwrap();
    let task = waiting(&world, session, 1).await;
    deliver(&world, ANNA);
    assert_eq!(task.await.unwrap().1, Wake::News);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_when_it_is_asked_to_or_when_its_time_is_over() {
    let world = World::new();
    let mut session = world.receive(&for_others(ANNA)).await.unwrap();
    session.list(&Cursor::Start).await.unwrap();
    let stop = CancellationToken::new();
    let limit = session.wait_for_mail(&stop, Duration::from_millis(1)).await.unwrap();
    assert_eq!(limit, Wake::LimitReached);
    stop.cancel();
    assert_eq!(session.wait_for_mail(&stop, LONG).await.unwrap(), Wake::Stopped);
    assert_eq!(ids(&session.list(&Cursor::Start).await.unwrap()).len(), 0, "the session goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_and_told_on_a_stream_validates() {
    let Some(()) = require(Need::Schemas) else { return };
    let world = World::new();
    let mut session = world.receive(&for_others(ANNA)).await.unwrap();
    session.list(&Cursor::Start).await.unwrap();
    let task = waiting(&world, session, 1).await;
    deliver(&world, ANNA);
    let (session, _) = task.await.unwrap();
    let is_told =
        || world.playground.exchange().calls().iter().any(|call| call.response.contains("NewMailEvent>"));
    while !is_told() {
        tokio::task::yield_now().await;
    }
    world.playground.exchange().be_silent(Silence::Alive);
    world.playground.exchange().lose_subscriptions();
    drop(session);
    let calls = world.playground.exchange().calls();
    let all: Vec<(String, String)> = calls
        .into_iter()
        .filter(|call| call.operation == "GetStreamingEvents")
        .flat_map(|call| [("asked".to_owned(), call.request), ("told".to_owned(), call.response)])
        .collect();
    assert!(all.iter().any(|(_, text)| text.contains("NewMailEvent>")), "{all:?}");
    schema::validate(&all);
}

/// How a stream breaks without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// Nothing is closed, and nothing comes any more: neither news nor a sign of life.
    HalfOpen,
    /// The connection ends in the middle of the answer, and no end of it was said.
    Closed,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_any_sign_of_life_is_begun_anew_and_what_was_missed_is_read() {
    nothing_is_lost_with(Broken::HalfOpen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_closed_without_a_word_is_begun_anew_and_what_was_missed_is_read() {
    nothing_is_lost_with(Broken::Closed).await;
}

async fn nothing_is_lost_with(broken: Broken) {
    let world = World::new().hearing_within(Duration::from_millis(100));
    let exchange = world.playground.exchange();
    let mut session = world.receive(&Who { timeout_seconds: 1, ..for_others(ANNA) }).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let streams = || world.operations().iter().filter(|name| *name == "GetStreamingEvents").count();
    let task = waiting(&world, session, 1).await;
    let before = streams();
    match broken {
        Broken::HalfOpen => exchange.be_silent(Silence::Dead),
        Broken::Closed => exchange.cut_streams(),
    }
    deliver(&world, ANNA);
    let (mut session, woken) = task.await.unwrap();
    assert_eq!(woken, Wake::News);
    exchange.be_silent(Silence::Alive);
    let missed = session.list(&behind(&listing)).await.unwrap();
    assert_eq!(ids(&missed).len(), 1);
    // What comes before the next stream is there is told with its first word.
    deliver(&world, ANNA);
    assert_eq!(wait(&mut session).await, Wake::News);
    let next = session.list(&behind(&missed)).await.unwrap();
    assert_eq!(ids(&next).len(), 1);
    deliver(&world, ANNA);
    assert_eq!(wait(&mut session).await, Wake::News);
    assert_eq!(ids(&session.list(&behind(&next)).await.unwrap()).len(), 1);
    assert!(streams() > before, "{broken:?}: another stream told of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_one_stream_ends_and_the_next_begins_is_read() {
    let world = World::new();
    let mut session = world.receive(&for_others(ANNA)).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let task = waiting(&world, session, 1).await;
    // Boris joins, for which the stream is asked for anew; what Anna was sent meanwhile is not told by anybody.
    let mut boris = world.receive(&for_others(BORIS)).await.unwrap();
    boris.list(&Cursor::Start).await.unwrap();
    let boris = waiting(&world, boris, 1).await;
    assert_eq!(task.await.unwrap().1, Wake::News, "a look, although nothing was told");
    assert_eq!(ids(&listing).len(), 0);
    drop(boris);
}
