//! How a playground is set up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::clock::Clock;
use crate::model::limits::PLAYGROUND_MESSAGE_BYTES_MAX;
use crate::model::secret::Secret;

/// One of the three protocols; each is served in the clear and over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Pop3,
    Imap,
    Smtp,
}

/// Everything that is fixed when the servers start.
#[derive(Clone)]
pub struct Options {
    pub address: IpAddr,
    /// Names and IP addresses the certificate is issued for; the first is what the servers call themselves.
    pub host_names: Vec<String>,
    pub certificate: Certificate,
    pub users: Vec<User>,
    pub clear_logins: ClearLogins,
    pub pop3_sessions: Pop3Sessions,
    pub relay: Relay,
    pub senders: Senders,
    pub extensions: Extensions,
    /// Who may work in the mailboxes of others over Exchange Web Services.
    pub impersonation: Impersonation,
    /// Who gets access tokens. With any, there is a token endpoint, and OAUTHBEARER and XOAUTH2 are offered.
    pub token_clients: Vec<TokenClient>,
    /// The largest message SMTP and IMAP APPEND accept, in bytes.
    pub message_bytes_max: usize,
    /// Stamps deliveries. The default is no real clock: it starts at 2026-11-01 and moves one second per look.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            host_names: vec![String::from("localhost"), String::from("127.0.0.1")],
            certificate: Certificate::Good,
            users: Vec::new(),
            clear_logins: ClearLogins::Refused,
            pop3_sessions: Pop3Sessions::Shared,
            relay: Relay::Authenticated,
            senders: Senders::Any,
            extensions: Extensions::Usual,
            impersonation: Impersonation::Nobody,
            token_clients: Vec::new(),
            message_bytes_max: PLAYGROUND_MESSAGE_BYTES_MAX,
            clock: Arc::new(CountingClock::default()),
        }
    }
}

/// A local mailbox and its login.
pub struct User {
    pub address: String,
    /// Further addresses that are delivered here and may be sent from.
    pub aliases: Vec<String>,
    pub username: String,
    pub password: Secret<String>,
}

impl User {
    pub fn new(address: &str, username: &str, password: &str) -> Self {
        Self {
            address: address.to_owned(),
            aliases: Vec::new(),
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        }
    }

    pub fn with_alias(mut self, alias: &str) -> Self {
        self.aliases.push(alias.to_owned());
        self
    }
}

impl Clone for User {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            aliases: self.aliases.clone(),
            username: self.username.clone(),
            password: Secret::new(self.password.expose().clone()),
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({} as {})", self.address, self.username)
    }
}

/// An OAuth 2.0 client, and for which user its tokens are good.
pub struct TokenClient {
    pub id: String,
    pub secret: Secret<String>,
    pub username: String,
}

impl TokenClient {
    pub fn new(id: &str, secret: &str, username: &str) -> Self {
        let secret = Secret::new(secret.to_owned());
        Self { id: id.to_owned(), secret, username: username.to_owned() }
    }
}

impl Clone for TokenClient {
    fn clone(&self) -> Self {
        Self::new(&self.id, self.secret.expose(), &self.username)
    }
}

/// What the TLS certificate is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    Good,
    /// Signed by the authority, valid only during 2020.
    Expired,
    /// For the right names, signed by itself.
    SelfSigned,
    /// Signed by the authority, for a name that nobody asks for.
    WrongName,
}

/// Whether a password may cross a connection without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearLogins {
    Refused,
    Allowed,
}

/// RFC 1939 section 4 wants an exclusive lock on the maildrop; most servers of today share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pop3Sessions {
    Shared,
    /// A second session of the same user is refused with `[IN-USE]`.
    Exclusive,
}

/// Who may send to domains that are not local.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relay {
    Authenticated,
    Anyone,
}

/// Which envelope senders an authenticated client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Senders {
    Any,
    /// The user's address, its aliases, and the null sender; others get `553 5.7.1`.
    Own,
}

/// Which extensions SMTP offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extensions {
    /// Those that nearly every server has.
    Usual,
    /// Also CHUNKING (RFC 3030) and DSN (RFC 3461).
    ChunkingAndDsn,
}

/// Exchange's role `ApplicationImpersonation`, and full access for delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Impersonation {
    Nobody,
    /// The user of that name.
    By(String),
}

impl Impersonation {
    pub(super) fn of(username: &str) -> Self {
        Self::By(username.to_owned())
    }
}

struct CountingClock(AtomicI64);

/// 2026-11-01T00:00:00Z.
const COUNTING_STARTS_SECONDS: i64 = 1_793_491_200;

impl Default for CountingClock {
    fn default() -> Self {
        Self(AtomicI64::new(0))
    }
}

impl Clock for CountingClock {
    fn now(&self) -> Timestamp {
        let seconds = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(COUNTING_STARTS_SECONDS.saturating_add(seconds)).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counting_clock_starts_in_november_2026() {
        let clock = CountingClock::default();
        assert_eq!(clock.now().to_string(), "2026-11-01T00:00:00Z");
        assert_eq!(clock.now().to_string(), "2026-11-01T00:00:01Z");
    }

    #[test]
    fn a_user_does_not_show_the_password() {
        let shown = format!("{:?}", User::new("anna@example.test", "anna", "hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
