//! Tests of this room, from outside.

mod conformance;
mod directory;
mod errors;
mod faults;
mod imap;
mod oauth2;
mod policies;
mod refusals;
mod smtp;
mod world;
