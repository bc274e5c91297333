//! Tells when the files of a manifest may have changed.
//!
//! File system events are a hint and no proof: network file systems have none, and kernels drop them under load. Whoever
//! waits here also reads again on a timer.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::mpsc;

use super::directory::{is_left_out, is_manifest_file};

/// Watches directories until it is dropped.
pub struct Watcher {
    changes: mpsc::Receiver<()>,
    /// Watches for as long as it lives.
    _debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
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
    /// because editors replace files. Changes within `debounce` of each other are told once.
    pub fn start(paths: &[PathBuf], debounce: Duration) -> Result<Self, WatchError> {
        // One waiting hint says as much as many: the channel holds one, and further ones are dropped.
        let (sender, changes) = mpsc::channel(1);
        let watched = watched(paths)?;
        let roots: Vec<PathBuf> = watched.iter().map(|(root, _)| root.clone()).collect();
        let tell = move |result: DebounceEventResult| {
            let worth_a_look = match result {
                Ok(events) => events.iter().any(|event| may_concern(&event.event, &roots)),
                // Whatever went wrong may have hidden a change.
                Err(_) => true,
            };
            if worth_a_look {
                // A full channel already holds a hint; a closed one has no reader left.
                let _ = sender.try_send(());
            }
        };
        let mut debouncer = new_debouncer(debounce, None, tell)
            .map_err(|error| WatchError::Unavailable(error.to_string()))?;
        for (path, mode) in watched {
            debouncer
                .watch(&path, mode)
                .map_err(|error| WatchError::Refused { path, detail: error.to_string() })?;
        }
        Ok(Self { changes, _debouncer: debouncer })
    }

    /// Waits for the next hint. Cancelling it loses nothing. `None`: there will be none any more.
    pub async fn changed(&mut self) -> Option<()> {
        self.changes.recv().await
    }
}

/// What is asked of the kernel, with real paths, as events carry them.
fn watched(paths: &[PathBuf]) -> Result<Vec<(PathBuf, RecursiveMode)>, WatchError> {
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|error| WatchError::Refused { path: path.to_owned(), detail: error.to_string() })
    };
    let one = |path: &PathBuf| {
        if path.is_dir() {
            return Ok((real(path)?, RecursiveMode::Recursive));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok((real(folder.unwrap_or(Path::new(".")))?, RecursiveMode::NonRecursive))
    };
    paths.iter().map(one).collect()
}

/// Whether an event can have changed what a manifest is read as.
fn may_concern(event: &Event, roots: &[PathBuf]) -> bool {
    if event.need_rescan() {
        return true;
    }
    let changes = is_change(&event.kind);
    changes && (event.paths.is_empty() || event.paths.iter().any(|path| is_in_manifest(path, roots)))
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
fn is_in_manifest(path: &Path, roots: &[PathBuf]) -> bool {
    let Some(inner) = roots.iter().find_map(|root| path.strip_prefix(root).ok()) else { return true };
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
    use notify::event::{CreateKind, Flag};

    use super::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(PathBuf::from(path))
    }

    fn concerns(event: &Event) -> bool {
        may_concern(event, &[PathBuf::from("/m")])
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
    fn what_cannot_be_watched_is_named() {
        let error = Watcher::start(&["/does/not/exist/a.yaml".into()], Duration::ZERO).err().unwrap();
        assert!(error.to_string().contains("/does/not/exist"), "{error}");
    }

    const DEBOUNCE: Duration = Duration::from_millis(20);
    /// Only a failing test waits this long.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn told(watcher: &mut Watcher) -> bool {
        matches!(tokio::time::timeout(PATIENCE, watcher.changed()).await, Ok(Some(())))
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_by_a_rename_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let mut watcher = Watcher::start(&[folder.path().to_owned()], DEBOUNCE).unwrap();
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
        let mut watcher = Watcher::start(&[folder.path().to_owned()], DEBOUNCE).unwrap();
        symlink("..2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(told(&mut watcher).await);
    }

    #[tokio::test]
    async fn a_single_file_that_an_editor_replaces_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "a: 1").unwrap();
        let mut watcher = Watcher::start(std::slice::from_ref(&file), DEBOUNCE).unwrap();
        std::fs::write(folder.path().join(".a.yaml~"), "a: 2").unwrap();
        std::fs::rename(folder.path().join(".a.yaml~"), &file).unwrap();
        assert!(told(&mut watcher).await);
    }

    #[tokio::test]
    async fn changes_close_to_each_other_are_told_as_they_settle_and_later_ones_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::start(&[folder.path().to_owned()], DEBOUNCE).unwrap();
        for round in 0..3 {
            std::fs::write(folder.path().join("a.yaml"), format!("a: {round}")).unwrap();
            assert!(told(&mut watcher).await, "round {round}");
        }
    }
}
