//! The IMAP connector against Dovecot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use mailplumb::model::clock::Clock;
use mailplumb::model::cursor::{Content, Cursor, Fetched, Listing, Mark, Part, RemoteId};
use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Authentication, Credentials, Endpoint, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{Destination, Login};
use mailplumb::net::Network;
use mailplumb::net::trace::Trace;
use mailplumb::remote::{Receive, imap};

use crate::support::certificates::HOST;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::need::{Need, require};

const ANNA: &str = "anna@example.test";
const PASSWORD: &str = "änna's \"pass\\word\"";

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn start() -> Dovecot {
    Dovecot::start(DovecotOptions::with_users([(ANNA, PASSWORD)]))
}

fn destination(server: SocketAddr, tls: TlsMode, authentication: Authentication) -> Destination {
    Destination {
        service: None,
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse(ANNA).unwrap(),
        profile: Name::parse("provider").unwrap(),
        kind: ServerKind::ImapSmtp,
        endpoint: Endpoint {
            host: HOST.to_owned(),
            port: NonZeroU16::new(server.port()),
            tls,
            authentication,
            credentials: Credentials::Mailbox,
            timeout_seconds: Some(30),
        },
        trust: Some(Name::parse("own-ca").unwrap()),
        login: Login::Password { username: ANNA.to_owned(), password: Secret::new(PASSWORD.to_owned()) },
    }
}

async fn open(
    dovecot: &Dovecot,
    server: SocketAddr,
    destination: &Destination,
) -> Result<(Box<dyn Receive>, Trace), RemoteError> {
    let settings = HostSettings {
        connect: BTreeMap::from([((HOST.to_owned(), server.port()), server)]),
        trust: BTreeMap::from([(
            Name::parse("own-ca").unwrap(),
            dovecot.certificate.authority.as_path().to_owned(),
        )]),
        ..HostSettings::default()
    };
    let mut trace = Trace::new(Arc::new(StoppedClock));
    let inbox = imap::open(&Network::new(&settings), destination, &mut trace).await?;
    Ok((inbox, trace))
}

async fn open_inbox(dovecot: &Dovecot) -> Box<dyn Receive> {
    let destination = destination(dovecot.imaps, TlsMode::Implicit, Authentication::Auto);
    open(dovecot, dovecot.imaps, &destination).await.unwrap().0
}

fn message(number: usize) -> String {
    let lines = number * number % 997;
    format!("Subject: {number} {{7}}\r\n\r\n{}", format!("line of {number} )\r\n").repeat(lines))
}

fn cursor_behind(listing: &Listing) -> Cursor {
    match listing.messages().last().map(|listed| &listed.id) {
        Some(RemoteId::Uid { validity, uid }) => {
            Cursor::Imap { validity: *validity, uid_last: *uid, mark: Mark::default() }
        }
        other => panic!("no UID but {other:?}"),
    }
}

fn texts(fetched: Vec<Fetched>) -> BTreeMap<RemoteId, String> {
    let text = |content| match content {
        Content::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Content::Vanished => "vanished".to_owned(),
        other
        @ (Content::Refused(_) | Content::Deferred(_) | Content::Streamed(_) | Content::TooLarge(_)) => {
            panic!("{other:?}")
        }
    };
    fetched.into_iter().map(|fetched| (fetched.id, text(fetched.content))).collect()
}

#[tokio::test]
async fn every_mechanism_logs_in_with_implicit_tls_and_with_starttls() {
    let Some(()) = require(Need::Servers) else { return };
    let dovecot = start();
    for authentication in [
        Authentication::Auto,
        Authentication::Plain,
        Authentication::Login,
        Authentication::CramMd5,
        Authentication::ScramSha1,
        Authentication::ScramSha256,
    ] {
        for (server, tls) in [(dovecot.imaps, TlsMode::Implicit), (dovecot.imap, TlsMode::Starttls)] {
            let result = open(&dovecot, server, &destination(server, tls, authentication)).await;
            let (inbox, trace) =
                result.unwrap_or_else(|error| panic!("{authentication:?}, {tls:?}: {error}"));
            inbox.delete_and_close(&[]).await.unwrap();
            let opened = trace.into_steps().pop().unwrap();
            assert_eq!((opened.step, opened.detail), (TestStep::Open, Some("0 messages".to_owned())));
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_whatever_the_mechanism() {
    let Some(()) = require(Need::Servers) else { return };
    let dovecot = start();
    for authentication in [Authentication::Auto, Authentication::Plain, Authentication::Login] {
        let mut destination = destination(dovecot.imaps, TlsMode::Implicit, authentication);
        let password = Secret::new("wrong\r\nM9 LOGOUT".to_owned());
        destination.login = Login::Password { username: ANNA.to_owned(), password };
        let error = open(&dovecot, dovecot.imaps, &destination).await.err().unwrap();
        assert_eq!(error.step, TestStep::Authenticate);
        assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{error}");
    }
}

#[tokio::test]
async fn messages_of_all_sizes_arrive_octet_by_octet_and_only_new_ones_are_listed_again() {
    let Some(()) = require(Need::Servers) else { return };
    let dovecot = start();
    for number in 0..200 {
        dovecot.deliver(ANNA, message(number));
    }
    let mut inbox = open_inbox(&dovecot).await;
    let listing = inbox.list(&Cursor::Start).await.unwrap();
    let mut received = BTreeMap::new();
    for batch in listing.messages().chunks(64) {
        received.extend(texts(inbox.fetch(batch, Part::Whole).await.unwrap()));
    }
    let received: Vec<String> = received.into_values().collect();
    assert_eq!(received, (0..200).map(message).collect::<Vec<_>>());
    let headers = texts(inbox.fetch(&listing.messages()[..1], Part::Headers).await.unwrap());
    assert_eq!(headers.into_values().collect::<Vec<_>>(), ["Subject: 0 {7}\r\n\r\n"]);

    let cursor = cursor_behind(&listing);
    assert!(inbox.list(&cursor).await.unwrap().messages().is_empty());
    dovecot.deliver(ANNA, "Subject: late\r\n\r\n");
    assert_eq!(inbox.list(&cursor).await.unwrap().messages().len(), 1);
    inbox.delete_and_close(&[]).await.unwrap();
    // Nothing was changed, marked as read included, and each batch took one command.
    let commands = dovecot.commands(ANNA);
    let fetches = commands.iter().filter(|line| line.contains("UID FETCH") && line.contains("BODY")).count();
    assert_eq!(fetches, 5, "{commands:?}");
    let changes =
        |line: &&String| line.contains("SELECT") || line.contains("STORE") || line.contains("BODY[");
    assert_eq!(commands.iter().find(changes), None);
}

#[tokio::test]
async fn only_the_named_messages_are_removed() {
    let Some(()) = require(Need::Servers) else { return };
    let dovecot = start();
    for number in 0..6 {
        dovecot.deliver(ANNA, message(number));
    }
    let mut inbox = open_inbox(&dovecot).await;
    let listing = inbox.list(&Cursor::Start).await.unwrap();
    let named: Vec<RemoteId> = listing.messages().iter().step_by(2).map(|listed| listed.id.clone()).collect();
    assert_eq!(inbox.delete_and_close(&named).await.unwrap(), named);
    assert_eq!(dovecot.inbox_messages(ANNA), [1, 3, 5].map(message));

    let mut inbox = open_inbox(&dovecot).await;
    let fetched = texts(inbox.fetch(listing.messages(), Part::Whole).await.unwrap());
    assert_eq!(fetched.values().filter(|text| *text == "vanished").count(), 3);
}
