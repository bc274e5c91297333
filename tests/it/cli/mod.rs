//! The real binary, as a person uses it, against mail servers on loopback.

mod applying;
mod cases;
mod doctoring;
mod documents;
mod exit_codes;
mod hostile;
mod leaks;
mod limits;
mod lint;
mod listings;
mod masks;
mod messages;
mod office;
mod outbox;
pub mod person;
mod reference;
mod refusals;
mod robust;
mod search;
mod secrets;
mod story;
mod terminal;
mod tutorial;
