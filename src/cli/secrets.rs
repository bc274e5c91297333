//! `mailplumb secrets`

mod check;
mod edit;
mod manuscript;
mod rekey;
mod scratch;
mod stale;

use std::io::{IsTerminal, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::context::shown;
use super::exit::{DONE, Failure, Outcome, USAGE, next_step};
use super::{Global, hidden, output};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::secret::{Secret, SecretRef};
use crate::secrets::place::Place;
use crate::secrets::{Attendant, bundle, seal};
pub use check::Document as CheckDocument;
use manuscript::{Manuscript, OpenedBundle};

/// Make keys, encrypt values into the manifest, edit and check them
///
/// Values are encrypted with age to the organization's recipients; what is committed to git is ciphertext. A value is never
/// taken from the command line, because other users of the machine could read it there.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb secrets keygen --out age.key\n  mailplumb secrets set provider/support\n  mailplumb secrets check"
)]
pub struct Secrets {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an age key pair
    ///
    /// Writes the identity (the private key) to a new file that only you can read, and prints the recipient (the public key) for
    /// `recipients:` in the manifest. With `--out -` the identity is what is printed, for a key store that takes it from there. The identity belongs on the machine that runs `apply` and `watch`, not into git.
    #[command(after_help = "Example:\n  mailplumb secrets keygen --out ~/.config/mailplumb/age.key")]
    Keygen {
        /// Write the identity to this new file, and make folders that are missing, for you alone; `-` for stdout
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    Edit(edit::Edit),
    Check(check::Check),
    Rekey(rekey::Rekey),
    /// Encrypt a value into the manifest
    ///
    /// Asks for the value on a terminal, or reads it from stdin; one line end at its end is not part of it. The rest of the file
    /// keeps its layout and comments. A Secret that is not there yet is added in `secrets.yaml`; a value of a bundle is
    /// put into its file, which takes an identity.
    #[command(after_help = "Examples:\n  mailplumb secrets set provider/support\n  \
                            printf %s \"$PASSWORD\" | mailplumb secrets set provider/support")]
    Set {
        /// Which value: the Secret's name and its key
        #[arg(value_name = "SECRET/KEY")]
        secret: String,
        /// Taken so that it can be refused without being repeated
        #[arg(hide = true, num_args = 0..)]
        surplus: Vec<std::ffi::OsString>,
    },
}

fn parse_secret(text: &str) -> Result<SecretRef, String> {
    let Some((secret, key)) = text.split_once('/') else {
        return Err("expected SECRET/KEY, for example provider/support".to_owned());
    };
    let secret = Name::parse(secret).map_err(str::to_owned)?;
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    Ok(SecretRef { secret, key: key.to_owned() })
}

/// What `secrets set` is to set. Nothing of the command line is repeated: there may be a password in it.
fn to_be_set(text: &str, surplus: &[std::ffi::OsString]) -> Result<SecretRef, Failure> {
    let refused = |message: String| Failure::new(message).code(USAGE);
    if !surplus.is_empty() {
        return Err(refused("a value is never taken from the command line".to_owned()).hint(
            "type `mailplumb secrets set SECRET/KEY` alone: the value is asked for, or read from stdin; \
             what stood here is in the history of the shell now, so choose another",
        ));
    }
    let secret = parse_secret(text).map_err(refused)?;
    if !is_plain_name(&secret.key) {
        return Err(refused("the key is no plain name".to_owned())
            .cause("a key is written into the manifest in the clear")
            .hint("use letters, digits and `-_.@`, at most 64 of them; the value is asked for, or read from stdin"));
    }
    Ok(secret)
}

/// Whether a key may be written into the manifest, rather than being a value in the wrong place.
fn is_plain_name(key: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    (1..=64).contains(&key.len()) && key.chars().all(is_plain)
}

impl Secrets {
    pub fn run(self, global: &Global) -> Outcome {
        match self.command {
            Command::Keygen { out } => {
                if out == Path::new("-") {
                    let (text, recipient) = identity();
                    output::data(text.expose())?;
                    output::talk(&format!("its recipient is {recipient}"));
                    return Ok(DONE);
                }
                let folder = out.parent().filter(|it| !it.as_os_str().is_empty() && !it.exists());
                let recipient = write_identity(&out)?;
                if let Some(folder) = folder {
                    output::talk(&format!("made the folder {}", shown(folder)));
                }
                output::talk(&format!("wrote the identity to {}; keep it out of git", shown(&out)));
                output::data(&recipient)?;
            }
            Command::Set { secret, surplus } => set(global, &to_be_set(&secret, &surplus)?)?,
            Command::Edit(command) => return command.run(global),
            Command::Check(command) => return command.run(global),
            Command::Rekey(command) => return command.run(global),
        }
        Ok(DONE)
    }
}

/// Makes a key pair, writes its identity to a new file and returns its recipient.
pub fn write_identity(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        let step = next_step(error.kind()).unwrap_or("choose a file that does not exist yet");
        Failure::new(format!("the identity cannot be written to `{}`", shown(path))).cause(error).hint(step)
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let (text, recipient) = identity();
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written =
        std::io::Write::write_all(&mut file, text.expose().as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // On a full disk: half a key would only stand in the way of the next try.
        let _ = std::fs::remove_file(path);
        return Err(failed(error));
    }
    Ok(recipient)
}

/// The text of a new identity's file, and its recipient.
fn identity() -> (Secret<String>, String) {
    let (identity, recipient) = seal::keygen();
    let text = Secret::new(format!("# public key: {recipient}\n{}\n", identity.expose().trim_end()));
    (text, recipient)
}

fn set(global: &Global, secret: &SecretRef) -> Result<(), Failure> {
    let manuscript = Manuscript::load_to_write(global)?;
    let name = &secret.secret;
    let is_bundle = manuscript.bundle(name).is_some();
    let (manuscript, path) = if is_bundle {
        // Before the value is asked for: without the identity it would be asked for in vain.
        let keyring = global.keyring()?;
        let opened = manuscript.open_bundle(name, &keyring)?;
        let value = read_value(secret)?;
        let mut manuscript = manuscript.held(global)?;
        let opened = match opened {
            Some(opened) => manuscript.reopened(opened, &keyring)?,
            None => None,
        };
        let opened = opened.ok_or_else(|| Failure::new(format!("the bundle `{name}` is gone")))?;
        put_into(&mut manuscript, &opened, secret, &value)?;
        let path = manuscript.path(opened.found);
        (manuscript, path)
    } else {
        let value = read_value(secret)?;
        let mut manuscript = manuscript.held(global)?;
        manuscript.put_value(secret, &value)?;
        let holder = manuscript.holder(secret);
        let path = manuscript.path(holder);
        (manuscript, path)
    };
    let names = manuscript.recipient_names().join(", ");
    manuscript.save()?;
    output::talk(&format!("encrypted {secret} to {names} in {path}"));
    Ok(())
}

fn put_into(
    manuscript: &mut Manuscript,
    opened: &OpenedBundle,
    secret: &SecretRef,
    value: &Secret<String>,
) -> Result<(), Failure> {
    let plain = bundle::put(&opened.plain, &secret.key, value).map_err(|fault| {
        Failure::new("the value cannot be put into the bundle")
            .cause(fault)
            .hint(format!("edit the whole bundle: `mailplumb secrets edit {}`", secret.secret))
    })?;
    let mut keys = opened.keys.clone();
    if !keys.contains(&secret.key) {
        keys.push(secret.key.clone());
    }
    manuscript.put_bundle(opened, plain.expose().as_bytes(), &keys)
}

/// The value: typed twice on a terminal, else all of stdin.
fn read_value(secret: &SecretRef) -> Result<Secret<String>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::new("the value cannot be read").cause(error);
    if std::io::stdin().is_terminal() {
        return hidden::ask_twice(&format!("Value of {secret}")).map_err(|error| unreadable(&error));
    }
    let mut value = String::new();
    let limit = limits::SECRET_VALUE_BYTES_MAX as u64;
    std::io::stdin().take(limit + 1).read_to_string(&mut value).map_err(|error| unreadable(&error))?;
    let mut value = Secret::new(value);
    if value.expose().len() as u64 > limit {
        return Err(Failure::new(format!("the value is larger than {limit} bytes")));
    }
    let trimmed = value.expose().strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
    if let Some(trimmed) = trimmed {
        value = Secret::new(trimmed.to_owned());
    }
    if value.expose().is_empty() {
        return Err(Failure::new("the value is empty").hint("give it on stdin or type it at the prompt"));
    }
    if value.expose().contains('\0') {
        return Err(Failure::new("the value holds a NUL character, which ends a password in every protocol"));
    }
    Ok(value)
}

/// Asks for the passphrase of a locked identity, where there is somebody to ask.
pub fn ask_passphrase(place: &Place) -> Option<Secret<String>> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    hidden::ask(&format!("Passphrase of {place}")).ok()
}

/// The person at the terminal, whom plugins of age may ask for a touch or a PIN.
pub struct AtTerminal;

impl AtTerminal {
    /// `None`: nobody is there.
    pub fn found() -> Option<Arc<dyn Attendant>> {
        std::io::stdin().is_terminal().then(|| Arc::new(Self) as Arc<dyn Attendant>)
    }
}

impl Attendant for AtTerminal {
    fn tell(&self, message: &str) {
        output::talk(message);
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let items = [yes, no.unwrap_or("no")];
        let chosen = dialoguer::Select::new().with_prompt(message).items(items).default(0).interact();
        chosen.ok().map(|chosen| chosen == 0)
    }

    fn ask(&self, what: &str) -> Option<String> {
        dialoguer::Input::<String>::new().with_prompt(what).interact_text().ok()
    }

    fn ask_secret(&self, what: &str) -> Option<Secret<String>> {
        hidden::ask(what).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_document_and_key() {
        assert_eq!(parse_secret("provider/support").unwrap().to_string(), "provider/support");
        for bad in ["provider", "provider/", "/key", "Provider/x"] {
            assert!(parse_secret(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_taken_for_a_key_and_not_repeated() {
        assert_eq!(to_be_set("provider/info@contoso.example", &[]).unwrap().key, "info@contoso.example");
        let long = format!("s/{}", "x".repeat(65));
        for text in
            ["s/a=hunter2", "s/a hunter2", "s/hunter2\n", "s/hunter2#", "s=hunter2", "s/hünter2", &long]
        {
            let failure = to_be_set(text, &[]).unwrap_err();
            assert_eq!(failure.code, USAGE, "{text:?}");
            assert!(!format!("{failure:?}").contains("nter2"), "{failure:?}");
        }
        let failure = to_be_set("s/a", &["hunter2".into()]).unwrap_err();
        assert!(failure.code == USAGE && !format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }

    #[test]
    fn an_identity_is_never_overwritten_and_only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/age.key");
        let recipient = write_identity(&path).unwrap();
        assert!(recipient.starts_with("age1"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&path).unwrap();
        assert!(write_identity(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
