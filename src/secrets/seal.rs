//! Encrypts a value to an organization's recipients, and makes new identities.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use age::armor::{ArmoredWriter, Format};
use age::secrecy::ExposeSecret;
use age::{Encryptor, NoCallbacks, plugin, tag, tagpq, x25519};

use crate::model::limits::{BUNDLE_BYTES_MAX, SECRET_VALUE_BYTES_MAX};
use crate::model::secret::Secret;

/// A new X25519 identity, as the line of an identity file, and the recipient that belongs to it.
pub fn keygen() -> (Secret<String>, String) {
    let identity = x25519::Identity::generate();
    (Secret::new(identity.to_string().expose_secret().to_owned()), identity.to_public().to_string())
}

/// Encrypts `value` so that each of `recipients` (name → `age1…`) can open it. Returns the armoured ciphertext, which
/// ends with a line end. Every call gives another ciphertext.
pub fn seal(value: &Secret<String>, recipients: &BTreeMap<String, String>) -> Result<String, SealError> {
    if value.expose().len() > SECRET_VALUE_BYTES_MAX {
        return Err(SealError::TooLarge(SECRET_VALUE_BYTES_MAX));
    }
    let armoured = seal_file(value.expose().as_bytes(), recipients, Form::Armoured)?;
    String::from_utf8(armoured).map_err(|error| SealError::Refused(error.to_string()))
}

/// The two forms of an age file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Armoured,
    Binary,
}

impl Form {
    /// Of a file that is there.
    pub fn of(ciphertext: &[u8]) -> Self {
        let is_armoured = ciphertext.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----");
        if is_armoured { Self::Armoured } else { Self::Binary }
    }
}

/// Encrypts a whole file.
pub fn seal_file(
    plain: &[u8],
    recipients: &BTreeMap<String, String>,
    form: Form,
) -> Result<Vec<u8>, SealError> {
    if plain.len() > BUNDLE_BYTES_MAX {
        return Err(SealError::TooLarge(BUNDLE_BYTES_MAX));
    }
    if recipients.is_empty() {
        return Err(SealError::NoRecipients);
    }
    let parsed = recipients.iter().map(|(name, text)| named(name, text)).collect::<Result<Vec<_>, _>>()?;
    let lent = parsed.iter().map(|recipient| &*recipient.0 as &dyn age::Recipient);
    let refused = |error: &dyn fmt::Display| SealError::Refused(super::plugin::words(error));
    let encryptor = Encryptor::with_recipients(lent).map_err(|error| refused(&error))?;
    write(encryptor, plain, form).map_err(|error| refused(&error))
}

/// Why a value was not encrypted. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("there is no recipient to encrypt to; list one under `recipients` of the organization")]
    NoRecipients,
    #[error("recipient `{name}`: {fault}")]
    Recipient { name: String, fault: RecipientFault },
    #[error("the value is larger than {0} bytes")]
    TooLarge(usize),
    #[error("age refused to encrypt: {0}")]
    Refused(String),
}

/// Why a text is no recipient. The text is not quoted: it may be a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientFault {
    #[error(
        "this is an identity, the private half; publish the recipient that `age-keygen -y` prints for it"
    )]
    Identity,
    #[error(
        "this build encrypts to no SSH keys, because the code for RSA keys has an open advisory \
         (RUSTSEC-2023-0071); use an age recipient (`mailplumb secrets keygen`), or build with `--features ssh`"
    )]
    SshNotBuilt,
    #[error("not an SSH key that age can encrypt to; expected `ssh-ed25519 …` or `ssh-rsa …`")]
    Ssh,
    #[error("not an age recipient; expected `age1…`")]
    NotARecipient,
    #[error("the age plugin `age-plugin-{0}` is not installed")]
    PluginMissing(String),
}

/// A parsed recipient.
pub struct Recipient(Box<dyn age::Recipient + Send>);

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient")
    }
}

/// Parses `age1…` (X25519), `age1tag1…`, `age1tagpq1…` and, where the plugin is installed, `age1NAME1…`.
pub fn parse_recipient(text: &str) -> Result<Recipient, RecipientFault> {
    let text = text.trim();
    if let Ok(recipient) = text.parse::<x25519::Recipient>() {
        return Ok(Recipient(Box::new(recipient)));
    }
    if let Ok(recipient) = text.parse::<tag::Recipient>() {
        return Ok(Recipient(Box::new(recipient)));
    }
    if let Ok(recipient) = text.parse::<tagpq::Recipient>() {
        return Ok(Recipient(Box::new(recipient)));
    }
    #[cfg(feature = "ssh")]
    if let Ok(recipient) = text.parse::<age::ssh::Recipient>() {
        return Ok(Recipient(Box::new(recipient)));
    }
    let Ok(recipient) = text.parse::<plugin::Recipient>() else { return Err(fault_of(text)) };
    let name = recipient.plugin().to_owned();
    plugin::RecipientPluginV1::new(&name, &[recipient], &[], NoCallbacks)
        .map(|plugin| Recipient(Box::new(plugin)))
        .map_err(|_| RecipientFault::PluginMissing(name))
}

fn named(name: &str, text: &str) -> Result<Recipient, SealError> {
    parse_recipient(text).map_err(|fault| SealError::Recipient { name: name.to_owned(), fault })
}

fn fault_of(text: &str) -> RecipientFault {
    let upper = text.to_uppercase();
    if upper.starts_with("AGE-SECRET-KEY-") || upper.starts_with("AGE-PLUGIN-") {
        RecipientFault::Identity
    } else if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-") {
        if cfg!(feature = "ssh") { RecipientFault::Ssh } else { RecipientFault::SshNotBuilt }
    } else {
        RecipientFault::NotARecipient
    }
}

fn write(encryptor: Encryptor, value: &[u8], form: Form) -> std::io::Result<Vec<u8>> {
    let mut written = Vec::new();
    let format = match form {
        Form::Armoured => Format::AsciiArmor,
        Form::Binary => Format::Binary,
    };
    let armour = ArmoredWriter::wrap_output(&mut written, format)?;
    let mut writer = encryptor.wrap_output(armour)?;
    writer.write_all(value)?;
    writer.finish()?.finish()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_recipient_is_named_but_never_quoted() {
        let (identity, recipient) = keygen();
        let recipients = BTreeMap::from([
            ("ops".to_owned(), recipient),
            ("support".to_owned(), identity.expose().clone()),
        ]);
        let error = seal(&Secret::new("x".to_owned()), &recipients).unwrap_err();
        assert!(
            matches!(&error, SealError::Recipient { name, fault: RecipientFault::Identity } if name == "support")
        );
        assert!(!format!("{error} {error:?}").contains(identity.expose().as_str()));
    }

    #[test]
    fn what_is_no_recipient_says_what_it_is() {
        let ssh = if cfg!(feature = "ssh") { RecipientFault::Ssh } else { RecipientFault::SshNotBuilt };
        assert_eq!(parse_recipient("ssh-ed25519 AAAA").unwrap_err(), ssh);
        assert_eq!(parse_recipient("age1qqq").unwrap_err(), RecipientFault::NotARecipient);
        assert_eq!(parse_recipient("").unwrap_err(), RecipientFault::NotARecipient);
    }

    #[test]
    fn nothing_is_encrypted_to_nobody_and_nothing_too_large_is_encrypted() {
        let none = seal(&Secret::new("x".to_owned()), &BTreeMap::new());
        assert_eq!(none.unwrap_err(), SealError::NoRecipients);
        let recipients = BTreeMap::from([("ops".to_owned(), keygen().1)]);
        let large = Secret::new("x".repeat(SECRET_VALUE_BYTES_MAX + 1));
        assert_eq!(seal(&large, &recipients).unwrap_err(), SealError::TooLarge(SECRET_VALUE_BYTES_MAX));
        assert!(seal(&Secret::new("x".repeat(SECRET_VALUE_BYTES_MAX)), &recipients).is_ok());
    }
}
