//! A store that a former version wrote, opened by this one: everything is still there. Each folder of `former` is named
//! by its schema and holds the store as SQL, its blobs, and the manifest that was applied.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::person::Person;
use super::STATE;
use crate::support::need::{is_root, program};

fn former() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/store/former");
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.retain(|path| path.is_dir());
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

/// Somebody whose `mail` was applied and synchronised by the former version.
fn somebody(version: &Path) -> Person {
    let mut person = Person::new();
    let read = |name: &str| std::fs::read_to_string(version.join(name)).unwrap();
    for name in ["mailplumb.yaml", "secrets.yaml"] {
        person.write(&format!("mail/{name}"), &read(name));
    }
    for entry in std::fs::read_dir(version.join("blobs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        person.write(&format!("mail/.mailplumb/blobs/{name}"), "");
        std::fs::copy(version.join("blobs").join(&name), person.at("mail/.mailplumb/blobs").join(&name))
            .unwrap();
    }
    let db = Connection::open(person.at(STATE)).unwrap();
    // Tables come in the order of their names.
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute_batch(&read("store.sql")).unwrap();
    drop(db);
    person.export("MAILPLUMB_FILE", "mail");
    person
}

#[track_caller]
fn has_everything(person: &Person) {
    person.types("plan --detailed-exitcode").ends(0).says("No changes");
    let status = person.types("status").ends(0);
    for line in ["sales    pop      retrying (1, until 2026-11-21T23:53:58Z)", "support  mail     enabled"] {
        assert!(status.stdout.contains(line), "no `{line}` in {status}");
    }
    let sent = person.types("outbox list").ends(0).says("customer@elsewhere.test").says("sent too");
    assert!(sent.says("Waiting").stdout.contains("pending"));
    person
        .types("alerts")
        .ends(0)
        .says("nothing listens on mail.office.test:110")
        .says("mailbox/trade outgoing");
    for (id, words) in [("1", "we counted the delivery twice"), ("4", "Subject: Question 2")] {
        person.types(&format!("messages {id} --raw")).ends(0).says(words);
    }
}

#[test]
fn a_store_of_a_former_version_keeps_everything() {
    for version in former() {
        let person = somebody(&version);
        has_everything(&person);
        // Whatever writes next works on it.
        person.types("outbox add --mailbox sales --to d@elsewhere.test --subject Next --text x").ends(0);
        person.replace("mail/mailplumb.yaml", "displayName: Sales", "displayName: Trade");
        person.types("apply --auto-approve --tests defer").ends(0).says("revision 3").says("1 updated");
        person.types("outbox list").ends(0).says("Next").says("Waiting");
    }
}

#[test]
fn an_upgrade_that_is_killed_leaves_the_old_store_or_the_new_one() {
    for version in former() {
        for round in 0..6 {
            let person = somebody(&version);
            let mut child = person.begins(&["status"]);
            let log = person.at(&format!("{STATE}-wal"));
            // Sometimes before the log has anything in it, sometimes after a few pages, sometimes at the end.
            let far = |child: &mut std::process::Child| {
                let bytes = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
                bytes > round * 8192 || child.try_wait().unwrap().is_some()
            };
            while !far(&mut child) {
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            has_everything(&person);
        }
    }
}

#[test]
fn a_store_of_a_former_version_that_may_not_be_written_is_refused_or_read() {
    let version = former().remove(0);
    let person = somebody(&version);
    let somebody = match (is_root(), program("setpriv")) {
        (true, Some(_)) => "setpriv --reuid 65534 --regid 65534 --clear-groups ",
        (true, None) => return,
        (false, _) => "",
    };
    person.shell("chmod -R a+rX mail && chmod a-w mail/.mailplumb mail/.mailplumb/state.db").ends(0);
    let heard = person.shell(&format!("{somebody}mailplumb status"));
    match heard.code {
        // This version's schema is still that one.
        Some(0) => assert!(former().len() == 1, "{heard}"),
        _ => assert!(heard.stderr.contains("brought up to date") && heard.stderr.contains("hint"), "{heard}"),
    }
    person.shell("chmod -R u+w mail").ends(0);
    has_everything(&person);
}
