//! What a person decides about messages: `outbox retry`, `mark-sent` and `cancel`.

use mailplumb::playground::{Fault, Protocol};

use super::office::{Office, SUPPORT};

const PASSWORD: &str = "correct horse";

fn queues(office: &Office, count: usize) {
    for number in 1..=count {
        let line = format!("outbox add --mailbox sales --to support@office.test --subject n{number}");
        office.person.types(&line).ends(0);
    }
}

fn states(office: &Office) -> Vec<String> {
    let listed = office.person.types("outbox list -o json").ends(0).json();
    let mut states: Vec<_> = listed["messages"].as_array().unwrap().iter().collect();
    states.sort_by_key(|message| message["id"].as_u64());
    states.iter().map(|message| message["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_waits_is_withdrawn_and_taken_up_again() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    queues(&office, 4);
    person.types("outbox cancel 1 2").ends(0).says("2 messages are cancelled: 2, 1.");
    assert_eq!(states(&office), ["cancelled", "cancelled", "pending", "pending"]);
    // All or none: nothing happens to 3 because of 1.
    let refused = person.types("outbox cancel 3 1").ends(1);
    refused.says("outgoing message 1 is cancelled, and cannot be cancelled").says("nothing was changed");
    assert_eq!(states(&office)[2], "pending");
    person.types("status").ends(0).says("2 pending").does_not_say("failed");
    let before = office.playground.state().inbox(SUPPORT).unwrap().len();
    person.types("sync").ends(0);
    assert_eq!(states(&office), ["cancelled", "cancelled", "sent", "sent"]);
    assert_eq!(office.playground.state().inbox(SUPPORT).unwrap().len(), before + 2);

    person.types("outbox retry 1").ends(0).says("Message 1 is pending again.");
    person.types("sync").ends(0);
    assert_eq!(states(&office), ["sent", "cancelled", "sent", "sent"]);
    person.types("outbox cancel 1").ends(1).says("is sent, and cannot be cancelled");
    person.types("outbox mark-sent 2").ends(1).says("only a message that is unsure can");
    person.types("outbox retry 4711").ends(1).says("no outgoing message 4711");
}

#[test]
fn all_of_a_state_are_decided_about_at_once() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    queues(&office, 3);
    person
        .types("outbox cancel --in-state pending --mailbox support")
        .ends(0)
        .says("No message is in that state.");
    person.types("outbox cancel --in-state pending --mailbox nobody").ends(1).says("nobody");
    let cancelled = person.types("outbox cancel --in-state pending --mailbox sales -o json").ends(0).json();
    let all: Vec<_> = cancelled["messages"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(all, ["cancelled"; 3]);
    person.types("outbox retry --in-state sent").ends(0).says("No message is in that state.");
    person.types("outbox retry --in-state cancelled").ends(0).says("3 messages are pending again: 3, 2, 1.");
    person.types("outbox retry --in-state pending").ends(1).says("cannot be sent again");
    for wrong in ["outbox cancel", "outbox cancel 1 --in-state pending", "outbox cancel 1 --mailbox sales"] {
        person.types(wrong).ends(64);
    }
}

#[test]
fn what_was_in_doubt_and_arrived_is_not_sent_again() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let line = "outbox add --mailbox sales --to support@office.test --to sales@office.test --subject doubt";
    person.types(line).ends(0);
    office.playground.inject(Protocol::Smtp, Fault::CloseAfter { at: ".".to_owned() });
    person.types("sync");
    office.playground.heal(Protocol::Smtp);
    assert_eq!(states(&office), ["unsure"]);
    person.types("outbox show 1").says("mailplumb outbox mark-sent 1").says("mailplumb outbox cancel 1");
    person.types("alerts").says("mailplumb outbox mark-sent 1");

    person.types("outbox mark-sent 1 --to anna@office.test").ends(1).says("is not for anna@office.test");
    person.types("outbox mark-sent 1 --to SUPPORT@office.test").ends(0);
    person.types("outbox mark-sent 1 --to support@office.test").ends(1).says("there is no doubt about that");
    person.types("outbox mark-sent 1 2 --to support@office.test").ends(64);
    assert_eq!(states(&office), ["unsure"], "of the other one nobody knows yet");
    let before = office.playground.state().inbox(SUPPORT).unwrap().len();
    person.types("outbox mark-sent 1").ends(0).says("Message 1 is marked as sent.");
    assert_eq!(states(&office), ["sent"]);
    let shown = person.types("outbox show 1").ends(0);
    shown.says("marked as sent by a person; before that:").does_not_say("what to do");
    person.types("sync").ends(0);
    assert_eq!(office.playground.state().inbox(SUPPORT).unwrap().len(), before, "it went out once");
}

#[test]
fn a_key_that_was_used_says_what_became_of_its_message() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let line = "outbox add --mailbox sales --to support@office.test --subject x --idempotency-key order-1";
    person.types(line).ends(0).says("Queued message 1");
    person.types("outbox cancel 1").ends(0);
    person.types(line).ends(0).says("under this key and is cancelled; nothing was added");
}
