//! Files that a manifest names: CSV lists, bundles, certificates. They are part of the manifest's files, so nothing
//! outside its directory can be named.

use super::codes;
use super::decode::spanned::Spanned;
use super::place::normal;
use super::report::{Draft, Report, did_you_mean};
use crate::model::problem::SourceFile;

/// The index of the file that a document names, relative to the file that the name stands in.
pub fn find(name: &Spanned<String>, report: &mut Report<'_>) -> Option<u32> {
    let files = report.files.files;
    let from = files.get(name.place.file as usize);
    let Some(wanted) = join(from.map_or("", SourceFile::name_in_layer), &name.value) else {
        let draft = Draft::error(
            codes::UNKNOWN_FILE,
            name.place,
            "a file of a manifest stands inside the manifest's directory",
        );
        report.add(draft.label("expected a relative path that does not leave it"));
        return None;
    };
    // A document names the files of its own layer, whatever lies above it or below.
    let layer = from.map_or(0, SourceFile::layer_number);
    let found = report.files.find(layer, &wanted);
    if found.is_none() {
        let in_layer = files.iter().filter(|file| file.layer_number() == layer);
        let names = in_layer.map(SourceFile::name_in_layer);
        let shown = if wanted.is_empty() { &name.value } else { &wanted };
        let message = format!("the file `{}` does not exist", shown.escape_debug());
        let draft = Draft::error(codes::UNKNOWN_FILE, name.place, message);
        report.add(draft.label("relative to this file").hint_if(did_you_mean(&wanted, names)));
    }
    found
}

/// The same, where nobody is told what is wrong.
pub fn index_of(from: &SourceFile, name: &str, files: &[SourceFile]) -> Option<usize> {
    let wanted = join(from.name_in_layer(), name)?;
    let is_it = |file: &SourceFile| {
        file.layer_number() == from.layer_number() && normal(file.name_in_layer()) == wanted
    };
    files.iter().position(is_it)
}

/// The name of the found file as the manifest's files are named.
pub fn name_of(index: u32, report: &Report<'_>) -> String {
    report.files.files.get(index as usize).map_or_else(String::new, |file| normal(&file.name).to_owned())
}

/// `dir/a.yaml` + `../b.csv` = `b.csv`; nothing if that leaves the directory or is absolute.
fn join(from: &str, name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with(['/', '\\', '~']) || name.contains(['\\', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_file_they_stand_in_and_never_leave_the_manifest() {
        assert_eq!(join("lists/sales.yaml", "sales.csv").as_deref(), Some("lists/sales.csv"));
        assert_eq!(join("lists/sales.yaml", "../csv/./a.csv").as_deref(), Some("csv/a.csv"));
        for outside in ["/etc/passwd", "../../x", "~/x", "", "..\\x"] {
            assert_eq!(join("lists/sales.yaml", outside), None, "{outside}");
        }
    }
}
