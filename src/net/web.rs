//! HTTP over one connection that belongs to one identity.
//!
//! NTLM and Negotiate log a connection in, so a pool that hands connections from one caller to another would mix people up.
//! A [`Session`] has one connection at a time, and nobody else ever gets it. What is asked and answered is the caller's.

mod login;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use zeroize::Zeroizing;

use super::address::{self, Target};
use super::handshake::TlsPeer;
use super::renewal::Renewal;
use super::trace::Trace;
use super::{Connection, Network, connect_wait};
use crate::model::clock::Clock;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::profile::{Endpoint, Protocol, TlsMode};
use crate::model::server::Destination;
use crate::protocol::http::{self, Exchange, Head, Method};
use crate::protocol::{Pace, Streaming};
use login::{Next, Proving};

/// What is asked. The headers of the connection and of the login are added.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: Method,
    /// With its query: `/EWS/Exchange.asmx`.
    pub path: &'a str,
    /// Names and values, which hold no line ends.
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// Takes the body of an answer as it arrives. An error ends the answer and the connection.
#[async_trait]
pub trait Sink: Send {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause>;
}

/// A body that is held, up to a limit.
pub struct Held {
    pub octets: Vec<u8>,
    bytes_max: usize,
}

impl Held {
    pub fn up_to(bytes_max: usize) -> Self {
        Self { octets: Vec::new(), bytes_max }
    }
}

#[async_trait]
impl Sink for Held {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        if self.octets.len() + octets.len() > self.bytes_max {
            let limit = self.bytes_max as u64;
            return Err(Cause::LimitExceeded { what: "the body of an HTTP answer".to_owned(), limit });
        }
        self.octets.extend_from_slice(&octets);
        Ok(())
    }
}

/// One connection, made anew when the server has closed it, and its login.
pub struct Session {
    network: Network,
    clock: Arc<dyn Clock>,
    destination: Destination,
    /// The header `Host`.
    authority: String,
    connection: Option<Connection>,
    /// The hash that binds a login to this connection (RFC 5929); `None` without TLS.
    binding: Option<Vec<u8>>,
    proving: Proving,
    renewal: Renewal,
    /// For each answer to begin, and then for its body as `pace` says.
    wait: Duration,
    pace: Pace,
    asked: Asked,
}

/// How far the last request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Nothing of it reached the server, or the server refused it for want of a login.
    Nothing,
    /// The server may have acted on it.
    Perhaps,
}

impl Network {
    /// Steps `resolve`, `connect` and, for https, `tls`. The login happens with the first request.
    pub async fn open_web(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Session, RemoteError> {
        let connection = self.connect(destination, Protocol::Ews, trace).await?;
        let endpoint = &destination.endpoint;
        let identity = self.identity(&destination.login).await;
        let identity = identity.map_err(|cause| RemoteError::new(TestStep::Secret, cause))?;
        let mut proving = Proving::new(
            endpoint.authentication,
            (&destination.login, identity),
            format!("HTTP/{}", endpoint.host),
            self.login_channel(&connection),
        );
        // Checked when a manifest is applied, and here again: `auto` leaves the choice to the server.
        if !self.host.allow_ad_authentication {
            proving.forbid_directory();
        }
        let wait = endpoint.timeout_seconds;
        Ok(Session {
            network: self.clone(),
            clock: trace.clock(),
            destination: destination.again(),
            authority: authority(endpoint),
            binding: connection.binding(),
            connection: Some(connection),
            proving,
            renewal: trace.renewal(),
            wait: wait.map_or(limits::READ_TIMEOUT, |seconds| Duration::from_secs(seconds.max(1).into())),
            pace: Pace::Bulk,
            asked: Asked::Nothing,
        })
    }
}

impl Network {
    /// Asks over plain HTTP, without a login, what stands at a place. Nothing of a mailbox is in such a request, so that
    /// the host file need not allow it. The body is not read.
    pub async fn look(&self, host: &str, path: &str, wait: Duration) -> Result<Head, Cause> {
        let target = Target::new(host, 80);
        let wait = connect_wait(u32::try_from(wait.as_secs()).ok());
        let addresses = self.resolve(&target, wait).await?;
        let (socket, _) = address::dial(&addresses, &target, wait).await?;
        let store = Arc::clone(&self.trust);
        let tls = TlsPeer { store, trust: None, host: target.host, wait, findings: None };
        let mut connection = Connection::plain(socket, tls);
        let (authorization, fields, body) = (None, &[("Connection", "close")], &b""[..]);
        let method = Method::Get;
        let mut exchange = Exchange::new(&http::Request { method, host, path, authorization, fields, body });
        loop {
            let step = connection.drive_some(&mut exchange, wait).await;
            if let Some(head) = exchange.head() {
                return Ok(head.clone());
            }
            if let Some(head) = step? {
                return Ok(head);
            }
        }
    }
}

/// `mail.contoso.example:8443`; the scheme's own port is left out.
pub(super) fn authority(endpoint: &Endpoint) -> String {
    let host = match endpoint.host.contains(':') {
        true => format!("[{}]", endpoint.host),
        false => endpoint.host.clone(),
    };
    let own = match endpoint.tls {
        TlsMode::Implicit => 443,
        TlsMode::Starttls | TlsMode::None => 80,
    };
    match endpoint.port_or_default(Protocol::Ews) {
        port if port == own => host,
        port => format!("{host}:{port}"),
    }
}

impl Session {
    /// Sends a request, logging in before where the server demands it, and returns when the answer has ended; its body went
    /// into the sink. Redirects are the caller's to judge. A connection that the server had closed before is made anew; a
    /// request that may have reached it is never sent twice, except one that was refused for want of a login.
    pub async fn send(&mut self, request: &Request<'_>, sink: &mut dyn Sink) -> Result<Head, Cause> {
        self.asked = Asked::Nothing;
        for _ in 0..limits::LOGIN_STEPS_MAX {
            self.ready().await?;
            let next = self.proving.next(self.binding.as_deref(), self.clock.now()).await?;
            let is_whole = matches!(next, Next::Request(_));
            let head = self.transmit(request, next, sink).await?;
            if head.status == 401 {
                self.asked = Asked::Nothing;
                if let Some(refused) = self.proving.ended_token() {
                    let token = self.renewal.instead_of(refused, self.clock.elapsed()).await?;
                    self.proving.goes_on_with(token);
                    continue;
                }
                self.proving.challenged(&head)?;
                continue;
            }
            self.proving.accepted(&head)?;
            if is_whole {
                return Ok(head);
            }
        }
        let limit = limits::LOGIN_STEPS_MAX as u64;
        Err(Cause::LimitExceeded { what: "the steps of the login".to_owned(), limit })
    }

    /// Whether the server may have acted on the last request. After an error this tells a request that certainly did nothing
    /// from one about which nobody knows.
    pub fn may_have_acted(&self) -> bool {
        self.asked == Asked::Perhaps
    }

    /// How this session was logged in, for people; `None`: not yet, or the server did not ask.
    pub fn login_words(&self) -> Option<&'static str> {
        self.proving.words()
    }

    /// The ways to log in that the server named; empty: it was not asked.
    pub fn offered(&self) -> &[String] {
        self.proving.offered()
    }

    /// Gives back memory that is not needed while the session waits.
    pub fn rest(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.rest();
        }
    }

    /// The access token of this login was taken before, in another session: if it is refused it has ended.
    pub fn was_let_in(&mut self) {
        self.proving.was_let_in();
    }

    /// Lets go of the connection; the next request makes another one.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Answers from now on take their time on purpose, and are silent for so long.
    pub fn wait_at_least(&mut self, wait: Duration) {
        self.pace = Pace::Trickle;
        self.wait = self.wait.max(wait);
    }

    /// Makes another connection where there is none that can be used.
    pub async fn ready(&mut self) -> Result<(), Cause> {
        if let Some(connection) = &mut self.connection
            && !connection.has_ended().await
        {
            return Ok(());
        }
        self.connection = None;
        self.proving.lost_connection()?;
        let mut trace = Trace::new(Arc::clone(&self.clock));
        let connected = self.network.connect(&self.destination, Protocol::Ews, &mut trace).await;
        let connection = connected.map_err(|error| error.cause)?;
        self.binding = connection.binding();
        self.connection = Some(connection);
        Ok(())
    }

    async fn transmit(
        &mut self,
        request: &Request<'_>,
        next: Next,
        sink: &mut dyn Sink,
    ) -> Result<Head, Cause> {
        let (authorization, body, taken) = match next {
            Next::Request(authorization) => (authorization, request.body, Taken::Into(sink)),
            // Nothing of the request is shown to a server that does not know yet who asks.
            Next::Step(authorization) => (authorization, &b""[..], Taken::Nowhere),
        };
        let mut exchange = Exchange::new(&http::Request {
            method: request.method,
            host: &self.authority,
            path: request.path,
            authorization: authorization.as_ref().map(|value: &Zeroizing<String>| value.as_str()),
            fields: request.fields,
            body,
        });
        exchange = match self.pace {
            Pace::Trickle => exchange.trickling(),
            Pace::Answer | Pace::Bulk => exchange,
        };
        // Only an answer that was read to its end leaves the connection fit for another request.
        let mut connection = self.connection.take().ok_or_else(lost)?;
        if let Taken::Into(_) = taken {
            self.asked = Asked::Perhaps;
        }
        let mut head = read(&mut connection, &mut exchange, self.wait, taken).await?;
        head.arrived = Some(self.clock.now());
        if head.keeps_open {
            self.connection = Some(connection);
        }
        Ok(head)
    }
}

/// What becomes of a body.
enum Taken<'a> {
    Into(&'a mut dyn Sink),
    /// Nobody wants it, and it is read so that the connection can be used again.
    Nowhere,
}

/// Reads an answer to its end. The page that comes with a refusal for want of a login is passed over.
async fn read(
    connection: &mut Connection,
    exchange: &mut Exchange,
    wait: Duration,
    mut taken: Taken<'_>,
) -> Result<Head, Cause> {
    let mut passed_over = 0;
    loop {
        let step = connection.drive_some(exchange, wait).await;
        let is_refusal = exchange.head().is_some_and(|head| head.status == 401);
        while let Some(octets) = exchange.next_item() {
            match &mut taken {
                Taken::Into(sink) if !is_refusal => sink.piece(octets).await?,
                Taken::Into(_) | Taken::Nowhere => passed_over += octets.len(),
            }
        }
        if passed_over > limits::HTTP_REFUSAL_BYTES_MAX {
            let limit = limits::HTTP_REFUSAL_BYTES_MAX as u64;
            return Err(Cause::LimitExceeded { what: "the page of a refused login".to_owned(), limit });
        }
        match step {
            Ok(Some(head)) => return Ok(head),
            Ok(None) => {}
            Err(Cause::ConnectionLost { .. }) if exchange.ends_with_connection() => {
                return exchange.head().cloned().ok_or_else(lost);
            }
            Err(cause) => return Err(cause),
        }
    }
}

fn lost() -> Cause {
    Cause::ConnectionLost { detail: "the server closed it".to_owned() }
}
