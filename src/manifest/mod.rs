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
mod merge;
mod mirror;
mod not_yet;
pub mod outline;
mod place;
mod report;
mod resolve;
mod schema;
mod text;
mod trace;
pub mod written;

use self::place::Files;
pub use self::place::LineIndex;
use self::report::Report;
pub use self::schema::{overlay_schema, schema};
use crate::model::desired::{Desired, ManifestDigest};
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::problem::{Problem, SourceFile};

/// What came of reading a manifest.
#[derive(Debug)]
pub struct Reading {
    /// There if and only if no problem is an error.
    pub desired: Option<Desired>,
    /// All problems of all files, by file, line and column.
    pub problems: Vec<Problem>,
}

/// Reads a manifest: all `.yaml` and `.yml` files, and the files that they name.
pub fn read(files: &[SourceFile], host: &HostSettings) -> Reading {
    let mut report = Report::new(Files::new(files));
    if let Some(draft) = too_large(files) {
        report.add(draft);
        return Reading { desired: None, problems: report.into_sorted().0 };
    }
    let documents = documents::read(files, &mut report);
    let resolved = resolve::resolve(documents, host, &mut report);
    let failed = report.has_errors();
    let (problems, notes) = report.into_sorted();
    let desired = resolved.organization.filter(|_| !failed).map(|organization| Desired {
        organization,
        profiles: resolved.profiles,
        mailboxes: resolved.mailboxes,
        secrets: resolved.secrets,
        bundles: resolved.bundles,
        notes,
        digest: digest(files),
    });
    Reading { desired, problems }
}

fn too_large(files: &[SourceFile]) -> Option<report::Draft> {
    let bytes: u64 = files.iter().map(|file| file.bytes.len() as u64).sum();
    let message = if files.len() > limits::MANIFEST_FILES_MAX {
        format!("a manifest has at most {} files, this one has {}", limits::MANIFEST_FILES_MAX, files.len())
    } else if bytes > limits::MANIFEST_BYTES_MAX {
        format!("a manifest has at most {} MiB", limits::MANIFEST_BYTES_MAX / (1024 * 1024))
    } else {
        return None;
    };
    Some(report::Draft::nowhere(codes::TOO_LARGE, message))
}

/// Over the names and contents of all files, each with its length before it, and the layers that they are in.
fn digest(files: &[SourceFile]) -> ManifestDigest {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        if let Some(layer) = &file.layer {
            hasher.update(b"layer").update(&layer.number.to_le_bytes());
        }
        for part in [file.name_in_layer().as_bytes(), &file.bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
    ManifestDigest(hasher.finalize().to_hex().to_string())
}
