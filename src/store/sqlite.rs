//! The embedded store: one SQLite database in WAL mode, and the octets of messages in files beside it.
//!
//! Several processes use one store at the same time. Within each, one thread writes and a few connections read;
//! between them, SQLite's write lock and the leases keep order.

mod alerts;
mod approvals;
mod backup;
mod blobs;
mod categories;
mod claims;
mod columns;
mod commit;
mod cycle;
mod declaration;
mod declared;
mod discovered;
mod door;
mod errors;
mod footings;
mod forward_rules;
mod incoming;
mod lease;
mod mailbox;
mod messages;
mod open;
mod outbox;
mod outgoing;
mod owed;
mod pieces;
mod readers;
mod received_back;
mod report;
mod revision;
mod runs;
mod secrets;
mod set_aside;
mod spool;
mod sync_states;
mod upkeep;
mod versions;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

pub use self::open::{Open, new_id};
pub use super::process::{holder, person};

use self::blobs::Appender;
use self::open::Reading;
use self::readers::Readers;
use self::spool::Spools;
use self::writer::{Work, Writer};
use super::StoreError;
use super::report::Standing;
use super::upkeep::Copied;
use crate::model::lease::LeaseScope;
use crate::model::revision::StoreId;

/// A store in one file, `state.db` by default, and the folder `blobs` beside it.
pub struct SqliteStore {
    blobs: PathBuf,
    spools: Arc<Spools>,
    // Dropped before the writer, whose connection then is the last one and clears the write-ahead log away.
    readers: Readers,
    access: Access,
}

enum Access {
    ReadOnly,
    ReadWrite(Writer),
}

impl SqliteStore {
    /// Opens the store at `path`. Files are created for their owner only (0600, folders 0700).
    ///
    /// Blocks for a moment; waits while another process creates or migrates the same store.
    pub fn open(path: &Path, mode: Open) -> Result<Self, StoreError> {
        Self::open_as(path, mode, None)
    }

    /// The same; a store that is created gets this identity. One that is there keeps its own.
    pub fn open_as(path: &Path, mode: Open, id: Option<&StoreId>) -> Result<Self, StoreError> {
        let blobs = open::folder_of(path).join("blobs");
        let (access, reading) = match mode {
            Open::ReadOnly => (Access::ReadOnly, open::reading(path)?),
            Open::Existing | Open::CreateIfMissing => {
                let db = open::writer(path, mode, id)?;
                let id = declared::store_id(&db)?;
                let appender = Appender::new(blobs.clone(), id.0);
                (Access::ReadWrite(Writer::start(db, appender)?), Reading::Shared)
            }
        };
        Ok(Self { blobs, spools: Arc::default(), readers: Readers::new(path.to_owned(), reading), access })
    }

    /// Puts the copy that [`crate::store::upkeep::Upkeep::back_up`] wrote into `folder` in the place of a store that is gone.
    pub fn restore(folder: &Path, path: &Path, now: Timestamp) -> Result<Copied, StoreError> {
        backup::restore(folder, path, now)
    }

    async fn read<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(body).await
    }

    async fn write<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Work<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        match &self.access {
            Access::ReadWrite(writer) => match writer.run(body).await {
                Err(StoreError::Locked { .. }) => Err(self.locked().await),
                done => done,
            },
            Access::ReadOnly => Err(StoreError::ReadOnly("it was opened for reading".to_owned())),
        }
    }

    /// That somebody else keeps on writing, with the name of whoever may do so for that long.
    async fn locked(&self) -> StoreError {
        let holding = self.read(|db| lease::find(db, &LeaseScope::State)).await.ok().flatten();
        let holding = holding.filter(|found| found.standing == Standing::Held);
        let (holder, since) = holding.map_or((None, None), |found| (Some(found.holder), found.since));
        StoreError::Locked { holder: holder.map(Box::new), since }
    }
}
