//! What cannot be avoided: the bare parser over the same bytes, and a walk that only asks for the times of the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use granit_parser::Parser;

/// Every file below a folder, in the order of the names.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.iter().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
        if entry.file_type()?.is_dir() {
            files(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Reads every YAML file and lets the parser count its events; nothing is done with them.
pub fn events(folder: &Path) -> io::Result<u64> {
    let mut found = Vec::new();
    files(folder, &mut found)?;
    let mut events = 0;
    for path in found.iter().filter(|path| path.extension().is_some_and(|ending| ending == "yaml")) {
        let text = fs::read_to_string(path)?;
        let options = granit_parser::options! { emit_comments: false };
        for event in Parser::new_from_str_with_options(&text, options) {
            if std::hint::black_box(event).is_ok() {
                events += 1;
            }
        }
    }
    Ok(events)
}

/// Asks for size and times of every file, and reads none.
pub fn stat(folder: &Path) -> io::Result<u64> {
    let mut found = Vec::new();
    files(folder, &mut found)?;
    found.iter().try_fold(0, |bytes, path| Ok(bytes + fs::metadata(path)?.len()))
}
