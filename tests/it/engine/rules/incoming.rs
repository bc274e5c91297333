//! Reading: what becomes a record, and what is removed when.

use mailplumb::model::event::Event;
use mailplumb::model::operation::Operation;
use mailplumb::playground::{Fault, Protocol, Times};

use super::super::world::{World, address, dated_letter, letter, moment};
use super::{done, failed, subjects};

const LONG_AGO: &str = "Mon, 03 Mar 2025 10:00:00 +0000";

#[tokio::test]
async fn pop3_mail_from_before_is_seen_by_its_headers_and_not_fetched() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.deliver("ben", &dated_letter("old", LONG_AGO));
    world.deliver("ben", &letter("new"));
    world.playground.log().clear();
    let cycle = done(desk.incoming("ben").await);
    assert_eq!((cycle.found, cycle.recorded, cycle.before_from), (3, 1, 1));
    assert_eq!(subjects(&desk).await, ["letter new"]);
    let commands = world.playground.log().commands(Protocol::Pop3);
    assert!(commands.contains(&"TOP 2 0".to_owned()), "{commands:?}");
    assert!(
        !commands.contains(&"RETR 2".to_owned()) && commands.contains(&"RETR 3".to_owned()),
        "{commands:?}"
    );
}

#[tokio::test]
async fn imap_mail_from_before_is_not_fetched() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    let long_ago = moment(-400 * 86_400);
    world.playground.state().deliver_at(&address("anna"), &letter("old"), long_ago).unwrap();
    world.deliver("anna", &letter("new"));
    let cycle = done(desk.incoming("anna").await);
    assert_eq!((cycle.found, cycle.recorded, cycle.before_from), (3, 1, 1));
    assert_eq!(subjects(&desk).await, ["letter new"]);
}

#[tokio::test]
async fn a_server_that_numbers_anew_doubles_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (1..=70).for_each(|number| world.deliver("anna", &letter(&number.to_string())));
    assert_eq!(done(desk.incoming("anna").await).recorded, 70);
    world.playground.state().change_uid_validity(&address("anna")).unwrap();
    desk.heard.take();
    let again = done(desk.incoming("anna").await);
    assert_eq!((again.recorded, again.known), (0, 70));
    assert!(desk.heard.take().iter().any(|event| matches!(event, Event::Warned { .. })));
    world.deliver("anna", &letter("71"));
    assert_eq!(done(desk.incoming("anna").await).recorded, 1);
    assert_eq!(subjects(&desk).await.len(), 71);
}

#[tokio::test]
async fn what_was_not_recorded_is_not_removed() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for user in ["support", "sales"] {
        (1..=3).for_each(|number| world.deliver(user, &letter(&format!("{user}-{number}"))));
        let before = world.inbox(user).len();
        // The fourth is our own test message, which becomes no record and does not stay behind either.
        assert_eq!((before, done(desk.incoming(user).await).deleted), (4, 4));
        assert!(world.inbox(user).is_empty());
    }
    assert_eq!(subjects(&desk).await.len(), 6);
}

#[tokio::test]
async fn a_pop3_server_that_suddenly_lists_nothing_makes_us_forget_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (1..=3).for_each(|number| world.deliver("support", &letter(&number.to_string())));
    let inbox = world.inbox("support").len();
    // Recorded, and not removed yet.
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "DELE".to_owned() });
    failed(desk.incoming("support").await);
    world.playground.heal(Protocol::Pop3);
    assert_eq!((world.inbox("support").len(), subjects(&desk).await.len()), (inbox, 3));
    // In trouble: the maildrop seems to be empty.
    for at in ["UIDL", "LIST"] {
        let line = "+OK 0 messages\r\n.".to_owned();
        world
            .playground
            .inject(Protocol::Pop3, Fault::Answer { at: at.to_owned(), line, times: Times::Always });
    }
    let line = "+OK 0 0".to_owned();
    world
        .playground
        .inject(Protocol::Pop3, Fault::Answer { at: "STAT".to_owned(), line, times: Times::Always });
    done(desk.incoming("support").await);
    world.playground.heal(Protocol::Pop3);
    // And back.
    world.playground.log().clear();
    let cycle = done(desk.incoming("support").await);
    // Three letters and our own test message.
    assert_eq!((cycle.recorded, cycle.known, cycle.deleted), (0, 0, 4));
    assert!(
        !world.playground.log().commands(Protocol::Pop3).iter().any(|command| command.starts_with("RETR"))
    );
    assert_eq!(subjects(&desk).await.len(), 3);
    assert_eq!(world.inbox("support").len(), inbox - 4);
}

#[tokio::test]
async fn a_second_cycle_fetches_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for user in ["anna", "ben"] {
        (1..=3).for_each(|number| world.deliver(user, &letter(&number.to_string())));
    }
    desk.sync(Operation::Incoming).await;
    desk.heard.take();
    desk.sync(Operation::Incoming).await;
    for event in desk.heard.take() {
        assert!(matches!(event, Event::CycleEnded { cycle, .. } if cycle == Default::default()), "{event:?}");
    }
}
