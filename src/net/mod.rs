//! The only sockets of the product.

pub mod trace;

use bytes::BytesMut;

use crate::model::failure::{Cause, RemoteError};
use crate::model::host::HostSettings;
use crate::model::profile::Protocol;
use crate::model::server::Destination;
use crate::protocol::Conversation;

use trace::Trace;

/// Opens connections, with the host's name overrides and CA bundles.
pub struct Network;

impl Network {
    pub fn new(_host: &HostSettings) -> Self {
        Self
    }

    /// Steps `resolve`, `connect` and, for implicit TLS, `tls`.
    pub async fn connect(
        &self,
        _destination: &Destination,
        _protocol: Protocol,
        _trace: &mut Trace,
    ) -> Result<Connection, RemoteError> {
        unreachable!("to be written")
    }
}

/// One TCP or TLS connection with the bytes received and not yet consumed.
pub struct Connection {
    pub input: BytesMut,
}

impl Connection {
    /// Runs a conversation to its end. `timeout` bounds the wait for each piece of input.
    pub async fn drive<C: Conversation>(
        &mut self,
        _conversation: &mut C,
        _timeout: std::time::Duration,
    ) -> Result<C::Output, Cause> {
        unreachable!("to be written")
    }

    /// Upgrades after STARTTLS or STLS. Bytes that are already there were injected: refused.
    pub async fn start_tls(&mut self) -> Result<(), Cause> {
        unreachable!("to be written")
    }

    pub fn is_encrypted(&self) -> bool {
        false
    }

    /// `TLS 1.3`, for people.
    pub fn tls_words(&self) -> Option<String> {
        None
    }
}
