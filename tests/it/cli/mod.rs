//! The real binary, as a person uses it, against mail servers on loopback.

mod documents;
mod exit_codes;
mod leaks;
mod office;
mod person;
mod refusals;
mod search;
mod story;
mod terminal;
