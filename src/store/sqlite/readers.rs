//! Connections for reading. Each read sees one moment of the store, whatever is written meanwhile.
//!
//! Reads that come while others go on wait in a queue, and whoever reads goes on with the next one: a thread is woken once for
//! many of them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::open::{self, Reading};
use crate::model::limits;
use crate::store::StoreError;

pub(super) struct Readers {
    pool: Arc<Pool>,
    turns: Semaphore,
}

/// Reads in the queue or answered, whose answers nobody has taken yet: a thousand at once would hold a thousand mailboxes.
const READS_AHEAD_MAX: usize = 16 * limits::STORE_READERS_MAX;

struct Pool {
    path: PathBuf,
    reading: Reading,
    idle: Mutex<Vec<Connection>>,
    queue: Mutex<Queue>,
}

/// Answers whoever asked by itself.
type Read = Box<dyn FnOnce(&Pool) + Send>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Read>,
    /// Threads that work it off.
    working: usize,
}

impl Readers {
    pub(super) fn new(path: PathBuf, reading: Reading) -> Self {
        let (idle, queue) = (Mutex::default(), Mutex::default());
        let pool = Arc::new(Pool { path, reading, idle, queue });
        Self { pool, turns: Semaphore::new(READS_AHEAD_MAX) }
    }

    /// Runs `body` off the async threads, in a transaction that only reads.
    pub(super) async fn run<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let stopped = |_closed| StoreError::Failed("its readers have stopped".to_owned());
        let _turn = self.turns.acquire().await.map_err(stopped)?;
        let (reply, answer) = oneshot::channel();
        let read = move |pool: &Pool| {
            // Nobody waits any more when the caller was cancelled.
            let _abandoned = reply.send(pool.read(body));
        };
        if self.pool.enqueue(Box::new(read)) == Onset::Another {
            let turn = Turn { pool: Some(Arc::clone(&self.pool)) };
            drop(tokio::task::spawn_blocking(move || turn.work_off()));
        }
        answer.await.map_err(|_panic| StoreError::Failed("reading was interrupted".to_owned()))?
    }
}

/// A thread that is to work the queue off. It is dropped without having begun when its runtime ends.
struct Turn {
    pool: Option<Arc<Pool>>,
}

impl Turn {
    fn work_off(mut self) {
        let Some(pool) = self.pool.take() else { return };
        while let Some(read) = pool.next() {
            // Whoever asked learns of a panic by the answer that does not come; the others are to have theirs.
            let _panicked = catch_unwind(AssertUnwindSafe(|| read(&pool)));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.queue().working -= 1;
        }
    }
}

/// Whether one more thread begins to work.
#[derive(PartialEq, Eq)]
enum Onset {
    Another,
    EnoughAtWork,
}

impl Pool {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, read: Read) -> Onset {
        let mut queue = self.queue();
        queue.waiting.push_back(read);
        if queue.working >= limits::STORE_READERS_MAX {
            return Onset::EnoughAtWork;
        }
        queue.working += 1;
        Onset::Another
    }

    /// The next read; `None`: there is none, and whoever asked works no more.
    fn next(&self) -> Option<Read> {
        let mut queue = self.queue();
        let next = queue.waiting.pop_front();
        if next.is_none() {
            queue.working -= 1;
        }
        next
    }

    fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => open::reader(&self.path, self.reading)?,
        };
        // Statements that are kept: to parse them takes as long as a read.
        db.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        let result = body(&db);
        if result.is_ok() {
            db.prepare_cached("COMMIT")?.execute([])?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        }
        // After an error the connection may be the reason; the next read opens another one.
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_panics_costs_no_reader_and_the_others_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (7)")
            .unwrap();
        let readers = Readers::new(path, Reading::Shared);
        let seven = |db: &Connection| Ok(db.query_row("SELECT x FROM t", [], |row| row.get::<_, i64>(0))?);
        for _ in 0..2 * limits::STORE_READERS_MAX {
            let broken = readers.run(|_| -> Result<(), StoreError> { panic!("a bug") });
            let (broken, read) = tokio::join!(broken, readers.run(seven));
            assert!(matches!(broken, Err(StoreError::Failed(_))));
            assert_eq!(read.unwrap(), 7);
        }
    }

    #[test]
    fn a_runtime_that_ends_takes_no_reader_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let readers = Readers::new(path, Reading::Shared);
        for _ in 0..2 * limits::STORE_READERS_MAX {
            assert!(readers.pool.enqueue(Box::new(|_| {})) == Onset::Another);
            drop(Turn { pool: Some(Arc::clone(&readers.pool)) });
        }
        assert_eq!(readers.pool.queue().working, 0);
    }
}
