//! With which hosts a profile shares mail, for the person who reads the plan.

use std::collections::BTreeSet;

use crate::model::profile::{ExchangeLocation, Server};

/// The hosts in lower case. With autodiscover: the domains it may lead to.
pub(super) fn of(server: &Server) -> BTreeSet<String> {
    match server {
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => {
            let outgoing = servers.outgoing.iter().map(|endpoint| endpoint.host.to_ascii_lowercase());
            outgoing.chain([servers.incoming.host.to_ascii_lowercase()]).collect()
        }
        Server::Exchange(exchange) => match &exchange.location {
            ExchangeLocation::Fixed { incoming, outgoing } => {
                [incoming, outgoing].into_iter().map(|url| host_of_url(url)).collect()
            }
            ExchangeLocation::Autodiscover { allowed_hosts } => {
                allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
            }
        },
        Server::ExchangeOnline(online) => [online.host().to_owned()].into(),
    }
}

/// `https://user@host:443/path` → `host`. Something that is no URL stands for itself.
fn host_of_url(url: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or(authority);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    };
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_has_no_port_path_or_user() {
        for (url, host) in [
            ("https://Mail.contoso.example/EWS/Exchange.asmx", "mail.contoso.example"),
            ("https://user:pass@mail.example:8443/x", "mail.example"),
            ("https://[::1]:443/", "::1"),
            ("mail.example", "mail.example"),
            ("", ""),
        ] {
            assert_eq!(host_of_url(url), host, "{url}");
        }
    }
}
