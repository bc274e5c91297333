//! How the documents of one reading meet what is remembered of the last one.
//!
//! Only documents that declare one mailbox are remembered. Everything else, which is little, is read each time and stands
//! behind the mailboxes; when any of it differs, nothing that is remembered holds.

use std::collections::HashMap;

use super::memory::{DocumentDigest, FileMemory, MailboxMemory, Memory};
use super::text;
use crate::model::problem::{Extent, FoundFile, SourceFile};

/// Whether a reading is compared with an earlier one, and remembered.
#[derive(Debug)]
pub enum Recall<'m> {
    Off,
    On(Box<Recollection<'m>>),
}

#[derive(Debug)]
pub struct Recollection<'m> {
    found: &'m [FoundFile],
    memory: Option<&'m Memory>,
    about: [u8; 32],
    digests: Vec<[u8; 32]>,
    behind: blake3::Hasher,
    /// Of all documents, in order, each with its file.
    documents: Vec<(u32, Document<'m>)>,
    /// Those of the file that is being read which are remembered.
    known: HashMap<DocumentDigest, &'m MailboxMemory>,
    /// Something does not fit together: only reading everything tells what it is.
    is_doubtful: bool,
}

#[derive(Debug)]
enum Document<'m> {
    Known(&'m MailboxMemory),
    /// A mailbox that was read, until it turns out what it comes to.
    Mailbox(DocumentDigest),
    Remembered(MailboxMemory),
    /// Comments, or nothing.
    Blank,
    Other,
}

/// The digest of a file's content.
pub fn file_digest(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn document_digest(text: &str) -> DocumentDigest {
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    first
}

impl<'m> Recall<'m> {
    /// `about`: digest of all beside the files that outlooks depend on.
    pub fn on(
        found: &'m [FoundFile],
        memory: Option<&'m Memory>,
        digests: Vec<[u8; 32]>,
        about: [u8; 32],
    ) -> Self {
        let behind = blake3::Hasher::new();
        Self::On(Box::new(Recollection {
            found,
            memory,
            about,
            digests,
            behind,
            documents: Vec::new(),
            known: HashMap::new(),
            is_doubtful: false,
        }))
    }

    /// A file that is no YAML.
    pub fn attached(&mut self, index: u32, file: &SourceFile) {
        if let Self::On(it) = self {
            let digest = it.digests.get(index as usize).copied().unwrap_or_default();
            it.put_behind(&file.name, &digest);
        }
    }

    /// Begins a YAML file. Whether all its documents are known without its text.
    pub fn begin(&mut self, index: u32) -> bool {
        let Self::On(it) = self else { return false };
        it.known.clear();
        let Some(found) = it.found.get(index as usize) else { return false };
        let memory = it.memory.and_then(|memory| memory.files.get(&*found.file.name));
        match (found.extent, memory) {
            (Extent::Whole, None) => false,
            (Extent::Whole, Some(memory)) => {
                it.known.extend(memory.mailboxes.iter().map(|mailbox| (mailbox.digest, mailbox)));
                false
            }
            (Extent::Unread, Some(memory)) => {
                it.is_doubtful |= !memory.is_whole();
                it.documents.extend(memory.mailboxes.iter().map(|mailbox| (index, Document::Known(mailbox))));
                true
            }
            (Extent::Unread, None) => {
                it.is_doubtful = true;
                true
            }
        }
    }

    /// Meets the next document of the file. `None`: it is known and need not be read.
    pub fn meet(&mut self, index: u32, content: &str) -> Option<Met> {
        let Self::On(it) = self else { return Some(Met { nth: u32::MAX, digest: [0; 16] }) };
        let digest = document_digest(content);
        if let Some(mailbox) = it.known.get(&digest) {
            it.documents.push((index, Document::Known(mailbox)));
            return None;
        }
        it.documents.push((index, Document::Other));
        Some(Met { nth: text::offset(it.documents.len() - 1), digest })
    }

    /// The document that was met declares one mailbox. Its number is what [`Recall::remember`] takes.
    pub fn is_mailbox(&mut self, met: &Met) -> u32 {
        if let Self::On(it) = self
            && let Some((_, document)) = it.documents.get_mut(met.nth as usize)
        {
            *document = Document::Mailbox(met.digest);
        }
        met.nth
    }

    /// The document that was met declares nothing.
    pub fn is_blank(&mut self, met: &Met) {
        if let Self::On(it) = self
            && let Some((_, document)) = it.documents.get_mut(met.nth as usize)
        {
            *document = Document::Blank;
        }
    }

    /// The document that was met is something that mailboxes depend on.
    pub fn is_behind(&mut self, file: &SourceFile, content: &str) {
        if let Self::On(it) = self {
            it.put_behind(&file.name, content.as_bytes());
        }
    }

    /// What a mailbox came to that gave no cause for any remark.
    pub fn remember(&mut self, nth: u32, made: impl FnOnce(DocumentDigest) -> MailboxMemory) {
        if let Self::On(it) = self
            && let Some((_, document)) = it.documents.get_mut(nth as usize)
            && let Document::Mailbox(digest) = document
        {
            *document = Document::Remembered(made(*digest));
        }
    }

    /// Every mailbox that is known without having been read.
    pub fn known(&self) -> impl Iterator<Item = &'m MailboxMemory> {
        let documents = match self {
            Self::Off => &[] as &[_],
            Self::On(it) => &it.documents,
        };
        documents.iter().filter_map(|(_, document)| match document {
            Document::Known(mailbox) => Some(*mailbox),
            Document::Mailbox(_) | Document::Remembered(_) | Document::Blank | Document::Other => None,
        })
    }

    /// Only reading everything can tell what is the matter.
    pub fn doubt(&mut self) {
        if let Self::On(it) = self {
            it.is_doubtful = true;
        }
    }

    /// Whether what is remembered turned out not to hold.
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::Off => false,
            Self::On(it) => {
                let is_other = |memory: &Memory| memory.behind != *it.behind.finalize().as_bytes();
                it.is_doubtful || (self.known().next().is_some() && it.memory.is_none_or(is_other))
            }
        }
    }

    /// What to remember of this reading; `None`: the same as before.
    pub fn into_memory(self) -> Option<Memory> {
        let Self::On(it) = self else { return None };
        let behind = *it.behind.finalize().as_bytes();
        let (found, digests, before, about) = (it.found, it.digests, it.memory, it.about);
        let mut files: Vec<FileMemory> = found
            .iter()
            .zip(digests)
            .map(|(file, digest)| FileMemory { stamp: file.stamp, digest, others: 0, mailboxes: Vec::new() })
            .collect();
        let is_same = |files: &[FileMemory]| {
            before.is_some_and(|before| {
                let fits = |(found, file): (&FoundFile, &FileMemory)| {
                    before
                        .files
                        .get(&*found.file.name)
                        .is_some_and(|known| known.digest == file.digest && known.stamp == file.stamp)
                };
                before.behind == behind
                    && before.about == about
                    && before.files.len() == found.len()
                    && found.iter().zip(files).all(fits)
            })
        };
        let is_new = |document: &(u32, Document<'_>)| matches!(document.1, Document::Remembered(_));
        if is_same(&files) && !it.documents.iter().any(is_new) {
            return None;
        }
        for (index, document) in it.documents {
            let Some(file) = files.get_mut(index as usize) else { continue };
            match document {
                Document::Known(mailbox) => file.mailboxes.push(mailbox.clone()),
                Document::Remembered(mailbox) => file.mailboxes.push(mailbox),
                Document::Blank => {}
                Document::Mailbox(_) | Document::Other => file.others += 1,
            }
        }
        let names = found.iter().map(|found| Box::from(&*found.file.name));
        Some(Memory { behind, about, files: names.zip(files).collect() })
    }
}

impl Recollection<'_> {
    fn put_behind(&mut self, name: &str, content: &[u8]) {
        for part in [name.as_bytes(), content] {
            self.behind.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
}

/// A document that has to be read.
#[derive(Debug)]
pub struct Met {
    nth: u32,
    digest: DocumentDigest,
}
