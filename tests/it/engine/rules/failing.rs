//! Failures: whom they stop, for how long, and who is told.

use mailplumb::engine::drive::Driven;
use mailplumb::engine::test_and_enable::{self, Which};
use mailplumb::model::operation::Operation;
use mailplumb::playground::{Fault, Protocol, Times};

use super::super::site::{Desk, name};
use super::super::world::{World, address, letter};
use super::{done, failed, subjects};

/// More than what the world's manifest says, in seconds.
const RETRY_WAIT: i64 = 61;

#[tokio::test]
async fn a_failing_mailbox_does_not_stop_the_others() {
    let world = World::start();
    world.playground.state().set_password(&address("ben"), "another").unwrap();
    let desk = world.site.desk();
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed), (6, 2));
    assert_eq!(desk.state("ben", Operation::Incoming).await, "disabled (login-refused)");
    world.deliver("support", &letter("one"));
    desk.sync(Operation::Incoming).await;
    assert_eq!(subjects(&desk).await, ["letter one"]);
}

#[tokio::test]
async fn a_permanent_failure_disables_with_one_alert() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    let before = desk.engine.store.alerts(100).await.unwrap().len();
    world.playground.state().set_password(&address("anna"), "another").unwrap();
    assert_eq!(failed(desk.incoming("anna").await), "login-refused");
    assert_eq!(desk.state("anna", Operation::Incoming).await, "disabled (login-refused)");
    assert!(matches!(desk.incoming("anna").await, Driven::Skipped(_)));
    let alerts = desk.engine.store.alerts(100).await.unwrap();
    assert_eq!(alerts.len(), before + 1);
    assert_eq!(
        (alerts[0].code.as_str(), alerts[0].mailbox.as_ref().unwrap().as_str()),
        ("login-refused", "anna")
    );
}

#[tokio::test]
async fn a_transient_failure_is_retried_and_recovers() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.deliver("anna", &letter("one"));
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    for attempt in 1..=2 {
        assert_eq!(failed(desk.incoming("anna").await), "connection-refused");
        let state = desk.state("anna", Operation::Incoming).await;
        assert!(state.starts_with(&format!("retrying ({attempt}, ")), "{state}");
        desk.clock.forward(RETRY_WAIT);
    }
    world.playground.heal(Protocol::Imap);
    done(desk.incoming("anna").await);
    assert_eq!(desk.state("anna", Operation::Incoming).await, "enabled");
    assert_eq!(subjects(&desk).await, ["letter one"]);
}

#[tokio::test]
async fn a_test_that_fails_again_for_the_same_reason_is_told_once() {
    let world = World::start();
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    let desk = world.site.desk();
    desk.apply().await;
    let told = async || desk.engine.store.alerts(100).await.unwrap().len();
    let once = told().await;
    let again = async |wait: i64| {
        desk.clock.forward(wait);
        let tested = test_and_enable::mailbox(&desk.engine, &name("anna"), Which::Due).await.unwrap();
        assert_eq!((tested.passed, tested.failed), (0, 1));
    };
    for attempt in 2..=3 {
        again(RETRY_WAIT).await;
        let state = desk.state("anna", Operation::Incoming).await;
        assert!(state.starts_with(&format!("trying ({attempt}, ")), "{state}");
    }
    assert_eq!(told().await, once);
    again(RETRY_WAIT).await;
    assert_eq!(desk.state("anna", Operation::Incoming).await, "disabled (connection-refused)");
    assert_eq!(told().await, once + 1, "that it is given up is news");
    desk.clock.forward(RETRY_WAIT);
    let tested = test_and_enable::mailbox(&desk.engine, &name("anna"), Which::Due).await.unwrap();
    assert_eq!((tested.passed, tested.failed), (0, 0), "from now on once an hour");
    for _ in 0..3 {
        again(3600).await;
    }
    assert_eq!(told().await, once + 1);
    world.playground.heal(Protocol::Imap);
    desk.clock.forward(3600);
    test_and_enable::mailbox(&desk.engine, &name("anna"), Which::Due).await.unwrap();
    assert_eq!(told().await, once + 2, "that it works now is news");
}

/// `retry: { attempts: 3, wait: 1m }`
#[tokio::test]
async fn impatience_uses_up_no_attempt() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    for _ in 0..20 {
        assert_eq!(failed(desk.incoming("anna").await), "connection-refused");
        desk.clock.forward(1);
    }
    let state = desk.state("anna", Operation::Incoming).await;
    assert!(state.starts_with("retrying (1, "), "{state}");
    for _ in 0..3 {
        desk.clock.forward(RETRY_WAIT);
        failed(desk.incoming("anna").await);
    }
    assert_eq!(desk.state("anna", Operation::Incoming).await, "disabled (connection-refused)");
}

/// One message that the server does not hand over; these commands ask for it.
async fn withheld(user: &str, protocol: Protocol, commands: &[&str], line: &str) -> (World, Desk) {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for number in 2..=5 {
        world.deliver(user, &letter(&number.to_string()));
    }
    for command in commands {
        let (at, line) = ((*command).to_owned(), line.to_owned());
        world.playground.inject(protocol, Fault::Answer { at, line, times: Times::Always });
    }
    let cycle = done(desk.incoming(user).await);
    assert_eq!((cycle.recorded, cycle.deferred, cycle.quarantined), (3, 1, 0), "{line}");
    assert_eq!(subjects(&desk).await, ["letter 2", "letter 4", "letter 5"]);
    (world, desk)
}

const ASKING: [(&str, Protocol, &[&str]); 2] = [
    ("anna", Protocol::Imap, &["UID FETCH 1:5 ", "UID FETCH 2:5 ", "UID FETCH 3:5 ", "UID FETCH 3 "]),
    ("ben", Protocol::Pop3, &["RETR 3"]),
];

fn words_of(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Pop3 => &["-ERR [SYS/TEMP] try later", "-ERR cannot open file"],
        Protocol::Imap | Protocol::Smtp => {
            &["NO [SERVERBUG] disk hiccup", "NO Internal error occurred", "NO [UNAVAILABLE] later"]
        }
    }
}

#[tokio::test]
async fn a_message_that_is_refused_once_is_recorded_when_the_server_hands_it_over() {
    for (user, protocol, commands) in ASKING {
        for line in words_of(protocol) {
            let (world, desk) = withheld(user, protocol, commands, line).await;
            // However often it is looked at in a hurry.
            for _ in 0..5 {
                assert_eq!(done(desk.incoming(user).await).deferred, 1);
            }
            world.playground.heal(protocol);
            let cycle = done(desk.incoming(user).await);
            assert_eq!((cycle.recorded, cycle.deferred), (1, 0));
            assert_eq!(subjects(&desk).await, ["letter 2", "letter 4", "letter 5", "letter 3"]);
            assert_eq!(done(desk.incoming(user).await).found, 0, "it is owed no longer");
        }
    }
}

/// `attemptsPerMessage: 2`
#[tokio::test]
async fn a_message_that_is_refused_each_time_is_quarantined_after_its_attempts() {
    for (user, protocol, commands) in ASKING {
        let (_world, desk) = withheld(user, protocol, commands, words_of(protocol)[0]).await;
        desk.clock.forward(RETRY_WAIT);
        let cycle = done(desk.incoming(user).await);
        assert_eq!((cycle.recorded, cycle.deferred, cycle.quarantined), (1, 0, 1));
        assert_eq!(subjects(&desk).await, ["letter 2", "letter 4", "letter 5", "(quarantined)"]);
        assert_eq!(done(desk.incoming(user).await).found, 0);
        assert_eq!(desk.state(user, Operation::Incoming).await, "enabled");
    }
}

#[tokio::test]
async fn what_a_failed_cycle_has_recorded_is_counted() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (2..=4).for_each(|number| world.deliver("ben", &letter(&number.to_string())));
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "RETR 4".to_owned() });
    let driven = desk.incoming("ben").await;
    let Driven::Failed(_, cycle) = driven else { panic!("{driven:?}") };
    assert_eq!(cycle.recorded as usize, subjects(&desk).await.len());
    assert_eq!(cycle.recorded, 2);
}

#[tokio::test]
async fn a_server_that_is_busy_with_the_mailbox_is_tried_again() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for at in ["AUTH", "PASS"] {
        let line = "-ERR [IN-USE] another session has the maildrop open".to_owned();
        world
            .playground
            .inject(Protocol::Pop3, Fault::Answer { at: at.to_owned(), line, times: Times::Always });
    }
    assert_eq!(failed(desk.incoming("ben").await), "mailbox-in-use");
    assert!(desk.state("ben", Operation::Incoming).await.starts_with("retrying"));
    world.playground.heal(Protocol::Pop3);
    done(desk.incoming("ben").await);
}

/// Every fetch of the third message breaks the connection.
async fn poisoned(user: &str, protocol: Protocol, commands: &[&str]) {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    // The test's own message is the first one.
    for number in 2..=6 {
        world.deliver(user, &letter(&number.to_string()));
    }
    for command in commands {
        world.playground.inject(protocol, Fault::CloseBefore { at: (*command).to_owned() });
    }
    // All are asked for together.
    assert!(matches!(desk.incoming(user).await, Driven::Failed(..)));
    desk.clock.forward(RETRY_WAIT);
    // One after the other: no other message waits for the one that is to blame.
    let cycle = done(desk.incoming(user).await);
    assert_eq!((cycle.deferred, cycle.quarantined), (1, 0));
    let recorded = ["letter 2", "letter 4", "letter 5", "letter 6"];
    assert_eq!(subjects(&desk).await, recorded);
    // Nobody's hurry gives it up, and what comes meanwhile comes in.
    world.deliver(user, &letter("7"));
    let cycle = done(desk.incoming(user).await);
    assert_eq!((cycle.recorded, cycle.deferred, cycle.quarantined), (1, 1, 0));
    // `attemptsPerMessage: 2`
    desk.clock.forward(RETRY_WAIT);
    let cycle = done(desk.incoming(user).await);
    assert_eq!((cycle.recorded, cycle.deferred, cycle.quarantined), (1, 0, 1));
    assert_eq!(done(desk.incoming(user).await).found, 0);
    assert_eq!(subjects(&desk).await, [&recorded[..], &["letter 7", "(quarantined)"]].concat());
    assert_eq!(desk.state(user, Operation::Incoming).await, "enabled");
    let alerts = desk.engine.store.alerts(100).await.unwrap();
    let told: Vec<_> = alerts.iter().filter(|alert| alert.code == "quarantined").collect();
    assert_eq!(told.len(), 1, "{alerts:?}");
    assert!(told[0].cause.contains("every attempt to fetch it failed"), "{}", told[0].cause);
    assert_eq!(
        world.inbox(user).iter().filter(|raw| raw.ends_with(b"letter 3.\r\n")).count(),
        1,
        "it stays there"
    );
}

/// There is no other message that would tell whose trouble it is.
#[tokio::test]
async fn a_message_behind_which_nothing_comes_is_given_up_after_as_many_failed_cycles() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.deliver("ben", &letter("2"));
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "RETR 2".to_owned() });
    for _ in 0..2 {
        assert!(matches!(desk.incoming("ben").await, Driven::Failed(..)));
        desk.clock.forward(RETRY_WAIT);
    }
    assert_eq!(done(desk.incoming("ben").await).quarantined, 1);
    assert_eq!(subjects(&desk).await, ["(quarantined)"]);
}

#[tokio::test]
async fn a_server_that_ends_the_session_at_every_message_is_the_servers_trouble() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (2..=6).for_each(|number| world.deliver("ben", &letter(&number.to_string())));
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "RETR".to_owned() });
    for _ in 0..2 {
        assert!(matches!(desk.incoming("ben").await, Driven::Failed(..)));
        desk.clock.forward(RETRY_WAIT);
    }
    world.playground.heal(Protocol::Pop3);
    let cycle = done(desk.incoming("ben").await);
    assert_eq!((cycle.recorded, cycle.deferred, cycle.quarantined), (5, 0, 0));
}

#[tokio::test]
async fn a_message_that_breaks_every_pop3_session_is_quarantined_and_the_others_are_recorded() {
    poisoned("ben", Protocol::Pop3, &["RETR 3"]).await;
}

#[tokio::test]
async fn a_message_that_breaks_sessions_keeps_no_other_from_being_removed() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (2..=6).for_each(|number| world.deliver("support", &letter(&number.to_string())));
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "RETR 3".to_owned() });
    assert!(matches!(desk.incoming("support").await, Driven::Failed(..)));
    desk.clock.forward(RETRY_WAIT);
    let cycle = done(desk.incoming("support").await);
    assert_eq!((cycle.deferred, cycle.quarantined), (1, 0));
    assert_eq!(world.inbox("support").len(), 1, "letter 3");
    world.playground.heal(Protocol::Pop3);
    let cycle = done(desk.incoming("support").await);
    assert_eq!((cycle.recorded, cycle.deferred, world.inbox("support").len()), (1, 0, 0));
}

#[tokio::test]
async fn a_message_that_breaks_every_imap_session_is_quarantined_and_the_others_are_recorded() {
    // However it is asked for: with all the others, with those from it on, alone.
    let commands = ["UID FETCH 1:6 ", "UID FETCH 3:6 ", "UID FETCH 3 "];
    poisoned("anna", Protocol::Imap, &commands).await;
    poisoned("sales", Protocol::Imap, &commands).await;
}

#[tokio::test]
async fn a_failure_that_no_message_caused_quarantines_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (1..=3).for_each(|number| world.deliver("ben", &letter(&number.to_string())));
    // Away as often as a message may fail, and then one fetch that is cut off.
    world.playground.inject(Protocol::Pop3, Fault::RefuseConnections);
    failed(desk.incoming("ben").await);
    desk.clock.forward(RETRY_WAIT);
    failed(desk.incoming("ben").await);
    desk.clock.forward(RETRY_WAIT);
    world.playground.heal(Protocol::Pop3);
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "RETR".to_owned() });
    failed(desk.incoming("ben").await);
    world.playground.heal(Protocol::Pop3);
    done(desk.incoming("ben").await);
    assert_eq!(subjects(&desk).await, ["letter 1", "letter 2", "letter 3"]);
}

#[tokio::test]
async fn a_failure_of_one_operation_does_not_hurry_the_test_of_another() {
    let world = World::start();
    world.playground.state().set_password(&address("anna"), "another").unwrap();
    world.playground.inject(Protocol::Smtp, Fault::RefuseConnections);
    let desk = world.site.desk();
    desk.apply().await;
    assert_eq!(desk.state("anna", Operation::Incoming).await, "disabled (login-refused)");
    let outgoing = desk.state("anna", Operation::Outgoing).await;
    assert!(outgoing.starts_with("trying (1, "), "{outgoing}");
    world.playground.heal(Protocol::Smtp);
    world.playground.log().clear();
    // Long enough for what may have passed by itself, and too early for what has not.
    desk.clock.forward(1000);
    let tested = test_and_enable::mailbox(&desk.engine, &name("anna"), Which::Due).await.unwrap();
    assert_eq!((tested.passed, tested.failed), (0, 1), "the password is wrong there, too");
    assert_eq!(world.playground.log().connections(Protocol::Imap), 0);
    assert!(world.playground.log().connections(Protocol::Smtp) > 0);
    desk.clock.forward(3600);
    test_and_enable::mailbox(&desk.engine, &name("anna"), Which::Due).await.unwrap();
    assert!(world.playground.log().connections(Protocol::Imap) > 0);
}

#[tokio::test]
async fn whoever_waits_for_a_place_begins_nothing_once_the_process_is_to_stop() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.playground.log().clear();
    desk.engine.stopping.cancel();
    assert!(matches!(desk.incoming("anna").await, Driven::Skipped(_)));
    let tested = test_and_enable::mailbox(&desk.engine, &name("ben"), Which::All).await.unwrap();
    assert_eq!((tested.passed, tested.failed), (0, 0));
    let connections = [Protocol::Imap, Protocol::Pop3, Protocol::Smtp];
    assert_eq!(connections.map(|protocol| world.playground.log().connections(protocol)), [0, 0, 0]);
}
