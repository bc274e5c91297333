//! The conformance suite on SQLite, and what only SQLite has: files, rights, damage, a full disk.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailplumb::model::lease::LeaseScope;
use mailplumb::model::operation::{Awaiting, Operation, OperationState};
use mailplumb::model::plan::Effect;
use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{MessageQuery, Store, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use super::conformance::versions::{pend, set_up_working};
use super::conformance::{World, conformance_suite};
use super::samples::*;

conformance_suite!(crate::store::sqlite::world);

fn world() -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store: Arc<dyn Store> = Arc::new(create(&path));
    let again = move || -> Arc<dyn Store> { Arc::new(open(&path, Open::Existing).unwrap()) };
    let blobs = folder.path().join("blobs");
    let bytes = move || {
        let entries =
            std::fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        entries.sum()
    };
    (World { store, again: Box::new(again), bytes: Box::new(bytes) }, folder)
}

fn open(path: &Path, mode: Open) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, mode)
}

fn create(path: &Path) -> SqliteStore {
    open(path, Open::CreateIfMissing).unwrap()
}

fn refused(path: &Path, mode: Open) -> StoreError {
    match open(path, mode) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        }
        files.push(path);
    }
    files
}

async fn with_a_record(path: &Path) -> SqliteStore {
    let store = create(path);
    set_up(&store, &["anna"]).await;
    let lease = lease_mailbox(&store, "anna").await;
    store.record(&lease, &batch("anna", 1, vec![record(1, "first")])).await.unwrap();
    store
}

#[tokio::test]
async fn everything_it_creates_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("deep/.mailplumb");
    let store = with_a_record(&parent.join("state.db")).await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&parent), 0o700);
    let files = files(&parent);
    assert!(files.iter().any(|path| path.ends_with("blobs/000001.seg")));
    assert!(files.iter().any(|path| path.ends_with("state.db-wal")));
    for path in files {
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    drop(store);
}

#[test]
fn a_missing_store_is_missing_and_nothing_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/state.db");
    for mode in [Open::Existing, Open::ReadOnly] {
        assert!(matches!(refused(&path, mode), StoreError::Missing(_)));
    }
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(&path, b"").unwrap();
    for mode in [Open::Existing, Open::ReadOnly] {
        assert!(matches!(refused(&path, mode), StoreError::Missing(_)), "a creation that did not get far");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    create(&path);
}

#[test]
fn what_is_not_our_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "Dear diary, this is certainly not a database.\n".repeat(100)).unwrap();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    for path in [&text, &foreign] {
        let before = std::fs::read(path).unwrap();
        for mode in [Open::Existing, Open::CreateIfMissing, Open::ReadOnly] {
            assert!(matches!(refused(path, mode), StoreError::NotAStore(_)), "{mode:?}");
        }
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[test]
fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(create(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for mode in [Open::Existing, Open::CreateIfMissing, Open::ReadOnly] {
        assert!(matches!(refused(&path, mode), StoreError::TooNew { found: 99, .. }));
    }
}

#[tokio::test]
async fn a_read_only_store_reads_beside_a_writer_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let writer = with_a_record(&path).await;
    let reader = open(&path, Open::ReadOnly).unwrap();
    assert_eq!(reader.stored().await.unwrap(), writer.stored().await.unwrap());
    assert_eq!(
        reader.raw(&record(1, "first").content).await.unwrap(),
        record(1, "first").raw.held().cloned()
    );
    let refused = reader.enqueue(&outgoing("anna", None)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly(_))));
    let lease = lease_mailbox(&writer, "anna").await;
    writer.record(&lease, &batch("anna", 2, vec![record(2, "second")])).await.unwrap();
    assert_eq!(reader.messages(&MessageQuery::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_refused_write_left_in_a_segment_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(with_a_record(&path).await);
    let segment = folder.path().join("blobs/000001.seg");
    let committed = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, [&committed[..], &[0xff; 5000]].concat()).unwrap();

    let store = open(&path, Open::Existing).unwrap();
    let second = record(2, "second");
    let lease = lease_mailbox(&store, "anna").await;
    store.record(&lease, &batch("anna", 2, vec![second.clone()])).await.unwrap();
    assert_eq!(std::fs::read(&segment).unwrap(), [&committed[..], second.raw.held().unwrap()].concat());
    assert_eq!(store.raw(&second.content).await.unwrap(), second.raw.held().cloned());
}

#[tokio::test]
async fn altered_and_missing_octets_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = with_a_record(&path).await;
    let segment = folder.path().join("blobs/000001.seg");
    let mut octets = std::fs::read(&segment).unwrap();
    octets[3] ^= 1;
    std::fs::write(&segment, &octets).unwrap();
    let content = record(1, "first").content;
    assert!(matches!(store.raw(&content).await, Err(StoreError::Damaged(_))));
    std::fs::write(&segment, &octets[..5]).unwrap();
    assert!(matches!(store.raw(&content).await, Err(StoreError::Damaged(_))));
    let lease = lease_mailbox(&store, "anna").await;
    let refused = store.record(&lease, &batch("anna", 2, vec![record(2, "second")])).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "nothing is appended after a hole");
}

#[tokio::test]
async fn a_damaged_page_is_damage_and_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(with_a_record(&path).await);
    let mut octets = std::fs::read(&path).unwrap();
    octets[4096..].fill(0x5a);
    std::fs::write(&path, octets).unwrap();
    let found = match open(&path, Open::ReadOnly) {
        Err(error) => error,
        Ok(store) => store.stored().await.unwrap_err(),
    };
    assert!(matches!(found, StoreError::Damaged(_)), "{found}");
}

#[tokio::test]
async fn two_stores_never_share_a_blob_folder() {
    let folder = tempfile::tempdir().unwrap();
    drop(with_a_record(&folder.path().join("one.db")).await);
    let before = std::fs::read(folder.path().join("blobs/000001.seg")).unwrap();
    let other = create(&folder.path().join("two.db"));
    set_up(&other, &["anna"]).await;
    let lease = lease_mailbox(&other, "anna").await;
    assert!(other.record(&lease, &batch("anna", 1, vec![record(1, "second")])).await.is_err());
    assert_eq!(std::fs::read(folder.path().join("blobs/000001.seg")).unwrap(), before);
}

/// While another process holds the write lock for good, a write fails with words and the next one works.
#[tokio::test]
async fn a_refused_write_does_not_stop_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = with_a_record(&path).await;
    let lease = lease_mailbox(&store, "anna").await;
    // A trigger stands for any failure in the middle of a transaction.
    let other = Connection::open(&path).unwrap();
    let trigger =
        "CREATE TRIGGER refuse BEFORE INSERT ON outbox BEGIN SELECT raise(ROLLBACK, 'refused'); END";
    other.execute_batch(trigger).unwrap();
    let enqueue = outgoing("anna", None);
    let second = batch("anna", 2, vec![record(2, "second")]);
    let (refused, recorded) = tokio::join!(store.enqueue(&enqueue), store.record(&lease, &second));
    assert!(refused.is_err());
    assert_eq!(recorded.unwrap().new, 1, "whoever shared the transaction is not harmed");
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    store.enqueue(&enqueue).await.unwrap();
}

#[tokio::test]
async fn whoever_is_in_the_middle_of_a_commit_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let first = create(&path);
    first.acquire(&LeaseScope::State, &holder("one"), at(0)).await.unwrap();
    let committing = Connection::open(&path).unwrap();
    committing.execute_batch("BEGIN IMMEDIATE").unwrap();

    let second = open(&path, Open::Existing).unwrap();
    let refused = second.acquire(&LeaseScope::State, &holder("two"), at(1)).await.unwrap_err();
    let StoreError::Busy { holder, .. } = refused else { panic!("{refused}") };
    assert_eq!(holder.nonce, "one");
}

#[tokio::test]
async fn creating_from_many_sides_makes_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let stores: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| create(&path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let id = stores[0].id().await.unwrap();
    for store in &stores {
        assert_eq!(store.id().await.unwrap(), id);
    }
}

/// `/dev/full` takes the place of the segment file: every write to it finds the disk full.
#[tokio::test]
async fn a_full_disk_under_the_blobs_is_reported_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = create(&path);
    set_up(&store, &["anna"]).await;
    let segment = folder.path().join("blobs/000001.seg");
    std::fs::create_dir(folder.path().join("blobs")).unwrap();
    std::os::unix::fs::symlink("/dev/full", &segment).unwrap();
    let lease = lease_mailbox(&store, "anna").await;
    let batch = batch("anna", 1, vec![record(1, "first")]);
    assert!(matches!(store.record(&lease, &batch).await, Err(StoreError::Full)));
    assert!(store.messages(&MessageQuery::default()).await.unwrap().is_empty());

    std::fs::remove_file(&segment).unwrap();
    assert_eq!(store.record(&lease, &batch).await.unwrap().new, 1);
    assert!(store.raw(&record(1, "first").content).await.unwrap().is_some());
}

#[tokio::test]
async fn what_many_mailboxes_work_with_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = create(&path);
    let names: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    set_up_working(&store, &names).await;
    let puts = names.iter().map(|name| put_effect(name, "c2")).collect();
    pend(&store, puts, &sealed("ciphertext")).await.unwrap();
    let db = Connection::open(&path).unwrap();
    let rows = |table: &str| -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((rows("versions"), rows("profile_versions"), rows("secret_versions")), (40, 1, 1));
    let deleted = names.iter().map(|text| Effect::DeleteMailbox(name(text))).collect();
    apply(&store, deleted).await.unwrap();
    assert_eq!((rows("versions"), rows("profile_versions"), rows("secret_versions")), (0, 0, 0));
}

/// Of what an operation that works was enabled by, the first schema may not tell.
#[tokio::test]
async fn a_store_of_the_first_schema_goes_on_with_what_was_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(include_str!("../../../schema/sql/sqlite/0001_initial.sql")).unwrap();
    db.pragma_update(None, "application_id", 0x6d70_6c62).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    let declared = serde_json::to_string(&mailbox("anna")).unwrap();
    let profile = serde_json::to_string(&profile()).unwrap();
    let ciphertext = serde_json::to_string(&sealed("ciphertext")).unwrap();
    db.execute("INSERT INTO store (one, id) VALUES (1, '0123')", []).unwrap();
    db.execute("INSERT INTO profiles VALUES ('provider', ?1)", [&profile]).unwrap();
    db.execute("INSERT INTO secrets VALUES ('provider', 'support', ?1, 'd')", [&ciphertext]).unwrap();
    db.execute("INSERT INTO mailboxes (id, name, declared) VALUES (1, 'anna', ?1)", [&declared]).unwrap();
    let retrying = OperationState::Retrying { attempts: 1, until: at(9), failure: failure() };
    for (operation, state) in [
        ("incoming", OperationState::Enabled),
        ("outgoing", retrying),
        ("act", OperationState::AwaitingTest(Awaiting::Test)),
    ] {
        let state = serde_json::to_string(&state).unwrap();
        let sql = "INSERT INTO operations (mailbox, operation, state, connection, changed_at)
                   VALUES (1, ?1, ?2, 'c1', 7)";
        db.execute(sql, [operation, &state]).unwrap();
    }
    drop(db);
    let store = open(&path, Open::Existing).unwrap();
    let row = store.mailbox(&name("anna")).await.unwrap().unwrap();
    let proved = |operation| row.stored.operations[&operation].proved.clone().map(|digest| digest.0);
    let c1 = Some("c1".to_owned());
    assert_eq!(Operation::ALL.map(proved), [c1.clone(), c1, None]);
    assert!(row.stored.operations.values().all(|operation| operation.pending.is_none()));
    let rows = store.outline().await.unwrap().footings;
    assert_eq!((rows.len(), rows[0].untested), (1, 1), "the one that waits for its test");
    pend(&store, vec![put_effect("anna", "c2")], &sealed("ciphertext")).await.unwrap();
    assert!(
        store.mailbox(&name("anna")).await.unwrap().unwrap().effective.contains_key(&Operation::Incoming)
    );
}

/// Another version may have covered something else, or written it in another way.
#[tokio::test]
async fn footings_of_another_version_are_derived_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = create(&path);
    set_up(&store, &["anna"]).await;
    drop(store);
    let change = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    change("UPDATE operations SET state = '\"enabled\"', connection = 'c1'; DELETE FROM footings");
    let outline = async || open(&path, Open::Existing).unwrap().outline().await.unwrap();
    let derived = outline().await;
    assert!(derived.footings.iter().all(|row| row.footing.is_some()), "{derived:?}");
    change("UPDATE footings SET footing = zeroblob(16)");
    assert_eq!(outline().await, derived);
}
