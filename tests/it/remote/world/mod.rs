//! A mail server as the conformance suite sees it. There are three: the playground, Dovecot with Postfix, and Courier for reading.

pub mod client;
mod courier;
pub mod playground;
mod real;

use std::net::SocketAddr;
use std::path::PathBuf;

use mailplumb::model::profile::Protocol;

pub use client::{Client, How};
pub use courier::Other;
pub use playground::Play;
pub use real::Real;

pub const ANNA: &str = "anna@example.test";
pub const BORIS: &str = "boris@example.test";
/// With everything that a protocol has to quote.
pub const ANNAS_PASSWORD: &str = "änna's \"pass\\word\" {3} =,";
pub const BORIS_PASSWORD: &str = "b";

/// A message above this size is not taken by SMTP.
pub const SUBMITTED_BYTES_MAX: usize = 65_536;

/// What a server's certificate is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    Good,
    Expired,
    SelfSigned,
    WrongName,
}

/// A port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Begins in the clear, with STARTTLS or STLS.
    Clear(Protocol),
    /// Begins with TLS.
    Tls(Protocol),
}

/// An application that may work in every mailbox by Graph, and its secret.
pub const TOKEN_CLIENT: &str = "9a1d3c44-8e5f-4a57-bb1e-2d7c6f0a9b10";
pub const TOKEN_SECRET: &str = "client secret: with a colon";

/// A connector, and to which end it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Pop3,
    Imap,
    Smtp,
    EwsReading,
    EwsSending,
    GraphReading,
    GraphSending,
}

impl Way {
    /// Exchange Web Services read, unless a way is named.
    pub fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Pop3 => Self::Pop3,
            Protocol::Imap => Self::Imap,
            Protocol::Smtp => Self::Smtp,
            Protocol::Ews => Self::EwsReading,
        }
    }

    pub fn protocol(self) -> Protocol {
        match self {
            Self::Pop3 => Protocol::Pop3,
            Self::Imap => Protocol::Imap,
            Self::Smtp => Protocol::Smtp,
            Self::EwsReading | Self::EwsSending | Self::GraphReading | Self::GraphSending => Protocol::Ews,
        }
    }

    pub fn is_graph(self) -> bool {
        matches!(self, Self::GraphReading | Self::GraphSending)
    }

    pub fn sends(self) -> bool {
        matches!(self, Self::Smtp | Self::EwsSending | Self::GraphSending)
    }
}

/// Where Graph is, and who gives tokens for it.
#[derive(Debug, Clone, Copy)]
pub struct Online {
    pub graph: SocketAddr,
    pub tokens: SocketAddr,
}

/// Running servers with the users [`ANNA`] and [`BORIS`].
///
/// SMTP takes mail for both without a login, too, and refuses these in their domain: `defer@` (450), `nouser@` (550),
/// `full@` (452) and `busy@` (421), and the sender `banned@` (554). Exchange refuses `nouser@`.
pub trait World: Sync {
    fn address(&self, door: Door) -> SocketAddr;

    /// The ways to read.
    fn receiving(&self) -> Vec<Way> {
        super::conformance::READING.map(Way::of).to_vec()
    }

    /// The ways to send.
    fn sending(&self) -> Vec<Way> {
        vec![Way::Smtp]
    }

    /// `None`: there is no Graph.
    fn online(&self) -> Option<Online> {
        None
    }

    /// A PEM file with the authority that signs the servers' certificate.
    fn authority(&self) -> PathBuf;

    /// Puts a message into an inbox, without SMTP.
    fn deliver(&self, user: &str, raw: &[u8]);

    /// The inbox as it is stored, oldest first, with CRLF line ends.
    fn inbox(&self, user: &str) -> Vec<Vec<u8>>;

    /// Waits for this many messages, because a server may deliver after it has accepted.
    fn inbox_of(&self, user: &str, count: usize) -> Vec<Vec<u8>>;

    /// What the servers say about themselves, for whoever looks for the reason of a failure.
    fn log(&self) -> String;

    /// What a client receives for a message that was delivered so: servers change some octets on purpose.
    fn handed_out(&self, protocol: Protocol, raw: &[u8]) -> Vec<u8>;

    /// What becomes of a dot that is the first octet of a message.
    fn first_dot(&self, protocol: Protocol) -> FirstDot;

    /// What clients sent after they had logged in as this user, without IMAP tags.
    fn commands(&self, user: &str, protocol: Protocol) -> Vec<String>;

    /// Takes a message out of an inbox as another client would; the oldest has the index 0.
    fn remove(&self, user: &str, index: usize);

    /// How many messages of an inbox are marked as read.
    fn seen(&self, user: &str) -> usize;

    /// Gives an inbox another UIDVALIDITY.
    fn change_uid_validity(&self, user: &str);

    /// Whether the servers offer SCRAM and CRAM-MD5.
    fn has_challenges(&self) -> bool;

    /// Whether the UIDs of new mail that EXAMINE has shown stay, as RFC 3501 section 2.3.1.1 wants it. Courier notes them only at
    /// SELECT, which is used there instead.
    fn notes_numbers_at_once(&self) -> bool {
        true
    }

    /// Whether an IMAP inbox tells UIDNEXT or HIGHESTMODSEQ when it is opened. Courier tells neither.
    fn tells_what_comes_next(&self) -> bool {
        true
    }

    /// What IMAP hands out for a message that is gone begins so. `None`: it hands out nothing.
    fn placeholder(&self) -> Option<&'static [u8]> {
        None
    }

    /// Whether each refused login takes its server several seconds.
    fn refuses_slowly(&self) -> bool {
        false
    }

    /// Whether mail with UTF-8 in its header reaches the inbox.
    fn international(&self) -> International;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstDot {
    Kept,
    /// Dovecot 2.3 and Courier double dots behind a line end only, so that by POP3 nobody can tell this one from a doubled one. Mail
    /// that came by SMTP begins with a header.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum International {
    Delivered,
    /// Taken, and returned to its sender: what stands behind the server does not know SMTPUTF8.
    Returned,
}

/// LF without CR becomes CRLF, as for mail that a delivery agent writes.
pub fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(raw.len());
    for (at, byte) in raw.iter().enumerate() {
        if *byte == b'\n' && (at == 0 || raw[at - 1] != b'\r') {
            lines.push(b'\r');
        }
        lines.push(*byte);
    }
    lines
}
