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
    /// Whether the host file lets a server have logins with Kerberos and NTLM.
    directory: Directory,
    /// `imap/mail.contoso.example`
    service: String,
    now: Timestamp,
}

/// Logins with an account of Active Directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directory {
    Allowed,
    Forbidden,
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
        let directory = if network.allows_directory() { Directory::Allowed } else { Directory::Forbidden };
        Ok(Some(Self { identity, is_own, directory, service, now: trace.clock().now() }))
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
        // Checked when a manifest is applied, and here again: `auto` leaves the choice to the server.
        match (mechanism, self.directory) {
            (Mechanism::Gssapi | Mechanism::Ntlm, Directory::Forbidden) => return Err(forbidden(mechanism)),
            (_, Directory::Allowed | Directory::Forbidden) => {}
        }
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

/// A refusal, so that `auto` goes on with the next best.
fn forbidden(mechanism: Mechanism) -> Cause {
    let said = format!("the host file forbids {mechanism} here (`allowAdAuthentication: false`)");
    Cause::LoginRefused { said }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_without_logins_of_a_directory_begins_none_whatever_the_server_offers() {
        let holder = |directory| Holder {
            identity: Identity::Password { username: "a".to_owned(), password: Secret::new("b".to_owned()) },
            is_own: false,
            directory,
            service: "imap/h".to_owned(),
            now: Timestamp::UNIX_EPOCH,
        };
        let forbidden = holder(Directory::Forbidden);
        for mechanism in [Mechanism::Ntlm, Mechanism::Gssapi] {
            let Err(cause) = forbidden.begin(mechanism).await else { panic!("{mechanism}") };
            // A refusal is what `auto` goes on from.
            assert!(matches!(&cause, Cause::LoginRefused { said } if said.contains("allowAdAuthentication")));
        }
        assert!(forbidden.begin(Mechanism::Plain).await.is_ok());
        assert!(holder(Directory::Allowed).begin(Mechanism::Ntlm).await.is_ok());
    }
}
