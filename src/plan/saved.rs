//! A saved plan: one JSON document with the plan and its fingerprint.
//!
//! The fingerprint recognises a file that was cut, merged or edited. It is no signature: who can write the file can
//! also write a plan that is consistent, so the file deserves the same care as the manifest.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};

use serde::{Deserialize, Serialize};

use crate::model::limits;
use crate::model::plan::Plan;
use crate::model::problem::SourceFile;

/// Under which circumstances a plan was made, so that a refusal can say what moved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Circumstances {
    /// The program's version: another one may mean something else by the same manifest.
    pub made_by: String,
    /// Hex BLAKE3 of each file of the manifest, by name.
    pub files: BTreeMap<String, String>,
    /// The store that a first plan begins, as it was named: it has no identity yet that only it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_store: Option<String>,
}

impl Circumstances {
    pub fn new(made_by: &str, files: &[SourceFile]) -> Self {
        let digest = |file: &SourceFile| blake3::hash(&file.bytes).to_hex().to_string();
        let files = files.iter().map(|file| (file.name.to_string(), digest(file))).collect();
        Self { made_by: made_by.to_owned(), files, new_store: None }
    }

    /// What happened to the files from `self` to `now`, in words, in the order of their names.
    pub fn moved(&self, now: &Self) -> Vec<String> {
        let mut moved = Vec::new();
        for (name, digest) in &self.files {
            match now.files.get(name) {
                None => moved.push(format!("`{name}` is gone")),
                Some(found) if found != digest => moved.push(format!("`{name}` was changed")),
                Some(_) => {}
            }
        }
        let new = now.files.keys().filter(|name| !self.files.contains_key(*name));
        moved.extend(new.map(|name| format!("`{name}` is new")));
        moved
    }
}

/// Hex BLAKE3 over the plan's compact JSON, fields in the order of their declaration, map keys sorted.
pub fn fingerprint(plan: &Plan) -> String {
    let mut hasher = blake3::Hasher::new();
    // A serialiser writes a few bytes at a time, and the hash likes many.
    let mut buffered = BufWriter::with_capacity(16 * 1024, &mut hasher);
    serde_json::to_writer(&mut buffered, plan)
        .map_err(std::io::Error::from)
        .and_then(|()| buffered.flush())
        .expect("a plan serialises: its maps have string keys, and hashing cannot fail");
    drop(buffered);
    hasher.finalize().to_hex().to_string()
}

/// Why a saved plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    #[error("the saved plan has {bytes} bytes; at most {} are read", limits::SAVED_PLAN_BYTES_MAX)]
    TooLarge { bytes: usize },
    #[error("the file is not a saved plan: {detail}")]
    NotAPlan { detail: String },
    #[error("the saved plan has format {found} and this version reads format {}", Plan::FORMAT_VERSION)]
    OtherVersion { found: u64 },
    #[error(
        "the saved plan was changed after it was saved: its contents have the fingerprint {found} and it names {named}"
    )]
    Tampered { named: String, found: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    format_version: u32,
    fingerprint: String,
    circumstances: &'a Circumstances,
    plan: &'a Plan,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    #[expect(dead_code, reason = "checked before the rest is read, see `Version`")]
    format_version: u64,
    fingerprint: String,
    circumstances: Circumstances,
    plan: Plan,
}

/// Read first and alone: another version may have other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u64,
}

/// The file's text: one line, because nobody reads it, and a large plan would be half indentation.
pub fn to_text(plan: &Plan, circumstances: &Circumstances) -> String {
    let fingerprint = of_both(plan, circumstances);
    let written = Written { format_version: Plan::FORMAT_VERSION, fingerprint, circumstances, plan };
    let mut text = serde_json::to_string(&written).expect("a plan serialises: its maps have string keys");
    text.push('\n');
    text
}

pub fn parse(text: &str) -> Result<(Plan, Circumstances), SavedError> {
    if text.len() > limits::SAVED_PLAN_BYTES_MAX {
        return Err(SavedError::TooLarge { bytes: text.len() });
    }
    let version: Version = serde_json::from_str(text).map_err(not_a_plan)?;
    if version.format_version != u64::from(Plan::FORMAT_VERSION) {
        return Err(SavedError::OtherVersion { found: version.format_version });
    }
    let Read { fingerprint: named, circumstances, plan, .. } =
        serde_json::from_str(text).map_err(not_a_plan)?;
    if plan.format_version != Plan::FORMAT_VERSION {
        return Err(SavedError::OtherVersion { found: plan.format_version.into() });
    }
    let found = of_both(&plan, &circumstances);
    if found == named { Ok((plan, circumstances)) } else { Err(SavedError::Tampered { named, found }) }
}

fn of_both(plan: &Plan, circumstances: &Circumstances) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(fingerprint(plan).as_bytes());
    serde_json::to_writer(&mut hasher, circumstances).expect("texts serialise, and hashing cannot fail");
    hasher.finalize().to_hex().to_string()
}

fn not_a_plan(error: serde_json::Error) -> SavedError {
    SavedError::NotAPlan { detail: error.to_string() }
}
