//! Finds the age identities of this process and holds them, unlocked, for as long as the process needs them.
//!
//! What they open is in `open.rs`; where they are looked for is in `place.rs`.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{Decryptor, IdentityFile};
use zeroize::Zeroizing;

use super::environment::Environment;
use super::place::{Place, Weight, places};
use crate::model::limits;
use crate::model::secret::Secret;

/// Asks a person for the passphrase of the identity at a place; `None`: nobody is there to ask.
pub type AskPassphrase<'a> = &'a dyn Fn(&Place) -> Option<Secret<String>>;

/// What decides where identities are looked for.
pub struct Discovery<'a> {
    /// The paths of `--identity`. If there are any, nothing else is looked at.
    pub named: &'a [PathBuf],
    pub environment: Environment,
    pub ask_passphrase: AskPassphrase<'a>,
}

/// The identities that were found, unlocked. It may hold none; values that need none still open.
pub struct Keyring {
    pub(super) identities: Vec<Box<dyn age::Identity + Send + Sync>>,
    pub(super) environment: Environment,
    places: Vec<Place>,
    warnings: Vec<Warning>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("places", &self.places).finish_non_exhaustive()
    }
}

/// Something a person should know, although the identities could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error("{place} can be read by other users (mode {mode:04o}); run `chmod 600` on it")]
    ReadableByOthers { place: Place, mode: u32 },
    #[error("{place} was passed over: {reason}")]
    PassedOver { place: Place, reason: IdentityFault },
}

/// A place could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} cannot be used: {fault}")]
pub struct IdentityError {
    pub place: Place,
    pub fault: IdentityFault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    #[error("{0}")]
    Unreadable(String),
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    #[error("it is not UTF-8 text")]
    NotText,
    /// Lines count from 1. The line itself is not quoted, as it may be a damaged key.
    #[error(
        "line {0} is no age identity; expected `AGE-SECRET-KEY-1…`, `AGE-PLUGIN-…`, a comment or an empty line"
    )]
    NotAnIdentity(usize),
    #[error("it holds no identity")]
    Empty,
    #[error(
        "it is locked with a passphrase, and there is nobody to ask for it; use an unlocked identity here"
    )]
    Locked,
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    #[error("it is encrypted to a recipient; an identity file may be locked with a passphrase only")]
    NotLockedByPassphrase,
    #[error("it is a damaged age file: {0}")]
    Damaged(String),
    #[error("the age plugin `age-plugin-{0}` is not installed")]
    PluginMissing(String),
    #[error("the command failed: {0}")]
    Command(String),
}

/// scrypt's cost of a locked identity, as log2; age writes 18. More would take minutes and gigabytes.
const WORK_FACTOR_MAX: u8 = 22;

impl Keyring {
    /// Looks at every place once and unlocks what it finds. A usual file that does not exist is no error, and neither
    /// is a defect at a place that other programs use; both kinds of defects elsewhere are.
    pub fn discover(discovery: &Discovery<'_>) -> Result<Self, IdentityError> {
        let mut keyring = Self::empty(discovery.environment.clone());
        for (place, weight) in places(discovery.named, &discovery.environment) {
            match (keyring.add(&place, discovery), weight) {
                (Ok(()), Weight::Asked | Weight::Passing) => {}
                (Err(fault), Weight::Asked) => return Err(IdentityError { place, fault }),
                (Err(reason), Weight::Passing) => {
                    keyring.warnings.push(Warning::PassedOver { place, reason });
                }
            }
        }
        Ok(keyring)
    }

    /// A keyring without an identity.
    pub fn empty(environment: Environment) -> Self {
        Self { identities: Vec::new(), environment, places: Vec::new(), warnings: Vec::new() }
    }

    /// Where identities were found, in the order in which they are tried.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn add(&mut self, place: &Place, discovery: &Discovery<'_>) -> Result<(), IdentityFault> {
        let Some(bytes) = self.read(place)? else { return Ok(()) };
        let bytes =
            if is_age_file(&bytes) { unlock(&bytes, place, discovery.ask_passphrase)? } else { bytes };
        self.identities.extend(parse(&bytes)?);
        self.places.push(place.clone());
        Ok(())
    }

    /// The bytes at a place; `None` where a usual file does not exist.
    fn read(&mut self, place: &Place) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityFault> {
        match place {
            Place::Argument(path) | Place::FileVariable(_, path) => self.read_file(place, path).map(Some),
            Place::UsualFile(path) if path.exists() => self.read_file(place, path).map(Some),
            Place::UsualFile(_) => Ok(None),
            Place::Variable(name) => {
                let value = self.environment.variable(name).ok_or(IdentityFault::Empty)?;
                Ok(Some(Zeroizing::new(value.into_encoded_bytes())))
            }
            Place::CommandVariable(_, command) => run(command).map(Some),
        }
    }

    fn read_file(&mut self, place: &Place, path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
        let file = File::open(path).map_err(|error| IdentityFault::Unreadable(error.to_string()))?;
        if let Some(mode) = mode_for_others(&file) {
            self.warnings.push(Warning::ReadableByOthers { place: place.clone(), mode });
        }
        read_limited(file)
    }
}

/// The permission bits of a regular file that other users can read.
#[cfg(unix)]
fn mode_for_others(file: &File) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn mode_for_others(_file: &File) -> Option<u32> {
    None
}

/// Reads into a buffer that never moves, so that wiping it wipes all of it.
fn read_limited(source: impl Read) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
    let max = limits::IDENTITY_BYTES_MAX;
    let mut bytes = Zeroizing::new(Vec::with_capacity(max as usize + 64));
    source
        .take(max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| IdentityFault::Unreadable(error.to_string()))?;
    if bytes.len() as u64 > max { Err(IdentityFault::TooLarge(max)) } else { Ok(bytes) }
}

/// Runs a command with `sh` and returns what it prints. What it says goes to this process's standard error.
fn run(command: &str) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
    let failed = |error: io::Error| IdentityFault::Command(error.to_string());
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let printed = child.stdout.take().map_or_else(|| Ok(Zeroizing::default()), read_limited);
    // A command that prints more than the limit would wait for a reader for ever.
    if printed.is_err() {
        child.kill().map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    let printed = printed?;
    if status.success() { Ok(printed) } else { Err(IdentityFault::Command(status.to_string())) }
}

fn is_age_file(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// Decrypts a whole identity file, so that its lines are parsed, and complained about, in one place.
fn unlock(bytes: &[u8], place: &Place, ask: AskPassphrase<'_>) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
    let damaged = |error: age::DecryptError| IdentityFault::Damaged(error.to_string());
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(bytes)).map_err(damaged)?;
    if !decryptor.is_scrypt() {
        return Err(IdentityFault::NotLockedByPassphrase);
    }
    let passphrase = ask(place).ok_or(IdentityFault::Locked)?;
    let mut key = age::scrypt::Identity::new(SecretString::from(passphrase.expose().clone()));
    key.set_max_work_factor(WORK_FACTOR_MAX);
    let plain = decryptor.decrypt(std::iter::once(&key as &dyn age::Identity));
    match plain {
        Ok(plain) => read_limited(plain),
        // age says "decryption failed" or "no matching keys" for a wrong passphrase, depending on its version.
        Err(age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed) => {
            Err(IdentityFault::WrongPassphrase)
        }
        Err(error) => Err(damaged(error)),
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>, IdentityFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| IdentityFault::NotText)?;
    let mut identities = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let one = IdentityFile::from_buffer(BufReader::new(line.as_bytes()))
            .map_err(|_| IdentityFault::NotAnIdentity(index + 1))?;
        identities.extend(one.into_identities().map_err(|_| IdentityFault::PluginMissing(plugin(line)))?);
    }
    if identities.is_empty() { Err(IdentityFault::Empty) } else { Ok(identities) }
}

/// The name in `AGE-PLUGIN-NAME-1…`.
fn plugin(line: &str) -> String {
    let name = line.strip_prefix("AGE-PLUGIN-").and_then(|rest| rest.rsplit_once("-1"));
    name.map_or_else(String::new, |(name, _)| name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::super::seal::keygen;
    use super::*;

    const NOBODY: AskPassphrase<'static> = &|_| None;

    fn discover(environment: Environment, named: &[PathBuf]) -> Result<Keyring, IdentityError> {
        Keyring::discover(&Discovery { named, environment, ask_passphrase: NOBODY })
    }

    fn fault(environment: Environment) -> IdentityFault {
        discover(environment, &[]).unwrap_err().fault
    }

    #[test]
    fn an_environment_without_any_place_gives_an_empty_keyring() {
        let keyring = discover(Environment::fixed([]), &[]).unwrap();
        assert!(keyring.places().is_empty() && keyring.identities.is_empty());
    }

    #[test]
    fn a_variable_may_hold_several_keys_and_comments() {
        let (one, two) = (keygen().0, keygen().0);
        let text = format!("# ops\n{}\n\n  {}  \r\n", one.expose(), two.expose());
        let keyring = discover(Environment::fixed([("MAILPLUMB_AGE_KEY", &text)]), &[]).unwrap();
        assert_eq!(keyring.identities.len(), 2);
    }

    #[test]
    fn a_damaged_key_is_named_by_its_line_and_not_quoted() {
        let error =
            discover(Environment::fixed([("MAILPLUMB_AGE_KEY", "#\nAGE-SECRET-KEY-1X")]), &[]).unwrap_err();
        assert_eq!(error.fault, IdentityFault::NotAnIdentity(2));
        assert!(
            error.to_string().contains("`MAILPLUMB_AGE_KEY`") && !format!("{error:?}").contains("KEY-1X")
        );
        assert_eq!(fault(Environment::fixed([("MAILPLUMB_AGE_KEY", "# nothing")])), IdentityFault::Empty);
    }

    #[test]
    fn a_defect_at_a_place_of_another_program_is_a_warning() {
        let (key, _) = keygen();
        let environment = Environment::fixed([
            ("SOPS_AGE_KEY", "not a key"),
            ("SOPS_AGE_KEY_FILE", "/does/not/exist"),
            ("MAILPLUMB_AGE_KEY", key.expose()),
        ]);
        let keyring = discover(environment, &[]).unwrap();
        assert_eq!((keyring.identities.len(), keyring.warnings().len()), (1, 2));
        assert!(keyring.warnings()[0].to_string().contains("`SOPS_AGE_KEY` was passed over: line 1"));
    }

    #[test]
    fn a_command_prints_the_key_and_its_failure_is_an_error() {
        let (key, _) = keygen();
        let command = format!("echo {}", key.expose());
        let keyring = discover(Environment::fixed([("MAILPLUMB_AGE_KEY_CMD", &command)]), &[]).unwrap();
        assert_eq!(keyring.identities.len(), 1);
        let failed = fault(Environment::fixed([("MAILPLUMB_AGE_KEY_CMD", "exit 3")]));
        assert_eq!(failed, IdentityFault::Command("exit status: 3".to_owned()));
        let endless = fault(Environment::fixed([("MAILPLUMB_AGE_KEY_CMD", "yes")]));
        assert_eq!(endless, IdentityFault::TooLarge(limits::IDENTITY_BYTES_MAX));
    }

    #[test]
    fn a_named_file_must_exist() {
        let error = discover(Environment::fixed([]), &["/does/not/exist.key".into()]).unwrap_err();
        assert!(matches!(error.fault, IdentityFault::Unreadable(_)), "{error}");
    }

    #[test]
    fn a_plugin_that_is_not_installed_is_named() {
        let identity = age::plugin::Identity::default_for_plugin("no-such-plugin").unwrap().to_string();
        let missing = fault(Environment::fixed([("MAILPLUMB_AGE_KEY", &identity)]));
        assert_eq!(missing, IdentityFault::PluginMissing("no-such-plugin".to_owned()), "{identity}");
    }
}
