//! E-mail server profiles: how to reach a mail server.

use std::num::NonZeroU16;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::cloud::{Cloud, CloudHosts};
use super::limits;
use super::name::{Address, Labels, Name};
use super::secret::SecretRef;

/// An e-mail server profile with every default filled in that does not depend on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    pub name: Name,
    pub labels: Labels,
    pub display_name: Option<String>,
    pub description: Option<String>,
    /// Receives profile-level alerts.
    pub owner: Address,
    pub active: bool,
    pub server: Server,
    pub processing: Processing,
    /// Alert the owner when more than half of the mailboxes fail within an hour.
    pub mass_failure_alert: bool,
}

/// The vendor's "e-mail server type".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Server {
    Exchange(Exchange),
    ExchangeOnline(ExchangeOnline),
    Pop3Smtp(MailServers),
    ImapSmtp(MailServers),
}

/// [`Server`] without its settings: what decides which connector serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    Exchange,
    ExchangeOnline,
    Pop3Smtp,
    ImapSmtp,
}

impl Server {
    /// Whether a session that has read a mailbox may be told of new mail by the server.
    pub fn may_tell_of_mail(&self) -> bool {
        match self {
            Self::Exchange(_) | Self::ImapSmtp(_) => true,
            Self::ExchangeOnline(online) => online.transport == Transport::Ews,
            Self::Pop3Smtp(_) => false,
        }
    }

    /// Whether what could not be recorded is moved aside at the server.
    pub fn has_undeliverable_folder(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.undeliverable_folder,
            Self::ExchangeOnline(online) => online.undeliverable_folder,
            Self::Pop3Smtp(_) | Self::ImapSmtp(_) => false,
        }
    }

    pub fn kind(&self) -> ServerKind {
        match self {
            Self::Exchange(_) => ServerKind::Exchange,
            Self::ExchangeOnline(_) => ServerKind::ExchangeOnline,
            Self::Pop3Smtp(_) => ServerKind::Pop3Smtp,
            Self::ImapSmtp(_) => ServerKind::ImapSmtp,
        }
    }
}

impl ServerKind {
    /// The key of the manifest.
    pub fn key(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::ExchangeOnline => "exchangeOnline",
            Self::Pop3Smtp => "pop3Smtp",
            Self::ImapSmtp => "imapSmtp",
        }
    }

    /// Whether appointments, contacts and tasks exist there (rule P-11).
    pub fn has_calendar(self) -> bool {
        match self {
            Self::Exchange | Self::ExchangeOnline => true,
            Self::Pop3Smtp | Self::ImapSmtp => false,
        }
    }
}

/// A POP3 or IMAP server for incoming and an SMTP server for outgoing mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailServers {
    /// A CA bundle that the host file names; left out: the system's roots.
    pub trust: Option<Name>,
    pub incoming: Endpoint,
    /// Left out: the profile cannot send.
    pub outgoing: Option<Endpoint>,
}

/// One server as one direction reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    pub host: String,
    /// Left out: the protocol's port for the TLS mode, see [`Endpoint::port_or_default`].
    pub port: Option<NonZeroU16>,
    pub tls: TlsMode,
    pub authentication: Authentication,
    pub credentials: Credentials,
    /// Seconds to wait for an answer; left out: [`limits::READ_TIMEOUT`].
    pub timeout_seconds: Option<u32>,
}

/// Which wire protocol an [`Endpoint`] speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Pop3,
    Imap,
    Smtp,
    /// Exchange Web Services, and Microsoft Graph: what is spoken over HTTP.
    Ews,
}

impl Endpoint {
    /// Ports of RFC 1939, 9051, 6409 and 8314.
    pub fn port_or_default(&self, protocol: Protocol) -> u16 {
        if let Some(port) = self.port {
            return port.get();
        }
        match (protocol, self.tls) {
            (Protocol::Pop3, TlsMode::Implicit) => 995,
            (Protocol::Pop3, TlsMode::Starttls | TlsMode::None) => 110,
            (Protocol::Imap, TlsMode::Implicit) => 993,
            (Protocol::Imap, TlsMode::Starttls | TlsMode::None) => 143,
            (Protocol::Smtp, TlsMode::Implicit) => 465,
            (Protocol::Smtp, TlsMode::Starttls) => 587,
            (Protocol::Smtp, TlsMode::None) => 25,
            (Protocol::Ews, TlsMode::Implicit) => 443,
            (Protocol::Ews, TlsMode::Starttls | TlsMode::None) => 80,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    Implicit,
    Starttls,
    None,
}

/// How a login is proved. `Auto` takes the strongest mechanism that both sides offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    Auto,
    Plain,
    Login,
    CramMd5,
    #[serde(rename = "scram-sha-1")]
    ScramSha1,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    Xoauth2,
    Oauthbearer,
    Gssapi,
    Negotiate,
    Ntlm,
    Basic,
    Oauth,
}

/// The vendor's "authenticate using": where user name and password come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Credentials {
    /// Those of each mailbox.
    Mailbox,
    /// One pair for all mailboxes of the profile.
    #[serde(rename_all = "camelCase")]
    Profile { username: String, password: SecretRef, access: Option<Access> },
    /// The service's own identity, from the host file.
    #[serde(rename_all = "camelCase")]
    WindowsIntegrated { access: Option<Access> },
    /// SMTP only.
    Anonymous,
    #[serde(rename_all = "camelCase")]
    Oauth2 {
        token_url: String,
        client_id: String,
        client_secret: SecretRef,
        scope: String,
        /// A CA bundle of the host file for the token's URL; left out: the system's roots.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trust: Option<Name>,
    },
}

/// How one identity reads many Exchange mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    Impersonation,
    Delegation,
}

/// Exchange Server (EWS). TLS and port are those of the URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    pub trust: Option<Name>,
    pub location: ExchangeLocation,
    pub incoming: ExchangeLogin,
    /// Equal to `incoming` when the manifest leaves it out.
    pub outgoing: ExchangeLogin,
    pub undeliverable_folder: bool,
    /// The category by which people track a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked_category: Option<String>,
    /// Whether what people send with Outlook is recorded, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub track_sent_items: bool,
    pub timeout_seconds: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ExchangeLocation {
    #[serde(rename_all = "camelCase")]
    Fixed { incoming: String, outgoing: String },
    #[serde(rename_all = "camelCase")]
    Autodiscover { allowed_hosts: Vec<String> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeLogin {
    pub authentication: Authentication,
    pub credentials: Credentials,
}

/// Exchange Online, server-to-server only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeOnline {
    pub tenant: String,
    pub cloud: Cloud,
    pub transport: Transport,
    pub client_id: String,
    pub proof: AppProof,
    pub undeliverable_folder: bool,
    /// The category by which people track a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracked_category: Option<String>,
    /// Whether what people send with Outlook is recorded, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub track_sent_items: bool,
    pub timeout_seconds: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    Graph,
    Ews,
}

impl ExchangeOnline {
    /// The host that is spoken to for mail.
    pub fn host(&self) -> &'static str {
        let hosts = self.cloud.hosts();
        match self.transport {
            Transport::Graph => hosts.graph,
            Transport::Ews => hosts.exchange,
        }
    }

    /// Where the application gets its tokens.
    pub fn token_url(&self) -> String {
        format!("https://{}/{}/oauth2/v2.0/token", self.cloud.hosts().authority, self.tenant)
    }

    /// All permissions that the tenant gave the application.
    pub fn scope(&self) -> String {
        format!("https://{}/.default", self.host())
    }
}

/// How the application proves itself to the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AppProof {
    ClientSecret(SecretRef),
    #[serde(rename_all = "camelCase")]
    Certificate {
        chain_file: String,
        /// SHA-256 of the first certificate in the file, as 64 hexadecimal digits. Empty: it was stored by a version that did
        /// not read the file.
        #[serde(default)]
        thumbprint: String,
        /// SHA-256 of its public key, in the same digits. Empty: it was stored by a version that did not read it.
        #[serde(default)]
        public_key: String,
        /// The day on which it ends, in UTC. Left out: the same.
        #[serde(default)]
        expires: Option<Date>,
        private_key: SecretRef,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Processing {
    /// Only mail received at or after this moment is processed. Left out: the moment at which a mailbox is first
    /// enabled.
    pub from: Option<Timestamp>,
    pub max_concurrent_connections: ConnectionLimit,
    /// Whole minutes; 0 sets no floor.
    pub min_polling_interval_minutes: u16,
}

impl Default for Processing {
    fn default() -> Self {
        Self {
            from: None,
            max_concurrent_connections: ConnectionLimit::default(),
            min_polling_interval_minutes: limits::POLLING_INTERVAL_MINUTES_DEFAULT,
        }
    }
}

/// 1 to 300 (rule P-13). Counted per mailbox when the credentials are the mailbox's, per profile otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
pub struct ConnectionLimit(u16);

impl ConnectionLimit {
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self(limits::CONNECTIONS_DEFAULT)
    }
}

impl TryFrom<u16> for ConnectionLimit {
    type Error = &'static str;
    fn try_from(count: u16) -> Result<Self, Self::Error> {
        if (1..=limits::CONNECTIONS_MAX).contains(&count) {
            Ok(Self(count))
        } else {
            Err("the number of concurrent connections is 1 to 300")
        }
    }
}

impl From<ConnectionLimit> for u16 {
    fn from(limit: ConnectionLimit) -> Self {
        limit.0
    }
}
