//! One session with Exchange: a connection that stays open, and one operation after another on it.

mod apart;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::clock::Clock;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::profile::Access;
use crate::model::server::{Destination, Login, WebLocation, WebService};
use crate::net::{Network, web};
use crate::protocol::ews::{
    self, EwsError, FolderRef, Found, Header, Operation, Refusal, ServerVersion, Splitter, WellKnown, status,
};
use crate::protocol::http::{Head, Method};
use crate::remote::{Trace, token};

pub(super) use super::failure::EwsFailure;
use super::gate::{self, Gates, Pass};
use apart::Affinity;

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
    web: web::Session,
    path: String,
    address: Address,
    access: Option<Access>,
    version: ServerVersion,
    clock: Arc<dyn Clock>,
    gates: Arc<Gates>,
    /// Whose budget at the server is spent.
    budget: String,
    affinity: Option<Affinity>,
}

/// What came of a request.
enum Asked {
    Answered(Vec<u8>),
    /// The server did nothing, and wants to be left alone, for as long as it may have said.
    Busy {
        asked: Option<Duration>,
        answer: Result<Vec<u8>, Cause>,
    },
}

impl Session {
    /// Steps `resolve`, `connect` and `tls`.
    pub async fn connect(
        (network, gates): (&Network, &Arc<Gates>),
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Self, RemoteError> {
        let path = path(destination).map_err(|cause| RemoteError::new(TestStep::Resolve, cause))?;
        has_login(&destination.login).map_err(|cause| RemoteError::new(TestStep::Authenticate, cause))?;
        Ok(Self {
            web: network.open_web(destination, trace).await?,
            path,
            address: destination.address.clone(),
            access: destination.service.as_ref().and_then(|service| service.access),
            version: ServerVersion::FIRST,
            clock: trace.clock(),
            gates: Arc::clone(gates),
            budget: gate::budget(destination),
            affinity: None,
        })
    }

    /// Steps `authenticate` and `open`: the login is proved by asking for a folder. Returns how many items it holds.
    pub async fn open(&mut self, folder: WellKnown, trace: &mut Trace) -> Result<Option<u64>, RemoteError> {
        let operation = ews::GetFolder { folder: self.folder(folder) };
        let mut outlet = NoMessages;
        let answer = self.exchange(&operation, &mut outlet);
        let mut document = trace.step(TestStep::Authenticate, answer).await?;
        trace.detail(self.web.login_words().unwrap_or("without a login: the server did not ask for one"));
        let said = ews::server_version(&document);
        let offered = || self.web.offered().to_vec();
        trace.offers(|| said.iter().map(|version| format!("Exchange {version}")).collect(), offered);
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

    /// A folder of the mailbox that is meant: of the login's own, or of the one that it was given rights to.
    pub fn folder(&self, folder: WellKnown) -> FolderRef {
        match self.access {
            Some(Access::Delegation) => FolderRef::Of(self.address.clone(), folder),
            Some(Access::Impersonation) | None => FolderRef::Own(folder),
        }
    }

    fn header(&self) -> Header {
        let impersonated: Option<Address> = match self.access {
            Some(Access::Impersonation) => Some(self.address.clone()),
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
        self.read(operation, &document)
    }

    /// For what can be done without: a server that is busy is not waited for.
    pub async fn call_once<O: Operation + Sync>(&mut self, operation: &O) -> Result<O::Response, EwsFailure> {
        let document = self.exchange_within(1, operation, &mut NoMessages).await?;
        self.read(operation, &document)
    }

    fn read<O: Operation>(&self, operation: &O, document: &[u8]) -> Result<O::Response, EwsFailure> {
        let read = ews::read(operation, document);
        if let Err(EwsError::Refused(refusal)) = &read
            && refusal.is_server_busy()
        {
            self.note_busy(refusal);
        }
        Ok(read?)
    }

    /// Sends a request and returns the answer without its messages. While the server is busy, and does not want to be left
    /// alone for long, the request waits and is sent again: one that was refused so was not looked at.
    async fn exchange<O: Operation + Sync>(
        &mut self,
        operation: &O,
        outlet: &mut dyn Outlet,
    ) -> Result<Vec<u8>, Cause> {
        self.exchange_within(limits::EWS_BUSY_TRIES_MAX, operation, outlet).await
    }

    async fn exchange_within<O: Operation + Sync>(
        &mut self,
        tries_max: u32,
        operation: &O,
        outlet: &mut dyn Outlet,
    ) -> Result<Vec<u8>, Cause> {
        let mut tries = 0;
        loop {
            match self.gates.pass(&self.budget, self.clock.elapsed()) {
                Pass::Now => {}
                Pass::After(wait) if tries_max == 1 => return Err(gate::not_asked(wait)),
                Pass::After(wait) => {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                Pass::TooLong(wait) => return Err(gate::not_asked(wait)),
            }
            let (asked, answer) = match self.ask(operation, outlet).await? {
                Asked::Answered(document) => return Ok(document),
                Asked::Busy { asked, answer } => (asked, answer),
            };
            let wait = self.gates.close(&self.budget, asked, self.clock.elapsed());
            tries += 1;
            if tries >= tries_max || wait > limits::EWS_BUSY_WAIT_WITHIN {
                return answer;
            }
        }
    }

    /// Connects anew where the server has closed the connection in good order after the last answer.
    async fn ask<O: Operation + Sync>(
        &mut self,
        operation: &O,
        outlet: &mut dyn Outlet,
    ) -> Result<Asked, Cause> {
        let body = ews::envelope(operation, &self.header()).into_bytes();
        let splitting = Splitting { splitter: Splitter::of(O::OCTETS_IN), outlet };
        let (head, document) = self.post(&body, splitting).await?;
        status::readable(&head)?;
        match head.status {
            200 if status::is_answer(&document) => Ok(Asked::Answered(document)),
            200 => Err(status::no_answer(&document)),
            // A fault of SOAP, or a page of whatever stands in front of Exchange.
            500 if status::is_answer(&document) => match ews::busy_fault(&document) {
                Some(asked) => Ok(Asked::Busy { asked, answer: Ok(document) }),
                None => Ok(Asked::Answered(document)),
            },
            // Whoever stands in front of the server may say it after the server has done its work.
            503 if O::SENDS && head.retry_after().is_some() => {
                self.gates.close(&self.budget, head.retry_after(), self.clock.elapsed());
                Err(status::refused(&head, &document))
            }
            429 | 503 if head.retry_after().is_some() => {
                let (asked, answer) = (head.retry_after(), Err(status::refused(&head, &document)));
                Ok(Asked::Busy { asked, answer })
            }
            _ => Err(status::refused(&head, &document)),
        }
    }

    /// The server is too busy for a part of what was asked for; nobody asks again before it is over.
    pub fn note_busy(&self, refusal: &Refusal) {
        self.gates.close(&self.budget, refusal.back_off, self.clock.elapsed());
    }

    /// Of the mailbox that is meant.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Makes sure that there is a connection.
    pub async fn ready(&mut self) -> Result<(), Cause> {
        self.web.ready().await
    }

    /// Whether the server may have acted on the last operation.
    pub fn may_have_acted(&self) -> bool {
        self.web.may_have_acted()
    }

    async fn post(&mut self, body: &[u8], mut splitting: Splitting<'_>) -> Result<(Head, Vec<u8>), Cause> {
        let fields = apart::fields(&self.address, self.affinity.as_ref());
        let request = web::Request { method: Method::Post, path: &self.path, fields: &fields, body };
        let head = self.web.send(&request, &mut splitting).await?;
        if let Some(affinity) = &mut self.affinity {
            affinity.note(&head);
        }
        Ok((head, splitting.splitter.into_document().map_err(EwsError::cause)?))
    }

    /// See [`web::Session::was_let_in`].
    pub fn was_let_in(&mut self) {
        self.web.was_let_in();
    }

    pub fn rest(&mut self) {
        self.web.rest();
    }
}

fn path(destination: &Destination) -> Result<String, Cause> {
    let Some(WebService { location, .. }) = &destination.service else {
        return Err(Cause::Internal { detail: "a destination without a web service".to_owned() });
    };
    match location {
        WebLocation::Path(path) => Ok(path.clone()),
        WebLocation::Autodiscover { .. } => {
            Err(Cause::Unsupported { setting: "location: { autodiscover }".to_owned() })
        }
        WebLocation::Graph => Err(Cause::Unsupported { setting: "transport: graph".to_owned() }),
    }
}

fn has_login(login: &Login) -> Result<(), Cause> {
    match login {
        Login::Password { .. } | Login::Host => Ok(()),
        Login::Anonymous => Err(Cause::Unsupported { setting: "Exchange without a login".to_owned() }),
        Login::Oauth2 { .. } => Err(token::not_asked_for()),
    }
}

/// Takes messages out of an answer as it arrives.
struct Splitting<'a> {
    splitter: Splitter,
    outlet: &'a mut dyn Outlet,
}

#[async_trait]
impl web::Sink for Splitting<'_> {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        let mut found: Vec<Found> = Vec::new();
        let fed = self.splitter.feed(&octets, &mut |one| found.push(one));
        for one in found {
            self.outlet.found(one).await?;
        }
        fed.map_err(EwsError::cause)
    }
}

/// Octets, in the pieces in which they came.
pub(super) fn joined(pieces: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([one]) => one,
        Err(pieces) => pieces.concat().into(),
    }
}
