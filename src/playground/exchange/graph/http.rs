//! HTTP/1.1 for the server's side: requests one after another on a connection, with a token on each.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Answer, CALLS_KEPT_MAX, Caller, GraphCall, GraphFault, Payload, Request, World, route, uploads};
use crate::model::limits::PLAYGROUND_MESSAGE_BYTES_MAX;

const HEAD_BYTES_MAX: usize = 64 * 1024;
/// 4 MB, and what is around them.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024 + 4096;

/// It ends with the runtime.
pub async fn serve(listener: TcpListener, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // Whoever gives up half-way gets nothing, and nobody minds.
            let Ok(mut stream) = world.tls.accept(stream).await else { return };
            let mut input = BytesMut::new();
            while let Some(request) = read(&mut stream, &mut input).await {
                let Some((answer, then)) = answer(&world, &request) else { break };
                if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
                if then == Then::CutOff {
                    return;
                }
            }
            let _ = stream.shutdown().await;
        });
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> Option<Request> {
    let end = loop {
        if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if input.len() > HEAD_BYTES_MAX || stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    };
    let head = input.split_to(end + 4);
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let field =
        |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
    let request = Request { method, target, fields: lines.filter_map(field).collect(), body: Vec::new() };
    let length: usize = request.field("content-length").unwrap_or("0").parse().ok()?;
    if length > PLAYGROUND_MESSAGE_BYTES_MAX / 2 * 3 {
        return None;
    }
    while input.len() < length {
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { body: input.split_to(length).to_vec(), ..request })
}

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Open,
    CutOff,
}

/// `None`: the connection breaks.
pub(super) fn answer(world: &World, request: &Request) -> Option<(Vec<u8>, Then)> {
    let fault = fault(world, request);
    let answer = match &fault {
        Some(GraphFault::Answer { status, fields, body }) => {
            Answer { status: *status, fields: fields.clone(), body: Payload::Octets(body.clone().into()) }
        }
        Some(GraphFault::Closed) => return None,
        Some(GraphFault::DoneAndClosed | GraphFault::CutOff { .. }) | None => judged(world, request),
    };
    note(world, request, &answer);
    match fault {
        Some(GraphFault::DoneAndClosed | GraphFault::Closed) => None,
        Some(GraphFault::CutOff { octets }) => Some((cut_off(&rendered(answer), octets), Then::CutOff)),
        Some(GraphFault::Answer { .. }) | None => Some((rendered(answer), Then::Open)),
    }
}

fn fault(world: &World, request: &Request) -> Option<GraphFault> {
    let line = format!("{} {}", request.method, request.target);
    let mut inner = world.exchange.lock();
    let found = inner.graph.faults.iter_mut().find(|(at, times, _)| *times > 0 && line.contains(at.as_str()));
    found.map(|(_, times, fault)| {
        *times -= 1;
        fault.clone()
    })
}

fn judged(world: &World, request: &Request) -> Answer {
    if request.body.len() > REQUEST_BYTES_MAX {
        return Answer::error(413, "RequestEntityTooLarge", "The maximum request length supported is 4MB.");
    }
    if let Some(answer) = uploads::answer(world, request) {
        return answer;
    }
    let token = request.field("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let credentials = token.and_then(|token| world.tokens.credentials_of(&world.options, token.trim()));
    let caller = credentials.and_then(|credentials| {
        let account = world.state.authenticate(&credentials)?;
        Some(Caller { username: credentials.username, account })
    });
    match caller {
        Some(caller) => route::answer(world, &caller, request),
        None => {
            let words = "Access token has expired or is not yet valid.";
            let mut answer = Answer::error(401, "InvalidAuthenticationToken", words);
            answer.fields.push(("WWW-Authenticate".to_owned(), "Bearer realm=\"\"".to_owned()));
            answer
        }
    }
}

fn note(world: &World, request: &Request, answer: &Answer) {
    let kind = request.field("content-type");
    let is_piece = kind == Some("application/octet-stream");
    let mut inner = world.exchange.lock();
    if inner.graph.calls.len() >= CALLS_KEPT_MAX {
        return;
    }
    inner.graph.calls.push(GraphCall {
        method: request.method.clone(),
        path: request.target.clone(),
        prefer: request.field("prefer").map(str::to_owned),
        content_type: kind.map(str::to_owned),
        request: if is_piece { String::new() } else { String::from_utf8_lossy(&request.body).into_owned() },
        status: answer.status,
        response: match &answer.body {
            Payload::Json(value) => value.to_string(),
            Payload::Nothing | Payload::Octets(_) => String::new(),
        },
    });
}

fn rendered(answer: Answer) -> Vec<u8> {
    let (kind, body) = match answer.body {
        Payload::Nothing => (None, Vec::new()),
        Payload::Json(value) => (
            Some(
                "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
            ),
            value.to_string().into_bytes(),
        ),
        Payload::Octets(octets) => (Some("text/plain"), octets.to_vec()),
    };
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    let is_other = answer.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let Some(kind) = kind.filter(|_| !is_other) {
        let _ = write!(head, "Content-Type: {kind}\r\n");
    }
    for (name, value) in &answer.fields {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

/// The beginning of an answer whose length only the end of the connection tells.
fn cut_off(answer: &[u8], octets: usize) -> Vec<u8> {
    const END: &[u8] = b"\r\n\r\n";
    let body = answer.windows(END.len()).position(|window| window == END).map_or(0, |at| at + END.len());
    let head = String::from_utf8_lossy(&answer[..body]).replace("Content-Length", "X-Length");
    [head.as_bytes(), &answer[body..answer.len().min(body + octets)]].concat()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        410 => "Gone",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
