//! Tells when the files of a manifest may have changed, and are quiet again.
//!
//! File system events are a hint and no proof: network file systems have none, and kernels drop them under load. Whoever
//! waits here also reads again on a timer. What only a link inside the manifest leads to is not watched either.

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time;

use super::directory::{is_left_out, is_manifest_file};
use super::links;
use crate::model::limits;

/// Watches directories until it is dropped.
pub struct Watcher {
    paths: Vec<PathBuf>,
    hints: mpsc::Receiver<()>,
    /// What is watched now; it changes when a link on the way to the manifest is switched.
    scope: Arc<RwLock<Scope>>,
    kernel: RecommendedWatcher,
    quiet: Duration,
    /// There was a hint that was not told yet.
    is_unsettled: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("`{}` cannot be watched: {detail}", path.display())]
    Refused { path: PathBuf, detail: String },
    #[error("file system events are not available: {0}")]
    Unavailable(String),
}

impl Watcher {
    /// Watches the directories of a manifest, with all below them, and for a single file the directory that holds it,
    /// because editors replace files. Changes are told once, when there was none for `quiet`, or after
    /// [`limits::WATCH_QUIET_MAX`].
    pub fn start(paths: &[PathBuf], quiet: Duration) -> Result<Self, WatchError> {
        // One waiting hint says as much as many: the channel holds one, and further ones are dropped.
        let (sender, hints) = mpsc::channel(1);
        let scope = Arc::new(RwLock::new(Scope::of(paths)?));
        let watched = Arc::clone(&scope);
        let tell = move |result: notify::Result<Event>| {
            let worth_a_look = match result {
                Ok(event) => may_concern(&event, &watched.read().unwrap_or_else(PoisonError::into_inner)),
                // Whatever went wrong may have hidden a change.
                Err(_) => true,
            };
            if worth_a_look {
                // A full channel already holds a hint; a closed one has no reader left.
                let _ = sender.try_send(());
            }
        };
        let mut kernel =
            notify::recommended_watcher(tell).map_err(|error| WatchError::Unavailable(error.to_string()))?;
        for (path, mode) in scope.read().unwrap_or_else(PoisonError::into_inner).watched() {
            kernel
                .watch(path, mode)
                .map_err(|error| WatchError::Refused { path: path.to_owned(), detail: error.to_string() })?;
        }
        Ok(Self { paths: paths.to_vec(), hints, scope, kernel, quiet, is_unsettled: false })
    }

    /// Waits for the next change, and until it is over. Cancelling it loses nothing. `None`: there will be none any more.
    pub async fn changed(&mut self) -> Option<()> {
        if !self.is_unsettled {
            self.hints.recv().await?;
            self.is_unsettled = true;
        }
        let quiet = self.quiet;
        settled(&mut self.hints, || time::sleep(quiet), time::sleep(limits::WATCH_QUIET_MAX)).await;
        self.is_unsettled = false;
        self.follow_links();
        Some(())
    }

    /// Watches what the paths lead to now. What cannot be watched is read again on a timer.
    fn follow_links(&mut self) {
        // In the middle of a switch; its end is told as well.
        let Ok(now) = Scope::of(&self.paths) else { return };
        let former = {
            let mut scope = self.scope.write().unwrap_or_else(PoisonError::into_inner);
            if *scope == now {
                return;
            }
            std::mem::replace(&mut *scope, now.clone())
        };
        let is_in = |scope: &Scope, folder: &Path| scope.watched().any(|(path, _)| path == folder);
        for (folder, _) in former.watched().filter(|(folder, _)| !is_in(&now, folder)) {
            let _ = self.kernel.unwatch(folder);
        }
        for (folder, mode) in now.watched().filter(|(folder, _)| !is_in(&former, folder)) {
            let _ = self.kernel.watch(folder, mode);
        }
    }
}

/// Waits until no further hint comes while `quiet` passes, or until `at_most` is over.
async fn settled<Q: Future<Output = ()>>(
    hints: &mut mpsc::Receiver<()>,
    quiet: impl Fn() -> Q,
    at_most: impl Future<Output = ()>,
) {
    let all = async {
        loop {
            tokio::select! {
                biased;
                hint = hints.recv() => if hint.is_none() { return },
                () = quiet() => return,
            }
        }
    };
    tokio::select! {
        () = all => {}
        () = at_most => {}
    }
}

/// What is asked of the kernel, with real paths, as events carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    /// The folders of the manifest.
    folders: Vec<(PathBuf, RecursiveMode)>,
    /// The links on the way to them.
    links: Vec<PathBuf>,
    /// Where those are, and nothing else is that matters.
    link_folders: Vec<PathBuf>,
}

impl Scope {
    fn of(paths: &[PathBuf]) -> Result<Self, WatchError> {
        let mut scope = Self { folders: Vec::new(), links: Vec::new(), link_folders: Vec::new() };
        for path in paths {
            if path.is_dir() {
                scope.add(real(path)?, RecursiveMode::Recursive);
                continue;
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            scope.add(real(folder.unwrap_or(Path::new(".")))?, RecursiveMode::NonRecursive);
            if let Ok(file) = path.canonicalize()
                && let Some(folder) = file.parent()
            {
                scope.add(folder.to_owned(), RecursiveMode::NonRecursive);
            }
        }
        for (folder, name) in paths.iter().flat_map(|path| links::on_the_way(path)) {
            scope.links.push(folder.join(name));
            if !scope.covers(&folder) && !scope.link_folders.contains(&folder) {
                scope.link_folders.push(folder);
            }
        }
        Ok(scope)
    }

    fn add(&mut self, folder: PathBuf, mode: RecursiveMode) {
        if !self.folders.iter().any(|(known, _)| *known == folder) {
            self.folders.push((folder, mode));
        }
    }

    /// Whether what happens in a folder is told anyway.
    fn covers(&self, folder: &Path) -> bool {
        self.folders.iter().any(|(known, mode)| match mode {
            RecursiveMode::Recursive => folder.starts_with(known),
            RecursiveMode::NonRecursive => folder == known,
        })
    }

    fn watched(&self) -> impl Iterator<Item = (&Path, RecursiveMode)> {
        let folders = self.folders.iter().map(|(folder, mode)| (folder.as_path(), *mode));
        folders.chain(self.link_folders.iter().map(|folder| (folder.as_path(), RecursiveMode::NonRecursive)))
    }
}

fn real(path: &Path) -> Result<PathBuf, WatchError> {
    path.canonicalize()
        .map_err(|error| WatchError::Refused { path: path.to_owned(), detail: error.to_string() })
}

/// Whether an event can have changed what a manifest is read as.
fn may_concern(event: &Event, scope: &Scope) -> bool {
    if event.need_rescan() {
        return true;
    }
    let changes = is_change(&event.kind);
    changes && (event.paths.is_empty() || event.paths.iter().any(|path| is_in_manifest(path, scope)))
}

/// Reading is no change, and our own reading would wake us for ever.
pub(super) fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(
            AccessKind::Any
            | AccessKind::Read
            | AccessKind::Open(_)
            | AccessKind::Close(AccessMode::Any | AccessMode::Execute | AccessMode::Read | AccessMode::Other)
            | AccessKind::Other,
        ) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Leaves out what the reader leaves out, except names that begin with `..`: a mounted ConfigMap changes by renaming
/// `..data`, and nothing else of it changes.
fn is_in_manifest(path: &Path, scope: &Scope) -> bool {
    if scope.links.iter().any(|link| link == path) {
        return true;
    }
    let Some(inner) = scope.folders.iter().find_map(|(root, _)| path.strip_prefix(root).ok()) else {
        return !scope.link_folders.iter().any(|folder| path == folder || path.parent() == Some(folder));
    };
    let names: Vec<_> = inner
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    if names.first().is_some_and(|name| name.starts_with("..")) {
        return true;
    }
    !names.iter().any(|name| is_left_out(name)) && (path.extension().is_none() || is_manifest_file(path))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::Poll;

    use notify::event::{CreateKind, Flag};

    use super::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(PathBuf::from(path))
    }

    fn concerns(event: &Event) -> bool {
        let folders = vec![(PathBuf::from("/m"), RecursiveMode::Recursive)];
        let links = vec![PathBuf::from("/srv/current")];
        may_concern(event, &Scope { folders, links, link_folders: vec![PathBuf::from("/srv")] })
    }

    #[test]
    fn reading_a_file_is_no_change_and_closing_a_written_one_is() {
        let opened = event(EventKind::Access(AccessKind::Open(AccessMode::Read)), "/m/a.yaml");
        let read = event(EventKind::Access(AccessKind::Close(AccessMode::Read)), "/m/a.yaml");
        let written = event(EventKind::Access(AccessKind::Close(AccessMode::Write)), "/m/a.yaml");
        assert_eq!([&opened, &read, &written].map(concerns), [false, false, true]);
    }

    #[test]
    fn lost_events_ask_for_another_look() {
        assert!(concerns(&Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert!(concerns(&event(EventKind::Other, "/m/.git/x").set_flag(Flag::Rescan)));
    }

    #[test]
    fn our_own_state_hidden_files_and_other_files_are_no_change() {
        let created = |path| concerns(&event(EventKind::Create(CreateKind::Any), path));
        for path in
            ["/m/.mailplumb/state.db", "/m/.git/index", "/m/target/a.yaml", "/m/.a.yaml.swp", "/m/x.txt"]
        {
            assert!(!created(path), "{path}");
        }
        for path in ["/m/a.yaml", "/m/sub/b.csv", "/m/newfolder", "/m/..data", "/m/..2026/a.yaml", "/m"] {
            assert!(created(path), "{path}");
        }
    }

    #[test]
    fn beside_a_link_to_the_manifest_only_the_link_matters() {
        let renamed = |path| concerns(&event(EventKind::Create(CreateKind::Any), path));
        let paths = ["/srv/current", "/srv/current.new", "/srv/a.yaml", "/srv"];
        assert_eq!(paths.map(renamed), [true, false, false, false]);
    }

    #[tokio::test]
    async fn every_change_begins_the_time_of_quiet_anew() {
        let (sender, mut hints) = mpsc::channel(1);
        let rounds = Cell::new(0);
        let quiet = || {
            rounds.set(rounds.get() + 1);
            let is_last = rounds.get() == 20;
            if !is_last {
                sender.try_send(()).unwrap();
            }
            async move {
                if !is_last {
                    std::future::pending().await
                }
            }
        };
        settled(&mut hints, quiet, std::future::pending()).await;
        assert_eq!(rounds.get(), 20);
    }

    #[tokio::test]
    async fn files_that_are_never_quiet_are_told_all_the_same() {
        let (sender, mut hints) = mpsc::channel(1);
        let rounds = Cell::new(0);
        let quiet = || {
            rounds.set(rounds.get() + 1);
            let _ = sender.try_send(());
            std::future::pending()
        };
        let at_most = std::future::poll_fn(|_| match rounds.get() {
            ..50 => Poll::Pending,
            50.. => Poll::Ready(()),
        });
        settled(&mut hints, quiet, at_most).await;
        assert!(rounds.get() >= 50);
    }

    #[test]
    fn what_cannot_be_watched_is_named() {
        let error = Watcher::start(&["/does/not/exist/a.yaml".into()], Duration::ZERO).err().unwrap();
        assert!(error.to_string().contains("/does/not/exist"), "{error}");
    }

    const QUIET: Duration = Duration::from_millis(20);
    /// Only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn told(watcher: &mut Watcher) -> bool {
        matches!(time::timeout(PATIENCE, watcher.changed()).await, Ok(Some(())))
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_by_a_rename_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let mut watcher = Watcher::start(&[folder.path().to_owned()], QUIET).unwrap();
        std::fs::write(folder.path().join(".a.yaml.new"), "a: 1").unwrap();
        std::fs::rename(folder.path().join(".a.yaml.new"), folder.path().join("sub/a.yaml")).unwrap();
        assert!(told(&mut watcher).await);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_swap_of_a_mounted_config_map_is_told() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("a.yaml"), version).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let mut watcher = Watcher::start(&[folder.path().to_owned()], QUIET).unwrap();
        symlink("..2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(told(&mut watcher).await);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_switch_of_a_link_to_the_manifest_is_told_and_then_what_happens_behind_it() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["rev-a", "rev-b"] {
            std::fs::create_dir(at(version)).unwrap();
        }
        symlink("rev-a", at("current")).unwrap();
        let mut watcher = Watcher::start(&[at("current")], QUIET).unwrap();
        symlink("rev-b", at("next")).unwrap();
        std::fs::rename(at("next"), at("current")).unwrap();
        assert!(told(&mut watcher).await);
        std::fs::write(at("rev-b/a.yaml"), "a: 1").unwrap();
        assert!(told(&mut watcher).await);
    }

    #[tokio::test]
    async fn a_single_file_that_an_editor_replaces_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let mut watcher = Watcher::start(std::slice::from_ref(&file), QUIET).unwrap();
        std::fs::write(folder.path().join(".a.yaml~"), "a: 2").unwrap();
        std::fs::rename(folder.path().join(".a.yaml~"), &file).unwrap();
        assert!(told(&mut watcher).await);
    }

    #[tokio::test]
    async fn changes_close_to_each_other_are_told_as_they_settle_and_later_ones_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::start(&[folder.path().to_owned()], QUIET).unwrap();
        for round in 0..3 {
            std::fs::write(folder.path().join("a.yaml"), format!("a: {round}")).unwrap();
            assert!(told(&mut watcher).await, "round {round}");
        }
    }
}
