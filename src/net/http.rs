//! One function that sends an HTTP request: a form to an `https` URL, and its answer within limits.
//!
//! Redirects are not followed, because a form may hold a secret; host names go through the host file's overrides, and
//! certificates through the same stores, as everywhere.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use super::address::{self, Target, io_words};
use super::handshake::{self, Begun};
use super::{Network, timed_out};
use crate::model::failure::Cause;
use crate::model::name::Name;
use crate::model::secret::Secret;
use crate::protocol::http;

/// A form to post.
pub struct FormPost<'a> {
    pub url: &'a str,
    /// A CA bundle of the host file; `None`: the system's roots.
    pub trust: Option<&'a Name>,
    /// `application/x-www-form-urlencoded`
    pub form: &'a Secret<String>,
    /// The header `Authorization`.
    pub authorization: Option<&'a Secret<String>>,
    /// For everything together.
    pub wait: Duration,
    /// Of the answer's body.
    pub bytes_max: usize,
}

pub struct Answer {
    pub status: u16,
    /// How long the server wants to be left alone, where it says so.
    pub retry_after: Option<Duration>,
    pub body: Secret<Vec<u8>>,
}

/// Where a URL leads, and what to ask for there.
struct Way {
    url: Url,
    /// Of the manifest's URL, which the host file may lead elsewhere.
    authority: HeaderValue,
    target: Target,
    addresses: Vec<SocketAddr>,
}

impl Network {
    /// Posts a form and reads the answer, whatever its status. Plain `http` only where the host file has
    /// `allowCredentialsOverHttp`.
    pub async fn post(&self, post: &FormPost<'_>) -> Result<Answer, Cause> {
        let answer = tokio::time::timeout(post.wait, self.post_unbounded(post));
        answer.await.unwrap_or_else(|_| Err(timed_out(post.wait)))
    }

    async fn post_unbounded(&self, post: &FormPost<'_>) -> Result<Answer, Cause> {
        let way = self.way(post).await?;
        let target = Target::new(&way.target.host, way.target.port);
        let failed = |error: reqwest::Error| cause_of(&error, &target, post.wait);
        let client = self.client(post, &way).await?;
        let mut request = client
            .post(way.url)
            .header(HOST, way.authority)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(post.form.expose().clone());
        if let Some(authorization) = post.authorization {
            let mut value = HeaderValue::from_str(authorization.expose()).map_err(|_| Cause::Internal {
                detail: "a header cannot hold the authorization".to_owned(),
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = field(RETRY_AFTER).and_then(|wait| http::wait(wait, field(DATE), None));
        Ok(Answer { status, retry_after, body: read(response, post.bytes_max, failed).await? })
    }

    async fn way(&self, post: &FormPost<'_>) -> Result<Way, Cause> {
        let unusable = |detail: &str| Cause::Unsupported { setting: format!("{}: {detail}", post.url) };
        let mut url = Url::parse(post.url).map_err(|error| unusable(&error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if self.host.allow_credentials_over_http => {}
            // Checked when a manifest is applied, and here again: the switch may have been withdrawn since.
            "http" => return Err(unusable("this host does not allow credentials over plain HTTP")),
            _ => return Err(unusable("it is not an https URL")),
        }
        let (Some(host), Some(port)) = (url.host_str().map(str::to_owned), url.port_or_known_default())
        else {
            return Err(unusable("it names no host"));
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let authority = HeaderValue::from_str(&authority).map_err(|_| unusable("its host cannot be used"))?;
        let target = Target::new(&host, port);
        let addresses = address::resolve(&self.host, &target, post.wait).await?.into_list();
        // The client connects to the URL's port whatever an address says, so an override goes into the URL.
        if let Some(other) = addresses.first().map(SocketAddr::port).filter(|other| *other != port) {
            url.set_port(Some(other)).map_err(|()| unusable("its port cannot be set"))?;
        }
        Ok(Way { url, authority, target, addresses })
    }

    /// Made for one request: that is rare, and so nothing of it is kept.
    async fn client(&self, post: &FormPost<'_>, way: &Way) -> Result<Client, Cause> {
        let tls = self.trust.config(post.trust).await?;
        Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
            .resolve_to_addrs(&way.target.host, &way.addresses)
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("mailplumb/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Cause::Internal { detail: words_of(&error) })
    }
}

async fn read(
    mut response: Response,
    bytes_max: usize,
    failed: impl Fn(reqwest::Error) -> Cause,
) -> Result<Secret<Vec<u8>>, Cause> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(&failed)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Cause::LimitExceeded {
                what: "the answer's body".to_owned(),
                limit: bytes_max as u64,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Secret::new(body))
}

fn cause_of(error: &reqwest::Error, target: &Target, wait: Duration) -> Cause {
    if error.is_timeout() && find::<std::io::Error>(error).is_none() {
        return timed_out(wait);
    }
    let cause = cause_in(error, target);
    if let Cause::ConnectionLost { detail } = &cause
        && error.is_connect()
    {
        let (host, detail) = (target.host.clone(), detail.clone());
        return Cause::Unreachable { host, port: target.port, detail };
    }
    cause
}

/// What went wrong stands somewhere in the chain of sources.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the standard library adds kinds; the words of others say enough"
)]
fn cause_in(error: &(dyn std::error::Error + 'static), target: &Target) -> Cause {
    if let Some(tls) = find::<rustls::Error>(error) {
        return handshake::tls_cause(tls, &target.host, Begun::WithConnection);
    }
    let lost = |detail: &str| Cause::ConnectionLost { detail: detail.to_owned() };
    let Some(io) = find::<std::io::Error>(error) else {
        let words = words_of(error);
        // The HTTP library's own error is not ours to name; these are its words for an answer that breaks off.
        if ["connection closed", "operation was canceled", "connection was not ready"]
            .iter()
            .any(|known| words.contains(known))
        {
            return lost("the server closed it before its answer was complete");
        }
        return Cause::Garbage { detail: words };
    };
    match io.kind() {
        ErrorKind::ConnectionRefused => {
            Cause::ConnectionRefused { host: target.host.clone(), port: target.port }
        }
        ErrorKind::UnexpectedEof => lost("the server closed it before its answer was complete"),
        _ => lost(&io_words(io)),
    }
}

/// The first error of a kind. What an I/O error was made from is not its source but what it holds.
fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        current = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// The innermost reason: the outer ones repeat the URL.
fn words_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    crate::model::failure::server_words(&innermost.to_string())
}
