//! Whole sessions with a scripted server on the loopback interface.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::clock::Clock;
use crate::model::cursor::Mark;
use crate::model::host::HostSettings;
use crate::model::name::{Address, Name};
use crate::model::profile::{Credentials, Endpoint, ServerKind};
use crate::model::secret::Secret;
use crate::model::server::Login;
use crate::net::loopback::host_settings;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

const HOST: &str = "mail.contoso.example";

fn destination(tls: TlsMode) -> Destination {
    Destination {
        service: None,
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse("anna@contoso.example").unwrap(),
        profile: Name::parse("provider").unwrap(),
        kind: ServerKind::ImapSmtp,
        endpoint: Endpoint {
            host: HOST.to_owned(),
            port: NonZeroU16::new(143),
            tls,
            authentication: Authentication::Auto,
            credentials: Credentials::Mailbox,
            timeout_seconds: Some(5),
        },
        trust: None,
        login: Login::Password { username: "anna".to_owned(), password: Secret::new("pw".to_owned()) },
    }
}

fn host(server: SocketAddr) -> HostSettings {
    HostSettings {
        connect: BTreeMap::from([((HOST.to_owned(), 143), server)]),
        allow_basic_over_plaintext: true,
        ..host_settings()
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Says its `S: ` lines and expects the `C: ` lines, octet by octet.
async fn perform<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_at(3) {
            ("S: ", said) => stream.write_all(format!("{said}\r\n").as_bytes()).await.unwrap(),
            ("C: ", expected) => {
                let expected = format!("{expected}\r\n");
                let mut heard = vec![0; expected.len()];
                stream.read_exact(&mut heard).await.unwrap();
                assert_eq!(String::from_utf8_lossy(&heard), expected);
            }
            (other, _) => panic!("neither S: nor C: but {other}"),
        }
    }
}

/// Runs a client against a script over TCP without TLS; the script is played to its end, and nothing more is said.
async fn against<T>(script: &str, client: impl AsyncFnOnce(Network, &mut Trace) -> T) -> (T, Trace) {
    let (listener, address) = listener().await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        perform(&mut socket, script).await;
        let mut rest = Vec::new();
        // The client may reset the connection when it leaves unread words behind.
        let _ = socket.read_to_end(&mut rest).await;
        assert_eq!(String::from_utf8_lossy(&rest), "");
    };
    let mut trace = Trace::new(Arc::new(StoppedClock));
    let network = Network::new(&host(address));
    let (result, ()) = tokio::join!(client(network, &mut trace), server);
    (result, trace)
}

async fn open_error(script: &str, destination: &Destination) -> RemoteError {
    let open = async |network: Network, trace: &mut Trace| open(&network, destination, trace).await.err();
    against(script, open).await.0.expect("the session opens although it must not")
}

/// The beginning of most scripts.
const OPEN: &str = "
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
    C: M1 AUTHENTICATE PLAIN AGFubmEAcHc=
    S: M1 OK [CAPABILITY IMAP4rev1 UIDPLUS] logged in
    C: M2 EXAMINE INBOX
    S: * 2 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: * OK [UIDNEXT 12] ok
    S: M2 OK [READ-ONLY] done";

/// Opens the inbox as [`OPEN`] shows it, and goes on.
async fn session<T>(rest: &str, client: impl AsyncFnOnce(Box<dyn Receive>) -> T) -> (T, Trace) {
    let open = async |network: Network, trace: &mut Trace| {
        client(open(&network, &destination(TlsMode::None), trace).await.unwrap()).await
    };
    against(&format!("{OPEN}\n{rest}"), open).await
}

fn listed(uid: u32, size: u64) -> Listed {
    Listed { id: RemoteId::Uid { validity: 7, uid }, size: Some(size), received: None }
}

fn uids(listing: &Listing) -> Vec<String> {
    listing.messages().iter().map(|listed| listed.id.to_string()).collect()
}

mod entering;
mod reading;
#[cfg(feature = "demo")]
mod tls;
