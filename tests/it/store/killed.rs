//! A process that is killed in the middle of its work leaves a store that holds all of each write or nothing of it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mailplumb::model::cursor::Cursor;
use mailplumb::model::record::ContentHash;
use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{MessageQuery, Store};

use super::samples::*;

/// Names the store to the process that is going to be killed.
const STORE_VARIABLE: &str = "MAILPLUMB_TEST_STORE";

/// Renames the one mailbox to and fro, and records two messages under each name, until it is killed.
#[tokio::test]
async fn the_worker_that_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "how the parent process talks to this one")]
    let Some(path) = std::env::var_os(STORE_VARIABLE).map(PathBuf::from) else {
        // This is a worker, not a test: it works only as the child process that the next test kills.
        return;
    };
    let store = SqliteStore::open(&path, Open::Existing).unwrap();
    loop {
        let stored = store.stored().await.unwrap();
        let current = name_at(stored.revision.0);
        let lease = lease_mailbox(&store, current).await;
        let uid = u32::try_from(stored.revision.0).unwrap() * 2;
        let records = [uid, uid + 1].map(|uid| record(uid, &format!("{uid} {}", "x".repeat(5000))));
        store.record(&lease, &batch(current, uid + 1, records.to_vec())).await.unwrap();
        apply(&store, vec![renamed(current, name_at(stored.revision.0 + 1))]).await.unwrap();
        println!("round {uid}");
    }
}

/// Under which name the mailbox is stored at a revision.
fn name_at(revision: u64) -> &'static str {
    if revision % 2 == 1 { "anna" } else { "berta" }
}

fn run_and_kill(path: &Path, rounds: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::killed::the_worker_that_is_killed", "--nocapture"])
        .env(STORE_VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).filter(|line| line.starts_with("round")).take(rounds).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen, rounds, "the worker ended by itself");
}

async fn check(store: &SqliteStore) {
    let stored = store.stored().await.unwrap();
    let revision = stored.revision.0;
    assert_eq!(store.revisions(u64::MAX).await.unwrap().len() as u64, revision);
    let names: Vec<_> = stored.mailboxes.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, [name_at(revision)], "revision and name changed together");

    let records =
        store.messages(&MessageQuery { limit: Some(u64::MAX), ..Default::default() }).await.unwrap();
    let uid_last = match store.cursor(&name(name_at(revision))).await.unwrap() {
        Cursor::Imap { uid_last, .. } => uid_last as usize,
        Cursor::Start | Cursor::Pop3 { .. } | Cursor::Exchange { .. } => panic!("no cursor"),
    };
    assert_eq!(records.len() + 1, uid_last, "cursor and records changed together");
    for record in records {
        let raw = store.raw(&record.content).await.unwrap().unwrap();
        assert_eq!(ContentHash::of(&raw), record.content);
    }
}

#[tokio::test]
async fn a_kill_leaves_the_old_or_the_new_revision() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path, Open::CreateIfMissing).unwrap();
    set_up(&store, &["anna"]).await;
    drop(store);
    for rounds in [1, 2, 3, 5, 8] {
        run_and_kill(&path, rounds);
        check(&SqliteStore::open(&path, Open::ReadOnly).unwrap()).await;
        check(&SqliteStore::open(&path, Open::Existing).unwrap()).await;
    }
}
