//! The one thread that writes. Jobs that wait while it works share the next transaction, and so one wait for the
//! disk; each has a savepoint of its own, so that a refused one takes nobody else along.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::blobs::Appender;
use super::errors::meaning;
use crate::model::limits;
use crate::store::StoreError;

/// What a job may touch, inside a transaction.
pub(super) struct Work<'a> {
    pub(super) db: &'a Connection,
    pub(super) blobs: &'a mut Appender,
}

/// One write. It may run more than once: the runs before the last one were rolled back.
trait Job: Send {
    /// Keeps its result to itself; says whether its writes are to be kept.
    fn run(&mut self, work: &mut Work<'_>) -> Verdict;
    /// The transaction is durable, or failed: tells whoever waits.
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    Undo,
}

/// A job with its answer.
struct Typed<T, F> {
    body: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Typed<T, F>
where
    T: Send,
    F: Fn(&mut Work<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, work: &mut Work<'_>) -> Verdict {
        let result = catch_unwind(AssertUnwindSafe(|| (self.body)(work)));
        let result = result.unwrap_or_else(|_panic| {
            Err(StoreError::Failed("internal error while writing; nothing was written".to_owned()))
        });
        let verdict = if result.is_ok() { Verdict::Keep } else { Verdict::Undo };
        self.result = Some(result);
        verdict
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { body, result, reply } = *self;
        // What was written may be large, and whoever waits may at once ask for the next of its size.
        drop(body);
        let result = match (result, committed) {
            // A refusal is a refusal, whatever became of the transaction.
            (Some(Err(refused)), _) => Err(refused),
            (_, Err(failed)) => Err(failed),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(stopped()),
        };
        // Nobody waits any more when the caller was cancelled; the write stands all the same.
        let _abandoned = reply.send(result);
    }
}

/// The handle to the thread. Dropping it waits until everything handed in is written.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Connection, blobs: Appender) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(4 * limits::STORE_GROUP_WRITES_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work_off(&db, blobs, waiting))
            .map_err(|error| StoreError::Failed(format!("cannot start the writer's thread: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `body` in a write transaction; returns once that is durable.
    pub(super) async fn run<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Work<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        let job = Box::new(Typed { body, result: None, reply });
        jobs.send(job).await.map_err(|_closed| stopped())?;
        answer.await.map_err(|_dropped| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("its writer has stopped".to_owned())
}

fn work_off(db: &Connection, mut blobs: Appender, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < limits::STORE_GROUP_WRITES_MAX
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        write_group(db, &mut blobs, group);
    }
}

fn write_group(db: &Connection, blobs: &mut Appender, mut group: Vec<Box<dyn Job>>) {
    if let Err(error) = db.execute_batch("BEGIN IMMEDIATE") {
        // Nobody got anywhere; waiting once more for each of them would only take longer.
        group.into_iter().for_each(|job| job.settle(Err(meaning(&error))));
        return;
    }
    let committed = match group.as_mut_slice() {
        [alone] => run_alone(db, blobs, alone.as_mut()),
        together => run_all(db, blobs, together).and_then(|()| commit(db, blobs)),
    };
    blobs.forget();
    if committed.is_err() && !db.is_autocommit() {
        // It fails only when SQLite has rolled back by itself.
        let _rolled_back = db.execute_batch("ROLLBACK");
    }
    match committed {
        Err(_) if group.len() > 1 => {
            // One of them may be to blame, for example by its size: each on its own.
            group.into_iter().for_each(|job| write_group(db, blobs, vec![job]));
        }
        Err(error) => settle_one(group, error),
        Ok(()) => group.into_iter().for_each(|job| job.settle(Ok(()))),
    }
}

fn settle_one(group: Vec<Box<dyn Job>>, error: StoreError) {
    if let Some(job) = group.into_iter().next() {
        job.settle(Err(error));
    }
}

/// Runs a job that nobody shares the transaction with. It needs no savepoint, which would copy every page that it changes.
fn run_alone(db: &Connection, blobs: &mut Appender, job: &mut dyn Job) -> Result<(), StoreError> {
    let verdict = job.run(&mut Work { db, blobs });
    if db.is_autocommit() {
        return Err(StoreError::Failed("the transaction was rolled back".to_owned()));
    }
    match verdict {
        Verdict::Keep => {
            blobs.keep(db)?;
            commit(db, blobs)
        }
        Verdict::Undo => Ok(db.execute_batch("ROLLBACK")?),
    }
}

/// Runs each job under a savepoint. An error means that the whole transaction is lost.
fn run_all(db: &Connection, blobs: &mut Appender, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    for job in group {
        // Statements that are kept: to parse them takes as long as a small write.
        db.prepare_cached("SAVEPOINT job")?.execute([])?;
        let verdict = job.run(&mut Work { db, blobs });
        if db.is_autocommit() {
            return Err(StoreError::Failed("the transaction was rolled back".to_owned()));
        }
        match verdict {
            Verdict::Keep => {
                blobs.keep(db)?;
                db.prepare_cached("RELEASE job")?.execute([])?;
            }
            Verdict::Undo => {
                blobs.undo();
                db.execute_batch("ROLLBACK TO job; RELEASE job")?;
            }
        }
    }
    Ok(())
}

fn commit(db: &Connection, blobs: &mut Appender) -> Result<(), StoreError> {
    blobs.sync()?;
    db.execute_batch("COMMIT")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rows(db: &Connection) -> i64 {
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    fn fill(bytes: usize) -> impl Fn(&mut Work<'_>) -> Result<(), StoreError> {
        move |work| {
            work.db.execute("INSERT INTO t VALUES (zeroblob(?1))", [bytes.to_string()])?;
            Ok(())
        }
    }

    /// A writer on a database that may have 20 pages, and another connection to look.
    fn small_disk() -> (Writer, Connection, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (x); PRAGMA max_page_count = 20;")
            .unwrap();
        let look = Connection::open(&path).unwrap();
        let appender = Appender::new(folder.path().join("blobs"), "store".to_owned());
        (Writer::start(db, appender).unwrap(), look, folder)
    }

    #[tokio::test]
    async fn a_full_disk_refuses_the_large_write_and_no_other() {
        let (writer, look, _folder) = small_disk();
        let (small, large, last) =
            tokio::join!(writer.run(fill(10)), writer.run(fill(1_000_000)), writer.run(fill(10)));
        assert!(matches!(large, Err(StoreError::Full)), "{large:?}");
        small.unwrap();
        last.unwrap();
        writer.run(fill(10)).await.unwrap();
        assert_eq!(rows(&look), 3);
    }

    #[tokio::test]
    async fn a_job_that_panics_is_undone_and_the_next_one_works() {
        let (writer, look, _folder) = small_disk();
        let broken = writer
            .run(|work| -> Result<(), StoreError> {
                work.db.execute("INSERT INTO t VALUES (1)", [])?;
                panic!("a bug");
            })
            .await;
        assert!(matches!(broken, Err(StoreError::Failed(_))));
        writer.run(fill(10)).await.unwrap();
        assert_eq!(rows(&look), 1);
    }

    #[tokio::test]
    async fn a_write_beside_one_that_does_not_end_says_that_it_is_locked_out() {
        let (writer, look, _folder) = small_disk();
        writer.run(|work| Ok(work.db.busy_timeout(Duration::ZERO)?)).await.unwrap();
        look.execute_batch("BEGIN IMMEDIATE").unwrap();
        let locked = writer.run(fill(10)).await;
        assert!(matches!(locked, Err(StoreError::Locked { holder: None, since: None })), "{locked:?}");
    }

    #[tokio::test]
    async fn what_was_handed_in_is_written_before_the_writer_stops() {
        let (writer, look, _folder) = small_disk();
        let mut abandoned = Box::pin(writer.run(fill(10)));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(Future::poll(abandoned.as_mut(), context).is_pending())
        });
        polled.await;
        drop(abandoned);
        drop(writer);
        assert_eq!(rows(&look), 1);
    }
}
