//! The nouns. Whatever is stored, or passed between two rooms, lives here and knows nothing of either.
//!
//! Nothing in this room does I/O, reads a clock, an environment or a source of randomness.

pub mod alert;
pub mod approval;
pub mod certificate;
pub mod claim;
pub mod clock;
pub mod cloud;
pub mod content;
pub mod cursor;
pub mod desired;
pub mod discovered;
pub mod event;
pub mod examination;
pub mod explanation;
pub mod failure;
pub mod footing;
pub mod forwarding;
pub mod host;
pub mod lease;
pub mod ledger;
pub mod likeness;
pub mod limits;
pub mod mailbox;
pub mod name;
pub mod operation;
pub mod organization;
pub mod outbox;
pub mod pending;
pub mod plan;
pub mod problem;
pub mod profile;
pub mod record;
pub mod report;
pub mod retirement;
pub mod revision;
pub mod secret;
pub mod selection;
pub mod server;
pub mod stored;
