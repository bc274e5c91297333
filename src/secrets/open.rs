//! Opens secret values: age ciphertexts with the keyring's identities, files and variables without one.

use std::fs::File;
use std::io::Read;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor};
use zeroize::Zeroizing;

use super::identity::Keyring;
use super::parse::Held;
use super::{Presence, Unseal, UnsealError, bundle, plugin};
use crate::model::limits::{BUNDLE_BYTES_MAX, SECRET_VALUE_BYTES_MAX};
use crate::model::secret::{BundleDigest, Sealed, SealedBundle, SealedValue, Secret, SecretRef};

impl Unseal for Keyring {
    fn open(&self, _name: &SecretRef, sealed: &SealedValue) -> Result<Secret<String>, UnsealError> {
        self.open_value(sealed, Presence::Attended)
    }

    fn open_unattended(
        &self,
        _name: &SecretRef,
        sealed: &SealedValue,
    ) -> Result<Secret<String>, UnsealError> {
        self.open_value(sealed, Presence::Unattended)
    }

    fn holds(&self, bundle: &BundleDigest) -> bool {
        self.bundles.holds(bundle)
    }

    fn open_bundle(
        &self,
        digest: &BundleDigest,
        sealed: &SealedBundle,
        presence: Presence,
    ) -> Result<(), UnsealError> {
        self.bundles.open(digest, || {
            let plain = self.open_file(&sealed.ciphertext, presence)?;
            let unusable = |fault| UnsealError::Bundle { file: sealed.file.clone(), fault };
            bundle::parse(&plain).map_err(unusable)
        })
    }
}

impl Keyring {
    fn open_value(&self, sealed: &SealedValue, presence: Presence) -> Result<Secret<String>, UnsealError> {
        match &sealed.sealed {
            Sealed::Age(armoured) => {
                let plain = self
                    .decrypt(armoured.trim().as_bytes(), presence)
                    .map_err(|error| with_recipients(error, &sealed.sealed_to))?;
                text(&plain)
            }
            Sealed::File(path) => open_file(path),
            Sealed::Env(variable) => {
                let unset = || UnsealError::EnvironmentUnset(variable.clone());
                let value = self.environment.variable(variable).ok_or_else(unset)?;
                text(&Zeroizing::new(value.into_encoded_bytes()))
            }
            Sealed::Bundle { file, bundle, key } => {
                let missing = || UnsealError::BundleMissing(file.clone());
                let values = self.bundles.find(bundle).ok_or_else(missing)?;
                let no_such_key = || UnsealError::NoSuchKey { file: file.clone(), key: key.clone() };
                let value = values.get(key).ok_or_else(no_such_key)?;
                Ok(Secret::new(value.expose().clone()))
            }
        }
    }

    /// The plaintext of a whole `.age` file, armoured or binary.
    pub fn open_file(
        &self,
        ciphertext: &[u8],
        presence: Presence,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        self.decrypt(ciphertext, presence)
    }

    fn decrypt(&self, ciphertext: &[u8], presence: Presence) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let usable = |held: &&Held| presence == Presence::Attended || held.presence == Presence::Unattended;
        let mut identities: Vec<&Held> = self.identities.iter().filter(usable).collect();
        if identities.is_empty() {
            return Err(UnsealError::NoIdentity);
        }
        // Nobody is asked for a touch where a key at hand opens it.
        identities.sort_by_key(|held| held.plugin.is_some());
        let mut unusable = None;
        for held in identities {
            match decrypt_with(held, ciphertext) {
                Err(UnsealError::NotForThisIdentity { .. }) => {}
                // Another identity may open it all the same.
                Err(error @ UnsealError::IdentityUnusable { .. }) => drop(unusable.get_or_insert(error)),
                settled => return settled,
            }
        }
        Err(unusable.unwrap_or(UnsealError::NotForThisIdentity { sealed_to: Vec::new() }))
    }
}

/// With one identity. The header is read anew for each of them, which costs little beside the key agreement.
fn decrypt_with(held: &Held, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
    let damaged = |error: DecryptError| UnsealError::Damaged(plugin::words(&error));
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(ciphertext)).map_err(damaged)?;
    if decryptor.is_scrypt() {
        return Err(UnsealError::Unsupported(
            "it is encrypted with a passphrase; encrypt it to the organization's recipients".to_owned(),
        ));
    }
    let opened = decryptor.decrypt(std::iter::once(held.identity.as_ref() as &dyn age::Identity));
    match (opened, &held.plugin) {
        // A plaintext is shorter than its ciphertext.
        (Ok(plain), _) => read_limited(plain, ciphertext.len().min(BUNDLE_BYTES_MAX))
            .map_err(|error| UnsealError::Damaged(error.to_string())),
        (Err(error), Some(name)) => Err(plugin::fault(name, &error)),
        (Err(DecryptError::NoMatchingKeys), None) => {
            Err(UnsealError::NotForThisIdentity { sealed_to: Vec::new() })
        }
        (Err(error), None) => Err(damaged(error)),
    }
}

fn with_recipients(error: UnsealError, names: &[String]) -> UnsealError {
    match error {
        UnsealError::NotForThisIdentity { .. } => {
            UnsealError::NotForThisIdentity { sealed_to: names.to_vec() }
        }
        UnsealError::NoIdentity
        | UnsealError::Damaged(_)
        | UnsealError::IdentityUnusable { .. }
        | UnsealError::Unsupported(_)
        | UnsealError::Bundle { .. }
        | UnsealError::NoSuchKey { .. }
        | UnsealError::BundleMissing(_)
        | UnsealError::File { .. }
        | UnsealError::EnvironmentUnset(_)
        | UnsealError::NotText
        | UnsealError::TooLarge(_) => error,
    }
}

fn open_file(path: &str) -> Result<Secret<String>, UnsealError> {
    let failed = |detail: String| UnsealError::File { path: path.to_owned(), detail };
    let unreadable = |error: std::io::Error| failed(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    // Reading a pipe or a device could wait for ever, and a mailbox would wait with it.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(failed("it is not a regular file".to_owned()));
    }
    let bytes = read_value(file).map_err(unreadable)?;
    let value =
        bytes.strip_suffix(b"\n").map_or(bytes.as_slice(), |cut| cut.strip_suffix(b"\r").unwrap_or(cut));
    text(value)
}

/// Reads one byte more than a value may have.
fn read_value(source: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let line_end = 2;
    read_limited(source, SECRET_VALUE_BYTES_MAX + line_end + 1)
}

/// Reads into a buffer that never moves, so that wiping it wipes all of it.
fn read_limited(source: impl Read, bytes_max: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 64));
    source.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> Result<Secret<String>, UnsealError> {
    if bytes.len() > SECRET_VALUE_BYTES_MAX {
        return Err(UnsealError::TooLarge(SECRET_VALUE_BYTES_MAX));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| UnsealError::NotText)?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::environment::Environment;
    use super::super::identity::Discovery;
    use super::super::seal::{keygen, seal};
    use super::*;

    fn keyring(variables: &[(&str, &str)]) -> Keyring {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        let environment = Environment::Fixed(variables);
        Keyring::discover(&Discovery { named: &[], environment, ask_passphrase: &|_| None }).unwrap()
    }

    fn open(keyring: &Keyring, sealed: Sealed) -> Result<String, UnsealError> {
        let name = SecretRef { secret: crate::model::name::Name::parse("hq").unwrap(), key: "k".to_owned() };
        let sealed = SealedValue { sealed, sealed_to: vec!["ops".to_owned()], expires: None };
        keyring.open(&name, &sealed).map(|secret| secret.expose().clone())
    }

    fn sealed(value: &str, recipient: String) -> Sealed {
        let recipients = BTreeMap::from([("ops".to_owned(), recipient)]);
        Sealed::Age(seal(&Secret::new(value.to_owned()), &recipients).unwrap())
    }

    #[test]
    fn what_was_sealed_to_an_identity_opens_with_it() {
        let (identity, recipient) = keygen();
        let keyring = keyring(&[("MAILPLUMB_AGE_KEY", identity.expose())]);
        assert_eq!(open(&keyring, sealed("grüße\n", recipient)).unwrap(), "grüße\n");
    }

    #[test]
    fn a_stranger_learns_whom_the_value_is_for() {
        let keyring = keyring(&[("MAILPLUMB_AGE_KEY", keygen().0.expose())]);
        let error = open(&keyring, sealed("x", keygen().1)).unwrap_err();
        assert_eq!(error, UnsealError::NotForThisIdentity { sealed_to: vec!["ops".to_owned()] });
    }

    #[test]
    fn without_an_identity_age_values_stay_shut_and_the_others_open() {
        let keyring = keyring(&[("IMAP_PASSWORD", "hunter2")]);
        assert_eq!(open(&keyring, sealed("x", keygen().1)).unwrap_err(), UnsealError::NoIdentity);
        assert_eq!(open(&keyring, Sealed::Env("IMAP_PASSWORD".to_owned())).unwrap(), "hunter2");
        let unset = open(&keyring, Sealed::Env("SMTP_PASSWORD".to_owned())).unwrap_err();
        assert_eq!(unset, UnsealError::EnvironmentUnset("SMTP_PASSWORD".to_owned()));
    }

    #[test]
    fn one_line_end_of_a_file_is_not_part_of_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let shown = path.display().to_string();
        for (written, value) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r")] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(open(&keyring(&[]), Sealed::File(shown.clone())).unwrap(), value, "{written:?}");
        }
    }

    #[test]
    fn a_file_that_is_absent_or_no_file_or_too_large_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let shown = path.display().to_string();
        let absent = open(&keyring(&[]), Sealed::File(shown.clone())).unwrap_err();
        assert!(matches!(&absent, UnsealError::File { path, .. } if *path == shown), "{absent}");
        let no_file = open(&keyring(&[]), Sealed::File(folder.path().display().to_string())).unwrap_err();
        assert!(matches!(no_file, UnsealError::File { .. }), "{no_file}");
        std::fs::write(&path, vec![b'x'; SECRET_VALUE_BYTES_MAX]).unwrap();
        assert!(open(&keyring(&[]), Sealed::File(shown.clone())).is_ok());
        std::fs::write(&path, vec![b'x'; SECRET_VALUE_BYTES_MAX + 1]).unwrap();
        let large = open(&keyring(&[]), Sealed::File(shown.clone())).unwrap_err();
        assert_eq!(large, UnsealError::TooLarge(SECRET_VALUE_BYTES_MAX));
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(open(&keyring(&[]), Sealed::File(shown)).unwrap_err(), UnsealError::NotText);
    }

    #[test]
    fn every_damage_to_a_ciphertext_is_an_error_and_no_panic() {
        let (identity, recipient) = keygen();
        let keyring = keyring(&[("MAILPLUMB_AGE_KEY", identity.expose())]);
        let Sealed::Age(good) = sealed("hunter2", recipient) else { unreachable!("sealed to age") };
        let last_line = good.trim_end().rfind('\n').unwrap();
        for cut in 0..=last_line {
            let error = open(&keyring, Sealed::Age(good[..cut].to_owned())).unwrap_err();
            assert!(matches!(error, UnsealError::Damaged(_)), "{cut}: {error}");
        }
    }

    #[test]
    fn a_value_of_a_bundle_that_is_not_open_or_lacks_the_key_is_an_error() {
        let (identity, recipient) = keygen();
        let keyring = keyring(&[("MAILPLUMB_AGE_KEY", identity.expose())]);
        let recipients = BTreeMap::from([("ops".to_owned(), recipient)]);
        let ciphertext =
            super::super::seal::seal_file(b"imap: x\n", &recipients, super::super::seal::Form::Binary);
        let sealed = SealedBundle { file: "hq.age".to_owned(), ciphertext: ciphertext.unwrap().into() };
        let digest = BundleDigest::of(&sealed.ciphertext);
        let value = |key: &str| Sealed::Bundle {
            file: "hq.age".to_owned(),
            bundle: digest.clone(),
            key: key.to_owned(),
        };
        assert_eq!(
            open(&keyring, value("imap")).unwrap_err(),
            UnsealError::BundleMissing("hq.age".to_owned())
        );
        assert!(!keyring.holds(&digest));
        keyring.open_bundle(&digest, &sealed, Presence::Unattended).unwrap();
        assert!(keyring.holds(&digest));
        assert_eq!(open(&keyring, value("imap")).unwrap(), "x");
        let error = open(&keyring, value("smtp")).unwrap_err();
        assert_eq!(error.to_string(), "the bundle `hq.age` holds no key `smtp`");
    }
}
