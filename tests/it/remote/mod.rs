//! Tests of this room, from outside.

mod smtp;
