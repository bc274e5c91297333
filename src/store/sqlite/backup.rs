//! A copy of a store in a folder of its own: the database first, then as much of each segment of messages as that
//! database names. Segments only grow at their end, so what the copied database names does not change any more.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::blobs::{self, segment_path, sync_folder};
use super::columns::count;
use super::errors::at_file;
use super::{declared, open, outgoing};
use crate::store::upkeep::Copied;
use crate::store::{StoreError, process};

/// The database of a copy; a copy is opened like any other store.
const DATABASE: &str = "state.db";

/// Copies what `db`, which is inside a transaction, sees. The copy appears under its name when it is complete and
/// durable.
pub(super) fn back_up(db: &Connection, blobs: &Path, folder: &Path) -> Result<Copied, StoreError> {
    if fs::symlink_metadata(folder).is_ok() {
        return Err(StoreError::Failed(format!(
            "{} is there already; a backup goes into a new folder",
            folder.display()
        )));
    }
    let parent = open::folder_of(folder);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&parent)
        .map_err(|error| at_file(&parent, &error))?;
    let unfinished = Unfinished::create(&parent)?;
    let copied = copy(db, blobs, &unfinished.folder)?;
    fs::rename(&unfinished.folder, folder).map_err(|error| at_file(folder, &error))?;
    sync_folder(&parent)?;
    Ok(copied)
}

/// Puts a copy in the place of a store that is gone. Messages that were still to be sent become `unsure`: they may have
/// been sent after the copy was made.
pub(super) fn restore(folder: &Path, path: &Path, now: Timestamp) -> Result<Copied, StoreError> {
    let parent = open::folder_of(path);
    let (blobs, their_blobs) = (parent.join("blobs"), folder.join("blobs"));
    for taken in [path, &blobs] {
        if fs::symlink_metadata(taken).is_ok() {
            return Err(StoreError::Failed(format!(
                "{} is there already; a backup is only restored where no store is",
                taken.display()
            )));
        }
    }
    let reading = open::reading(&folder.join(DATABASE))?;
    let db = open::reader(&folder.join(DATABASE), reading)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&parent)
        .map_err(|error| at_file(&parent, &error))?;
    let unfinished = Unfinished::create(&parent)?;
    let mut copied = copy(&db, &their_blobs, &unfinished.folder)?;
    let database = unfinished.folder.join(DATABASE);
    copied.left_unsure = doubt(&database, now)?;
    sync_file(&database)?;
    // The messages first: a store whose messages are missing is damaged, messages without a store are not one.
    let restored = unfinished.folder.join("blobs");
    if restored.exists() {
        fs::rename(&restored, &blobs).map_err(|error| at_file(&blobs, &error))?;
    }
    fs::rename(&database, path).map_err(|error| at_file(path, &error))?;
    sync_folder(&parent)?;
    Ok(copied)
}

fn doubt(database: &Path, now: Timestamp) -> Result<u64, StoreError> {
    let mut copy = Connection::open(database)?;
    let transaction = copy.transaction()?;
    let count = outgoing::doubt_all(&transaction, now)?;
    transaction.commit()?;
    copy.close().map_err(|(_, error)| StoreError::from(error))?;
    Ok(count)
}

/// A folder that goes away again unless it was renamed.
struct Unfinished {
    folder: PathBuf,
}

impl Unfinished {
    fn create(parent: &Path) -> Result<Self, StoreError> {
        let random = process::random_hex()
            .ok_or_else(|| StoreError::Failed("the system has no randomness to give".to_owned()))?;
        let folder = parent.join(format!(".mailplumb-backup-{random}"));
        create_folder(&folder)?;
        Ok(Self { folder })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Best effort: its name says what it is.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn copy(db: &Connection, blobs: &Path, folder: &Path) -> Result<Copied, StoreError> {
    let path = folder.join(DATABASE);
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    created.map_err(|error| at_file(&path, &error))?;
    let copy = copy_database(db, &path)?;
    let store = declared::store_id(&copy)?;
    let blob_bytes = copy_segments(&copy, blobs, &folder.join("blobs"), &store.0)?;
    let revision = declared::current_revision(&copy)?;
    copy.close().map_err(|(_, error)| StoreError::from(error))?;
    let database_bytes = sync_file(&path)?;
    sync_folder(folder)?;
    Ok(Copied { store, revision, database_bytes, blob_bytes, left_unsure: 0 })
}

fn copy_database(db: &Connection, path: &Path) -> Result<Connection, StoreError> {
    let mut copy = Connection::open(path)?;
    {
        let backup = Backup::new(db, &mut copy)?;
        // In one go: what is read belongs to one moment, and writers are not kept waiting by readers.
        if backup.step(-1)? != StepResult::Done {
            return Err(StoreError::Failed("the database could not be copied in one go".to_owned()));
        }
    }
    // Alone in its folder, without a log beside it.
    copy.pragma_update(None, "journal_mode", "delete")?;
    // Nobody works on the copy.
    copy.execute("UPDATE leases SET status = 'released'", [])?;
    let verdict: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(copy) } else { Err(StoreError::Damaged(verdict)) }
}

fn copy_segments(copy: &Connection, from: &Path, to: &Path, store: &str) -> Result<u64, StoreError> {
    let mut statement = copy.prepare("SELECT id, bytes FROM segments WHERE bytes > 0 ORDER BY id")?;
    let segments = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let segments: Vec<(i64, i64)> = segments.collect::<Result<_, _>>()?;
    if segments.is_empty() {
        return Ok(0);
    }
    create_folder(to)?;
    blobs::mark_owner(to, store)?;
    let mut total = 0;
    for (segment, bytes) in segments {
        let bytes = count(bytes)?;
        copy_segment(&segment_path(from, segment), &segment_path(to, segment), bytes)?;
        total += bytes;
    }
    sync_folder(to)?;
    Ok(total)
}

fn copy_segment(from: &Path, to: &Path, bytes: u64) -> Result<(), StoreError> {
    let source = File::open(from)
        .map_err(|error| StoreError::Damaged(format!("the messages in {}: {error}", from.display())))?;
    let failed = |error: &io::Error| at_file(to, error);
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|error| failed(&error))?;
    let copied = io::copy(&mut source.take(bytes), &mut target).map_err(|error| failed(&error))?;
    if copied != bytes {
        return Err(StoreError::Damaged(format!(
            "{} ends at byte {copied} and should reach to byte {bytes}",
            from.display()
        )));
    }
    target.sync_all().map_err(|error| failed(&error))
}

fn create_folder(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new().mode(0o700).create(folder).map_err(|error| at_file(folder, &error))
}

/// Returns the file's length.
fn sync_file(path: &Path) -> Result<u64, StoreError> {
    let file = File::open(path).map_err(|error| at_file(path, &error))?;
    file.sync_all().map_err(|error| at_file(path, &error))?;
    Ok(file.metadata().map_err(|error| at_file(path, &error))?.len())
}
