//! Processes that died between handing a message over and noting the answer: its copy in Sent Items tells.

use mailplumb::playground::Hold;
use rusqlite::Connection;

use super::story::Office;
use super::world::BORIS;

/// An office with one message on its way to Boris.
fn office(subject: &str) -> Office {
    let office = Office::opens();
    office.person.types("apply --auto-approve").ends(0);
    office
        .person
        .types(&format!("outbox add --mailbox anna --to {BORIS} --subject {subject} --text x"))
        .ends(0);
    office
}

/// What a process leaves behind that dies before it notes the answer to the last attempt.
fn dies_before_the_answer_is_noted(office: &Office) {
    let db = Connection::open(office.person.at("mail/.mailplumb/state.db")).unwrap();
    let sql = "UPDATE outbox SET state = 'sending', attempts = 0, failure = NULL,
               recipients = replace(replace(recipients, '\"sent\"', '\"sending\"'), '\"pending\"', '\"sending\"')";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
}

fn forget_what_was_said(office: &Office) {
    let db = Connection::open(office.person.at("mail/.mailplumb/state.db")).unwrap();
    let sql = "UPDATE outbox SET recipients = json_set(recipients, '$[0].said', NULL)";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
}

fn begins_another_round(office: &Office) {
    let db = Connection::open(office.person.at("mail/.mailplumb/state.db")).unwrap();
    assert_eq!(db.execute("UPDATE outbox SET round = round + 1", []).unwrap(), 1);
}

/// What a report makes of a message that was given back.
fn came_back(office: &Office) {
    let db = Connection::open(office.person.at("mail/.mailplumb/state.db")).unwrap();
    let sql =
        "UPDATE outbox SET state = 'failed', recipients = replace(recipients, '\"sent\"', '\"failed\"')";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
}

/// Kills the process while the server holds what it asked for.
fn is_killed_while_it_waits(office: &Office, hold: Hold) {
    let exchange = office.playground.exchange();
    exchange.hold("CreateItem", hold);
    let mut child = office.person.begins(&["sync"]);
    while exchange.held() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
}

fn arrived(office: &Office, subject: &str) -> usize {
    let inbox = office.playground.state().inbox(BORIS).unwrap();
    inbox.iter().filter(|held| String::from_utf8_lossy(&held.raw).contains(subject)).count()
}

#[test]
fn a_message_whose_copy_is_in_sent_items_was_sent_and_is_not_sent_again() {
    let office = office("once");
    office.person.types("sync").ends(0);
    dies_before_the_answer_is_noted(&office);
    forget_what_was_said(&office);
    office.person.types("sync").ends(0);
    office.person.types("outbox list").says("sent");
    office.person.types("outbox show 1").says("its copy is in Sent Items");
    assert_eq!(arrived(&office, "once"), 1);
}

#[test]
fn a_message_without_a_copy_is_in_doubt_and_is_not_sent_by_itself() {
    let office = office("never");
    dies_before_the_answer_is_noted(&office);
    office.person.types("sync");
    office.person.types("outbox list").says("unsure");
    assert_eq!(arrived(&office, "never"), 0);
    office.person.types("outbox retry 1").ends(0);
    office.person.types("sync").ends(0);
    assert_eq!(arrived(&office, "never"), 1);
}

/// Otherwise the copy of the first attempt would hide that the second one may have failed.
#[test]
fn the_copy_of_an_earlier_attempt_says_nothing_about_a_later_one() {
    let office = office("twice");
    office.person.types("sync").ends(0);
    // It came back, a person had it sent once more, and that attempt died.
    dies_before_the_answer_is_noted(&office);
    begins_another_round(&office);
    office.person.types("sync");
    office.person.types("outbox list").says("unsure");
    assert_eq!(arrived(&office, "twice"), 1);
}

#[test]
fn a_process_that_is_killed_before_the_answer_comes_finds_its_copy_and_sends_nothing_twice() {
    let office = office("killed");
    is_killed_while_it_waits(&office, Hold::AfterWork);
    assert_eq!(arrived(&office, "killed"), 1);
    office.person.types("sync").ends(0);
    office.person.types("outbox show 1").says("sent").says("its copy is in Sent Items");
    office.person.types("sync").ends(0);
    assert_eq!(arrived(&office, "killed"), 1);
}

#[test]
fn a_process_that_is_killed_before_the_server_has_done_anything_leaves_a_doubt_and_sends_nothing_by_itself() {
    let office = office("doubtful");
    is_killed_while_it_waits(&office, Hold::BeforeWork);
    office.person.types("sync");
    office.person.types("outbox list").says("unsure");
    office.person.types("sync");
    assert_eq!(arrived(&office, "doubtful"), 0);
    office.person.types("outbox retry 1").ends(0);
    office.person.types("sync").ends(0);
    assert_eq!(arrived(&office, "doubtful"), 1);
}

#[test]
fn a_message_that_came_back_is_sent_anew_although_its_first_copy_is_still_there() {
    let office = office("returned");
    office.person.types("sync").ends(0);
    came_back(&office);
    office.person.types("outbox retry 1").ends(0);
    office.person.types("sync").ends(0);
    office.person.types("outbox list").says("sent");
    assert_eq!(arrived(&office, "returned"), 2);
    // The second sending dies like the first, and has a copy of its own.
    came_back(&office);
    office.person.types("outbox retry 1").ends(0);
    is_killed_while_it_waits(&office, Hold::AfterWork);
    office.person.types("sync").ends(0);
    office.person.types("outbox show 1").says("its copy is in Sent Items");
    assert_eq!(arrived(&office, "returned"), 3);
}
