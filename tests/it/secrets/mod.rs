//! Tests of this room, from outside.

mod age;
mod bundles;
