//! The schema as language servers show it best: they tell the innermost description they find, and that has to be the key's.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const DEFINITION: &str = "#/definitions/";

/// The same schema, with every description at the keys, and with choices as `enum` beside the words for each.
pub fn for_editors(mut schema: Value) -> Value {
    let mut said: BTreeMap<String, Value> = BTreeMap::new();
    if let Some(definitions) = schema.get_mut("definitions").and_then(Value::as_object_mut) {
        for (name, definition) in definitions.iter_mut() {
            let Some(definition) = definition.as_object_mut() else { continue };
            said.extend(definition.remove("description").map(|words| (name.clone(), words)));
            choices_as_enum(definition);
        }
    }
    describe_references(&mut schema, &said);
    schema
}

/// `oneOf` of constants: a language server would show the words of the value where those of the key belong.
fn choices_as_enum(definition: &mut Map<String, Value>) {
    let Some(branches) = definition.get("oneOf").and_then(Value::as_array) else { return };
    let mut values: Vec<Value> = Vec::new();
    let mut words: Vec<Value> = Vec::new();
    for branch in branches {
        let told = branch.get("description").cloned().unwrap_or_else(|| json!(""));
        match (branch.get("const"), branch.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => {
                values.push(value.clone());
                words.push(told);
            }
            (None, Some(several)) => {
                values.extend(several.iter().cloned());
                words.extend(several.iter().map(|_| told.clone()));
            }
            // Not a choice of words.
            (None, None) => return,
        }
    }
    definition.remove("oneOf");
    definition.insert("type".to_owned(), json!("string"));
    definition.insert("enum".to_owned(), Value::Array(values));
    definition.insert("enumDescriptions".to_owned(), Value::Array(words.clone()));
    definition.insert("markdownEnumDescriptions".to_owned(), Value::Array(words));
}

/// Whoever refers to a definition without words of his own gets the definition's.
fn describe_references(schema: &mut Value, said: &BTreeMap<String, Value>) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(|part| describe_references(part, said)),
        Value::Object(map) => {
            // A reference inside of `allOf` is described by whoever holds the `allOf`.
            let parts = map.iter_mut().filter(|(key, _)| *key != "allOf");
            parts.for_each(|(_, part)| describe_references(part, said));
            if map.get("$schema").is_some() {
                map.get_mut("allOf").into_iter().for_each(|cases| describe_references(cases, said));
            }
            let alone = map.get("$ref").cloned().filter(|_| map.len() == 1);
            let inside = map.get("allOf").and_then(|parts| parts.get(0)?.get("$ref")).cloned();
            let Some(reference) = alone.clone().or(inside) else { return };
            let name = reference.as_str().and_then(|text| text.strip_prefix(DEFINITION)).unwrap_or_default();
            let Some(words) = said.get(name).filter(|_| !map.contains_key("description")) else { return };
            if alone.is_some() {
                map.clear();
                map.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
            }
            map.insert("description".to_owned(), words.clone());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::schema;

    #[test]
    fn a_key_has_its_own_words_and_a_choice_has_words_for_each_value() {
        let schema = for_editors(schema());
        let owner = &schema["definitions"]["ProfileSpec"]["properties"]["owner"];
        assert!(owner["description"].as_str().unwrap().contains("receives alerts"), "{owner}");
        assert!(owner["allOf"][0].get("description").is_none(), "{owner}");
        let definitions = schema["definitions"].as_object().unwrap();
        assert!(definitions.values().all(|it| it.get("description").is_none()));
        let method = &definitions["IncomingMethod"];
        let count = |key: &str| method[key].as_array().unwrap().len();
        assert!(count("enum") > 1 && count("enum") == count("enumDescriptions"), "{method}");
    }
}
