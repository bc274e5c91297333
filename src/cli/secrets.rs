//! `mailplumb secrets`

use std::io::{IsTerminal, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::context::shown;
use super::exit::{DONE, Failure, Outcome, UNDECRYPTABLE};
use super::{Global, output, problems};
use crate::manifest;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::problem::SourceFile;
use crate::model::secret::{Secret, SecretRef};
use crate::secrets::place::Place;
use crate::secrets::seal;
use crate::source::Source;

/// Make keys, and encrypt values into the manifest
///
/// Values are encrypted with age to the organization's recipients; what is committed to git is ciphertext. A value is never
/// taken from the command line, because other users of the machine could read it there.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb secrets keygen --out age.key\n  mailplumb secrets set provider/support"
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
    /// `recipients:` in the manifest. The identity belongs on the machine that runs `apply` and `watch`, not into git.
    #[command(after_help = "Example:\n  mailplumb secrets keygen --out ~/.config/mailplumb/age.key")]
    Keygen {
        /// Write the identity to this new file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Encrypt a value into the manifest
    ///
    /// Asks for the value on a terminal, or reads it from stdin; one line end at its end is not part of it. The rest of the file
    /// keeps its layout and comments. A Secret that is not there yet is added in `secrets.yaml`.
    #[command(after_help = "Examples:\n  mailplumb secrets set provider/support\n  \
                            printf %s \"$PASSWORD\" | mailplumb secrets set provider/support")]
    Set {
        /// Which value: the Secret's name and its key
        #[arg(value_name = "SECRET/KEY", value_parser = parse_secret)]
        secret: SecretRef,
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

impl Secrets {
    pub fn run(self, global: &Global) -> Outcome {
        match self.command {
            Command::Keygen { out } => {
                let recipient = write_identity(&out)?;
                output::talk(&format!("wrote the identity to {}; keep it out of git", shown(&out)));
                output::data(&recipient)?;
            }
            // Whatever the reason, the value is not in the manifest.
            Command::Set { secret } => set(global, &secret).map_err(|failure| failure.code(UNDECRYPTABLE))?,
        }
        Ok(DONE)
    }
}

/// Makes a key pair, writes its identity to a new file and returns its recipient.
pub fn write_identity(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("the identity cannot be written to `{}`", shown(path)))
            .cause(error)
            .hint("choose a file that does not exist yet, in a folder that you may write to")
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let (identity, recipient) = seal::keygen();
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let text = Secret::new(format!("# public key: {recipient}\n{}\n", identity.expose().trim_end()));
    std::io::Write::write_all(&mut file, text.expose().as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(recipient)
}

fn set(global: &Global, secret: &SecretRef) -> Result<(), Failure> {
    let files = global.source().load()?;
    let recipients = manifest::outline::recipients(&files);
    if recipients.is_empty() {
        return Err(Failure::new("the manifest names no recipients to encrypt to")
            .hint("make a key with `mailplumb secrets keygen` and put its recipient under `recipients:` of the Organization"));
    }
    let value = read_value(secret)?;
    let armoured = seal::seal(&value, &recipients)
        .map_err(|error| Failure::new("the value cannot be encrypted").cause(error))?;
    let sealed_to: Vec<String> = recipients.keys().cloned().collect();
    let file = holder(global, &files, secret);
    let text = manifest::edit::put_secret_value(&file, secret, &armoured, &sealed_to).map_err(|problem| {
        problems::print(std::slice::from_ref(&problem), std::slice::from_ref(&file));
        Failure::new(format!("`{}` cannot be edited", shown(&file.path)))
    })?;
    replace(&file.path, &text)?;
    output::talk(&format!("encrypted {secret} to {} in {}", sealed_to.join(", "), shown(&file.path)));
    Ok(())
}

/// The file that declares the value, else the one that declares the Secret, else `secrets.yaml` beside the manifest; of
/// several layers that of the last one that has it, because that one wins.
fn holder(global: &Global, files: &[SourceFile], secret: &SecretRef) -> SourceFile {
    let declaring = manifest::outline::value_file(files, secret)
        .or_else(|| manifest::outline::declaring_file(files, &secret.secret));
    if let Some(file) = declaring {
        return file.clone();
    }
    let path = global.last_directory().join("secrets.yaml");
    let known = files.iter().find(|file| {
        let is_top = file.layer.is_none() && file.name.as_ref() == "secrets.yaml";
        file.path == path || is_top
    });
    known.cloned().unwrap_or_else(|| SourceFile {
        name: Arc::from("secrets.yaml"),
        path,
        bytes: Arc::from(Vec::new()),
        layer: None,
    })
}

/// Writes beside the file and renames, so that a crash leaves the old or the new text.
pub fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("`{}` cannot be written", shown(path))).cause(error);
    // A link is followed: the file that it names is what is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = target.with_file_name(name);
    std::fs::write(&beside, text).map_err(failed)?;
    if let Ok(metadata) = std::fs::metadata(&target) {
        std::fs::set_permissions(&beside, metadata.permissions()).map_err(failed)?;
    }
    std::fs::rename(&beside, &target).map_err(failed)
}

/// The value: typed twice on a terminal, else all of stdin.
fn read_value(secret: &SecretRef) -> Result<Secret<String>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::new("the value cannot be read").cause(error);
    if std::io::stdin().is_terminal() {
        let value = dialoguer::Password::new()
            .with_prompt(format!("Value of {secret}"))
            .with_confirmation("Once more", "the two differ")
            .interact()
            .map_err(|error| unreadable(&error))?;
        return Ok(Secret::new(value));
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
    Ok(value)
}

/// Asks for the passphrase of a locked identity, where there is somebody to ask.
pub fn ask_passphrase(place: &Place) -> Option<Secret<String>> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    dialoguer::Password::new().with_prompt(format!("Passphrase of {place}")).interact().ok().map(Secret::new)
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
