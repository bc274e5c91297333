//! What goes wrong before a session stands: the step, the cause, and what people are told.

use std::net::SocketAddr;

use mailplumb::model::failure::{Cause, Failure, TestStep};
use mailplumb::model::name::Name;
use mailplumb::model::profile::{Authentication, Credentials, Protocol, ServerKind, TlsMode};
use mailplumb::model::secret::SecretRef;
use mailplumb::playground::ClearLogins;
use mailplumb::sync::classify::{NamedBy, Setting, SoFar, classify};
use tempfile::TempDir;

use crate::remote::world::client::{Clear, Trust};
use crate::remote::world::{Certificate, Client, Door, How, Play, Real, Way, World};
use crate::support::fault_proxy::{FaultProxy, Spoil};
use crate::support::need::{Need, require};
use crate::support::program::Server;
use crate::support::scratch;

const ALL: [Protocol; 3] = [Protocol::Pop3, Protocol::Imap, Protocol::Smtp];

/// What is expected of a failure.
struct Expected {
    step: TestStep,
    code: &'static str,
    /// In the cause, the meaning or the remedy; every one of them.
    words: &'static [&'static str],
}

fn expected(step: TestStep, code: &'static str, words: &'static [&'static str]) -> Expected {
    Expected { step, code, words }
}

pub(super) fn judged(error: mailplumb::model::failure::RemoteError, how: &How) -> Failure {
    let (mailbox, profile) = (Name::parse("anna").unwrap(), Name::parse("provider").unwrap());
    let credentials = Credentials::Mailbox;
    let secret = SecretRef { secret: Name::parse("passwords").unwrap(), key: "anna".to_owned() };
    let setting = Setting {
        mailbox: &mailbox,
        profile: &profile,
        credentials: &credentials,
        secret: Some(&secret),
        origin: None,
        kind: ServerKind::ImapSmtp,
        host: &how.host,
        port: how.at.port(),
        named_by: NamedBy::Profile,
        so_far: SoFar::NeverWorked,
    };
    classify(error, setting)
}

async fn fails(world: &dyn World, how: &How, expected: &Expected) {
    let error = Client::refused(Client::open(world, how).await);
    let failure = judged(error, how);
    let told = format!("{}\n{}\n{}", failure.error, failure.meaning, failure.remedy);
    assert_eq!(
        (failure.error.step, failure.code.as_str()),
        (expected.step, expected.code),
        "{how:?}\n{told}"
    );
    for word in expected.words {
        assert!(told.contains(word), "{how:?}: no `{word}` in\n{told}");
    }
}

/// A second is the shortest wait that can be declared.
fn hurried(world: &dyn World, protocol: Protocol) -> How {
    How { timeout_seconds: 1, ..How::to(world, protocol) }
}

async fn wrong_ports(world: &dyn World, protocol: Protocol) {
    let nobody = SocketAddr::new(world.address(Door::Tls(protocol)).ip(), 9);
    let how = hurried(world, protocol);
    let refused =
        expected(TestStep::Connect, "connection-refused", &["mail.example.test", "port 9", "check the port"]);
    fails(world, &How { at: nobody, ..how.clone() }, &refused).await;

    // TLS where none is spoken, and the reverse.
    let not_tls = expected(TestStep::Tls, "not-tls", &["does not begin with TLS", "tls: starttls"]);
    let clear_door = world.address(Door::Clear(protocol));
    fails(world, &How { at: clear_door, ..how.clone() }, &not_tls).await;
    let silent = expected(
        TestStep::Greet,
        "no-greeting",
        &["no greeting within 1 s", "expects TLS at once", "tls: implicit"],
    );
    for tls in [TlsMode::Starttls, TlsMode::None] {
        fails(world, &How { tls, ..how.clone() }, &silent).await;
    }
}

async fn foreign_protocols(world: &dyn World, protocol: Protocol, others: &[Protocol]) {
    for other in others.iter().filter(|other| **other != protocol) {
        let name: &'static [&'static str] = match protocol {
            Protocol::Pop3 => &["POP3", "check host and port"],
            Protocol::Imap => &["IMAP", "check host and port"],
            Protocol::Ews => &["HTTP"],
            Protocol::Smtp => &["SMTP", "check host and port"],
        };
        let foreign = expected(TestStep::Greet, "wrong-protocol", name);
        for tls in [TlsMode::Implicit, TlsMode::Starttls, TlsMode::None] {
            let at = How::to(world, *other).with_tls(world, tls).at;
            fails(world, &How { at, tls, ..hurried(world, protocol) }, &foreign).await;
        }
    }
}

async fn untrusted(world: &dyn World, protocol: Protocol) {
    let unknown =
        expected(TestStep::Tls, "certificate-untrusted", &["not signed by a trusted authority", "trust"]);
    let other_name = expected(
        TestStep::Tls,
        "certificate-name-mismatch",
        &["elsewhere.example", "mail.example.test", "under a name"],
    );
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        let how = hurried(world, protocol).with_tls(world, tls);
        fails(world, &How { trust: Trust::System, ..how.clone() }, &unknown).await;
        fails(world, &How { host: "elsewhere.example".to_owned(), ..how }, &other_name).await;
    }
}

/// Nobody takes STARTTLS out of the offer and gets a password for it.
async fn stripped(world: &dyn World, protocol: Protocol) {
    let spoil = match protocol {
        Protocol::Pop3 => Spoil::Replace("STLS", "XXXX"),
        Protocol::Imap | Protocol::Smtp | Protocol::Ews => Spoil::Replace("STARTTLS", "XXXXXXXX"),
    };
    let proxy = FaultProxy::start(world.address(Door::Clear(protocol)), spoil).await;
    let how = How { at: proxy.address, tls: TlsMode::Starttls, ..hurried(world, protocol) };
    let how = How { clear: Clear::Allowed, ..how };
    let words = expected(TestStep::Tls, "starttls-not-offered", &["never done silently", "tls: implicit"]);
    fails(world, &how, &words).await;
}

async fn refused_before_tls(world: &dyn World, protocol: Protocol) {
    for authentication in [Authentication::Plain, Authentication::Login] {
        let how = hurried(world, protocol).with_tls(world, TlsMode::None);
        let how = How { authentication, clear: Clear::Refused, ..how };
        let failure = judged(Client::refused(Client::open(world, &how).await), &how);
        assert_eq!(failure.error.step, TestStep::Authenticate);
        // Dovecot offers logins without TLS that do not show the password.
        let told = format!("{}\n{}", failure.error, failure.remedy);
        match failure.code.as_str() {
            "login-needs-tls" => {
                assert!(told.contains("after STARTTLS") && told.contains("set `tls: starttls`"))
            }
            "plaintext-login" => assert!(told.contains("must not be sent") && told.contains("set `tls:`")),
            other => panic!("{other}: {told}"),
        }
    }
}

async fn wrong_password(world: &dyn World, protocol: Protocol) {
    let words = expected(
        TestStep::Authenticate,
        "login-refused",
        &["refused the login", "mailbox `anna`", "mailplumb secrets set passwords/anna"],
    );
    let how = How { password: Some("wrong".to_owned()), ..How::to(world, protocol) };
    fails(world, &how, &words).await;
}

async fn every_case(world: &dyn World, protocols: &[Protocol]) {
    for protocol in protocols {
        wrong_ports(world, *protocol).await;
        foreign_protocols(world, *protocol, protocols).await;
        untrusted(world, *protocol).await;
        stripped(world, *protocol).await;
        refused_before_tls(world, *protocol).await;
        wrong_password(world, *protocol).await;
    }
}

async fn bad_certificate(world: &dyn World, certificate: Certificate, protocols: &[Protocol]) {
    let words = match certificate {
        Certificate::Good => panic!("that one is good"),
        Certificate::Expired => expected(TestStep::Tls, "certificate-expired", &["expired", "renew it"]),
        Certificate::SelfSigned => {
            expected(TestStep::Tls, "certificate-untrusted", &["not signed by a trusted authority", "trust"])
        }
        Certificate::WrongName => expected(
            TestStep::Tls,
            "certificate-name-mismatch",
            &["not for `mail.example.test`", "under a name"],
        ),
    };
    for protocol in protocols {
        for tls in [TlsMode::Implicit, TlsMode::Starttls] {
            fails(world, &hurried(world, *protocol).with_tls(world, tls), &words).await;
        }
    }
}

const BAD: [Certificate; 3] = [Certificate::Expired, Certificate::SelfSigned, Certificate::WrongName];

#[tokio::test]
async fn the_playgrounds_failures_are_told_apart() {
    every_case(&Play::start(), &ALL).await;
}

#[tokio::test]
async fn dovecots_failures_are_told_apart() {
    let Some(()) = require(Need::Servers) else { return };
    every_case(&Real::start(), &[Protocol::Pop3, Protocol::Imap]).await;
}

#[tokio::test]
async fn postfixs_failures_are_told_apart() {
    let Some(()) = require(Need::Submission) else { return };
    let world = Real::start().and_postfix();
    every_case(&world, &[Protocol::Smtp]).await;
    foreign_protocols(&world, Protocol::Smtp, &ALL).await;
    foreign_protocols(&world, Protocol::Imap, &[Protocol::Smtp]).await;
    foreign_protocols(&world, Protocol::Pop3, &[Protocol::Smtp]).await;
}

#[tokio::test]
async fn bad_certificates_of_the_playground_are_told_apart() {
    for certificate in BAD {
        bad_certificate(&Play::with(certificate, ClearLogins::Refused), certificate, &ALL).await;
    }
}

#[tokio::test]
async fn bad_certificates_of_dovecot_are_told_apart() {
    let Some(()) = require(Need::Servers) else { return };
    for certificate in BAD {
        bad_certificate(&Real::with(certificate), certificate, &[Protocol::Pop3, Protocol::Imap]).await;
    }
}

/// A server that wants TLS before any login, although this host would send the password.
#[tokio::test]
async fn a_server_that_wants_tls_first_is_told_from_one_that_knows_no_mechanism() {
    let world = Play::start();
    for protocol in ALL {
        let how = How { clear: Clear::Allowed, ..hurried(&world, protocol).with_tls(&world, TlsMode::None) };
        let error = Client::refused(Client::open(&world, &how).await);
        assert_eq!((error.step, error.cause), (TestStep::Authenticate, Cause::LoginNeedsTls), "{how:?}");
    }
}

/// An openssl with the certificate of the world's Dovecot. It speaks TLS, and says nothing.
struct Openssl {
    _server: Server,
    _folder: TempDir,
    at: SocketAddr,
}

fn openssl(world: &Real, options: &[&str]) -> Openssl {
    let folder = scratch::folder();
    let (log, port) = (folder.path().join("log"), scratch::port());
    let at = SocketAddr::new(scratch::address().into(), port);
    let certificate = &world.dovecot.certificate;
    let (chain, key) = (certificate.chain.display().to_string(), certificate.key.display().to_string());
    let listens = at.to_string();
    let mut command =
        vec!["openssl", "s_server", "-accept", &listens, "-cert", &chain, "-key", &key, "-quiet"];
    command.extend(options);
    let server = Server::start(&command, &log);
    let evidence = || std::fs::read_to_string(&log).unwrap_or_default();
    scratch::wait_until("openssl", || std::net::TcpStream::connect(at).is_ok(), evidence);
    Openssl { _server: server, _folder: folder, at }
}

/// TLS 1.1 and older were given up by RFC 8996.
#[tokio::test]
async fn a_server_that_knows_only_an_old_tls_is_refused_by_name() {
    let Some(()) = require(Need::Servers) else { return };
    let world = Real::start();
    let openssl = openssl(&world, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    for protocol in ALL {
        let how = How { at: openssl.at, timeout_seconds: 30, ..How::to(&world, Protocol::Imap) };
        let how = How { way: Way::of(protocol), ..how };
        fails(&world, &how, &expected(TestStep::Tls, "tls-failed", &["TLS"])).await;
    }
}

/// With TLS 1.3 the handshake is over when the server says so.
#[tokio::test]
async fn a_server_that_demands_a_client_certificate_is_told_from_one_without_a_common_cipher() {
    let Some(()) = require(Need::Servers) else { return };
    let world = Real::start();
    for (version, step) in [("-tls1_2", TestStep::Tls), ("-tls1_3", TestStep::Greet)] {
        let openssl = openssl(&world, &[version, "-Verify", "1"]);
        for protocol in ALL {
            let how = How { at: openssl.at, timeout_seconds: 30, ..How::to(&world, Protocol::Imap) };
            let how = How { way: Way::of(protocol), ..how };
            let words = &["client certificate", "offers no client certificates"];
            fails(&world, &how, &expected(step, "client-certificate-demanded", words)).await;
        }
    }
    // One that only asks is no reason for anything else that ends a handshake.
    let openssl = openssl(&world, &["-tls1_2", "-verify", "1"]);
    let how = How { at: openssl.at, timeout_seconds: 1, ..How::to(&world, Protocol::Imap) };
    fails(&world, &how, &expected(TestStep::Greet, "connection-lost", &[])).await;
}
