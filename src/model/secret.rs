//! Secrets: the value that never shows itself, the reference that may be shown, and the sealed form that is
//! stored.

use std::fmt;

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
    /// A value inside a whole-file age bundle: the bundle's armoured or binary ciphertext is in the named file.
    Bundle { file: String, key: String },
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
    /// Recognises a changed ciphertext (or a changed file or variable name). It says nothing about the value.
    pub fn digest(&self) -> SecretDigest {
        let (kind, text) = match &self.sealed {
            Sealed::Age(armoured) => ("age", armoured.trim().to_owned()),
            Sealed::File(path) => ("file", path.clone()),
            Sealed::Env(variable) => ("env", variable.clone()),
            Sealed::Bundle { file, key } => ("bundle", format!("{file}\0{key}")),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(kind.as_bytes()).update(b"\0").update(text.as_bytes());
        SecretDigest(hasher.finalize().to_hex().to_string())
    }
}

/// Hex BLAKE3 of what a [`SealedValue`] stores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretDigest(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new(String::from("hunter2"));
        assert_eq!(format!("{secret:?}"), "[secret]");
    }
}
