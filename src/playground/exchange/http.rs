//! HTTP/1.1 for the server's side: requests one after another on a connection, with a login on each.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::World;
use super::super::sasl;
use super::super::state::AccountId;
use super::autodiscover::{self, Dialect};
use super::holding::{self, Hold};
use super::{soap, streaming};
use crate::model::limits::PLAYGROUND_MESSAGE_BYTES_MAX;

const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Base64 and markup around the largest message.
const BODY_BYTES_MAX: usize = PLAYGROUND_MESSAGE_BYTES_MAX / 2 * 3;

/// Registers its socket with the runtime that the caller has entered.
pub(in crate::playground) fn open(address: IpAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind((address, 0))?;
    listener.set_nonblocking(true)?;
    let at = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, at))
}

/// It ends with the runtime.
pub(in crate::playground) async fn serve(listener: TcpListener, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // Whoever gives up half-way gets nothing, and nobody minds.
            let Ok(mut stream) = world.tls.accept(stream).await else { return };
            let mut input = BytesMut::new();
            while let Some(request) = read(&mut stream, &mut input).await {
                if let Some((login, wanted)) = streaming::wanted(&world, &request) {
                    match streaming::serve(&world, &mut stream, login, wanted).await {
                        Ok(()) => continue,
                        // Neither is the end of the TLS connection said.
                        Err(_) => return,
                    }
                }
                let hold = holding::of(&world, &request);
                if hold == Some(Hold::BeforeWork) {
                    holding::forever(&world).await;
                }
                let answer = answer(&world, &request);
                if hold == Some(Hold::AfterWork) {
                    holding::forever(&world).await;
                }
                if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
            }
            let _ = stream.shutdown().await;
        });
    }
}

/// A request with its whole body.
pub(super) struct Request {
    line: String,
    fields: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

async fn read(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), input: &mut BytesMut) -> Option<Request> {
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
    let line = lines.next()?.to_owned();
    let field =
        |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
    let request = Request { line, fields: lines.filter_map(field).collect(), body: String::new() };
    let length: usize = request.field("content-length").unwrap_or("0").parse().ok()?;
    if length > BODY_BYTES_MAX {
        return None;
    }
    if request.field("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    while input.len() < length {
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&input.split_to(length)).into_owned();
    Some(Request { body, ..request })
}

fn answer(world: &World, request: &Request) -> Vec<u8> {
    let mut words = request.line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let dialect = Dialect::of(path).filter(|dialect| dialect.is_spoken(world));
    if dialect.is_none() && !path.eq_ignore_ascii_case("/EWS/Exchange.asmx") {
        return plain("404 Not Found", "", "there is nothing here");
    }
    let Some((username, login)) = request.field("authorization").and_then(|value| authenticate(world, value))
    else {
        let bearer = match world.options.token_clients.is_empty() {
            true => "",
            false => "WWW-Authenticate: Bearer\r\n",
        };
        let offers = format!("{bearer}WWW-Authenticate: Basic realm=\"playground\"\r\n");
        return plain("401 Unauthorized", &offers, "");
    };
    if method != "POST" {
        return plain("405 Method Not Allowed", "", "");
    }
    let anchor = request.field("x-anchormailbox").map(str::to_owned);
    let (status, body) = match dialect {
        Some(dialect) => autodiscover::answer(world, dialect, &username, &request.body),
        None => soap::answer(world, (username, login, anchor), &request.body),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

fn plain(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Basic with a user's password, or bearer with a token of the playground's endpoint.
pub(super) fn authenticate(world: &World, value: &str) -> Option<(String, AccountId)> {
    let (scheme, rest) = value.split_once(' ')?;
    let credentials = if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (username, password) = pair.split_once(':')?;
        sasl::credentials(username, password)
    } else if scheme.eq_ignore_ascii_case("bearer") {
        world.tokens.credentials_of(&world.options, rest.trim())?
    } else {
        return None;
    };
    let account = world.state.authenticate(&credentials)?;
    Some((credentials.username, account))
}
