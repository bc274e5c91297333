//! Saved plans as files: written for their owner only, read without trust, refused when they no longer fit.

use std::io::{ErrorKind, Read};
use std::path::Path;

use super::context::shown;
use super::exit::{Failure, STALE};
use super::{output, private_file, typed};
use crate::model::desired::Desired;
use crate::model::limits;
use crate::model::plan::Plan;
use crate::model::problem::SourceFile;
use crate::plan::saved::{self, Circumstances, SavedError};
use crate::source::Source;

/// This program, as it stands in the plans that it saves.
const MADE_BY: &str = env!("CARGO_PKG_VERSION");

/// Files that are named when the manifest has moved.
const FILES_NAMED_MAX: usize = 10;

/// Saves a plan: the file is there whole or not at all, and nobody else can read it.
///
/// A plan that begins a store fits `new_store`, as it was named, and no other empty one.
pub fn save(plan: &Plan, files: &[SourceFile], new_store: Option<&Path>, path: &Path) -> Result<(), Failure> {
    let new_store = new_store.map(shown);
    let circumstances = Circumstances { new_store, ..Circumstances::new(MADE_BY, files) };
    let text = saved::to_text(plan, &circumstances);
    private_file::replace(path, text.as_bytes(), "the plan")?;
    let path = shown(path);
    let typed = typed::word(&path);
    output::talk(&typed::advice(&if plan.blocked.is_empty() {
        format!("saved in {path}; apply exactly this with `mailplumb apply {typed}`")
    } else {
        format!(
            "saved in {path}; it is blocked: it can be shown with `mailplumb plan --show {typed}`, not applied"
        )
    }));
    Ok(())
}

/// Reads a saved plan; whether it still fits is another question.
pub fn read(path: &Path) -> Result<(Plan, Circumstances), Failure> {
    let afresh =
        || format!("a manifest is applied with `mailplumb apply --file {}`", typed::word(&shown(path)));
    let unreadable = |error: std::io::Error| {
        let hint = match error.kind() == ErrorKind::IsADirectory {
            true => afresh(),
            false => "name the file that `plan --out FILE` wrote".to_owned(),
        };
        Failure::new(format!("the plan `{}` cannot be read", shown(path))).cause(error).hint(hint)
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limits::SAVED_PLAN_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    saved::parse(&text).map_err(|error| {
        let path = shown(path);
        let (message, hint) = match error {
            SavedError::NotAPlan { .. } => (
                format!("`{path}` is not a saved plan"),
                format!("`plan --out FILE` saves a plan; {}", afresh()),
            ),
            SavedError::TooLarge { .. } | SavedError::OtherVersion { .. } | SavedError::Tampered { .. } => (
                format!("the plan `{path}` cannot be used"),
                "make a new plan with `plan --out FILE`, and have it reviewed again".to_owned(),
            ),
        };
        Failure::new(message).cause(error).hint(hint)
    })
}

/// A saved plan, if the program and the manifest are still those that it was made with.
pub fn read_fitting(
    path: &Path,
    desired: &Desired,
    source: &dyn Source,
    state: &Path,
) -> Result<Plan, Failure> {
    let (plan, circumstances) = read(path)?;
    if let Some(new_store) = circumstances.new_store.as_ref().filter(|named| **named != shown(state)) {
        let message = format!("the plan begins the store `{new_store}`, and this is `{}`", shown(state));
        let hint = "apply it where it was made for, or make a new plan; one plan begins one store";
        return Err(Failure::new(message).code(STALE).hint(hint));
    }
    if circumstances.made_by != MADE_BY {
        let message = format!(
            "the plan was made by mailplumb {} and this is {MADE_BY}, which may mean something else by it",
            circumstances.made_by
        );
        return Err(Failure::new(message).code(STALE).hint("make a new plan with this version"));
    }
    if plan.manifest == desired.digest {
        return Ok(plan);
    }
    let moved = circumstances.moved(&Circumstances::new(MADE_BY, &source.load()?));
    let mut failure = Failure::new("the manifest has changed since the plan was made").code(STALE);
    for words in moved.iter().take(FILES_NAMED_MAX) {
        failure = failure.cause(words);
    }
    if moved.len() > FILES_NAMED_MAX {
        failure = failure.cause(format!("and {} more files", moved.len() - FILES_NAMED_MAX));
    }
    Err(failure.hint("make a new plan, and have it reviewed again"))
}

/// Where a saved plan comes from, for people.
pub fn provenance(plan: &Plan, circumstances: &Circumstances) -> String {
    let store = plan.store.as_ref().map_or("a new store", |store| store.0.as_str());
    format!(
        "made by mailplumb {} from {} of {store}, {}, manifest {}",
        circumstances.made_by,
        match plan.revision.0 {
            0 => "the empty state".to_owned(),
            revision => format!("revision {revision}"),
        },
        output::counted(circumstances.files.len(), "file", "files"),
        plan.manifest.0.get(..12).unwrap_or(&plan.manifest.0),
    )
}
