//! Exit codes and the last words before them, in one place.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::ArgMatches;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::shown;
use super::listing::FORMAT_VERSION;
use super::output;
use crate::engine::apply::ApplyError;
use crate::engine::reading::InputError;
use crate::model::problem::Problem;
use crate::plan::render;
use crate::source::SourceError;
use crate::store::StoreError;

/// Done, or nothing to do.
pub const DONE: u8 = 0;
/// An error; nothing was changed unless the output says so.
pub const ERROR: u8 = 1;
/// `plan --detailed-exitcode`: there is something to do.
pub const CHANGES: u8 = 2;
/// A guard, `preventDestroy` or anything else blocks the plan.
pub const GUARDED: u8 = 10;
/// The saved plan no longer fits the state or the manifest.
pub const STALE: u8 = 11;
/// Somebody else holds the lease.
pub const LOCKED: u8 = 12;
/// An identity file cannot be used, or a value cannot be set.
pub const UNDECRYPTABLE: u8 = 14;
/// Some of it was done, and some of it failed.
pub const PARTIAL: u8 = 15;
/// A test ran and failed.
pub const TEST_FAILED: u8 = 16;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// Stopped by Ctrl-C a second time.
pub const INTERRUPTED: u8 = 130;

/// The code's name, as `docs/exit-codes.md` has it.
pub fn name(code: u8) -> &'static str {
    match code {
        DONE => "done",
        CHANGES => "changes",
        GUARDED => "guarded",
        STALE => "stale",
        LOCKED => "locked",
        UNDECRYPTABLE => "undecryptable",
        PARTIAL => "partial",
        TEST_FAILED => "test-failed",
        USAGE => "usage",
        INTERRUPTED => "interrupted",
        _ => "error",
    }
}

/// Why a command did not succeed: what happened, because of what, and what to do.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    /// Lower case, no full stop.
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    /// Those of the manifest that are the reason; whoever reads stderr has seen them there.
    pub problems: Vec<Problem>,
}

/// What a command returns: its exit code, or a failure to explain.
pub type Outcome = Result<u8, Failure>;

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: ERROR, message: message.into(), causes: Vec::new(), hint: None, problems: Vec::new() }
    }

    /// A file that could not be written.
    pub fn unwritten(path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(format!("`{}` cannot be written", shown(path))).cause(error);
        match next_step(error.kind()) {
            Some(step) => failure.hint(step),
            None => failure,
        }
    }

    pub fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    pub fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub fn problems(self, problems: &[Problem]) -> Self {
        Self { problems: problems.to_vec(), ..self }
    }
}

/// What to do where a file cannot be written.
#[expect(clippy::wildcard_enum_match_arm, reason = "of all others, the words of the system say enough")]
pub fn next_step(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::NotFound => Some("make its folder first"),
        io::ErrorKind::IsADirectory => Some("name a file in it"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space; an older file is as it was")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("choose a place where this user may write, or let its owner do this")
        }
        _ => None,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Missing(_) => {
                "run `mailplumb apply` first (with --create where --state names a new store), or name another with --state"
            }
            StoreError::Busy { holder, .. } if holder.is_person() => {
                "ask them; `mailplumb state unlock` shows how to end it"
            }
            StoreError::Busy { .. } => "wait for it to end; the lease of a process that died is taken over",
            StoreError::Locked { .. } => {
                "wait for it to end; a process that is suspended holds everybody up until it goes on (`kill -CONT`) or is ended"
            }
            StoreError::Fenced(_) => "run the command again",
            StoreError::Withdrawn(_) => "`mailplumb describe` shows how it stands now; run the command again",
            StoreError::Stale { .. }
            | StoreError::Decided(_)
            | StoreError::OtherStore { .. }
            | StoreError::AlreadyApplied { .. } => "make a new plan",
            StoreError::Full => "free some space; nothing was lost, the last change was not made",
            StoreError::ReadOnly(_) => "check the owner and the permissions of the store and its folder",
            StoreError::Unreadable(_) => "run the command as its owner, or have its owner let you read it",
            StoreError::TooNew { .. } => "update mailplumb on this machine",
            StoreError::NotAStore(_) => {
                "name the store's file with --state; if this is its name, restore it from a backup"
            }
            StoreError::Damaged(_) => "restore the store from a backup",
            StoreError::NotFound(_) => "list what is there first",
            StoreError::Failed(_) => "run the command again; if it stays, report it with this text",
        };
        let code = match &error {
            StoreError::Busy { .. }
            | StoreError::Locked { .. }
            | StoreError::Fenced(_)
            | StoreError::Withdrawn(_) => LOCKED,
            StoreError::Stale { .. }
            | StoreError::Decided(_)
            | StoreError::OtherStore { .. }
            | StoreError::AlreadyApplied { .. } => STALE,
            StoreError::Missing(_)
            | StoreError::Full
            | StoreError::ReadOnly(_)
            | StoreError::Unreadable(_)
            | StoreError::TooNew { .. }
            | StoreError::NotAStore(_)
            | StoreError::Damaged(_)
            | StoreError::NotFound(_)
            | StoreError::Failed(_) => ERROR,
        };
        Self::new(output::shown(&error.to_string())).code(code).hint(hint)
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Source(error) => error.into(),
            InputError::Store(error) => error.into(),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let hint = match &error {
            SourceError::Missing(_) | SourceError::Empty(_) => {
                "name the manifest's directory with --file, or begin one with `mailplumb init`"
            }
            SourceError::Unreadable { .. } => "correct it, or move it out of the manifest's directory",
            SourceError::TooLarge(_) | SourceError::TooMany(_) => {
                "point --file at the directory that holds only the manifest"
            }
            SourceError::Twice(_) => "name each layer once; the last one wins",
            SourceError::Overlap { .. } => "put layers beside each other: `--file base --file overlays/prod`",
            SourceError::TooManyLayers(_) => "put some of them together",
        };
        Self::new(output::shown(&error.to_string())).hint(hint)
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Store(error) => error.into(),
            ApplyError::Blocked(blocked) => {
                let failure = Self::new("the plan is blocked; nothing was changed").code(GUARDED);
                render::causes(&blocked).into_iter().fold(failure, Failure::cause)
            }
            ApplyError::SecretMoved(_) => Self::new(error.to_string())
                .code(STALE)
                .hint("make a new plan from the manifest as it is now"),
        }
    }
}

/// Prints the failure, if there is one, and returns the exit code. A program that reads stdout gets it as a document.
pub fn conclude(outcome: Outcome, reader: Reader) -> u8 {
    let code = match outcome {
        Ok(code) => code,
        Err(failure) => {
            explain(&failure);
            let document = FailureDocument::of(&failure);
            if reader == Reader::Json && !output::has_said_anything() && output::json(&document).is_err() {
                output::error("the failure cannot be written to stdout");
            }
            failure.code
        }
    };
    if code >= GUARDED {
        output::talk(&format!("exit code {code} ({})", name(code)));
    }
    code
}

/// What is wrong with a command line, for a program that reads stdout; clap has told people.
pub fn tell_usage(error: &clap::Error, reader: Reader) {
    let words = error.to_string();
    // Up to the empty line before what the command takes.
    let words: Vec<&str> = words.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let words = words.join(" ");
    let words = words.trim_start_matches("error: ");
    let failure =
        Failure::new(output::shown(words)).code(USAGE).hint("`--help` of the command shows what it takes");
    if reader == Reader::Json && output::json(&FailureDocument::of(&failure)).is_err() {
        output::error("the failure cannot be written to stdout");
    }
}

/// Who reads stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Person,
    /// Somebody who asked for `--output json`.
    Json,
}

impl Reader {
    /// Whom the arguments of the command name, at whatever depth it has its `--output`.
    pub fn of(matches: &ArgMatches) -> Self {
        let mut at = Some(matches);
        while let Some(matches) = at {
            let output = matches.try_get_raw("output").ok().flatten();
            if output.is_some_and(|mut given| given.any(|form| form == "json")) {
                return Self::Json;
            }
            at = matches.subcommand().map(|(_, inner)| inner);
        }
        Self::Person
    }

    /// Whom the words of a command line name that cannot be read.
    pub fn of_words(given: &[OsString]) -> Self {
        let is_json = |words: &[OsString]| match words {
            [option, form] => (option == "-o" || option == "--output") && form == "json",
            _ => false,
        };
        let at_once = ["-ojson", "-o=json", "--output=json"];
        let asked =
            given.windows(2).any(is_json) || given.iter().any(|word| at_once.iter().any(|all| word == all));
        if asked { Self::Json } else { Self::Person }
    }
}

/// An exit code with its name.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Told {
    code: u8,
    /// As in `docs/exit-codes.md`.
    name: &'static str,
}

impl Told {
    pub fn of(code: u8) -> Self {
        Self { code, name: name(code) }
    }
}

/// What any command prints with `--output json` when it fails before it has anything else to print.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureDocument<'f> {
    /// `major.minor`
    format_version: &'static str,
    exit: Told,
    error: Explained<'f>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Explained<'f> {
    /// What happened.
    message: &'f str,
    /// Because of what, the nearest cause first.
    causes: &'f [String],
    /// What to do.
    hint: Option<&'f str>,
    /// Where the manifest is the reason: what is wrong with it. `validate --output json` tells more of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Found<'f>>,
}

/// A problem of the manifest. What does not exist is left out.
#[derive(Debug, Serialize, JsonSchema)]
struct Found<'f> {
    /// Stable: `MP0023`.
    code: &'f str,
    /// `error`, `warning` or `note`.
    severity: &'static str,
    message: &'f str,
    /// Within the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'f str>,
}

impl<'f> Found<'f> {
    fn of(problem: &'f Problem) -> Self {
        let origin = problem.origin.as_ref();
        Self {
            code: &problem.code,
            severity: problem.severity.word(),
            message: &problem.message,
            file: origin.map(|origin| &*origin.file),
            line: origin.map(|origin| origin.line),
            column: origin.map(|origin| origin.column),
            hint: problem.hint.as_deref(),
        }
    }
}

impl<'f> FailureDocument<'f> {
    fn of(failure: &'f Failure) -> Self {
        let Failure { code, message, causes, hint, problems } = failure;
        let problems = problems.iter().map(Found::of).collect();
        let error = Explained { message, causes, hint: hint.as_deref(), problems };
        Self { format_version: FORMAT_VERSION, exit: Told::of(*code), error }
    }
}

/// Prints what happened, because of what, and what to do.
pub fn explain(failure: &Failure) {
    output::error(&failure.message);
    for cause in &failure.causes {
        output::talk(&format!("  caused by: {cause}"));
    }
    if let Some(hint) = &failure.hint {
        output::hint(hint);
    }
}
