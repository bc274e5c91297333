//! `EmailServerProfile` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Empty;
use super::secret::SecretReference;
use super::values::{Moment, Period};
use crate::manifest::decode::spanned::Spanned;
use crate::model::name::{Address, Name};

/// How to reach a mail server. Vendor: "Email Server Profile".
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileSpec {
    /// Vendor: "Name"; up to 100 characters.
    #[schemars(length(max = 100))]
    pub display_name: Option<Spanned<String>>,
    /// Vendor: "Description"; up to 2000 characters.
    #[schemars(length(max = 2000))]
    pub description: Option<Spanned<String>>,
    /// Vendor: "Owner"; receives alerts about the profile.
    pub owner: Address,
    /// Vendor: "Status". `false` stops all processing. Default `true`.
    pub active: Option<bool>,
    /// Exchange Server. Vendor: "Exchange Server".
    pub exchange: Option<Spanned<Exchange>>,
    /// Exchange Online. Vendor: "Exchange Online".
    pub exchange_online: Option<Spanned<ExchangeOnline>>,
    /// POP3 and SMTP servers. Vendor: "POP3/SMTP Server".
    pub pop3_smtp: Option<Spanned<Pop3Smtp>>,
    /// IMAP and SMTP servers. Vendor: "IMAP/SMTP Server".
    pub imap_smtp: Option<Spanned<ImapSmtp>>,
    /// Which mail, how often, and over how many connections. Vendor: "Additional Settings".
    pub processing: Option<Processing>,
    /// Who is told about trouble with the whole profile.
    pub alerts: Option<ProfileAlerts>,
}

/// A POP3 server for incoming and an SMTP server for outgoing mail.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pop3Smtp {
    /// A CA bundle that the host file names; left out: the system's roots.
    pub trust: Option<Spanned<Name>>,
    /// Where mail comes from.
    pub incoming: IncomingServer,
    /// Left out: the profile cannot send.
    pub outgoing: Option<OutgoingServer>,
}

/// An IMAP server for incoming and an SMTP server for outgoing mail.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImapSmtp {
    /// A CA bundle that the host file names; left out: the system's roots.
    pub trust: Option<Spanned<Name>>,
    /// Where mail comes from.
    pub incoming: IncomingServer,
    /// Left out: the profile cannot send.
    pub outgoing: Option<OutgoingServer>,
}

/// Where mail comes from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncomingServer {
    /// Vendor: "Incoming Server Location". A host name, without scheme and port.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^/ ]+$"), extend("examples" = ["imap.provider.example"]))]
    pub host: Spanned<String>,
    /// Vendor: "Incoming Port". Left out: 995 or 110 for POP3, 993 or 143 for IMAP, by `tls`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<Spanned<u32>>,
    /// When TLS begins. Vendor: "Use TLS for Incoming Connection". Default `implicit`.
    pub tls: Option<Spanned<Tls>>,
    /// How the login is made. Vendor: "Incoming Authentication Protocol". Default `auto`.
    pub authentication: Option<Spanned<MailAuthentication>>,
    /// Where user name and password come from. Vendor: "Authenticate Using".
    pub credentials: Spanned<Credentials>,
    /// Vendor: "Time Out After (Milliseconds)"; how long an answer may take, up to 100 seconds.
    pub timeout: Option<Spanned<Period>>,
}

/// Where mail goes to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutgoingServer {
    /// Vendor: "Outgoing Server Location". A host name, without scheme and port.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^/ ]+$"), extend("examples" = ["smtp.provider.example"]))]
    pub host: Spanned<String>,
    /// Vendor: "Outgoing Port". Left out: 465, 587 or 25, by `tls`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<Spanned<u32>>,
    /// When TLS begins. Vendor: "Use TLS for Outgoing Connection". Default `implicit`.
    pub tls: Option<Spanned<Tls>>,
    /// How the login is made. Vendor: "Outgoing Authentication Protocol". Default `auto`.
    pub authentication: Option<Spanned<MailAuthentication>>,
    /// Vendor: "Authenticate Using". Left out: those of `incoming` ("Use same settings for Outgoing").
    pub credentials: Option<Spanned<Credentials>>,
    /// How long an answer may take, up to 100 seconds.
    pub timeout: Option<Spanned<Period>>,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// From the first byte on.
    Implicit,
    /// Started inside the conversation; never left out when the server does not offer it.
    Starttls,
    /// Only where the host file has `allowNonTlsEmail: true`.
    None,
}

/// How a login to a POP3, IMAP or SMTP server is made (a SASL mechanism).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailAuthentication {
    /// The strongest that both sides know. Vendor: "Auto Detect".
    Auto,
    /// Shows the password to the server; TLS keeps it from everybody else.
    Plain,
    /// As `plain`, for servers that know nothing else.
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
}

/// Vendor: "Authenticate Using": where user name and password come from. Exactly one key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Credentials {
    /// Vendor: "Credentials Specified by a User or Queue": those of each mailbox.
    pub mailbox: Option<Empty>,
    /// Vendor: "Credentials Specified in Email Server Profile": one pair for all mailboxes.
    pub profile: Option<ProfileCredentials>,
    /// Vendor: "Windows Integrated Authentication": the service's own identity. Exchange and SMTP only.
    pub windows_integrated: Option<WindowsIntegrated>,
    /// Vendor: "Without Credentials (Anonymous)". SMTP only.
    pub anonymous: Option<Empty>,
    /// OAuth 2.0 client credentials.
    pub oauth2: Option<Oauth2>,
}

/// One login for all mailboxes of the profile.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileCredentials {
    /// The name to log in with. Vendor: "User Name".
    #[schemars(length(min = 1, max = 250))]
    pub username: Spanned<String>,
    /// Where the password is. Vendor: "Password".
    pub password: SecretReference,
    /// Exchange only, and needed there.
    pub access: Option<Spanned<Access>>,
}

/// The identity that the host file gives to the service.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowsIntegrated {
    /// Exchange only, and needed there.
    pub access: Option<Spanned<Access>>,
}

/// How one identity reads many mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Exchange lets it act as each of them. Vendor: "Use Impersonation": yes.
    Impersonation,
    /// Vendor: "Use Impersonation": no. Cannot synchronise appointments, contacts and tasks.
    Delegation,
}

/// An OAuth 2.0 client that asks for tokens with its own secret (RFC 6749 section 4.4).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oauth2 {
    /// Where tokens are asked for; an `https` URL.
    pub token_url: Spanned<String>,
    /// The client's public name. Vendor: "Client Id".
    pub client_id: String,
    /// Where the client's secret is. Vendor: "Client Secret".
    pub client_secret: SecretReference,
    /// What the token is asked for, as the provider names it.
    #[schemars(extend("examples" = ["https://outlook.office365.com/.default"]))]
    pub scope: String,
    /// A CA bundle that the host file names, for the token's URL; left out: the system's roots.
    pub trust: Option<Spanned<Name>>,
}

/// Exchange Server, through Exchange Web Services.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    /// A CA bundle that the host file names; left out: the system's roots.
    pub trust: Option<Spanned<Name>>,
    /// Where the web service is. TLS and port are those of the URL.
    pub location: Spanned<ExchangeLocation>,
    /// Who reads, and how it logs in.
    pub incoming: ExchangeLogin,
    /// Left out: as `incoming` ("Use same settings for Outgoing").
    pub outgoing: Option<ExchangeOutgoing>,
    /// Move what cannot be recorded to the folder "Undeliverable". Vendor: "Move Failed Emails to Undeliverable Folder". Default `false`.
    pub undeliverable_folder: Option<Spanned<bool>>,
    /// The category by which people track a message in Outlook: what bears it becomes a record, whatever is accepted. Vendor:
    /// "Tracked to Dynamics 365". Left out: no category does.
    #[schemars(length(min = 1, max = 255))]
    pub tracked_category: Option<Spanned<String>>,
    /// Record also what people send with Outlook, with the same filter. Vendor: "Auto-track sent folder items". Default `false`.
    pub track_sent_items: Option<Spanned<bool>>,
    /// Vendor: "Time Out After (Milliseconds)"; up to 100 seconds.
    pub timeout: Option<Spanned<Period>>,
}

/// Where Exchange Web Services are. Exactly one key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct ExchangeLocation {
    /// At stable URLs. Vendor: "Auto Discover Server Location": no.
    pub fixed: Option<FixedLocation>,
    /// Vendor: "Auto Discover Server Location": yes. Costs a look-up per mailbox.
    pub autodiscover: Option<Autodiscover>,
}

/// URLs of the web service, for incoming and outgoing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixedLocation {
    /// Vendor: "Incoming Server Location": `https://mail.example.org/EWS/Exchange.asmx`.
    pub incoming: Spanned<String>,
    /// Vendor: "Outgoing Server Location". Left out: as `incoming`.
    pub outgoing: Option<Spanned<String>>,
}

/// The URL is looked up for each mailbox.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Autodiscover {
    /// Hosts that may be asked and that credentials may be sent to.
    #[schemars(length(min = 1))]
    pub allowed_hosts: Spanned<Vec<Spanned<String>>>,
}

/// Who logs in to Exchange, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeLogin {
    /// How the login is made. Vendor: "Incoming Authentication Protocol". Default `auto`.
    pub authentication: Option<Spanned<ExchangeAuthentication>>,
    /// Where user name and password come from. Vendor: "Authenticate Using".
    pub credentials: Spanned<Credentials>,
}

/// Who sends through Exchange, where that is somebody else than who reads.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeOutgoing {
    /// Vendor: "Outgoing Authentication Protocol". Left out: as `incoming`.
    pub authentication: Option<Spanned<ExchangeAuthentication>>,
    /// Vendor: "Authenticate Using". Left out: as `incoming`.
    pub credentials: Option<Spanned<Credentials>>,
}

/// Vendor: "Authentication Protocol": how a login over HTTP is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExchangeAuthentication {
    /// The strongest that the server offers. Vendor: "Auto Detect".
    Auto,
    /// Kerberos, or NTLM where there is none.
    Negotiate,
    Ntlm,
    /// Shows the password to the server; TLS keeps it from everybody else.
    Basic,
    Oauth,
}

/// Exchange Online, server-to-server only.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeOnline {
    /// The id of the tenant. Vendor: "Exchange Online Tenant Id".
    pub tenant: Spanned<String>,
    /// Authority, Graph and scope hosts together. Default `global`.
    pub cloud: Option<Cloud>,
    /// By which interface it is spoken to. Default `graph`.
    pub transport: Option<Transport>,
    /// How the application proves itself. Vendor: "Server to Server Authentication".
    pub server_to_server: Spanned<ServerToServer>,
    /// Move what cannot be recorded to the folder "Undeliverable". Vendor: "Move Failed Emails to Undeliverable Folder". Default `false`.
    pub undeliverable_folder: Option<Spanned<bool>>,
    /// The category by which people track a message in Outlook: what bears it becomes a record, whatever is accepted. Vendor:
    /// "Tracked to Dynamics 365". Left out: no category does.
    #[schemars(length(min = 1, max = 255))]
    pub tracked_category: Option<Spanned<String>>,
    /// Record also what people send with Outlook, with the same filter. Vendor: "Auto-track sent folder items". Default `false`.
    pub track_sent_items: Option<Spanned<bool>>,
    /// How long an answer may take, up to 100 seconds.
    pub timeout: Option<Spanned<Period>>,
}

/// Which cloud of Microsoft: the hosts of sign-in, web service and permissions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    Global,
    UsGovernment,
    UsGovernmentDod,
    China,
}

/// By which interface Exchange Online is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Microsoft Graph.
    Graph,
    /// Exchange Web Services.
    Ews,
}

/// How the application proves itself: `clientSecret` or `certificate`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["clientSecret"] }, { "required": ["certificate"] }]))]
pub struct ServerToServer {
    /// The id of the app registration. Vendor: "Client Id".
    pub client_id: String,
    /// Where the client's secret is. Vendor: "Client Secret".
    pub client_secret: Option<SecretReference>,
    /// Vendor: a certificate from the key vault; here the key is a secret like any other.
    pub certificate: Option<Certificate>,
}

/// A certificate by which an application proves who it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// A PEM file beside the manifest: the certificate and those that signed it.
    pub chain_file: Spanned<String>,
    /// The key of the first certificate, as PEM, in a secret.
    pub private_key: SecretReference,
}

/// Which mail is processed, how often, and over how many connections. Vendor: "Additional Settings".
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Processing {
    /// Vendor: "Process Emails From". Left out: the moment at which a mailbox is first enabled.
    pub from: Option<Moment>,
    /// For each mailbox where credentials are the mailbox's, else for the profile. Vendor: "Maximum Concurrent Connections".
    /// Default 10.
    #[schemars(range(min = 1, max = 300))]
    pub max_concurrent_connections: Option<Spanned<u32>>,
    /// Vendor: "Minimum Polling Interval in Minutes": whole minutes, up to a day; `0` sets no floor. Default `5m`.
    pub min_polling_interval: Option<Spanned<Period>>,
}

/// Alerts about the profile as a whole.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileAlerts {
    /// Tell the profile's owner once, with their number and examples, when more than half of its mailboxes fail within an hour. Vendor: "Send an alert email to the owner of the email server
    /// profile reporting on major events".
    /// Default `false`.
    pub mass_failure: Option<Spanned<bool>>,
}
