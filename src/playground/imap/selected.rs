//! A selected mailbox as this session sees it: which message has which number, and what has been told.

use super::super::state::{Folder, Held};
use super::sequence::SequenceSet;
use super::{AccountId, Closed, FolderName, Outcome, Phase, Reader, Session, Step, Telling, no, ok};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
}

/// Whether a command speaks of UIDs or of message sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Uids,
    Sequence,
}

#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub(super) name: FolderName,
    pub(super) access: Access,
    pub(super) validity: u32,
    /// The UID of each message the client knows of; its place is the sequence number less one.
    pub(super) uids: Vec<u32>,
}

/// A message that a command names and that still exists.
pub(super) struct Named {
    pub(super) sequence: usize,
    pub(super) held: Held,
}

impl Selected {
    /// The messages a set names. `None`: a sequence number does not exist, which is the client's error.
    pub(super) fn named(&self, folder: &Folder, set: &SequenceSet, numbers: Numbers) -> Option<Vec<Named>> {
        let count = u32::try_from(self.uids.len()).unwrap_or(u32::MAX);
        let largest_uid = self.uids.last().copied().unwrap_or(0);
        if numbers == Numbers::Sequence && !set.is_within(count) {
            return None;
        }
        let wanted = |sequence: u32, uid: u32| match numbers {
            Numbers::Uids => set.contains(uid, largest_uid),
            Numbers::Sequence => set.contains(sequence, count),
        };
        let known = (1_u32..).zip(&self.uids).filter(|(sequence, uid)| wanted(*sequence, **uid));
        let exists = |(sequence, uid): (u32, &u32)| {
            let held = folder.find(*uid)?.clone();
            Some(Named { sequence: usize::try_from(sequence).ok()?, held })
        };
        Some(known.filter_map(exists).collect())
    }
}

impl Session {
    /// FETCH, STORE, SEARCH, COPY and their UID forms.
    pub(super) async fn in_mailbox(&mut self, verb: &str, reader: &mut Reader<'_>) -> Step {
        let (verb, numbers) = match verb {
            "UID" => match uid_verb(reader) {
                Ok(verb) => (verb, Numbers::Uids),
                Err(bad) => return Ok(bad.into()),
            },
            other => (other.to_owned(), Numbers::Sequence),
        };
        let outcome = match (verb.as_str(), numbers) {
            ("FETCH", _) => self.fetch(numbers, reader).await?,
            ("STORE", _) => self.store(numbers, reader).await?,
            ("SEARCH", _) => self.search(numbers, reader).await?,
            ("COPY", _) => self.copy(numbers, reader)?,
            ("EXPUNGE", Numbers::Uids) => match set_argument(reader) {
                Ok(set) => return self.expunge(Some(&set)).await,
                Err(bad) => bad.into(),
            },
            (_, _) => Outcome::Bad("unknown command"),
        };
        let telling = match numbers {
            Numbers::Uids => Telling::Everything,
            Numbers::Sequence => Telling::ArrivalsOnly,
        };
        self.tell(telling).await?;
        Ok(outcome)
    }

    /// Tells what changed in the selected mailbox since it was last told.
    pub(super) async fn tell(&mut self, telling: Telling) -> Result<(), Closed> {
        let Phase::Selected { account, selected } = &mut self.phase else { return Ok(()) };
        let mut lines = String::new();
        let same = {
            let mut inner = self.wire.world.state.lock();
            let folder = inner.folder_mut(*account, selected.name);
            let same = folder.validity == selected.validity;
            if same {
                changes(selected, folder, telling, &mut lines);
            }
            same
        };
        self.wire.send(lines.as_bytes()).await?;
        if same {
            return Ok(());
        }
        self.wire.send_line("* BYE the mailbox was replaced").await?;
        self.wire.flush().await?;
        Err(Closed)
    }

    /// Removes what is marked as deleted, of all messages or of a set of UIDs (RFC 4315).
    pub(super) async fn expunge(&mut self, set: Option<&SequenceSet>) -> Step {
        let Phase::Selected { account, selected } = &self.phase else {
            return Ok(Outcome::Bad("no mailbox is selected"));
        };
        if selected.access == Access::ReadOnly {
            return no("[READ-ONLY] the mailbox is open for reading");
        }
        self.remove_deleted(*account, selected, set);
        self.tell(Telling::Everything).await?;
        ok("expunged")
    }

    pub(super) fn close(&mut self) -> Step {
        if let Phase::Selected { account, selected } = &self.phase {
            let account = *account;
            if selected.access == Access::ReadWrite {
                self.remove_deleted(account, selected, None);
            }
            self.phase = Phase::Authenticated { account };
        }
        ok("closed")
    }

    fn remove_deleted(&self, account: AccountId, selected: &Selected, set: Option<&SequenceSet>) {
        let mut inner = self.wire.world.state.lock();
        let folder = inner.folder_mut(account, selected.name);
        if folder.validity != selected.validity {
            return;
        }
        let largest = selected.uids.last().copied().unwrap_or(0);
        let named = |held: &&Held| set.is_none_or(|set| set.contains(held.uid, largest));
        let deleted = folder.held.iter().filter(|held| held.flags.contains("\\Deleted")).filter(named);
        let uids: Vec<u32> = deleted.map(|held| held.uid).collect();
        for uid in uids {
            inner.expunge(account, selected.name, uid);
        }
    }
}

fn changes(selected: &mut Selected, folder: &Folder, telling: Telling, lines: &mut String) {
    if telling == Telling::Everything {
        // Each removal shifts the numbers after it, so the numbers told are those after the earlier ones.
        let mut sequence = 1;
        selected.uids.retain(|uid| {
            let stays = folder.find(*uid).is_some();
            if stays {
                sequence += 1;
            } else {
                lines.push_str(&format!("* {sequence} EXPUNGE\r\n"));
            }
            stays
        });
    }
    let known = selected.uids.last().copied().unwrap_or(0);
    let before = selected.uids.len();
    let arrived = folder.held.iter().map(|held| held.uid).filter(|uid| *uid > known);
    selected.uids.extend(arrived);
    if selected.uids.len() > before {
        lines.push_str(&format!("* {} EXISTS\r\n", selected.uids.len()));
    }
}

fn uid_verb(reader: &mut Reader) -> Result<String, super::Bad> {
    reader.space()?;
    reader.keyword()
}

fn set_argument(reader: &mut Reader) -> Result<SequenceSet, super::Bad> {
    reader.space()?;
    let set = reader.sequence_set()?;
    reader.end()?;
    Ok(set)
}
