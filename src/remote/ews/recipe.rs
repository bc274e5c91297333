//! What it takes to listen to a group of mailboxes.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::gate::Gates;
use super::session::{EwsFailure, Session};
use crate::model::clock::Clock;
use crate::model::server::{Destination, Login};
use crate::net::Network;
use crate::remote::Trace;

/// What it takes to make a group: a way to the server, and a login.
pub(super) struct Recipe {
    network: Network,
    gates: Arc<Gates>,
    pub(super) destination: Destination,
    clock: Arc<dyn Clock>,
    pub(super) silence_max: Duration,
}

impl Recipe {
    pub fn of(network: &Network, shared: &Shared, destination: &Destination, clock: Arc<dyn Clock>) -> Self {
        let (network, destination) = (network.clone(), destination.again());
        let (gates, silence_max) = (Arc::clone(&shared.gates), shared.silence_max);
        Self { network, gates, destination, clock, silence_max }
    }

    pub(super) fn again(&self) -> Self {
        let (network, gates, clock) =
            (self.network.clone(), Arc::clone(&self.gates), Arc::clone(&self.clock));
        Self { network, gates, clock, destination: self.destination.again(), ..*self }
    }

    /// Everything that sessions have in common that may share a stream: where they lead, and who logs in.
    pub(super) fn login(&self) -> [u8; 32] {
        let Destination { endpoint, trust, service, login, .. } = &self.destination;
        let who = match login {
            Login::Password { username, password } => [username.as_str(), password.expose().as_str()],
            Login::Anonymous | Login::Host | Login::Oauth2 { .. } => ["", ""],
        };
        let service = service.as_ref().map(|service| (&service.location, service.access));
        let way = format!("{endpoint:?} {trust:?} {service:?}");
        let mut hasher = blake3::Hasher::new();
        for part in [way.as_str(), who[0], who[1]] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    pub(super) async fn session(&self) -> Result<Session, EwsFailure> {
        let mut trace = Trace::new(Arc::clone(&self.clock));
        let connected = Session::connect((&self.network, &self.gates), &self.destination, &mut trace).await;
        let mut session = connected.map_err(|error| error.cause)?;
        session.anchor(&self.destination.address);
        Ok(session)
    }
}
