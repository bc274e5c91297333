//! Replacing files of the manifest: by one process at a time, never over what somebody else has written meanwhile, and so that a
//! crash leaves the old or the new content.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::context::shown;
use super::exit::{Failure, LOCKED};
use super::output;
use crate::model::limits;

/// How often a folder that somebody else holds is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// After so many pauses the person is told what is waited for.
const PAUSES_UNTOLD: u32 = 20;

/// Folders that no other mailplumb writes into until this is dropped. The folders are locked and not the files, because a file
/// that is replaced takes its lock with it. Nothing is left in them.
#[derive(Debug, Default)]
pub struct Folders(BTreeMap<PathBuf, File>);

/// A file, as it was read (`None`: it was not there), and what takes its place.
pub struct Rewrite<'r> {
    pub path: &'r Path,
    pub before: Option<&'r [u8]>,
    pub after: &'r [u8],
}

impl Folders {
    /// Waits for whoever holds one of them. All are taken in the order of their paths, so that two who want the same ones do not
    /// wait for each other.
    pub fn hold(folders: impl IntoIterator<Item = PathBuf>) -> Result<Self, Failure> {
        let mut held = Self::default();
        held.hold_also(folders)?;
        Ok(held)
    }

    fn hold_also(&mut self, folders: impl IntoIterator<Item = PathBuf>) -> Result<(), Failure> {
        // What is not there is told by whoever reads or writes it.
        let folders = folders.into_iter().filter_map(|folder| std::fs::canonicalize(folder).ok());
        let wanted: BTreeMap<PathBuf, ()> = folders.map(|folder| (folder, ())).collect();
        for (folder, ()) in wanted {
            if self.0.contains_key(&folder) {
                continue;
            }
            if let Some(lock) = locked(&folder)? {
                self.0.insert(folder, lock);
            }
        }
        Ok(())
    }

    /// Replaces all of these files in this order, or, where one of them is not any more what was read, none.
    pub fn replace(&mut self, rewrites: &[Rewrite<'_>]) -> Result<(), Failure> {
        // A link is followed: the file that it names is what is replaced.
        let target = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let targets: Vec<PathBuf> = rewrites.iter().map(|rewrite| target(rewrite.path)).collect();
        self.hold_also(targets.iter().map(|target| folder_of(target)))?;
        let mut staged = Vec::new();
        for (rewrite, target) in rewrites.iter().zip(targets) {
            staged.push(
                Staged::new(target, rewrite.after)
                    .map_err(|error| Failure::unwritten(rewrite.path, &error))?,
            );
        }
        for rewrite in rewrites {
            let is_same = is_same(rewrite).map_err(|error| Failure::unwritten(rewrite.path, &error))?;
            if !is_same {
                return Err(Failure::new(format!(
                    "`{}` was changed meanwhile; nothing was written",
                    shown(rewrite.path)
                ))
                .hint("run the command again"));
            }
        }
        for (rewrite, staged) in rewrites.iter().zip(staged) {
            staged.settle().map_err(|error| Failure::unwritten(rewrite.path, &error))?;
        }
        Ok(())
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// The folder's lock; `None`: this file system has none, and only the look before each file is replaced is left.
fn locked(folder: &Path) -> Result<Option<File>, Failure> {
    let unlockable = |error: io::Error| {
        output::warning(&format!(
            "`{}` cannot be locked ({error}); change the manifest with one command at a time",
            shown(folder)
        ));
    };
    let file = match File::open(folder) {
        Ok(file) => file,
        Err(error) => {
            unlockable(error);
            return Ok(None);
        }
    };
    let pauses = limits::MANIFEST_LOCK_WAIT.as_millis() / PAUSE.as_millis();
    for pause in 0..=u32::try_from(pauses).unwrap_or(u32::MAX) {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => {
                unlockable(error);
                return Ok(None);
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if pause == PAUSES_UNTOLD {
            output::talk(&format!("waiting for another mailplumb that changes `{}`", shown(folder)));
        }
        std::thread::sleep(PAUSE);
    }
    Err(Failure::new(format!("another mailplumb is changing `{}`; nothing was written", shown(folder)))
        .code(LOCKED)
        .hint("wait for it to end, then run the command again"))
}

fn is_same(rewrite: &Rewrite<'_>) -> io::Result<bool> {
    match std::fs::read(rewrite.path) {
        Ok(now) => Ok(rewrite.before == Some(now.as_slice())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(rewrite.before.is_none()),
        Err(error) => Err(error),
    }
}

/// A new content, on the disk beside the file that it is for. Dropped before it is settled, it is removed.
struct Staged {
    beside: PathBuf,
    target: PathBuf,
}

impl Staged {
    fn new(target: PathBuf, content: &[u8]) -> io::Result<Self> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let beside = target.with_file_name(format!(".mailplumb-{name}.new"));
        let former = std::fs::metadata(&target).ok();
        let mode = if former.is_some() { 0o600 } else { 0o666 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        let staged = Self { beside, target };
        file.write_all(content)?;
        if let Some(former) = former {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (former.uid(), former.gid()) {
                // Only the superuser may give a file away; for others it becomes theirs, as with any editor.
                let _ = std::os::unix::fs::fchown(&file, Some(former.uid()), Some(former.gid()));
            }
            file.set_permissions(former.permissions())?;
        }
        file.sync_all()?;
        Ok(staged)
    }

    fn settle(self) -> io::Result<()> {
        std::fs::rename(&self.beside, &self.target)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Nothing is there under this name any more once it is settled.
        let _ = std::fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_through_links_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.yaml"), "old").unwrap();
        std::fs::set_permissions(at("a.yaml"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(at("a.yaml.new"), "notes").unwrap();
        std::os::unix::fs::symlink("a.yaml", at("link.yaml")).unwrap();
        let (path, new) = (at("link.yaml"), at("b.yaml"));
        let rewrites = [
            Rewrite { path: &path, before: Some(b"old"), after: b"new" },
            Rewrite { path: &new, before: None, after: b"b" },
        ];
        Folders::default().replace(&rewrites).unwrap();
        assert_eq!(std::fs::read(at("a.yaml")).unwrap(), b"new");
        assert_eq!(std::fs::metadata(at("a.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read(at("a.yaml.new")).unwrap(), b"notes");
        assert_eq!(names(folder.path()), ["a.yaml", "a.yaml.new", "b.yaml", "link.yaml"]);
    }

    #[test]
    fn nothing_is_written_over_what_was_written_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.yaml"), folder.path().join("2.yaml"));
        std::fs::write(&one, "one").unwrap();
        for (now, before) in [(Some("hers"), Some("mine")), (None, Some("mine")), (Some("hers"), None)] {
            match now {
                Some(now) => std::fs::write(&two, now).unwrap(),
                None => std::fs::remove_file(&two).unwrap(),
            }
            let rewrites = [
                Rewrite { path: &one, before: Some(b"one"), after: b"changed" },
                Rewrite { path: &two, before: before.map(str::as_bytes), after: b"changed" },
            ];
            let failure = Folders::default().replace(&rewrites).unwrap_err();
            assert!(failure.message.contains("2.yaml` was changed meanwhile"), "{}", failure.message);
            assert_eq!(std::fs::read(&one).unwrap(), b"one");
            assert_eq!(std::fs::read_to_string(&two).ok().as_deref(), now);
        }
        assert_eq!(names(folder.path()), ["1.yaml", "2.yaml"]);
    }

    #[test]
    fn whoever_holds_a_folder_writes_there_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("count");
        std::fs::write(&path, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut held = Folders::hold([folder.path().to_owned()]).unwrap();
                    let before = std::fs::read_to_string(&path).unwrap();
                    let after = (before.parse::<u32>().unwrap() + 1).to_string();
                    let (before, after) = (Some(before.as_bytes()), after.as_bytes());
                    held.replace(&[Rewrite { path: &path, before, after }]).unwrap();
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "8");
    }
}
