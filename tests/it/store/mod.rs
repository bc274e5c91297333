//! Tests of the store, from outside: a conformance suite that every store has to pass, and what only SQLite has.

mod conformance;
mod samples;
mod sqlite;
