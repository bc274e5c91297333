//! The file beside the stored state in which a reading is remembered, and the rule by which the times of files are trusted.
//!
//! As git does with its index, a file whose size, times, inode and device are those that are remembered is not read again. A
//! file that may have been written in the same moment in which it was read has times that say nothing, and none are remembered.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::model::limits;
use crate::model::problem::FileStamp;

/// Nobody else may have written it: what it says decides what is looked at.
const PRIVATE: u32 = 0o600;

#[derive(Debug, Clone)]
pub(super) struct Cache {
    path: PathBuf,
}

/// When a reading began, by the clock of the file system that holds the cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    device: u64,
    at: i64,
}

impl Cache {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn read(&self) -> Option<Vec<u8>> {
        let file = File::open(&self.path).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || metadata.mode() & 0o077 != 0 || metadata.len() > limits::MANIFEST_BYTES_MAX
        {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.take(limits::MANIFEST_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Only where the folder of the state is there already and can be written to; whoever reads sees the old bytes or the new.
    pub(super) fn write(&self, bytes: &[u8]) {
        let fresh = self.beside("new");
        let written = create(&fresh).and_then(|mut file| file.write_all(bytes));
        if written.and_then(|()| fs::rename(&fresh, &self.path)).is_err() {
            let _nothing_to_remove = fs::remove_file(&fresh);
        }
    }

    /// `None`: nothing can be written beside the state, so nothing will be remembered either.
    pub(super) fn begin(&self) -> Option<Begun> {
        let probe = self.beside("time");
        let metadata = create(&probe).and_then(|file| file.metadata());
        let _nothing_to_remove = fs::remove_file(&probe);
        let metadata = metadata.ok()?;
        Some(Begun { device: metadata.dev(), at: nanoseconds(metadata.mtime(), metadata.mtime_nsec()) })
    }

    /// A name of this process alone.
    fn beside(&self, what: &str) -> PathBuf {
        self.path.with_extension(format!("{}.{what}", std::process::id()))
    }
}

impl Begun {
    /// The stamp, if a later write must change it. Another file system may have another clock.
    pub(super) fn lasting(self, stamp: FileStamp) -> Option<FileStamp> {
        let before = stamp.modified < self.at && stamp.changed < self.at;
        (before && stamp.device == self.device).then_some(stamp)
    }
}

pub(super) fn stamp(metadata: &Metadata) -> FileStamp {
    FileStamp {
        bytes: metadata.len(),
        modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        device: metadata.dev(),
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

fn create(path: &Path) -> std::io::Result<File> {
    let _left_by_a_crash = fs::remove_file(path);
    OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_have_written_is_not_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("reading.cache"));
        assert_eq!(cache.read(), None);
        cache.write(b"remembered");
        assert_eq!(cache.read().as_deref(), Some(b"remembered".as_slice()));
        fs::set_permissions(&cache.path, fs::Permissions::from_mode(0o660)).unwrap();
        assert_eq!(cache.read(), None);
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_remembered_and_nothing_fails() {
        let cache = Cache::new(PathBuf::from("/nowhere/at/all/reading.cache"));
        cache.write(b"x");
        assert!(cache.begin().is_none() && cache.read().is_none());
    }

    #[test]
    fn times_of_the_same_moment_and_of_another_file_system_say_nothing() {
        let begun = Begun { device: 1, at: 100 };
        let stamp = FileStamp { bytes: 1, modified: 99, changed: 99, inode: 1, device: 1 };
        assert_eq!(begun.lasting(stamp), Some(stamp));
        for racy in [
            FileStamp { modified: 100, ..stamp },
            FileStamp { changed: 100, ..stamp },
            FileStamp { modified: 101, ..stamp },
            FileStamp { device: 2, ..stamp },
        ] {
            assert_eq!(begun.lasting(racy), None, "{racy:?}");
        }
    }
}
