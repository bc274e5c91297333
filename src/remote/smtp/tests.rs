use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::clock::Clock;
use crate::model::host::HostSettings;
use crate::model::name::Name;
use crate::model::outbox::RecipientResult;
use crate::model::profile::{Credentials, ServerKind};
use crate::model::secret::Secret;
use crate::model::server::Login;
use crate::net::loopback::host_settings;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn trace() -> Trace {
    Trace::new(Arc::new(StoppedClock))
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn destination(at: SocketAddr, tls: TlsMode, login: Login) -> Destination {
    Destination {
        service: None,
        mailbox: Name::parse("anna").unwrap(),
        address: address("anna@a.example"),
        profile: Name::parse("provider").unwrap(),
        kind: ServerKind::ImapSmtp,
        endpoint: Endpoint {
            host: at.ip().to_string(),
            port: NonZeroU16::new(at.port()),
            tls,
            authentication: Authentication::Auto,
            credentials: Credentials::Mailbox,
            timeout_seconds: Some(20),
        },
        trust: None,
        login,
    }
}

fn password() -> Login {
    Login::Password { username: "anna".to_owned(), password: Secret::new("secret".to_owned()) }
}

fn plaintext_allowed() -> HostSettings {
    HostSettings { allow_basic_over_plaintext: true, ..host_settings() }
}

/// Plays the server of a transcript once, then closes the connection. What the client says must be the `C:` lines.
async fn serve(listener: TcpListener, transcript: String) {
    let (mut socket, _) = listener.accept().await.unwrap();
    play(&mut socket, &transcript).await;
}

async fn play(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), transcript: &str) {
    for line in transcript.lines().map(str::trim_start) {
        match line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")) {
            ("S", said) => socket.write_all(format!("{said}\r\n").as_bytes()).await.unwrap(),
            ("C", expected) => assert_eq!(heard(socket).await, expected),
            (other, _) => panic!("neither C nor S: {other}"),
        }
    }
}

async fn heard(socket: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        match socket.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

pub(super) async fn server(transcript: &str) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (at, tokio::spawn(serve(listener, transcript.to_owned())))
}

pub(super) async fn open_anonymous(at: SocketAddr) -> Box<dyn Submit> {
    let there = destination(at, TlsMode::None, Login::Anonymous);
    open(&Network::new(&host_settings()), &there, &mut trace()).await.unwrap_or_else(|e| panic!("{e}"))
}

async fn send(session: &mut Box<dyn Submit>, to: &[&str]) -> Result<Vec<RecipientResult>, RemoteError> {
    let to: Vec<Address> = to.iter().map(|text| address(text)).collect();
    let submitted = session.send(&address("anna@a.example"), &to, b"Subject: x\n\n.text\n").await?;
    Ok(submitted.recipients)
}

fn accepted(said: &str) -> RecipientResult {
    RecipientResult::Accepted { said: said.to_owned() }
}

fn refused(said: &str) -> RecipientResult {
    RecipientResult::Refused { said: said.to_owned() }
}

const GREETING: &str = "S: 220 mail.example\nC: EHLO a.example\nS: 250-mail.example\nS: 250-AUTH PLAIN\n\
                        S: 250 PIPELINING\n";
const ENVELOPE: &str = "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\n";
const TEXT: &str = "C: Subject: x\nC:\nC: ..text\nC: .\n";

#[tokio::test]
async fn one_session_submits_many_messages_and_outlives_a_failed_one() {
    let (at, served) = server(&format!(
        "{GREETING}C: AUTH PLAIN AGFubmEAc2VjcmV0\nS: 235 welcome\n\
         {ENVELOPE}S: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}S: 250 queued as 1\n\
         {ENVELOPE}S: 250 ok\nS: 550 5.1.1 no\nS: 554 nobody left\nC: RSET\nS: 250 ok\n\
         {ENVELOPE}S: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}S: 554 5.7.1 spam\nC: RSET\nS: 250 ok\n\
         {ENVELOPE}S: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}S: 250 queued as 2\nC: QUIT\nS: 221 bye\n"
    ))
    .await;
    let mut trace = trace();
    let there = destination(at, TlsMode::None, password());
    let mut session = open(&Network::new(&plaintext_allowed()), &there, &mut trace).await.unwrap();
    let to = ["b@b.example"];
    assert_eq!(send(&mut session, &to).await.unwrap(), [accepted("250 queued as 1")]);
    assert_eq!(send(&mut session, &to).await.unwrap(), [refused("550 5.1.1 no")]);
    assert_eq!(send(&mut session, &to).await.unwrap(), [refused("554 5.7.1 spam")]);
    assert_eq!(send(&mut session, &to).await.unwrap(), [accepted("250 queued as 2")]);
    session.close().await;
    served.await.unwrap();
    let steps: Vec<_> = trace.into_steps().into_iter().map(|taken| taken.step).collect();
    assert_eq!(steps, [TestStep::Resolve, TestStep::Connect, TestStep::Greet, TestStep::Authenticate]);
}

#[tokio::test]
async fn an_anonymous_session_does_not_log_in_even_where_it_could() {
    let (at, served) = server(&format!("{GREETING}C: QUIT\nS: 221 bye\n")).await;
    open_anonymous(at).await.close().await;
    served.await.unwrap();
}

#[tokio::test]
async fn a_connection_lost_after_the_final_dot_leaves_the_recipient_unsure_and_ends_the_session() {
    let (at, served) = server(&format!("{GREETING}{ENVELOPE}S: 250 ok\nS: 250 ok\nS: 354 go\n{TEXT}")).await;
    let mut session = open_anonymous(at).await;
    let results = send(&mut session, &["b@b.example"]).await.unwrap();
    assert!(matches!(results[..], [RecipientResult::Unsure { .. }]), "{results:?}");
    assert!(!session.is_open());
    let again = send(&mut session, &["b@b.example"]).await.unwrap_err();
    assert!(matches!(again.cause, Cause::ConnectionLost { .. }));
    served.await.unwrap();
}

#[tokio::test]
async fn a_connection_lost_before_the_go_ahead_is_an_error() {
    let (at, served) = server(&format!("{GREETING}{ENVELOPE}S: 250 ok\n")).await;
    let mut session = open_anonymous(at).await;
    let error = send(&mut session, &["b@b.example"]).await.unwrap_err();
    assert_eq!(error.step, TestStep::Send);
    assert!(matches!(error.cause, Cause::ConnectionLost { .. }), "{error:?}");
    assert!(!session.is_open());
    served.await.unwrap();
}

/// A server that reads the beginning of a large message and leaves, having said something or not.
async fn interrupted_by(words: &'static str) -> Result<Vec<RecipientResult>, RemoteError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let leave = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"220 x\r\n").await.unwrap();
        heard(&mut socket).await;
        socket.write_all(b"250-x\r\n250 PIPELINING\r\n").await.unwrap();
        for _ in 0..3 {
            heard(&mut socket).await;
        }
        socket.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
        socket.read_exact(&mut [0; 1000]).await.unwrap();
        socket.write_all(words.as_bytes()).await.unwrap();
    };
    let submit = async {
        let mut session = open_anonymous(at).await;
        let large = b"0123456789abcde\n".repeat(768 * 1024);
        let sent = session.send(&address("anna@a.example"), &[address("b@b.example")], &large).await;
        assert!(!session.is_open());
        sent.map(|submitted| submitted.recipients)
    };
    let (result, ()) = tokio::join!(submit, leave);
    result
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_of_a_message_is_certainly_no_acceptance() {
    let error = interrupted_by("").await.unwrap_err();
    assert!(matches!(error.cause, Cause::ConnectionLost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_refuses_in_the_middle_of_a_message_is_heard() {
    let results = interrupted_by("552 5.3.4 too large\r\n").await.unwrap();
    assert_eq!(results, [refused("552 5.3.4 too large")]);
}

#[tokio::test]
async fn an_answer_in_the_middle_of_a_message_is_not_an_acceptance() {
    let error = interrupted_by("250 queued\r\n").await.unwrap_err();
    assert!(matches!(error.cause, Cause::Garbage { .. }), "{error:?}");
}

async fn refusal(transcript: &str, tls: TlsMode, host: &HostSettings) -> RemoteError {
    let (at, served) = server(transcript).await;
    let opened = open(&Network::new(host), &destination(at, tls, password()), &mut trace()).await;
    served.await.unwrap();
    match opened {
        Ok(_) => panic!("the session was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_server_without_starttls_is_not_spoken_to_in_the_clear() {
    let error = refusal(GREETING, TlsMode::Starttls, &plaintext_allowed()).await;
    assert_eq!(error, RemoteError::new(TestStep::Tls, Cause::StarttlsNotOffered));
}

#[tokio::test]
async fn what_is_injected_behind_the_starttls_go_ahead_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"220 x\r\n").await.unwrap();
        assert_eq!(heard(&mut socket).await, "EHLO a.example");
        socket.write_all(b"250-x\r\n250 STARTTLS\r\n").await.unwrap();
        assert_eq!(heard(&mut socket).await, "STARTTLS");
        // One write, so that both arrive together.
        socket.write_all(b"220 go\r\n250-x\r\n250 AUTH PLAIN\r\n").await.unwrap();
        heard(&mut socket).await
    });
    let there = destination(at, TlsMode::Starttls, password());
    let opened = open(&Network::new(&plaintext_allowed()), &there, &mut trace()).await;
    let error = opened.err().unwrap();
    assert_eq!(error, RemoteError::new(TestStep::Tls, Cause::StarttlsInjected));
    assert_eq!(served.await.unwrap(), "", "nothing was said in the clear");
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear_unless_the_host_allows_it() {
    let error = refusal(GREETING, TlsMode::None, &host_settings()).await;
    assert_eq!(error, RemoteError::new(TestStep::Authenticate, Cause::PlaintextLogin));
}

#[tokio::test]
async fn a_server_that_wants_tls_before_a_login_is_told_from_one_without_logins() {
    let transcript = "S: 220 x\nC: EHLO a.example\nS: 250-x\nS: 250 STARTTLS\n";
    let error = refusal(transcript, TlsMode::None, &plaintext_allowed()).await;
    assert_eq!(error, RemoteError::new(TestStep::Authenticate, Cause::LoginNeedsTls));
}

#[tokio::test]
async fn a_refused_ehlo_is_what_went_wrong() {
    let transcript =
        "S: 220 x\nC: EHLO a.example\nS: 550 5.7.1 we do not like you\nC: HELO a.example\nS: 250 x\n";
    let cause = || Cause::EhloRefused { said: "550 5.7.1 we do not like you".to_owned() };
    let error = refusal(transcript, TlsMode::None, &plaintext_allowed()).await;
    assert_eq!(error, RemoteError::new(TestStep::Authenticate, cause()));
    let error = refusal(transcript, TlsMode::Starttls, &plaintext_allowed()).await;
    assert_eq!(error, RemoteError::new(TestStep::Tls, cause()));
}

#[tokio::test]
async fn a_server_that_offers_no_login_is_not_used_without_one() {
    let transcript = "S: 220 x\nC: EHLO a.example\nS: 250 x\n";
    let error = refusal(transcript, TlsMode::None, &plaintext_allowed()).await;
    assert!(matches!(error.cause, Cause::NoMechanism { .. }), "{error:?}");
}

#[cfg(feature = "demo")]
#[tokio::test]
async fn behind_starttls_only_what_is_said_there_counts() {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let bundle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bundle.path(), key.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let served = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let clear = "S: 220 x\nC: EHLO a.example\nS: 250-x\nS: 250-AUTH PLAIN\nS: 250-PIPELINING\n\
                     S: 250 STARTTLS\nC: STARTTLS\nS: 220 go";
        play(&mut socket, clear).await;
        let mut stream = acceptor.accept(socket).await.unwrap();
        let secret = "C: EHLO a.example\nS: 250-x\nS: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\n\
                      C: YW5uYQ==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 welcome\n\
                      C: MAIL FROM:<anna@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\n\
                      C: DATA\nS: 354 go\n";
        play(&mut stream, &format!("{secret}{TEXT}S: 250 queued\nC: QUIT\nS: 221 bye")).await;
    };
    let submit = async {
        let mut there = destination(at, TlsMode::Starttls, password());
        there.trust = Some(Name::parse("own").unwrap());
        let mut host = host_settings();
        host.trust.insert(Name::parse("own").unwrap(), bundle.path().to_owned());
        let mut trace = trace();
        let mut session = open(&Network::new(&host), &there, &mut trace).await.unwrap();
        assert_eq!(send(&mut session, &["b@b.example"]).await.unwrap(), [accepted("250 queued")]);
        session.close().await;
        trace.into_steps()
    };
    let ((), steps) = tokio::join!(served, submit);
    let words: Vec<_> = steps.iter().skip(2).map(|taken| (taken.step, taken.detail.as_deref())).collect();
    let expected = [
        (TestStep::Greet, None),
        (TestStep::Tls, Some("TLS 1.3")),
        (TestStep::Greet, None),
        (TestStep::Authenticate, Some("LOGIN")),
    ];
    assert_eq!(words, expected);
}
