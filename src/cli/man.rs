//! `mailplumb man`

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use super::context::shown;
use super::exit::{DONE, Failure, Outcome};
use super::{Global, output};

/// Print the manual page, or write the pages of all commands
///
/// The pages say what `--help` says.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb man | man -l -\n  mailplumb man --dir ~/.local/share/man/man1"
)]
pub struct ManPages {
    /// Write one page for each command into this folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl ManPages {
    pub fn run(self, _global: &Global) -> Outcome {
        match &self.dir {
            None => {
                let mut all = super::commands();
                all.build();
                output::bytes(&page(all)?)?;
            }
            Some(folder) => {
                std::fs::create_dir_all(folder)
                    .and_then(|()| clap_mangen::generate_to(super::commands(), folder))
                    .map_err(|error| Failure::unwritten(folder, &error))?;
                output::talk(&format!("the pages are in {}", shown(folder)));
            }
        }
        Ok(DONE)
    }
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::new("the manual page cannot be made").cause(error))?;
    Ok(page)
}
