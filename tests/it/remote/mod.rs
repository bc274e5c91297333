//! Tests of this room, from outside.

mod conformance;
mod errors;
mod faults;
mod imap;
mod smtp;
mod world;
