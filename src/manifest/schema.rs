//! The JSON Schema of a document (draft 7, what editors read), made from the mirror types.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::mirror::mailbox::{AssignmentSpec, MailboxListSpec, MailboxSpec};
use super::mirror::organization::{ApprovalListSpec, OrganizationSpec};
use super::mirror::profile::ProfileSpec;
use super::mirror::secret::SecretSpec;
use super::mirror::{API_VERSION, Metadata};

/// The schema of one document of a manifest.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.transforms.insert(0, Box::new(WithoutNull));
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
