//! Access tokens: an endpoint that gives them out to OAuth 2.0 clients (RFC 6749 section 4.4) over TLS, and the two
//! mechanisms that log in with them, the server's half (RFC 7628, and XOAUTH2).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::World;
use super::options::{Options, TokenClient};
use super::sasl::Credentials;
use crate::model::limits::{PLAYGROUND_LINE_BYTES_MAX, PLAYGROUND_TOKENS_MAX};

/// What is said to a token that is not taken, in Base64: `{"status":"invalid_token"}`.
pub(super) const REFUSED: &str = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=";
/// How long a token is said to be valid. Nothing here lives longer.
const SECONDS: u64 = 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Oauthbearer,
    Xoauth2,
}

/// The tokens given out so far: for whom each is good.
#[derive(Default)]
pub(super) struct Tokens {
    given: Mutex<BTreeMap<String, String>>,
    /// No token is ever given out twice.
    count: AtomicU64,
}

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn give(&self, username: &str) -> String {
        let mut given = self.lock();
        if given.len() >= PLAYGROUND_TOKENS_MAX {
            given.clear();
        }
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let token = format!("playground-token-{number}-{username}");
        let token = STANDARD.encode(token).trim_end_matches('=').to_owned();
        given.insert(token.clone(), username.to_owned());
        token
    }

    /// Makes every token worthless, as a provider does that withdraws them.
    pub(super) fn withdraw(&self) {
        self.lock().clear();
    }
}

impl Tokens {
    /// Whose token it is. `None`: nobody's.
    pub(super) fn credentials_of(&self, options: &Options, token: &str) -> Option<Credentials> {
        let good_for = self.lock().get(token)?.clone();
        let user = options.users.iter().find(|user| user.username == good_for)?;
        Some(super::sasl::credentials(&user.username, user.password.expose()))
    }
}

/// The mechanisms as each protocol offers them, where there is somebody to give tokens.
pub(super) fn offered(world: &World) -> bool {
    !world.options.token_clients.is_empty()
}

/// Reads a client's message; `None`: it is none, or its token is not good for that user.
pub(super) fn credentials(world: &World, framing: Framing, response: &[u8]) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(response).ok()?).ok()?;
    let (username, token) = parse(framing, &text)?;
    let good_for = world.tokens.lock().get(token)?.clone();
    let all = &world.options.users;
    let user = all
        .iter()
        .find(|user| user.username == good_for && (username == user.username || username == user.address))?;
    Some(super::sasl::credentials(&user.username, user.password.expose()))
}

fn parse(framing: Framing, text: &str) -> Option<(String, &str)> {
    let (head, rest) = text.split_once('\x01')?;
    let username = match framing {
        Framing::Xoauth2 => head.strip_prefix("user=")?.to_owned(),
        Framing::Oauthbearer => {
            let name = head.strip_prefix("n,a=")?.strip_suffix(',')?;
            name.replace("=2C", ",").replace("=3D", "=")
        }
    };
    let fields = rest.strip_suffix("\x01\x01")?;
    let token = fields.split('\x01').find_map(|field| field.strip_prefix("auth=Bearer "))?;
    Some((username, token))
}

/// The endpoint; it ends with the runtime.
pub(super) async fn serve(listener: TcpListener, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            // Whoever gives up half-way gets nothing, and nobody minds.
            let Ok(mut stream) = world.tls.accept(stream).await else { return };
            let Some(request) = read(&mut stream).await else { return };
            let (status, body) = answer(&world, &request);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all((head + &body).as_bytes()).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// Registers its socket with the runtime that the caller has entered.
pub(super) fn open(address: std::net::IpAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind((address, 0))?;
    listener.set_nonblocking(true)?;
    let at = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, at))
}

struct Request {
    line: String,
    authorization: Option<String>,
    form: BTreeMap<String, String>,
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut octets = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&octets);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                head.lines().skip(1).find_map(|line| {
                    let (key, value) = line.split_once(':')?;
                    key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                })
            };
            let length: usize = field("content-length").and_then(|text| text.parse().ok())?;
            if body.len() >= length {
                let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
                let form = pairs.map(|(key, value)| (decoded(key), decoded(value))).collect();
                let line = head.lines().next().unwrap_or_default().to_owned();
                return Some(Request { line, authorization: field("authorization"), form });
            }
        }
        if octets.len() > PLAYGROUND_LINE_BYTES_MAX || stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
}

/// `application/x-www-form-urlencoded`
fn decoded(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        octets.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// RFC 6749 sections 5.1 and 5.2.
fn answer(world: &World, request: &Request) -> (&'static str, String) {
    let refused = |error: &str| format!(r#"{{"error":"{error}"}}"#);
    // Beside a plain one, that of each tenant as Entra has it.
    let is_entra = request.line.contains("/oauth2/v2.0/token ");
    if !request.line.starts_with("POST /") || !(is_entra || request.line.starts_with("POST /token ")) {
        return ("404 Not Found", String::new());
    }
    let named = |key: &str| request.form.get(key).map_or("", String::as_str);
    if named("grant_type") != "client_credentials" {
        return ("400 Bad Request", refused("unsupported_grant_type"));
    }
    let basic = request.authorization.as_deref().and_then(basic_pair);
    let (id, secret) =
        basic.unwrap_or_else(|| (named("client_id").to_owned(), named("client_secret").to_owned()));
    let is_known = |client: &&TokenClient| client.id == id && *client.secret.expose() == secret;
    match world.options.token_clients.iter().find(is_known) {
        None if is_entra => {
            let words = "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the \
                         client secret value, not the client secret ID.";
            let body = format!(
                r#"{{"error":"invalid_client","error_description":"{words}","error_codes":[7000215]}}"#
            );
            ("401 Unauthorized", body)
        }
        None => ("401 Unauthorized", refused("invalid_client")),
        Some(client) => {
            let token = world.tokens.give(&client.username);
            let body =
                format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{SECONDS}}}"#);
            ("200 OK", body)
        }
    }
}

fn basic_pair(header: &str) -> Option<(String, String)> {
    let pair = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((decoded(id), decoded(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_to_the_letter() {
        let xoauth2 = "user=anna@a.example\x01auth=Bearer t0k\x01\x01";
        assert_eq!(parse(Framing::Xoauth2, xoauth2), Some(("anna@a.example".to_owned(), "t0k")));
        let bearer = "n,a=a=2Cb@a.example,\x01host=x\x01auth=Bearer t0k\x01\x01";
        assert_eq!(parse(Framing::Oauthbearer, bearer), Some(("a,b@a.example".to_owned(), "t0k")));
        for broken in
            ["", "user=anna\x01auth=Bearer t\x01", "n,a=anna,\x01auth=Bearer t\x01\x01", "user=anna\x01\x01"]
        {
            assert_eq!(parse(Framing::Xoauth2, broken), None, "{broken:?}");
        }
    }

    #[test]
    fn what_is_said_to_a_refused_token_is_json() {
        let said = STANDARD.decode(REFUSED).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(json["status"], "invalid_token");
    }
}
