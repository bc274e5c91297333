//! Reading: what becomes a record, and what is removed when.

use mailplumb::model::event::Event;
use mailplumb::model::limits;
use mailplumb::model::operation::Operation;
use mailplumb::model::record::{ContentHash, Parsed};
use mailplumb::playground::{Fault, Protocol, Times};
use mailplumb::store::MessageQuery;

use super::super::world::{World, address, dated_letter, letter, moment};
use super::{done, failed, subjects};
use crate::support::fault_proxy::{FaultProxy, Spoil};

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
async fn a_large_imap_inbox_of_old_mail_is_not_even_listed() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    let (state, anna) = (world.playground.state(), address("anna"));
    // The test's own message came first; a mailbox that is moved here has it elsewhere.
    state.inbox(&anna).unwrap().iter().for_each(|held| drop(state.remove(&anna, held.uid)));
    for number in 0..limits::SEARCHED_FROM_MESSAGES {
        state.deliver_at(&anna, &letter(&format!("old {number}")), moment(-400 * 86_400)).unwrap();
    }
    world.playground.log().clear();
    assert_eq!(done(desk.incoming("anna").await).found, 0);
    world.deliver("anna", &letter("new"));
    let cycle = done(desk.incoming("anna").await);
    assert_eq!((cycle.found, cycle.recorded), (1, 1));
    assert_eq!(done(desk.incoming("anna").await).found, 0);
    let commands = world.playground.log().commands(Protocol::Imap);
    let of = |verb: &str| commands.iter().filter(|line| line.contains(verb)).collect::<Vec<_>>();
    assert_eq!(of("UID SEARCH"), ["UID SEARCH RETURN (MIN COUNT) SINCE 31-Dec-2025"]);
    assert_eq!(of("RFC822.SIZE").len(), 1, "{commands:?}");
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
async fn uidls_that_all_change_double_nothing_and_are_told() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (1..=20).for_each(|number| world.deliver("ben", &letter(&number.to_string())));
    assert_eq!(done(desk.incoming("ben").await).recorded, 20);
    world.playground.state().change_uidls(&address("ben")).unwrap();
    desk.heard.take();
    let again = done(desk.incoming("ben").await);
    assert_eq!((again.recorded, again.known), (0, 20));
    let told = desk.heard.take();
    let is_told = |event: &Event| matches!(event, Event::Warned { message } if message.contains("(UIDL)"));
    assert!(told.iter().any(is_told), "{told:?}");
    world.playground.log().clear();
    assert_eq!(done(desk.incoming("ben").await).found, 0);
}

#[tokio::test]
async fn a_uidl_that_is_given_to_another_message_hides_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.deliver("ben", &letter("first"));
    assert_eq!(done(desk.incoming("ben").await).recorded, 1);
    let state = world.playground.state();
    let uid = state.inbox(&address("ben")).unwrap().last().unwrap().uid;
    let former = state.remove(&address("ben"), uid).unwrap().unwrap();
    state.deliver_as(&address("ben"), &former.uidl, &letter("another one")).unwrap();
    assert_eq!(done(desk.incoming("ben").await).recorded, 1);
    assert_eq!(subjects(&desk).await, ["letter first", "letter another one"]);
    assert_eq!(done(desk.incoming("ben").await).found, 0);
}

/// RFC 1939 section 7: an id is unique as long as its message exists, and no longer.
#[tokio::test]
async fn the_uidl_of_a_message_that_we_removed_may_name_another_one_of_the_same_size() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    assert_eq!(done(desk.incoming("support").await).recorded, 0, "our own test message");
    let state = world.playground.state();
    for number in 1..=3 {
        state.deliver_as(&address("support"), "1", &letter(&number.to_string())).unwrap();
        let cycle = done(desk.incoming("support").await);
        assert_eq!((cycle.recorded, cycle.deleted), (1, 1), "{number}");
    }
    assert_eq!(subjects(&desk).await, ["letter 1", "letter 2", "letter 3"]);
}

#[tokio::test]
async fn nobody_knows_what_a_uidl_names_after_a_removal_without_an_answer() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    done(desk.incoming("support").await);
    let (state, support) = (world.playground.state(), address("support"));
    state.deliver_as(&support, "1", &letter("1")).unwrap();
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "QUIT".to_owned() });
    failed(desk.incoming("support").await);
    world.playground.heal(Protocol::Pop3);
    let uid = state.inbox(&support).unwrap().last().unwrap().uid;
    state.remove(&support, uid).unwrap();
    state.deliver_as(&support, "1", &letter("2")).unwrap();
    desk.clock.forward(3600);
    assert_eq!(done(desk.incoming("support").await).recorded, 1);
    assert_eq!(subjects(&desk).await, ["letter 1", "letter 2"]);
    assert!(world.inbox("support").is_empty());
}

/// A server that says that it removed something, and goes on listing it, is not read again and again.
#[tokio::test]
async fn what_comes_back_after_its_removal_is_looked_at_once_more() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    done(desk.incoming("support").await);
    let retrieved = || {
        let commands = world.playground.log().commands(Protocol::Pop3);
        commands.iter().filter(|command| command.starts_with("RETR")).count()
    };
    world.playground.log().clear();
    for deleted in [1, 1, 0, 0] {
        if deleted == 1 {
            world.playground.state().deliver_as(&address("support"), "1", &letter("again")).unwrap();
        }
        assert_eq!(done(desk.incoming("support").await).deleted, deleted);
    }
    assert_eq!((retrieved(), subjects(&desk).await.len()), (2, 1));
}

/// Some change with what a server counts, and mean nothing then.
#[tokio::test]
async fn sizes_that_change_while_the_message_does_not_are_not_relied_upon() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.deliver("ben", &letter("only"));
    assert_eq!(done(desk.incoming("ben").await).recorded, 1);
    for (size, looked_at_again) in [(77, 1), (78, 0), (79, 0)] {
        // The first is our own test message.
        let line = format!("+OK\r\n1 400\r\n2 {size}\r\n.");
        let (at, times) = ("LIST".to_owned(), Times::Always);
        world.playground.inject(Protocol::Pop3, Fault::Answer { at, line, times });
        let cycle = done(desk.incoming("ben").await);
        world.playground.heal(Protocol::Pop3);
        assert!(cycle.known <= looked_at_again && cycle.recorded == 0, "{size}: {cycle:?}");
    }
    assert_eq!(subjects(&desk).await, ["letter only"]);
}

/// Some servers take a message away as soon as it was handed out: what has arrived is recorded, however the session ends.
#[tokio::test]
async fn a_server_that_removes_what_it_hands_out_takes_nothing_away() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (1..=3).for_each(|number| world.deliver("ben", &letter(&number.to_string())));
    // The first is our own test message. The session breaks before the last one.
    world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "RETR 4".to_owned() });
    failed(desk.incoming("ben").await);
    world.playground.heal(Protocol::Pop3);
    let state = world.playground.state();
    let handed_out: Vec<u32> =
        state.inbox(&address("ben")).unwrap().iter().map(|held| held.uid).take(3).collect();
    handed_out.into_iter().for_each(|uid| drop(state.remove(&address("ben"), uid).unwrap().unwrap()));
    desk.clock.forward(3600);
    assert_eq!(done(desk.incoming("ben").await).recorded, 1);
    assert_eq!(subjects(&desk).await, ["letter 1", "letter 2", "letter 3"]);
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

/// A mailbox of others that may be read and not changed (RFC 4314).
#[tokio::test]
async fn what_may_not_be_removed_is_read_all_the_same_and_told_once() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    let (line, times) = ("NO [NOPERM] read only".to_owned(), Times::Always);
    world.playground.inject(Protocol::Imap, Fault::Answer { at: "UID STORE".to_owned(), line, times });
    for number in 1..=3 {
        world.deliver("sales", &letter(&number.to_string()));
        let cycle = done(desk.incoming("sales").await);
        assert_eq!((cycle.recorded, cycle.deleted), (1, 0), "{number}");
    }
    let told = || async { desk.engine.store.alerts(100).await.unwrap() };
    let not_removed = told().await.into_iter().filter(|alert| alert.code == "not-removed").count();
    assert_eq!(not_removed, 1);
    world.playground.heal(Protocol::Imap);
    assert_eq!(done(desk.incoming("sales").await).deleted, 4, "three letters and our own test message");
}

#[tokio::test]
async fn a_pop3_server_that_suddenly_lists_nothing_makes_us_forget_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    (1..=3).for_each(|number| world.deliver("support", &letter(&number.to_string())));
    let inbox = world.inbox("support").len();
    // Recorded, and not removed yet.
    let (line, times) = ("-ERR not now".to_owned(), Times::Always);
    world.playground.inject(Protocol::Pop3, Fault::Answer { at: "DELE".to_owned(), line, times });
    assert_eq!(done(desk.incoming("support").await).deleted, 0);
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

/// Lines that all differ, so that a piece in the wrong place would show.
fn large_letter(subject: &str, bytes: u64) -> Vec<u8> {
    let lines = usize::try_from(bytes / 64 + 1).unwrap();
    let body = (0..lines).map(|number| format!("{number:062}\r\n"));
    let body: String = body.collect();
    [letter(subject), body.into_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_too_large_to_be_held_becomes_a_record_like_any_other() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for user in ["anna", "ben"] {
        let large = large_letter(&format!("{user} large"), limits::HELD_BYTES_MAX);
        world.deliver(user, &letter(&format!("{user} before")));
        world.deliver(user, &large);
        world.deliver(user, &letter(&format!("{user} after")));
        assert_eq!(done(desk.incoming(user).await).recorded, 3, "{user}");
        let records = desk.engine.store.messages(&MessageQuery::default()).await.unwrap();
        let record = records.iter().find(|record| record.content == ContentHash::of(&large)).unwrap();
        assert_eq!((record.bytes, &record.quarantine), (large.len() as u64, &None));
        assert_eq!(record.facts.parsed, Parsed::Whole);
        let raw = desk.engine.store.raw(&record.content).await.unwrap().unwrap();
        assert!(raw == large, "octet by octet");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_that_breaks_off_leaves_nothing_behind_and_comes_again() {
    let world = World::start();
    world.site.desk().apply().await;
    let large = large_letter("large", limits::HELD_BYTES_MAX);
    let ports = std::fs::read_to_string(world.site.path("ports")).unwrap();
    for (user, port) in [("anna", "993 "), ("ben", "110 ")] {
        world.deliver(user, &letter(&format!("{user} before")));
        world.deliver(user, &large);
        let address = ports.lines().find_map(|line| line.strip_prefix(port)).unwrap();
        let proxy = FaultProxy::start(address.parse().unwrap(), Spoil::Close(5_000_000)).await;
        world.site.write("ports", &ports.replace(address, &proxy.address.to_string()));
        let desk = world.site.desk();
        assert_eq!(failed(desk.incoming(user).await), "connection-lost");
        let before = format!("letter {user} before");
        assert!(subjects(&desk).await.contains(&before), "what had arrived before it stands");
        world.site.write("ports", &ports);
        let desk = world.site.desk();
        assert_eq!(done(desk.incoming(user).await).recorded, 1);
        assert_eq!(desk.state(user, Operation::Incoming).await, "enabled");
    }
    assert_eq!(subjects(&world.site.desk()).await.len(), 4);
}

#[tokio::test]
async fn a_message_to_two_mailboxes_is_stored_once_and_the_second_record_says_so() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for user in ["anna", "ben"] {
        world.deliver(user, &letter("to both"));
        done(desk.incoming(user).await);
    }
    let records = desk.engine.store.messages(&MessageQuery::default()).await.unwrap();
    let [second, first] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((&first.content, &first.duplicate_of), (&second.content, &None));
    assert_eq!(second.duplicate_of.as_ref().map(|other| other.id), Some(first.id));
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
