//! Finds the age identities of this process and holds them, unlocked, for as long as the process needs them.
//!
//! What they open is in `open.rs`; where they are looked for is in `place.rs`; what they look like in `parse.rs`.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::bundles::OpenBundles;
use super::environment::Environment;
use super::parse::{self, Held};
use super::place::{Place, Weight, places};
use super::read;
use super::{Attendant, Presence};
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
    pub(super) identities: Vec<Held>,
    pub(super) environment: Environment,
    pub(super) bundles: OpenBundles,
    places: Vec<Place>,
    warnings: Vec<Warning>,
    left_out: Vec<LeftOut>,
    attendant: Option<Arc<dyn Attendant>>,
}

/// How far it may go to unlock what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Asks, and uses plugins, which may ask later.
    Attended,
    /// Goes on without what stays locked.
    AtHand(Presence),
    /// Asks for nothing.
    Unattended,
}

impl Manner {
    fn asking(self) -> Presence {
        match self {
            Self::Attended => Presence::Attended,
            Self::AtHand(asking) => asking,
            Self::Unattended => Presence::Unattended,
        }
    }

    fn plugins(self) -> Presence {
        match self {
            Self::Attended => Presence::Attended,
            Self::AtHand(_) | Self::Unattended => Presence::Unattended,
        }
    }

    fn leaves_out(self, reason: &IdentityFault) -> bool {
        match self {
            Self::Attended => false,
            Self::AtHand(_) => matches!(
                reason,
                IdentityFault::Locked
                    | IdentityFault::WouldAsk
                    | IdentityFault::WouldRun
                    | IdentityFault::PluginMissing(_)
            ),
            Self::Unattended => true,
        }
    }
}

/// A place that was not looked into, or not used, because a person might be asked for something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} was left out: {reason}")]
pub struct LeftOut {
    pub place: Place,
    pub reason: IdentityFault,
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
    #[error(
        "it is an SSH key, and this build reads none, because the code for RSA keys has an open advisory \
         (RUSTSEC-2023-0071); use an age identity (`mailplumb secrets keygen`), or build with `--features ssh`"
    )]
    SshNotBuilt,
    #[error("it is an SSH key that age cannot use: {0}; expected ed25519 or rsa")]
    Ssh(String),
    #[error(
        "it holds several SSH keys, of which only the first would be used; put each into a file of its own"
    )]
    SeveralSshKeys,
    #[error("a plugin may ask for a touch or a PIN")]
    Plugin,
    #[error("it is locked with a passphrase")]
    WouldAsk,
    #[error("a command may ask for something")]
    WouldRun,
    #[error("the command failed: {0}")]
    Command(String),
}

impl Keyring {
    /// Looks at every place once and unlocks what it finds. A usual file that does not exist is no error, and neither
    /// is a defect at a place that other programs use; both kinds of defects elsewhere are.
    pub fn discover(discovery: &Discovery<'_>) -> Result<Self, IdentityError> {
        Self::discover_attended(discovery, None)
    }

    /// The same, with somebody whom plugins may talk to.
    pub fn discover_attended(
        discovery: &Discovery<'_>,
        attendant: Option<Arc<dyn Attendant>>,
    ) -> Result<Self, IdentityError> {
        Self::discover_as(discovery, attendant, Manner::Attended)
    }

    /// For work that can go on without: what cannot be unlocked here, because nobody may be asked or because a plugin has it,
    /// is left out and told by [`Self::left_out`]. Any other defect is an error as before. `asking`: whether a passphrase
    /// may be asked for, and a command be run.
    pub fn discover_at_hand(discovery: &Discovery<'_>, asking: Presence) -> Result<Self, IdentityError> {
        Self::discover_as(discovery, None, Manner::AtHand(asking))
    }

    fn discover_as(
        discovery: &Discovery<'_>,
        attendant: Option<Arc<dyn Attendant>>,
        manner: Manner,
    ) -> Result<Self, IdentityError> {
        let mut keyring = Self { attendant, ..Self::empty(discovery.environment.clone()) };
        for (place, weight) in places(discovery.named, &discovery.environment) {
            match (keyring.add(&place, discovery, manner), weight) {
                (Ok(()), Weight::Asked | Weight::Passing) => {}
                (Err(reason), Weight::Asked | Weight::Passing) if manner.leaves_out(&reason) => {
                    keyring.left_out.push(LeftOut { place, reason });
                }
                (Err(fault), Weight::Asked) => return Err(IdentityError { place, fault }),
                (Err(reason), Weight::Passing) => {
                    keyring.warnings.push(Warning::PassedOver { place, reason });
                }
            }
        }
        Ok(keyring)
    }

    /// The identities that open without anybody being asked for anything: no passphrase at a terminal, no command, no
    /// plugin. Whatever cannot be used is left out and told by [`Self::left_out`].
    pub fn discover_unattended(discovery: &Discovery<'_>) -> Self {
        let mut keyring = Self::empty(discovery.environment.clone());
        // Here even what other programs left lying about is told as left out.
        for (place, _) in places(discovery.named, &discovery.environment) {
            if let Err(reason) = keyring.add(&place, discovery, Manner::Unattended) {
                keyring.left_out.push(LeftOut { place, reason });
            }
        }
        keyring
    }

    /// A keyring without an identity.
    pub fn empty(environment: Environment) -> Self {
        let bundles = OpenBundles::default();
        let (places, warnings, left_out) = (Vec::new(), Vec::new(), Vec::new());
        Self { identities: Vec::new(), environment, bundles, places, warnings, left_out, attendant: None }
    }

    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// The public halves of those identities that tell theirs: `age1…`.
    pub fn recipients(&self) -> Vec<&str> {
        self.identities.iter().filter_map(|held| held.recipient.as_deref()).collect()
    }

    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Where identities were found, in the order in which they are tried.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn add(&mut self, place: &Place, discovery: &Discovery<'_>, manner: Manner) -> Result<(), IdentityFault> {
        let (asking, plugins) = (manner.asking(), manner.plugins());
        let Some(bytes) = self.read(place, asking)? else { return Ok(()) };
        let ask = || passphrase(place, discovery, asking);
        let found = parse::identities(&bytes, &ask, self.attendant.as_ref())?;
        let usable = |held: &Held| plugins == Presence::Attended || held.presence == Presence::Unattended;
        let (usable, others): (Vec<Held>, Vec<Held>) = found.into_iter().partition(usable);
        if !others.is_empty() {
            self.left_out.push(LeftOut { place: place.clone(), reason: IdentityFault::Plugin });
        }
        if !usable.is_empty() {
            self.identities.extend(usable);
            self.places.push(place.clone());
        }
        Ok(())
    }

    /// The bytes at a place; `None` where a usual file does not exist.
    fn read(
        &mut self,
        place: &Place,
        presence: Presence,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityFault> {
        match place {
            Place::Argument(path) | Place::FileVariable(_, path) => self.read_file(place, path).map(Some),
            Place::UsualFile(path) if path.exists() => self.read_file(place, path).map(Some),
            Place::UsualFile(_) => Ok(None),
            Place::Variable(name) => {
                let value = self.environment.variable(name).ok_or(IdentityFault::Empty)?;
                Ok(Some(Zeroizing::new(value.into_encoded_bytes())))
            }
            Place::CommandVariable(_, command) => match presence {
                Presence::Attended => read::run(command).map(Some),
                Presence::Unattended => Err(IdentityFault::WouldRun),
            },
        }
    }

    fn read_file(&mut self, place: &Place, path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
        let file = File::open(path).map_err(|error| IdentityFault::Unreadable(error.to_string()))?;
        if let Some(mode) = read::mode_for_others(&file) {
            self.warnings.push(Warning::ReadableByOthers { place: place.clone(), mode });
        }
        read::limited(file)
    }
}

/// The passphrase of a locked identity: from a file or a command that a variable names, or from the service manager's
/// credentials, and otherwise from a person.
fn passphrase(
    place: &Place,
    discovery: &Discovery<'_>,
    presence: Presence,
) -> Result<Secret<String>, IdentityFault> {
    let variable = |name: &str| discovery.environment.variable(name);
    if let Some(path) = variable("MAILPLUMB_AGE_PASSPHRASE_FILE") {
        return read::passphrase_file(Path::new(&path));
    }
    if let Some(command) = variable("MAILPLUMB_AGE_PASSPHRASE_CMD") {
        return match presence {
            Presence::Attended => read::passphrase_of(&read::run(&command.to_string_lossy())?),
            Presence::Unattended => Err(IdentityFault::WouldRun),
        };
    }
    let credential = variable("CREDENTIALS_DIRECTORY").map(|it| PathBuf::from(it).join("age.passphrase"));
    if let Some(path) = credential.filter(|path| path.exists()) {
        return read::passphrase_file(&path);
    }
    match presence {
        Presence::Attended => (discovery.ask_passphrase)(place).ok_or(IdentityFault::Locked),
        Presence::Unattended => Err(IdentityFault::WouldAsk),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::keygen;
    use super::*;
    use crate::model::limits;

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
    fn what_cannot_be_unlocked_here_is_left_out_and_any_other_defect_is_an_error() {
        let plugin = age::plugin::Identity::default_for_plugin("no-such-plugin").unwrap().to_string();
        let at_hand = |variables: &[(&str, &str)], named: &[PathBuf]| {
            let variables =
                variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
            let environment = Environment::Fixed(variables);
            let discovery = Discovery { named, environment, ask_passphrase: NOBODY };
            Keyring::discover_at_hand(&discovery, Presence::Attended)
        };
        let mut locked = Vec::new();
        let mut recipient = age::scrypt::Recipient::new("x".to_owned().into());
        recipient.set_work_factor(2);
        let sealer = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
        let mut sealer = sealer.wrap_output(&mut locked).unwrap();
        std::io::Write::write_all(&mut sealer, keygen().0.expose().as_bytes()).unwrap();
        sealer.finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locked.key");
        std::fs::write(&path, &locked).unwrap();
        let keyring = at_hand(&[], std::slice::from_ref(&path)).unwrap();
        assert!(keyring.is_empty());
        assert_eq!(keyring.left_out()[0].reason, IdentityFault::Locked);
        let keyring = at_hand(&[("MAILPLUMB_AGE_KEY", &plugin)], &[]).unwrap();
        assert_eq!(keyring.left_out().len(), 1);
        assert!(at_hand(&[], &["/does/not/exist.key".into()]).is_err());
        assert!(at_hand(&[("MAILPLUMB_AGE_KEY", "garbage")], &[]).is_err());
        assert_eq!(at_hand(&[("SOPS_AGE_KEY", "garbage")], &[]).unwrap().warnings().len(), 1);
        std::fs::write(&path, "# nothing\n").unwrap();
        assert_eq!(at_hand(&[], &[path]).unwrap_err().fault, IdentityFault::Empty);
    }

    #[test]
    fn a_plugin_that_is_not_installed_is_named() {
        let identity = age::plugin::Identity::default_for_plugin("no-such-plugin").unwrap().to_string();
        let missing = fault(Environment::fixed([("MAILPLUMB_AGE_KEY", &identity)]));
        assert_eq!(missing, IdentityFault::PluginMissing("no-such-plugin".to_owned()), "{identity}");
    }
}
