//! Sending: exactly once, or in doubt and never again.

use mailplumb::model::name::Address;
use mailplumb::model::operation::Operation;
use mailplumb::model::outbox::{NewOutgoing, OutgoingState, Resolution};
use mailplumb::playground::{Fault, Options, Protocol, Times};
use mailplumb::store::OutboxQuery;
use mailplumb::sync::outgoing::resolve;

use super::super::site::{Desk, name};
use super::super::world::{Variant, World, letter};
use super::{done, failed};

pub async fn queue(desk: &Desk, mailbox: &str, label: &str, to: &[&str]) -> u64 {
    let message = NewOutgoing {
        mailbox: name(mailbox),
        recipients: to.iter().map(|recipient| Address::parse(recipient).unwrap()).collect(),
        raw: letter(label).into(),
        message_id: format!("{label}@elsewhere.test"),
        subject: None,
        idempotency_key: None,
        at: desk.engine.clock.now(),
    };
    desk.engine.store.enqueue(&message).await.unwrap().id
}

pub async fn states(desk: &Desk) -> Vec<OutgoingState> {
    let query = OutboxQuery { limit: Some(u64::MAX), ..OutboxQuery::default() };
    let mut messages = desk.engine.store.outbox(&query).await.unwrap();
    messages.sort_by_key(|message| message.id);
    messages.into_iter().map(|message| message.state).collect()
}

/// How often the server accepted it.
pub fn accepted(world: &World, label: &str) -> usize {
    let header = format!("Message-ID: <{label}@elsewhere.test>");
    let accepted = world.playground.state().accepted();
    accepted.iter().filter(|one| String::from_utf8_lossy(&one.raw).contains(&header)).count()
}

#[tokio::test]
async fn a_deferred_recipient_is_tried_again_and_the_others_are_not() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    queue(&desk, "anna", "one", &["ben@playground.test", "sales@playground.test"]).await;
    let at = "RCPT TO:<sales@".to_owned();
    let line = "451 4.2.0 later".to_owned();
    world.playground.inject(Protocol::Smtp, Fault::Answer { at, line, times: Times::Next(1) });
    done(desk.outgoing("anna").await);
    assert_eq!(states(&desk).await, [OutgoingState::Pending]);
    assert_eq!(done(desk.outgoing("anna").await).found, 0, "not before its time");
    desk.clock.forward(61);
    assert_eq!(done(desk.outgoing("anna").await).sent, 1);
    let recipients: Vec<_> =
        world.playground.state().accepted().into_iter().map(|one| one.recipients).collect();
    assert!(
        recipients
            .ends_with(&[vec!["ben@playground.test".to_owned()], vec!["sales@playground.test".to_owned()]])
    );
}

#[tokio::test]
async fn a_lost_answer_to_the_final_dot_is_doubt_and_is_not_sent_again() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    queue(&desk, "anna", "one", &["ben@playground.test"]).await;
    world.playground.inject(Protocol::Smtp, Fault::CloseAfter { at: ".".to_owned() });
    // However the cycle ends: it was accepted, and we cannot know.
    desk.outgoing("anna").await;
    world.playground.heal(Protocol::Smtp);
    queue(&desk, "anna", "two", &["ben@playground.test"]).await;
    assert_eq!(states(&desk).await[0], OutgoingState::Unsure);
    for _ in 0..3 {
        desk.clock.forward(3600);
        desk.outgoing("anna").await;
    }
    assert_eq!((accepted(&world, "one"), accepted(&world, "two")), (1, 1));
    let end = states(&desk).await;
    assert_eq!(end, [OutgoingState::Unsure, OutgoingState::Sent]);
}

#[tokio::test]
async fn a_server_that_answers_no_message_does_not_make_the_whole_outbox_doubtful() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for number in 0..30 {
        queue(&desk, "anna", &format!("number-{number}"), &["ben@playground.test"]).await;
    }
    world.playground.inject(Protocol::Smtp, Fault::CloseAfter { at: ".".to_owned() });
    failed(desk.outgoing("anna").await);
    let unsure = |states: &[OutgoingState]| states.iter().filter(|it| **it == OutgoingState::Unsure).count();
    // What a second session had begun before is in doubt as well.
    let doubtful = unsure(&states(&desk).await);
    assert!((2..=3).contains(&doubtful), "{doubtful}");
    world.playground.heal(Protocol::Smtp);
    desk.clock.forward(3600);
    assert_eq!(done(desk.outgoing("anna").await).sent, 30 - doubtful as u64);
    assert_eq!(unsure(&states(&desk).await), doubtful);
}

#[tokio::test]
async fn a_server_that_is_away_costs_no_message_an_attempt() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    queue(&desk, "support", "one", &["ben@playground.test"]).await;
    world.playground.inject(Protocol::Smtp, Fault::RefuseConnections);
    for _ in 0..3 {
        assert_eq!(failed(desk.outgoing("support").await), "connection-refused");
    }
    world.playground.heal(Protocol::Smtp);
    assert_eq!(done(desk.outgoing("support").await).sent, 1);
    assert_eq!(accepted(&world, "one"), 1);
}

#[tokio::test]
async fn a_session_that_the_server_ends_between_messages_loses_none() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for number in 1..=4 {
        queue(&desk, "anna", &number.to_string(), &["ben@playground.test"]).await;
    }
    let line = "421 4.3.2 closing".to_owned();
    world
        .playground
        .inject(Protocol::Smtp, Fault::Answer { at: "MAIL".to_owned(), line, times: Times::Next(1) });
    for _ in 0..3 {
        desk.outgoing("anna").await;
        desk.clock.forward(3600);
    }
    assert_eq!(states(&desk).await, [OutgoingState::Sent; 4]);
    for number in 1..=4 {
        assert_eq!(accepted(&world, &number.to_string()), 1, "{number}");
    }
}

/// 100 messages, worth seven sessions; the profile allows ten.
async fn long_outbox(desk: &Desk) {
    for number in 0..100 {
        queue(desk, "anna", &format!("n{number}"), &["ben@playground.test"]).await;
    }
}

#[tokio::test]
async fn a_long_outbox_goes_over_several_sessions_and_each_message_once() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    long_outbox(&desk).await;
    world.playground.log().clear();
    let cycle = done(desk.outgoing("anna").await);
    assert_eq!((cycle.found, cycle.sent), (100, 100));
    assert_eq!(world.playground.log().connections(Protocol::Smtp), 7);
    for number in 0..100 {
        assert_eq!(accepted(&world, &format!("n{number}")), 1, "{number}");
    }
}

#[tokio::test]
async fn no_more_sessions_are_opened_than_the_profile_declares() {
    let variant = Variant::default().with(
        "outgoing: { host: mail.playground.test, port: 587, tls: starttls }
  processing: { ",
        "outgoing: { host: mail.playground.test, port: 587, tls: starttls }
  processing: { maxConcurrentConnections: 2, ",
    );
    let world = World::varied(&variant, Options::default());
    let desk = world.site.desk();
    desk.apply().await;
    long_outbox(&desk).await;
    world.playground.log().clear();
    assert_eq!(done(desk.outgoing("anna").await).sent, 100);
    assert_eq!(world.playground.log().connections(Protocol::Smtp), 2);
}

#[tokio::test]
async fn a_refusal_in_the_middle_leaves_nothing_in_doubt() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    long_outbox(&desk).await;
    // The profile's business, not the message's: everybody stops.
    let line = "530 5.7.0 authentication required".to_owned();
    let fault = Fault::Answer { at: "MAIL".to_owned(), line, times: Times::Always };
    world.playground.inject(Protocol::Smtp, fault);
    assert_eq!(failed(desk.outgoing("anna").await), "login-refused");
    assert_eq!(states(&desk).await, [OutgoingState::Pending; 100], "what was begun was given back");
    let attempts = desk.engine.store.outbox(&OutboxQuery::default()).await.unwrap();
    assert!(attempts.iter().all(|message| message.attempts == 0), "and costs no message an attempt");
}

#[tokio::test]
async fn octets_that_cannot_be_read_hold_up_nobody() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    long_outbox(&desk).await;
    let segment = std::fs::read_dir(world.site.path("state/blobs")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.extension().is_some_and(|ending| ending == "seg").then_some(path)
    });
    let segment = segment.expect("the segment that holds the messages");
    let whole = std::fs::read(&segment).unwrap();
    let place = whole.windows(4).position(|octets| octets == b"<n50").unwrap();
    let mut damaged = whole.clone();
    damaged[place + 1] = b'X';
    std::fs::write(&segment, damaged).unwrap();
    let cycle = done(desk.outgoing("anna").await);
    assert_eq!((cycle.sent, cycle.failed), (99, 1));
}

#[tokio::test]
async fn whoever_is_impatient_with_a_server_that_wants_a_pause_costs_no_message_its_attempts() {
    // Before the message, and in place of an answer to it.
    for at in ["MAIL", "."] {
        let world = World::start();
        let desk = world.site.desk();
        desk.apply().await;
        for number in 1..=3 {
            queue(&desk, "anna", &number.to_string(), &["ben@playground.test"]).await;
        }
        let line = "421 4.3.2 closing".to_owned();
        let fault = Fault::Answer { at: at.to_owned(), line, times: Times::Always };
        world.playground.inject(Protocol::Smtp, fault);
        // The last pause is longer than the declared wait.
        for in_time in 1..=3 {
            for _ in 0..12 {
                desk.outgoing("anna").await;
            }
            assert_eq!(attempts(&desk).await, in_time, "at {at}: one message for each cycle in time");
            desk.clock.forward(301);
        }
        world.playground.heal(Protocol::Smtp);
        desk.clock.forward(3600);
        desk.outgoing("anna").await;
        assert_eq!(states(&desk).await, [OutgoingState::Sent; 3], "at {at}");
    }
}

#[tokio::test]
async fn that_nothing_is_due_does_not_mend_a_server() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    queue(&desk, "anna", "one", &["ben@playground.test"]).await;
    world.playground.inject(Protocol::Smtp, Fault::RefuseConnections);
    desk.outgoing("anna").await;
    let all = desk.engine.store.outbox(&OutboxQuery::default()).await.unwrap();
    let cancelled = resolve(&all[0], &Resolution::Cancel, desk.engine.clock.now()).unwrap();
    desk.engine.store.resolve(&[cancelled]).await.unwrap();
    let failing = desk.state("anna", Operation::Outgoing).await;
    assert!(failing.starts_with("retrying (1"), "{failing}");
    failed(desk.outgoing("anna").await);
    assert_eq!(
        desk.state("anna", Operation::Outgoing).await,
        failing,
        "it was asked early, which costs nothing"
    );
    desk.clock.forward(301);
    failed(desk.outgoing("anna").await);
    let failing = desk.state("anna", Operation::Outgoing).await;
    assert!(failing.starts_with("retrying (2"), "{failing}");
    world.playground.heal(Protocol::Smtp);
    desk.clock.forward(301);
    done(desk.outgoing("anna").await);
    assert_eq!(desk.state("anna", Operation::Outgoing).await, "enabled");
}

async fn attempts(desk: &Desk) -> u16 {
    let query = OutboxQuery { limit: Some(u64::MAX), ..OutboxQuery::default() };
    let messages = desk.engine.store.outbox(&query).await.unwrap();
    messages.iter().map(|message| message.attempts).sum()
}
