//! What showing the errors of a manifest costs once it was read.

use std::io;
use std::path::Path;

use mailplumb::cli::problems;
use mailplumb::manifest;
use mailplumb::model::host::HostSettings;
use mailplumb::source::Source as _;
use mailplumb::source::directory::Directory;

use crate::measure;

/// Reads a manifest, prints its problems to stderr, and gives what the printing took.
pub fn printed(folder: &Path) -> io::Result<measure::Usage> {
    let files = Directory::new(vec![folder.to_owned()]).load().map_err(io::Error::other)?;
    let reading = manifest::read(&files, &HostSettings::default());
    let before = measure::of_this_process()?;
    problems::print(&reading.problems, &files);
    let after = measure::of_this_process()?;
    Ok(measure::Usage { cpu_seconds: after.cpu_seconds - before.cpu_seconds, ..after })
}
