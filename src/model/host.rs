//! What belongs to the host and not to the manifest, so that whoever writes YAML cannot weaken it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::limits;
use super::name::Name;

/// The host file, parsed. Its default is a host without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// `tls: none` and `http://` are allowed.
    pub allow_non_tls_email: bool,
    pub allow_credentials_over_http: bool,
    /// Passwords may cross a connection without TLS.
    pub allow_basic_over_plaintext: bool,
    pub allow_ad_authentication: bool,
    /// A search of Autodiscover may lead to another domain whose server has a private address.
    pub allow_private_redirects: bool,
    /// CA bundles by the name that `trust` uses; PEM files.
    pub trust: BTreeMap<Name, PathBuf>,
    /// Where to connect for a host and port of the manifest. Names are still verified in certificates.
    pub connect: BTreeMap<(String, u16), SocketAddr>,
    /// Addresses of host names, before DNS is asked.
    pub hosts: BTreeMap<String, std::net::IpAddr>,
    /// Asked for SRV records; empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Whom `windowsIntegrated` credentials log in as.
    pub identity: ServiceIdentity,
    pub connections: Connections,
    pub throttling: Throttling,
    /// As what this machine greets servers that it sends through. `None`: as the domain that the mail is from.
    pub smtp_name: Option<String>,
    /// Whether a host file was given; without one, rules that depend on it are reported as depending on the host.
    pub given: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            allow_non_tls_email: false,
            allow_credentials_over_http: false,
            allow_basic_over_plaintext: false,
            allow_ad_authentication: true,
            allow_private_redirects: false,
            trust: BTreeMap::new(),
            connect: BTreeMap::new(),
            hosts: BTreeMap::new(),
            name_servers: Vec::new(),
            identity: ServiceIdentity::default(),
            connections: Connections::default(),
            throttling: Throttling::default(),
            smtp_name: None,
            given: false,
        }
    }
}

/// Whether a text is a full host name that other machines may know this one by (RFC 5321 4.1.1.1, RFC 1123 2.1).
pub fn is_full_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&label.len()) && is_plain && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let means_nothing_elsewhere =
        ["localdomain", "localhost"].iter().any(|one| last.eq_ignore_ascii_case(one));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(is_label)
        && !is_number
        && !means_nothing_elsewhere
}

/// The service's own identity, for "Windows integrated" logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceIdentity {
    /// Kerberos.
    Ticket(TicketSource),
    /// NTLM. The password stands in a file.
    Password { username: String, password_file: PathBuf },
}

/// Where Kerberos gets the service's ticket from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TicketSource {
    /// The credential cache of the process, as `klist` shows it.
    #[default]
    Default,
    /// `FILE:/run/mailplumb.ccache`, kept fresh by somebody else.
    Cache(String),
    /// The key itself: tickets are got, and renewed, when they are needed.
    Keytab { principal: String, keytab: PathBuf },
}

impl Default for ServiceIdentity {
    fn default() -> Self {
        Self::Ticket(TicketSource::default())
    }
}

/// How many connections this machine makes, and how long they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Mailboxes worked on at once.
    pub at_once_max: usize,
    pub kept: KeptSessions,
    pub push: Push,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            at_once_max: limits::MAILBOXES_AT_ONCE_DEFAULT,
            kept: KeptSessions::default(),
            push: Push::default(),
        }
    }
}

/// Sessions that stay logged in between two readings of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSessions {
    /// 0: each reading logs in anew.
    pub count_max: usize,
    /// One that was not used for so long is closed.
    pub idle_max: Duration,
    /// After so long a login is proved again, so that a password that was withdrawn at the server is noticed.
    pub age_max: Duration,
}

impl KeptSessions {
    pub const NONE: Self = Self { count_max: 0, idle_max: Duration::ZERO, age_max: Duration::ZERO };
}

impl Default for KeptSessions {
    fn default() -> Self {
        Self {
            count_max: limits::KEPT_SESSIONS_DEFAULT,
            idle_max: limits::KEPT_SESSION_IDLE_DEFAULT,
            age_max: limits::KEPT_SESSION_AGE_DEFAULT,
        }
    }
}

/// Kept sessions on which the server is asked to tell of new mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Push {
    /// 0: servers are only polled.
    pub count_max: usize,
    /// After so long the request is made anew; servers may end it after half an hour (RFC 2177).
    pub renew_after: Duration,
}

impl Default for Push {
    fn default() -> Self {
        Self { count_max: limits::PUSH_SESSIONS_DEFAULT, renew_after: limits::PUSH_RENEWAL_DEFAULT }
    }
}

/// How long a server that asks for patience is left alone. The wait doubles with each refusal in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttling {
    /// The server limits requests or connections.
    pub wait: Duration,
    /// The server demands a pause between two logins: POP3 `[LOGIN-DELAY]`.
    pub login_delay: Duration,
    /// Somebody else has the mailbox open: POP3 `[IN-USE]`, IMAP `[INUSE]`.
    pub in_use: Duration,
    /// No wait is longer, whatever the server asks for.
    pub wait_max: Duration,
}

impl Default for Throttling {
    fn default() -> Self {
        Self {
            wait: limits::THROTTLED_WAIT_DEFAULT,
            login_delay: limits::LOGIN_DELAY_WAIT_DEFAULT,
            in_use: limits::IN_USE_WAIT_DEFAULT,
            wait_max: limits::THROTTLED_WAIT_MAX_DEFAULT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_host_name_has_a_domain_that_others_know() {
        for full in ["mx1.contoso.example", "a.b", "MX-1.contoso.example", "1.2.example"] {
            assert!(is_full_host_name(full), "{full}");
        }
        for other in [
            "",
            "web1",
            "10.0.0.1",
            "localhost.localdomain",
            "a..b",
            "-a.example",
            "a_b.example",
            "a.b.",
            "a b.c",
        ] {
            assert!(!is_full_host_name(other), "{other}");
        }
        assert!(!is_full_host_name(&format!("{}.example", "x".repeat(64))));
    }
}
