//! What it takes to listen to a group of mailboxes.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::gate::Gates;
use super::session::{EwsFailure, Session};
use crate::model::clock::Clock;
use crate::model::server::{Destination, Login};
use crate::net::Network;
use crate::net::renewal::Renews;
use crate::remote::Trace;

/// What it takes to make a group: a way to the server, and a login.
pub(super) struct Recipe {
    network: Network,
    gates: Arc<Gates>,
    pub(super) destination: Destination,
    clock: Arc<dyn Clock>,
    tokens: Option<Arc<dyn Renews>>,
    pub(super) silence_max: Duration,
}

impl Recipe {
    pub fn of((network, shared): (&Network, &Shared), destination: &Destination, trace: &Trace) -> Self {
        let (network, destination) = (network.clone(), destination.again());
        let (gates, silence_max) = (Arc::clone(&shared.gates), shared.silence_max);
        let (clock, tokens) = (trace.clock(), trace.tokens());
        Self { network, gates, destination, clock, tokens, silence_max }
    }

    pub(super) fn again(&self) -> Self {
        Self {
            network: self.network.clone(),
            gates: Arc::clone(&self.gates),
            destination: self.destination.again(),
            clock: Arc::clone(&self.clock),
            tokens: self.tokens.clone(),
            silence_max: self.silence_max,
        }
    }

    /// Everything that sessions have in common that may share a stream: where they lead, and who logs in. Access tokens come and go,
    /// and name nobody: there it is the client that counts.
    pub(super) fn login(&self) -> [u8; 32] {
        let Destination { endpoint, trust, service, login, .. } = &self.destination;
        let client = self.tokens.as_ref().map(|tokens| tokens.client());
        let who = match (login, &client) {
            (_, Some(client)) => [&client[..], b""],
            (Login::Password { username, password }, None) => {
                [username.as_bytes(), password.expose().as_bytes()]
            }
            (Login::Anonymous | Login::Host | Login::Oauth2 { .. }, None) => [&b""[..], b""],
        };
        let service = service.as_ref().map(|service| (&service.location, service.access));
        let way = format!("{endpoint:?} {trust:?} {service:?}");
        let mut hasher = blake3::Hasher::new();
        for part in [way.as_bytes(), who[0], who[1]] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        *hasher.finalize().as_bytes()
    }

    pub(super) async fn session(&self) -> Result<Session, EwsFailure> {
        let mut trace = Trace::new(Arc::clone(&self.clock));
        trace.renew_with(self.tokens.clone());
        let connected = Session::connect((&self.network, &self.gates), &self.destination, &mut trace).await;
        let mut session = connected.map_err(|error| error.cause)?;
        if self.tokens.is_some() {
            session.was_let_in();
        }
        session.anchor(&self.destination.address);
        Ok(session)
    }
}
