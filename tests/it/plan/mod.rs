//! Tests of this room, from outside.

mod generate;
mod golden;
mod guards;
mod laws;
mod operations;
mod saved;
mod secrets;
mod selected;
