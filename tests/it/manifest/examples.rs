//! The examples are complete manifests, and the JSON Schema is that of this version and fits them.

use std::path::Path;

use mailplumb::manifest::{self};
use mailplumb::model::host::HostSettings;
use mailplumb::model::plan::Policy;
use mailplumb::model::problem::SourceFile;
use mailplumb::model::stored::Stored;
use mailplumb::plan::render;
use mailplumb::remote::connectors::Connectors;
use serde_json::Value;

use super::{blessing, errors, files_at, here, layers_at};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every example. One with a folder `base` is a manifest alone and with each folder that is laid over it.
fn examples() -> Vec<Vec<SourceFile>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(root().join("examples")).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let (layered, alone): (Vec<_>, Vec<_>) =
        paths.iter().filter(|path| path.is_dir()).partition(|path| path.join("base").is_dir());
    let overlays = layered.into_iter().flat_map(|path| environments(path));
    alone.into_iter().map(|path| files_at(path)).chain(overlays).collect()
}

/// `base` alone, and with each of the folders beside it.
fn environments(path: &Path) -> Vec<Vec<SourceFile>> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !path.ends_with("base"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 2, "{names:?}");
    let mut all = vec![layers_at(path, &["base"])];
    all.extend(names.iter().map(|name| layers_at(path, &["base", name])));
    all
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
    assert!(examples.len() >= 10, "{}", examples.len());
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
fn the_written_schemas_are_those_of_this_version() {
    for (name, schema) in [
        ("manifest", manifest::for_editors(manifest::schema())),
        ("overlay", manifest::for_editors(manifest::overlay_schema())),
    ] {
        let path = root().join(format!("schema/{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if blessing() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "{} is stale: run the tests with MAILPLUMB_BLESS=1", path.display());
    }
}

#[test]
fn the_schema_of_overlays_leaves_out_and_removes_but_knows_every_key() {
    let schema = jsonschema::validator_for(&manifest::for_editors(manifest::overlay_schema())).unwrap();
    let document = |rest: &str| serde_yaml::from_str::<Value>(&format!("kind: {rest}")).unwrap();
    for fits in [
        "Mailbox\nmetadata: { name: anna, remove: true }",
        "Mailbox\nmetadata: { name: anna }\nspec: { processFrom: null }",
        "EmailServerProfile\nmetadata: { name: x }\nspec: { imapSmtp: { incoming: { port: 993 }, outgoing: null } }",
        "MailboxList\nmetadata: { name: x }\nspec: { users: [{ name: anna, remove: true }, { name: ben, owner: null }] }",
    ] {
        assert!(schema.is_valid(&document(fits)), "{fits}");
    }
    for wrong in [
        "Mailbox\nmetadata: { remove: true }",
        "Mailbox\nmetadata: { name: anna }\nspec: { processFrm: null }",
        "EmailServerProfile\nmetadata: { name: x }\nspec: { imapSmtp: { incoming: { port: many } } }",
        "MailboxList\nmetadata: { name: x }\nspec: { users: [{ owner: null }] }",
    ] {
        assert!(!schema.is_valid(&document(wrong)), "{wrong}");
    }
}

/// The schema of a reference, whether it stands alone or beside other words.
fn referred<'s>(schema: &'s Value, property: &'s Value) -> &'s Value {
    let name = property["$ref"].as_str().or_else(|| property["allOf"][0]["$ref"].as_str());
    name.and_then(|name| schema.pointer(name.strip_prefix('#')?)).unwrap_or(property)
}

#[test]
fn editors_find_a_description_of_every_key() {
    let schema = manifest::schema();
    let definitions = schema["definitions"].as_object().unwrap();
    let mut missing = Vec::new();
    for (name, definition) in definitions {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            let has =
                property["description"].is_string() || referred(&schema, property)["description"].is_string();
            if !has {
                missing.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(!schema.to_string().contains("\"null\""), "an optional key is left out, never null");
}

#[test]
fn a_default_that_editors_offer_is_a_possible_value() {
    let schema = manifest::schema();
    let mut defaults = 0;
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            let Some(default) = property.get("default") else { continue };
            let mut alone = property.clone();
            alone["definitions"] = schema["definitions"].clone();
            let validator = jsonschema::validator_for(&alone).unwrap();
            assert!(validator.is_valid(default), "{name}.{key}: {default}");
            defaults += 1;
        }
    }
    assert!(defaults > 20, "{defaults}");
}

#[test]
fn every_example_and_valid_case_fits_the_schema() {
    let schema = jsonschema::validator_for(&manifest::for_editors(manifest::schema())).unwrap();
    let valid = files_at(&here().join("valid"));
    let overlays = jsonschema::validator_for(&manifest::for_editors(manifest::overlay_schema())).unwrap();
    let yaml = examples().into_iter().flatten().chain(valid).filter(|file| file.name.ends_with(".yaml"));
    // Texts that YAML 1.2 reads as something else are texts for us; a generic validator cannot know that.
    let mut checked = 0;
    for file in yaml.filter(|file| !file.name.contains("texts") && !file.name.contains("host.yaml")) {
        let is_overlay = file.layer_number() > 0 || file.name.contains("layers-");
        let schema = if is_overlay { &overlays } else { &schema };
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
    let schema = jsonschema::validator_for(&manifest::for_editors(manifest::schema())).unwrap();
    for case in [
        "unknown-key",
        "unknown-value",
        "missing-key",
        "choice",
        "wrong-type",
        "plaintext",
        "kind",
        "empty-value",
        "p-02-hosts-are-names-and-exchange-is-a-url",
        "p-03-a-login-stands-with-profile-credentials-only",
        "p-08-server-to-server-is-for-exchange-online-only",
        "p-10-an-undeliverable-folder-is-for-exchange-only",
        "p-13-connections-polling-and-time-outs-have-ranges",
        "p-14-ports-are-1-to-65535",
        "p-17-an-application-proves-itself-once",
        "approved-on-an-assignment",
    ] {
        let files = files_at(&here().join(format!("invalid/{case}.yaml")));
        let refused = documents(&files[0]).iter().filter(|document| !schema.is_valid(document)).count();
        assert!(refused > 0, "{case}");
    }
}
