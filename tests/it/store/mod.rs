//! Tests of the store, from outside: a conformance suite that every store has to pass, and what only SQLite has.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

mod conformance;
mod killed;
mod samples;
mod sqlite;
mod upkeep;
