//! The random share of a SCRAM login, drawn here because `protocol` draws nothing.

use crate::model::failure::Cause;
use crate::protocol::sasl::Nonce;

/// A fresh nonce from the operating system.
pub(super) fn draw() -> Result<Nonce, Cause> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes)
        .map_err(|error| Cause::Internal { detail: format!("no random numbers: {error}") })?;
    Ok(Nonce::from_random(bytes))
}
