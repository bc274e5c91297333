//! `docs/manifest-reference.md` is written from the JSON Schema: every kind, every key, every value.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use mailplumb::manifest;
use serde_json::Value;

use super::blessing;

const INTRODUCTION: &str = "# Manifest reference

Every kind, key and value. Written from [the JSON Schema](../schema/manifest.schema.json) by the tests; do not edit. [The manifest](manifest.md)
is the guide, [vendor-fields.md](vendor-fields.md) leads from the vendor's forms to these keys. Names in quotes are those of the vendor's
forms.

A document has `apiVersion: mailplumb/v1`, `kind`, `metadata` and `spec`. Keys that are not marked *required* may be left out; keys that are not
listed are errors.
";

/// Definitions whose values are texts with a grammar of their own; they come last.
const VALUES: [&str; 6] = ["Name", "Address", "Duration", "Size", "Moment", "Day"];

struct Reference<'a> {
    schema: &'a Value,
    text: String,
    seen: BTreeSet<String>,
    /// Keys and values that say nothing about themselves.
    silent: Vec<String>,
}

/// A doc comment in three parts.
struct Said {
    vendor: String,
    default: String,
    meaning: String,
}

impl Said {
    fn parse(text: &str) -> Self {
        let mut meaning = text.replace('\n', " ");
        let mut vendor = String::new();
        if let Some(at) = meaning.find("Vendor: ") {
            let rest = meaning[at + "Vendor: ".len()..].to_owned();
            let end = label_end(&rest);
            vendor = rest[..end].to_owned();
            let after = rest[end..].trim_start_matches(['.', ';', ':', ' ']);
            meaning = format!("{}{after}", &meaning[..at]);
        }
        let mut default = String::new();
        if let Some(at) = meaning.find("Default ").or_else(|| meaning.find("Default: ")) {
            let rest = meaning[at + "Default".len()..].trim_start_matches([':', ' ']).to_owned();
            let end = rest
                .find(". ")
                .into_iter()
                .chain(rest.find("; "))
                .min()
                .unwrap_or(rest.trim_end_matches('.').len());
            default = rest[..end].to_owned();
            meaning = format!("{}{}", &meaning[..at], rest[end..].trim_start_matches(['.', ';', ' ']));
        }
        let mut letters = meaning.trim().chars();
        let meaning = letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str());
        Self { vendor, default, meaning: meaning.unwrap_or_default() }
    }
}

/// Where the vendor's label ends: at a `.`, `;` or `:` outside of its quotes; `: yes` and `: no` belong to it.
fn label_end(text: &str) -> usize {
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        let rest = &text[at..];
        match letter {
            '"' => is_quoted = !is_quoted,
            '.' | ';' if !is_quoted => return at,
            ':' if !is_quoted && !rest.starts_with(": yes") && !rest.starts_with(": no") => return at,
            _ => {}
        }
    }
    text.len()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn reference(node: &Value) -> Option<&str> {
    let reference = node.get("$ref").or_else(|| node.get("allOf")?.get(0)?.get("$ref"))?;
    reference.as_str()?.rsplit('/').next()
}

impl Reference<'_> {
    fn definition(&self, name: &str) -> &Value {
        &self.schema["definitions"][name]
    }

    /// The type of a key in words, with links.
    fn kind(&self, node: &Value) -> String {
        if let Some(name) = reference(node) {
            return format!("[{name}](#{})", name.to_lowercase());
        }
        let number = |key: &str| node.get(key).and_then(Value::as_u64);
        // A text may look like a number or a boolean to other readers; the first type is what it is.
        let kind = node.get("type").map(|kind| kind.get(0).unwrap_or(kind));
        match kind.and_then(Value::as_str) {
            Some("array") => format!("list of {}", self.kind(&node["items"])),
            Some("object") => match node.get("additionalProperties") {
                Some(value) if value.is_object() => format!("map of names to {}", self.kind(value)),
                _ => "map".to_owned(),
            },
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("integer") => match (number("minimum"), number("maximum")) {
                (Some(min), Some(max)) => format!("whole number, {min} to {max}"),
                _ => "whole number".to_owned(),
            },
            Some("string") => match number("maxLength") {
                Some(max) => format!("text, up to {max} characters"),
                None => "text".to_owned(),
            },
            other => panic!("a type without words: {other:?} in {node}"),
        }
    }

    fn said(&self, node: &Value) -> Said {
        let own = node.get("description").or_else(|| self.definition(reference(node)?).get("description"));
        Said::parse(own.and_then(Value::as_str).unwrap_or_default())
    }

    /// A definition with its keys or values, and then those that it refers to.
    fn section(&mut self, name: &str, heading: &str) {
        if VALUES.contains(&name) || !self.seen.insert(name.to_owned()) {
            return;
        }
        let node = self.definition(name).clone();
        let Said { vendor, meaning, .. } = self.said(&node);
        let vendor =
            if vendor.is_empty() { String::new() } else { format!(" In the vendor's forms: {vendor}.") };
        if meaning.is_empty() && vendor.is_empty() {
            self.silent.push(name.to_owned());
        }
        writeln!(self.text, "\n{heading}\n\n{meaning}{vendor}").unwrap();
        let empty = serde_json::Map::new();
        let keys = node.get("properties").and_then(Value::as_object);
        match keys {
            Some(keys) => self.keys(name, &node, keys),
            None if node.get("type") == Some(&"object".into()) => self.keys(name, &node, &empty),
            None => self.values(&node),
        }
        for node in keys.into_iter().flat_map(serde_json::Map::values) {
            self.mentioned(node);
        }
    }

    fn mentioned(&mut self, node: &Value) {
        if let Some(name) = reference(node).map(str::to_owned) {
            self.section(&name, &format!("### {name}"));
        }
        for inside in ["items", "additionalProperties"] {
            if let Some(node) = node.get(inside).filter(|node| node.is_object()) {
                self.mentioned(&node.clone());
            }
        }
    }

    fn keys(&mut self, owner: &str, node: &Value, keys: &serde_json::Map<String, Value>) {
        if keys.is_empty() {
            return;
        }
        let required = node.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        self.text += "\n| key | type | default | meaning | vendor's label |\n|---|---|---|---|---|\n";
        for (key, node) in keys {
            let Said { vendor, mut default, meaning } = self.said(node);
            if meaning.is_empty() && vendor.is_empty() {
                self.silent.push(format!("{owner}.{key}"));
            }
            if required.contains(&Value::from(key.as_str())) {
                default = "*required*".to_owned();
            }
            let kind = self.kind(node);
            writeln!(self.text, "| `{key}` | {kind} | {default} | {} | {} |", cell(&meaning), cell(&vendor))
                .unwrap();
        }
    }

    fn values(&mut self, node: &Value) {
        self.text += "\n| value | meaning | vendor's label |\n|---|---|---|\n";
        let alternatives = node.get("oneOf").and_then(Value::as_array).cloned();
        for one in alternatives.unwrap_or_else(|| vec![node.clone()]) {
            let Said { vendor, meaning, .. } = match one.get("const") {
                Some(_) => self.said(&one),
                None => Said::parse(""),
            };
            let values = one.get("enum").and_then(Value::as_array).cloned();
            for value in values.unwrap_or_else(|| vec![one["const"].clone()]) {
                let value = value.as_str().expect("every choice is a word");
                writeln!(self.text, "| `{value}` | {} | {} |", cell(&meaning), cell(&vendor)).unwrap();
            }
        }
    }

    fn whole(mut self) -> (String, Vec<String>) {
        self.text += INTRODUCTION;
        self.section("Metadata", "## Metadata");
        for case in self.schema["allOf"].as_array().unwrap() {
            let kind = case["if"]["properties"]["kind"]["const"].as_str().unwrap();
            let spec = reference(&case["then"]["properties"]["spec"]).unwrap();
            self.section(spec, &format!("## {kind}"));
        }
        self.text += "\n## Values\n";
        for name in VALUES {
            let said = self.definition(name)["description"].as_str().unwrap().to_owned();
            writeln!(self.text, "\n### {name}\n\n{said}").unwrap();
        }
        (self.text, self.silent)
    }
}

#[test]
fn the_reference_is_that_of_this_version() {
    let schema = manifest::schema();
    let reference =
        Reference { schema: &schema, text: String::new(), seen: BTreeSet::new(), silent: Vec::new() };
    let (text, silent) = reference.whole();
    assert!(silent.is_empty(), "without a doc comment: {silent:#?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifest-reference.md");
    if blessing() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/manifest-reference.md is stale: run the tests with MAILPLUMB_BLESS=1");
}

#[test]
fn a_doc_comment_is_taken_apart() {
    for (text, vendor, default, meaning) in [
        ("Vendor: \"Owner\"; receives alerts.", "\"Owner\"", "", "Receives alerts."),
        ("Vendor: \"Use Impersonation\": yes.", "\"Use Impersonation\": yes", "", ""),
        ("Vendor: \"Forward\": collects.", "\"Forward\"", "", "Collects."),
        ("Attempts. Default 10.", "", "10", "Attempts."),
        ("Vendor: \"Use TLS\". Default `a.b`; or so.", "\"Use TLS\"", "`a.b`", "Or so."),
        ("The strongest. Vendor: \"Auto Detect\".", "\"Auto Detect\"", "", "The strongest."),
    ] {
        let said = Said::parse(text);
        assert_eq!(
            (said.vendor.as_str(), said.default.as_str(), said.meaning.trim()),
            (vendor, default, meaning)
        );
    }
}
