//! Which connector serves which kind of server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::discovery::{Discoveries, Guide, InMemory};
use super::redact::Redacting;
use super::token::{Tokens, WithTokens};
use super::{Connector, Receive, Remotes, Submit, Trace, ews, graph, imap, pop3, smtp};
use crate::model::failure::RemoteError;
use crate::model::profile::ServerKind;
use crate::model::server::{Destination, WebLocation};
use crate::net::Network;

/// The connectors of this build.
pub struct Connectors {
    network: Network,
    tokens: Arc<Tokens>,
    discoveries: Arc<dyn Discoveries>,
    waits: Arc<graph::Waits>,
    exchange: Arc<ews::Shared>,
}

impl Connectors {
    pub fn new(network: Network) -> Self {
        Self::remembering(network, Arc::new(InMemory::default()))
    }

    /// With a place where it is kept what Autodiscover found.
    pub fn remembering(network: Network, discoveries: Arc<dyn Discoveries>) -> Self {
        let (waits, exchange) = (Arc::default(), Arc::default());
        Self { network, tokens: Arc::default(), discoveries, waits, exchange }
    }

    /// Where signs of life of Exchange's streams are to come in other intervals than those of its servers.
    pub fn hearing_within(self, silence_max: Duration) -> Self {
        Self { exchange: Arc::new(ews::Shared::hearing_within(silence_max)), ..self }
    }

    /// The kinds of server that there is a connector for.
    pub fn kinds() -> BTreeSet<ServerKind> {
        BTreeSet::from([
            ServerKind::Pop3Smtp,
            ServerKind::ImapSmtp,
            ServerKind::Exchange,
            ServerKind::ExchangeOnline,
        ])
    }
}

impl Remotes for Connectors {
    fn connector(&self, kind: ServerKind) -> Option<Arc<dyn Connector>> {
        let network = self.network.clone();
        let connector: Arc<dyn Connector> = match kind {
            ServerKind::Pop3Smtp => Arc::new(MailServers { network, reads_by: ReadsBy::Pop3 }),
            ServerKind::ImapSmtp => Arc::new(MailServers { network, reads_by: ReadsBy::Imap }),
            ServerKind::Exchange => {
                let (discoveries, shared) = (Arc::clone(&self.discoveries), Arc::clone(&self.exchange));
                Arc::new(Exchange { network, discoveries, shared })
            }
            ServerKind::ExchangeOnline => {
                let (waits, shared) = (Arc::clone(&self.waits), Arc::clone(&self.exchange));
                Arc::new(ExchangeOnline { network, waits, shared })
            }
        };
        Some(Arc::new(WithTokens {
            inner: Arc::new(Redacting(connector)),
            network: self.network.clone(),
            tokens: Arc::clone(&self.tokens),
        }))
    }
}

/// A POP3 or IMAP server to read from, and an SMTP server to send by.
struct MailServers {
    network: Network,
    reads_by: ReadsBy,
}

#[derive(Clone, Copy)]
enum ReadsBy {
    Pop3,
    Imap,
}

#[async_trait]
impl Connector for MailServers {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        match self.reads_by {
            ReadsBy::Pop3 => pop3::open(&self.network, destination, trace).await,
            ReadsBy::Imap => imap::open(&self.network, destination, trace).await,
        }
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        smtp::open(&self.network, destination, trace).await
    }
}

/// An Exchange server, for both directions.
struct Exchange {
    network: Network,
    discoveries: Arc<dyn Discoveries>,
    shared: Arc<ews::Shared>,
}

impl Exchange {
    fn guide<'a>(&'a self, destination: &'a Destination) -> Guide<'a> {
        Guide { network: &self.network, discoveries: &*self.discoveries, destination }
    }
}

#[async_trait]
impl Connector for Exchange {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        let guide = self.guide(destination);
        let Some(place) = guide.locate(trace).await? else {
            return ews::open((&self.network, &self.shared), destination, trace).await;
        };
        match ews::open((&place.network, &self.shared), &place.destination, trace).await {
            Ok(session) => Ok(session),
            Err(error) => match guide.relocate(&place, &error, trace).await {
                Some(place) => ews::open((&place.network, &self.shared), &place.destination, trace).await,
                None => Err(error),
            },
        }
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        let guide = self.guide(destination);
        let Some(place) = guide.locate(trace).await? else {
            return ews::open_outgoing((&self.network, &self.shared), destination, trace).await;
        };
        match ews::open_outgoing((&place.network, &self.shared), &place.destination, trace).await {
            Ok(session) => Ok(session),
            Err(error) => match guide.relocate(&place, &error, trace).await {
                Some(place) => {
                    ews::open_outgoing((&place.network, &self.shared), &place.destination, trace).await
                }
                None => Err(error),
            },
        }
    }

    fn traces_sent(&self) -> bool {
        true
    }
}

/// Exchange Online: by Microsoft Graph, or, while that lasts, by Exchange Web Services.
struct ExchangeOnline {
    network: Network,
    waits: Arc<graph::Waits>,
    shared: Arc<ews::Shared>,
}

#[async_trait]
impl Connector for ExchangeOnline {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        match Spoken::to(destination) {
            Spoken::Ews => ews::open((&self.network, &self.shared), destination, trace).await,
            Spoken::Graph => graph::open(&self.network, &self.waits, destination, trace).await,
        }
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        match Spoken::to(destination) {
            Spoken::Ews => ews::open_outgoing((&self.network, &self.shared), destination, trace).await,
            Spoken::Graph => graph::open_outgoing(&self.network, &self.waits, destination, trace).await,
        }
    }

    fn traces_sent(&self) -> bool {
        true
    }
}

/// What is spoken with Exchange Online.
enum Spoken {
    Graph,
    Ews,
}

impl Spoken {
    fn to(destination: &Destination) -> Self {
        match destination.service.as_ref().map(|service| &service.location) {
            Some(WebLocation::Path(_) | WebLocation::Autodiscover { .. }) => Self::Ews,
            Some(WebLocation::Graph) | None => Self::Graph,
        }
    }
}
