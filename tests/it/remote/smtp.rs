//! Submission to a real server: Postfix, which asks Dovecot for passwords and delivers to it.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use mailplumb::model::clock::Clock;
use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::outbox::RecipientResult;
use mailplumb::model::profile::{Authentication, Credentials, Endpoint, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{Destination, Login};
use mailplumb::net::Network;
use mailplumb::remote::{Submit, Trace, smtp};

use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::need::{Need, require};
use crate::support::postfix::{MESSAGE_BYTES_MAX, Postfix};

const ANNA: &str = "anna@example.test";

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

struct Servers {
    dovecot: Dovecot,
    postfix: Postfix,
    network: Network,
}

impl Servers {
    fn start() -> Self {
        let dovecot = Dovecot::start(DovecotOptions::with_users([(ANNA, "geheim"), ("b@example.test", "x")]));
        let postfix = Postfix::start(&dovecot);
        let mut host = HostSettings { allow_non_tls_email: true, ..HostSettings::default() };
        host.trust.insert(Name::parse("test-ca").unwrap(), dovecot.certificate.authority.clone());
        Self { dovecot, postfix, network: Network::new(&host) }
    }

    async fn open(&self, how: &How) -> (Result<Box<dyn Submit>, RemoteError>, Option<String>) {
        let mut trace = Trace::new(Arc::new(StoppedClock));
        let session = smtp::open(&self.network, &destination(how), &mut trace).await;
        (session, trace.into_steps().pop().and_then(|taken| taken.detail))
    }
}

struct How {
    at: SocketAddr,
    tls: TlsMode,
    authentication: Authentication,
    password: Option<&'static str>,
}

fn destination(how: &How) -> Destination {
    Destination {
        service: None,
        mailbox: Name::parse("anna").unwrap(),
        address: address(ANNA),
        profile: Name::parse("provider").unwrap(),
        kind: ServerKind::ImapSmtp,
        endpoint: Endpoint {
            host: how.at.ip().to_string(),
            port: NonZeroU16::new(how.at.port()),
            tls: how.tls,
            authentication: how.authentication,
            credentials: Credentials::Mailbox,
            timeout_seconds: None,
        },
        trust: Some(Name::parse("test-ca").unwrap()),
        login: match how.password {
            None => Login::Anonymous,
            Some(password) => {
                Login::Password { username: ANNA.to_owned(), password: Secret::new(password.to_owned()) }
            }
        },
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

async fn send(session: &mut Box<dyn Submit>, to: &[&str], raw: &[u8]) -> Vec<RecipientResult> {
    let to: Vec<Address> = to.iter().map(|text| address(text)).collect();
    session.send(&address(ANNA), &to, raw).await.unwrap().recipients
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_takes_every_login_and_every_message_once() {
    let Some(()) = require(Need::Submission) else { return };
    let servers = Servers::start();
    every_mechanism(&servers).await;
    wrong_password(&servers).await;
    every_recipient_has_its_own_answer(&servers).await;
    a_server_that_closes_the_channel(&servers).await;
    nothing_is_smuggled(&servers).await;
}

async fn every_mechanism(servers: &Servers) {
    let (starttls, implicit) = (servers.postfix.submission, servers.postfix.submissions);
    for (authentication, name) in [
        (Authentication::Auto, "SCRAM-SHA-256"),
        (Authentication::ScramSha256, "SCRAM-SHA-256"),
        (Authentication::ScramSha1, "SCRAM-SHA-1"),
        (Authentication::CramMd5, "CRAM-MD5"),
        (Authentication::Plain, "PLAIN"),
        (Authentication::Login, "LOGIN"),
    ] {
        for (at, tls) in [(starttls, TlsMode::Starttls), (implicit, TlsMode::Implicit)] {
            let how = How { at, tls, authentication, password: Some("geheim") };
            let (session, detail) = servers.open(&how).await;
            match session {
                Ok(session) => session.close().await,
                Err(error) => panic!("{name} {tls:?}: {error}\n{}", servers.postfix.log()),
            }
            assert_eq!(detail.as_deref(), Some(name));
        }
    }
}

async fn wrong_password(servers: &Servers) {
    for authentication in [Authentication::Plain, Authentication::ScramSha256] {
        let at = servers.postfix.submissions;
        let how = How { at, tls: TlsMode::Implicit, authentication, password: Some("falsch") };
        let error = servers.open(&how).await.0.err().unwrap();
        assert_eq!(error.step, TestStep::Authenticate);
        assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{error}");
    }
}

async fn every_recipient_has_its_own_answer(servers: &Servers) {
    let at = servers.postfix.submission;
    let how =
        How { at, tls: TlsMode::Starttls, authentication: Authentication::Auto, password: Some("geheim") };
    let mut session = servers.open(&how).await.0.unwrap();
    let to = ["b@example.test", "nouser@example.test", "defer@example.test", "full@example.test"];
    let results = send(&mut session, &to, "Subject: first\n\ngr\u{fc}\u{df}e\n.\n..\n".as_bytes()).await;
    assert!(matches!(&results[0], RecipientResult::Accepted { .. }), "{results:?}");
    assert!(matches!(&results[1], RecipientResult::Refused { said } if said.starts_with("550 5.1.1")));
    assert!(matches!(&results[2], RecipientResult::Deferred { said } if said.starts_with("450 4.7.1")));
    assert!(matches!(&results[3], RecipientResult::Deferred { said } if said.starts_with("452 4.2.2")));

    let nobody = send(&mut session, &["nouser@example.test"], b"Subject: second\n\nx\n").await;
    assert!(matches!(nobody[..], [RecipientResult::Refused { .. }]), "{nobody:?}");
    let large = vec![b'x'; usize::try_from(MESSAGE_BYTES_MAX).unwrap()];
    let too_large = send(&mut session, &["b@example.test"], &large).await;
    assert!(
        matches!(&too_large[..], [RecipientResult::Refused { said }] if said.starts_with("not sent: the message has")),
        "{too_large:?}"
    );
    assert!(session.is_open());
    session.close().await;

    let delivered = servers.postfix.wait_for_delivery(&servers.dovecot, "b@example.test", 1);
    let text = delivered[0].replace("\r\n", "\n");
    assert!(text.ends_with("\n\ngrüße\n.\n..\n"), "{text}");
}

async fn a_server_that_closes_the_channel(servers: &Servers) {
    let at = servers.postfix.submissions;
    let how =
        How { at, tls: TlsMode::Implicit, authentication: Authentication::Auto, password: Some("geheim") };
    let mut session = servers.open(&how).await.0.unwrap();
    let to = [address("b@example.test"), address("busy@example.test")];
    let error = session.send(&address(ANNA), &to, b"Subject: never\n\nx\n").await.unwrap_err();
    assert!(matches!(&error.cause, Cause::ServerBye { said } if said.starts_with("421 4.3.2")), "{error}");
    assert!(!session.is_open());
}

async fn nothing_is_smuggled(servers: &Servers) {
    let at = servers.postfix.anonymous;
    let how = How { at, tls: TlsMode::None, authentication: Authentication::Auto, password: None };
    let mut session = servers.open(&how).await.0.unwrap();
    for end in ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r\n"] {
        let raw = format!(
            "Subject: outer\n\ntext{end}MAIL FROM:<{ANNA}>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nSubject: inner\r\n\r\n."
        );
        let results = send(&mut session, &["b@example.test"], raw.as_bytes()).await;
        assert!(matches!(results[..], [RecipientResult::Accepted { .. }]), "{end:?}: {results:?}");
    }
    session.close().await;
    let delivered = servers.postfix.wait_for_delivery(&servers.dovecot, "b@example.test", 6);
    let outer = delivered.iter().filter(|text| text.contains("Subject: outer")).count();
    assert_eq!((delivered.len(), outer), (6, 5));
}
