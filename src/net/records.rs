//! SRV records (RFC 2782), which the system's resolver does not tell.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};

use super::{Network, timed_out};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;

/// For one attempt at one name server; there are two, over UDP and over TCP.
const WAIT: Duration = Duration::from_secs(3);

impl Network {
    /// Hosts and ports of a service, those that are to be tried first before the others; empty: there is none.
    pub async fn service_records(&self, name: &str, wait: Duration) -> Result<Vec<(String, u16)>, Cause> {
        let not_resolved = |detail: &dyn std::fmt::Display| {
            let (host, detail) = (name.to_owned(), server_words(&detail.to_string()));
            Cause::NameNotResolved { host, detail }
        };
        let resolver = resolver(&self.host.name_servers).map_err(|error| not_resolved(&error))?;
        // With its dot at the end no search list is tried.
        let answer = tokio::time::timeout(wait, resolver.srv_lookup(format!("{name}."))).await;
        let answer = match answer.map_err(|_| timed_out(wait))? {
            Ok(answer) => answer,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(error) => return Err(not_resolved(&error)),
        };
        let mut found: Vec<(u16, u16, String, u16)> = Vec::new();
        for record in answer.answers().iter().take(limits::AUTODISCOVER_RECORDS_MAX) {
            let RData::SRV(service) = &record.data else { continue };
            let target = service.target.to_ascii();
            let target = target.trim_end_matches('.');
            // A lone dot says that there is no such service.
            if !target.is_empty() {
                // Of equal ones the heaviest comes first, so that the same search asks the same hosts.
                found.push((service.priority, u16::MAX - service.weight, target.to_owned(), service.port));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, _, target, port)| (target, port)).collect())
    }
}

/// Made for one question: that is rare, and a changed configuration is read.
fn resolver(own: &[SocketAddr]) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    if own.is_empty() {
        let mut system = Resolver::builder_tokio()?;
        system.options_mut().timeout = WAIT;
        return system.build();
    }
    let server = |at: &SocketAddr| {
        let with_port = |mut connection: ConnectionConfig| {
            connection.port = at.port();
            connection
        };
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(with_port);
        NameServerConfig::new(at.ip(), true, connections.into())
    };
    let config = ResolverConfig::from_name_servers(own.iter().map(server).collect());
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = WAIT;
    builder.build()
}
