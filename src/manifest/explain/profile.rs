//! What a profile has although nobody wrote it.

use super::sources::Sources;
use crate::model::explanation::Why;
use crate::model::profile::{Endpoint, MailServers, Profile, Protocol, Server, TlsMode};

pub fn complete(profile: &Profile, sources: &mut Sources<'_>) {
    let meaning = |words: &str| Why::Default(Some(words.to_owned()));
    if profile.processing.from.is_none() {
        sources.without_place("processing.from", meaning("the moment at which a mailbox is first enabled"));
    }
    let key = profile.server.kind().key();
    match &profile.server {
        Server::Pop3Smtp(servers) => mail_servers(key, servers, Protocol::Pop3, sources),
        Server::ImapSmtp(servers) => mail_servers(key, servers, Protocol::Imap, sources),
        Server::Exchange(_) => {
            let pairs = [
                ("incoming.credentials", "outgoing.credentials"),
                ("incoming.authentication", "outgoing.authentication"),
                ("location.fixed.incoming", "location.fixed.outgoing"),
            ];
            for (from, to) in pairs {
                sources.inherited(&format!("{key}.{to}"), &format!("{key}.{from}"), "as incoming");
            }
        }
        Server::ExchangeOnline(_) => {}
    }
}

fn mail_servers(key: &str, servers: &MailServers, reading: Protocol, sources: &mut Sources<'_>) {
    if servers.trust.is_none() {
        let words = "the certificate authorities of the system";
        sources.without_place(&format!("{key}.trust"), Why::Default(Some(words.to_owned())));
    }
    port(&format!("{key}.incoming"), &servers.incoming, reading, sources);
    let outgoing = format!("{key}.outgoing");
    match &servers.outgoing {
        Some(endpoint) => {
            port(&outgoing, endpoint, Protocol::Smtp, sources);
            let (to, from) = (format!("{outgoing}.credentials"), format!("{key}.incoming.credentials"));
            sources.inherited(&to, &from, "those of incoming");
        }
        None => sources.without_place(&outgoing, Why::Default(Some("this profile cannot send".to_owned()))),
    }
}

fn port(path: &str, endpoint: &Endpoint, protocol: Protocol, sources: &mut Sources<'_>) {
    if endpoint.port.is_some() {
        return;
    }
    let protocol = match protocol {
        Protocol::Pop3 => "POP3",
        Protocol::Imap => "IMAP",
        Protocol::Smtp => "SMTP",
        Protocol::Ews => "HTTP",
    };
    let words = match endpoint.tls {
        TlsMode::Implicit => format!("default port of {protocol} with implicit TLS"),
        TlsMode::Starttls => format!("default port of {protocol} with STARTTLS"),
        TlsMode::None => format!("default port of {protocol} without TLS"),
    };
    sources.without_place(&format!("{path}.port"), Why::Computed(words));
}
