//! One mailbox as a connector has to reach it.

use std::fmt;
use std::num::NonZeroU16;

use super::name::{Address, Name};
use super::profile::{Access, Endpoint, ServerKind, TlsMode};
use super::secret::Secret;

/// Everything that one connection takes. Made right before it and dropped after it.
#[derive(Debug)]
pub struct Destination {
    pub mailbox: Name,
    pub address: Address,
    pub profile: Name,
    pub kind: ServerKind,
    pub endpoint: Endpoint,
    /// A CA bundle of the host file; `None`: the system's roots.
    pub trust: Option<Name>,
    pub login: Login,
    /// `None`: the protocol of the endpoint is no web service.
    pub service: Option<WebService>,
}

impl Destination {
    /// The same once more, for a session that may have to connect again.
    pub fn again(&self) -> Self {
        Self {
            mailbox: self.mailbox.clone(),
            address: self.address.clone(),
            profile: self.profile.clone(),
            kind: self.kind,
            endpoint: self.endpoint.clone(),
            trust: self.trust.clone(),
            login: self.login.again(),
            service: self.service.clone(),
        }
    }
}

/// A web service on the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebService {
    pub location: WebLocation,
    /// How the login reads a mailbox that is not its own; `None`: it is its own.
    pub access: Option<Access>,
    /// Folders below the inbox that are read like it, by their paths: `Customers`, `Customers/Contoso`.
    pub tracked: Vec<String>,
    /// The category by which people track a message.
    pub category: Option<String>,
    /// Whether Sent Items are read, too.
    pub sent_items: SentItems,
}

/// Whether what people send with another program is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentItems {
    Ignored,
    Recorded,
}

/// Where on the endpoint a web service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebLocation {
    /// `/EWS/Exchange.asmx`
    Path(String),
    /// `/v1.0`: Microsoft Graph, whose place is always the same.
    Graph,
    /// To be found out, for the domain that the endpoint names; only on these hosts and in that domain.
    Autodiscover { allowed_hosts: Vec<String> },
}

/// The parts of an `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebAddress {
    pub tls: TlsMode,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    /// `None`: the scheme's own.
    pub port: Option<NonZeroU16>,
    /// With its slash.
    pub path: String,
}

impl WebAddress {
    /// `None`: it is another kind of URL, or one with a user, a query or a fragment.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => TlsMode::Implicit,
            "http" => TlsMode::None,
            _ => return None,
        };
        if rest.contains(['@', '?', '#', ' ', '\\']) || rest.chars().any(char::is_control) {
            return None;
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
        let host = Some(host).filter(|host| !host.is_empty())?.to_owned();
        Some(Self { tls, host, port, path: path.to_owned() })
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.tls {
            TlsMode::Implicit => "https",
            TlsMode::Starttls | TlsMode::None => "http",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]", self.host)?,
            false => write!(f, "{scheme}://{}", self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

#[derive(Debug)]
pub enum Login {
    /// Do not authenticate, even where the server offers it.
    Anonymous,
    /// For XOAUTH2 and OAUTHBEARER the password is the access token.
    Password { username: String, password: Secret<String> },
    /// The host's own identity (`windowsIntegrated`), which the host file describes.
    Host,
    /// An access token is to be asked for first; whoever did that logs in with [`Login::Password`].
    Oauth2 { username: String, client: TokenClient },
}

impl Login {
    fn again(&self) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::Host => Self::Host,
            Self::Password { username, password } => {
                let password = Secret::new(password.expose().clone());
                Self::Password { username: username.clone(), password }
            }
            Self::Oauth2 { username, client } => {
                Self::Oauth2 { username: username.clone(), client: client.again() }
            }
        }
    }
}

/// An OAuth 2.0 client that asks for tokens in its own name (RFC 6749 section 4.4).
#[derive(Debug)]
pub struct TokenClient {
    /// `https://…`, or `http://…` where the host file allows it.
    pub url: String,
    /// A CA bundle of the host file for that URL; `None`: the system's roots.
    pub trust: Option<Name>,
    pub id: String,
    pub proof: TokenProof,
    /// Names separated by spaces; empty: the provider's choice.
    pub scope: String,
}

/// How a client proves to the provider who it is.
#[derive(Debug)]
pub enum TokenProof {
    Secret(Secret<String>),
    /// It signs what it says (`private_key_jwt`, RFC 7523 section 2.2); the provider knows the certificate.
    Certificate {
        /// SHA-256 of the certificate, 64 hexadecimal digits.
        thumbprint: String,
        /// SHA-256 of its public key, in the same digits. Empty: it is not known.
        public_key: String,
        /// PEM.
        key: Secret<String>,
        /// Where the key is, for people.
        name: String,
    },
}

impl TokenProof {
    fn again(&self) -> Self {
        match self {
            Self::Secret(secret) => Self::Secret(Secret::new(secret.expose().clone())),
            Self::Certificate { thumbprint, public_key, key, name } => Self::Certificate {
                thumbprint: thumbprint.clone(),
                public_key: public_key.clone(),
                key: Secret::new(key.expose().clone()),
                name: name.clone(),
            },
        }
    }
}

impl TokenClient {
    pub fn again(&self) -> Self {
        Self {
            url: self.url.clone(),
            trust: self.trust.clone(),
            id: self.id.clone(),
            proof: self.proof.again(),
            scope: self.scope.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_its_parts() {
        let parse =
            |url| WebAddress::parse(url).map(|it| (it.tls, it.host, it.port.map(NonZeroU16::get), it.path));
        let path = || "/EWS/Exchange.asmx".to_owned();
        let found = parse("https://mail.contoso.example/EWS/Exchange.asmx");
        assert_eq!(found, Some((TlsMode::Implicit, "mail.contoso.example".to_owned(), None, path())));
        let found = parse("HTTP://[::1]:8080/EWS/Exchange.asmx");
        assert_eq!(found, Some((TlsMode::None, "::1".to_owned(), Some(8080), path())));
        for url in ["https://mail.contoso.example/EWS/Exchange.asmx", "http://[::1]:8080/"] {
            assert_eq!(WebAddress::parse(url).map(|parsed| parsed.to_string()).as_deref(), Some(url));
        }
        for url in
            ["ftp://h/", "https://u@h/", "https://h:0/", "https://h:x/", "https:///", "https://h/?a", "h/"]
        {
            assert_eq!(parse(url), None, "{url}");
        }
    }
}
