//! The order of keys: that of the schema, which is the order in which the reference explains them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::layout::{Collection, Item, Kind, Node};
use crate::manifest::schema::schema;

/// The schema, as far as it says in which order keys stand.
#[derive(Debug)]
pub struct Order {
    schema: Value,
    /// The schema of `spec` by kind.
    kinds: BTreeMap<String, Value>,
}

impl Order {
    pub fn of_manifest() -> Self {
        let schema = schema();
        let mut kinds = BTreeMap::new();
        for case in schema["allOf"].as_array().into_iter().flatten() {
            if let Some(kind) = case["if"]["properties"]["kind"]["const"].as_str() {
                kinds.insert(kind.to_owned(), case["then"]["properties"]["spec"].clone());
            }
        }
        Self { schema, kinds }
    }

    /// Sorts the keys of a document. Keys that the schema does not know follow the others, as they are.
    pub fn sort(&self, root: &mut Node<'_>) {
        let Node::Collection(collection) = root else { return };
        let kind = entry(collection, "kind").and_then(|node| match node {
            Node::Scalar(scalar) => self.kinds.get(&*scalar.text),
            Node::Collection(_) => None,
        });
        let Some(spec) = kind else { return };
        self.arrange(collection, &self.schema);
        for item in &mut collection.items {
            if item.key.as_ref().is_some_and(|key| key.text == "spec") {
                self.node(&mut item.value, spec);
            }
        }
    }

    fn node(&self, node: &mut Node<'_>, schema: &Value) {
        if let Node::Collection(collection) = node {
            self.arrange(collection, schema);
        }
    }

    fn arrange(&self, collection: &mut Collection<'_>, schema: &Value) {
        let schema = self.resolved(schema);
        match collection.kind {
            Kind::List => {
                for item in &mut collection.items {
                    self.node(&mut item.value, &schema["items"]);
                }
            }
            Kind::Map => {
                let known = schema["properties"].as_object();
                let rank = |item: &Item<'_>| {
                    let position =
                        |key: &str| known.and_then(|known| known.keys().position(|name| name == key));
                    item.key.as_ref().and_then(|key| position(&key.text)).unwrap_or(usize::MAX)
                };
                if known.is_some() {
                    collection.items.sort_by_key(rank);
                }
                for item in &mut collection.items {
                    let key = item.key.as_ref().map_or("", |key| &key.text);
                    let inner =
                        known.and_then(|known| known.get(key)).unwrap_or(&schema["additionalProperties"]);
                    self.node(&mut item.value, inner);
                }
            }
        }
    }

    /// Follows references; a reference beside other words stands in an `allOf` of one.
    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        for _ in 0..16 {
            let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
            let Some(path) = reference.and_then(|reference| reference.strip_prefix('#')) else { break };
            let Some(found) = self.schema.pointer(path) else { break };
            schema = found;
        }
        schema
    }
}

fn entry<'c, 't>(collection: &'c Collection<'t>, name: &str) -> Option<&'c Node<'t>> {
    let named = |item: &&Item<'_>| item.key.as_ref().is_some_and(|key| key.text == name);
    collection.items.iter().find(named).map(|item| &item.value)
}
