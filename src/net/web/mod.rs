//! HTTP over one connection that belongs to one identity.
//!
//! NTLM and Negotiate log a connection in, so a pool that hands connections from one caller to another would mix people up.
//! A [`Session`] has one connection at a time, and nobody else ever gets it.

mod login;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::handshake::{self, Begun, TlsPeer};
use super::http::cause_in;
use super::trace::Trace;
use super::{Network, address, certificate, connect_wait, timed_out};
use crate::model::clock::Clock;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::profile::Authentication;
use crate::model::server;
use crate::protocol::sasl::Channel;
use login::{Next, Proving};

/// Where a session leads.
#[derive(Debug, Clone)]
pub struct Site {
    /// `https://…`; `http://…` only where the host file allows credentials over it. Its path is not used.
    pub url: String,
    /// A CA bundle of the host file; `None`: the system's roots.
    pub trust: Option<Name>,
    /// For each answer to begin, and for each piece of its body.
    pub wait: Duration,
}

/// Who asks, and how that is proved.
pub struct Login {
    pub authentication: Authentication,
    /// For `oauth` the password is the access token.
    pub identity: server::Login,
}

/// What is asked. The headers of the connection and of the login are added.
pub struct Request {
    pub method: Method,
    /// With its query: `/EWS/Exchange.asmx`.
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

/// One connection, made anew when the server has closed it, and its login.
pub struct Session {
    network: Network,
    clock: Arc<dyn Clock>,
    site: Site,
    place: Place,
    proving: Proving,
    link: Link,
}

/// A URL taken apart.
struct Place {
    target: address::Target,
    encrypted: bool,
    /// The header `Host`.
    authority: HeaderValue,
}

/// A connection.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    /// The hash that binds a login to this connection (RFC 5929); `None` without TLS.
    binding: Option<Vec<u8>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The beginning of an answer; its body arrives piece by piece.
pub struct Answer<'a> {
    response: Response<Incoming>,
    /// While an answer is read nothing else can be asked.
    session: &'a Session,
}

impl Network {
    /// Steps `resolve`, `connect` and, for https, `tls`. The login happens with the first request.
    pub async fn open_web(
        &self,
        site: &Site,
        login: Login,
        trace: &mut Trace,
    ) -> Result<Session, RemoteError> {
        let place = self.place(site).map_err(|cause| RemoteError::new(TestStep::Connect, cause))?;
        let link = self.link(site, &place, trace).await?;
        let channel = if place.encrypted {
            Channel::Encrypted
        } else {
            Channel::Clear { allowed: self.host.allow_basic_over_plaintext }
        };
        let service = format!("HTTP/{}", place.target.host);
        let wanted = login.authentication;
        let identity = self
            .identity(&login.identity)
            .await
            .map_err(|cause| RemoteError::new(TestStep::Secret, cause))?;
        let proving = Proving::new(wanted, identity, service, channel);
        Ok(Session { network: self.clone(), clock: trace.clock(), site: site.clone(), place, proving, link })
    }

    fn place(&self, site: &Site) -> Result<Place, Cause> {
        let unusable = |detail: &str| Cause::Unsupported { setting: format!("{}: {detail}", site.url) };
        let url = Url::parse(&site.url).map_err(|error| unusable(&error.to_string()))?;
        let encrypted = match url.scheme() {
            "https" => true,
            "http" if self.host.allow_credentials_over_http => false,
            // Checked when a manifest is applied, and here again: the switch may have been withdrawn since.
            "http" => return Err(unusable("this host does not allow credentials over plain HTTP")),
            _ => return Err(unusable("it is not an https URL")),
        };
        let host = url.host_str().ok_or_else(|| unusable("it names no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| unusable("it names no port"))?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let authority = HeaderValue::from_str(&authority).map_err(|_| unusable("its host cannot be used"))?;
        Ok(Place { target: address::Target::new(host, port), encrypted, authority })
    }

    async fn link(&self, site: &Site, place: &Place, trace: &mut Trace) -> Result<Link, RemoteError> {
        let wait = connect_wait(u32::try_from(site.wait.as_secs()).ok());
        let resolved = address::resolve(&self.host, &place.target, wait);
        let addresses = trace.step(TestStep::Resolve, resolved).await?;
        trace.detail(addresses.to_string());
        let dialled = address::dial(&addresses, &place.target, wait);
        let (socket, peer) = trace.step(TestStep::Connect, dialled).await?;
        trace.detail(peer.to_string());
        if !place.encrypted {
            return Link::over(TokioIo::new(socket), None)
                .await
                .map_err(|cause| RemoteError::new(TestStep::Connect, cause));
        }
        let peer = TlsPeer {
            store: Arc::clone(&self.trust),
            trust: site.trust.clone(),
            host: place.target.host.clone(),
            wait,
            findings: trace.findings().cloned(),
        };
        let shaken = handshake::shake_hands(&peer, socket, Begun::WithConnection);
        let stream = trace.step(TestStep::Tls, shaken).await?;
        let binding = binding(&stream);
        Link::over(TokioIo::new(stream), binding)
            .await
            .map_err(|cause| RemoteError::new(TestStep::Tls, cause))
    }
}

/// `tls-server-end-point` of the server's certificate. A resumed session has it too.
fn binding(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let certificates = stream.get_ref().1.peer_certificates()?;
    certificate::end_point(certificates.first()?)
}

impl Link {
    async fn over<S>(stream: TokioIo<S>, binding: Option<Vec<u8>>) -> Result<Self, Cause>
    where
        TokioIo<S>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_headers(limits::HTTP_HEADERS_MAX)
            .max_buf_size(limits::HTTP_BUFFER_BYTES_MAX)
            .handshake(stream)
            .await
            .map_err(|error| Cause::Internal { detail: error.to_string() })?;
        // What goes wrong is also told to whoever waits for the answer.
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { sender, driver, binding })
    }
}

impl Session {
    /// Sends a request, logging in before where the server demands it, and returns when the answer begins. Redirects are
    /// the caller's to judge. A connection that the server had closed before is made anew; a request that may have
    /// reached it is never sent twice, except one that was refused for want of a login.
    pub async fn send(&mut self, request: &Request) -> Result<Answer<'_>, Cause> {
        for _ in 0..limits::LOGIN_STEPS_MAX {
            self.ready().await?;
            let next = self.proving.next(self.link.binding.as_deref(), self.clock.now()).await?;
            let whole = matches!(next, Next::Request(_));
            let response = self.transmit(request, next).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                self.proving.accepted(response.headers())?;
                if whole {
                    return Ok(Answer { response, session: self });
                }
                self.finish(response).await?;
                continue;
            }
            let challenged = self.proving.challenged(response.headers());
            self.finish(response).await?;
            challenged?;
        }
        let limit = limits::LOGIN_STEPS_MAX as u64;
        Err(Cause::LimitExceeded { what: "the steps of the login".to_owned(), limit })
    }

    /// How this session was logged in, for people; `None`: not yet, or the server did not ask.
    pub fn login_words(&self) -> Option<&'static str> {
        self.proving.words()
    }

    /// Waits until the connection can be used, and makes another when it cannot.
    async fn ready(&mut self) -> Result<(), Cause> {
        if matches!(timeout(self.site.wait, self.link.sender.ready()).await, Ok(Ok(()))) {
            return Ok(());
        }
        self.proving.lost_connection()?;
        let mut trace = Trace::new(Arc::clone(&self.clock));
        let link = self.network.link(&self.site, &self.place, &mut trace).await;
        self.link = link.map_err(|error| error.cause)?;
        Ok(())
    }

    async fn transmit(&mut self, request: &Request, next: Next) -> Result<Response<Incoming>, Cause> {
        let (authorization, body) = match next {
            Next::Request(authorization) => (authorization, request.body.clone()),
            // Nothing of the request is shown to a server that does not know yet who asks.
            Next::Step(authorization) => (authorization, Bytes::new()),
        };
        let mut built = hyper::Request::builder()
            .method(request.method.clone())
            .uri(&request.path)
            .header(HOST, self.place.authority.clone())
            .header(USER_AGENT, concat!("mailplumb/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "keep-alive");
        for (name, value) in &request.headers {
            built = built.header(name, value);
        }
        if let Some(authorization) = authorization {
            built = built.header(AUTHORIZATION, sensitive(&authorization)?);
        }
        let built =
            built.body(Full::new(body)).map_err(|error| Cause::Internal { detail: error.to_string() })?;
        match timeout(self.site.wait, self.link.sender.send_request(built)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.cause_of(&error)),
            Err(_) => Err(timed_out(self.site.wait)),
        }
    }

    /// Reads the rest of an answer that nobody wants, so that the connection can be used again.
    async fn finish(&self, response: Response<Incoming>) -> Result<(), Cause> {
        let answer = Answer { response, session: self };
        answer.all(limits::HTTP_REFUSAL_BYTES_MAX).await.map(drop)
    }

    fn cause_of(&self, error: &hyper::Error) -> Cause {
        cause_in(error, &self.place.target)
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, Cause> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Cause::Internal { detail: "a header cannot hold the authorization".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

impl Answer<'_> {
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Cause> {
        let wait = self.session.site.wait;
        loop {
            let frame = timeout(wait, self.response.frame()).await.map_err(|_| timed_out(wait))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| self.session.cause_of(&error))?;
            // Trailers tell nothing that we ask for.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// The whole body.
    pub async fn all(mut self, bytes_max: usize) -> Result<Vec<u8>, Cause> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > bytes_max {
                let limit = bytes_max as u64;
                return Err(Cause::LimitExceeded { what: "the answer's body".to_owned(), limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
