//! Processes that compete for a store, die in the middle, or wake up too late.

use std::process::Child;

use mailplumb::playground::{Fault, Protocol};
use rusqlite::Connection;

use super::super::office::{Office, SUPPORT};
use super::super::person::{Person, signal};
use super::STATE;
use crate::support::scratch;

const PASSWORD: &str = "correct horse battery staple";

fn revision(person: &Person) -> u64 {
    person.types("status -o json").ends(0).json()["revision"].as_u64().unwrap()
}

#[test]
fn of_two_applies_at_once_each_is_whole_or_refused() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    for round in 0..8 {
        let before = revision(person);
        person.shell(&format!("sed -i 's/displayName: Sales.*, address/displayName: Sales {round}, address/' mail/mailplumb.yaml")).ends(0);
        let line = ["apply", "--auto-approve", "--tests", "defer"];
        let both = [person.begins(&line), person.begins(&line)];
        let codes = both.map(|child| {
            let heard = person.hears("apply", child);
            assert!(matches!(heard.code, Some(0 | 11 | 12)), "{heard}");
            if heard.code != Some(0) {
                heard.clone().says("hint: ");
            }
            heard.code
        });
        assert!(codes.contains(&Some(0)), "{codes:?}");
        // One of them made the change; a second one that came later found only the tests to do.
        let done = codes.iter().filter(|code| **code == Some(0)).count() as u64;
        assert!((before + 1..=before + done).contains(&revision(person)), "{codes:?}");
        let plan = person.types("plan -o json").ends(0).json();
        assert_eq!(plan["summary"]["update"], 0, "{plan}");
    }
}

#[test]
fn an_apply_that_is_killed_leaves_the_old_revision_or_the_new_one() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let manifest = person.read("mail/mailplumb.yaml");
    for round in 0..6_u64 {
        let entry =
            |number| format!("    - {{ name: r{round}-{number}, address: r{round}-{number}@office.test }}\n");
        let entries: String = (0..150).map(entry).collect();
        person.write("mail/many.yaml", &format!("apiVersion: mailplumb/v1\nkind: MailboxList\nmetadata: {{ name: many }}\nspec:\n  users:\n{entries}"));
        let before = revision(person);
        let line = "apply --auto-approve --tests defer --override-guard deletions --override-guard updates --reason test";
        let words: Vec<&str> = line.split(' ').collect();
        let mut child = person.begins(&words);
        let log = person.at(&format!("{STATE}-wal"));
        while child.try_wait().unwrap().is_none()
            && std::fs::metadata(&log).map_or(0, |metadata| metadata.len()) <= round * 60_000
        {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let after = revision(person);
        assert!(after == before || after == before + 1, "{before} → {after}");
        let mailboxes = person.types("status -o json").ends(0).json()["mailboxes"].to_string();
        let new = mailboxes.matches(&format!("\"name\":\"r{round}-")).count();
        assert_eq!(new, if after == before { 0 } else { 150 }, "in part");
        // The lease of a dead process holds nobody up.
        person.types(line).ends(0);
        let plan = person.types("plan -o json").ends(0).json();
        assert_eq!(
            (&plan["summary"]["create"], &plan["summary"]["delete"]),
            (&0.into(), &0.into()),
            "{plan}"
        );
    }
    assert_eq!(person.read("mail/mailplumb.yaml"), manifest);
}

/// Three messages wait, and a `sync` hangs at the server while it holds the mailbox.
pub(super) fn hanging(office: &Office) -> Child {
    for number in 1..=3 {
        let raw = format!("Subject: {number}\r\n\r\nx\r\n");
        office.playground.state().deliver(SUPPORT, raw.as_bytes()).unwrap();
    }
    office.playground.inject(Protocol::Imap, Fault::Stall { at: "UID FETCH".to_owned() });
    office.playground.log().clear();
    let child = office.person.begins(&["sync", "support"]);
    let asked = || {
        let commands = office.playground.log().commands(Protocol::Imap);
        commands.iter().any(|command| command.contains("UID FETCH"))
    };
    scratch::wait_until("the process that hangs", asked, || {
        format!("{:?}", office.playground.log().commands(Protocol::Imap))
    });
    office.playground.heal(Protocol::Imap);
    child
}

#[test]
fn a_killed_sync_holds_nobody_up() {
    let office = Office::at_work(PASSWORD);
    let mut child = hanging(&office);
    office.person.types("sync support").says("is working on it");
    child.kill().unwrap();
    child.wait().unwrap();
    office.person.types("sync support").ends(0).says("3 recorded");
    office.person.types("sync support").ends(0).says("nothing new");
}

/// A process that slept past the expiry of its lease, as a suspended machine does, writes nothing when it wakes up.
#[test]
fn a_process_that_wakes_up_after_its_lease_went_to_another_writes_nothing() {
    let Office { person, playground } = Office::at_work(PASSWORD);
    let office = Office { person, playground };
    let child = hanging(&office);
    signal(&child, "STOP");
    let Office { person, playground } = office;
    // A minute later.
    let db = Connection::open(person.at(STATE)).unwrap();
    let expired = db
        .execute("UPDATE leases SET expires_at = 0 WHERE scope = 'mailbox/support' AND status = 'held'", []);
    assert_eq!(expired.unwrap(), 1);
    person.types("sync support").ends(0).says("3 recorded");
    let before = person.types("status -o json").ends(0).json();
    // The connection that it waits on is lost, which it would note as a failure of the mailbox.
    drop(playground);
    signal(&child, "CONT");
    let late = person.hears("sync support, which slept", child);
    assert_ne!(late.code, Some(0), "{late}");
    late.says("taken over by another process");
    assert_eq!(person.types("status -o json").ends(0).json(), before);
}

/// Stops an apply that holds the lease and has not yet committed: whoever holds the store's only write lock decides when.
/// `None`: it was done before it could be caught.
#[expect(clippy::zombie_processes, reason = "whoever gets it waits for it")]
fn caught_before_its_commit(person: &Person) -> Option<(Child, Connection)> {
    let before = revision(person);
    let db = Connection::open(person.at(STATE)).unwrap();
    let child = person.begins(&["apply", "--auto-approve", "--tests", "defer"]);
    loop {
        if db.execute_batch("BEGIN IMMEDIATE").is_err() {
            continue;
        }
        let is = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
        if u64::from(is("SELECT coalesce(max(revision), 0) FROM revisions")) > before {
            db.execute_batch("ROLLBACK").unwrap();
            person.hears("apply, which was too fast", child);
            return None;
        }
        if is("SELECT count(*) FROM leases WHERE scope = 'state' AND status = 'held'") == 1 {
            signal(&child, "STOP");
            // As long as it runs, it could take the lock that this test gives back.
            let stat = format!("/proc/{}/stat", child.id());
            let is_stopped = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
            scratch::wait_until("it stands still", is_stopped, String::new);
            return Some((child, db));
        }
        db.execute_batch("ROLLBACK").unwrap();
        std::thread::yield_now();
    }
}

#[test]
fn an_apply_that_wakes_up_after_its_lease_went_to_another_changes_nothing() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let rename = |number: u32| {
        person.shell(&format!("sed -i 's/displayName: Sales.*, address/displayName: Sales {number}, address/' mail/mailplumb.yaml")).ends(0);
    };
    let (child, db) = (1..100)
        .find_map(|number| {
            rename(number);
            caught_before_its_commit(person)
        })
        .unwrap();
    // A minute later.
    db.execute_batch("UPDATE leases SET expires_at = 0 WHERE scope = 'state'; COMMIT").unwrap();
    rename(1000);
    person.types("apply --auto-approve --tests defer").ends(0).says("Applied");
    let before = person.types("state show mailbox/sales -o json").ends(0).json();
    signal(&child, "CONT");
    let late = person.hears("apply, which slept", child);
    late.ends(12).says("taken over by another process").says("nothing was written");
    assert_eq!(person.types("state show mailbox/sales -o json").ends(0).json(), before);
    assert_eq!(before["mailbox"]["declared"]["displayName"], "Sales 1000");
}
