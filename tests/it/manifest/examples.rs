//! The examples are complete manifests, and the JSON Schema is that of this version and fits them.

use std::path::{Path, PathBuf};

use mailplumb::manifest::{self};
use mailplumb::model::host::HostSettings;
use mailplumb::model::plan::Policy;
use mailplumb::model::problem::SourceFile;
use mailplumb::model::stored::Stored;
use mailplumb::plan::render;
use mailplumb::remote::connectors::Connectors;
use mailplumb::source::Source;
use mailplumb::source::directory::Directory;
use serde_json::Value;

use super::{blessing, errors, files_at, here};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every example. One with a folder `base` is a manifest for each folder that is laid over it.
fn examples() -> Vec<Vec<SourceFile>> {
    folders(&root().join("examples")).iter().flat_map(|path| manifests(path)).collect()
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(path).unwrap().map(|it| it.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

fn manifests(example: &Path) -> Vec<Vec<SourceFile>> {
    let base = example.join("base");
    if !base.is_dir() {
        return vec![files_at(example)];
    }
    let over = folders(example).into_iter().filter(|folder| *folder != base);
    over.map(|folder| Directory::new(vec![base.clone(), folder]).load().unwrap()).collect()
}

/// The documents of a file as an independent reader sees them.
fn documents(file: &SourceFile) -> Vec<Value> {
    let text = String::from_utf8_lossy(&file.bytes).trim_start_matches('\u{feff}').to_owned();
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| <Value as serde::Deserialize>::deserialize(document).unwrap()).collect()
}

#[test]
fn every_example_is_read_without_errors() {
    let examples = examples();
    assert!(examples.len() >= 9, "{}", examples.len());
    for files in examples {
        let reading = manifest::read(&files, &HostSettings::default());
        assert_eq!(errors(&reading.problems), Vec::<&_>::new(), "{}", files[0].path.display());
        let desired = reading.desired.unwrap();
        assert!(!desired.mailboxes.is_empty());
        // Planned, applied to nothing: something to do, nothing in the way, and the same each time.
        let policy = Policy { connectors: Connectors::kinds(), ..Policy::default() };
        let plan = || mailplumb::plan::plan(&desired, &Stored::empty(), &policy);
        assert!(plan().blocked.is_empty() && plan().steps.len() > 3, "{}", files[0].path.display());
        assert_eq!(render::text(&plan(), render::Style::Plain), render::text(&plan(), render::Style::Plain));
    }
}

#[test]
fn the_written_schema_is_that_of_this_version() {
    let path = root().join("schema/manifest.schema.json");
    let text = serde_json::to_string_pretty(&manifest::schema()).unwrap() + "\n";
    if blessing() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "schema/manifest.schema.json is stale: run the tests with MAILPLUMB_BLESS=1");
}

#[test]
fn every_example_and_valid_case_fits_the_schema() {
    let schema = jsonschema::validator_for(&manifest::schema()).unwrap();
    let valid = files_at(&here().join("valid"));
    let yaml = examples().into_iter().flatten().chain(valid).filter(|file| file.name.ends_with(".yaml"));
    // What is laid over a base says only what differs from it.
    let yaml = yaml.filter(|file| file.layer_number() == 0);
    // Texts that YAML 1.2 reads as something else are texts for us; a generic validator cannot know that.
    let mut checked = 0;
    for file in yaml.filter(|file| !file.name.contains("texts-stay-texts")) {
        for document in documents(&file) {
            let problems: Vec<String> =
                schema.iter_errors(&document).map(|it| format!("{} {it}", it.instance_path())).collect();
            assert!(problems.is_empty(), "{}: {problems:#?}", file.path.display());
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = jsonschema::validator_for(&manifest::schema()).unwrap();
    for case in [
        "unknown-key",
        "unknown-value",
        "missing-key",
        "choice",
        "wrong-type",
        "plaintext",
        "kind",
        "empty-value",
    ] {
        let files = files_at(&here().join(format!("invalid/{case}.yaml")));
        let refused = documents(&files[0]).iter().filter(|document| !schema.is_valid(document)).count();
        assert!(refused > 0, "{case}");
    }
}
