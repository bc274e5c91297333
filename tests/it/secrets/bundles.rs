//! Whole-file bundles, plugins and SSH keys, with the `age` program on the other side.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mailplumb::model::name::Name;
use mailplumb::model::secret::{BundleDigest, Sealed, SealedBundle, SealedValue, Secret, SecretRef};
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::{Discovery, IdentityFault, Keyring};
use mailplumb::secrets::seal::{Form, keygen, seal, seal_file};
use mailplumb::secrets::{Presence, Unseal, UnsealError};

use crate::support::need::{Need, require};
use crate::support::program::run;

const PLAIN: &str = "# ours\nanna: hunter2\nben: \"two\\nlines\"\n";

fn keyring(named: &[PathBuf]) -> Keyring {
    let environment = Environment::fixed([]);
    Keyring::discover(&Discovery { named, environment, ask_passphrase: &|_| None }).unwrap()
}

fn value(keyring: &Keyring, ciphertext: &[u8], key: &str) -> Result<String, UnsealError> {
    let sealed = SealedBundle { file: "team.age".to_owned(), ciphertext: ciphertext.into() };
    let bundle = BundleDigest::of(ciphertext);
    keyring.open_bundle(&bundle, &sealed, Presence::Attended)?;
    let sealed = Sealed::Bundle { file: "team.age".to_owned(), bundle, key: key.to_owned() };
    let value = SealedValue { sealed, sealed_to: vec!["ops".to_owned()], expires: None };
    let name = SecretRef { secret: Name::parse("team").unwrap(), key: key.to_owned() };
    keyring.open(&name, &value).map(|value| value.expose().clone())
}

/// An identity of `age-keygen`: its file and its recipient.
fn identity(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    run("age-keygen", &["-o".as_ref(), path.as_os_str()], "");
    let recipient = run("age-keygen", &["-y".as_ref(), path.as_os_str()], "").trim().to_owned();
    (path, recipient)
}

#[test]
fn a_bundle_of_age_opens_here_in_both_forms_for_each_recipient() {
    let Some(()) = require(Need::Age) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (one, first) = identity(folder.path(), "one.key");
    let (two, second) = identity(folder.path(), "two.key");
    let (stranger, _) = identity(folder.path(), "three.key");
    for armour in [&[][..], &["-a"]] {
        let out = folder.path().join("team.age").display().to_string();
        let arguments = [armour, &["-r", &first, "-r", &second, "-o", &out]].concat();
        run("age", &arguments, PLAIN);
        let ciphertext = fs::read(&out).unwrap();
        for key in [&one, &two] {
            let keyring = keyring(std::slice::from_ref(key));
            assert_eq!(value(&keyring, &ciphertext, "anna").unwrap(), "hunter2");
            assert_eq!(value(&keyring, &ciphertext, "ben").unwrap(), "two\nlines");
        }
        let refused = value(&keyring(std::slice::from_ref(&stranger)), &ciphertext, "anna").unwrap_err();
        assert!(matches!(refused, UnsealError::NotForThisIdentity { .. }), "{refused}");
    }
}

#[test]
fn age_opens_our_bundles_in_both_forms() {
    let Some(()) = require(Need::Age) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (key, recipient) = identity(folder.path(), "one.key");
    let recipients = BTreeMap::from([("ops".to_owned(), recipient), ("ci".to_owned(), keygen().1)]);
    for form in [Form::Armoured, Form::Binary] {
        let path = folder.path().join("ours.age");
        fs::write(&path, seal_file(PLAIN.as_bytes(), &recipients, form).unwrap()).unwrap();
        assert_eq!(Form::of(&fs::read(&path).unwrap()), form);
        let arguments = ["-d".as_ref(), "-i".as_ref(), key.as_os_str(), path.as_os_str()];
        assert_eq!(run("age", &arguments, ""), PLAIN);
    }
}

#[test]
fn thousands_of_values_take_one_unwrap_and_damage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (key, recipient) = keygen();
    let path = folder.path().join("age.key");
    fs::write(&path, key.expose()).unwrap();
    let keyring = keyring(&[path]);
    let plain: String = (0..10_000).map(|n| format!("k{n}: v{n}\n")).collect();
    let recipients = BTreeMap::from([("ops".to_owned(), recipient)]);
    let ciphertext = seal_file(plain.as_bytes(), &recipients, Form::Binary).unwrap();
    for n in [0, 1, 4711, 9_999] {
        assert_eq!(value(&keyring, &ciphertext, &format!("k{n}")).unwrap(), format!("v{n}"));
    }
    for at in [0, 30, 200, ciphertext.len() / 2, ciphertext.len() - 1] {
        let mut damaged = ciphertext.clone();
        damaged[at] ^= 1;
        assert!(value(&keyring, &damaged, "k0").is_err(), "{at}");
        assert!(value(&keyring, &ciphertext[..at], "k0").is_err(), "{at}");
    }
    let no_map = seal_file(b"- hunter2\n", &recipients, Form::Binary).unwrap();
    let error = value(&keyring, &no_map, "k0").unwrap_err().to_string();
    assert_eq!(
        error,
        "the bundle `team.age` is not usable: its plaintext is not one map of keys and values, see line 1"
    );
}

/// Encrypts with a passphrase as `age -p` does; the cost is low, because it is not what is tested.
fn locked(identity: &str, passphrase: &str) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.to_owned().into());
    recipient.set_work_factor(10);
    age::encrypt(&recipient, identity.as_bytes()).unwrap()
}

#[test]
fn a_passphrase_comes_from_a_file_a_command_or_a_credential() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("locked.key"), locked(keygen().0.expose(), "correct horse")).unwrap();
    fs::write(at("passphrase"), "correct horse\n").unwrap();
    fs::write(at("age.passphrase"), "correct horse").unwrap();
    let command = format!("cat {}", at("passphrase"));
    let named = [PathBuf::from(at("locked.key"))];
    let discovery = |variable: &str, value: &str| Discovery {
        named: &named,
        environment: Environment::fixed([(variable, value)]),
        ask_passphrase: &|_| None,
    };
    let (file, credentials) = (at("passphrase"), folder.path().display().to_string());
    for (variable, value, unattended) in [
        ("MAILPLUMB_AGE_PASSPHRASE_FILE", &file, true),
        ("MAILPLUMB_AGE_PASSPHRASE_CMD", &command, false),
        ("CREDENTIALS_DIRECTORY", &credentials, true),
    ] {
        let keyring = Keyring::discover(&discovery(variable, value)).unwrap();
        assert_eq!(keyring.recipients().len(), 1, "{variable}");
        let keyring = Keyring::discover_unattended(&discovery(variable, value));
        assert_eq!(!keyring.is_empty(), unattended, "{variable}");
    }
    let absent = Keyring::discover(&discovery("MAILPLUMB_AGE_PASSPHRASE_FILE", "/does/not/exist"));
    assert!(matches!(absent.unwrap_err().fault, IdentityFault::Unreadable(_)));
}

#[test]
fn nothing_that_might_ask_is_used_unattended_and_everything_left_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (key, recipient) = keygen();
    fs::write(at("age.key"), key.expose()).unwrap();
    fs::write(at("locked.key"), locked(keygen().0.expose(), "x")).unwrap();
    let asked = std::cell::Cell::new(false);
    let ask = |_: &_| {
        asked.set(true);
        None
    };
    let marker = at("ran").display().to_string();
    let named = [at("age.key"), at("locked.key"), at("absent.key")];
    let environment = Environment::fixed([]);
    let keyring =
        Keyring::discover_unattended(&Discovery { named: &named, environment, ask_passphrase: &ask });
    assert_eq!(keyring.recipients(), [recipient.as_str()]);
    let left_out: Vec<String> = keyring.left_out().iter().map(ToString::to_string).collect();
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out[0].contains("locked.key` was left out: it is locked with a passphrase"), "{left_out:?}");
    let environment = Environment::fixed([("MAILPLUMB_AGE_KEY_CMD", &format!("touch {marker}"))]);
    let keyring = Keyring::discover_unattended(&Discovery { named: &[], environment, ask_passphrase: &ask });
    assert_eq!(keyring.left_out()[0].reason, IdentityFault::WouldRun);
    assert!(keyring.is_empty() && !asked.get() && !Path::new(&marker).exists());
}

/// An SSH key pair of `ssh-keygen`: the private key's file and the public key.
fn ssh_key(folder: &Path, kind: &str, passphrase: &str) -> (PathBuf, String) {
    let path = folder.join(format!("id_{kind}_{}", passphrase.len()));
    let file = path.display().to_string();
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    run("ssh-keygen", &[&["-q", "-t", kind, "-N", passphrase, "-C", "anna", "-f", &file], bits].concat(), "");
    (path.clone(), fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned())
}

#[cfg(feature = "ssh")]
#[test]
fn ssh_keys_open_what_age_encrypted_to_them_and_the_other_way_round() {
    let Some(()) = require(Need::Age) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (kind, passphrase) in [("ed25519", ""), ("rsa", ""), ("ed25519", "correct horse")] {
        let (path, public) = ssh_key(folder.path(), kind, passphrase);
        let armoured = run("age", &["-a", "-r", &public], PLAIN);
        let ask = |_: &_| Some(Secret::new(passphrase.to_owned()));
        let named = std::slice::from_ref(&path);
        let environment = Environment::fixed([]);
        let keyring = Keyring::discover(&Discovery { named, environment, ask_passphrase: &ask }).unwrap();
        assert_eq!(value(&keyring, armoured.as_bytes(), "anna").unwrap(), "hunter2", "{kind}");
        let recipients = BTreeMap::from([("ops".to_owned(), public)]);
        let ours = seal(&Secret::new("x".to_owned()), &recipients).unwrap();
        if passphrase.is_empty() {
            assert_eq!(run("age", &["-d".as_ref(), "-i".as_ref(), path.as_os_str()], &ours), "x", "{kind}");
        }
    }
}

#[cfg(not(feature = "ssh"))]
#[test]
fn without_the_feature_an_ssh_key_is_refused_with_the_reason_and_the_way_out() {
    let Some(()) = require(Need::Age) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, public) = ssh_key(folder.path(), "ed25519", "");
    let named = std::slice::from_ref(&path);
    let environment = Environment::fixed([]);
    let refused = Keyring::discover(&Discovery { named, environment, ask_passphrase: &|_| None });
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("RUSTSEC-2023-0071") && words.contains("secrets keygen"), "{words}");
    let recipients = BTreeMap::from([("ops".to_owned(), public)]);
    let words = seal(&Secret::new("x".to_owned()), &recipients).unwrap_err().to_string();
    assert!(words.contains("RUSTSEC-2023-0071") && words.contains("recipient `ops`"), "{words}");
}
