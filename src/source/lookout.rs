//! Tells when single files may have changed that are no part of a manifest: those that secrets are taken from.
//!
//! Such files are replaced rather than written: by a rename, by the swap of a symbolic link further up (Kubernetes swaps `..data`),
//! with their whole folder. So it is the folders that are watched, that of the file and that of each link on the way to it. Events
//! are a hint and no proof, see [`super::watch`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, NoCache, new_debouncer_opt};
use tokio::sync::mpsc;

use super::cache;
use super::watch::is_change;
use crate::model::problem::FileStamp;

/// Symbolic links that are followed on the way to one file, as many as Linux follows.
const LINKS_MAX: usize = 40;

/// Looks at files. The engine knows this trait only.
#[async_trait]
pub trait Lookout: Send {
    /// Looks at this file from now on, which need not be there.
    fn follow(&mut self, file: &Path);
    /// Looks at none but these any more.
    fn keep_only(&mut self, files: &BTreeSet<PathBuf>);
    /// What the file is recognised by now. `None`: it is not there, or not to be read.
    fn stamp(&self, file: &Path) -> Option<FileStamp>;
    /// Waits until one of them may have changed. Cancelling it loses nothing.
    async fn changed(&mut self);
}

/// Watches folders until it is dropped.
pub struct Files {
    /// The folders that each file depends on.
    followed: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    watched: BTreeSet<PathBuf>,
    hints: mpsc::Receiver<()>,
    /// `None`: the system has no events. Then whoever looks on a timer sees the change later.
    debouncer: Option<Debouncer<RecommendedWatcher, NoCache>>,
}

impl Files {
    /// Changes within `debounce` of each other are told once.
    pub fn new(debounce: Duration) -> Self {
        let (sender, hints) = mpsc::channel(1);
        let tell = move |result: DebounceEventResult| {
            let worth_a_look = match result {
                Ok(events) => events.iter().any(|event| event.need_rescan() || is_change(&event.event.kind)),
                Err(_) => true,
            };
            if worth_a_look {
                let _ = sender.try_send(());
            }
        };
        let settings = notify::Config::default();
        let debouncer = new_debouncer_opt(debounce, None, tell, NoCache::new(), settings).ok();
        Self { followed: BTreeMap::new(), watched: BTreeSet::new(), hints, debouncer }
    }

    fn watch(&mut self, folder: &Path) {
        let Some(debouncer) = &mut self.debouncer else { return };
        // A folder that cannot be watched (there are limits) is looked at by whoever looks on a timer.
        if !self.watched.contains(folder) && debouncer.watch(folder, RecursiveMode::NonRecursive).is_ok() {
            self.watched.insert(folder.to_owned());
        }
    }
}

#[async_trait]
impl Lookout for Files {
    fn follow(&mut self, file: &Path) {
        if self.followed.contains_key(file) {
            return;
        }
        let folders = folders(file);
        folders.iter().for_each(|folder| self.watch(folder));
        self.followed.insert(file.to_owned(), folders);
    }

    /// What leads to a file may be other folders than before, so those are looked for again.
    fn keep_only(&mut self, files: &BTreeSet<PathBuf>) {
        self.followed.retain(|file, _| files.contains(file));
        self.followed.iter_mut().for_each(|(file, found)| *found = folders(file));
        let wanted: BTreeSet<PathBuf> = self.followed.values().flatten().cloned().collect();
        let gone: Vec<PathBuf> = self.watched.difference(&wanted).cloned().collect();
        for folder in gone {
            if let Some(debouncer) = &mut self.debouncer {
                let _ = debouncer.unwatch(&folder);
            }
            self.watched.remove(&folder);
        }
        wanted.iter().for_each(|folder| self.watch(folder));
    }

    fn stamp(&self, file: &Path) -> Option<FileStamp> {
        std::fs::metadata(file).ok().map(|metadata| cache::stamp(&metadata))
    }

    async fn changed(&mut self) {
        if self.hints.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// The folders whose entries decide which file a path leads to: that of the file and those of the links on the way. Where
/// something on the way is missing, the last folder that is there.
fn folders(file: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let start = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut rest: Vec<PathBuf> = steps(&start);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(step) = rest.pop() {
        let next = at.join(&step);
        match std::fs::symlink_metadata(&next) {
            Ok(found) if found.is_symlink() && links < LINKS_MAX => {
                links += 1;
                folders.insert(at.clone());
                let Ok(target) = std::fs::read_link(&next) else { return folders };
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(steps(&target));
            }
            Ok(found) if found.is_dir() => at = next,
            Ok(_) | Err(_) => {
                folders.insert(at);
                return folders;
            }
        }
    }
    folders
}

/// What is left of a path, the first step last.
fn steps(path: &Path) -> Vec<PathBuf> {
    let step = |component: Component<'_>| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const DEBOUNCE: Duration = Duration::from_millis(20);
    /// Only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn told(files: &mut Files) -> bool {
        tokio::time::timeout(PATIENCE, files.changed()).await.is_ok()
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        (folder, real)
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_told_and_has_another_stamp() {
        let (_folder, at) = folder();
        let file = at.join("pw");
        std::fs::write(&file, "old").unwrap();
        let mut files = Files::new(DEBOUNCE);
        files.follow(&file);
        let before = files.stamp(&file);
        std::fs::write(at.join(".pw"), "new").unwrap();
        std::fs::rename(at.join(".pw"), &file).unwrap();
        assert!(told(&mut files).await);
        assert!(before.is_some() && files.stamp(&file) != before);
    }

    #[tokio::test]
    async fn a_file_that_appears_is_told() {
        let (_folder, at) = folder();
        let file = at.join("later/pw");
        let mut files = Files::new(DEBOUNCE);
        files.follow(&file);
        assert_eq!(files.stamp(&file), None);
        std::fs::create_dir(at.join("later")).unwrap();
        assert!(told(&mut files).await);
    }

    #[tokio::test]
    async fn the_swap_of_a_link_further_up_is_told() {
        let (_folder, at) = folder();
        for version in ["..1", "..2"] {
            std::fs::create_dir(at.join(version)).unwrap();
            std::fs::write(at.join(version).join("pw"), version).unwrap();
        }
        symlink("..1", at.join("..data")).unwrap();
        symlink("..data/pw", at.join("pw")).unwrap();
        let file = at.join("pw");
        let mut files = Files::new(DEBOUNCE);
        files.follow(&file);
        let before = files.stamp(&file);
        symlink("..2", at.join("..data_tmp")).unwrap();
        std::fs::rename(at.join("..data_tmp"), at.join("..data")).unwrap();
        assert!(told(&mut files).await);
        assert_ne!(files.stamp(&file), before);
    }

    #[test]
    fn the_folders_of_all_links_on_the_way_count_and_a_circle_ends() {
        let (_folder, at) = folder();
        std::fs::create_dir_all(at.join("v1/in")).unwrap();
        std::fs::write(at.join("v1/in/pw"), "x").unwrap();
        symlink("v1", at.join("current")).unwrap();
        let expected = BTreeSet::from([at.clone(), at.join("v1/in")]);
        assert_eq!(folders(&at.join("current/in/pw")), expected);
        symlink("circle", at.join("circle")).unwrap();
        assert_eq!(folders(&at.join("circle")), BTreeSet::from([at.clone()]));
    }

    #[test]
    fn thousands_of_files_of_one_folder_cost_one_watch_and_go_again() {
        let (_folder, at) = folder();
        let mut files = Files::new(DEBOUNCE);
        let all: BTreeSet<PathBuf> = (0..10_000).map(|number| at.join(format!("pw-{number}"))).collect();
        all.iter().for_each(|file| files.follow(file));
        assert_eq!((files.watched.len(), files.followed.len()), (1, 10_000));
        files.keep_only(&BTreeSet::new());
        assert!(files.watched.is_empty() && files.followed.is_empty());
    }
}
