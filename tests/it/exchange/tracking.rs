//! What people track in Outlook: messages with the category, and messages that they send themselves.

use std::process::Command;

use super::story::Office;
use super::world::{ANNA, BORIS, PASSWORD};
use crate::support::need::{Need, python, require};

const CATEGORY: &str = "trackedCategory: Tracked to CRM";

fn raw(subject: &str) -> Vec<u8> {
    format!(
        "Message-ID: <{}@contoso.example>\r\nFrom: {ANNA}\r\nTo: {BORIS}\r\nSubject: {subject}\r\n\r\nbody\r\n",
        subject.replace(' ', "-")
    )
    .into_bytes()
}

/// With these settings below `exchange`, and these on the mailbox.
fn office(profile: &str, mailbox: &str) -> Office {
    let office = Office::opens_with(
        "    incoming:\n      credentials",
        &format!("    {profile}\n    incoming:\n      credentials"),
    );
    let settings = format!("  incoming: server-side-sync\n  {mailbox}");
    office.person.replace("mail/mailplumb.yaml", "  incoming: server-side-sync", &settings);
    office.person.types("validate").ends(0);
    office
}

#[test]
fn a_message_that_is_given_the_category_becomes_a_record_and_stays_one_without_it() {
    let Office { person, playground } = office(CATEGORY, "accept: none");
    let (state, exchange) = (playground.state(), playground.exchange());
    state.deliver(ANNA, &raw("wanted later")).unwrap();
    person.types("apply --auto-approve").ends(0);
    person.types("sync").ends(0);
    exchange.categorise(ANNA, "wanted later", &["Other", "tracked to crm"]);
    state.deliver(ANNA, &raw("never wanted")).unwrap();
    person.types("sync").ends(0).says("1 recorded");
    person.types("messages").says("wanted later").says("tracked category");
    person.types("messages show 1").says("by its category");
    let listed = person.types("messages -o json").ends(0).json();
    assert_eq!(listed["messages"][0]["facts"]["tracked"], "category");

    exchange.categorise(ANNA, "wanted later", &["Other"]);
    person.types("sync").ends(0);
    let listed = person.types("messages").says("wanted later");
    assert!(!listed.stdout.contains("tracked category") && !listed.stdout.contains("never"), "{listed:#?}");
}

#[test]
fn a_record_that_is_given_the_category_is_marked_and_neither_fetched_nor_recorded_again() {
    let Office { person, playground } = office(CATEGORY, "accept: all");
    playground.state().deliver(ANNA, &raw("Question")).unwrap();
    person.types("apply --auto-approve").ends(0);
    person.types("sync").ends(0).says("1 recorded");
    let fetched = || playground.exchange().calls().iter().filter(|call| call.operation == "GetItem").count();
    let before = fetched();
    playground.exchange().categorise(ANNA, "Question", &["Tracked to CRM"]);
    person.types("sync").ends(0).says("1 already recorded");
    assert_eq!(fetched(), before);
    person.types("messages").says("tracked category");
    person.types("sync").ends(0).says("nothing new");
}

/// A person's word counts more than `processing.from`.
#[test]
fn an_old_message_that_is_given_the_category_becomes_a_record() {
    let Office { person, playground } = office(CATEGORY, "processFrom: 2027-01-01T00:00:00Z");
    playground.state().deliver(ANNA, &raw("old")).unwrap();
    person.types("apply --auto-approve").ends(0);
    person.types("sync").ends(0);
    playground.exchange().categorise(ANNA, "old", &["Tracked to CRM"]);
    person.types("sync").ends(0).says("1 recorded");
}

#[test]
fn what_is_sent_with_outlook_is_recorded_as_outgoing_and_what_went_through_the_outbox_is_not() {
    let Office { person, playground } = office("trackSentItems: true", "accept: all");
    person.types("apply --auto-approve").ends(0);
    playground.exchange().send_with_outlook(ANNA, &raw("by hand"));
    person.types("outbox add --mailbox anna --to boris@contoso.example --subject queued --text x").ends(0);
    person.types("sync").ends(0);
    person.types("sync").ends(0);
    let listed = person.types("messages -o json").ends(0).json();
    let subjects: Vec<(&str, &str)> = listed["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (it["facts"]["subject"].as_str().unwrap(), it["facts"]["direction"].as_str().unwrap_or("-"))
        })
        .collect();
    assert_eq!(subjects, [("by hand", "outgoing")]);
    person.types("messages show 1").says("found in Sent Items");
    assert_eq!(playground.state().sent(ANNA).unwrap().len(), 3, "with the copy of the test's own message");
    playground.exchange().forget_sync_states();
    person.types("sync").ends(0).says("1 already recorded");
}

#[test]
fn sent_items_are_neither_emptied_nor_moved_aside() {
    let office = office("undeliverableFolder: true\n    trackSentItems: true", "accept: all");
    let Office { person, playground } = office;
    person.replace("mail/mailplumb.yaml", "user: {", "queue: { deleteAfterProcessing: true,");
    person.types("apply --auto-approve").ends(0);
    person.types("sync").ends(0);
    let before = playground.state().sent(ANNA).unwrap().len();
    playground.exchange().send_with_outlook(ANNA, &raw("by hand"));
    playground.exchange().send_with_outlook(ANNA, b"  \r\n");
    person.types("sync").ends(0).says("1 of them quarantined");
    assert_eq!(playground.state().sent(ANNA).unwrap().len(), before + 2);
}

/// What a client that is not ours does as a person would.
const SCRIPT: &str = include_str!("outlook.py");

#[test]
fn what_exchangelib_categorises_and_sends_is_tracked() {
    let Some(()) = require(Need::Python) else { return };
    let both = format!("{CATEGORY}\n    trackSentItems: true");
    let Office { person, playground } = office(&both, "accept: none");
    playground.state().deliver(ANNA, &raw("wanted")).unwrap();
    playground.state().deliver(ANNA, &raw("not wanted")).unwrap();
    person.types("apply --auto-approve").ends(0);
    person.types("sync").ends(0);
    let port = playground.exchange().address().port().to_string();
    let done = Command::new(python().unwrap()).args(["-c", SCRIPT, &port, ANNA, PASSWORD]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    person.types("sync").ends(0).says("2 recorded");
    let listed = person.types("messages").says("sent by exchangelib").says("sent, tracked category");
    assert_eq!(listed.stdout.matches("wanted").count(), 1, "{listed:#?}");
}
