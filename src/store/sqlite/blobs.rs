//! Blobs: the octets of messages, in append-only segment files beside the database, named by their BLAKE3.
//!
//! The database says how far each segment is committed. Appends happen inside a write transaction, which only one
//! process can have at a time; so whoever appends may first cut off what a crashed or refused write left behind.
//! The files are synced before the transaction commits: a row never names octets that are not durable.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{count, whole};
use super::errors::at_file;
use super::pieces::{self, Source};
use crate::model::limits;
use crate::model::record::ContentHash;
use crate::store::StoreError;

/// Says in the blob folder which store it belongs to, so that two databases never write into one folder.
const OWNER_FILE: &str = "store-id";

/// Appends the blobs of one transaction.
pub(super) struct Appender {
    folder: PathBuf,
    store: String,
    segment_bytes_max: u64,
    folder_checked: bool,
    names: Names,
    /// Where the present job goes on to write. `None`: it has not written.
    end: Option<Place>,
    /// The segments that the present transaction wrote to.
    written: BTreeMap<i64, File>,
}

/// What became of octets that were put, with the number of their row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    New(i64),
    /// They were there already.
    Known(i64),
}

impl Put {
    pub(super) fn blob(self) -> i64 {
        match self {
            Self::New(blob) | Self::Known(blob) => blob,
        }
    }
}

/// Whether a power failure could take away the name of a segment.
enum Names {
    Durable,
    New,
}

/// Where octets are to be written.
#[derive(Clone, Copy)]
struct Place {
    segment: i64,
    start: u64,
}

/// Where octets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub segment: i64,
    pub start: u64,
    pub length: u64,
}

impl Appender {
    pub(super) fn new(folder: PathBuf, store: String) -> Self {
        Self {
            folder,
            store,
            segment_bytes_max: limits::BLOB_SEGMENT_BYTES,
            folder_checked: false,
            names: Names::Durable,
            end: None,
            written: BTreeMap::new(),
        }
    }

    /// Writes the octets unless they are there already. `db` is inside a write transaction. `content` is their hash: whoever
    /// hands them in has computed it, and it is verified whenever they are read.
    pub(super) fn put(
        &mut self,
        db: &Connection,
        content: &ContentHash,
        raw: &[u8],
    ) -> Result<Put, StoreError> {
        debug_assert_eq!(ContentHash::of(raw), *content);
        let whole = 0..raw.len() as u64;
        self.append(db, content, (Source::Held(raw), std::slice::from_ref(&whole)))
    }

    /// Writes these ranges of the octets, one behind the other, and names what was written.
    pub(super) fn append(
        &mut self,
        db: &Connection,
        content: &ContentHash,
        (source, ranges): (Source<'_>, &[Range<u64>]),
    ) -> Result<Put, StoreError> {
        if let Some((blob, _)) = find(db, content)? {
            return Ok(Put::Known(blob));
        }
        let place = self.place(db)?;
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        let blob = self.name(db, content, (place, bytes))?;
        let mut end = place.start;
        for range in ranges {
            source.each(range.clone(), |octets| {
                self.write_at(Place { start: end, ..place }, octets)?;
                end += octets.len() as u64;
                Ok(())
            })?;
        }
        Ok(Put::New(blob))
    }

    /// A job of the present transaction has ended well: says in the database how far it has written.
    pub(super) fn keep(&mut self, db: &Connection) -> Result<(), StoreError> {
        if let Some(Place { segment, start }) = self.end.take() {
            let sql = "UPDATE segments SET bytes = ?2 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![segment, whole(start)])?;
        }
        Ok(())
    }

    /// A job of the present transaction was undone: the next one writes over what it has written.
    pub(super) fn undo(&mut self) {
        self.end = None;
    }

    /// Makes everything durable that was written since the last call. Called right before the commit, after [`Self::keep`].
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.written.is_empty() {
            return Ok(());
        }
        for (segment, file) in &self.written {
            file.sync_data().map_err(|error| at_file(&segment_path(&self.folder, *segment), &error))?;
        }
        self.written.clear();
        match std::mem::replace(&mut self.names, Names::Durable) {
            Names::Durable => Ok(()),
            Names::New => sync_folder(&self.folder),
        }
    }

    /// Forgets the files of a transaction that was rolled back.
    pub(super) fn forget(&mut self) {
        self.end = None;
        self.written.clear();
    }

    /// A row for the blob, which has none yet.
    fn name(
        &mut self,
        db: &Connection,
        content: &ContentHash,
        (place, length): (Place, u64),
    ) -> Result<i64, StoreError> {
        let sql = "INSERT INTO blobs (hash, segment, start, length) VALUES (?1, ?2, ?3, ?4)";
        let values = params![content.0, place.segment, whole(place.start), whole(length)];
        db.prepare_cached(sql)?.execute(values)?;
        self.end = Some(Place { start: place.start + length, ..place });
        Ok(db.last_insert_rowid())
    }

    /// The segment to write to, and its end, committed or of this transaction.
    fn place(&mut self, db: &Connection) -> Result<Place, StoreError> {
        self.check_folder()?;
        let last = match self.end {
            Some(end) => Some(end),
            None => last_place(db)?,
        };
        let segment = match last {
            Some(place) if place.start < self.segment_bytes_max => return Ok(place),
            Some(full) => full.segment + 1,
            None => 1,
        };
        self.keep(db)?;
        db.prepare_cached("INSERT INTO segments (id, bytes) VALUES (?1, 0)")?.execute([segment])?;
        Ok(Place { segment, start: 0 })
    }

    fn write_at(&mut self, Place { segment, start }: Place, raw: &[u8]) -> Result<(), StoreError> {
        let path = || segment_path(&self.folder, segment);
        let file = match self.written.entry(segment) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                if start == 0 {
                    self.names = Names::New;
                }
                entry.insert(open_at(&path(), start)?)
            }
        };
        file.write_all_at(raw, start).map_err(|error| at_file(&path(), &error))
    }

    /// Creates the folder on the first append, and makes sure that it is this store's.
    fn check_folder(&mut self) -> Result<(), StoreError> {
        if self.folder_checked {
            return Ok(());
        }
        let failed = |error: &io::Error| at_file(&self.folder, error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| failed(&error))?;
        let path = self.folder.join(OWNER_FILE);
        let owner = read_owner(&path).map_err(|error| at_file(&path, &error))?;
        if owner.is_empty() {
            write_owner(&path, &self.store).map_err(|error| at_file(&path, &error))?;
            sync_folder(&self.folder)?;
            sync_folder(self.folder.parent().unwrap_or(Path::new("/")))?;
        } else if owner != self.store {
            return Err(StoreError::Failed(format!(
                "{} belongs to store {owner} and this is store {}; put this store into a folder of its own",
                self.folder.display(),
                self.store
            )));
        }
        self.folder_checked = true;
        Ok(())
    }
}

/// The end of the last segment, as the database has it.
fn last_place(db: &Connection) -> Result<Option<Place>, StoreError> {
    let last: Option<(i64, i64)> = db
        .prepare_cached("SELECT id, bytes FROM segments ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((segment, bytes)) = last else { return Ok(None) };
    Ok(Some(Place { segment, start: count(bytes)? }))
}

/// The octets of a blob, or of a part of one, in their order.
pub(super) fn extents(db: &Connection, content: &ContentHash) -> Result<Option<Vec<Extent>>, StoreError> {
    let Some((blob, own)) = find(db, content)? else { return Ok(None) };
    Ok(Some(pieces::assembled(own, &pieces::of(db, blob)?)))
}

/// Reads a blob and verifies its octets. `None`: there is none.
pub(super) fn read(
    db: &Connection,
    folder: &Path,
    content: &ContentHash,
) -> Result<Option<Bytes>, StoreError> {
    let Some(extents) = extents(db, content)? else { return Ok(None) };
    let raw = read_range(folder, content, &extents, 0..u64::MAX)?;
    if ContentHash::of(&raw) != *content {
        let places: Vec<String> = extents.iter().map(|extent| place_words(folder, extent)).collect();
        return Err(damaged(content, format!("{} holds something else", places.join(" or "))));
    }
    Ok(Some(Bytes::from(raw)))
}

/// A part of a blob, which alone cannot be verified. Beyond its end there is nothing.
pub(super) fn read_part(
    db: &Connection,
    folder: &Path,
    content: &ContentHash,
    range: Range<u64>,
) -> Result<Option<Bytes>, StoreError> {
    let Some(extents) = extents(db, content)? else { return Ok(None) };
    Ok(Some(Bytes::from(read_range(folder, content, &extents, range)?)))
}

fn read_range(
    folder: &Path,
    content: &ContentHash,
    extents: &[Extent],
    range: Range<u64>,
) -> Result<Vec<u8>, StoreError> {
    let whole = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.length));
    if whole > limits::RECEIVED_BYTES_MAX {
        return Err(damaged(content, format!("its length of {whole} is impossible")));
    }
    let wanted = range.start.min(whole)..range.end.min(whole);
    let length = wanted.end.saturating_sub(wanted.start);
    let mut raw = vec![0; usize::try_from(length).map_err(|error| damaged(content, error.to_string()))?];
    let (mut rest, mut before) = (raw.as_mut_slice(), 0);
    for extent in extents {
        let (from, to) = (wanted.start.max(before), wanted.end.min(before + extent.length));
        let start = extent.start + from.saturating_sub(before);
        before += extent.length;
        let Some(length) = to.checked_sub(from).and_then(|length| usize::try_from(length).ok()) else {
            continue;
        };
        let (part, after) = rest.split_at_mut(length);
        rest = after;
        let path = segment_path(folder, extent.segment);
        let file =
            File::open(&path).map_err(|error| damaged(content, format!("{}: {error}", path.display())))?;
        let read = file.read_exact_at(part, start);
        read.map_err(|error| damaged(content, format!("{} at byte {start}: {error}", path.display())))?;
    }
    Ok(raw)
}

fn damaged(content: &ContentHash, words: String) -> StoreError {
    StoreError::Damaged(format!("blob {}: {words}", content.0))
}

fn place_words(folder: &Path, extent: &Extent) -> String {
    format!("{} at byte {}", segment_path(folder, extent.segment).display(), extent.start)
}

/// The number of a blob, and where it is.
pub(super) fn find(db: &Connection, content: &ContentHash) -> Result<Option<(i64, Extent)>, StoreError> {
    // The index holds the beginning of each hash only.
    let sql = "SELECT id, segment, start, length FROM blobs WHERE substr(hash, 1, 12) = substr(?1, 1, 12) AND hash = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([&content.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let extent = Extent { segment: row.get(1)?, start: count(row.get(2)?)?, length: count(row.get(3)?)? };
    Ok(Some((row.get(0)?, extent)))
}

pub(super) fn segment_path(folder: &Path, segment: i64) -> PathBuf {
    folder.join(format!("{segment:06}.seg"))
}

/// Opens a segment whose octets before `start` are committed, and cuts off what a crashed or refused write left behind them.
fn open_at(path: &Path, start: u64) -> Result<File, StoreError> {
    let file = open_segment(path).map_err(|error| at_file(path, &error))?;
    let length = file.metadata().map_err(|error| at_file(path, &error))?.len();
    if length < start {
        return Err(StoreError::Damaged(format!(
            "{} ends at byte {length} and should reach to byte {start}",
            path.display()
        )));
    }
    if length > start {
        file.set_len(start).map_err(|error| at_file(path, &error))?;
    }
    Ok(file)
}

fn open_segment(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn read_owner(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    match File::open(path) {
        // An owner is 32 digits; a longer file is not ours and differs from any store.
        Ok(file) => file.take(64).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(text.trim().to_owned())
}

/// Says in a folder of copied segments which store they belong to.
pub(super) fn mark_owner(folder: &Path, store: &str) -> Result<(), StoreError> {
    let path = folder.join(OWNER_FILE);
    write_owner(&path, store).map_err(|error| at_file(&path, &error))
}

fn write_owner(path: &Path, store: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(store.as_bytes())?;
    file.sync_all()
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| at_file(folder, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        super::super::open::schema(&db);
        db
    }

    #[test]
    fn a_full_segment_is_followed_by_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let db = database();
        let mut blobs = Appender::new(folder.path().to_owned(), "store".to_owned());
        blobs.segment_bytes_max = 10;
        let texts = ["aaaaaa", "bbbbbb", "cccccc", "aaaaaa"];
        for text in texts {
            blobs.put(&db, &ContentHash::of(text.as_bytes()), text.as_bytes()).unwrap();
        }
        blobs.keep(&db).unwrap();
        blobs.sync().unwrap();
        let segment = |id| std::fs::read(segment_path(folder.path(), id)).unwrap();
        assert_eq!((segment(1), segment(2)), (b"aaaaaabbbbbb".to_vec(), b"cccccc".to_vec()));
        for text in texts {
            let raw = read(&db, folder.path(), &ContentHash::of(text.as_bytes())).unwrap();
            assert_eq!(raw.unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn octets_of_a_transaction_that_was_rolled_back_are_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let db = database();
        let mut blobs = Appender::new(folder.path().to_owned(), "store".to_owned());
        blobs.segment_bytes_max = 10;
        for text in ["first", "a much longer one"] {
            db.execute_batch("BEGIN").unwrap();
            blobs.put(&db, &ContentHash::of(text.as_bytes()), text.as_bytes()).unwrap();
            db.execute_batch("ROLLBACK").unwrap();
            blobs.forget();
        }
        blobs.put(&db, &ContentHash::of(b"kept"), b"kept").unwrap();
        assert_eq!(std::fs::read(segment_path(folder.path(), 1)).unwrap(), b"kept");
    }

    #[test]
    fn octets_of_a_job_that_was_undone_are_overwritten_and_those_of_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let db = database();
        let mut blobs = Appender::new(folder.path().to_owned(), "store".to_owned());
        blobs.segment_bytes_max = 10;
        let put = |blobs: &mut Appender, text: &str| {
            blobs.put(&db, &ContentHash::of(text.as_bytes()), text.as_bytes()).unwrap()
        };
        db.execute_batch("BEGIN").unwrap();
        assert_eq!(put(&mut blobs, "first"), Put::New(1));
        blobs.keep(&db).unwrap();
        db.execute_batch("SAVEPOINT job").unwrap();
        put(&mut blobs, "a much longer one");
        put(&mut blobs, "in a segment of its own");
        db.execute_batch("ROLLBACK TO job; RELEASE job").unwrap();
        blobs.undo();
        assert_eq!((put(&mut blobs, "last"), put(&mut blobs, "first")), (Put::New(2), Put::Known(1)));
        blobs.keep(&db).unwrap();
        db.execute_batch("COMMIT").unwrap();
        blobs.forget();
        for text in ["first", "last"] {
            let raw = read(&db, folder.path(), &ContentHash::of(text.as_bytes())).unwrap();
            assert_eq!(raw.unwrap(), text.as_bytes());
        }
        let end = last_place(&db).unwrap().unwrap();
        assert_eq!((end.segment, end.start), (1, 9));
    }
}
