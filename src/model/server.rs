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
    Password {
        username: String,
        password: Secret<String>,
    },
}
