//! The `age` program and we read each other's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mailplumb::model::name::Name;
use mailplumb::model::secret::{Sealed, SealedValue, Secret, SecretRef};
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::{Discovery, IdentityFault, Keyring, Warning};
use mailplumb::secrets::seal::{keygen, seal};
use mailplumb::secrets::{Unseal, UnsealError};

use crate::support::need::{Need, require};
use crate::support::program::run;

const VALUE: &str = "grüße, \"quoted\"\nand a second line";

/// Makes an identity with `age-keygen`; its file and its recipient.
fn identity(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    run("age-keygen", &["-o".as_ref(), path.as_os_str()], "");
    let recipient = run("age-keygen", &["-y".as_ref(), path.as_os_str()], "").trim().to_owned();
    (path, recipient)
}

fn keyring(named: &[PathBuf]) -> Keyring {
    let environment = Environment::fixed([]);
    Keyring::discover(&Discovery { named, environment, ask_passphrase: &|_| None }).unwrap()
}

fn open(keyring: &Keyring, armoured: String) -> Result<String, UnsealError> {
    let name = SecretRef { secret: Name::parse("hq").unwrap(), key: "imap".to_owned() };
    let sealed =
        SealedValue { sealed: Sealed::Age(armoured), sealed_to: vec!["ops".to_owned()], expires: None };
    keyring.open(&name, &sealed).map(|value| value.expose().clone())
}

#[test]
fn what_age_encrypts_to_several_recipients_each_of_them_opens() {
    let Some(()) = require(Need::Age) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (one, first) = identity(folder.path(), "one.key");
    let (two, second) = identity(folder.path(), "two.key");
    let (three, _) = identity(folder.path(), "three.key");
    let armoured = run("age", &["-a", "-r", &first, "-r", &second], VALUE);
    assert_eq!(open(&keyring(&[one]), armoured.clone()).unwrap(), VALUE);
    assert_eq!(open(&keyring(&[three.clone(), two]), armoured.clone()).unwrap(), VALUE);
    let stranger = open(&keyring(&[three]), armoured).unwrap_err();
    assert_eq!(stranger, UnsealError::NotForThisIdentity { sealed_to: vec!["ops".to_owned()] });
}

#[test]
fn what_we_encrypt_age_opens_with_each_identity() {
    let Some(()) = require(Need::Age) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (theirs, recipient) = identity(folder.path(), "theirs.key");
    let (ours, our_recipient) = keygen();
    let our_file = folder.path().join("ours.key");
    fs::write(&our_file, format!("# made here\n{}\n", ours.expose())).unwrap();
    assert_eq!(run("age-keygen", &["-y".as_ref(), our_file.as_os_str()], "").trim(), our_recipient);
    let recipients = BTreeMap::from([("ops".to_owned(), recipient), ("ci".to_owned(), our_recipient)]);
    let armoured = seal(&Secret::new(VALUE.to_owned()), &recipients).unwrap();
    for key in [theirs, our_file] {
        assert_eq!(run("age", &["-d".as_ref(), "-i".as_ref(), key.as_os_str()], &armoured), VALUE);
    }
}

#[test]
fn an_identity_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("age.key");
    fs::write(&path, keygen().0.expose()).unwrap();
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o644, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let keyring = keyring(std::slice::from_ref(&path));
        let found = keyring
            .warnings()
            .iter()
            .any(|warning| matches!(warning, Warning::ReadableByOthers { mode: seen, .. } if *seen == mode));
        assert_eq!(found, warned, "{mode:o}");
    }
}

#[test]
fn a_locked_identity_opens_with_its_passphrase_and_asks_once() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, recipient) = keygen();
    let path = folder.path().join("locked.key");
    fs::write(&path, locked(identity.expose(), "correct horse")).unwrap();
    let armoured =
        seal(&Secret::new(VALUE.to_owned()), &BTreeMap::from([("ops".to_owned(), recipient)])).unwrap();
    let asked = std::cell::Cell::new(0);
    let discover = |answer: Option<&str>| {
        let ask = |_: &_| {
            asked.set(asked.get() + 1);
            answer.map(|answer| Secret::new(answer.to_owned()))
        };
        let named = std::slice::from_ref(&path);
        Keyring::discover(&Discovery { named, environment: Environment::fixed([]), ask_passphrase: &ask })
    };
    let keyring = discover(Some("correct horse")).unwrap();
    for _ in 0..2 {
        assert_eq!(open(&keyring, armoured.clone()).unwrap(), VALUE);
    }
    assert_eq!(asked.get(), 1);
    assert_eq!(discover(Some("wrong")).unwrap_err().fault, IdentityFault::WrongPassphrase);
    assert_eq!(discover(None).unwrap_err().fault, IdentityFault::Locked);
}

/// What `age -p` writes; the program itself takes a passphrase from a terminal only. The work factor is low, because
/// the cost is not what is tested.
fn locked(identity: &str, passphrase: &str) -> Vec<u8> {
    let mut recipient = ::age::scrypt::Recipient::new(passphrase.to_owned().into());
    recipient.set_work_factor(10);
    ::age::encrypt(&recipient, identity.as_bytes()).unwrap()
}

#[test]
fn a_value_that_is_encrypted_with_a_passphrase_is_refused_with_the_way_out() {
    let (identity, _) = keygen();
    let environment = Environment::fixed([("MAILPLUMB_AGE_KEY", identity.expose())]);
    let keyring =
        Keyring::discover(&Discovery { named: &[], environment, ask_passphrase: &|_| None }).unwrap();
    let mut recipient = ::age::scrypt::Recipient::new("x".to_owned().into());
    recipient.set_work_factor(10);
    let armoured = ::age::encrypt_and_armor(&recipient, b"value").unwrap();
    let error = open(&keyring, armoured).unwrap_err();
    assert!(error.to_string().contains("encrypted with a passphrase"), "{error}");
}
