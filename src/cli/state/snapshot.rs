//! `mailplumb state snapshot`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;

use crate::cli::context::{read, shown};
use crate::cli::exit::{DONE, Failure, Outcome};
use crate::cli::{Global, output};
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
                replace(path, &text).map_err(|error| {
                    Failure::new(format!("the snapshot cannot be written into `{}`", shown(path)))
                        .cause(error)
                })?;
                output::talk(&format!("the state at revision {} is in {}", stored.revision, shown(path)));
            }
        }
        Ok(DONE)
    }
}

/// Whoever reads the file sees the old one or the new one.
fn replace(path: &PathBuf, text: &str) -> std::io::Result<()> {
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
