//! `mailplumb schema`

use clap::Args;

use super::exit::{DONE, Outcome};
use super::output;
use crate::manifest;

/// Print the JSON Schema of the manifest, for editors
///
/// Editors with a YAML language server complete and check manifests with it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailplumb schema > mailplumb.schema.json\n  \
                        # first line of a manifest: # yaml-language-server: $schema=mailplumb.schema.json")]
pub struct Schema {}

impl Schema {
    pub fn run(self) -> Outcome {
        output::json(&manifest::schema())?;
        Ok(DONE)
    }
}
