//! Passwords that come from files and are rotated there: a mailbox whose test failed is tested again when one of its files has
//! changed. Only what fails is looked at, so that thousands of files cost nothing while all is well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;

use super::Engine;
use crate::model::name::Name;
use crate::model::operation::OperationState;
use crate::model::pending::Pending;
use crate::model::problem::FileStamp;
use crate::model::revision::Revision;
use crate::model::secret::{Sealed, SecretRef};
use crate::model::stored::StoredOperation;
use crate::plan::connection;
use crate::source::Lookout;
use crate::store::{MailboxRow, StoreError};

/// What the files of failing mailboxes were when it was last tried with them.
pub struct Rotation {
    lookout: Box<dyn Lookout>,
    failing: BTreeMap<Name, BTreeMap<PathBuf, Option<FileStamp>>>,
    /// Where each secret comes from, as of a revision. `None`: not from a file.
    files: BTreeMap<SecretRef, Option<PathBuf>>,
    revision: Option<Revision>,
}

impl Rotation {
    pub fn new(lookout: Box<dyn Lookout>) -> Self {
        Self { lookout, failing: BTreeMap::new(), files: BTreeMap::new(), revision: None }
    }

    /// What the next calls are about. Another revision may take secrets from elsewhere.
    pub fn at(&mut self, revision: Revision) {
        if self.revision != Some(revision) {
            self.files.clear();
            self.revision = Some(revision);
        }
    }

    /// Waits until a file may have changed. Cancelling it loses nothing.
    pub async fn changed(&mut self) {
        self.lookout.changed().await;
    }

    /// Takes note of a mailbox that was just tried, or that is stored so; `tried`: when that began. Says whether one of its files
    /// has changed since.
    pub async fn note(
        &mut self,
        engine: &Engine,
        row: &MailboxRow,
        tried: Timestamp,
    ) -> Result<bool, StoreError> {
        let name = &row.stored.declared.name;
        let files = self.files_of(engine, row).await?;
        if files.is_empty() {
            self.failing.remove(name);
            return Ok(false);
        }
        // Followed first, so that no change falls between the look and the watch.
        files.iter().for_each(|file| self.lookout.follow(file));
        let stamps: BTreeMap<PathBuf, Option<FileStamp>> =
            files.into_iter().map(|file| (file.clone(), self.lookout.stamp(&file))).collect();
        let since = tried.as_nanosecond();
        let is_newer = |stamp: &FileStamp| i128::from(stamp.changed) > since;
        let is_changed = match self.failing.get(name) {
            Some(before) => {
                stamps.iter().any(|(file, stamp)| before.get(file).is_some_and(|old| old != stamp))
            }
            None => stamps.values().flatten().any(is_newer),
        };
        self.failing.insert(name.clone(), stamps);
        Ok(is_changed)
    }

    /// Forgets all mailboxes but these, and the files that only others need.
    pub fn keep_only(&mut self, rows: &[MailboxRow]) {
        let known: BTreeSet<&Name> = rows.iter().map(|row| &row.stored.declared.name).collect();
        self.failing.retain(|name, _| known.contains(name));
        let files: BTreeSet<PathBuf> = self.failing.values().flat_map(BTreeMap::keys).cloned().collect();
        self.lookout.keep_only(&files);
    }

    /// The mailboxes of which a file has changed since the last look. Those that are busy keep it for later.
    pub fn look(&mut self, is_busy: impl Fn(&Name) -> bool) -> Vec<Name> {
        let mut seen: BTreeMap<PathBuf, Option<FileStamp>> = BTreeMap::new();
        let mut changed = Vec::new();
        for (name, files) in self.failing.iter_mut().filter(|(name, _)| !is_busy(name)) {
            let mut is_changed = false;
            for (file, before) in files {
                let now = seen.entry(file.clone()).or_insert_with(|| self.lookout.stamp(file));
                is_changed |= now != before;
                *before = *now;
            }
            if is_changed {
                changed.push(name.clone());
            }
        }
        changed
    }

    /// The files that the failing operations of a mailbox take their secrets from.
    async fn files_of(&mut self, engine: &Engine, row: &MailboxRow) -> Result<BTreeSet<PathBuf>, StoreError> {
        let Some(profile) = &row.profile else { return Ok(BTreeSet::new()) };
        let failing = row.stored.operations.iter().filter(|(_, stored)| is_failing(stored));
        let used = failing
            .flat_map(|(operation, _)| connection::secrets_used(profile, &row.stored.declared, *operation));
        let mut files = BTreeSet::new();
        for secret in used {
            if !self.files.contains_key(secret) {
                let sealed = engine.store.sealed(secret).await?;
                let file = sealed.and_then(|sealed| match sealed.sealed {
                    Sealed::File(path) => Some(PathBuf::from(path)),
                    Sealed::Age(_) | Sealed::Env(_) | Sealed::Bundle { .. } => None,
                });
                self.files.insert(secret.clone(), file);
            }
            files.extend(self.files.get(secret).cloned().flatten());
        }
        Ok(files)
    }
}

/// When what fails was last tried. `None`: nothing fails.
pub fn failed_at(row: &MailboxRow) -> Option<Timestamp> {
    let failing = row.stored.operations.values().filter(|stored| is_failing(stored));
    failing.map(|stored| stored.tested_at.map_or(stored.changed_at, |at| at.max(stored.changed_at))).min()
}

/// Whether the last test of what is declared failed.
pub fn is_failing(stored: &StoredOperation) -> bool {
    match (&stored.pending, &stored.state) {
        (Some(Pending::Failed { .. }), _) => true,
        (Some(Pending::Waiting { .. }), _) => false,
        (None, OperationState::Trying { .. } | OperationState::Disabled(_)) => true,
        (
            None,
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Testing
            | OperationState::Enabled
            | OperationState::Retrying { .. },
        ) => false,
    }
}
