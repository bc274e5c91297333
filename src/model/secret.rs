//! Secrets: the value that never shows itself, the reference that may be shown, and the sealed form that is
//! stored.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::name::Name;

/// A secret value in memory. It cannot be printed, serialised or compared, and is wiped when dropped.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every call is a place to look at in a review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Names a value of a `Secret` document: `provider/support`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    pub secret: Name,
    pub key: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.secret, self.key)
    }
}

/// Where a secret's value comes from. Never the value itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Sealed {
    /// An armoured age ciphertext.
    Age(String),
    /// A file that is read when a connection is made; one trailing line end is not part of the value.
    File(String),
    /// An environment variable of the process that makes the connection.
    Env(String),
    /// A value inside a whole-file age bundle, see [`SealedBundle`].
    Bundle {
        /// The file's name when it was declared, for people.
        file: String,
        /// Which ciphertext. Empty in a store of a version that did not keep any.
        #[serde(default)]
        bundle: BundleDigest,
        key: String,
    },
}

impl Sealed {
    /// The same in words for people, without any ciphertext.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Age(_) => Origin::Manifest,
            Self::File(path) => Origin::File(path.clone()),
            Self::Env(variable) => Origin::Variable(variable.clone()),
            Self::Bundle { file, .. } => Origin::Bundle(file.clone()),
        }
    }
}

/// Where somebody has to go who wants to change a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An age ciphertext of the manifest.
    Manifest,
    File(String),
    Variable(String),
    Bundle(String),
}

/// A file that is one age ciphertext, armoured or binary, and holds many values. It is kept once, whatever the number
/// of its values.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBundle {
    /// As the manifest's files are named.
    pub file: String,
    pub ciphertext: Arc<[u8]>,
}

impl fmt::Debug for SealedBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedBundle({}, {} bytes)", self.file, self.ciphertext.len())
    }
}

/// Hex BLAKE3 of a bundle's ciphertext.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BundleDigest(pub String);

impl BundleDigest {
    pub fn of(ciphertext: &[u8]) -> Self {
        Self(blake3::hash(ciphertext).to_hex().to_string())
    }
}

/// One declared value, with what may be known about it without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedValue {
    pub sealed: Sealed,
    /// Names of the organization's recipients it is encrypted to.
    #[serde(default)]
    pub sealed_to: Vec<String>,
    #[serde(default)]
    pub expires: Option<Date>,
}

impl SealedValue {
    /// Recognises a changed ciphertext (or a changed file or variable name). It says nothing about the value. That of a
    /// bundle's value covers the whole ciphertext by its digest, so that thousands of values cost one look at the file.
    pub fn digest(&self) -> SecretDigest {
        let mut hasher = blake3::Hasher::new();
        match &self.sealed {
            Sealed::Age(armoured) => hasher.update(b"age\0").update(armoured.trim().as_bytes()),
            Sealed::File(path) => hasher.update(b"file\0").update(path.as_bytes()),
            Sealed::Env(variable) => hasher.update(b"env\0").update(variable.as_bytes()),
            Sealed::Bundle { file: _, bundle, key } => {
                hasher.update(b"bundle\0").update(bundle.0.as_bytes()).update(b"\0").update(key.as_bytes())
            }
        };
        SecretDigest(hasher.finalize().to_hex().to_string())
    }

    /// Whether the manifest itself holds it, and not a file or a variable.
    pub fn is_encrypted(&self) -> bool {
        match self.sealed {
            Sealed::Age(_) | Sealed::Bundle { .. } => true,
            Sealed::File(_) | Sealed::Env(_) => false,
        }
    }

    /// The bundle that the value is in.
    pub fn bundle(&self) -> Option<&BundleDigest> {
        match &self.sealed {
            Sealed::Bundle { bundle, .. } => Some(bundle),
            Sealed::Age(_) | Sealed::File(_) | Sealed::Env(_) => None,
        }
    }
}

/// Hex BLAKE3 of what a [`SealedValue`] stores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretDigest(pub String);

/// Hex BLAKE3 of a value under the organization's digest key and its reference: tells whether a value changed to
/// whoever holds the key, and nothing at all to others. Equal values of two references have different ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ValueDigest(pub String);

/// The digest key as it is stored: an armoured age ciphertext, and to whom (name → public recipient).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedDigestKey {
    pub age: String,
    pub recipients: BTreeMap<String, String>,
}

/// What is known of a value whose ciphertext is not the stored one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub verdict: Verdict,
    /// To whom the stored ciphertext was encrypted. `None`: not known.
    pub sealed_to_before: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The value is the stored one: it was only encrypted again.
    Same,
    Different,
    /// There was no identity, or it did not open one of the two.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new(String::from("hunter2"));
        assert_eq!(format!("{secret:?}"), "[secret]");
    }
}
