//! The real binary, as a person uses it, against mail servers on loopback.

mod documents;
mod exit_codes;
mod leaks;
mod listings;
mod office;
mod person;
mod reference;
mod refusals;
mod search;
mod story;
mod terminal;
