//! `mailplumb state`

mod backup;
mod list;
mod lock;
mod show;
mod snapshot;

use clap::{Args, Subcommand};

use super::Global;
use super::exit::Outcome;

pub use self::list::Document as ListDocument;
pub use self::show::{CursorView, Document as ShowDocument};

/// Look after the stored state: list it, back it up, keep applies away
///
/// The stored state is what the applies made of the manifest, with everything that tests, cycles and messages added to it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb state list\n  mailplumb state show mailbox/support\n  \
                        mailplumb state backup backups/monday\n  mailplumb state lock --reason 'moving the server'")]
pub struct State {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Lock(lock::Lock),
    Unlock(lock::Unlock),
    Snapshot(snapshot::Snapshot),
}

impl State {
    pub fn run(self, global: &Global) -> Outcome {
        match self.command {
            Command::List(command) => command.run(global),
            Command::Show(command) => command.run(global),
            Command::Backup(command) => command.run(global),
            Command::Restore(command) => command.run(global),
            Command::Lock(command) => command.run(global),
            Command::Unlock(command) => command.run(global),
            Command::Snapshot(command) => command.run(global),
        }
    }
}
