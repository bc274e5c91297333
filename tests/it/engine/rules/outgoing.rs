//! Sending: exactly once, or in doubt and never again.

use mailplumb::model::name::Address;
use mailplumb::model::outbox::{NewOutgoing, OutgoingState};
use mailplumb::playground::{Fault, Protocol, Times};
use mailplumb::store::OutboxQuery;

use super::super::site::{Desk, name};
use super::super::world::{World, letter};
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
