//! Several requests in one. Each part is answered by itself, in any order; a part can be throttled while others are done.
//! <https://learn.microsoft.com/graph/json-batching>

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::{Body, Call, Expected, GraphError, Operation, ROOT, document};
use crate::model::name::Address;
use crate::protocol::http::Method;

/// Up to [`crate::model::limits::GRAPH_BATCH_PARTS`] parts.
#[derive(Debug)]
pub struct Batch {
    pub parts: Vec<Call>,
}

/// What became of a part.
pub type PartAnswer = Result<Value, Refusal>;

#[derive(Deserialize)]
struct Document {
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body: Value,
}

impl Operation for Batch {
    /// One for each part, in the order of the parts; `None`: the service did not answer it.
    type Response = Vec<Option<PartAnswer>>;

    fn call(&self, _: &Address) -> Call {
        let parts: Vec<Value> = self.parts.iter().enumerate().map(|(at, part)| request(at, part)).collect();
        Call::new(Method::Post, format!("{ROOT}/$batch")).with(Body::Json(json!({ "requests": parts })))
    }

    fn read(&self, body: &[u8]) -> Result<Self::Response, GraphError> {
        let Document { responses } = document::read("answers of a batch", body)?;
        let mut answers: Vec<Option<PartAnswer>> = self.parts.iter().map(|_| None).collect();
        for response in responses {
            let at = response.id.parse().ok().filter(|at: &usize| *at < answers.len());
            if let Some((at, part)) = at.and_then(|at| Some((at, self.parts.get(at)?))) {
                answers[at] = response.judged(part);
            }
        }
        Ok(answers)
    }
}

/// The path without its version, which is the batch's.
fn request(at: usize, part: &Call) -> Value {
    let url = part.path.strip_prefix(ROOT).unwrap_or(&part.path);
    let fields: Map<String, Value> =
        part.fields().into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    let mut request =
        json!({ "id": at.to_string(), "method": part.method.name(), "url": url, "headers": fields });
    match (&part.body, request.as_object_mut()) {
        (Body::Json(body), Some(request)) => drop(request.insert("body".to_owned(), body.clone())),
        (Body::Mime(text), Some(request)) => drop(request.insert("body".to_owned(), text.clone().into())),
        (Body::Nothing, _) | (Body::Json(_) | Body::Mime(_), None) => {}
    }
    request
}

impl Response {
    /// `None`: it succeeded in something else than what was asked for, which says nothing.
    fn judged(self, part: &Call) -> Option<PartAnswer> {
        if let 200..=299 = self.status {
            let is_it = match part.expected {
                Expected::Document | Expected::Octets => true,
                Expected::Status(expected) => self.status == expected,
            };
            return is_it.then_some(Ok(self.body));
        }
        let is_it = |(name, _): &(&String, &Value)| name.eq_ignore_ascii_case("retry-after");
        let seconds = self.headers.iter().find(is_it).and_then(|(_, value)| match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        let body = self.body.to_string();
        Some(Err(Refusal::new(self.status, body.as_bytes(), seconds.map(Duration::from_secs))))
    }
}
