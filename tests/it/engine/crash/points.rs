//! The moments at which a process can be made to die.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts every call of store and servers. At the fatal one the process ends as by SIGKILL: nothing is dropped, nothing
/// is rolled back, no buffer is flushed.
pub struct Points {
    reached: AtomicUsize,
    fatal: Option<usize>,
    names: Mutex<Vec<&'static str>>,
}

impl Points {
    /// Nobody dies; the moments are counted.
    pub fn counting() -> Self {
        Self { reached: AtomicUsize::new(0), fatal: None, names: Mutex::default() }
    }

    pub fn dying_at(point: usize) -> Self {
        Self { fatal: Some(point), ..Self::counting() }
    }

    pub fn reach(&self, name: &'static str) {
        let point = self.reached.fetch_add(1, Ordering::SeqCst);
        if self.fatal == Some(point) {
            std::process::abort();
        }
        self.names.lock().unwrap().push(name);
    }

    /// What was about to happen at each moment, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.names.lock().unwrap().clone()
    }
}
