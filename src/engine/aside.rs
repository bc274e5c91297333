//! Work that blocks, beside the async threads: a few threads work a queue off, however many mailboxes ask at once.
//!
//! One thread for each would be hundreds, and each keeps a part of the heap for itself. They are threads of their own: one that a
//! runtime lends out is overlooked just when it has become free, and another one begins.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::model::limits;

type Work = Box<dyn FnOnce() + Send>;

/// A thread for which there was nothing to do for so long ends.
const IDLE_MAX: Duration = Duration::from_secs(5);

struct Queue {
    waiting: VecDeque<Work>,
    /// Threads that wait for work.
    idle: usize,
    /// All threads.
    begun: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: VecDeque::new(), idle: 0, begun: 0 });
static ENQUEUED: Condvar = Condvar::new();

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` beside the async threads. `None`: it panicked.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let work = move || {
        // Nobody waits any more when the caller was cancelled.
        let _abandoned = reply.send(work());
    };
    if enqueue(Box::new(work)) == Onset::Another {
        let begun = std::thread::Builder::new().name("aside".to_owned()).spawn(work_off);
        // Without a thread, who asks works itself: it blocks, and everybody is answered.
        if begun.is_err() {
            work_off_what_waits();
        }
    }
    answer.await.ok()
}

/// Whether one more thread begins to work.
#[derive(PartialEq, Eq)]
enum Onset {
    Another,
    EnoughAtWork,
}

fn enqueue(work: Work) -> Onset {
    let mut queue = queue();
    queue.waiting.push_back(work);
    // Whoever is woken takes a while until it is not idle any more.
    if queue.waiting.len() <= queue.idle {
        ENQUEUED.notify_one();
        return Onset::EnoughAtWork;
    }
    if queue.begun >= limits::SECRETS_OPENED_AT_ONCE {
        return Onset::EnoughAtWork;
    }
    queue.begun += 1;
    Onset::Another
}

fn work_off() {
    while let Some(work) = next() {
        attempt(work);
    }
}

/// Whoever asked learns of a panic by the answer that does not come; the others are to have theirs.
fn attempt(work: Work) {
    let _panicked = catch_unwind(AssertUnwindSafe(work));
}

fn work_off_what_waits() {
    queue().begun -= 1;
    loop {
        let Some(work) = queue().waiting.pop_front() else { return };
        attempt(work);
    }
}

/// `None`: there was none for long, and whoever asked works no more. Both at once, so that nothing is enqueued in between for a
/// thread that ends.
fn next() -> Option<Work> {
    let mut queue = queue();
    loop {
        if let Some(work) = queue.waiting.pop_front() {
            return Some(work);
        }
        queue.idle += 1;
        let (woken, waited) = ENQUEUED.wait_timeout(queue, IDLE_MAX).unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.idle -= 1;
        if waited.timed_out() && queue.waiting.is_empty() {
            queue.begun -= 1;
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn many_that_ask_at_once_are_answered_by_few_threads_also_when_one_panics() {
        let asked = (0..500).map(|number| {
            tokio::spawn(run(move || {
                assert!(number % 50 != 7, "a bug");
                (number, std::thread::current().id())
            }))
        });
        let asked: Vec<_> = asked.collect();
        let mut threads = BTreeSet::new();
        for (number, one) in asked.into_iter().enumerate() {
            match one.await.unwrap() {
                Some((answered, thread)) => {
                    assert_eq!(answered, number);
                    threads.insert(format!("{thread:?}"));
                }
                None => assert_eq!(number % 50, 7),
            }
        }
        assert!(threads.len() <= limits::SECRETS_OPENED_AT_ONCE, "{}", threads.len());
        assert_eq!(run(|| 1).await, Some(1));
    }
}
