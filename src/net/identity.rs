//! Who logs in: what a destination declares, with the host's own identity filled in.

use std::path::Path;

use super::Network;
use super::address::io_words;
use super::gssapi::{self, Initiator, Purpose};
use crate::model::failure::Cause;
use crate::model::host::{ServiceIdentity, TicketSource};
use crate::model::limits;
use crate::model::secret::Secret;
use crate::model::server::Login;
use crate::protocol::sasl::Ticket;

/// Who logs in, and with what.
pub enum Identity {
    Nobody,
    /// For `oauth` the password is the access token.
    Password {
        username: String,
        password: Secret<String>,
    },
    Ticket(TicketSource),
}

impl Network {
    /// Fills in the host's own identity; its password is read from its file each time, so that a new one is used at once.
    pub async fn identity(&self, login: &Login) -> Result<Identity, Cause> {
        match login {
            Login::Password { username, password } => {
                Ok(Identity::Password { username: username.clone(), password: copy(password) })
            }
            Login::Host => match &self.host.identity {
                ServiceIdentity::Ticket(source) => Ok(Identity::Ticket(source.clone())),
                ServiceIdentity::Password { username, password_file } => Ok(Identity::Password {
                    username: username.clone(),
                    password: own_password(password_file).await?,
                }),
            },
            Login::Anonymous | Login::Oauth2 { .. } => Ok(Identity::Nobody),
        }
    }
}

impl Identity {
    /// The first token of a Kerberos login for `service` (`imap/mail.contoso.example`), and what makes the others. It has
    /// asked the KDC; the others need nobody.
    pub async fn ticket(&self, service: &str) -> Result<(Vec<u8>, Box<dyn Ticket>), Cause> {
        let holder = match self {
            Self::Ticket(source) => gssapi::Holder::Host(source.clone()),
            Self::Password { username, password } => {
                gssapi::Holder::Password { principal: principal(username), password: copy(password) }
            }
            Self::Nobody => return Err(Cause::Internal { detail: "a ticket for nobody".to_owned() }),
        };
        let (initiator, first) = Initiator::begin(Purpose::Sasl, service, holder, None).await?;
        Ok((first, Box::new(initiator)))
    }
}

fn copy(secret: &Secret<String>) -> Secret<String> {
    Secret::new(secret.expose().clone())
}

/// A realm is written in capital letters, whatever the address says.
pub(super) fn principal(username: &str) -> String {
    match username.rsplit_once('@') {
        Some((user, domain)) => format!("{user}@{}", domain.to_uppercase()),
        None => username.to_owned(),
    }
}

/// One trailing line end is not part of it.
async fn own_password(file: &Path) -> Result<Secret<String>, Cause> {
    let unavailable =
        |detail: String| Cause::SecretUnavailable { secret: file.display().to_string(), detail };
    let size = tokio::fs::metadata(file).await.map_err(|error| unavailable(io_words(&error)))?.len();
    if size > limits::SECRET_VALUE_BYTES_MAX as u64 {
        return Err(unavailable("it is too large for a password".to_owned()));
    }
    let text = tokio::fs::read_to_string(file).await.map_err(|error| unavailable(io_words(&error)))?;
    let text = Secret::new(text);
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}
