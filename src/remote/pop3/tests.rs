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

#[cfg(feature = "demo")]
mod encrypted;
mod entering;
