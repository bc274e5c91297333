//! One session with Exchange: a connection that stays open, and one operation after another on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::clock::Clock;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::profile::{Access, Protocol, TlsMode};
use crate::model::server::{Destination, WebLocation, WebService};
use crate::net::{Connection, Network};
use crate::protocol::Streaming;
use crate::protocol::ews::{
    self, EwsError, FolderRef, Found, Header, Operation, ServerVersion, Splitter, WellKnown, status,
};
use crate::protocol::http::{Exchange, Head, Request};
use crate::remote::Trace;

use super::authorization::{self, Authorization};

/// Where the octets of messages go that an answer holds.
#[async_trait]
pub(super) trait Outlet: Send {
    async fn found(&mut self, found: Found) -> Result<(), Cause>;
}

/// For operations whose answers hold no messages.
pub(super) struct NoMessages;

#[async_trait]
impl Outlet for NoMessages {
    async fn found(&mut self, _: Found) -> Result<(), Cause> {
        Ok(())
    }
}

pub(super) struct Session {
    connection: Option<Connection>,
    network: Network,
    clock: Arc<dyn Clock>,
    destination: Destination,
    path: String,
    access: Option<Access>,
    authorization: Option<Authorization>,
    version: ServerVersion,
    timeout: Duration,
}

impl Session {
    /// Steps `resolve`, `connect` and `tls`.
    pub async fn connect(
        network: &Network,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Self, RemoteError> {
        let path_of = |service: &WebService| match &service.location {
            WebLocation::Path(path) => Ok(path.clone()),
            WebLocation::Autodiscover { .. } => {
                Err(Cause::Unsupported { setting: "location: { autodiscover }".to_owned() })
            }
        };
        let internal = || Cause::Internal { detail: "a destination without a web service".to_owned() };
        let path = destination.service.as_ref().ok_or_else(internal).and_then(path_of);
        let path = path.map_err(|cause| RemoteError::new(TestStep::Resolve, cause))?;
        let connection = network.connect(destination, Protocol::Ews, trace).await?;
        let timeout = destination.endpoint.timeout_seconds;
        Ok(Self {
            connection: Some(connection),
            network: network.clone(),
            clock: trace.clock(),
            destination: destination.again(),
            path,
            access: destination.service.as_ref().and_then(|service| service.access),
            authorization: None,
            version: ServerVersion::FIRST,
            timeout: timeout
                .map_or(limits::READ_TIMEOUT, |seconds| Duration::from_secs(seconds.max(1).into())),
        })
    }

    /// Steps `authenticate` and `open`: the login is proved by asking for a folder. Returns how many items it holds.
    pub async fn open(&mut self, folder: WellKnown, trace: &mut Trace) -> Result<Option<u64>, RemoteError> {
        let operation = ews::GetFolder { folder: self.folder(folder) };
        let answer = trace.step(TestStep::Authenticate, async {
            if self.asks_first() {
                let offered = self.schemes_offered().await?;
                self.ready().await?;
                self.log_in(Some(&offered))?;
                return Ok((self.exchange(&operation, &mut NoMessages).await?, offered));
            }
            self.log_in(None)?;
            Ok((self.exchange(&operation, &mut NoMessages).await?, Vec::new()))
        });
        let (mut document, offered) = answer.await?;
        trace.detail(self.authorization.as_ref().map_or("", |login| login.scheme.name()));
        let said = ews::server_version(&document);
        trace.offers(|| said.iter().map(|version| format!("Exchange {version}")).collect(), || offered);
        let opened = trace.step(TestStep::Open, async {
            loop {
                match ews::read(&operation, &document) {
                    Ok(folder) => return Ok(folder),
                    Err(error) => {
                        self.step_down(&error).ok_or_else(|| error.cause())?;
                        document = self.exchange(&operation, &mut NoMessages).await?;
                    }
                }
            }
        });
        let folder = opened.await?;
        let count = folder.total.map_or_else(|| "opened".to_owned(), |total| format!("{total} items"));
        trace.detail(match said {
            Some(version) => format!("{count}, Exchange {version}"),
            None => count,
        });
        Ok(folder.total)
    }

    fn asks_first(&self) -> bool {
        authorization::asks_first(self.destination.endpoint.authentication)
    }

    fn log_in(&mut self, offered: Option<&[String]>) -> Result<(), Cause> {
        let Some(connection) = &self.connection else { return Err(lost()) };
        let channel = self.network.login_channel(connection);
        self.authorization = Some(authorization::choose(&self.destination, offered, channel)?);
        Ok(())
    }

    /// Asks without a login, and reads what the server wants for one.
    async fn schemes_offered(&mut self) -> Result<Vec<String>, Cause> {
        let (head, _) = self.post(b"", &mut NoMessages).await?;
        match head.status {
            401 => Ok(head.login_schemes()),
            _ => Err(status::refused(&head, b"")),
        }
    }

    /// A folder of the mailbox that is meant: of the login's own, or of the one that it was given rights to.
    pub fn folder(&self, folder: WellKnown) -> FolderRef {
        match self.access {
            Some(Access::Delegation) => FolderRef::Of(self.destination.address.clone(), folder),
            Some(Access::Impersonation) | None => FolderRef::Own(folder),
        }
    }

    fn header(&self) -> Header {
        let impersonated: Option<Address> = match self.access {
            Some(Access::Impersonation) => Some(self.destination.address.clone()),
            Some(Access::Delegation) | None => None,
        };
        Header { version: self.version, impersonated, time_zone: None }
    }

    /// Asks for an older version when the server does not know this one. `None`: there is none.
    fn step_down(&mut self, error: &EwsError) -> Option<()> {
        let is_version = error.is("ErrorInvalidServerVersion") || error.is("ErrorSchemaValidation");
        self.version = self.version.older().filter(|_| is_version)?;
        Some(())
    }

    /// One operation whose answer holds no messages.
    pub async fn call<O: Operation + Sync>(&mut self, operation: &O) -> Result<O::Response, EwsFailure> {
        self.call_with(operation, &mut NoMessages).await
    }

    pub async fn call_with<O: Operation + Sync>(
        &mut self,
        operation: &O,
        outlet: &mut dyn Outlet,
    ) -> Result<O::Response, EwsFailure> {
        let document = self.exchange(operation, outlet).await?;
        Ok(ews::read(operation, &document)?)
    }

    /// Sends a request and returns the answer without its messages. Connects anew where the server has closed the
    /// connection in good order after the last answer.
    async fn exchange<O: Operation + Sync>(
        &mut self,
        operation: &O,
        outlet: &mut dyn Outlet,
    ) -> Result<Vec<u8>, Cause> {
        let body = ews::envelope(operation, &self.header()).into_bytes();
        self.ready().await?;
        let (head, document) = self.post(&body, outlet).await?;
        match head.status {
            200 => Ok(document),
            // A fault of SOAP, or a page of whatever stands in front of Exchange.
            500 if status::is_answer(&document) => Ok(document),
            _ => Err(status::refused(&head, &document)),
        }
    }

    /// Makes sure that there is a connection.
    pub async fn ready(&mut self) -> Result<(), Cause> {
        match self.connection {
            Some(_) => Ok(()),
            None => self.connect_again().await,
        }
    }

    async fn connect_again(&mut self) -> Result<(), Cause> {
        let mut trace = Trace::new(Arc::clone(&self.clock));
        let connected = self.network.connect(&self.destination, Protocol::Ews, &mut trace).await;
        self.connection = Some(connected.map_err(|error| error.cause)?);
        Ok(())
    }

    async fn post(&mut self, body: &[u8], outlet: &mut dyn Outlet) -> Result<(Head, Vec<u8>), Cause> {
        let host = self.host();
        let anchor = self.destination.address.as_str().to_owned();
        let fields = [
            ("Content-Type", "text/xml; charset=utf-8"),
            ("Accept", "text/xml"),
            // The server that holds the mailbox answers, instead of one that would have to ask it.
            ("X-AnchorMailbox", anchor.as_str()),
        ];
        let request = Request {
            host: &host,
            path: &self.path,
            authorization: self.authorization.as_ref().map(|login| &login.header),
            fields: &fields,
            body,
        };
        let mut exchange = Exchange::new(&request);
        // Only an answer that was read to its end leaves the connection fit for another request.
        let mut connection = self.connection.take().ok_or_else(lost)?;
        let mut splitter = Splitter::default();
        let head = read(&mut connection, &mut exchange, self.timeout, (&mut splitter, outlet)).await?;
        if head.keeps_open {
            self.connection = Some(connection);
        }
        Ok((head, splitter.into_document().map_err(EwsError::cause)?))
    }

    fn host(&self) -> String {
        let endpoint = &self.destination.endpoint;
        let host =
            if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
        let own = match endpoint.tls {
            TlsMode::Implicit => 443,
            TlsMode::Starttls | TlsMode::None => 80,
        };
        match endpoint.port_or_default(Protocol::Ews) {
            port if port == own => host,
            port => format!("{host}:{port}"),
        }
    }

    pub fn rest(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.rest();
        }
    }
}

/// Reads the answer, and hands over what leaves it.
async fn read(
    connection: &mut Connection,
    exchange: &mut Exchange,
    wait: Duration,
    (splitter, outlet): (&mut Splitter, &mut dyn Outlet),
) -> Result<Head, Cause> {
    loop {
        let step = connection.drive_some(exchange, wait).await;
        while let Some(octets) = exchange.next_item() {
            let mut found: Vec<Found> = Vec::new();
            let fed = splitter.feed(&octets, &mut |one| found.push(one));
            for one in found {
                outlet.found(one).await?;
            }
            fed.map_err(EwsError::cause)?;
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

/// Why an operation did not come about: the conversation failed, or the server said no.
#[derive(Debug)]
pub(super) enum EwsFailure {
    Conversation(Cause),
    Answer(EwsError),
}

impl From<Cause> for EwsFailure {
    fn from(cause: Cause) -> Self {
        Self::Conversation(cause)
    }
}

impl From<EwsError> for EwsFailure {
    fn from(error: EwsError) -> Self {
        Self::Answer(error)
    }
}

impl EwsFailure {
    pub fn cause(self) -> Cause {
        match self {
            Self::Conversation(cause) => cause,
            Self::Answer(error) => error.cause(),
        }
    }

    pub fn is(&self, code: &str) -> bool {
        match self {
            Self::Conversation(_) => false,
            Self::Answer(error) => error.is(code),
        }
    }
}

fn lost() -> Cause {
    Cause::ConnectionLost { detail: "the server closed it".to_owned() }
}

/// Octets, in the pieces in which they came.
pub(super) fn joined(pieces: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([one]) => one,
        Err(pieces) => pieces.concat().into(),
    }
}
