//! Several requests in one: each is answered by itself, and the answers come in another order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::super::World;
use super::super::Caller;
use super::{Answer, GraphFault, Payload, Request, route};

const PARTS_MAX: usize = 20;

pub(super) fn answer(world: &World, caller: &Caller, request: &Request) -> Answer {
    let parts = request.json().and_then(|body| body["requests"].as_array().cloned());
    let Some(parts) = parts.filter(|parts| !parts.is_empty() && parts.len() <= PARTS_MAX) else {
        return Answer::error(
            400,
            "BadRequest",
            "Number of batch request steps exceeds the maximum value of 20.",
        );
    };
    let mut responses: Vec<Value> = parts.iter().map(|part| one(world, caller, request, part)).collect();
    responses.reverse();
    Answer::json(200, json!({ "responses": responses }))
}

fn one(world: &World, caller: &Caller, outer: &Request, part: &Value) -> Value {
    let text = |key: &str| part[key].as_str().unwrap_or_default().to_owned();
    let mut fields: Vec<(String, String)> =
        vec![("Host".to_owned(), outer.field("host").unwrap_or("").to_owned())];
    if let Some(own) = part["headers"].as_object() {
        let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        fields.extend(own.iter().filter_map(pair));
    }
    let body = match &part["body"] {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string().into_bytes()
        }
    };
    let request = Request { method: text("method"), target: format!("/v1.0{}", text("url")), fields, body };
    let answer = match fault(world, &request) {
        Some(GraphFault::Answer { status, fields, body }) => {
            Answer { status, fields, body: Payload::Json(serde_json::from_str(&body).unwrap_or(Value::Null)) }
        }
        Some(GraphFault::DoneAndClosed | GraphFault::Closed | GraphFault::CutOff { .. }) | None => {
            route::answer(world, caller, &request)
        }
    };
    let headers: Map<String, Value> =
        answer.fields.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
    let body = match answer.body {
        Payload::Nothing => Value::Null,
        Payload::Json(value) => value,
        Payload::Octets(octets) => Value::String(STANDARD.encode(octets)),
    };
    json!({ "id": text("id"), "status": answer.status, "headers": headers, "body": body })
}

fn fault(world: &World, request: &Request) -> Option<GraphFault> {
    let line = format!("part {} {}", request.method, request.target);
    let mut inner = world.exchange.lock();
    let found = inner
        .graph
        .faults
        .iter_mut()
        .find(|(at, times, _)| at.starts_with("part ") && *times > 0 && line.contains(at.as_str()));
    found.map(|(_, times, fault)| {
        *times -= 1;
        fault.clone()
    })
}
