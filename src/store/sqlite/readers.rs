//! Connections for reading. Each read sees one moment of the store, whatever is written meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open::{self, Reading};
use crate::model::limits;
use crate::store::StoreError;

pub(super) struct Readers {
    pool: Arc<Pool>,
    turns: Semaphore,
}

struct Pool {
    path: PathBuf,
    reading: Reading,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, reading: Reading) -> Self {
        let pool = Arc::new(Pool { path, reading, idle: Mutex::new(Vec::new()) });
        Self { pool, turns: Semaphore::new(limits::STORE_READERS_MAX) }
    }

    /// Runs `body` off the async threads, in a transaction that only reads.
    pub(super) async fn run<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let stopped = |_| StoreError::Failed("reading was interrupted".to_owned());
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|_closed| StoreError::Failed("its readers have stopped".to_owned()))?;
        let pool = Arc::clone(&self.pool);
        tokio::task::spawn_blocking(move || pool.read(body)).await.map_err(stopped)?
    }
}

impl Pool {
    fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => open::reader(&self.path, self.reading)?,
        };
        let moment = db.unchecked_transaction()?;
        let result = body(&moment);
        moment.finish()?;
        // After an error the connection may be the reason; the next read opens another one.
        if result.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        }
        result
    }
}
