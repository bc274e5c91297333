//! Several engines on one store.

use std::sync::Arc;

use mailplumb::engine::drive::Driven;
use mailplumb::model::operation::Operation;
use mailplumb::playground::{Fault, Protocol};

use super::super::site::Desk;
use super::super::world::{MAILBOXES, World, letter};
use super::outgoing::{accepted, queue, states};
use super::{done, subjects};
use crate::support::scratch::wait_until;

/// As if it were in a process of its own.
fn another_desk(world: &World) -> Desk {
    let mut desk = world.site.desk();
    desk.engine.holder.nonce = "another process".to_owned();
    desk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_never_work_on_one_mailbox_together() {
    let world = World::start();
    let one = Arc::new(world.site.desk());
    one.apply().await;
    world.deliver("anna", &letter("one"));
    world.playground.inject(Protocol::Imap, Fault::Stall { at: "UID FETCH".to_owned() });
    world.playground.log().clear();
    let stuck = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.incoming("anna").await }
    });
    let commands = || world.playground.log().commands(Protocol::Imap);
    tokio::task::block_in_place(|| {
        let is_fetching = || commands().iter().any(|command| command.starts_with("UID FETCH"));
        wait_until("the first engine to fetch", is_fetching, || format!("{:?}", commands()));
    });
    let other = another_desk(&world);
    let connections = world.playground.log().connections(Protocol::Imap);
    assert!(
        matches!(other.incoming("anna").await, Driven::Skipped(reason) if reason.contains("is working on it"))
    );
    assert_eq!(world.playground.log().connections(Protocol::Imap), connections);
    // Others are free.
    done(other.incoming("ben").await);
    stuck.abort();
    let _ = stuck.await;
    world.playground.heal(Protocol::Imap);
    // Its lease runs out.
    other.clock.forward(61);
    assert_eq!(done(other.incoming("anna").await).recorded, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_at_once_double_nothing_and_lose_nothing() {
    let world = World::start();
    let desks = [Arc::new(world.site.desk()), Arc::new(another_desk(&world))];
    desks[0].apply().await;
    for number in 0..20 {
        for user in MAILBOXES {
            world.deliver(user, &letter(&format!("{user}-{number}")));
        }
        queue(&desks[0], MAILBOXES[number % 4], &format!("out-{number}"), &["reader@elsewhere.test"]).await;
    }
    for _ in 0..3 {
        let both = desks.clone().map(|desk| {
            tokio::spawn(async move {
                desk.sync(Operation::Incoming).await;
                desk.sync(Operation::Outgoing).await;
            })
        });
        for desk in both {
            desk.await.unwrap();
        }
    }
    let subjects = subjects(&desks[0]).await;
    assert_eq!(subjects.len(), 80);
    assert!(
        states(&desks[0]).await.iter().all(|state| *state == mailplumb::model::outbox::OutgoingState::Sent)
    );
    for number in 0..20 {
        assert_eq!(accepted(&world, &format!("out-{number}")), 1);
    }
}
