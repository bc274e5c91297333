//! IMAP4rev1 and IMAP4rev2, the client's side (RFC 3501, RFC 9051), as far as reading an inbox needs it.
//!
//! Each function of this module makes one [`Conversation`](super::Conversation): [`greet()`] reads the greeting, every
//! other one is one command up to its tagged answer. Commands are encoded by `imap-codec`, whose types make
//! injection impossible. Responses are read by our own small reader, because a decoder that follows the grammar
//! refuses what servers in the wild send (NUL in a message, for one), wants a whole response in one piece of memory,
//! and would have to be called again for each piece of a large message. Untagged responses that nobody asked for are
//! skipped, as RFC 3501 section 7 demands.

mod authenticate;
mod capability;
mod command;
mod delete;
mod exchange;
mod fetch;
mod fetch_each;
mod fetch_line;
mod greet;
mod idle;
mod inbox;
mod list;
mod notice;
mod reader;
mod refusal;
mod response;
mod search;
#[cfg(test)]
mod transcript;
mod uid_set;

pub use authenticate::{LoginWay, authenticate, choose_login, login, ways_to_log_in};
pub use capability::{Capabilities, ask_capabilities};
pub use command::{Tag, Tags};
pub use delete::{expunge, flag_deleted, logout};
pub use fetch::{Answered, FetchOutcome, Missing, fetch};
pub use fetch_each::FetchEach;
pub use greet::{Greeted, Numbering, SessionState, greet, start_tls};
pub use idle::{Idle, Idled, idle};
pub use inbox::{Access, Opened, open_inbox};
pub use list::list_from;
pub use notice::{Notice, notice};
pub use search::{Found, Searching, search_since};
pub use uid_set::uid_sets;
