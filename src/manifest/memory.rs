//! What a reading remembers for the next one: of each document that declares one mailbox and gave no cause for a remark, what
//! the mailbox came to. A document with the same bytes need not be read again while everything behind the mailboxes is the same.
//!
//! A memory comes from a file that anybody may have damaged, so nothing in it is believed without its checksum; and whatever
//! is in doubt is forgotten, because forgetting only costs time.

use std::collections::HashMap;

use crate::model::footing::{Footing, Outlook};
use crate::model::limits;
use crate::model::problem::FileStamp;
use crate::model::profile::ServerKind;

/// Counts up whenever the bytes, or what they mean, change.
const FORM: &str = concat!("mailplumb reading 1, version ", env!("CARGO_PKG_VERSION"), "\n");

/// The first 16 bytes of a BLAKE3 hash of a document's text.
pub type DocumentDigest = [u8; 16];

/// A remembered reading.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// Digest of all that stands behind the mailboxes.
    pub behind: [u8; 32],
    /// Digest of all beside the manifest that outlooks depend on.
    pub about: [u8; 32],
    /// By name.
    pub files: HashMap<Box<str>, FileMemory>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMemory {
    /// `None`: it was written while it was read, so its times say nothing.
    pub stamp: Option<FileStamp>,
    pub digest: [u8; 32],
    /// How many documents of the file are not among [`FileMemory::mailboxes`] and have to be read each time.
    pub others: u32,
    pub mailboxes: Vec<MailboxMemory>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxMemory {
    pub digest: DocumentDigest,
    /// The name and, behind it, the address as addresses are compared.
    text: Box<str>,
    name_bytes: u32,
    pub outlook: Outlook,
    /// A bit for each assignment that selects it.
    pub selected: u64,
}

impl MailboxMemory {
    pub fn new(digest: DocumentDigest, name: &str, address: &str, outlook: Outlook, selected: u64) -> Self {
        let text = format!("{name}{address}").into_boxed_str();
        Self { digest, text, name_bytes: super::text::offset(name.len()), outlook, selected }
    }

    pub fn name(&self) -> &str {
        self.text.get(..self.name_bytes as usize).unwrap_or_default()
    }

    /// In lower case.
    pub fn address(&self) -> &str {
        self.text.get(self.name_bytes as usize..).unwrap_or_default()
    }
}

impl FileMemory {
    /// Whether all of the file is known without reading it.
    pub fn is_whole(&self) -> bool {
        self.others == 0
    }
}

impl Memory {
    /// Forgets the mailboxes that somebody needs to see whole.
    pub fn retain(&mut self, mut keeps: impl FnMut(&MailboxMemory) -> bool) {
        for file in self.files.values_mut() {
            let before = file.mailboxes.len();
            file.mailboxes.retain(&mut keeps);
            file.others += super::text::offset(before - file.mailboxes.len());
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * 1024);
        out.extend_from_slice(FORM.as_bytes());
        out.extend_from_slice(&self.behind);
        out.extend_from_slice(&self.about);
        #[expect(clippy::disallowed_methods, reason = "sorted right below")]
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(name, _)| *name);
        number(&mut out, files.len() as u64);
        for (name, file) in files {
            text(&mut out, name);
            match &file.stamp {
                None => out.push(0),
                Some(FileStamp { bytes, modified, changed, inode, device }) => {
                    out.push(1);
                    [*bytes, *modified as u64, *changed as u64, *inode, *device]
                        .into_iter()
                        .for_each(|part| number(&mut out, part));
                }
            }
            out.extend_from_slice(&file.digest);
            number(&mut out, u64::from(file.others));
            number(&mut out, file.mailboxes.len() as u64);
            for mailbox in &file.mailboxes {
                out.extend_from_slice(&mailbox.digest);
                text(&mut out, mailbox.name());
                text(&mut out, mailbox.address());
                out.extend_from_slice(&mailbox.outlook.footing.0);
                out.push(mailbox.outlook.awaiting.map_or(0, awaiting));
                number(&mut out, mailbox.selected);
            }
        }
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// `None`: these are not the bytes of a memory of this very version, or they were damaged.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<32>()?;
        let content = content.strip_prefix(FORM.as_bytes())?;
        if blake3::hash(bytes.get(..bytes.len() - 32)?).as_bytes() != checksum {
            return None;
        }
        let mut from = From(content);
        let (behind, about) = (from.array()?, from.array()?);
        let count = from.number()?;
        let mut files = HashMap::new();
        for _ in 0..count {
            let name = from.text()?.into();
            files.insert(name, from.file()?);
        }
        from.0.is_empty().then_some(Self { behind, about, files })
    }
}

fn awaiting(kind: ServerKind) -> u8 {
    match kind {
        ServerKind::Exchange => 1,
        ServerKind::ExchangeOnline => 2,
        ServerKind::Pop3Smtp => 3,
        ServerKind::ImapSmtp => 4,
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Names and addresses are short.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&super::text::offset(text.len()).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Bytes that are read from the front.
struct From<'b>(&'b [u8]);

impl<'b> From<'b> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn file(&mut self) -> Option<FileMemory> {
        let stamp = match self.array()? {
            [0] => None,
            _ => Some(FileStamp {
                bytes: self.number()?,
                modified: self.number()? as i64,
                changed: self.number()? as i64,
                inode: self.number()?,
                device: self.number()?,
            }),
        };
        let digest = self.array()?;
        let others = u32::try_from(self.number()?).ok()?;
        let count =
            usize::try_from(self.number()?).ok().filter(|count| *count <= limits::MANIFEST_NODES_MAX)?;
        let mut mailboxes = Vec::new();
        for _ in 0..count {
            mailboxes.push(self.mailbox()?);
        }
        Some(FileMemory { stamp, digest, others, mailboxes })
    }

    fn mailbox(&mut self) -> Option<MailboxMemory> {
        let (digest, name, address) = (self.array()?, self.text()?, self.text()?);
        let footing = Footing(self.array()?);
        let awaiting = match self.array()? {
            [0] => None,
            [1] => Some(ServerKind::Exchange),
            [2] => Some(ServerKind::ExchangeOnline),
            [3] => Some(ServerKind::Pop3Smtp),
            [4] => Some(ServerKind::ImapSmtp),
            [_] => return None,
        };
        let outlook = Outlook { footing, awaiting };
        Some(MailboxMemory::new(digest, name, address, outlook, self.number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        let outlook = Outlook { footing: Footing([7; 16]), awaiting: Some(ServerKind::Exchange) };
        let mailbox = MailboxMemory::new([1; 16], "anna", "anna@a.example", outlook, 5);
        let stamp = FileStamp { bytes: 9, modified: -1, changed: 2, inode: 3, device: 4 };
        let file = FileMemory {
            stamp: Some(stamp),
            digest: [2; 32],
            others: 1,
            mailboxes: vec![mailbox.clone(), mailbox],
        };
        Memory { behind: [3; 32], about: [4; 32], files: HashMap::from([("a/b.yaml".into(), file)]) }
    }

    #[test]
    fn a_memory_reads_back_as_it_was_written() {
        let memory = memory();
        assert_eq!(Memory::parse(&memory.to_bytes()), Some(memory.clone()));
        let file = &memory.files["a/b.yaml"];
        assert_eq!((file.mailboxes[0].name(), file.mailboxes[0].address()), ("anna", "anna@a.example"));
    }

    #[test]
    fn a_memory_that_was_cut_or_changed_anywhere_is_forgotten() {
        let bytes = memory().to_bytes();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Memory::parse(&damaged), None, "byte {at}");
            assert_eq!(Memory::parse(&bytes[..at]), None, "{at} bytes");
        }
        assert_eq!(Memory::parse(b""), None);
    }
}
