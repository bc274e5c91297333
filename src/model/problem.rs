//! Problems of a manifest, each with its place.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where something was written. Line and column count from 1; the column counts characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// As the user named it, relative to the manifest's directory.
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
    /// Bytes of the file, `start..end`.
    pub start: u32,
    pub end: u32,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

impl Severity {
    /// As documents for programs have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One problem, complete enough to be shown without anything else but the file's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Stable: `MP0123`. The list is in the docs.
    pub code: String,
    pub severity: Severity,
    /// What is wrong, in lower case, without a full stop.
    pub message: String,
    /// The words beside the caret: what was expected.
    pub label: Option<String>,
    /// Left out only where no file is to blame.
    pub origin: Option<Origin>,
    /// Further places that matter, each with its words ("first defined here").
    pub related: Vec<(Origin, String)>,
    /// What to do.
    pub hint: Option<String>,
}

/// One file of a manifest.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// As shown to people, relative to the manifest's directory.
    pub name: Arc<str>,
    /// Where it is, to resolve files that it names.
    pub path: PathBuf,
    pub bytes: Arc<[u8]>,
    /// Which of several layers it belongs to; left out where there is only one.
    pub layer: Option<Arc<Layer>>,
    /// Why `bytes` are not what it holds: it could not be read.
    pub fault: Option<Arc<str>>,
}

/// One of several directories or files that together make a manifest; a later one wins over an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// From 0, in the order in which they were named.
    pub number: u16,
    /// What tells it from the others: its path below the folder that holds all of them. The names of its files begin with it.
    pub label: Arc<str>,
}

impl SourceFile {
    /// The number of its layer, 0 where there is only one.
    pub fn layer_number(&self) -> u16 {
        self.layer.as_ref().map_or(0, |layer| layer.number)
    }

    /// Its name relative to the directory of its layer.
    pub fn name_in_layer(&self) -> &str {
        let label = self.layer.as_ref().map_or("", |layer| &*layer.label);
        let inner = self.name.strip_prefix(label).unwrap_or(&self.name).trim_start_matches('/');
        if inner.is_empty() { self.name.rsplit('/').next().unwrap_or(&self.name) } else { inner }
    }
}

/// What a file system says about a file without reading it: while all of it is the same, so is the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    pub bytes: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// Nanoseconds since 1970, of the last change of content or metadata.
    pub changed: i64,
    pub inode: u64,
    pub device: u64,
}

/// A file of a manifest as it was found.
#[derive(Debug, Clone)]
pub struct FoundFile {
    pub file: SourceFile,
    /// `None`: it says nothing, because the file may have been written while it was read.
    pub stamp: Option<FileStamp>,
    pub extent: Extent,
}

/// How much of a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Nothing: it has the stamp that the caller knows, and `bytes` are empty.
    Unread,
}
