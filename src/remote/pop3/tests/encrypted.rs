//! With real handshakes.

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
