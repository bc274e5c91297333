//! The random share of a login, drawn here because `protocol` draws nothing.

use crate::model::failure::Cause;
use crate::protocol::sasl::Nonce;

/// A fresh nonce for SCRAM.
pub(super) fn draw() -> Result<Nonce, Cause> {
    draw_bytes().map(Nonce::from_random)
}

/// Fresh octets from the operating system.
pub(super) fn draw_bytes<const COUNT: usize>() -> Result<[u8; COUNT], Cause> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes)
        .map_err(|error| Cause::Internal { detail: format!("no random numbers: {error}") })?;
    Ok(bytes)
}
