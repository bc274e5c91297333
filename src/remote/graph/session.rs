//! One session with Microsoft Graph: a connection that stays open, and one request after another on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub(super) use super::failure::GraphFailure;
use super::line::Line;
use super::waits::{Key, Waits};
use crate::model::clock::Clock;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::profile::Protocol;
use crate::model::secret::Secret;
use crate::model::server::{Destination, Login};
use crate::net::renewal::Renewal;
use crate::net::{Connection, Network};
use crate::protocol::Streaming;
use crate::protocol::ews::status::no_answer;
use crate::protocol::graph::{
    Call, Expected, Folder, GetMailFolder, MailFolder, Operation, Refusal, UploadPlace,
};
use crate::protocol::http::{Exchange, Head, Method, Request};
use crate::remote::Trace;
use crate::remote::token;

/// Takes the octets of an answer of success as they arrive.
#[async_trait]
pub(super) trait Outlet: Send {
    async fn octets(&mut self, octets: Bytes) -> Result<(), Cause>;
}

/// Holds a document within its limit.
#[derive(Default)]
pub(super) struct Document(pub Vec<u8>);

impl Document {
    fn take(&mut self, octets: &[u8]) -> Result<(), Cause> {
        if self.0.len() + octets.len() > limits::GRAPH_DOCUMENT_BYTES_MAX {
            return Err(super::exceeded("an answer of Microsoft Graph", limits::GRAPH_DOCUMENT_BYTES_MAX));
        }
        self.0.extend_from_slice(octets);
        Ok(())
    }
}

#[async_trait]
impl Outlet for Document {
    async fn octets(&mut self, octets: Bytes) -> Result<(), Cause> {
        self.take(&octets)
    }
}

pub(super) struct Session {
    connection: Option<Connection>,
    network: Network,
    clock: Arc<dyn Clock>,
    destination: Destination,
    token: Secret<String>,
    renewal: Renewal,
    timeout: Duration,
    waits: Arc<Waits>,
    key: Key,
    state: State,
}

/// Whether requests went over a connection before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    New,
    Kept,
}

/// A request without its whole answer.
struct Lost {
    cause: Cause,
    answer: Answer,
}

impl Lost {
    fn failure(self) -> GraphFailure {
        match self {
            Self { cause: cause @ Cause::ConnectionLost { .. }, answer: Answer::NotBegun } => {
                GraphFailure::Unanswered(cause)
            }
            Self { cause, answer: Answer::NotBegun | Answer::Begun } => GraphFailure::Conversation(cause),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    NotBegun,
    Begun,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SigningIn,
    /// The token was accepted once.
    SignedIn,
}

impl Session {
    /// Steps `resolve`, `connect` and `tls`. Within a wait that the service asked for, nothing is done at all.
    pub async fn connect(
        network: &Network,
        waits: &Arc<Waits>,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Self, RemoteError> {
        let key = Key::of(destination);
        let refuse = |cause| RemoteError::new(TestStep::Authenticate, cause);
        if let Some(left) = waits.left(&key, trace.clock().elapsed()) {
            return Err(refuse(still_waiting(left)));
        }
        let token = token_of(&destination.login).map_err(refuse)?;
        let connection = network.connect(destination, Protocol::Ews, trace).await?;
        let timeout = destination.endpoint.timeout_seconds;
        Ok(Self {
            connection: Some(connection),
            network: network.clone(),
            clock: trace.clock(),
            destination: destination.again(),
            token,
            renewal: trace.renewal(),
            timeout: timeout
                .map_or(limits::READ_TIMEOUT, |seconds| Duration::from_secs(seconds.max(1).into())),
            waits: Arc::clone(waits),
            key,
            state: State::SigningIn,
        })
    }

    /// Steps `authenticate` and `open`: the token is proved by asking for a folder.
    pub async fn open(&mut self, folder: Folder, trace: &mut Trace) -> Result<MailFolder, RemoteError> {
        let operation = GetMailFolder { folder };
        let answered = trace.step(TestStep::Authenticate, async {
            match self.call(&operation).await {
                Err(GraphFailure::Refused(refusal)) if refusal.status == 401 => Err(refusal.cause()),
                Err(
                    GraphFailure::Conversation(cause)
                    | GraphFailure::Unanswered(cause)
                    | GraphFailure::Undone(cause),
                ) => Err(cause),
                other => Ok(other),
            }
        });
        let answered = answered.await?;
        trace.detail("Bearer");
        self.state = State::SignedIn;
        let opened = trace.step(TestStep::Open, async { answered.map_err(GraphFailure::cause) });
        let folder = opened.await?;
        let count = folder.total.map_or_else(|| "opened".to_owned(), |total| format!("{total} items"));
        trace.detail(format!("{count}, Microsoft Graph"));
        Ok(folder)
    }

    pub fn host(&self) -> &str {
        &self.destination.endpoint.host
    }

    /// Whose mailbox it is.
    pub fn user(&self) -> &Address {
        &self.destination.address
    }

    pub async fn call<O: Operation + Sync>(&mut self, operation: &O) -> Result<O::Response, GraphFailure> {
        let mut document = Document::default();
        self.stream(operation.call(self.user()), &mut document).await?;
        Ok(operation.read(&document.0)?)
    }

    /// Sends a request; the octets of an answer of success go to the outlet. A refusal is read here.
    /// An access token that has ended is replaced once, and the request sent again: who refuses it has done nothing.
    pub async fn stream(&mut self, call: Call, outlet: &mut dyn Outlet) -> Result<(), GraphFailure> {
        loop {
            match self.stream_once(&call, outlet).await {
                Err(GraphFailure::Refused(refusal))
                    if refusal.status == 401 && self.state == State::SignedIn =>
                {
                    let renewed = self.renewal.instead_of(&self.token, self.clock.elapsed()).await;
                    self.token = renewed.map_err(GraphFailure::Undone)?;
                }
                streamed => return streamed,
            }
        }
    }

    async fn stream_once(&mut self, call: &Call, outlet: &mut dyn Outlet) -> Result<(), GraphFailure> {
        if let Some(left) = self.waits.left(&self.key, self.clock.elapsed()) {
            return Err(GraphFailure::Undone(still_waiting(left)));
        }
        // RFC 9110 section 9.2.2: what only reads may be asked again where a connection that was open for long turns out to be
        // closed.
        let expected = call.expected;
        let is_read = call.method == Method::Get;
        let way = self.ready().await?;
        let answered = match (self.transmit(call, outlet).await, is_read, way) {
            (
                Err(Lost { cause: Cause::ConnectionLost { .. }, answer: Answer::NotBegun }),
                true,
                Way::Kept,
            ) => {
                self.ready().await?;
                self.transmit(call, outlet).await
            }
            (answered, _, _) => answered,
        };
        let (head, refusal) = answered.map_err(Lost::failure)?;
        if expected.is(&head) {
            return Ok(());
        }
        if is_success(head.status) {
            // Whatever stands in between says that all is well with its page.
            return Err(GraphFailure::Conversation(no_answer(&refusal.0)));
        }
        let refusal = Refusal::of(&head, &refusal.0);
        self.note(&refusal);
        Err(GraphFailure::Refused(refusal))
    }

    /// Remembers what the service asked for, for everybody.
    fn note(&self, refusal: &Refusal) {
        if let (true, Some(wait)) = (refusal.is_throttled(), refusal.retry_after) {
            self.waits.wait(&self.key, self.clock.elapsed(), wait);
        }
    }

    /// What a part of a batch asked for.
    pub fn throttled(&self, refusal: Refusal) -> Cause {
        self.note(&refusal);
        refusal.cause()
    }

    /// Makes sure that there is a connection which the service has not closed.
    pub async fn ready(&mut self) -> Result<Way, Cause> {
        if let Some(connection) = &mut self.connection
            && !connection.has_ended().await
        {
            return Ok(Way::Kept);
        }
        let mut trace = Trace::new(Arc::clone(&self.clock));
        let connected = self.network.connect(&self.destination, Protocol::Ews, &mut trace).await;
        self.connection = Some(connected.map_err(|error| error.cause)?);
        Ok(Way::New)
    }

    async fn transmit(&mut self, call: &Call, outlet: &mut dyn Outlet) -> Result<(Head, Document), Lost> {
        let fields = call.fields();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (method, expected, body) = (call.method, call.expected, call.body.octets());
        let authorization = Secret::new(format!("Bearer {}", self.token.expose()));
        let request = Request {
            method,
            host: &self.destination.endpoint.host,
            path: &call.path,
            authorization: Some(authorization.expose()),
            fields: &fields,
            body: &body,
        };
        let mut exchange = Exchange::new(&request);
        // Only an answer that was read to its end leaves the connection fit for another request.
        let mut connection =
            self.connection.take().ok_or_else(|| Lost { cause: lost(), answer: Answer::NotBegun })?;
        let answered = read(&mut connection, &mut exchange, self.timeout, (expected, outlet)).await;
        let (mut head, refusal) = answered.map_err(|cause| Lost {
            cause,
            answer: if exchange.head().is_none() { Answer::NotBegun } else { Answer::Begun },
        })?;
        head.arrived = Some(self.clock.now());
        if head.keeps_open {
            self.connection = Some(connection);
        }
        Ok((head, refusal))
    }

    /// A line to where files are put, which knows no token.
    pub fn line(&self, place: UploadPlace) -> Line {
        let mut destination = self.destination.again();
        destination.endpoint.host = place.host().to_owned();
        destination.login = Login::Anonymous;
        Line {
            place,
            connection: None,
            network: self.network.clone(),
            clock: Arc::clone(&self.clock),
            destination,
            timeout: self.timeout,
        }
    }

    pub fn rest(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.rest();
        }
    }
}

fn token_of(login: &Login) -> Result<Secret<String>, Cause> {
    match login {
        Login::Password { password, .. } => Ok(Secret::new(password.expose().clone())),
        Login::Oauth2 { .. } => Err(token::not_asked_for()),
        Login::Anonymous | Login::Host => {
            Err(Cause::Unsupported { setting: "Microsoft Graph without an access token".to_owned() })
        }
    }
}

pub(super) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Reads the answer. What the expected answer holds is handed over, what any other one holds is returned.
pub(super) async fn read(
    connection: &mut Connection,
    exchange: &mut Exchange,
    wait: Duration,
    (expected, outlet): (Expected, &mut dyn Outlet),
) -> Result<(Head, Document), Cause> {
    let mut refusal = Document::default();
    let mut is_first = true;
    loop {
        let step = connection.drive_some(exchange, wait).await;
        let is_answer = exchange.head().is_some_and(|head| expected.is(head));
        while let Some(octets) = exchange.next_item() {
            if is_answer {
                if expected == Expected::Octets && std::mem::take(&mut is_first) {
                    begins_message(&octets)?;
                }
                outlet.octets(octets).await?;
            } else {
                refusal.take(&octets)?;
            }
        }
        match step {
            Ok(Some(head)) => return Ok((head, refusal)),
            Ok(None) => {}
            Err(Cause::ConnectionLost { .. })
                if exchange.ends_with_connection() && connection.was_ended_by_server() =>
            {
                return Ok((exchange.head().cloned().ok_or_else(lost)?, refusal));
            }
            Err(cause) => return Err(cause),
        }
    }
}

/// No name of a header field begins like a page or a document.
fn begins_message(octets: &[u8]) -> Result<(), Cause> {
    match octets.trim_ascii_start().first() {
        Some(b'<' | b'{') => Err(no_answer(octets)),
        Some(_) | None => Ok(()),
    }
}

fn still_waiting(left: Duration) -> Cause {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let said = format!("[THROTTLED] the service asked to be left alone (retry after {seconds} seconds)");
    Cause::TemporarilyRefused { said }
}

fn lost() -> Cause {
    Cause::ConnectionLost { detail: "the server closed it".to_owned() }
}
