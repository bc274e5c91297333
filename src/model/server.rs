//! One mailbox as a connector has to reach it.

use super::name::{Address, Name};
use super::profile::{Endpoint, ServerKind};
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

/// An OAuth 2.0 client that asks for tokens with its own secret (RFC 6749 section 4.4).
#[derive(Debug)]
pub struct TokenClient {
    /// `https://…`, or `http://…` where the host file allows it.
    pub url: String,
    /// A CA bundle of the host file for that URL; `None`: the system's roots.
    pub trust: Option<Name>,
    pub id: String,
    pub secret: Secret<String>,
    /// Names separated by spaces; empty: the provider's choice.
    pub scope: String,
}
