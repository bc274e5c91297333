//! Where the Exchange of a mailbox is: what was found before, or a search of Autodiscover.
//!
//! The search itself is decided in `protocol::autodiscover`; here its questions are asked. Each has a connection of its own,
//! whose certificate is verified before a login is shown.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::Trace;
use crate::model::discovered::Discovered;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::{Address, Name};
use crate::model::server::{Destination, WebAddress, WebLocation, WebService};
use crate::net::{Fence, Network, web};
use crate::protocol::autodiscover::{Allowed, Answer, Ask, Dialect, Heard, Kin, Search};
use crate::protocol::ews::status;
use crate::protocol::http::Method;

/// Keeps what was found from one session to the next.
#[async_trait]
pub trait Discoveries: Send + Sync {
    async fn known(&self, mailbox: &Name) -> Option<Discovered>;
    async fn note(&self, mailbox: &Name, found: &Discovered);
}

/// Keeps it for as long as the process lives.
#[derive(Default)]
pub struct InMemory(Mutex<BTreeMap<Name, Discovered>>);

#[async_trait]
impl Discoveries for InMemory {
    async fn known(&self, mailbox: &Name) -> Option<Discovered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(mailbox).cloned()
    }

    async fn note(&self, mailbox: &Name, found: &Discovered) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(mailbox.clone(), found.clone());
    }
}

/// A destination whose web service is known, and the network that leads there.
pub struct Located {
    pub network: Network,
    pub destination: Destination,
    found: Discovered,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Searched,
    Kept,
}

/// What leads to the mailbox of a destination.
pub struct Guide<'a> {
    pub network: &'a Network,
    pub discoveries: &'a dyn Discoveries,
    pub destination: &'a Destination,
}

impl Guide<'_> {
    /// What was found before where that still holds, a search otherwise. `None`: the manifest says where it is. Somebody who
    /// examines the server gets a search in any case, and nothing is noted of it.
    pub async fn locate(&self, trace: &mut Trace) -> Result<Option<Located>, RemoteError> {
        let Some(allowed_hosts) = self.allowed_hosts() else { return Ok(None) };
        if trace.findings().is_none()
            && let Some(found) = self.discoveries.known(&self.destination.mailbox).await
            && found.address == self.destination.address
            && let Some(located) = self.at(found, Origin::Kept)
        {
            let words = format!("{} (found before, at {:.0})", located.found.url, located.found.found_at);
            trace.note(TestStep::Autodiscover, trace.elapsed(), words);
            return Ok(Some(located));
        }
        self.search(allowed_hosts, trace).await.map(Some)
    }

    /// Searches again where what was found before has failed. `None`: there is nothing else to try, and the failure stands.
    pub async fn relocate(
        &self,
        former: &Located,
        failed: &RemoteError,
        trace: &mut Trace,
    ) -> Option<Located> {
        let allowed_hosts = self.allowed_hosts()?;
        if former.origin == Origin::Searched || !is_about_the_place(failed) {
            return None;
        }
        let located = self.search(allowed_hosts, trace).await.ok()?;
        (located.found.url != former.found.url).then_some(located)
    }

    fn allowed_hosts(&self) -> Option<&[String]> {
        match &self.destination.service {
            Some(WebService { location: WebLocation::Autodiscover { allowed_hosts }, .. }) => {
                Some(allowed_hosts)
            }
            Some(WebService { location: WebLocation::Path(_) | WebLocation::Graph, .. }) | None => None,
        }
    }

    async fn search(&self, allowed_hosts: &[String], trace: &mut Trace) -> Result<Located, RemoteError> {
        let mut search = Search::new(&self.destination.address, allowed_hosts);
        while let Some(ask) = search.next_ask() {
            let begun = trace.elapsed();
            let heard = self.ask(&ask, search.allowed(), trace).await;
            let judged = search.hear(&ask, heard);
            trace.note(TestStep::Autodiscover, begun, format!("{ask}: {}", judged.words));
            let Some(url) = judged.found else { continue };
            let found = Discovered {
                address: self.destination.address.clone(),
                url: url.to_string(),
                said_by: ask.to_string(),
                found_at: trace.clock().now(),
            };
            if trace.findings().is_none() {
                self.discoveries.note(&self.destination.mailbox, &found).await;
            }
            let internal = || Cause::Internal { detail: "what was found is not allowed".to_owned() };
            let located = self.at(found, Origin::Searched);
            return located.ok_or_else(|| RemoteError::new(TestStep::Autodiscover, internal()));
        }
        Err(RemoteError::new(TestStep::Autodiscover, search.failure()))
    }

    /// `None`: it may not be gone to (any more).
    fn at(&self, found: Discovered, origin: Origin) -> Option<Located> {
        let url = WebAddress::parse(&found.url)?;
        let allowed = Allowed::new(&self.destination.address, self.allowed_hosts()?);
        let network = self.network.within(fence(allowed.kin(&url.host)?));
        let mut destination = self.towards(&url);
        let service = self.destination.service.as_ref()?;
        destination.service = Some(WebService { location: WebLocation::Path(url.path), ..service.clone() });
        Some(Located { network, destination, found, origin })
    }

    /// The destination with another host.
    fn towards(&self, url: &WebAddress) -> Destination {
        let mut destination = self.destination.again();
        destination.endpoint.host.clone_from(&url.host);
        destination.endpoint.port = url.port;
        destination.endpoint.tls = url.tls;
        destination
    }

    async fn ask(&self, ask: &Ask, allowed: &Allowed, trace: &Trace) -> Heard {
        let asked = async {
            match ask {
                Ask::Post { dialect, url, address } => {
                    self.post(*dialect, (url, allowed), address, trace).await
                }
                Ask::Look { host, path } => self.look(host, path).await,
                Ask::Records(name) => self
                    .network
                    .service_records(name, limits::AUTODISCOVER_ASK_TIMEOUT)
                    .await
                    .map(Heard::Records),
            }
        };
        let limit = limits::AUTODISCOVER_ASK_TIMEOUT;
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(cause)) => Heard::Failed(cause),
            Err(_) => Heard::Failed(Cause::TimedOut { seconds: limit.as_secs() }),
        }
    }

    async fn post(
        &self,
        dialect: Dialect,
        (url, allowed): (&WebAddress, &Allowed),
        address: &Address,
        trace: &Trace,
    ) -> Result<Heard, Cause> {
        let internal = || Cause::Internal { detail: "a login for a host that is not allowed".to_owned() };
        let network = self.network.within(fence(allowed.kin(&url.host).ok_or_else(internal)?));
        let mut steps = Trace::new(trace.clock());
        let session = network.open_web(&self.towards(url), &mut steps).await;
        let mut session = session.map_err(|error| error.cause)?;
        let body = dialect.request(address, url);
        let fields = [
            ("Content-Type", dialect.content_type()),
            ("Accept", "text/xml"),
            ("X-AnchorMailbox", address.as_str()),
        ];
        let request =
            web::Request { method: Method::Post, path: &url.path, fields: &fields, body: body.as_bytes() };
        let mut held = web::Held::up_to(limits::AUTODISCOVER_ANSWER_BYTES_MAX);
        let head = session.send(&request, &mut held).await?;
        match head.status {
            200 => dialect.read(&held.octets).map(Heard::Answer),
            // A fault of SOAP says more than its status.
            500 if dialect == Dialect::Soap && status::is_answer(&held.octets) => {
                dialect.read(&held.octets).map(Heard::Answer)
            }
            301 | 302 | 303 | 307 | 308 => Ok(moved(head.field("location"), &head, &held.octets)),
            _ => Err(status::refused(&head, &held.octets)),
        }
    }

    /// Only a redirect is an answer to a question without a login.
    async fn look(&self, host: &str, path: &str) -> Result<Heard, Cause> {
        let head = self.network.within(Fence::Own).look(host, path, limits::AUTODISCOVER_ASK_TIMEOUT).await?;
        match head.status {
            301 | 302 | 303 | 307 | 308 => Ok(moved(head.field("location"), &head, b"")),
            _ => {
                let said =
                    "it does not lead elsewhere; what it says over plain HTTP is not believed".to_owned();
                Ok(Heard::Answer(Answer::Unknown(format!("HTTP {}: {said}", head.status))))
            }
        }
    }
}

fn moved(location: Option<&str>, head: &crate::protocol::http::Head, page: &[u8]) -> Heard {
    match location {
        Some(url) => Heard::Moved(url.trim().to_owned()),
        None => Heard::Failed(status::refused(head, page)),
    }
}

fn fence(kin: Kin) -> Fence {
    match kin {
        Kin::Own => Fence::Own,
        Kin::Named => Fence::Foreign,
    }
}

/// Whether a failure may come from being at the wrong place. A refused login does not: to search would only have it refused
/// at more places, and the account locked.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all others come from a server that is the right one, or might be"
)]
fn is_about_the_place(error: &RemoteError) -> bool {
    const ELSEWHERE: [&str; 11] = [
        "HTTP 301",
        "HTTP 302",
        "HTTP 303",
        "HTTP 307",
        "HTTP 308",
        "HTTP 404",
        "HTTP 405",
        "HTTP 410",
        "HTTP 451",
        "ErrorNonExistentMailbox",
        "ErrorMailboxMoved",
    ];
    match &error.cause {
        Cause::TimedOut { .. } => matches!(error.step, TestStep::Connect | TestStep::Resolve | TestStep::Tls),
        Cause::Exchange { code, .. } => ELSEWHERE.contains(&code.as_str()),
        cause => cause.is_about_the_host(),
    }
}
