//! Servers that send an octet now and then: a whole answer has its time, whatever comes of it meanwhile. Each is what a script says, up to
//! the moment from which it drips.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{imap, pop3, smtp};
use crate::model::cursor::{Cursor, Part};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::host::HostSettings;
use crate::model::name::Address;
use crate::model::outbox::{RecipientResult, Submitted};
use crate::model::profile::TlsMode;
use crate::model::server::Destination;
use crate::net::Network;
use crate::net::loopback::{destination, host_settings, listener, trace};
use crate::net::web::{Held, Request};
use crate::protocol::http::Method;

/// `C:` is any line of the client, `S:` a line of the server, `L:` one that is late, `D:` how the drip begins.
async fn drip(listener: TcpListener, script: &str) {
    let (mut socket, _) = listener.accept().await.unwrap();
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        match line.split_once(": ") {
            Some(("S", said)) => socket.write_all(format!("{said}\r\n").as_bytes()).await.unwrap(),
            Some(("L", said)) => {
                tokio::time::sleep(Duration::from_millis(600)).await;
                socket.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
            }
            Some(("D", begun)) => socket.write_all(begun.as_bytes()).await.unwrap(),
            _ => heard(&mut socket).await,
        }
    }
    while socket.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn heard(socket: &mut TcpStream) {
    while socket.read_u8().await.is_ok_and(|octet| octet != b'\n') {}
}

fn network() -> Network {
    Network::new(&HostSettings { allow_basic_over_plaintext: true, ..host_settings() })
}

fn there(port: u16, tls: TlsMode) -> Destination {
    let mut there = destination("127.0.0.1", port, tls, None);
    there.endpoint.timeout_seconds = Some(1);
    there
}

/// What comes of a server that drips, and that it comes in time.
async fn outcome<T>(script: &'static str, tls: TlsMode, ask: impl AsyncFnOnce(Destination) -> T) -> T {
    let (listener, address) = listener().await;
    let server = tokio::spawn(drip(listener, script));
    let outcome = tokio::time::timeout(Duration::from_secs(5), ask(there(address.port(), tls))).await;
    let Ok(outcome) = outcome else { panic!("it is waited for for ever: {script}") };
    server.abort();
    outcome
}

fn is_over<T>(outcome: Result<T, RemoteError>, script: &str) {
    match outcome {
        Err(RemoteError { cause: Cause::TimedOut { seconds: 1 }, .. }) => {}
        Err(error) => panic!("{script}: {error:?}"),
        Ok(_) => panic!("{script}: no failure"),
    }
}

const IMAP_OPEN: &str = "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\nC:\nS: M1 OK [CAPABILITY IMAP4rev1] in\nC:\n\
    S: * 2 EXISTS\nS: * OK [UIDVALIDITY 1] x\nS: * OK [UIDNEXT 9] x\nS: M2 OK open\nC:\n";
const POP3_OPEN: &str = "S: +OK\nC:\nS: +OK\nS: USER\nS: .\nC:\nS: +OK\nC:\nS: +OK\nC:\nS: +OK 1 20\n";
const SMTP_OPEN: &str = "S: 220 x\nC:\nS: 250-x\nS: 250 AUTH PLAIN\nC:\nS: 235 in\n";

/// At once, because each takes as long as the server is waited for.
async fn all(cases: impl IntoIterator<Item = impl Future<Output = ()> + 'static>) {
    let here = tokio::task::LocalSet::new();
    let running: Vec<_> = cases.into_iter().map(|case| here.spawn_local(case)).collect();
    here.await;
    for case in running {
        case.await.unwrap();
    }
}

fn joined(first: &str, rest: &str) -> &'static str {
    Box::leak(format!("{first}{rest}").into_boxed_str())
}

#[tokio::test]
async fn an_imap_server_that_drips_is_not_waited_for_longer() {
    let open = [
        "D: * OK ",
        "S: * OK ready\nC:\nD: * CAPABILITY ",
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\nC:\nD: M1 OK",
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\nC:\nS: M1 OK [CAPABILITY IMAP4rev1] in\nC:\nD: * OK ",
    ];
    let opened = open.map(|script| async move {
        let there = async |there: Destination| imap::open(&network(), &there, &mut trace()).await;
        is_over(outcome(script, TlsMode::None, there).await, script);
    });
    let read =
        ["D: * 1 FETCH (", "S: * 1 FETCH (UID 1)\nS: M3 OK\nC:\nD: * 1 FETCH (UID 1 BODY[] {2000}\r\n"];
    let read = read.map(|rest| async move {
        let script = joined(IMAP_OPEN, rest);
        let listed = async |there: Destination| {
            let mut session = imap::open(&network(), &there, &mut trace()).await?;
            let listing = session.list(&Cursor::Start).await?;
            session.fetch(listing.messages(), Part::Whole).await
        };
        is_over(outcome(script, TlsMode::None, listed).await, script);
    });
    all(opened).await;
    all(read).await;
}

#[tokio::test]
async fn an_imap_server_that_says_it_is_at_work_is_waited_for() {
    let script = "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\nC:\nS: M1 OK [CAPABILITY IMAP4rev1] in\nC:\n\
        L: * OK Still here\nL: * OK Still here\nL: * OK Still here\n\
        S: * 2 EXISTS\nS: * OK [UIDVALIDITY 1] x\nS: * OK [UIDNEXT 9] x\nL: M2 OK open\n";
    let opened = async |there: Destination| imap::open(&network(), &there, &mut trace()).await.map(drop);
    outcome(script, TlsMode::None, opened).await.unwrap();
    // Before the login nothing takes so long.
    let greeted =
        "L: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\nC:\nL: * OK x\nL: * OK x\nL: * OK x\n";
    let opened = async |there: Destination| imap::open(&network(), &there, &mut trace()).await;
    is_over(outcome(greeted, TlsMode::None, opened).await, greeted);
}

#[tokio::test]
async fn a_pop3_server_that_drips_is_not_waited_for_longer() {
    let open = [
        "D: +OK ",
        "S: +OK\nC:\nS: +OK\nD: US",
        "S: +OK\nC:\nS: +OK\nS: USER\nS: .\nC:\nS: +OK\nC:\nD: +OK ",
        "S: +OK\nC:\nS: +OK\nS: USER\nS: .\nC:\nS: +OK\nC:\nS: +OK\nC:\nD: +OK 1",
    ];
    let opened = open.map(|script| async move {
        let there = async |there: Destination| pop3::open(&network(), &there, &mut trace()).await;
        is_over(outcome(script, TlsMode::None, there).await, script);
    });
    let listed = "C:\nS: +OK\nS: 1 20\nS: .\nC:\nS: +OK\nS: 1 a\nS: .\nC:\n";
    let read = [
        "C:\nD: +OK ",
        "C:\nS: +OK\nD: 1 2",
        &format!("{listed}D: +OK "),
        &format!("{listed}S: +OK\nD: Subject: "),
    ];
    let read = read.map(|rest| joined(POP3_OPEN, rest)).map(|script| async move {
        let fetched = async |there: Destination| {
            let mut session = pop3::open(&network(), &there, &mut trace()).await?;
            let listing = session.list(&Cursor::Start).await?;
            session.fetch(listing.messages(), Part::Whole).await
        };
        is_over(outcome(script, TlsMode::None, fetched).await, script);
    });
    all(opened).await;
    all(read).await;
}

async fn submit(there: Destination) -> Result<Submitted, RemoteError> {
    let anna = Address::parse("anna@contoso.example").unwrap();
    let mut session = smtp::open(&network(), &there, &mut trace()).await?;
    session.send(&anna, std::slice::from_ref(&anna), b"Subject: x\r\n\r\nx\r\n").await
}

#[tokio::test]
async fn an_smtp_server_that_drips_is_not_waited_for_longer() {
    let open = [
        "D: 220-",
        "S: 220-x\nD: 220 ",
        "S: 220 x\nC:\nS: 250-x\nD: 250-",
        "S: 220 x\nC:\nS: 250-x\nS: 250 AUTH PLAIN\nC:\nD: 235 ",
    ];
    let opened = open.map(|script| async move {
        let there = async |there: Destination| smtp::open(&network(), &there, &mut trace()).await;
        is_over(outcome(script, TlsMode::None, there).await, script);
    });
    let send = ["C:\nD: 250 ", "C:\nS: 250 ok\nC:\nD: 250 ", "C:\nS: 250 ok\nC:\nS: 250 ok\nC:\nD: 354 "];
    let sent = send.map(|rest| async move {
        let script = joined(SMTP_OPEN, rest);
        is_over(outcome(script, TlsMode::None, submit).await, script);
    });
    all(opened).await;
    all(sent).await;
    let verdict = "C:\nS: 250 ok\nC:\nS: 250 ok\nC:\nS: 354 go\nC:\nC:\nC:\nC:\nD: 250 ";
    let submitted = outcome(joined(SMTP_OPEN, verdict), TlsMode::None, submit).await.unwrap();
    assert!(matches!(submitted.recipients[..], [RecipientResult::Unsure { .. }]), "{submitted:?}");
}

#[tokio::test]
async fn a_handshake_that_drips_is_not_waited_for_longer() {
    let script = "D: \u{16}\u{3}\u{3}\u{40}";
    let there = async |there: Destination| imap::open(&network(), &there, &mut trace()).await;
    is_over(outcome(script, TlsMode::Implicit, there).await, "TLS");
}

#[tokio::test]
async fn an_http_server_that_drips_is_not_waited_for_longer() {
    let scripts = ["D: HTTP/1.1 200 OK\r\nX-Long: ", "D: HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"];
    let asked = scripts.map(|script| async move {
        let ask = async |there: Destination| {
            let mut session = network().open_web(&there, &mut trace()).await?;
            let request = Request { method: Method::Get, path: "/", fields: &[], body: b"" };
            let sent = session.send(&request, &mut Held::up_to(200_000)).await;
            sent.map_err(|cause| RemoteError::new(TestStep::Read, cause))
        };
        is_over(outcome(script, TlsMode::None, ask).await, script);
    });
    all(asked).await;
}
