//! Commands that are asked to stop while a server owes them an answer: they end in time, and the next one goes on from there.

use std::process::Child;

use mailplumb::playground::{Fault, Protocol};

use super::super::office::{Office, SUPPORT};
use super::super::person::{Heard, signal};
use super::processes::hanging;
use crate::support::scratch;

const PASSWORD: &str = "correct horse battery staple";

/// Begins a command and waits until the server has got the one that it never answers, or the one before it.
fn stalls_at(
    office: &Office,
    (protocol, command, told_by): (Protocol, &str, &str),
    arguments: &[&str],
) -> Child {
    office.playground.inject(protocol, Fault::Stall { at: command.to_owned() });
    office.playground.log().clear();
    let child = office.person.begins(arguments);
    let commands = || office.playground.log().commands(protocol);
    let asked = || commands().iter().any(|said| said.contains(told_by));
    scratch::wait_until("a command that hangs", asked, || format!("{:?}", commands()));
    child
}

/// Asks it to stop. The server would be waited for for a minute.
fn stopped(office: &Office, mut child: Child, name: &str) -> Heard {
    signal(&child, name);
    let mut patience = 0;
    while child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(100));
        patience += 1;
        assert!(patience < 100, "it does not end");
    }
    office.heals();
    office.person.hears("what was asked to stop", child)
}

fn state(office: &Office, operation: &str) -> String {
    let status = office.person.types("status -o json").json();
    let mailboxes = status["mailboxes"].as_array().unwrap();
    let support = mailboxes.iter().find(|mailbox| mailbox["name"] == "support").unwrap();
    support["operations"][operation]["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_sync_that_is_asked_to_stop_while_a_server_is_silent_ends_and_loses_nothing() {
    let office = Office::at_work(PASSWORD);
    let child = hanging(&office);
    stopped(&office, child, "INT").ends(15).says("stopping at the next safe place");
    assert_eq!(state(&office, "incoming"), "enabled");
    office.person.types("sync support").ends(0).says("3 recorded");
}

#[test]
fn a_second_signal_ends_a_sync_at_once() {
    let office = Office::at_work(PASSWORD);
    let child = hanging(&office);
    signal(&child, "TERM");
    std::thread::sleep(std::time::Duration::from_millis(500));
    signal(&child, "TERM");
    office.person.hears("a sync that was told twice", child).ends(130);
}

#[test]
fn a_test_that_is_asked_to_stop_is_begun_anew_by_the_next() {
    let office = Office::applied(PASSWORD);
    let child = stalls_at(&office, (Protocol::Imap, "EXAMINE", "EXAMINE"), &["test", "support"]);
    stopped(&office, child, "TERM").ends(15);
    assert_eq!(state(&office, "incoming"), "awaiting-test");
    office.person.types("test support").ends(0);
}

#[test]
fn what_was_not_handed_over_when_a_sync_stops_is_sent_by_the_next() {
    let office = Office::at_work(PASSWORD);
    for (at, told_by, state, sent) in
        [("RCPT", "RCPT", "pending", "1 sent"), (".", "DATA", "unsure", "outgoing nothing new")]
    {
        office.person.types(&format!("outbox add --mailbox support --to {SUPPORT} --subject {at}")).ends(0);
        let child = stalls_at(&office, (Protocol::Smtp, at, told_by), &["sync", "support"]);
        stopped(&office, child, "INT").ends(15);
        let listed = office.person.types("outbox list -o json").json();
        let message = listed["messages"].as_array().unwrap().first().unwrap();
        assert_eq!(message["state"], state, "{at}: {listed}");
        office.person.types("sync support").ends(0).says(sent);
    }
}
