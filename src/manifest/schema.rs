//! The JSON Schema of a document (draft 7, what editors read), made from the mirror types.

mod editors;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

pub use self::editors::for_editors;
use super::mirror::mailbox::{AssignmentSpec, MailboxListSpec, MailboxSpec};
use super::mirror::organization::{ApprovalListSpec, OrganizationSpec};
use super::mirror::profile::ProfileSpec;
use super::mirror::secret::SecretSpec;
use super::mirror::values::PLAIN_TYPES;
use super::mirror::{API_VERSION, Metadata};

/// The schema of one document of a manifest.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.transforms.insert(0, Box::new(Defaults));
        settings.transforms.insert(0, Box::new(WithoutNull));
        settings.transforms.push(Box::new(PlainTexts));
    });
    let mut generator = settings.into_generator();
    let metadata = generator.subschema_for::<Metadata>();
    let kinds = [
        ("Organization", spec::<OrganizationSpec>(&mut generator)),
        ("EmailServerProfile", spec::<ProfileSpec>(&mut generator)),
        ("Mailbox", spec::<MailboxSpec>(&mut generator)),
        ("MailboxAssignment", spec::<AssignmentSpec>(&mut generator)),
        ("MailboxList", spec::<MailboxListSpec>(&mut generator)),
        ("Secret", spec::<SecretSpec>(&mut generator)),
        ("ApprovalList", spec::<ApprovalListSpec>(&mut generator)),
    ];
    let names: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
    let cases: Vec<Value> = kinds.iter().map(|(kind, spec)| case(kind, spec)).collect();
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "mailplumb manifest",
        "description": "One document of a mailplumb manifest.",
        "type": "object",
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "enum": names },
            "metadata": metadata,
            "spec": { "type": "object" },
        },
        "required": ["apiVersion", "kind", "metadata"],
        "additionalProperties": false,
        "allOf": cases,
        "definitions": definitions,
    })
}

/// The schema of one document of a later layer: everything but the names can be left out, null removes a key, and
/// `remove: true` beside a name removes what has it.
pub fn overlay_schema() -> Value {
    let mut overlay = schema();
    loosen(&mut overlay);
    if let Some(top) = overlay.as_object_mut() {
        top.insert("title".to_owned(), json!("mailplumb overlay"));
        top.insert("description".to_owned(), json!("One document of a later layer of a mailplumb manifest."));
        top.insert("required".to_owned(), json!(["kind", "metadata"]));
    }
    let remove =
        json!({ "const": true, "description": "Removes what an earlier layer has under this name." });
    for definition in ["Metadata", "UserEntry", "SharedEntry"] {
        let found = overlay.pointer_mut(&format!("/definitions/{definition}")).and_then(Value::as_object_mut);
        let Some(found) = found else { continue };
        found.insert("required".to_owned(), json!(["name"]));
        if let Some(properties) = found.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("remove".to_owned(), remove.clone());
        }
    }
    overlay
}

/// Nothing is required, and the value of every key can be null.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            // What a condition asks for is how a kind is recognised.
            for (_, part) in map.iter_mut().filter(|(key, _)| *key != "if") {
                loosen(part);
            }
            let is_shape = ["type", "properties"].into_iter().any(|key| map.get(key).is_some());
            for key in
                ["required", "minProperties", "maxProperties", "oneOf"].into_iter().filter(|_| is_shape)
            {
                // A property may have such a name, and enums are spelled as `oneOf` too.
                if !matches!(key, "oneOf") || map.contains_key("properties") {
                    map.remove(key);
                }
            }
            if let Some(free) = map.get_mut("additionalProperties").filter(|free| free.is_object()) {
                let whole = free.take();
                *free = json!({ "anyOf": [whole, { "type": "null" }] });
            }
            let is_top = map.contains_key("definitions");
            let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) else { return };
            for (_, property) in properties.iter_mut().filter(|(key, _)| !is_top && *key != "name") {
                let whole = property.take();
                *property = json!({ "anyOf": [whole, { "type": "null" }] });
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(loosen),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn spec<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// "If it is of this kind, its spec has this shape": editors then complain about the spec, not about the kind.
fn case(kind: &str, spec: &Schema) -> Value {
    let mut then = json!({ "properties": { "spec": spec } });
    if kind != "Organization"
        && let Some(then) = then.as_object_mut()
    {
        then.insert("required".to_owned(), json!(["spec"]));
    }
    json!({ "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] }, "then": then })
}

/// Defaults are told in the descriptions, as "Default `x`" or "Default 10"; editors want them as values too.
#[derive(Debug, Clone)]
struct Defaults;

impl Transform for Defaults {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(default) = schema.get("description").and_then(Value::as_str).and_then(default) {
            schema.insert("default".to_owned(), default);
        }
    }
}

fn default(description: &str) -> Option<Value> {
    let (_, told) = description.split_once("Default ")?;
    if let Some(quoted) = told.strip_prefix('`') {
        let (word, _) = quoted.split_once('`')?;
        return Some(match word {
            "true" => json!(true),
            "false" => json!(false),
            word => json!(word),
        });
    }
    let digits: String = told.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<u64>().ok().map(Value::from)
}

/// Where a text is expected, every plain value is that text: what other readers take for a number or a boolean as well.
#[derive(Debug, Clone)]
struct PlainTexts;

impl Transform for PlainTexts {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let is_shaped =
            ["enum", "const", "pattern", "format"].into_iter().any(|key| schema.get(key).is_some());
        if schema.get("type") == Some(&json!("string")) && !is_shaped {
            schema.insert("type".to_owned(), json!(PLAIN_TYPES));
        }
    }
}

/// An optional key is left out, never null.
#[derive(Debug, Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [single] = types.as_slice() {
                let single = single.clone();
                schema.insert("type".to_owned(), single);
            }
        }
        if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
            branches.retain(|branch| branch.get("type") != Some(&json!("null")));
            if let [single] = branches.as_slice() {
                let single = single.clone();
                schema.remove("anyOf");
                schema.insert("allOf".to_owned(), json!([single]));
            }
        }
        if schema.get("default") == Some(&Value::Null) {
            schema.remove("default");
        }
        schema
            .remove("format")
            .filter(|format| format == "date" || format == "date-time")
            .map(|format| schema.insert("format".to_owned(), format));
    }
}
