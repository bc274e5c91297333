//! A full disk: clear words, nothing lost, and everything works again when there is space. The state is on a small file
//! system that only the commands of the test see.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout};

use super::super::office::{Office, SALES, WAITING};
use super::super::person::{Heard, Person};
use crate::support::need::{Need, require};
use crate::support::scratch;

const PASSWORD: &str = "correct horse battery staple";

/// A shell in which `mail/.mailplumb` is a file system of this size.
struct SmallDisk<'a> {
    person: &'a Person,
    shell: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

impl<'a> SmallDisk<'a> {
    fn mounts(person: &'a Person, size: &str) -> Self {
        let mut shell = person.shell_begins("exec unshare -rm sh");
        let answers = BufReader::new(shell.stdout.take().unwrap()).lines();
        let mut disk = Self { person, shell, answers };
        disk.types(&format!(
            "mkdir -p mail/.mailplumb && mount -t tmpfs -o size={size} none mail/.mailplumb"
        ))
        .ends(0);
        disk
    }

    fn types(&mut self, line: &str) -> Heard {
        let stdin = self.shell.stdin.as_mut().unwrap();
        writeln!(stdin, "{{ {line}\n}} >out 2>err </dev/null; echo $?").unwrap();
        let code = self.answers.next().unwrap().unwrap().parse().ok();
        let (stdout, stderr) = (self.person.read("out"), self.person.read("err"));
        Heard { typed: line.to_owned(), code, stdout, stderr }
    }

    /// Leaves no byte free.
    fn fill(&mut self) {
        self.types("dd if=/dev/zero of=mail/.mailplumb/fill bs=1k; test -s mail/.mailplumb/fill").ends(0);
    }

    fn free(&mut self) {
        self.types("rm mail/.mailplumb/fill").ends(0);
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

#[track_caller]
fn is_full(heard: Heard) {
    let heard = heard.says("the disk is full").says("free some space");
    assert_ne!(heard.code, Some(0), "{heard}");
}

/// More than the write-ahead log has room for.
fn many_mailboxes() -> String {
    let entry = |number| format!("    - {{ name: many-{number}, address: many-{number}@office.test }}\n");
    let entries: String = (0..500).map(entry).collect();
    format!(
        "---\napiVersion: mailplumb/v1\nkind: MailboxList\nmetadata: {{ name: many }}\nspec:\n  users:\n{entries}"
    )
}

#[test]
fn an_apply_on_a_full_disk_changes_nothing_and_works_later() {
    let Some(()) = require(Need::SmallDisks) else { return };
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    let mut disk = SmallDisk::mounts(&office.person, "2m");
    disk.fill();
    is_full(disk.types("mailplumb apply --auto-approve --tests defer"));
    disk.free();
    disk.types("mailplumb apply --auto-approve --tests defer").ends(0);
    let before = disk.types("mailplumb status -o json").ends(0).json();

    let manifest = office.person.read("mail/mailplumb.yaml");
    office.person.write("mail/mailplumb.yaml", &(manifest + &many_mailboxes()));
    disk.fill();
    is_full(disk.types("mailplumb apply --auto-approve --tests defer"));
    disk.free();
    assert_eq!(disk.types("mailplumb status -o json").ends(0).json(), before);
    disk.types("mailplumb plan --detailed-exitcode").ends(2).says("500 to create");
    disk.types("mailplumb apply --auto-approve --tests defer").ends(0).says("500 created");
}

#[test]
fn reading_works_on_a_full_disk() {
    let Some(()) = require(Need::SmallDisks) else { return };
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    let mut disk = SmallDisk::mounts(&office.person, "2m");
    disk.types("mailplumb apply --auto-approve --tests defer").ends(0);
    disk.fill();
    disk.types("mailplumb status").ends(0).says("sales");
    disk.types("mailplumb plan").ends(0);
    disk.types("mailplumb alerts").ends(0);
}

#[test]
fn a_sync_on_a_full_disk_loses_nothing_and_doubles_nothing() {
    let Some(()) = require(Need::SmallDisks) else { return };
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    let mut disk = SmallDisk::mounts(&office.person, "2m");
    disk.types("mailplumb apply --auto-approve").ends(0);
    disk.fill();
    is_full(disk.types("mailplumb sync sales"));
    let add = "mailplumb outbox add --mailbox sales --to a@office.test --text x";
    is_full(disk.types(add));
    disk.free();
    disk.types("mailplumb sync sales").ends(0).says(&format!("{WAITING} recorded"));
    disk.types("mailplumb sync sales").ends(0).says("nothing new");
    disk.types(add).ends(0);
    let messages = disk.types("mailplumb messages -o json --limit 1000").ends(0).json();
    let text = messages.to_string();
    assert_eq!(text.matches("\"mailbox\":\"sales\"").count(), WAITING, "{text}");
}

#[test]
fn watch_waits_for_space_and_goes_on() {
    let Some(()) = require(Need::SmallDisks) else { return };
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    let often = "processing: { minPollingInterval: 0, from: 2026-01-01T00:00:00Z }";
    office.person.replace("mail/mailplumb.yaml", "processing: { from: 2026-01-01T00:00:00Z }", often);
    let mut disk = SmallDisk::mounts(&office.person, "2m");
    disk.types("mailplumb apply --auto-approve").ends(0);
    office.person.write("watch.err", "");
    disk.types("mailplumb watch >watch.out 2>watch.err & echo $! >watch.pid").ends(0);
    let heard = || office.person.read("watch.err");
    scratch::wait_until("the first cycle", || heard().contains(&format!("{WAITING} recorded")), heard);
    disk.fill();
    let large = format!("Subject: large\r\n\r\n{}", "space\r\n".repeat(100_000));
    office.playground.state().deliver(SALES, large.as_bytes()).unwrap();
    scratch::wait_until("watch to meet the full disk", || heard().contains("the disk is full"), heard);
    disk.free();
    // It would try again by itself after a minute.
    disk.types("kill -HUP $(cat watch.pid)").ends(0);
    let mut is_recorded =
        || disk.types("mailplumb messages --mailbox sales --limit 1").stdout.contains("large");
    scratch::wait_until("the message", &mut is_recorded, heard);
    disk.types("kill $(cat watch.pid); wait $(cat watch.pid)").ends(0);
}
