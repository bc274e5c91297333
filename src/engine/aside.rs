//! Work that blocks, beside the async threads: a few threads work a queue off, however many mailboxes ask at once.
//!
//! One thread for each would be hundreds, and each keeps a part of the heap for itself.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::model::limits;

type Work = Box<dyn FnOnce() + Send>;

struct Queue {
    waiting: VecDeque<Work>,
    /// Threads that work it off.
    working: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: VecDeque::new(), working: 0 });

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` beside the async threads. `None`: it panicked, or its runtime ended before.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let work = move || {
        // Nobody waits any more when the caller was cancelled.
        let _abandoned = reply.send(work());
    };
    if let Some(turn) = enqueue(Box::new(work)) {
        drop(tokio::task::spawn_blocking(move || turn.work_off()));
    }
    answer.await.ok()
}

/// A turn for one more thread, while there are few.
fn enqueue(work: Work) -> Option<Turn> {
    let mut queue = queue();
    queue.waiting.push_back(work);
    (queue.working < limits::SECRETS_OPENED_AT_ONCE).then(|| {
        queue.working += 1;
        Turn
    })
}

/// A thread that is to work the queue off. It is dropped without having begun when its runtime ends.
struct Turn;

impl Turn {
    fn work_off(self) {
        // From here on the end of the queue ends the turn.
        std::mem::forget(self);
        while let Some(work) = next() {
            // Whoever asked learns of a panic by the answer that does not come; the others are to have theirs.
            let _panicked = catch_unwind(AssertUnwindSafe(work));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        queue().working -= 1;
    }
}

/// `None`: there is none, and whoever asked works no more. Both at once, so that nothing is enqueued in between for a thread that ends.
fn next() -> Option<Work> {
    let mut queue = queue();
    let next = queue.waiting.pop_front();
    if next.is_none() {
        queue.working -= 1;
    }
    next
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
        assert!(threads.len() <= 4 * limits::SECRETS_OPENED_AT_ONCE, "{}", threads.len());
        assert_eq!(run(|| 1).await, Some(1));
    }
}
