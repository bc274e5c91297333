//! age identities and ciphertexts.

pub mod environment;
pub mod identity;
mod open;
pub mod place;
pub mod seal;

use crate::model::secret::{SealedValue, Secret, SecretRef};

/// Opens secrets. The engine knows this trait only.
pub trait Unseal: Send + Sync {
    fn open(&self, name: &SecretRef, sealed: &SealedValue) -> Result<Secret<String>, UnsealError>;
}

/// Why a secret did not open. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// No identity was found at any of the places that are looked at.
    #[error("no age identity is at hand")]
    NoIdentity,
    #[error("it is encrypted to {}; this identity is none of them", recipients(sealed_to))]
    NotForThisIdentity { sealed_to: Vec<String> },
    #[error("the ciphertext is damaged: {0}")]
    Damaged(String),
    /// It is sealed in a way that this version does not open.
    #[error("{0}")]
    Unsupported(String),
    #[error("file `{path}` cannot be read: {detail}")]
    File { path: String, detail: String },
    #[error("environment variable `{0}` is not set")]
    EnvironmentUnset(String),
    #[error("the value is not valid UTF-8 text")]
    NotText,
    #[error("the value is larger than {0} bytes")]
    TooLarge(usize),
}

fn recipients(sealed_to: &[String]) -> String {
    if sealed_to.is_empty() { "recipients that are not recorded".to_owned() } else { sealed_to.join(", ") }
}
