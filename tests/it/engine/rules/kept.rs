//! Sessions that stay logged in: what they save, and that nothing is read wrong or left unread because of them.

use std::time::Duration;

use mailplumb::model::event::Event;
use mailplumb::model::host::KeptSessions;
use mailplumb::model::operation::Operation;
use mailplumb::playground::{Fault, Protocol, Times};
use mailplumb::remote::Pool;
use mailplumb::remote::Wake;
use tokio_util::sync::CancellationToken;

use super::super::site::{Desk, name};
use super::super::world::{MAILBOXES, World, address, letter, password};
use super::{done, failed, subjects};

/// A site at which everything is enabled, and an engine that keeps sessions.
async fn keeping() -> (World, Desk) {
    let world = World::start();
    let mut desk = world.site.desk();
    assert_eq!(desk.apply().await.failed, 0);
    desk.engine.sessions = Pool::new(KeptSessions::default());
    done(desk.incoming("anna").await);
    (world, desk)
}

fn count(world: &World, protocol: Protocol, commands: &[&str]) -> usize {
    let log = world.playground.log().commands(protocol);
    log.iter().filter(|command| commands.iter().any(|of| command.starts_with(of))).count()
}

fn logins(world: &World) -> usize {
    count(world, Protocol::Imap, &["LOGIN", "AUTHENTICATE"])
}

#[tokio::test]
async fn a_mailbox_is_read_again_and_again_with_one_login() {
    let (world, desk) = keeping().await;
    let before = logins(&world);
    for round in 0..3 {
        world.deliver("anna", &letter(&format!("{round} a")));
        world.deliver("anna", &letter(&format!("{round} b")));
        assert_eq!(done(desk.incoming("anna").await).recorded, 2);
        // News may have been told in the answer to the fetch.
        world.deliver("anna", &letter(&format!("{round} c")));
        assert_eq!(done(desk.incoming("anna").await).recorded, 1);
        assert_eq!(done(desk.incoming("anna").await).found, 0);
    }
    assert_eq!((logins(&world), desk.engine.sessions.len()), (before, 1));
    assert_eq!(subjects(&desk).await.len(), 9);
}

#[tokio::test]
async fn with_nothing_new_a_server_is_asked_for_no_more_than_whether_anything_changed() {
    let (world, desk) = keeping().await;
    done(desk.incoming("anna").await);
    let before = world.playground.log().commands(Protocol::Imap).len();
    done(desk.incoming("anna").await);
    assert_eq!(world.playground.log().commands(Protocol::Imap)[before..], ["NOOP"]);
}

#[tokio::test]
async fn mail_that_is_removed_after_processing_is_removed_over_a_kept_session_too() {
    let (world, desk) = keeping().await;
    done(desk.incoming("sales").await);
    let before = logins(&world);
    for round in 0..2 {
        world.deliver("sales", &letter(&round.to_string()));
        assert_eq!(done(desk.incoming("sales").await).deleted, 1);
        assert!(world.inbox_hashes("sales").is_empty());
    }
    assert_eq!(logins(&world), before);
}

#[tokio::test]
async fn a_kept_session_that_died_is_replaced_and_nobody_is_told() {
    let (world, desk) = keeping().await;
    done(desk.incoming("anna").await);
    world.deliver("anna", &letter("one"));
    desk.heard.take();
    // A fresh session does not ask whether anything changed.
    world.playground.inject(Protocol::Imap, Fault::CloseBefore { at: "NOOP".into() });
    assert_eq!(done(desk.incoming("anna").await).recorded, 1);
    world.playground.heal(Protocol::Imap);
    let told = |event: &Event| matches!(event, Event::CycleFailed { .. } | Event::Alerted(_));
    assert_eq!(desk.heard.count(told), 0);

    // The fresh one fails as well, and that counts.
    world.playground.inject(Protocol::Imap, Fault::CloseBefore { at: "EXAMINE".into() });
    assert_eq!(failed(desk.incoming("anna").await), "connection-lost");
    world.playground.heal(Protocol::Imap);
    done(desk.incoming("anna").await);
    assert_eq!(desk.state("anna", Operation::Incoming).await, "enabled");
}

#[tokio::test]
async fn the_failure_of_a_fresh_session_counts_once() {
    let (world, desk) = keeping().await;
    done(desk.incoming("anna").await);
    world.playground.inject(Protocol::Imap, Fault::CloseBefore { at: "NOOP".into() });
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    assert_eq!(failed(desk.incoming("anna").await), "connection-refused");
    assert!(desk.state("anna", Operation::Incoming).await.starts_with("retrying (1, "));
    world.playground.heal(Protocol::Imap);
    done(desk.incoming("anna").await);
}

#[tokio::test]
async fn a_changed_password_ends_the_session_that_was_opened_with_the_former_one() {
    let (world, desk) = keeping().await;
    world.playground.state().set_password(&address("anna"), "another").unwrap();
    world.write_secrets(
        &MAILBOXES.map(|user| (user, if user == "anna" { "another".to_owned() } else { password(user) })),
    );
    let before = logins(&world);
    assert_eq!(desk.apply().await.failed, 0);
    done(desk.incoming("anna").await);
    assert!(logins(&world) >= before + 2, "one by the test, one by the reading");
}

#[tokio::test]
async fn a_pop3_session_is_never_kept() {
    let (world, desk) = keeping().await;
    let quits = || count(&world, Protocol::Pop3, &["QUIT"]);
    for _ in 0..2 {
        let before = quits();
        done(desk.incoming("ben").await);
        assert_eq!(quits(), before + 1);
    }
    assert_eq!(desk.engine.sessions.len(), 1, "that of anna");
}

#[tokio::test]
async fn a_server_that_tells_of_mail_wakes_whoever_waits_and_the_session_works_on() {
    let (world, desk) = keeping().await;
    let anna = name("anna");
    let limit = Duration::from_secs(60);
    let mut lent = desk.engine.sessions.lend(&anna, CancellationToken::new()).unwrap();
    world.deliver("anna", &letter("one"));
    let stop = lent.stop.clone();
    assert_eq!(lent.kept.session.wait_for_mail(&stop, limit).await.unwrap(), Wake::News);
    desk.engine.sessions.give_back(lent, Duration::ZERO);
    let before = logins(&world);
    assert_eq!(done(desk.incoming("anna").await).recorded, 1);

    let mut lent = desk.engine.sessions.lend(&anna, CancellationToken::new()).unwrap();
    lent.stop.cancel();
    let stop = lent.stop.clone();
    assert_eq!(lent.kept.session.wait_for_mail(&stop, limit).await.unwrap(), Wake::Stopped);
    let soon = Duration::from_millis(1);
    let waited = lent.kept.session.wait_for_mail(&CancellationToken::new(), soon).await;
    assert_eq!(waited.unwrap(), Wake::LimitReached);
    desk.engine.sessions.give_back(lent, Duration::ZERO);
    assert_eq!(done(desk.incoming("anna").await).found, 0);
    assert_eq!(logins(&world), before);
}

#[tokio::test]
async fn a_server_that_refuses_to_tell_of_mail_is_polled_on_the_same_session() {
    let (world, desk) = keeping().await;
    let line = "NO not for you".to_owned();
    world.playground.inject(Protocol::Imap, Fault::Answer { at: "IDLE".into(), line, times: Times::Always });
    let mut lent = desk.engine.sessions.lend(&name("anna"), CancellationToken::new()).unwrap();
    let stop = lent.stop.clone();
    let refused = lent.kept.session.wait_for_mail(&stop, Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(refused.cause, mailplumb::model::failure::Cause::Refused { .. }), "{refused}");
    desk.engine.sessions.give_back(lent, Duration::ZERO);
    let before = logins(&world);
    world.deliver("anna", &letter("one"));
    assert_eq!(done(desk.incoming("anna").await).recorded, 1);
    assert_eq!(logins(&world), before);
}

#[tokio::test]
async fn a_server_that_throttles_is_left_alone_for_as_long_as_it_says() {
    let (world, desk) = keeping().await;
    done(desk.incoming("anna").await);
    let line = "NO [THROTTLED] Request is throttled. Suggested Backoff Time: 1800000 milliseconds".to_owned();
    world.playground.inject(Protocol::Imap, Fault::Answer { at: "NOOP".into(), line, times: Times::Always });
    let before = logins(&world);
    assert_eq!(failed(desk.incoming("anna").await), "throttled");
    assert_eq!(logins(&world), before, "it is not asked again at once on another session");
    let row = desk.engine.store.mailbox(&name("anna")).await.unwrap().unwrap();
    let state = &row.stored.operations[&Operation::Incoming].state;
    let mailplumb::model::operation::OperationState::Retrying { until, .. } = state else {
        panic!("{state}")
    };
    let wait = until.duration_since(mailplumb::model::clock::Clock::now(desk.clock.as_ref())).as_secs();
    assert!((1700..=1800).contains(&wait), "{wait}");
}
