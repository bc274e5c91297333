//! What a SASL login is made of: a password, or a ticket. Drawn and asked for here, because `protocol` does neither.

use jiff::Timestamp;

use super::{nonce, token};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::profile::{Authentication, Protocol};
use crate::model::secret::Secret;
use crate::model::server::{Destination, Login};
use crate::net::trace::Trace;
use crate::net::{Identity, Network};
use crate::protocol::sasl::{Exchange, Mechanism, NtlmShare};

/// Who logs in to one server.
pub(super) struct Holder {
    identity: Identity,
    /// It is the host's own account, whose password no server gets to see.
    is_own: bool,
    /// `imap/mail.contoso.example`
    service: String,
    now: Timestamp,
}

impl Holder {
    /// `None`: nobody logs in.
    pub async fn of(
        network: &Network,
        destination: &Destination,
        protocol: Protocol,
        trace: &Trace,
    ) -> Result<Option<Self>, RemoteError> {
        if let Login::Oauth2 { .. } = &destination.login {
            return Err(RemoteError::new(TestStep::Authenticate, token::not_asked_for()));
        }
        let identity = network.identity(&destination.login).await;
        let identity = identity.map_err(|cause| RemoteError::new(TestStep::Secret, cause))?;
        if let Identity::Nobody = identity {
            return Ok(None);
        }
        let service = format!("{}/{}", service_of(protocol), destination.endpoint.host);
        let is_own = matches!(destination.login, Login::Host);
        Ok(Some(Self { identity, is_own, service, now: trace.clock().now() }))
    }

    /// What can be chosen from: a ticket is taken by one mechanism only.
    pub fn wanted(&self, declared: Authentication) -> Authentication {
        match (&self.identity, declared) {
            (Identity::Ticket(_), Authentication::Auto | Authentication::Negotiate) => Authentication::Gssapi,
            (Identity::Password { .. }, Authentication::Auto) if self.is_own => Authentication::Negotiate,
            (Identity::Ticket(_) | Identity::Password { .. } | Identity::Nobody, declared) => declared,
        }
    }

    /// For logins that are no SASL.
    pub fn password(&self) -> Result<(&str, &Secret<String>), Cause> {
        match &self.identity {
            Identity::Password { username, password } => Ok((username, password)),
            Identity::Ticket(_) | Identity::Nobody => Err(without_password("LOGIN")),
        }
    }

    /// Begins a login with a mechanism.
    pub async fn begin(&self, mechanism: Mechanism) -> Result<Exchange, Cause> {
        match mechanism {
            Mechanism::Gssapi => {
                let (first, ticket) = self.identity.ticket(&self.service).await?;
                Ok(Exchange::gssapi(first, ticket))
            }
            Mechanism::Ntlm => {
                let (username, password) = self.password()?;
                let (service, now_nanoseconds) = (self.service.clone(), self.now.as_nanosecond());
                let share = NtlmShare { service, nonce: nonce::draw_bytes()?, now_nanoseconds };
                Ok(Exchange::ntlm(username, password, share))
            }
            Mechanism::Oauthbearer
            | Mechanism::Xoauth2
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1
            | Mechanism::CramMd5
            | Mechanism::Plain
            | Mechanism::Login => {
                let (username, password) = self.password()?;
                Exchange::new(mechanism, username, password, nonce::draw()?)
            }
        }
    }
}

fn without_password(mechanism: &str) -> Cause {
    Cause::Internal { detail: format!("{mechanism} without a password") }
}

/// The first part of a service's principal, as the registry of GSSAPI service names has it.
fn service_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Pop3 => "pop",
        Protocol::Imap => "imap",
        Protocol::Smtp => "smtp",
        Protocol::Ews => "HTTP",
    }
}
