//! Whether git is writing a working tree.
//!
//! Git holds `index.lock` from before the first file of a checkout, merge or pull is written until after the last one.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A `.git` file of a worktree or submodule holds one path.
const POINTER_BYTES_MAX: u64 = 8 * 1024;

/// The lock of the repository that a path is in, if it stands.
pub fn index_lock(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    let lock = real.ancestors().find_map(git_folder)?.join("index.lock");
    fs::symlink_metadata(&lock).is_ok().then_some(lock)
}

/// Where git keeps its own files of the working tree whose top is this folder.
fn git_folder(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    let metadata = fs::metadata(&git).ok()?;
    if metadata.is_dir() {
        return Some(git);
    }
    if !metadata.is_file() {
        return None;
    }
    let mut pointer = String::new();
    File::open(&git).ok()?.take(POINTER_BYTES_MAX).read_to_string(&mut pointer).ok()?;
    Some(top.join(pointer.strip_prefix("gitdir:")?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_the_repository_around_a_manifest_is_seen_while_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let (git, mail) = (folder.path().join(".git"), folder.path().join("sites/mail"));
        fs::create_dir_all(&git).unwrap();
        fs::create_dir_all(&mail).unwrap();
        assert_eq!(index_lock(&mail), None);
        fs::write(git.join("index.lock"), "").unwrap();
        assert_eq!(index_lock(&mail), Some(git.canonicalize().unwrap().join("index.lock")));
        fs::remove_file(git.join("index.lock")).unwrap();
        assert_eq!(index_lock(&mail), None);
    }

    #[test]
    fn a_worktree_has_a_lock_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (git, tree) = (folder.path().join("repo/.git/worktrees/w"), folder.path().join("tree"));
        fs::create_dir_all(&git).unwrap();
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join(".git"), format!("gitdir: {}\n", git.display())).unwrap();
        assert_eq!(index_lock(&tree), None);
        fs::write(git.join("index.lock"), "").unwrap();
        assert_eq!(index_lock(&tree), Some(git.join("index.lock")));
    }
}
