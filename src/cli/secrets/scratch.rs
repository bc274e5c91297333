//! A private place for a plaintext while a person edits it: in memory where the system has such a folder, readable by this
//! user alone, and wiped whatever happens.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cli::exit::Failure;
use crate::cli::output;
use crate::model::limits;
use crate::secrets::environment::Environment;

pub struct Scratch {
    folder: PathBuf,
    file: PathBuf,
}

impl Scratch {
    /// A new folder with one file of this text.
    pub fn new(environment: &Environment, name: &str, text: &[u8]) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new("there is no private folder to edit in")
                .cause(error)
                .hint("check $XDG_RUNTIME_DIR and /dev/shm")
        };
        let folder = private_folder(environment).map_err(failed)?;
        // From here on, dropping it wipes it.
        let scratch = Self { file: folder.join(name), folder };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&scratch.file)
            .map_err(failed)?;
        file.write_all(text).map_err(failed)?;
        Ok(scratch)
    }

    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Leaves the file where it is.
    pub fn keep(self) -> PathBuf {
        std::mem::ManuallyDrop::new(self).file.clone()
    }

    /// What is in the file now.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let failed = |error: std::io::Error| Failure::new("the edited text cannot be read").cause(error);
        let file = File::open(&self.file).map_err(failed)?;
        let length = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(usize::MAX);
        if length > limits::BUNDLE_BYTES_MAX {
            return Err(Failure::new(format!(
                "the edited text has more than {} bytes",
                limits::BUNDLE_BYTES_MAX
            )));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(length + 64));
        file.take(limits::BUNDLE_BYTES_MAX as u64).read_to_end(&mut text).map_err(failed)?;
        Ok(text)
    }
}

impl Drop for Scratch {
    /// Editors leave copies beside the file, so everything in the folder is overwritten.
    fn drop(&mut self) {
        wipe(&self.folder);
        if std::fs::remove_dir_all(&self.folder).is_err() && self.folder.exists() {
            output::warning(&format!(
                "`{}` cannot be removed; it may hold plain text",
                self.folder.display()
            ));
        }
    }
}

fn wipe(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Ok(mut file) = OpenOptions::new().write(is_file).read(!is_file).open(entry.path()) else {
            continue;
        };
        let mut left =
            file.metadata().map_or(0, |metadata| metadata.len()).min(limits::BUNDLE_BYTES_MAX as u64);
        let zeroes = [0; 4096];
        while left > 0 && is_file {
            let now = usize::try_from(left).unwrap_or(zeroes.len()).min(zeroes.len());
            if file.write_all(zeroes.get(..now).unwrap_or_default()).is_err() {
                break;
            }
            left -= now as u64;
        }
        let _ = file.sync_all();
    }
}

/// A folder of our own inside the first of: `$XDG_RUNTIME_DIR` and `/dev/shm`, which are in memory, and the folder for
/// temporary files, which may be on a disk and is warned about.
fn private_folder(environment: &Environment) -> std::io::Result<PathBuf> {
    let runtime =
        environment.variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    for parent in runtime.into_iter().chain([PathBuf::from("/dev/shm")]) {
        if let Ok(folder) = new_folder(&parent) {
            return Ok(folder);
        }
    }
    let temporary = environment.variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let folder = new_folder(&temporary)?;
    output::warning(&format!(
        "there is no folder in memory; the text is in `{}` while it is edited",
        folder.display()
    ));
    Ok(folder)
}

fn new_folder(parent: &Path) -> std::io::Result<PathBuf> {
    let mut random = [0_u8; 12];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = parent.join(format!("mailplumb-{name}"));
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_scratch_is_private_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let runtime = parent.path().display().to_string();
        let environment = Environment::fixed([("XDG_RUNTIME_DIR", &runtime)]);
        let scratch = Scratch::new(&environment, "a.yaml", b"hunter2").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&scratch.folder), mode(scratch.path())), (0o700, 0o600));
        assert!(scratch.path().starts_with(parent.path()));
        std::fs::write(scratch.folder.join("a.yaml~"), "hunter1").unwrap();
        std::fs::create_dir(scratch.folder.join("sub")).unwrap();
        let copy = parent.path().join("copy");
        std::fs::hard_link(scratch.path(), &copy).unwrap();
        assert_eq!(*scratch.read().unwrap(), b"hunter2");
        drop(scratch);
        assert_eq!(std::fs::read(&copy).unwrap(), [0; 7]);
        std::fs::remove_file(&copy).unwrap();
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
