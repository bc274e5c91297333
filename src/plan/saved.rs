//! A saved plan: one JSON document with the plan and its fingerprint.
//!
//! The fingerprint recognises a file that was cut, merged or edited. It is no signature: who can write the file can
//! also write a plan that is consistent, so the file deserves the same care as the manifest.

use serde::{Deserialize, Serialize};

use crate::model::limits;
use crate::model::plan::Plan;

/// Hex BLAKE3 over the plan's compact JSON, fields in the order of their declaration, map keys sorted.
pub fn fingerprint(plan: &Plan) -> String {
    let mut hasher = blake3::Hasher::new();
    serde_json::to_writer(&mut hasher, plan)
        .expect("a plan serialises: its maps have string keys, and hashing cannot fail");
    hasher.finalize().to_hex().to_string()
}

/// Why a saved plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    #[error("the saved plan has {bytes} bytes; at most {} are read", limits::SAVED_PLAN_BYTES_MAX)]
    TooLarge { bytes: usize },
    #[error("the file is not a saved plan: {detail}")]
    NotAPlan { detail: String },
    #[error(
        "the saved plan has format {found} and this version reads format {}; plan again with this version",
        Plan::FORMAT_VERSION
    )]
    OtherVersion { found: u64 },
    #[error(
        "the saved plan was changed after it was saved: its contents have the fingerprint {found} and it names {named}; plan again"
    )]
    Tampered { named: String, found: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    format_version: u32,
    fingerprint: String,
    plan: &'a Plan,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    #[expect(dead_code, reason = "checked before the rest is read, see `Version`")]
    format_version: u64,
    fingerprint: String,
    plan: Plan,
}

/// Read first and alone: another version may have other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u64,
}

/// The file's text: one line, because nobody reads it, and a large plan would be half indentation.
pub fn to_text(plan: &Plan) -> String {
    let written = Written { format_version: Plan::FORMAT_VERSION, fingerprint: fingerprint(plan), plan };
    let mut text = serde_json::to_string(&written).expect("a plan serialises: its maps have string keys");
    text.push('\n');
    text
}

pub fn parse(text: &str) -> Result<Plan, SavedError> {
    if text.len() > limits::SAVED_PLAN_BYTES_MAX {
        return Err(SavedError::TooLarge { bytes: text.len() });
    }
    let version: Version = serde_json::from_str(text).map_err(not_a_plan)?;
    if version.format_version != u64::from(Plan::FORMAT_VERSION) {
        return Err(SavedError::OtherVersion { found: version.format_version });
    }
    let Read { fingerprint: named, plan, .. } = serde_json::from_str(text).map_err(not_a_plan)?;
    if plan.format_version != Plan::FORMAT_VERSION {
        return Err(SavedError::OtherVersion { found: plan.format_version.into() });
    }
    let found = fingerprint(&plan);
    if found == named { Ok(plan) } else { Err(SavedError::Tampered { named, found }) }
}

fn not_a_plan(error: serde_json::Error) -> SavedError {
    SavedError::NotAPlan { detail: error.to_string() }
}
