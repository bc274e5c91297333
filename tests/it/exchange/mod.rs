//! Exchange: the connector and the program against the playground, what both say against the vendor's schemas, and the
//! playground against a client that is not ours.

mod autodiscover;
mod claims;
mod deaths;
mod folders;
mod forwarding;
mod independent;
mod listening;
mod logins;
mod mailbox;
pub mod rebuilding;
mod schema;
mod scripted;
mod story;
mod tracking;
mod traps;
mod world;
