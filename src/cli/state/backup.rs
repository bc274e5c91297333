//! `mailplumb state backup`, `mailplumb state restore`

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::{read, shown};
use crate::cli::exit::{DONE, Failure, Outcome};
use crate::cli::{Global, output};
use crate::engine::clock::SystemClock;
use crate::model::clock::Clock;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;
use crate::store::upkeep::{Copied, Upkeep};

/// Copy the store, messages included, while it is in use
///
/// Copies one moment of the store into a new folder; a running `watch` is not disturbed. The copy is a store like any other:
/// `mailplumb --state FOLDER/state.db status` looks into it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb state backup backups/monday\n  \
                        mailplumb --state backups/monday/state.db history")]
pub struct Backup {
    /// The folder to write; it must not exist yet, and folders above it are made
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Put a backup in the place of a store that is gone
///
/// Only where no store is: an existing one is never overwritten. Messages that were still to be sent when the backup was made may
/// have been sent since: they become `unsure` and are sent only when a person says so, with `mailplumb outbox retry`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  mailplumb --state /var/lib/mailplumb/state.db state restore backups/monday"
)]
pub struct Restore {
    /// The folder that `state backup` wrote
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Backup {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let copied = read(async { Ok(store.back_up(&self.folder).await?) }).map_err(hinted)?;
        output::data(&format!("Backed up {} into {}.", words(&copied), shown(&self.folder)))?;
        Ok(DONE)
    }
}

impl Restore {
    pub fn run(self, global: &Global) -> Outcome {
        let path = global.state_path();
        let copied = SqliteStore::restore(&self.folder, &path, SystemClock::new().now());
        let copied = copied.map_err(|error| {
            if matches!(error, StoreError::Missing(_)) {
                let message = format!("there is no backup at `{}`", shown(&self.folder));
                return Failure::new(message).hint("name the folder that `state backup` wrote");
            }
            hinted(error.into())
        })?;
        output::data(&format!("Restored {} as {}.", words(&copied), shown(&path)))?;
        if copied.left_unsure > 0 {
            output::warning(&format!(
                "{} still to be sent when the backup was made and may have been sent since; now `unsure`",
                match copied.left_unsure {
                    1 => "1 message was".to_owned(),
                    count => format!("{count} messages were"),
                }
            ));
            output::hint(
                "`mailplumb outbox list --in-state unsure` lists them; `mailplumb outbox retry`, `mark-sent` or `cancel` decides about them",
            );
        }
        Ok(DONE)
    }
}

fn words(copied: &Copied) -> String {
    format!(
        "revision {} ({} bytes of state, {} bytes of messages)",
        copied.revision, copied.database_bytes, copied.blob_bytes
    )
}

/// The hints of the store are about working with it, not about copying it.
fn hinted(mut failure: Failure) -> Failure {
    // What was refused is no failure of the store.
    if let Some(words) = failure.message.strip_prefix("the store failed: ") {
        failure.message = words.to_owned();
    }
    if failure.message.contains("is there already") {
        failure.hint("name another place; nothing was overwritten")
    } else {
        failure
    }
}
