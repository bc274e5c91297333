//! The host file: what belongs to the machine and not to whoever writes the manifest.
//!
//! ```yaml
//! allowNonTlsEmail: false
//! trust: { provider-ca: provider-ca.pem }
//! connect: { "pop.provider.example:995": "127.0.0.1:10995" }
//! hosts: { mail.contoso.example: 10.0.0.5 }
//! identity: { principal: mailplumb@CONTOSO.EXAMPLE, keytab: mailplumb.keytab }
//! connections: { atOnce: 400, kept: 4000, push: 2000 }
//! throttling: { wait: 1m, waitMax: 1h }
//! smtpName: mailplumb.contoso.example
//! ```

mod bounds;
mod identity;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::arena;
use super::codes;
use super::decode::decode;
use super::decode::spanned::{Entries, Spanned};
use super::place::Files;
use super::report::{Draft, Report};
use super::text;
use crate::model::host::{HostSettings, is_full_host_name};
use crate::model::name::Name;
use crate::model::problem::{Problem, SourceFile};

/// The host file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HostFile {
    allow_non_tls_email: Option<bool>,
    allow_credentials_over_http: Option<bool>,
    allow_basic_over_plaintext: Option<bool>,
    allow_ad_authentication: Option<bool>,
    allow_private_redirects: Option<bool>,
    /// CA bundles by name: PEM files, relative to the host file.
    #[serde(default)]
    trust: Entries<Spanned<String>>,
    /// `host:port` → `address:port`.
    #[serde(default)]
    connect: Entries<Spanned<String>>,
    /// Host name → address.
    #[serde(default)]
    hosts: Entries<Spanned<String>>,
    /// `address:port` or `address`.
    #[serde(default)]
    name_servers: Vec<Spanned<String>>,
    identity: Option<identity::IdentityText>,
    #[serde(default)]
    connections: bounds::ConnectionsText,
    #[serde(default)]
    throttling: bounds::ThrottlingText,
    /// A full host name.
    smtp_name: Option<Spanned<String>>,
}

/// Reads a host file. An empty one is a host with the defaults.
pub fn read(file: &SourceFile) -> Result<HostSettings, Vec<Problem>> {
    let files = std::slice::from_ref(file);
    let mut report = Report::new(Files::new(files));
    let written = parse(file, &mut report);
    let settings = written.map(|written| settings(written, file, &mut report));
    let failed = report.has_errors();
    match settings.filter(|_| !failed) {
        Some(settings) => Ok(settings),
        None => Err(report.into_sorted().0),
    }
}

fn parse(file: &SourceFile, report: &mut Report<'_>) -> Option<HostFile> {
    let text = text::decode(file, 0, report)?;
    let mut written = None;
    for range in text::documents(text) {
        let (base, content) = (text::offset(range.start), text.get(range).unwrap_or_default());
        for tree in arena::parse(content, base, 0, report) {
            if tree.node(0).is_none_or(arena::Node::is_null) {
                continue;
            }
            if written.is_some() {
                report.add(Draft::error(codes::HOST_FILE, tree.place(0), "a host file is one document"));
            }
            written = Some(decode::<HostFile>(&tree, 0, report)?);
        }
    }
    Some(written.unwrap_or_default())
}

fn settings(written: HostFile, file: &SourceFile, report: &mut Report<'_>) -> HostSettings {
    let default = HostSettings::default();
    let directory = file.path.parent().map(PathBuf::from).unwrap_or_default();
    let trust = entries(written.trust, report, Name::parse, |path| Ok(directory.join(path)));
    let connect = entries(written.connect, report, host_and_port, |text| {
        text.parse::<SocketAddr>().map_err(|_| "expected an address and a port: `127.0.0.1:10995`")
    });
    let hosts = entries(written.hosts, report, host_name, |text| {
        text.parse::<IpAddr>().map_err(|_| "expected an IP address")
    });
    let name_servers = name_servers(written.name_servers, report);
    HostSettings {
        allow_non_tls_email: written.allow_non_tls_email.unwrap_or(default.allow_non_tls_email),
        allow_credentials_over_http: written
            .allow_credentials_over_http
            .unwrap_or(default.allow_credentials_over_http),
        allow_basic_over_plaintext: written
            .allow_basic_over_plaintext
            .unwrap_or(default.allow_basic_over_plaintext),
        allow_ad_authentication: written.allow_ad_authentication.unwrap_or(default.allow_ad_authentication),
        allow_private_redirects: written.allow_private_redirects.unwrap_or(default.allow_private_redirects),
        trust,
        connect,
        hosts,
        name_servers,
        identity: identity::identity(written.identity, &directory, report),
        connections: bounds::connections(written.connections, report),
        throttling: bounds::throttling(written.throttling, report),
        smtp_name: smtp_name(written.smtp_name, report),
        given: true,
    }
}

fn smtp_name(written: Option<Spanned<String>>, report: &mut Report<'_>) -> Option<String> {
    let written = written?;
    if is_full_host_name(&written.value) {
        return Some(written.value);
    }
    report.add(Draft::error(
        codes::HOST_FILE,
        written.place,
        "expected a full host name: `mailplumb.contoso.example`",
    ));
    None
}

fn name_servers(written: Vec<Spanned<String>>, report: &mut Report<'_>) -> Vec<SocketAddr> {
    const DNS_PORT: u16 = 53;
    let mut servers = Vec::new();
    for one in written {
        let address = one.value.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT));
        match one.value.parse::<SocketAddr>().or(address) {
            Ok(address) => servers.push(address),
            Err(_) => {
                let words = "expected an address, perhaps with a port: `10.0.0.53` or `127.0.0.1:5353`";
                report.add(Draft::error(codes::HOST_FILE, one.place, words));
            }
        }
    }
    servers
}

fn entries<K: Ord, V>(
    written: Entries<Spanned<String>>,
    report: &mut Report<'_>,
    key: impl Fn(&str) -> Result<K, &'static str>,
    value: impl Fn(&str) -> Result<V, &'static str>,
) -> BTreeMap<K, V> {
    let mut read = BTreeMap::new();
    for (written_key, written_value) in written.0 {
        match (key(&written_key.value), value(&written_value.value)) {
            (Ok(key), Ok(value)) => {
                read.insert(key, value);
            }
            (Err(words), _) => report.add(Draft::error(codes::HOST_FILE, written_key.place, words)),
            (_, Err(words)) => report.add(Draft::error(codes::HOST_FILE, written_value.place, words)),
        }
    }
    read
}

fn host_and_port(text: &str) -> Result<(String, u16), &'static str> {
    const WORDS: &str = "expected a host and a port: `pop.provider.example:995`";
    let (host, port) = text.rsplit_once(':').ok_or(WORDS)?;
    let port = port.parse().map_err(|_| WORDS)?;
    Ok((host_name(host)?, port))
}

/// Host names are compared in lower case.
fn host_name(text: &str) -> Result<String, &'static str> {
    let good = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
    if text.is_empty() || !text.chars().all(good) {
        return Err("expected a host name");
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<HostSettings, Vec<Problem>> {
        read(&SourceFile {
            name: "host.yaml".into(),
            path: "/etc/mailplumb/host.yaml".into(),
            bytes: text.as_bytes().into(),
            layer: None,
            fault: None,
        })
    }

    #[test]
    fn a_host_file_says_what_the_host_allows() {
        let text = "allowNonTlsEmail: true\ntrust: { provider-ca: ca.pem }\n\
                    connect: { 'POP.provider.example:995': '127.0.0.1:10995' }\nhosts: { a.example: '::1' }\n\
                    nameServers: [10.0.0.53, '127.0.0.1:5353']\n";
        let host = read_text(text).unwrap();
        assert!(host.allow_non_tls_email && host.given && host.allow_ad_authentication);
        assert_eq!(host.trust[&Name::parse("provider-ca").unwrap()], PathBuf::from("/etc/mailplumb/ca.pem"));
        assert_eq!(host.connect[&("pop.provider.example".to_owned(), 995)].port(), 10995);
        assert_eq!(host.hosts["a.example"].to_string(), "::1");
        let servers: Vec<String> = host.name_servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.53:53", "127.0.0.1:5353"]);
    }

    #[test]
    fn an_empty_host_file_is_a_host_with_the_defaults() {
        assert_eq!(
            read_text("# nothing yet\n").unwrap(),
            HostSettings { given: true, ..HostSettings::default() }
        );
    }

    #[test]
    fn every_problem_of_a_host_file_is_reported() {
        let problems = read_text("allowNonTls: true\nconnect: { a: b }\nhosts: { x: y }\n").unwrap_err();
        let codes: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, [codes::UNKNOWN_KEY_HIDDEN.0]);
        assert_eq!(read_text("nameServers: [dns.example]\n").unwrap_err().len(), 1);
        let problems = read_text("connect: { a: b }\nhosts: { x: y }\n").unwrap_err();
        let codes: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, [codes::HOST_FILE.0, codes::HOST_FILE.0]);
    }
}
