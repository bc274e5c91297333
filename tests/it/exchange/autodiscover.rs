//! Autodiscover: the connector and the program against the playground, and the playground against a client that is not ours.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mailplumb::engine::clock::SystemClock;
use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::ServerKind;
use mailplumb::model::server::{Destination, SentItems, WebAddress, WebLocation, WebService};
use mailplumb::net::Network;
use mailplumb::playground::{Certificate, Lead, Options, Playground};
use mailplumb::protocol::autodiscover::{Answer, Dialect};
use mailplumb::protocol::ews::element;
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Connector, Receive, Remotes, Trace};

use super::world::{ANNA, BORIS, HOST, PASSWORD, SELF, destination, options};
use crate::cli::person::{Person, host_file};
use crate::support::name_server::NameServer;
use crate::support::need::{Need, python, require, vendor_data};
use crate::support::scratch;

const DOMAIN: &str = "contoso.example";
const BELOW: &str = "autodiscover.contoso.example";

fn named() -> Options {
    let host_names = [HOST, "mail2.contoso.example", DOMAIN, BELOW, "mail.fabrikam.example", "localhost"]
        .map(str::to_owned)
        .into();
    Options { host_names, clock: Arc::new(SystemClock::new()), ..options() }
}

/// A playground, and a machine on which names lead to it.
struct World {
    playground: Playground,
    _ca: tempfile::NamedTempFile,
    host: HostSettings,
    allowed: Vec<String>,
}

impl World {
    fn new(names: &[(&str, u16)]) -> Self {
        Self::with(named(), names)
    }

    fn with(options: Options, names: &[(&str, u16)]) -> Self {
        let playground = Playground::start(options).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), playground.ca_pem()).unwrap();
        let at = playground.exchange().address();
        let connect = names.iter().map(|(name, port)| (((*name).to_owned(), *port), at)).collect();
        let trust = BTreeMap::from([(Name::parse("ca").unwrap(), ca.path().to_owned())]);
        let host = HostSettings { trust, connect, hosts: unreachable_names(), ..HostSettings::default() };
        Self { playground, _ca: ca, host, allowed: vec![HOST.to_owned()] }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Connectors::new(Network::new(&self.host)).connector(ServerKind::Exchange).unwrap()
    }

    fn destination(&self) -> Destination {
        let mut there = destination(&SELF);
        there.endpoint.host = DOMAIN.to_owned();
        let location = WebLocation::Autodiscover { allowed_hosts: self.allowed.clone() };
        there.service = Some(WebService {
            location,
            access: None,
            tracked: Vec::new(),
            category: None,
            sent_items: SentItems::Ignored,
        });
        there
    }

    /// What each step of `autodiscover` said, and how it ended.
    async fn search(&self) -> (Vec<String>, Result<(), RemoteError>) {
        let connector = self.connector();
        let mut trace = Trace::new(Arc::new(SystemClock::new()));
        let opened: Result<Box<dyn Receive>, _> = connector.receive(&self.destination(), &mut trace).await;
        let steps = trace.into_steps().into_iter().filter(|step| step.step == TestStep::Autodiscover);
        (steps.filter_map(|step| step.detail).collect(), opened.map(drop))
    }
}

/// Names that no test asks the resolver for: nothing listens there.
fn unreachable_names() -> BTreeMap<String, std::net::IpAddr> {
    let nowhere = std::net::IpAddr::from(scratch::address());
    [DOMAIN, BELOW].map(|name| (name.to_owned(), nowhere)).into()
}

/// Answers every request over plain HTTP with a text, and says what it was asked.
fn web_server(answer: String) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind((scratch::address(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let (asked, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut octets = [0; 4096];
            let length = stream.read(&mut octets).unwrap_or(0);
            let _ = asked.send(String::from_utf8_lossy(&octets[..length]).into_owned());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (at, heard)
}

#[tokio::test]
async fn the_domain_itself_is_asked_first_and_in_soap() {
    let world = World::new(&[(DOMAIN, 443), (HOST, 443)]);
    let (steps, opened) = world.search().await;
    opened.unwrap();
    let place = "https://contoso.example/autodiscover/autodiscover.svc";
    assert_eq!(steps, [format!("{place}: found https://{HOST}/EWS/Exchange.asmx")]);
    let asked = world.playground.exchange().discoveries();
    assert_eq!(
        (asked.len(), asked[0].operation.as_str(), asked[0].address.as_str()),
        (1, "GetUserSettings", ANNA)
    );
}

#[tokio::test]
async fn a_server_that_knows_only_plain_xml_is_understood() {
    let world = World::new(&[(BELOW, 443), (HOST, 443)]);
    world.playground.exchange().speak_plain_xml_only();
    let (steps, opened) = world.search().await;
    opened.unwrap_or_else(|error| panic!("{error}\n{steps:#?}"));
    assert_eq!(steps.len(), 3, "{steps:#?}");
    assert!(steps[0].contains("connection refused"), "{steps:#?}");
    assert!(steps[1].contains("HTTP 404"), "{steps:#?}");
    assert!(
        steps[2].starts_with("https://autodiscover.contoso.example/autodiscover/autodiscover.xml: found")
    );
}

#[tokio::test]
async fn nobody_sees_a_login_before_the_certificate_is_good() {
    let bad = World::with(Options { certificate: Certificate::WrongName, ..named() }, &[]);
    let mut world = World::new(&[(BELOW, 443), (HOST, 443)]);
    world.host.connect.insert((DOMAIN.to_owned(), 443), bad.playground.exchange().address());
    let (steps, opened) = world.search().await;
    opened.unwrap();
    assert!(steps[0].contains("certificate"), "{steps:#?}");
    assert!(bad.playground.exchange().discoveries().is_empty());
}

#[tokio::test]
async fn a_redirect_over_plain_http_carries_no_login_and_leads_to_allowed_hosts_only() {
    let target = "https://mail.fabrikam.example/autodiscover/autodiscover.xml";
    let (at, heard) =
        web_server(format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"));
    let mut world = World::new(&[("mail.fabrikam.example", 443), (HOST, 443)]);
    world.host.connect.insert((BELOW.to_owned(), 80), at);
    let name_server = NameServer::start(&[]);
    world.host.name_servers = vec![name_server.at];
    let (steps, opened) = world.search().await;
    let error = opened.unwrap_err();
    assert_eq!(error.step, TestStep::Autodiscover);
    assert!(matches!(error.cause, Cause::NotDiscovered { .. }), "{error}");
    assert!(error.to_string().contains("`allowedHosts` adds others"), "{error}\n{steps:#?}");
    let asked = heard.recv().unwrap();
    assert!(asked.starts_with(
        "GET /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: autodiscover.contoso.example\r\n"
    ));
    assert!(!asked.to_lowercase().contains("authorization") && !asked.contains(ANNA), "{asked}");
    assert!(world.playground.exchange().discoveries().is_empty());

    world.allowed.push("mail.fabrikam.example".to_owned());
    let (steps, opened) = world.search().await;
    opened.unwrap_or_else(|error| panic!("{error}\n{steps:#?}"));
    assert!(steps.iter().any(|step| step.ends_with(&format!("it leads to {target}"))), "{steps:#?}");
}

#[tokio::test]
async fn srv_records_are_asked_for_last() {
    let records = [
        ("_autodiscover._tcp.contoso.example", 20, 443, "nowhere.contoso.example"),
        ("_autodiscover._tcp.contoso.example", 10, 8443, "mail2.contoso.example"),
    ];
    let name_server = NameServer::start(&records);
    let mut world = World::new(&[("mail2.contoso.example", 8443), (HOST, 443)]);
    world.host.name_servers = vec![name_server.at];
    let (steps, opened) = world.search().await;
    opened.unwrap_or_else(|error| panic!("{error}\n{steps:#?}"));
    let last: Vec<&str> = steps.iter().rev().take(2).map(String::as_str).collect();
    assert_eq!(last[1], "SRV _autodiscover._tcp.contoso.example: it names mail2.contoso.example:8443");
    assert!(last[0].starts_with("https://mail2.contoso.example:8443/autodiscover/autodiscover.svc: found"));
}

#[tokio::test]
async fn no_redirect_leads_into_this_machine() {
    let mut world = World::new(&[(DOMAIN, 443), (HOST, 443)]);
    world.host.name_servers = vec![NameServer::start(&[]).at];
    world.allowed.push("localhost".to_owned());
    let port = world.playground.exchange().address().port();
    for lead in [
        Lead::Url(format!("https://localhost:{port}/autodiscover/autodiscover.xml")),
        Lead::Url("https://169.254.169.254/autodiscover/autodiscover.xml".to_owned()),
    ] {
        world.playground.exchange().lead(ANNA, Some(lead));
        let (steps, opened) = world.search().await;
        let error = opened.unwrap_err().to_string();
        assert!(
            error.contains("into this machine") || error.contains("only these hosts"),
            "{error}\n{steps:#?}"
        );
    }
}

#[tokio::test]
async fn a_renamed_mailbox_and_a_circle_are_followed_and_ended() {
    let mut world = World::new(&[(DOMAIN, 443), (HOST, 443)]);
    world.host.name_servers = vec![NameServer::start(&[]).at];
    let door = world.playground.exchange();
    door.lead(ANNA, Some(Lead::Address(BORIS.to_owned())));
    let (steps, opened) = world.search().await;
    opened.unwrap_or_else(|error| panic!("{error}\n{steps:#?}"));
    assert_eq!(
        door.discoveries().iter().map(|call| call.address.as_str()).collect::<Vec<_>>(),
        [ANNA, BORIS]
    );
    door.lead(BORIS, Some(Lead::Address(ANNA.to_owned())));
    let (_, opened) = world.search().await;
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("in a circle"), "{error}");
}

#[tokio::test]
async fn a_refused_login_is_said_as_such_and_each_host_is_asked_once() {
    let mut world = World::new(&[(DOMAIN, 443), (BELOW, 443), (HOST, 443)]);
    world.host.name_servers = vec![NameServer::start(&[]).at];
    let connector = world.connector();
    let mut there = world.destination();
    there.login = mailplumb::model::server::Login::Password {
        username: ANNA.to_owned(),
        password: mailplumb::model::secret::Secret::new("wrong secret".to_owned()),
    };
    let mut trace = Trace::new(Arc::new(SystemClock::new()));
    let Err(error) = connector.receive(&there, &mut trace).await else { panic!() };
    assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{error}");
    let refused = trace.into_steps().into_iter().filter_map(|step| step.detail);
    assert_eq!(refused.filter(|step| step.contains("refused the login")).count(), 2);
}

/// Somebody with a profile that says nothing of where the server is.
struct Office {
    person: Person,
    playground: Playground,
}

impl Office {
    fn opens() -> Self {
        let playground = Playground::start(named()).unwrap();
        let at = playground.exchange().address();
        let mut person = Person::new();
        person.write(
            "host.yaml",
            &host_file([(DOMAIN, 443, at), (HOST, 443, at), ("mail2.contoso.example", 443, at)]),
        );
        person.write("ca.pem", playground.ca_pem());
        person.export("SSL_CERT_FILE", "ca.pem");
        person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
        person.export("MAILPLUMB_FILE", "mail");
        person.types("init --incoming-host imap.contoso.example --address anna@contoso.example").ends(0);
        let text = person.read("mail/mailplumb.yaml");
        let kept: Vec<&str> = text
            .split("\n---\n")
            .filter(|part| !part.contains("kind: EmailServerProfile") && !part.contains("kind: Mailbox"))
            .collect();
        person.write("mail/mailplumb.yaml", &format!("{}\n---\n{MANIFEST}", kept.join("\n---\n")));
        person.pipes("secrets set mail/password", PASSWORD).ends(0);
        Self { person, playground }
    }
}

const MANIFEST: &str = "apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: hq }
spec:
  owner: anna@contoso.example
  exchange:
    location: { autodiscover: { allowedHosts: [mail.contoso.example] } }
    incoming:
      credentials:
        profile: { username: CONTOSO\\svc-sync, password: { secret: mail, key: password }, access: impersonation }
  processing: { from: 2026-01-01T00:00:00Z }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: anna }
spec:
  user: { address: anna@contoso.example }
  approved: anna@contoso.example
  profile: hq
  incoming: server-side-sync
  outgoing: server-side-sync
";

#[test]
fn a_mailbox_is_found_once_and_searched_again_when_its_server_is_gone() {
    let Office { person, playground } = Office::opens();
    let door = playground.exchange();
    person.types("validate").ends(0).says("Valid: 1 profile, 1 mailbox").does_not_say("autodiscover");
    person
        .types("apply --auto-approve")
        .ends(0)
        .says("2 passed, 0 failed")
        .says("autodiscover")
        .says("found https://mail.contoso.example/EWS/Exchange.asmx");
    person.types("plan --detailed-exitcode").ends(0);
    playground.state().deliver(ANNA, b"Subject: Question\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    let asked = door.discoveries().len();
    assert_eq!(asked, 1, "the second test uses what the first one found");
    person.types("sync").ends(0).says("1 recorded");
    person.types("test").ends(0).says("found before");
    assert_eq!(door.discoveries().len(), asked, "what was found is used until it fails");
    let place = "https://mail.contoso.example/EWS/Exchange.asmx";
    person.types("describe mailbox/anna").says(place).says("by https://contoso.example/autodiscover/");
    let told = person.types("describe mailbox/anna --output json").json();
    assert_eq!(told["mailbox"]["discovered"]["url"], place);
    assert_eq!(told["mailbox"]["discovered"]["address"], ANNA);

    let moved = "https://mail2.contoso.example/EWS/Exchange.asmx";
    door.lead(ANNA, Some(Lead::Service(moved.to_owned())));
    let nowhere = SocketAddr::new(scratch::address().into(), scratch::port());
    let at = door.address();
    person.write(
        "host.yaml",
        &host_file([(DOMAIN, 443, at), (HOST, 443, nowhere), ("mail2.contoso.example", 443, at)]),
    );
    playground.state().deliver(ANNA, b"Subject: Again\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    person.types("sync").ends(0).says("1 recorded");
    person.types("describe mailbox/anna").says(moved);
    person.types("plan --detailed-exitcode").ends(0);
}

#[test]
fn doctor_searches_anew_and_tells_what_each_place_said() {
    let Office { person, playground } = Office::opens();
    person.types("apply --auto-approve").ends(0);
    person.write(
        "host.yaml",
        &host_file([
            (BELOW, 443, playground.exchange().address()),
            (HOST, 443, playground.exchange().address()),
        ]),
    );
    let told = person.types("doctor mailbox/anna").ends(0);
    let told = told.says(
        "https://contoso.example/autodiscover/autodiscover.svc: the name `contoso.example` does not resolve",
    );
    told.says("https://autodiscover.contoso.example/autodiscover/autodiscover.svc: found");
    playground
        .exchange()
        .lead(ANNA, Some(Lead::Service("https://evil.example/EWS/Exchange.asmx".to_owned())));
    person.types("doctor mailbox/anna").says("only these hosts are shown a login").says("do:");
}

#[test]
fn the_vendors_answers_are_understood_and_ours_and_our_questions_are_like_them() {
    let Some(()) = require(Need::Schemas) else { return };
    let samples = vendor_data().unwrap().join("ews-schema/samples");
    let read = |dialect: Dialect, name: &str| dialect.read(&std::fs::read(samples.join(name)).unwrap());
    let found = read(
        Dialect::Pox,
        "autodiscover-pox/how-to-get-user-settings-from-exchange-by-using-autodiscover-4.xml",
    );
    let Ok(Answer::Services(urls)) = found else { panic!("{found:?}") };
    assert!(urls.contains(&"https://mail.contoso.com/EWS/Exchange.asmx".to_owned()), "{urls:?}");
    let elvin = Answer::RedirectAddress("elvin@mail.contoso.com".to_owned());
    assert_eq!(
        read(Dialect::Pox, "autodiscover-pox/handling-autodiscover-error-messages-2.xml"),
        Ok(elvin.clone())
    );
    assert_eq!(
        read(Dialect::Soap, "autodiscover-soap/handling-autodiscover-error-messages-1.xml"),
        Ok(elvin)
    );
    let error = read(Dialect::Pox, "autodiscover-pox/pox-autodiscover-response-for-exchange-2.xml");
    assert_eq!(error, Ok(Answer::Unknown("error 600 Invalid Request".to_owned())));

    let url = WebAddress::parse("https://autodiscover.contoso.com/autodiscover/autodiscover.svc").unwrap();
    let address = Address::parse("mara@contoso.com").unwrap();
    for (dialect, name) in [
        (Dialect::Pox, "autodiscover-pox/how-to-get-user-settings-from-exchange-by-using-autodiscover-3.xml"),
        (
            Dialect::Soap,
            "autodiscover-soap/how-to-get-user-settings-from-exchange-by-using-autodiscover-1.xml",
        ),
    ] {
        let theirs = element::read(&std::fs::read(samples.join(name)).unwrap()).unwrap();
        let ours = element::read(dialect.request(&address, &url).as_bytes()).unwrap();
        assert_eq!(shape(&ours), shape(&theirs), "{name}");
    }
}

/// Names and namespaces in their order, without repetitions.
fn shape(element: &element::Element) -> Vec<String> {
    let mut names = vec![format!("{:?} {}", element.namespace, element.name)];
    for child in &element.children {
        names.extend(shape(child));
    }
    names.dedup();
    names
}

/// The vendor's schema of answers, which lacks the import of its other half.
fn schema(scratch: &Path) -> PathBuf {
    const BEGINNING: &str = "attributeFormDefault=\"unqualified\">";
    let folder = vendor_data().unwrap().join("ews-schema/autodiscover");
    let text = std::fs::read_to_string(folder.join("AutodiscoverResponse.xsd")).unwrap();
    let import = format!(
        "{BEGINNING}<xs:import namespace=\"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006\" \
         schemaLocation=\"{}\"/>",
        folder.join("AutodiscoverMobileSync.xsd").display()
    );
    let path = scratch.join("answer.xsd");
    std::fs::write(&path, text.replacen(BEGINNING, &import, 1)).unwrap();
    path
}

#[test]
fn what_the_playground_answers_to_nonsense_fits_the_vendors_schema() {
    let Some(()) = require(Need::Schemas) else { return };
    let playground = Playground::start(named()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let schema = schema(scratch.path());
    for (at, text) in [
        "<x/>",
        "",
        "<Autodiscover><Request><EMailAddress>nobody@contoso.example</EMailAddress></Request></Autodiscover>",
    ]
    .iter()
    .enumerate()
    {
        let path = scratch.path().join(format!("{at}.xml"));
        std::fs::write(&path, playground.exchange().is_asked_where(text)).unwrap();
        let output =
            Command::new("xmllint").arg("--noout").arg("--schema").arg(&schema).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// `exchangelib` looks for the server by itself; names lead to the playground.
#[test]
fn exchangelib_finds_the_playground() {
    let Some(()) = require(Need::Python) else { return };
    let playground = Playground::start(named()).unwrap();
    playground.state().deliver(ANNA, b"Subject: found it\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    let port = playground.exchange().address().port().to_string();
    for domain in [DOMAIN, BELOW] {
        let output = Command::new(python().unwrap())
            .args(["-c", include_str!("discovery.py"), &port, ANNA, PASSWORD, domain])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.trim(), format!("https://{HOST}/EWS/Exchange.asmx found it"), "{domain}");
    }
    assert!(playground.exchange().discoveries().iter().any(|call| call.address == ANNA));
}
