//! JSON of a server, within limits.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::refusal::GraphError;
use crate::model::limits;

/// Reads a document of a known shape; what is not known of it is passed over.
pub(super) fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, GraphError> {
    if body.len() > limits::GRAPH_DOCUMENT_BYTES_MAX {
        return Err(GraphError::limit("an answer of Microsoft Graph", limits::GRAPH_DOCUMENT_BYTES_MAX));
    }
    if depth(body) > limits::GRAPH_DEPTH_MAX {
        return Err(GraphError::limit("the depth of an answer of Microsoft Graph", limits::GRAPH_DEPTH_MAX));
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        GraphError::Garbage(format!("the answer is not {what} ({place})"))
    })
}

/// Reads a list that is asked for without its further pages.
pub(super) fn list<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<Vec<T>, GraphError> {
    read::<List<T>>(what, body).map(|List { value }| value)
}

#[derive(Deserialize)]
struct List<T> {
    value: Vec<T>,
}

/// How deep brackets are nested, those in texts left out.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (true | false, _) => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a":[{"b":"[[[\"[["}]}"#), 3);
        assert_eq!(depth(b"]]]]"), 0);
        let deep = "[".repeat(1_000_000);
        let error = read::<serde_json::Value>("a list", deep.as_bytes()).unwrap_err();
        assert!(matches!(error, GraphError::LimitExceeded { .. }), "{error}");
    }
}
