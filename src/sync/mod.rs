//! Decisions of one mailbox: total functions on values.

mod again;
pub mod alerts;
pub mod canary;
pub mod classify;
pub mod dealt;
pub mod doctor;
pub mod entra;
pub mod exchange;
pub mod forwarded;
pub mod graph;
pub mod incoming;
pub mod known;
pub mod mass;
pub mod message;
pub mod mime;
pub mod outcome;
pub mod outgoing;
pub mod owed;
pub mod patience;
pub mod removal;
pub mod report;
#[cfg(test)]
mod samples;
pub mod schedule;
pub mod self_message;
mod stand_in;
pub mod transition;
