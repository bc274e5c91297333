//! Connections for reading. Each read sees one moment of the store, whatever is written meanwhile.
//!
//! A few threads, each with a connection of its own, work a queue of reads off, however many ask at once: a thread that a runtime
//! lends out for each read would come and go, and hundreds of them would keep their stacks and their parts of the heap.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::open::{self, Reading};
use crate::model::limits;
use crate::store::StoreError;

/// The handle to the threads. Dropping it waits until they have ended.
pub(super) struct Readers {
    queue: Arc<Queue>,
    source: Source,
    turns: Semaphore,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Two at least, so that a short read need not wait for a long one; threads beyond the processors would only hold memory.
fn readers_max() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    processors.clamp(2, limits::STORE_READERS_MAX)
}

/// Reads in the queue or answered, whose answers nobody has taken yet: a thousand at once would hold a thousand mailboxes.
const READS_AHEAD_MAX: usize = 16 * limits::STORE_READERS_MAX;

/// Answers whoever asked by itself.
type Read = Box<dyn FnOnce(&mut Reader) + Send>;

#[derive(Clone)]
struct Source {
    path: PathBuf,
    reading: Reading,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    readers_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Read>,
    /// Threads that wait for a read.
    idle: usize,
    /// All threads.
    begun: usize,
    phase: Phase,
}

#[derive(Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Closing,
}

impl Readers {
    pub(super) fn new(path: PathBuf, reading: Reading) -> Self {
        Self {
            queue: Arc::new(Queue {
                state: Mutex::default(),
                changed: Condvar::new(),
                readers_max: readers_max(),
            }),
            source: Source { path, reading },
            turns: Semaphore::new(READS_AHEAD_MAX),
            threads: Mutex::default(),
        }
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
        let read = move |reader: &mut Reader| {
            // Nobody waits any more when the caller was cancelled.
            let _abandoned = reply.send(reader.read(body));
        };
        if self.queue.enqueue(Box::new(read)) == Onset::Another {
            self.begin()?;
        }
        answer.await.map_err(|_panic| StoreError::Failed("reading was interrupted".to_owned()))?
    }

    /// One more thread.
    fn begin(&self) -> Result<(), StoreError> {
        let (queue, source) = (Arc::clone(&self.queue), self.source.clone());
        let thread = std::thread::Builder::new()
            .name("store-reader".to_owned())
            .spawn(move || queue.work_off(&mut Reader { source, db: None }));
        match thread {
            Ok(thread) => {
                self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
                Ok(())
            }
            // The others read what waits.
            Err(error) if self.queue.has_readers_beside() => {
                drop(error);
                Ok(())
            }
            Err(error) => Err(StoreError::Failed(format!("cannot start a reader's thread: {error}"))),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _panicked = thread.join();
        }
    }
}

/// Whether one more thread begins to work.
#[derive(PartialEq, Eq)]
enum Onset {
    Another,
    EnoughAtWork,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, read: Read) -> Onset {
        let mut state = self.lock();
        state.waiting.push_back(read);
        // Whoever is woken takes a while until it is not idle any more.
        if state.waiting.len() <= state.idle {
            self.changed.notify_one();
            return Onset::EnoughAtWork;
        }
        if state.begun >= self.readers_max {
            return Onset::EnoughAtWork;
        }
        state.begun += 1;
        Onset::Another
    }

    /// A thread could not be started: whether there are others.
    fn has_readers_beside(&self) -> bool {
        let mut state = self.lock();
        state.begun -= 1;
        state.begun > 0
    }

    /// The next read, once there is one; `None`: there will be none any more.
    fn next(&self) -> Option<Read> {
        let mut state = self.lock();
        loop {
            if state.phase == Phase::Closing {
                return None;
            }
            if let Some(read) = state.waiting.pop_front() {
                return Some(read);
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn work_off(&self, reader: &mut Reader) {
        while let Some(read) = self.next() {
            // Whoever asked learns of a panic by the answer that does not come; the others are to have theirs.
            let _panicked = catch_unwind(AssertUnwindSafe(|| read(reader)));
        }
    }

    fn close(&self) {
        let mut state = self.lock();
        state.phase = Phase::Closing;
        // Who asked for them has stopped waiting.
        state.waiting.clear();
        self.changed.notify_all();
    }
}

/// What one thread reads with.
struct Reader {
    source: Source,
    /// `None`: none was opened yet, or the last one may be broken.
    db: Option<Connection>,
}

impl Reader {
    fn read<T>(&mut self, body: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // After an error, or a panic, the connection may be the reason; the next read opens another one.
        let db = match self.db.take() {
            Some(db) => db,
            None => open::reader(&self.source.path, self.source.reading)?,
        };
        // Statements that are kept: to parse them takes as long as a read.
        db.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        let answer = body(&db)?;
        db.prepare_cached("COMMIT")?.execute([])?;
        self.db = Some(db);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn readers(folder: &tempfile::TempDir) -> Readers {
        let path = folder.path().join("t.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (7)")
            .unwrap();
        Readers::new(path, Reading::Shared)
    }

    fn seven(db: &Connection) -> Result<i64, StoreError> {
        Ok(db.query_row("SELECT x FROM t", [], |row| row.get::<_, i64>(0))?)
    }

    #[tokio::test]
    async fn a_read_that_panics_costs_no_reader_and_the_others_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(&folder);
        for _ in 0..2 * limits::STORE_READERS_MAX {
            let broken = readers.run(|_| -> Result<(), StoreError> { panic!("a bug") });
            let (broken, read) = tokio::join!(broken, readers.run(seven));
            assert!(matches!(broken, Err(StoreError::Failed(_))));
            assert_eq!(read.unwrap(), 7);
        }
    }

    /// In bursts, because a thread that has just become free is easily overlooked.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_that_ask_at_once_are_answered_by_the_same_few_threads() {
        let folder = tempfile::tempdir().unwrap();
        let readers = Arc::new(readers(&folder));
        let mut threads = BTreeSet::new();
        for _ in 0..20 {
            let asked = (0..100).map(|_| {
                let readers = Arc::clone(&readers);
                tokio::spawn(async move {
                    let which = |db: &Connection| Ok((seven(db)?, std::thread::current().id()));
                    readers.run(which).await.unwrap()
                })
            });
            for one in asked.collect::<Vec<_>>() {
                let (seven, thread) = one.await.unwrap();
                assert_eq!(seven, 7);
                threads.insert(format!("{thread:?}"));
            }
        }
        assert!(threads.len() <= readers.queue.readers_max, "{threads:?}");
    }

    #[tokio::test]
    async fn readers_that_are_dropped_have_closed_their_connections() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(&folder);
        assert_eq!(readers.run(seven).await.unwrap(), 7);
        let queue = Arc::downgrade(&readers.queue);
        drop(readers);
        assert!(queue.upgrade().is_none(), "every thread has ended, and its connection with it");
    }
}
