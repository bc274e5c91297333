//! Tests of this room, from outside.

mod imap;
mod smtp;
