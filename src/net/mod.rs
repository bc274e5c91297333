//! The only sockets of the product: one function that opens a connection, one loop that drives a conversation over
//! it. What is said over a connection is decided in `protocol`; this room must not know any command.

mod address;
mod client_certificate;
mod connection;
mod fence;
mod gssapi;
mod handshake;
pub mod http;
mod identity;
#[cfg(test)]
pub(crate) mod loopback;
mod patience;
mod records;
pub mod renewal;
pub mod trace;
mod trust;
pub mod web;

use std::sync::Arc;
use std::time::Duration;

use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::profile::{Protocol, TlsMode};
use crate::model::server::Destination;
use crate::protocol::sasl::Channel;

use address::{Addresses, Target};
pub use connection::Connection;
pub use fence::Fence;
use handshake::TlsPeer;
pub use identity::Identity;
use trace::Trace;
use trust::TrustStore;

/// Opens connections, with the host's name overrides and CA bundles. Cheap to clone; clones share the TLS
/// configurations, so that roots are read once and sessions can be resumed.
#[derive(Clone)]
pub struct Network {
    host: Arc<HostSettings>,
    trust: Arc<TrustStore>,
    fence: Fence,
}

impl Network {
    pub fn new(host: &HostSettings) -> Self {
        let trust = Arc::new(TrustStore::new(host.trust.clone()));
        Self { host: Arc::new(host.clone()), trust, fence: Fence::Open }
    }

    /// The same for names that nobody wrote into a manifest.
    pub fn within(&self, fence: Fence) -> Self {
        Self { fence, ..self.clone() }
    }

    /// Steps `resolve`, `connect` and, for implicit TLS, `tls`. The certificate is verified for the host name of
    /// the manifest, wherever the host's overrides lead.
    pub async fn connect(
        &self,
        destination: &Destination,
        protocol: Protocol,
        trace: &mut Trace,
    ) -> Result<Connection, RemoteError> {
        let endpoint = &destination.endpoint;
        // Checked when a manifest is applied, and here again: the switch may have been withdrawn since.
        if endpoint.tls == TlsMode::None && !self.host.allow_non_tls_email {
            return Err(RemoteError::new(TestStep::Tls, Cause::TlsRequired));
        }
        let target = Target::new(&endpoint.host, endpoint.port_or_default(protocol));
        let wait = connect_wait(endpoint.timeout_seconds);

        let addresses = trace.step(TestStep::Resolve, self.resolve(&target, wait)).await?;
        trace.detail(addresses.to_string());

        let (socket, peer) = trace.step(TestStep::Connect, address::dial(&addresses, &target, wait)).await?;
        trace.detail(peer.to_string());

        let tls = TlsPeer {
            store: Arc::clone(&self.trust),
            trust: destination.trust.clone(),
            host: target.host,
            wait,
            findings: trace.findings().cloned(),
        };
        let mut connection = Connection::plain(socket, tls);
        match endpoint.tls {
            TlsMode::Implicit => {
                trace.step(TestStep::Tls, connection.begin_with_tls()).await?;
                if let Some(words) = connection.tls_words() {
                    trace.detail(words);
                }
            }
            TlsMode::Starttls | TlsMode::None => {}
        }
        Ok(connection)
    }

    async fn resolve(&self, target: &Target, wait: Duration) -> Result<Addresses, Cause> {
        address::resolve(&self.host, target, wait).await?.within(self.fence, &self.host, target)
    }

    /// As what this machine greets servers that mail is sent through. `None`: nobody said.
    pub fn smtp_name(&self) -> Option<&str> {
        self.host.smtp_name.as_deref()
    }

    /// Whether the host file lets a server have logins with Kerberos and NTLM.
    pub fn allows_directory(&self) -> bool {
        self.host.allow_ad_authentication
    }

    /// What a login over this connection may reveal: without TLS, only the host file can allow a password.
    pub fn login_channel(&self, connection: &Connection) -> Channel {
        if connection.is_encrypted() {
            Channel::Encrypted
        } else {
            Channel::Clear { allowed: self.host.allow_basic_over_plaintext }
        }
    }
}

/// How long resolving, connecting and the handshake may take, each. A profile can only shorten it.
fn connect_wait(timeout_seconds: Option<u32>) -> Duration {
    let asked = timeout_seconds.map_or(limits::CONNECT_TIMEOUT, |s| Duration::from_secs(u64::from(s.max(1))));
    asked.min(limits::CONNECT_TIMEOUT)
}

/// A wait that is over, in whole seconds, at least one.
fn timed_out(wait: Duration) -> Cause {
    Cause::TimedOut { seconds: wait.as_secs().max(1) }
}

#[cfg(test)]
mod tests;
