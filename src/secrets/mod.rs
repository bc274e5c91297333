//! age identities and ciphertexts.

pub mod bundle;
mod bundles;
mod digest;
pub mod environment;
pub mod identity;
mod open;
mod parse;
pub mod place;
mod plugin;
mod read;
pub mod seal;

pub use bundle::BundleFault;
pub use digest::DigestKey;
pub use plugin::end_running as end_plugins;
pub use seal::SealError;

use crate::model::secret::{BundleDigest, SealedBundle, SealedValue, Secret, SecretRef};

/// Opens secrets. The engine knows this trait only.
pub trait Unseal: Send + Sync {
    /// Opens a value. That of a bundle needs the bundle opened before.
    fn open(&self, name: &SecretRef, sealed: &SealedValue) -> Result<Secret<String>, UnsealError>;

    /// The same without an identity for which a person might be asked (those of plugins).
    fn open_unattended(&self, name: &SecretRef, sealed: &SealedValue) -> Result<Secret<String>, UnsealError>;

    /// Whether the values of a bundle are at hand.
    fn holds(&self, bundle: &BundleDigest) -> bool;

    /// Opens a bundle, once for all of its values, and keeps them in memory. Several calls at once open it once.
    fn open_bundle(
        &self,
        bundle: &BundleDigest,
        sealed: &SealedBundle,
        presence: Presence,
    ) -> Result<(), UnsealError>;
}

/// Whether a person may be asked for something while a ciphertext is opened: a touch, a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Attended,
    Unattended,
}

/// Somebody whom a plugin of age may talk to while it opens something. `None`: nobody answers.
pub trait Attendant: Send + Sync {
    fn tell(&self, message: &str);
    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool>;
    fn ask(&self, what: &str) -> Option<String>;
    /// A PIN or a passphrase.
    fn ask_secret(&self, what: &str) -> Option<Secret<String>>;
}

/// Why a secret did not open. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// No identity was found at any of the places that are looked at.
    #[error("no age identity is at hand")]
    NoIdentity,
    #[error("no identity at hand opens it; it is said to be encrypted to {}", recipients(sealed_to))]
    NotForThisIdentity { sealed_to: Vec<String> },
    #[error("the ciphertext is damaged: {0}")]
    Damaged(String),
    /// A plugin of age has the identity and does not open it now: its token is not there, nobody answers, it died. Says
    /// nothing of the ciphertext.
    #[error("the identity of `age-plugin-{plugin}` cannot be used: {detail}")]
    IdentityUnusable { plugin: String, detail: String },
    /// It is sealed in a way that this version does not open.
    #[error("{0}")]
    Unsupported(String),
    #[error("the bundle `{file}` is not usable: {fault}")]
    Bundle { file: String, fault: BundleFault },
    #[error("the bundle `{file}` holds no key `{key}`")]
    NoSuchKey { file: String, key: String },
    /// Its ciphertext is not where it should be.
    #[error("the bundle `{0}` is not in the store; apply the manifest")]
    BundleMissing(String),
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
