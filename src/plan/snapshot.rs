//! A snapshot of the stored state as far as a plan reads it, as one JSON document: what `state snapshot` writes and
//! `plan --snapshot` reads where the store itself cannot be reached.
//!
//! It holds declarations, digests and statuses; neither a ciphertext nor a value is part of [`Stored`].

use serde::{Deserialize, Serialize};

use crate::model::limits;
use crate::model::stored::Stored;

/// Of the document. Another number is refused.
pub const FORMAT_VERSION: u32 = 1;

/// Why a snapshot cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot has {bytes} bytes; at most {} are read", limits::SNAPSHOT_BYTES_MAX)]
    TooLarge { bytes: usize },
    #[error("the file is not a snapshot of the state: {detail}")]
    NotASnapshot { detail: String },
    #[error(
        "the snapshot has format {found} and this version reads format {FORMAT_VERSION}; take it again with `mailplumb state snapshot` of this version"
    )]
    OtherVersion { found: u64 },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    format_version: u32,
    stored: &'a Stored,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    #[expect(dead_code, reason = "checked before the rest is read, see `Version`")]
    format_version: u64,
    stored: Stored,
}

/// Read first and alone: another version may have other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u64,
}

/// The document's text, on one line and with a line end. The same state gives the same bytes.
pub fn to_text(stored: &Stored) -> String {
    let written = Written { format_version: FORMAT_VERSION, stored };
    let mut text = serde_json::to_string(&written).expect("the state serialises: its maps have string keys");
    text.push('\n');
    text
}

/// Reads what [`to_text`] wrote.
pub fn parse(text: &str) -> Result<Stored, SnapshotError> {
    if text.len() > limits::SNAPSHOT_BYTES_MAX {
        return Err(SnapshotError::TooLarge { bytes: text.len() });
    }
    let version: Version = serde_json::from_str(text).map_err(not_a_snapshot)?;
    if version.format_version != u64::from(FORMAT_VERSION) {
        return Err(SnapshotError::OtherVersion { found: version.format_version });
    }
    let Read { stored, .. } = serde_json::from_str(text).map_err(not_a_snapshot)?;
    Ok(stored)
}

fn not_a_snapshot(error: serde_json::Error) -> SnapshotError {
    SnapshotError::NotASnapshot { detail: error.to_string() }
}
