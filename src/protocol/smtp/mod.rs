//! Submitting messages: RFC 5321 and RFC 6409, with STARTTLS (3207), AUTH (4954), PIPELINING (2920), SIZE (1870),
//! 8BITMIME (6152), SMTPUTF8 (6531), CHUNKING (3030), DSN (3461) and enhanced status codes (2034, 3463).
//!
//! A session is a row of conversations: [`Hello`], [`StartTls`] and [`Hello`] again, [`Login`], then for each message
//! [`Envelope`], [`Delivery`] and, when it failed, [`Abandon`]; at the end [`Quit`]. They are apart because what a
//! lost connection means differs: before the final dot nobody has the message, behind it nobody knows.

mod command;
mod content;
mod delivery;
mod dsn;
mod envelope;
mod hello;
mod login;
mod recode;
mod reply;

pub use command::{Quit, StartTls};
pub(super) use content::with_crlf;
pub use content::{Content, Transfer};
pub use delivery::{Abandon, Aftermath, Delivery};
pub use envelope::{Envelope, Next, Verdict};
pub use hello::{Capabilities, Hello, SizeLimit, client_name};
pub use login::Login;
pub use reply::{Class, Reply};

#[cfg(test)]
mod transcript;

#[cfg(test)]
mod hostile;
