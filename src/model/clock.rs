//! Time as an argument.

use std::time::Duration;

use jiff::Timestamp;

/// Where the shell gets the time from. The one real clock is `engine::clock`.
pub trait Clock: Send + Sync {
    /// Wall-clock time: for what is stored and shown.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment of this process: for measuring how long a step took.
    fn elapsed(&self) -> Duration;
}
