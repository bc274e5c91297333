//! Reads identities and passphrases, each into a buffer that is wiped, and never more than a limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::identity::IdentityFault;
use crate::model::limits;
use crate::model::secret::Secret;

/// The permission bits of a regular file that other users can read.
#[cfg(unix)]
pub(super) fn mode_for_others(file: &File) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
pub(super) fn mode_for_others(_file: &File) -> Option<u32> {
    None
}

/// Reads into a buffer that never moves, so that wiping it wipes all of it.
pub(super) fn limited(source: impl Read) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
    let max = limits::IDENTITY_BYTES_MAX;
    let mut bytes = Zeroizing::new(Vec::with_capacity(max as usize + 64));
    source
        .take(max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| IdentityFault::Unreadable(error.to_string()))?;
    if bytes.len() as u64 > max { Err(IdentityFault::TooLarge(max)) } else { Ok(bytes) }
}

/// Runs a command with `sh` and returns what it prints. What it says goes to this process's standard error.
pub(super) fn run(command: &str) -> Result<Zeroizing<Vec<u8>>, IdentityFault> {
    let failed = |error: io::Error| IdentityFault::Command(error.to_string());
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let printed = child.stdout.take().map_or_else(|| Ok(Zeroizing::default()), limited);
    // A command that prints more than the limit would wait for a reader for ever.
    if printed.is_err() {
        child.kill().map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    let printed = printed?;
    if status.success() { Ok(printed) } else { Err(IdentityFault::Command(status.to_string())) }
}

pub(super) fn passphrase_file(path: &Path) -> Result<Secret<String>, IdentityFault> {
    let failed = |error: io::Error| {
        IdentityFault::Unreadable(format!("the passphrase file `{}`: {error}", path.display()))
    };
    let file = File::open(path).map_err(failed)?;
    passphrase_of(&limited(file)?)
}

/// One line end is not part of a passphrase.
pub(super) fn passphrase_of(bytes: &[u8]) -> Result<Secret<String>, IdentityFault> {
    let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    let text = std::str::from_utf8(bytes).map_err(|_| IdentityFault::NotText)?;
    Ok(Secret::new(text.to_owned()))
}
