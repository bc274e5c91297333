//! YAML text → [`Desired`], or every problem with its place.
//!
//! ```text
//! files ─text─► documents' texts ─arena─► nodes with spans ─decode─► mirror types ─resolve─► Desired
//!                                         └─ layers, merge: where there are several layers ─┘
//! ```
//!
//! Nothing stops at the first problem: a syntax error ends its document, an unreadable value its resource, and the
//! rest goes on. This room knows nothing of stored state, secrets' values or servers.

mod arena;
mod attached;
pub mod codes;
mod csv;
pub mod dated;
mod decode;
mod documents;
pub mod edit;
mod entries;
pub mod expiry;
pub mod explain;
pub mod format;
pub mod host;
mod layers;
pub mod meanings;
pub mod memory;
mod merge;
mod mirror;
mod not_yet;
pub mod outline;
mod place;
mod recall;
mod report;
mod resolve;
mod schema;
pub mod sieve;
mod text;
mod trace;
pub mod written;

use self::memory::Memory;
use self::place::Files;
pub use self::place::LineIndex;
use self::recall::Recall;
use self::report::Report;
pub use self::schema::{for_editors, overlay_schema, schema};
use self::sieve::{Sieve, Whole};
use crate::model::desired::{Desired, ManifestDigest};
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::problem::{Extent, FoundFile, Problem, SourceFile};

/// What came of reading a manifest.
#[derive(Debug)]
pub struct Reading {
    /// There if and only if no problem is an error.
    pub desired: Option<Desired>,
    /// All problems of all files, by file, line and column.
    pub problems: Vec<Problem>,
    /// What was not judged because something could not be read, in words.
    pub not_judged: Vec<&'static str>,
}

/// Reads a manifest: all `.yaml` and `.yml` files, and the files that they name.
pub fn read(files: &[SourceFile], host: &HostSettings) -> Reading {
    let bytes = bytes_of(files);
    let digests: Vec<_> = files.iter().map(|file| recall::file_digest(&file.bytes)).collect();
    let digest = digest(files, &digests);
    read_files(files, bytes, digest, host, &mut Whole, &mut Recall::Off)
}

/// What a reading is made from beside the host.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub files: &'a [FoundFile],
    pub remembering: Remembering<'a>,
    /// Digest of all beside the files that a mailbox's outlook depends on.
    pub about: [u8; 32],
}

/// Whether a reading is remembered.
#[derive(Debug, Clone, Copy)]
pub enum Remembering<'a> {
    Off,
    /// What the last reading left; files that it knows as a whole may be unread.
    On(Option<&'a Memory>),
}

/// What came of a reading that was compared with an earlier one.
#[derive(Debug)]
pub enum Compared {
    /// What [`read`] gives without the mailboxes that the sieve holds for settled, and what to remember of it unless that
    /// is what was remembered.
    Read(Box<Reading>, Option<Memory>),
    /// What is remembered does not hold, or there is an error: all files have to be read, without a memory.
    ReadAll,
}

/// [`read`], without looking at documents that are remembered, and without the mailboxes that the sieve holds for settled.
pub fn read_compared(input: Input<'_>, host: &HostSettings, sieve: &mut dyn Sieve) -> Compared {
    let Input { files: found, remembering, about } = input;
    let memory = match remembering {
        Remembering::Off | Remembering::On(None) => None,
        Remembering::On(Some(memory)) => Some(memory),
    };
    let known = |found: &FoundFile| memory?.files.get(&*found.file.name);
    let digest_of = |found: &FoundFile| match found.extent {
        Extent::Whole => recall::file_digest(&found.file.bytes),
        Extent::Unread => known(found).map(|known| known.digest).unwrap_or_default(),
    };
    let bytes_of = |found: &FoundFile| match found.extent {
        Extent::Whole => found.file.bytes.len() as u64,
        Extent::Unread => found.stamp.map_or(0, |stamp| stamp.bytes),
    };
    let bytes = found.iter().map(bytes_of).sum();
    let digests: Vec<_> = found.iter().map(digest_of).collect();
    let files: Vec<SourceFile> = found.iter().map(|found| found.file.clone()).collect();
    let digest = digest(&files, &digests);
    // What a later layer changes is not the document as it is written.
    let has_layers = files.iter().any(|file| file.layer_number() > 0);
    if has_layers && found.iter().any(|found| found.extent == Extent::Unread) {
        return Compared::ReadAll;
    }
    let remembering = if has_layers { Remembering::Off } else { remembering };
    // The host decides what is reported of profiles, which are read each time; nothing of a mailbox depends on it.
    let mut recall = match remembering {
        Remembering::Off => Recall::Off,
        Remembering::On(memory) => Recall::on(found, memory, digests, about),
    };
    let reading = read_files(&files, bytes, digest, host, sieve, &mut recall);
    let is_partial = recall.known().next().is_some();
    match &reading.desired {
        None if is_partial => Compared::ReadAll,
        Some(_) if recall.is_doubtful() => Compared::ReadAll,
        None => Compared::Read(Box::new(reading), None),
        Some(_) => Compared::Read(Box::new(reading), recall.into_memory()),
    }
}

fn read_files(
    files: &[SourceFile],
    bytes: u64,
    digest: ManifestDigest,
    host: &HostSettings,
    sieve: &mut dyn Sieve,
    recall: &mut Recall<'_>,
) -> Reading {
    let mut report = Report::new(Files::new(files));
    if let Some(draft) = too_large(files.len(), bytes) {
        report.add(draft);
        return Reading { desired: None, problems: report.into_sorted().0, not_judged: Vec::new() };
    }
    let documents = documents::read(files, recall, &mut report);
    let not_judged = documents.not_judged();
    let resolved = resolve::resolve(documents, host, sieve, recall, &mut report);
    let failed = report.has_errors();
    let (problems, notes) = report.into_sorted();
    let desired = resolved.organization.filter(|_| !failed).map(|organization| Desired {
        organization,
        profiles: resolved.profiles,
        mailboxes: resolved.mailboxes,
        secrets: resolved.secrets,
        bundles: resolved.bundles,
        notes,
        digest,
    });
    Reading { desired, problems, not_judged }
}

fn bytes_of(files: &[SourceFile]) -> u64 {
    files.iter().map(|file| file.bytes.len() as u64).sum()
}

fn too_large(files: usize, bytes: u64) -> Option<report::Draft> {
    let message = if files > limits::MANIFEST_FILES_MAX {
        format!("a manifest has at most {} files, this one has {files}", limits::MANIFEST_FILES_MAX)
    } else if bytes > limits::MANIFEST_BYTES_MAX {
        format!("a manifest has at most {} MiB", limits::MANIFEST_BYTES_MAX / (1024 * 1024))
    } else {
        return None;
    };
    Some(report::Draft::nowhere(codes::TOO_LARGE, message))
}

/// Over the names of all files, the digests of their contents, and the layers that they are in.
fn digest(files: &[SourceFile], digests: &[[u8; 32]]) -> ManifestDigest {
    let mut hasher = blake3::Hasher::new();
    for (file, digest) in files.iter().zip(digests) {
        if let Some(layer) = &file.layer {
            hasher.update(b"layer").update(&layer.number.to_le_bytes());
        }
        let name = file.name_in_layer().as_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(digest);
    }
    ManifestDigest(hasher.finalize().to_hex().to_string())
}
