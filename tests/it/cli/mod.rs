//! The real binary, as a person uses it, against mail servers on loopback.

mod leaks;
mod person;
mod search;
