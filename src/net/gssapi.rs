//! Kerberos, through the system's GSSAPI library (RFC 2743, RFC 2744), which is loaded when the first login needs it. No
//! headers and no linking, so that one binary runs with and without it.
//!
//! The library waits for the KDC, so the first token is made on a thread of its own. Below here is the only
//! `unsafe` of the product.

#[cfg(not(feature = "kerberos"))]
mod absent;
#[cfg(feature = "kerberos")]
#[expect(unsafe_code, reason = "the library is a C library")]
mod context;
#[cfg(feature = "kerberos")]
mod keytab;
#[cfg(feature = "kerberos")]
#[expect(unsafe_code, reason = "the library is a C library")]
mod library;

#[cfg(not(feature = "kerberos"))]
use absent as imp;
#[cfg(feature = "kerberos")]
use context as imp;

use crate::model::failure::Cause;
use crate::model::host::TicketSource;
use crate::model::secret::Secret;
use crate::protocol::sasl::Ticket;

/// Whose ticket is used.
#[cfg_attr(not(feature = "kerberos"), expect(dead_code, reason = "read where Kerberos is built in"))]
pub enum Holder {
    /// The host's own.
    Host(TicketSource),
    /// A principal whose password is known.
    Password { principal: String, password: Secret<String> },
}

/// What the ticket is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// HTTP `Negotiate`: one token, and the server's certificate says who it is.
    Http,
    /// SASL `GSSAPI` (RFC 4752): the server proves itself too, and both agree on not protecting what follows.
    Sasl,
}

/// The client's half of a login.
pub struct Initiator(imp::Context);

impl Initiator {
    /// The first token for `service` (`HTTP/mail.contoso.example`). `binding` is the hash that ties the login to a TLS
    /// connection.
    pub async fn begin(
        purpose: Purpose,
        service: &str,
        holder: Holder,
        binding: Option<&[u8]>,
    ) -> Result<(Self, Vec<u8>), Cause> {
        let (service, binding) = (service.to_owned(), binding.map(<[u8]>::to_vec));
        blocking(move || {
            let mut context = imp::Context::new(purpose, &service, &holder, binding)?;
            let token = context.step(None)?.unwrap_or_default();
            Ok((Self(context), token))
        })
        .await
    }
}

/// What follows the first token asks nobody, so it needs no thread.
impl Ticket for Initiator {
    fn respond(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        self.0.step(Some(token))
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    fn unprotect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
        self.0.unwrap(message)
    }

    fn protect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
        self.0.wrap(message)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Cause> + Send + 'static,
) -> Result<T, Cause> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Cause::Internal { detail: error.to_string() })?
}
