//! Manifests from outside: what they say when they are right, and what is said when they are wrong.

#![expect(clippy::unwrap_used, reason = "what these functions cannot read is a failed test")]

mod cases;
mod documents;
mod examples;
mod explain;
mod format;
mod layers;
mod properties;
mod reference;
mod remembered;
mod vendor;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailplumb::manifest::{self, Reading};
use mailplumb::model::host::HostSettings;
use mailplumb::model::problem::{Layer, Problem, Severity, SourceFile};
use mailplumb::source::Source;
use mailplumb::source::directory::Directory;

/// The directory of this room's cases.
pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/manifest")
}

/// A file of a manifest that is not on disk.
pub fn source(name: &str, text: impl AsRef<[u8]>) -> SourceFile {
    SourceFile {
        name: name.into(),
        path: PathBuf::from(name),
        bytes: Arc::from(text.as_ref()),
        layer: None,
        fault: None,
    }
}

/// Every file below a directory, named relative to it, in order; or one file, named by its file name.
pub fn files_at(path: &Path) -> Vec<SourceFile> {
    let mut found = Vec::new();
    collect(path, path, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn collect(root: &Path, path: &Path, found: &mut Vec<SourceFile>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            collect(root, &entry.unwrap().path(), found);
        }
        return;
    }
    let name = path.strip_prefix(root).unwrap();
    let name = if name.as_os_str().is_empty() { Path::new(path.file_name().unwrap()) } else { name };
    let bytes = std::fs::read(path).unwrap();
    found.push(SourceFile {
        name: name.to_str().unwrap().into(),
        path: path.to_owned(),
        bytes: bytes.into(),
        layer: None,
        fault: None,
    });
}

/// The files of several layers, each a folder below the same one.
pub fn layers_at(root: &Path, layers: &[&str]) -> Vec<SourceFile> {
    Directory::new(layers.iter().map(|layer| root.join(layer)).collect()).load().unwrap()
}

/// Texts as layers, each of them one file.
pub fn layers_of(texts: &[&str]) -> Vec<SourceFile> {
    let layer = |(number, text): (u16, &&str)| {
        let label: Arc<str> = format!("layer-{number}").into();
        let name = format!("{label}/manifest.yaml");
        let file = source(&name, text);
        SourceFile { layer: Some(Arc::new(Layer { number, label })), ..file }
    };
    (0u16..).zip(texts).map(layer).collect()
}

pub fn read_text(text: &str) -> Reading {
    manifest::read(&[source("manifest.yaml", text)], &HostSettings::default())
}

pub fn errors(problems: &[Problem]) -> Vec<&Problem> {
    problems.iter().filter(|problem| problem.severity == Severity::Error).collect()
}

/// Whether expected outputs are to be rewritten.
pub fn blessing() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
    let switch = std::env::var_os("MAILPLUMB_BLESS");
    switch.is_some()
}
