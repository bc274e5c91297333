//! Keyed digests of values: they tell whether a value changed without keeping anything that a guess could be tried on.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::seal::{self, SealError};
use crate::model::secret::{SealedDigestKey, Secret, SecretRef, ValueDigest};

/// 32 random bytes. They are stored only as an age ciphertext.
pub struct DigestKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey")
    }
}

impl DigestKey {
    /// `None`: the system has no randomness to give.
    pub fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    /// What [`Self::seal`] encrypted.
    pub fn parse(hex: &Secret<String>) -> Option<Self> {
        let text = hex.expose().as_bytes();
        let mut bytes = Zeroizing::new([0_u8; 32]);
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The key for these recipients (name → public recipient).
    pub fn seal(&self, recipients: &BTreeMap<String, String>) -> Result<SealedDigestKey, SealError> {
        let hex = Secret::new(self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        Ok(SealedDigestKey { age: seal::seal(&hex, recipients)?, recipients: recipients.clone() })
    }

    /// The digest covers the reference too, so that equal passwords of two mailboxes do not look equal.
    pub fn digest(&self, secret: &SecretRef, value: &Secret<String>) -> ValueDigest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in [secret.secret.as_str(), &secret.key, value.expose()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        ValueDigest(hasher.finalize().to_hex().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;

    #[test]
    fn a_digest_follows_the_value_its_reference_and_the_key() {
        let (one, other) = (DigestKey::generate().unwrap(), DigestKey::generate().unwrap());
        let secret = |key: &str| SecretRef { secret: Name::parse("hq").unwrap(), key: key.to_owned() };
        let value = |text: &str| Secret::new(text.to_owned());
        let digest = one.digest(&secret("a"), &value("x"));
        assert_eq!(digest, one.digest(&secret("a"), &value("x")));
        assert_ne!(digest, one.digest(&secret("a"), &value("y")));
        assert_ne!(digest, one.digest(&secret("b"), &value("x")));
        assert_ne!(digest, other.digest(&secret("a"), &value("x")));
    }

    #[test]
    fn a_sealed_key_is_the_same_key_again() {
        let (identity, recipient) = seal::keygen();
        let key = DigestKey::generate().unwrap();
        let sealed = key.seal(&BTreeMap::from([("ops".to_owned(), recipient)])).unwrap();
        let identity: age::x25519::Identity = identity.expose().parse().unwrap();
        let plain = age::decrypt(&identity, sealed.age.as_bytes()).unwrap();
        let again = DigestKey::parse(&Secret::new(String::from_utf8(plain).unwrap())).unwrap();
        assert_eq!(*again.0, *key.0);
        assert!(DigestKey::parse(&Secret::new("é".repeat(32))).is_none());
    }
}
