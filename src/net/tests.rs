//! Against listeners on the loopback interface.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::loopback::{destination, host_settings, listener, trace};
use super::*;
use crate::model::name::Name;
use crate::protocol::{Conversation, Progress};

async fn connect(network: &Network, destination: &Destination) -> Result<Connection, RemoteError> {
    network.connect(destination, Protocol::Pop3, &mut trace()).await
}

async fn plain_pair() -> (Connection, TcpStream) {
    let (listener, address) = listener().await;
    let there = destination("127.0.0.1", address.port(), TlsMode::Starttls, None);
    let network = Network::new(&host_settings());
    let (connection, accepted) = tokio::join!(connect(&network, &there), listener.accept());
    (connection.unwrap(), accepted.unwrap().0)
}

/// Says something, then waits for one line.
struct AskOnce {
    question: Option<Vec<u8>>,
}

impl AskOnce {
    fn new(question: &[u8]) -> Self {
        Self { question: Some(question.to_vec()) }
    }
}

impl Conversation for AskOnce {
    type Output = String;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<String>, Cause> {
        if let Some(question) = self.question.take() {
            return Ok(Progress::Send(question));
        }
        match input.iter().position(|byte| *byte == b'\n') {
            Some(end) => Ok(Progress::Done(String::from_utf8_lossy(&input.split_to(end + 1)).into_owned())),
            None => Ok(Progress::NeedInput),
        }
    }
}

const WAIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn steps_are_named_with_what_they_found() {
    let (listener, address) = listener().await;
    let host = HostSettings {
        hosts: BTreeMap::from([("mail.contoso.example".to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST))]),
        ..host_settings()
    };
    let there = destination("Mail.contoso.example", address.port(), TlsMode::None, None);
    let mut trace = trace();
    Network::new(&host).connect(&there, Protocol::Pop3, &mut trace).await.unwrap();
    drop(listener);
    let steps: Vec<(TestStep, String)> =
        trace.into_steps().into_iter().map(|taken| (taken.step, taken.detail.unwrap_or_default())).collect();
    let expected = [
        (TestStep::Resolve, "127.0.0.1 (set by the host file)".to_owned()),
        (TestStep::Connect, address.to_string()),
    ];
    assert_eq!(steps, expected);
}

#[tokio::test]
async fn a_connect_override_wins_over_the_manifests_port() {
    let (_listener, address) = listener().await;
    let host = HostSettings {
        connect: BTreeMap::from([(("mail.contoso.example".to_owned(), 110), address)]),
        ..host_settings()
    };
    let there = destination("mail.contoso.example", 110, TlsMode::None, None);
    assert!(connect(&Network::new(&host), &there).await.is_ok());
}

#[tokio::test]
async fn a_closed_port_is_a_refused_connection() {
    let (listener, address) = listener().await;
    drop(listener);
    let there = destination("127.0.0.1", address.port(), TlsMode::None, None);
    let error = connect(&Network::new(&host_settings()), &there).await.err().unwrap();
    let cause = Cause::ConnectionRefused { host: "127.0.0.1".to_owned(), port: address.port() };
    assert_eq!(error, RemoteError::new(TestStep::Connect, cause));
}

#[tokio::test]
async fn every_address_is_tried_in_turn() {
    let (_listener, address) = listener().await;
    // `localhost` may be both ::1, where nothing listens, and 127.0.0.1.
    let there = destination("localhost", address.port(), TlsMode::None, None);
    assert!(connect(&Network::new(&host_settings()), &there).await.is_ok());
}

#[tokio::test]
async fn a_server_that_never_said_anything_does_not_greet() {
    let (mut connection, _server) = plain_pair().await;
    let answer = connection.drive(&mut AskOnce::new(b"hello\r\n"), Duration::from_millis(20)).await;
    assert_eq!(answer, Err(Cause::NoGreeting { seconds: 1 }));
}

#[tokio::test]
async fn a_server_that_falls_silent_times_out() {
    let (mut connection, mut server) = plain_pair().await;
    server.write_all(b"half a line").await.unwrap();
    let answer = connection.drive(&mut AskOnce::new(b"hello\r\n"), Duration::from_millis(200)).await;
    assert_eq!(answer, Err(Cause::TimedOut { seconds: 1 }));
}

#[tokio::test]
async fn a_server_that_closes_is_a_lost_connection() {
    let (mut connection, server) = plain_pair().await;
    drop(server);
    let answer = connection.drive(&mut AskOnce { question: None }, WAIT).await;
    assert!(matches!(answer, Err(Cause::ConnectionLost { .. })), "{answer:?}");
}

#[tokio::test]
async fn what_a_server_said_before_closing_is_heard_although_the_write_fails() {
    let (mut connection, mut server) = plain_pair().await;
    let refuse = async {
        let mut begin = [0; 16];
        server.read_exact(&mut begin).await.unwrap();
        server.write_all(b"552 too large\r\n").await.unwrap();
        // Bytes that nobody reads make the close a reset, which fails the write on the other side.
        drop(server);
    };
    let large = vec![b'x'; 32 * 1024 * 1024];
    let mut conversation = AskOnce::new(&large);
    let (answer, ()) = tokio::join!(connection.drive(&mut conversation, WAIT), refuse);
    assert_eq!(answer, Ok("552 too large\r\n".to_owned()));
}

/// Says something that needs no answer.
struct SayOnce(Option<Vec<u8>>);

impl Conversation for SayOnce {
    type Output = ();

    fn advance(&mut self, _input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        Ok(self.0.take().map_or(Progress::Done(()), Progress::Send))
    }
}

#[tokio::test]
async fn a_write_that_failed_is_not_reported_as_done() {
    let (mut connection, mut server) = plain_pair().await;
    let leave = async {
        server.read_exact(&mut [0; 16]).await.unwrap();
        drop(server);
    };
    let mut conversation = SayOnce(Some(vec![b'x'; 32 * 1024 * 1024]));
    let (answer, ()) = tokio::join!(connection.drive(&mut conversation, WAIT), leave);
    assert!(matches!(answer, Err(Cause::ConnectionLost { .. })), "{answer:?}");
}

#[tokio::test]
async fn bytes_before_the_handshake_are_refused() {
    let (mut connection, mut server) = plain_pair().await;
    server.write_all(b"+OK begin TLS\r\n+OK injected\r\n").await.unwrap();
    let mut said = AskOnce { question: None };
    connection.drive(&mut said, WAIT).await.unwrap();
    assert_eq!(connection.start_tls().await, Err(Cause::StarttlsInjected));
    assert!(!connection.is_encrypted());
    let after = connection.drive(&mut AskOnce::new(b"PASS secret\r\n"), WAIT).await;
    assert!(matches!(after, Err(Cause::ConnectionLost { .. })), "nothing may be sent afterwards");
}

#[tokio::test]
async fn a_port_that_speaks_plain_text_does_not_speak_tls() {
    let (listener, address) = listener().await;
    let greet = async {
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"+OK POP3 ready\r\n").await.unwrap();
        server
    };
    let there = destination("127.0.0.1", address.port(), TlsMode::Implicit, None);
    let network = Network::new(&host_settings());
    let (error, _server) = tokio::join!(connect(&network, &there), greet);
    let error = error.err().unwrap();
    assert_eq!(error.step, TestStep::Tls);
    assert!(matches!(&error.cause, Cause::NotTls { detail } if detail.contains("STARTTLS")), "{error}");
}

#[tokio::test]
async fn a_bundle_that_is_missing_or_empty_is_not_replaced_by_the_systems_roots() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let host = HostSettings {
        trust: BTreeMap::from([
            (Name::parse("empty").unwrap(), empty.path().to_owned()),
            (Name::parse("absent").unwrap(), "/nonexistent/ca.pem".into()),
        ]),
        ..host_settings()
    };
    let network = Network::new(&host);
    let (_listener, address) = listener().await;
    for (bundle, words) in [
        ("empty", "holds no PEM certificate"),
        ("absent", "no such file"),
        ("unnamed", "the host file names no bundle"),
    ] {
        let there = destination("127.0.0.1", address.port(), TlsMode::Implicit, Some(bundle));
        let error = connect(&network, &there).await.err().unwrap();
        let Cause::TrustUnavailable { name, detail } = &error.cause else { panic!("{error}") };
        assert_eq!(name, bundle);
        assert!(detail.contains(words), "{detail}");
    }
}

#[cfg(feature = "demo")]
mod certificates {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;
    use crate::net::loopback::certificates::{World, serving, trusting, world};

    /// Connects to the world's server under a host name; the server says one line.
    async fn visit(world: &World, host: &str, trust: Option<&str>) -> Result<Connection, Cause> {
        let (listener, address) = listener().await;
        let mut settings = trusting(world);
        settings.connect.insert((host.to_owned(), 995), address);
        let network = Network::new(&settings);
        let there = destination(host, 995, TlsMode::Implicit, trust);
        let answer = async {
            let (socket, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = world.acceptor.accept(socket).await {
                let _ = stream.write_all(b"+OK ready\r\n").await;
                let _ = stream.read_u8().await;
            }
        };
        tokio::select! {
            connection = connect(&network, &there) => connection.map_err(|error| error.cause),
            () = async { answer.await; std::future::pending().await } => unreachable!(),
        }
    }

    #[tokio::test]
    async fn a_name_or_an_address_in_the_certificate_is_accepted() {
        let world = world(&["mail.contoso.example", "192.0.2.7"], |_| {});
        for host in ["mail.contoso.example", "192.0.2.7"] {
            let connection = visit(&world, host, Some("own-ca")).await.unwrap();
            assert!(connection.is_encrypted());
            assert_eq!(connection.tls_words().as_deref(), Some("TLS 1.3"));
        }
    }

    #[tokio::test]
    async fn a_wrong_name_lists_the_names_of_the_certificate() {
        let world = world(&["imap.contoso.example", "*.fabrikam.example"], |_| {});
        let cause = visit(&world, "mail.contoso.example", Some("own-ca")).await.err().unwrap();
        let expected = Cause::CertificateNameMismatch {
            host: "mail.contoso.example".to_owned(),
            detail: "it is for imap.contoso.example, *.fabrikam.example".to_owned(),
        };
        assert_eq!(cause, expected);
    }

    #[tokio::test]
    async fn an_expired_certificate_says_since_when() {
        let world = world(&["mail.contoso.example"], |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 2, 3);
        });
        let cause = visit(&world, "mail.contoso.example", Some("own-ca")).await.err().unwrap();
        assert_eq!(cause, Cause::CertificateExpired { detail: "it expired on 2002-02-03".to_owned() });
    }

    #[tokio::test]
    async fn without_its_ca_a_certificate_is_untrusted() {
        let world = world(&["mail.contoso.example"], |_| {});
        let cause = visit(&world, "mail.contoso.example", None).await.err().unwrap();
        assert!(
            matches!(&cause, Cause::CertificateUntrusted { detail } if detail.contains("issuer is unknown")),
            "{cause}"
        );
    }

    #[tokio::test]
    async fn a_ca_certificate_in_the_place_of_the_servers_is_explained() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["mail.contoso.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let world = serving(&certificate.pem(), certificate.der().clone(), &key, rustls::ALL_VERSIONS);
        let cause = visit(&world, "mail.contoso.example", Some("own-ca")).await.err().unwrap();
        assert!(
            matches!(&cause, Cause::CertificateUnfit { detail } if detail.contains("self-signed")),
            "{cause}"
        );
    }

    #[tokio::test]
    async fn a_connection_goes_on_under_tls_after_the_upgrade() {
        let world = world(&["mail.contoso.example"], |_| {});
        let (listener, address) = listener().await;
        let mut settings = trusting(&world);
        settings.connect.insert(("mail.contoso.example".to_owned(), 110), address);
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut stls = [0; 6];
            socket.read_exact(&mut stls).await.unwrap();
            socket.write_all(b"+OK\r\n").await.unwrap();
            let mut stream = world.acceptor.accept(socket).await.unwrap();
            let mut noop = [0; 6];
            stream.read_exact(&mut noop).await.unwrap();
            stream.write_all(b"+OK secret place\r\n").await.unwrap();
            stream
        };
        let client = async {
            let network = Network::new(&settings);
            let there = destination("mail.contoso.example", 110, TlsMode::Starttls, Some("own-ca"));
            let mut connection = connect(&network, &there).await.unwrap();
            assert_eq!(connection.drive(&mut AskOnce::new(b"STLS\r\n"), WAIT).await.unwrap(), "+OK\r\n");
            connection.start_tls().await.unwrap();
            assert!(connection.is_encrypted());
            connection.drive(&mut AskOnce::new(b"NOOP\r\n"), WAIT).await.unwrap()
        };
        let (_stream, said) = tokio::join!(server, client);
        assert_eq!(said, "+OK secret place\r\n");
    }

    #[tokio::test]
    async fn a_configuration_is_made_once_and_shared() {
        let world = world(&["mail.contoso.example"], |_| {});
        let network = Network::new(&trusting(&world));
        let name = Name::parse("own-ca").unwrap();
        let first = network.trust.config(Some(&name)).await.unwrap();
        let second = network.clone().trust.config(Some(&name)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_known_to_have_ended_before_it_is_used() {
    let (mut connection, mut server) = plain_pair().await;
    assert!(!connection.has_ended().await);
    server.write_all(b"unasked").await.unwrap();
    while !connection.has_ended().await {
        tokio::task::yield_now().await;
    }
    let (mut connection, server) = plain_pair().await;
    drop(server);
    while !connection.has_ended().await {
        tokio::task::yield_now().await;
    }
}
