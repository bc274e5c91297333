//! Which connector serves which kind of server.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::redact::Redacting;
use super::{Connector, Receive, Remotes, Submit, Trace, imap, pop3, smtp};
use crate::model::failure::RemoteError;
use crate::model::profile::ServerKind;
use crate::model::server::Destination;
use crate::net::Network;

/// The connectors of this build.
pub struct Connectors {
    network: Network,
}

impl Connectors {
    pub fn new(network: Network) -> Self {
        Self { network }
    }

    /// The kinds of server that there is a connector for.
    pub fn kinds() -> BTreeSet<ServerKind> {
        BTreeSet::from([ServerKind::Pop3Smtp, ServerKind::ImapSmtp])
    }
}

impl Remotes for Connectors {
    fn connector(&self, kind: ServerKind) -> Option<Arc<dyn Connector>> {
        let connector: Arc<dyn Connector> = match kind {
            ServerKind::Pop3Smtp => Arc::new(Pop3Smtp { network: self.network.clone() }),
            ServerKind::ImapSmtp => Arc::new(ImapSmtp { network: self.network.clone() }),
            ServerKind::Exchange | ServerKind::ExchangeOnline => return None,
        };
        Some(Arc::new(Redacting(connector)))
    }
}

struct Pop3Smtp {
    network: Network,
}

#[async_trait]
impl Connector for Pop3Smtp {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        pop3::open(&self.network, destination, trace).await
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        smtp::open(&self.network, destination, trace).await
    }
}

struct ImapSmtp {
    network: Network,
}

#[async_trait]
impl Connector for ImapSmtp {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        imap::open(&self.network, destination, trace).await
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        smtp::open(&self.network, destination, trace).await
    }
}
