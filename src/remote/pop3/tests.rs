//! The connector against a server that follows a script, over real sockets.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::failure::StepTaken;
use crate::model::host::HostSettings;
use crate::model::profile::Authentication;
use crate::net::loopback::{destination, host_settings, listener, trace};

/// Says the `S:` lines and insists on the `C:` lines. At the end of the script it closes.
async fn follow(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), script: &str) {
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (who, said) = line.split_once(':').unwrap();
        let said = format!("{}\r\n", said.strip_prefix(' ').unwrap_or(said));
        match who {
            "S" => stream.write_all(said.as_bytes()).await.unwrap(),
            "C" => {
                let mut heard = vec![0; said.len()];
                stream.read_exact(&mut heard).await.unwrap();
                assert_eq!(String::from_utf8_lossy(&heard), said);
            }
            other => panic!("neither C nor S: {other}"),
        }
    }
    stream.flush().await.unwrap();
}

async fn follow_plain(listener: &TcpListener, script: &str) {
    let (mut socket, _) = listener.accept().await.unwrap();
    follow(&mut socket, script).await;
}

/// A network whose host lets passwords cross a connection without TLS.
fn lax() -> Network {
    Network::new(&HostSettings { allow_basic_over_plaintext: true, ..host_settings() })
}

/// A session without TLS.
async fn open_clear(port: u16) -> Result<Box<dyn Receive>, RemoteError> {
    let there = destination("127.0.0.1", port, TlsMode::None, None);
    open(&lax(), &there, &mut trace()).await
}

fn id(uidl: &str) -> RemoteId {
    RemoteId::Uidl(uidl.to_owned())
}

const OPENED: &str = "S: +OK ready
    C: CAPA
    S: +OK
    S: USER
    S: PIPELINING
    S: .
    C: USER anna
    S: +OK
    C: PASS geheim
    S: +OK
    C: STAT
    S: +OK 2 300";

const LISTED: &str = "C: LIST
    C: UIDL
    S: +OK
    S: 1 100
    S: 2 200
    S: .
    S: +OK
    S: 1 a
    S: 2 b
    S: .";

#[tokio::test]
async fn a_mailbox_is_read_and_emptied() {
    let (listener, address) = listener().await;
    let script = format!(
        "{OPENED}
        {LISTED}
        C: RETR 1
        C: RETR 2
        S: +OK
        S: Subject: one
        S:
        S: ..
        S: .
        S: -ERR no such message
        C: DELE 1
        C: DELE 2
        S: +OK
        S: -ERR no such message
        C: QUIT
        S: +OK bye"
    );
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let fetched = session.fetch(listing.messages(), Part::Whole).await.unwrap();
        let gone = session.delete_and_close(&[id("b"), id("a"), id("never listed")]).await.unwrap();
        (listing, fetched, gone)
    };
    let ((listing, fetched, gone), ()) = tokio::join!(client, follow_plain(&listener, &script));
    let sizes: Vec<_> = listing.messages().iter().map(|one| (one.id.clone(), one.size)).collect();
    assert_eq!(sizes, [(id("a"), Some(100)), (id("b"), Some(200))]);
    let bytes = bytes::Bytes::from_static(b"Subject: one\r\n\r\n.\r\n");
    assert_eq!(fetched, [answer(id("a"), Content::Bytes(bytes)), answer(id("b"), Content::Vanished)]);
    assert_eq!(gone, [id("a")]);
}

#[tokio::test]
async fn an_empty_mailbox_is_not_listed() {
    let (listener, address) = listener().await;
    let script = "S: +OK ready
        C: CAPA
        S: -ERR
        C: USER anna
        S: +OK
        C: PASS geheim
        S: +OK
        C: STAT
        S: +OK 0 0
        C: QUIT";
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        (listing, session.delete_and_close(&[]).await)
    };
    let ((listing, gone), ()) = tokio::join!(client, follow_plain(&listener, script));
    assert!(listing.messages().is_empty());
    assert_eq!(gone, Ok(vec![]), "a goodbye without an answer does not matter");
}

#[tokio::test]
async fn a_connection_that_is_lost_at_the_goodbye_confirms_nothing() {
    let (listener, address) = listener().await;
    let script = format!("{OPENED}\n{LISTED}\nC: DELE 1\nS: +OK\nC: QUIT");
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        session.list(&Cursor::Start).await.unwrap();
        session.delete_and_close(&[id("a")]).await
    };
    let (gone, ()) = tokio::join!(client, follow_plain(&listener, &script));
    let error = gone.unwrap_err();
    assert_eq!(error.step, TestStep::Delete);
    assert!(matches!(error.cause, Cause::ConnectionLost { .. }), "{error}");
}

#[tokio::test]
async fn after_a_broken_exchange_nothing_more_is_said() {
    let (listener, address) = listener().await;
    let script = format!("{OPENED}\n{LISTED}\nC: RETR 1\nC: RETR 2\nS: Subject: no status\nS: +OK\nS: +OK");
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let fetched = session.fetch(listing.messages(), Part::Whole).await;
        (fetched, session.delete_and_close(&[id("a")]).await)
    };
    let ((fetched, gone), ()) = tokio::join!(client, follow_plain(&listener, &script));
    assert!(matches!(fetched.unwrap_err().cause, Cause::Garbage { .. }));
    assert!(gone.is_err(), "the remaining +OK are not answers to DELE and QUIT");
}

#[tokio::test]
async fn a_message_announced_too_large_is_not_fetched() {
    let (listener, address) = listener().await;
    let large = limits::LITERAL_DROPPED_BYTES_MAX + 1;
    let script = format!(
        "{OPENED}
        C: LIST
        C: UIDL
        S: +OK
        S: 1 {large}
        S: .
        S: +OK
        S: 1 a
        S: ."
    );
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        session.fetch(listing.messages(), Part::Whole).await.unwrap()
    };
    let (fetched, ()) = tokio::join!(client, follow_plain(&listener, &script));
    assert_eq!(fetched, [answer(id("a"), Content::TooLarge(large))]);
}

#[tokio::test]
async fn messages_without_uidl_are_named_by_their_headers() {
    let (listener, address) = listener().await;
    let script = format!(
        "{OPENED}
        C: LIST
        C: UIDL
        S: +OK
        S: 1 100
        S: .
        S: -ERR unknown command
        C: TOP 1 0
        S: +OK
        S: Subject: one
        S:
        S: ."
    );
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        session.list(&Cursor::Start).await.unwrap()
    };
    let (listing, ()) = tokio::join!(client, follow_plain(&listener, &script));
    let expected = format!("top-{}", blake3::hash(b"Subject: one\r\n").to_hex());
    assert_eq!(listing.messages()[0].id, id(&expected));
}

#[tokio::test]
async fn neither_uidl_nor_top_is_not_supported() {
    let (listener, address) = listener().await;
    let script = format!(
        "{OPENED}
        C: LIST
        C: UIDL
        S: +OK
        S: 1 100
        S: .
        S: -ERR unknown command
        C: TOP 1 0
        S: -ERR unknown command"
    );
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        session.list(&Cursor::Start).await.unwrap_err()
    };
    let (error, ()) = tokio::join!(client, follow_plain(&listener, &script));
    assert!(matches!(error.cause, Cause::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn headers_come_from_the_whole_message_where_top_is_missing() {
    let (listener, address) = listener().await;
    let script = format!(
        "{OPENED}
        {LISTED}
        C: TOP 1 0
        C: TOP 2 0
        S: -ERR unknown command
        S: -ERR unknown command
        C: RETR 1
        C: RETR 2
        S: +OK
        S: Subject: one
        S:
        S: text
        S: .
        S: -ERR no such message"
    );
    let client = async {
        let mut session = open_clear(address.port()).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        session.fetch(listing.messages(), Part::Headers).await.unwrap()
    };
    let (fetched, ()) = tokio::join!(client, follow_plain(&listener, &script));
    let block = bytes::Bytes::from_static(b"Subject: one\r\n");
    assert_eq!(fetched, [answer(id("a"), Content::Bytes(block)), answer(id("b"), Content::Vanished)]);
}

#[tokio::test]
async fn starttls_that_is_not_offered_is_not_done_without() {
    let (listener, address) = listener().await;
    let script = "S: +OK ready\nC: CAPA\nS: +OK\nS: USER\nS: .";
    let there = destination("127.0.0.1", address.port(), TlsMode::Starttls, None);
    let network = Network::new(&host_settings());
    let mut trace = trace();
    let (session, ()) = tokio::join!(open(&network, &there, &mut trace), follow_plain(&listener, script));
    let error = session.err().unwrap();
    assert_eq!(error, RemoteError::new(TestStep::Tls, Cause::StarttlsNotOffered));
}

#[tokio::test]
async fn a_refused_login_names_its_step() {
    let (listener, address) = listener().await;
    let script = "S: +OK
        C: CAPA
        S: +OK
        S: SASL PLAIN
        S: .
        C: AUTH PLAIN AGFubmEAZ2VoZWlt
        S: -ERR [AUTH] no";
    let (session, ()) = tokio::join!(open_clear(address.port()), follow_plain(&listener, script));
    let cause = Cause::LoginRefused { said: "[AUTH] no".to_owned() };
    assert_eq!(session.err(), Some(RemoteError::new(TestStep::Authenticate, cause)));
}

#[tokio::test]
async fn a_mechanism_that_cannot_be_done_is_named() {
    let (listener, address) = listener().await;
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN GSSAPI\nS: .";
    let mut there = destination("127.0.0.1", address.port(), TlsMode::None, None);
    there.endpoint.authentication = Authentication::Basic;
    let network = Network::new(&host_settings());
    let mut trace = trace();
    let (session, ()) = tokio::join!(open(&network, &there, &mut trace), follow_plain(&listener, script));
    assert!(matches!(session.err().unwrap().cause, Cause::Unsupported { .. }));
}

#[tokio::test]
async fn without_tls_only_the_host_can_allow_a_password() {
    let (listener, address) = listener().await;
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: SASL PLAIN\nS: .";
    let there = destination("127.0.0.1", address.port(), TlsMode::None, None);
    let network = Network::new(&HostSettings { allow_non_tls_email: true, ..host_settings() });
    let mut trace = trace();
    let heard = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        follow(&mut socket, script).await;
        let mut rest = Vec::new();
        // A client that closes with something unread resets; either way there is nothing more to hear.
        let _ = socket.read_to_end(&mut rest).await;
        rest
    };
    let client = async {
        let session = open(&network, &there, &mut trace).await;
        session.err().unwrap()
    };
    let (error, heard) = tokio::join!(client, heard);
    assert_eq!(error, RemoteError::new(TestStep::Authenticate, Cause::PlaintextLogin));
    assert!(heard.is_empty(), "neither user name nor password was said");
}

#[test]
fn whoever_asked_for_tls_never_logs_in_without() {
    let lax = Channel::Clear { allowed: true };
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        assert_eq!(channel(tls, lax), Channel::Clear { allowed: false });
    }
    assert_eq!(channel(TlsMode::None, lax), lax);
}

#[cfg(feature = "demo")]
mod encrypted {
    use super::*;
    use crate::net::loopback::certificates::{World, trusting, world};

    fn steps(taken: Vec<StepTaken>) -> Vec<(TestStep, String)> {
        taken.into_iter().map(|taken| (taken.step, taken.detail.unwrap_or_default())).collect()
    }

    /// Opens a session with the world's server under its name; the steps taken, with their details.
    async fn visit(
        world: &World,
        tls: TlsMode,
        server: impl AsyncFnOnce(TcpListener),
    ) -> (Result<Box<dyn Receive>, RemoteError>, Vec<(TestStep, String)>) {
        let (listener, address) = listener().await;
        let mut settings = trusting(world);
        settings.connect.insert(("mail.contoso.example".to_owned(), 110), address);
        let there = destination("mail.contoso.example", 110, tls, Some("own-ca"));
        let network = Network::new(&settings);
        let mut trace = trace();
        let (session, ()) = tokio::join!(open(&network, &there, &mut trace), server(listener));
        let taken = steps(trace.into_steps());
        (session, taken.into_iter().skip(2).collect())
    }

    #[tokio::test]
    async fn with_implicit_tls_everything_is_encrypted() {
        let world = world(&["mail.contoso.example"], |_| {});
        let (session, taken) = visit(&world, TlsMode::Implicit, async |listener: TcpListener| {
            let (socket, _) = listener.accept().await.unwrap();
            let mut stream = world.acceptor.accept(socket).await.unwrap();
            follow(&mut stream, OPENED).await;
        })
        .await;
        assert!(session.is_ok());
        let expected = [
            (TestStep::Tls, "TLS 1.3".to_owned()),
            (TestStep::Greet, "ready".to_owned()),
            (TestStep::Authenticate, "LOGIN (USER and PASS)".to_owned()),
            (TestStep::Open, "2 messages".to_owned()),
        ];
        assert_eq!(taken, expected);
    }

    #[tokio::test]
    async fn with_starttls_capabilities_are_asked_again() {
        let world = world(&["mail.contoso.example"], |_| {});
        let (session, taken) = visit(&world, TlsMode::Starttls, async |listener: TcpListener| {
            let (mut socket, _) = listener.accept().await.unwrap();
            follow(
                &mut socket,
                "S: +OK ready
                C: CAPA
                S: +OK
                S: STLS
                S: SASL LOGIN
                S: .
                C: STLS
                S: +OK begin",
            )
            .await;
            let mut stream = world.acceptor.accept(socket).await.unwrap();
            follow(
                &mut stream,
                "C: CAPA
                S: +OK
                S: SASL PLAIN
                S: PIPELINING
                S: .
                C: AUTH PLAIN AGFubmEAZ2VoZWlt
                S: +OK
                C: STAT
                S: +OK 1 20",
            )
            .await;
        })
        .await;
        assert!(session.is_ok());
        let order: Vec<TestStep> = taken.iter().map(|(step, _)| *step).collect();
        assert_eq!(order, [TestStep::Greet, TestStep::Tls, TestStep::Authenticate, TestStep::Open]);
    }

    #[tokio::test]
    async fn what_is_injected_before_the_handshake_ends_the_session() {
        let world = world(&["mail.contoso.example"], |_| {});
        let (session, _) = visit(&world, TlsMode::Starttls, async |listener: TcpListener| {
            let (mut socket, _) = listener.accept().await.unwrap();
            follow(&mut socket, "S: +OK ready\nC: CAPA\nS: +OK\nS: STLS\nS: .\nC: STLS").await;
            socket.write_all(b"+OK begin\r\n+OK injected\r\n").await.unwrap();
        })
        .await;
        assert_eq!(session.err(), Some(RemoteError::new(TestStep::Tls, Cause::StarttlsInjected)));
    }
}
