//! What went wrong between a server and us, before anybody judges it.

use serde::{Deserialize, Serialize};

/// In the place of a code of Microsoft Graph, where a page for people came in the place of the service's answer.
pub const GRAPH_PAGE: &str = "(page)";

/// What went wrong, before anybody judges it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Cause {
    #[error("the name `{host}` does not resolve: {detail}")]
    NameNotResolved { host: String, detail: String },
    #[error("nothing listens on {host}:{port} (connection refused)")]
    ConnectionRefused { host: String, port: u16 },
    #[error("{host}:{port} cannot be reached: {detail}")]
    Unreachable { host: String, port: u16, detail: String },
    #[error("no answer within {seconds} s")]
    TimedOut { seconds: u64 },
    /// Not a byte since the connection was made, and TLS was not begun either: so does a port that expects TLS at once.
    #[error("no greeting within {seconds} s")]
    NoGreeting { seconds: u64 },
    #[error("the connection was lost: {detail}")]
    ConnectionLost { detail: String },
    #[error("the server's certificate is not signed by a trusted authority: {detail}")]
    CertificateUntrusted { detail: String },
    /// No authority would help: the certificate itself is wrong.
    #[error("the server's certificate cannot be accepted: {detail}")]
    CertificateUnfit { detail: String },
    #[error("the server's certificate is not for `{host}`: {detail}")]
    CertificateNameMismatch { host: String, detail: String },
    #[error("the server's certificate has expired or is not valid yet: {detail}")]
    CertificateExpired { detail: String },
    /// The answer to the first TLS message is not TLS.
    #[error("the server does not speak TLS on this port: {detail}")]
    NotTls { detail: String },
    #[error("the TLS handshake failed: {detail}")]
    TlsFailed { detail: String },
    #[error("the server demands a client certificate, and none is offered")]
    ClientCertificateDemanded,
    /// `tls: none`, and the host file does not allow it (any more).
    #[error("this host does not allow mail without TLS")]
    TlsRequired,
    #[error("the server does not offer STARTTLS")]
    StarttlsNotOffered,
    /// Data arrived between the go-ahead and the handshake: somebody injected it.
    #[error("the server sent data before the TLS handshake")]
    StarttlsInjected,
    /// A server that greets with something else, for example SSH or HTTP.
    #[error("the server does not speak {protocol}: it said `{said}`")]
    WrongProtocol { protocol: String, said: String },
    #[error("a password must not be sent over a connection without TLS")]
    PlaintextLogin,
    /// It offers no login before STARTTLS, and the profile says that there is to be none.
    #[error("the server offers logins only after STARTTLS")]
    LoginNeedsTls,
    /// Without EHLO there is neither a login nor STARTTLS.
    #[error("the server refused EHLO, without which it offers neither a login nor STARTTLS: {said}")]
    EhloRefused { said: String },
    #[error("the server offers none of the allowed login mechanisms; it offers {}", list(offered))]
    NoMechanism { wanted: String, offered: Vec<String> },
    #[error("the server refused the login: {said}")]
    LoginRefused { said: String },
    /// A refusal that says it is temporary: 4xx, `[IN-USE]`, `[UNAVAILABLE]`, `[SYS/TEMP]`, `[LOGIN-DELAY]`.
    #[error("the server is not able to at present: {said}")]
    TemporarilyRefused { said: String },
    #[error("the server refused: {said}")]
    Refused { said: String },
    /// A code of Exchange Web Services, or `HTTP` with a status. What it means: `sync::exchange`.
    #[error("the server refused: {code}: {said}")]
    Exchange { code: String, said: String },
    /// A refusal by Microsoft Graph, with its code where it gave one. What it means: `sync::graph`.
    #[error("Microsoft Graph refused: HTTP {status}{}: {said}", spaced(code))]
    Graph { status: u16, code: String, said: String },
    #[error("the server closed the session: {said}")]
    ServerBye { said: String },
    /// Something that its protocol does not allow.
    #[error("the server's answer cannot be understood: {detail}")]
    Garbage { detail: String },
    /// UIDs ended below one that was there under the same UIDVALIDITY.
    #[error("the inbox went back: {detail}")]
    WentBack { detail: String },
    #[error("{what} exceeds the limit of {limit}")]
    LimitExceeded { what: String, limit: u64 },
    #[error("the secret `{secret}` cannot be opened: {detail}")]
    SecretUnavailable { secret: String, detail: String },
    /// It was opened, and nothing can be signed with it.
    #[error("the private key `{secret}` does not fit: {detail}")]
    ClientKeyUnfit { secret: String, detail: String },
    /// The variable or the file that it is taken from is not here; it may be on the machine that connects.
    #[error("the secret `{secret}` cannot be read here: {detail}")]
    SecretAbsent { secret: String, detail: String },
    /// No identity at all: nothing is wrong with the mailbox.
    #[error("no age identity is at hand that opens `{secret}`")]
    NoIdentity { secret: String },
    /// An identity that a plugin of age has, and that does not work now: nothing is wrong with the mailbox.
    #[error("no identity opens `{secret}` now: {detail}")]
    IdentityUnusable { secret: String, detail: String },
    /// The OAuth 2.0 provider says no to this client.
    #[error("`{provider}` refused an access token: {said}")]
    TokenRefused { provider: String, said: String },
    /// The OAuth 2.0 provider could not be asked, or its answer cannot be used.
    #[error("no access token from `{provider}`: {cause}")]
    TokenUnavailable { provider: String, cause: Box<Cause> },
    /// The system's Kerberos, or its KDC, gives no ticket. The server was not asked.
    #[error("no Kerberos ticket: {detail}")]
    KerberosFailed { fault: KerberosFault, detail: String },
    /// Nobody who was asked knows where the mailbox is. `tried`: who was asked, and what came of it.
    #[error("Autodiscover found no Exchange for `{address}`: {}", tried.join("; "))]
    NotDiscovered { address: String, tried: Vec<String> },
    #[error("CA bundle `{name}` cannot be used: {detail}")]
    TrustUnavailable { name: String, detail: String },
    #[error("`{setting}` is not supported by this version")]
    Unsupported { setting: String },
    /// The inbox rule that forwards is there, and the server cannot carry it out.
    #[error("the server says of the inbox rule `{rule}` that it cannot carry it out")]
    RuleInError { rule: String },
    /// A rule of somebody else keeps messages from the one that forwards, also after that was put first.
    #[error("the inbox rule `{by}` comes before the one that forwards, and stops further rules")]
    RuleOvertaken { by: String },
    /// The test's own message did not come back in time: a warning.
    #[error("the test message did not come back within {seconds} s")]
    NotReceivedBack { seconds: u64 },
    #[error("internal error: {detail}")]
    Internal { detail: String },
}

impl Cause {
    /// Whether nothing was tried because nobody here can open the secret now. It counts as no attempt.
    pub fn is_lack_of_identity(&self) -> bool {
        matches!(self, Self::NoIdentity { .. } | Self::IdentityUnusable { .. })
    }

    /// Whether the host is not there, or is not the one that it should be: nothing at that place is worth asking.
    pub fn is_about_the_host(&self) -> bool {
        matches!(
            self,
            Self::NameNotResolved { .. }
                | Self::ConnectionRefused { .. }
                | Self::Unreachable { .. }
                | Self::CertificateUntrusted { .. }
                | Self::CertificateUnfit { .. }
                | Self::CertificateNameMismatch { .. }
                | Self::CertificateExpired { .. }
                | Self::NotTls { .. }
                | Self::TlsFailed { .. }
                | Self::ClientCertificateDemanded
                | Self::WrongProtocol { .. }
        )
    }

    /// Every text that may repeat what a server said.
    pub fn words_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::NameNotResolved { host: _, detail: words }
            | Self::Unreachable { host: _, port: _, detail: words }
            | Self::ConnectionLost { detail: words }
            | Self::CertificateUntrusted { detail: words }
            | Self::CertificateUnfit { detail: words }
            | Self::CertificateNameMismatch { host: _, detail: words }
            | Self::CertificateExpired { detail: words }
            | Self::NotTls { detail: words }
            | Self::TlsFailed { detail: words }
            | Self::WrongProtocol { protocol: _, said: words }
            | Self::LoginRefused { said: words }
            | Self::TemporarilyRefused { said: words }
            | Self::Refused { said: words }
            | Self::Exchange { code: _, said: words }
            | Self::Graph { status: _, code: _, said: words }
            | Self::TokenRefused { provider: _, said: words }
            | Self::ServerBye { said: words }
            | Self::Garbage { detail: words }
            | Self::WentBack { detail: words }
            | Self::LimitExceeded { what: words, limit: _ }
            | Self::SecretUnavailable { secret: _, detail: words }
            | Self::ClientKeyUnfit { secret: _, detail: words }
            | Self::SecretAbsent { secret: _, detail: words }
            | Self::IdentityUnusable { secret: _, detail: words }
            | Self::TrustUnavailable { name: _, detail: words }
            | Self::KerberosFailed { fault: _, detail: words }
            | Self::Unsupported { setting: words }
            | Self::EhloRefused { said: words }
            | Self::Internal { detail: words } => vec![words],
            Self::TokenUnavailable { provider: _, cause } => cause.words_mut(),
            Self::NoMechanism { wanted: _, offered: words }
            | Self::NotDiscovered { address: _, tried: words } => words.iter_mut().collect(),
            Self::ConnectionRefused { .. }
            | Self::ClientCertificateDemanded
            | Self::NoGreeting { .. }
            | Self::TimedOut { .. }
            | Self::TlsRequired
            | Self::StarttlsNotOffered
            | Self::StarttlsInjected
            | Self::PlaintextLogin
            | Self::LoginNeedsTls
            | Self::NoIdentity { .. }
            | Self::NotReceivedBack { .. } => Vec::new(),
            Self::RuleInError { rule: words } | Self::RuleOvertaken { by: words } => vec![words],
        }
    }
}

/// Why there is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KerberosFault {
    /// The GSSAPI library is missing.
    NotInstalled,
    /// No credential cache, no keytab, no realm for the host name, or a krb5.conf that says something else.
    Misconfigured,
    KdcUnreachable,
    ClockSkew,
    /// The KDC does not know the principal of the host file.
    ClientUnknown,
    /// The KDC knows no service of this name.
    ServiceUnknown,
    /// The key is wrong, or the account is locked.
    Refused,
    /// The ticket or the account has expired.
    Expired,
}

impl KerberosFault {
    /// Whether Kerberos cannot be used for this login at all, so that `negotiate` goes on with NTLM.
    pub fn leaves_ntlm(self) -> bool {
        match self {
            Self::NotInstalled
            | Self::Misconfigured
            | Self::KdcUnreachable
            | Self::ClientUnknown
            | Self::ServiceUnknown => true,
            Self::ClockSkew | Self::Refused | Self::Expired => false,
        }
    }
}

fn spaced(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" {code}") }
}

fn list(offered: &[String]) -> String {
    if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") }
}
