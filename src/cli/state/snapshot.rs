//! `mailplumb state snapshot`

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::{read, shown};
use crate::cli::exit::{DONE, Outcome};
use crate::cli::{Global, output, private_file};
use crate::plan::snapshot;
use crate::store::Store;

/// Write what `plan` reads of the state, for where the store cannot be reached
///
/// Declared values, digests and statuses: neither messages nor cursors, neither a value nor a ciphertext of a secret.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb state snapshot > state.json\n  mailplumb state snapshot --out state.json"
)]
pub struct Snapshot {
    /// Write into this file instead of standard output; an older one is replaced
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Snapshot {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let stored = read(async { Ok(store.stored().await?) })?;
        let text = snapshot::to_text(&stored);
        match &self.out {
            None => output::data(&text)?,
            Some(path) => {
                private_file::replace(path, text.as_bytes(), "the snapshot")?;
                output::talk(&format!("the state at revision {} is in {}", stored.revision, shown(path)));
            }
        }
        Ok(DONE)
    }
}
