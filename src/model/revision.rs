//! Revisions: one per apply.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::desired::ManifestDigest;
use super::plan::Overridden;
use super::selection::Selection;

/// Counts the applies of one store, from 1. 0 is a store to which nothing was applied yet.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A store's identity: 32 hex digits, drawn when it is created.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct StoreId(pub String);

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionEntry {
    pub revision: Revision,
    pub applied_at: Timestamp,
    pub holder: String,
    pub manifest: ManifestDigest,
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    /// The part of the manifest that it was limited to.
    pub selection: Selection,
    /// The guards that were overridden for it.
    pub overridden: Vec<Overridden>,
}
