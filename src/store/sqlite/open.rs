//! Opening a store: the files with their rights, the connection with its pragmas, the schema with its version.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};

use super::blobs::sync_folder;
use super::errors::at_file;
use super::footings;
use crate::model::limits;
use crate::model::revision::StoreId;
use crate::store::{StoreError, process};

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It must be there; an older schema is brought up to date.
    Existing,
    /// It is created, with its folder, unless it is there.
    CreateIfMissing,
    /// Nothing is written, but that an older schema is brought up to date first; for reading beside a running process,
    /// or on a read-only file system. Where the folder allows it, SQLite puts its two lock and log files beside the
    /// database while it reads, as it does for writers.
    ReadOnly,
}

/// Marks the file as ours: `mplb` in ASCII. <https://www.sqlite.org/fileformat2.html#application_id>
const APPLICATION_ID: i32 = 0x6d70_6c62;

/// In order; the position from 1 is the schema version, kept in `PRAGMA user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../schema/sql/sqlite/0001_initial.sql"),
    include_str!("../../../schema/sql/sqlite/0002_pending.sql"),
    include_str!("../../../schema/sql/sqlite/0004_runs.sql"),
    include_str!("../../../schema/sql/sqlite/0005_secrets.sql"),
    include_str!("../../../schema/sql/sqlite/0006_footings.sql"),
    include_str!("../../../schema/sql/sqlite/0007_duplicates.sql"),
    include_str!("../../../schema/sql/sqlite/0008_sending_order.sql"),
    include_str!("../../../schema/sql/sqlite/0012_approvals.sql"),
    include_str!("../../../schema/sql/sqlite/0013_bulk.sql"),
    include_str!("../../../schema/sql/sqlite/0015_marks_and_pieces.sql"),
    include_str!("../../../schema/sql/sqlite/0016_exchange.sql"),
    include_str!("../../../schema/sql/sqlite/0017_discovered.sql"),
    include_str!("../../../schema/sql/sqlite/0019_exchange_folders.sql"),
    include_str!("../../../schema/sql/sqlite/0020_blob_numbers.sql"),
    include_str!("../../../schema/sql/sqlite/0021_claims_asked.sql"),
    include_str!("../../../schema/sql/sqlite/0023_owed.sql"),
    include_str!("../../../schema/sql/sqlite/0024_alerts.sql"),
    include_str!("../../../schema/sql/sqlite/0026_rounds.sql"),
    include_str!("../../../schema/sql/sqlite/0027_failed_at.sql"),
    include_str!("../../../schema/sql/sqlite/0028_forward_rules.sql"),
    include_str!("../../../schema/sql/sqlite/0029_not_received_back.sql"),
    include_str!("../../../schema/sql/sqlite/0030_cancelled.sql"),
];

const VERSION: u32 = MIGRATIONS.len() as u32;

/// How a connection for reading is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Beside processes that write.
    Shared,
    /// From a folder in which SQLite cannot put its lock files, so that nobody can be writing there either.
    Immutable,
}

/// What a file is, judged before anything is changed in it.
enum Found {
    /// A database without any content: a creation that did not get far.
    Blank,
    Ours {
        version: u32,
    },
}

/// Opens the connection that writes, and creates or migrates what has to be.
/// `id`: what a new store is called; drawn when it is left out.
pub(super) fn writer(path: &Path, mode: Open, id: Option<&StoreId>) -> Result<Connection, StoreError> {
    let folder = folder_of(path);
    if mode == Open::CreateIfMissing {
        create_folder(&folder)?;
    }
    if mode != Open::CreateIfMissing && !is_there(path)? {
        return Err(StoreError::Missing(path.display().to_string()));
    }
    refuse_special(path)?;
    // One process at a time creates, switches to WAL and migrates. The lock is on the folder, because closing
    // any descriptor of the database file would drop the locks that SQLite holds on it.
    let _turn = lock_folder(&folder)?;
    if mode == Open::CreateIfMissing {
        create_file(path)?;
    }
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if db.is_readonly("main")? {
        // SQLite opens it for reading instead, and says so only at the first write.
        return Err(StoreError::ReadOnly(format!("{} cannot be written to", path.display())));
    }
    if let (Found::Blank, Open::Existing | Open::ReadOnly) = (judge(&db, path)?, mode) {
        return Err(StoreError::Missing(path.display().to_string()));
    }
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    // So that the pages of one large apply are written once, when it commits. In KiB, because it is negative.
    db.pragma_update(None, "cache_size", -limits::STORE_WRITER_CACHE_KIB)?;
    // What a refused job of a group has changed is kept in memory, not in a file.
    db.pragma_update(None, "temp_store", "memory")?;
    // Otherwise the log is copied back after every few groups of messages, whose pages are mostly the same ones.
    db.pragma_update(None, "wal_autocheckpoint", limits::STORE_LOG_PAGES)?;
    // Statements are not planned anew for each value that is bound to them.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(limits::STORE_STATEMENTS_KEPT);
    migrate(&mut db, path, MIGRATIONS, id)?;
    db.pragma_update(None, "foreign_keys", true)?;
    complete(&mut db)?;
    Ok(db)
}

/// Whether there is a file. One that may not be looked for is not missing.
fn is_there(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| match error.kind() == io::ErrorKind::NotADirectory {
        true => not_a_folder(&folder_of(path)),
        false => StoreError::Unreadable(format!("`{}`: {error}", path.display())),
    })
}

/// Finds out how this store can be read, and that it is one.
pub(super) fn reading(path: &Path) -> Result<Reading, StoreError> {
    if !is_there(path)? {
        return Err(StoreError::Missing(path.display().to_string()));
    }
    refuse_special(path)?;
    let found = match judge_for_reading(path, Reading::Shared) {
        Err(
            error @ (StoreError::ReadOnly(_)
            | StoreError::Full
            | StoreError::Locked { .. }
            | StoreError::Failed(_)),
        ) => {
            if !can_be_immutable(path) {
                return Err(error);
            }
            match judge_for_reading(path, Reading::Immutable) {
                // Nothing has to be written for that.
                Err(StoreError::ReadOnly(_)) => {
                    let words = format!("`{}` is not for this user to open", path.display());
                    return Err(StoreError::Unreadable(words));
                }
                found => (found?, Reading::Immutable),
            }
        }
        other => (other?, Reading::Shared),
    };
    match found {
        (Found::Blank, _) => Err(StoreError::Missing(path.display().to_string())),
        (Found::Ours { version }, _) if version < VERSION => match writer(path, Open::Existing, None) {
            Ok(_) => Ok(Reading::Shared),
            Err(StoreError::ReadOnly(words)) => Err(StoreError::ReadOnly(format!(
                "{words}, and its schema {version} has to be brought up to date to {VERSION}"
            ))),
            Err(other) => Err(other),
        },
        (Found::Ours { .. }, reading) => Ok(reading),
    }
}

/// SQLite would call a folder an input or output error, and wait at a pipe for ever.
fn refuse_special(path: &Path) -> Result<(), StoreError> {
    let words = match std::fs::metadata(path).map(|found| found.file_type()) {
        Ok(found) if found.is_dir() => "is a folder",
        Ok(found) if !found.is_file() => "is a device, a pipe or a socket",
        Ok(_) | Err(_) => return Ok(()),
    };
    Err(StoreError::NotAStore(format!("`{}` {words}", path.display())))
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path, reading: Reading) -> Result<Connection, StoreError> {
    match reading {
        Reading::Shared => connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY),
        Reading::Immutable => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            connect(Path::new(&immutable_uri(path)?), flags)
        }
    }
}

pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

fn judge_for_reading(path: &Path, reading: Reading) -> Result<Found, StoreError> {
    judge(&reader(path, reading)?, path)
}

/// Without committed pages in a write-ahead log, the database file alone is the whole store.
fn can_be_immutable(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::metadata(log) {
        Ok(metadata) => metadata.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// <https://www.sqlite.org/uri.html>
fn immutable_uri(path: &Path) -> Result<String, StoreError> {
    let path = std::path::absolute(path).map_err(|error| at_file(path, &error))?;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    Ok(uri)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(limits::STORE_BUSY_TIMEOUT)?;
    // A damaged or hostile file must not make SQLite run what its schema says.
    db.pragma_update(None, "trusted_schema", false)?;
    db.set_prepared_statement_cache_capacity(128);
    Ok(db)
}

fn judge(db: &Connection, path: &Path) -> Result<Found, StoreError> {
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && objects == 0 {
        return Ok(Found::Blank);
    }
    let not_ours = || StoreError::NotAStore(format!("`{}` is a database of another program", path.display()));
    if application != APPLICATION_ID {
        return Err(not_ours());
    }
    let found = u32::try_from(version).map_err(|_negative| not_ours())?;
    if found > VERSION {
        return Err(StoreError::TooNew { found, known: VERSION });
    }
    Ok(Found::Ours { version: found })
}

/// Brings the schema up to date, all of it or nothing: whoever is killed in the middle leaves the schema that was there.
/// Foreign keys are off meanwhile, because a table that others refer to may be made anew; they are verified at the end.
fn migrate(
    db: &mut Connection,
    path: &Path,
    migrations: &[&str],
    id: Option<&StoreId>,
) -> Result<(), StoreError> {
    if matches!(judge(db, path)?, Found::Ours { version } if version as usize == migrations.len()) {
        // Nobody who is in the middle of a write has to be waited for.
        return Ok(());
    }
    db.pragma_update(None, "foreign_keys", false)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = match judge(&transaction, path)? {
        Found::Blank => 0,
        Found::Ours { version } => version,
    };
    let missing = (1_u32..).zip(migrations).filter(|(version, _)| *version > found);
    for (version, migration) in missing {
        transaction.execute_batch(migration)?;
        if version == 1 {
            let id = id.cloned().map_or_else(new_id, Ok)?;
            transaction.execute("INSERT INTO store (one, id) VALUES (1, ?1)", [id.0])?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    if (found as usize) < migrations.len() {
        check_references(&transaction, path)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Refuses a store in which a row refers to one that is not there: it was damaged before.
fn check_references(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let first: Option<(String, String)> =
        db.query_row("PRAGMA foreign_key_check", [], |row| Ok((row.get(0)?, row.get(2)?))).optional()?;
    match first {
        Some((table, parent)) => Err(StoreError::Damaged(format!(
            "{}: a row of `{table}` refers to one of `{parent}` that is missing",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// An identity for a store that does not exist yet.
pub fn new_id() -> Result<StoreId, StoreError> {
    process::random_hex()
        .map(StoreId)
        .ok_or_else(|| StoreError::Failed("the system has no randomness to give".to_owned()))
}

/// Derives what a plan reads of each mailbox where it is missing or of another version, as it is after a migration.
fn complete(db: &mut Connection) -> Result<(), StoreError> {
    if footings::is_current(db)? {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    footings::fill(&transaction)?;
    Ok(transaction.commit()?)
}

fn create_folder(folder: &Path) -> Result<(), StoreError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let is_file = |kind| matches!(kind, io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory);
    created.map_err(|error| match is_file(error.kind()) {
        true => not_a_folder(folder),
        false => at_file(folder, &error),
    })
}

fn not_a_folder(folder: &Path) -> StoreError {
    StoreError::NotAStore(format!("`{}` is not a folder", folder.display()))
}

/// SQLite gives its own new files the rights of the database, so this decides for all of them.
fn create_file(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_folder(&folder_of(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(at_file(path, &error)),
    }
}

fn lock_folder(folder: &Path) -> Result<File, StoreError> {
    let file = File::open(folder).map_err(|error| at_file(folder, &error))?;
    match file.lock() {
        Ok(()) => Ok(file),
        // SQLite's own locks then have to do; two first openings at once may end in "locked".
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(error) => Err(at_file(folder, &error)),
    }
}

/// An empty store's tables.
#[cfg(test)]
pub(super) fn schema(db: &Connection) {
    MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
}

#[cfg(test)]
mod tests {
    use super::super::blobs::{self, segment_path};
    use super::*;
    use crate::model::record::ContentHash;

    #[test]
    fn a_store_is_read_where_no_lock_file_can_be_written_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odd %41?#&ü.db");
        drop(writer(&path, Open::CreateIfMissing, None).unwrap());
        assert!(can_be_immutable(&path));
        let db = reader(&path, Reading::Immutable).unwrap();
        assert!(matches!(judge(&db, &path), Ok(Found::Ours { version: VERSION })));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let mut db = writer(&path, Open::CreateIfMissing, None).unwrap();
        let tables = |db: &Connection| -> i64 {
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap()
        };
        let before = tables(&db);
        let migrations = [MIGRATIONS, &["CREATE TABLE later (a ANY) STRICT", "CREATE"]].concat();
        assert!(migrate(&mut db, &path, &migrations, None).is_err());
        assert_eq!(tables(&db), before);
        assert!(matches!(judge(&db, &path), Ok(Found::Ours { version: VERSION })));
        migrate(&mut db, &path, &migrations[..migrations.len() - 1], None).unwrap();
        assert_eq!(tables(&db), before + 1);
        // The program that made it is newer than this one.
        assert!(matches!(judge(&db, &path), Err(StoreError::TooNew { .. })));
    }

    #[test]
    fn a_store_of_the_first_schema_is_brought_up_to_date_with_its_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        db.execute_batch(
            r#"INSERT INTO store (one, id) VALUES (1, 'x');
               INSERT INTO secrets VALUES ('team', 'a', '{"sealed":{"bundle":{"file":"t.age","key":"a"}}}', 'd')"#,
        )
        .unwrap();
        db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        drop(db);
        let db = writer(&path, Open::Existing, None).unwrap();
        let (digests, proofs) = super::super::secrets::digests(&db).unwrap();
        assert_eq!((digests.len(), proofs.len()), (1, 0));
        let secret = digests.into_keys().next().unwrap();
        // The version before kept no bundle; the next apply does.
        let sealed = super::super::secrets::sealed(&db, &secret).unwrap().unwrap();
        assert_eq!(sealed.bundle().unwrap().0, "");
    }

    #[test]
    fn octets_that_were_known_by_their_hashes_are_found_by_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let (path, blobs) = (folder.path().join("state.db"), folder.path().join("blobs"));
        let (whole, piece) = (b"To: a\r\n\r\nlarge and small".as_slice(), b"large".as_slice());
        std::fs::create_dir(&blobs).unwrap();
        std::fs::write(segment_path(&blobs, 1), b"largeTo: a\r\n\r\n and small").unwrap();
        let (whole_hash, piece_hash) = (ContentHash::of(whole), ContentHash::of(piece));
        let db = Connection::open(&path).unwrap();
        for migration in &MIGRATIONS[..11] {
            db.execute_batch(migration).unwrap();
        }
        db.execute_batch(&format!(
            "INSERT INTO store (one, id) VALUES (1, 'x');
             INSERT INTO segments VALUES (1, 24);
             INSERT INTO blobs VALUES ('{1}', 1, 0, 5), ('{0}', 1, 5, 19);
             INSERT INTO pieces VALUES ('{0}', 9, '{1}');
             INSERT INTO mailboxes (id, name) VALUES (3, 'm');
             INSERT INTO messages (id, mailbox, remote, content, blob, bytes, recorded_at, facts)
                 VALUES (5, 3, 'uid:1:1', '{0}', '{0}', 24, 0, '{{}}'), (6, 3, 'uid:1:2', 'none', NULL, 0, 0, '{{}}'),
                        (9, 3, 'uid:1:3', 'gone', NULL, 0, 0, '{{}}');
             UPDATE messages SET duplicate_of = 5 WHERE id = 6;
             DELETE FROM messages WHERE id = 9;
             INSERT INTO remotes VALUES (3, 'uid:1:1', 5);
             INSERT INTO outbox (id, mailbox, message_id, blob, bytes, state, recipients, attempts, queued_at,
                     next_attempt_at, changed_at)
                 VALUES (2, 3, '<a@b>', '{1}', 5, 'sent', '[]', 1, 0, 0, 0);",
            whole_hash.0, piece_hash.0
        ))
        .unwrap();
        db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        db.pragma_update(None, "user_version", 11).unwrap();
        drop(db);

        let db = writer(&path, Open::Existing, None).unwrap();
        let read = |content: &ContentHash| blobs::read(&db, &blobs, content).unwrap().unwrap();
        assert_eq!((&read(&whole_hash)[..], &read(&piece_hash)[..]), (whole, piece));
        let number = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
        let of_whole = "SELECT messages.id FROM messages JOIN blobs ON blobs.id = blob WHERE hash = content";
        assert_eq!(number(of_whole), 5);
        assert_eq!(number("SELECT count(*) FROM messages WHERE blob IS NULL AND duplicate_of = 5"), 1);
        let of_piece = format!(
            "SELECT outbox.id FROM outbox JOIN blobs ON blobs.id = blob WHERE hash = '{}'",
            piece_hash.0
        );
        assert_eq!(number(&of_piece), 2);
        // The id of a row that is gone is not given again, and what refers to nothing is refused.
        let insert = |mailbox: i64| {
            let sql = "INSERT INTO messages (mailbox, remote, content, bytes, recorded_at, facts)
                       VALUES (?1, 'r', 'c', 0, 0, '{}')";
            db.execute(sql, [mailbox]).map(|_| db.last_insert_rowid())
        };
        assert_eq!(insert(3).unwrap(), 10);
        assert!(insert(4).unwrap_err().to_string().contains("FOREIGN KEY"));
    }

    #[test]
    fn a_store_that_refers_to_what_is_missing_is_not_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        let odd = "PRAGMA foreign_keys = false; INSERT INTO store (one, id) VALUES (1, 'x');
                   INSERT INTO remotes VALUES (3, 'uid:1:1', 5);";
        db.execute_batch(odd).unwrap();
        db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        drop(db);
        let error = writer(&path, Open::Existing, None).unwrap_err().to_string();
        assert!(error.contains("a row of `remotes` refers to one of"), "{error}");
        let version: i64 = Connection::open(&path)
            .unwrap()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, 1);
    }

    #[test]
    fn a_store_with_a_log_is_not_read_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let _open = writer(&path, Open::CreateIfMissing, None).unwrap();
        assert!(!can_be_immutable(&path));
    }
}
