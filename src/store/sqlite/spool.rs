//! Octets of a message that is too large to be held, while they arrive: in a file without a name beside the segments, which
//! is gone with the process, whatever ends it. The transaction that records the message copies them into a segment.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::errors::at_file;
use crate::model::record::{ContentHash, IncomingBatch, Octets, Spooled};
use crate::store::{Spool, StoreError, process};

/// Written in one go, off the async threads.
const WRITE_BYTES: usize = 1024 * 1024;

/// The open spools of one process, by their numbers.
#[derive(Default)]
pub(super) struct Spools {
    open: Mutex<(u64, BTreeMap<u64, Arc<File>>)>,
}

/// The files that the records of one batch name.
pub(super) type SpoolFiles = BTreeMap<u64, Arc<File>>;

impl Spools {
    fn enter(&self, file: &Arc<File>) -> u64 {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 += 1;
        let number = open.0;
        open.1.insert(number, Arc::clone(file));
        number
    }

    fn leave(&self, number: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&number);
    }

    pub(super) fn of(&self, batch: &IncomingBatch) -> Result<SpoolFiles, StoreError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = batch.records.iter().filter_map(|record| match &record.raw {
            Octets::Spooled(spooled) => Some(spooled.number),
            Octets::Held(_) | Octets::Missing => None,
        });
        let file = |number| match open.1.get(&number) {
            Some(file) => Ok((number, Arc::clone(file))),
            None => Err(StoreError::Failed(format!("the octets with number {number} are gone"))),
        };
        numbers.map(file).collect()
    }
}

/// One message.
pub(super) struct FileSpool {
    spools: Arc<Spools>,
    number: u64,
    file: Arc<File>,
    hasher: Box<blake3::Hasher>,
    /// Not yet written.
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    bytes: u64,
}

pub(super) fn open(spools: &Arc<Spools>, folder: &Path) -> Result<FileSpool, StoreError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(|error| at_file(folder, &error))?;
    let random = process::random_hex()
        .ok_or_else(|| StoreError::Failed("the system has no randomness to give".to_owned()))?;
    let path = folder.join(format!(".arriving-{random}"));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = Arc::new(file.map_err(|error| at_file(&path, &error))?);
    std::fs::remove_file(&path).map_err(|error| at_file(&path, &error))?;
    let number = spools.enter(&file);
    Ok(FileSpool {
        spools: Arc::clone(spools),
        number,
        file,
        hasher: Box::default(),
        waiting: Vec::new(),
        waiting_bytes: 0,
        bytes: 0,
    })
}

impl FileSpool {
    async fn flush(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (file, mut hasher) = (Arc::clone(&self.file), std::mem::take(&mut self.hasher));
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let written = tokio::task::spawn_blocking(move || {
            for octets in waiting {
                (&*file).write_all(&octets)?;
                hasher.update(&octets);
            }
            Ok(hasher)
        });
        let written = written.await.map_err(|_panic| interrupted())?;
        self.hasher = written.map_err(|error| at_file(Path::new("a message that arrives"), &error))?;
        Ok(())
    }
}

fn interrupted() -> StoreError {
    StoreError::Failed("taking in a large message was interrupted".to_owned())
}

#[async_trait]
impl Spool for FileSpool {
    async fn append(&mut self, octets: Bytes) -> Result<(), StoreError> {
        self.bytes += octets.len() as u64;
        self.waiting_bytes += octets.len();
        self.waiting.push(octets);
        if self.waiting_bytes >= WRITE_BYTES { self.flush().await } else { Ok(()) }
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    async fn beginning(&mut self, bytes_max: u64) -> Result<Bytes, StoreError> {
        self.flush().await?;
        let file = Arc::clone(&self.file);
        let length = usize::try_from(bytes_max.min(self.bytes)).map_err(|_| interrupted())?;
        let read = tokio::task::spawn_blocking(move || {
            let mut octets = vec![0; length];
            file.read_exact_at(&mut octets, 0).map(|()| octets)
        });
        let octets = read.await.map_err(|_panic| interrupted())?;
        octets.map(Bytes::from).map_err(|error| at_file(Path::new("a message that arrives"), &error))
    }

    async fn finish(&mut self) -> Result<(Spooled, ContentHash), StoreError> {
        self.flush().await?;
        let content = ContentHash(self.hasher.finalize().to_hex().to_string());
        Ok((Spooled { number: self.number, bytes: self.bytes }, content))
    }
}

impl Drop for FileSpool {
    fn drop(&mut self) {
        self.spools.leave(self.number);
    }
}
