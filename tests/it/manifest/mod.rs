//! Tests of this room, from outside.
