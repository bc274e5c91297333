//! What an identity looks like: lines of an age identity file, the same locked with a passphrase, or an SSH key.

use std::io::BufReader;
use std::sync::Arc;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{Decryptor, IdentityFile, x25519};
use zeroize::Zeroizing;

use super::identity::IdentityFault;
use super::{Attendant, Presence, read};
use crate::model::secret::Secret;

/// scrypt's cost of a locked identity, as log2; age writes 18. More would take minutes and gigabytes.
const WORK_FACTOR_MAX: u8 = 22;

/// An unlocked identity.
pub(super) struct Held {
    pub identity: Box<dyn age::Identity + Send + Sync>,
    /// Whether using it may ask a person for something.
    pub presence: Presence,
    /// The name of the plugin that has it.
    pub plugin: Option<String>,
    /// Its public half, where that can be told.
    pub recipient: Option<String>,
}

/// An attendant as age's plugins know one.
#[derive(Clone)]
struct Voice(Option<Arc<dyn Attendant>>);

impl age::Callbacks for Voice {
    fn display_message(&self, message: &str) {
        if let Some(attendant) = &self.0 {
            attendant.tell(message);
        }
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        self.0.as_ref()?.confirm(message, yes, no)
    }

    fn request_public_string(&self, what: &str) -> Option<String> {
        self.0.as_ref()?.ask(what)
    }

    fn request_passphrase(&self, what: &str) -> Option<SecretString> {
        Some(SecretString::from(self.0.as_ref()?.ask_secret(what)?.expose().clone()))
    }
}

type Ask<'a> = &'a dyn Fn() -> Result<Secret<String>, IdentityFault>;

/// Every identity in these bytes. `ask` gives the passphrase of a locked one; plugins talk to the attendant later.
pub(super) fn identities(
    bytes: &[u8],
    ask: Ask<'_>,
    attendant: Option<&Arc<dyn Attendant>>,
) -> Result<Vec<Held>, IdentityFault> {
    if is_ssh_key(bytes) {
        return ssh(bytes, ask).map(|held| vec![held]);
    }
    let voice = Voice(attendant.cloned());
    if is_age_file(bytes) { lines(&unlock(bytes, ask)?, &voice) } else { lines(bytes, &voice) }
}

fn is_age_file(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

fn is_ssh_key(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----")
        || text.starts_with(b"-----BEGIN RSA PRIVATE KEY-----")
}

/// Decrypts a whole identity file, so that its lines are parsed, and complained about, in one place.
fn unlock(bytes: &[u8], ask: Ask<'_>) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
    let damaged = |error: age::DecryptError| IdentityFault::Damaged(error.to_string());
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(bytes)).map_err(damaged)?;
    if !decryptor.is_scrypt() {
        return Err(IdentityFault::NotLockedByPassphrase);
    }
    let passphrase = ask()?;
    let mut key = age::scrypt::Identity::new(SecretString::from(passphrase.expose().clone()));
    key.set_max_work_factor(WORK_FACTOR_MAX);
    match decryptor.decrypt(std::iter::once(&key as &dyn age::Identity)) {
        Ok(plain) => read::limited(plain),
        // age says "decryption failed" or "no matching keys" for a wrong passphrase, depending on its version.
        Err(age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed) => {
            Err(IdentityFault::WrongPassphrase)
        }
        Err(error) => Err(damaged(error)),
    }
}

fn lines(bytes: &[u8], voice: &Voice) -> Result<Vec<Held>, IdentityFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| IdentityFault::NotText)?;
    let mut identities = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let one = IdentityFile::from_buffer(BufReader::new(line.as_bytes()))
            .map_err(|_| IdentityFault::NotAnIdentity(index + 1))?;
        let one = one.with_callbacks(voice.clone());
        let found = one.into_identities().map_err(|_| IdentityFault::PluginMissing(plugin(line)))?;
        let plugin = line.starts_with("AGE-PLUGIN-").then(|| plugin(line));
        let presence = if plugin.is_some() { Presence::Attended } else { Presence::Unattended };
        let recipient = line.parse::<x25519::Identity>().ok().map(|it| it.to_public().to_string());
        identities.extend(found.into_iter().map(|identity| Held {
            identity,
            presence,
            plugin: plugin.clone(),
            recipient: recipient.clone(),
        }));
    }
    if identities.is_empty() { Err(IdentityFault::Empty) } else { Ok(identities) }
}

/// The name in `AGE-PLUGIN-NAME-1…`.
fn plugin(line: &str) -> String {
    let name = line.strip_prefix("AGE-PLUGIN-").and_then(|rest| rest.rsplit_once("-1"));
    name.map_or_else(String::new, |(name, _)| name.to_lowercase())
}

#[cfg(not(feature = "ssh"))]
fn ssh(_bytes: &[u8], _ask: Ask<'_>) -> Result<Held, IdentityFault> {
    Err(IdentityFault::SshNotBuilt)
}

#[cfg(feature = "ssh")]
fn ssh(bytes: &[u8], ask: Ask<'_>) -> Result<Held, IdentityFault> {
    use age::ssh::Identity;

    let begins = |window: &&[u8]| *window == b"-----BEGIN ";
    if bytes.windows(b"-----BEGIN ".len()).filter(begins).count() > 1 {
        return Err(IdentityFault::SeveralSshKeys);
    }
    let unusable = |error: &dyn std::fmt::Display| IdentityFault::Ssh(error.to_string());
    let identity =
        match Identity::from_buffer(BufReader::new(bytes), None).map_err(|error| unusable(&error))? {
            Identity::Unencrypted(key) => Identity::from(key),
            Identity::Encrypted(key) => {
                let passphrase = SecretString::from(ask()?.expose().clone());
                Identity::from(key.decrypt(passphrase).map_err(|_| IdentityFault::WrongPassphrase)?)
            }
            Identity::Unsupported(_) => return Err(unusable(&"it is of another kind")),
        };
    let recipient = age::ssh::Recipient::try_from(identity.clone()).ok().map(|it| it.to_string());
    Ok(Held { identity: Box::new(identity), presence: Presence::Unattended, plugin: None, recipient })
}
