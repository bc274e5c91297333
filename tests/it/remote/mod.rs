//! Tests of this room, from outside.

mod conformance;
mod imap;
mod smtp;
mod world;
