//! The product's own connectors, as the engine uses them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mailplumb::model::clock::Clock;
use mailplumb::model::cursor::{
    Content, Cursor, Extent, Fetched, Listed, Listing, Part, RemoteId, SyncState,
};
use mailplumb::model::failure::{Cause, RemoteError, StepTaken};
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{
    Authentication, Cloud, Credentials, Endpoint, Protocol, ServerKind, TlsMode,
};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{
    Destination, Login, SentItems, TokenClient, TokenProof, WebLocation, WebService,
};
use mailplumb::net::Network;
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Arrivals, Receive, Remotes, Submit, Trace};

use super::{ANNA, ANNAS_PASSWORD, Door, Online, TOKEN_CLIENT, TOKEN_SECRET, Way, World};
use crate::support::certificates::HOST;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct How {
    pub way: Way,
    pub tls: TlsMode,
    pub authentication: Authentication,
    /// With Graph, the application's.
    pub username: String,
    /// `None`: anonymous.
    pub password: Option<String>,
    /// Where the server is; `host` is what its certificate has to name.
    pub at: std::net::SocketAddr,
    pub host: String,
    pub trust: Trust,
    pub clear: Clear,
    pub timeout_seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    World,
    System,
}

/// Whether the host file lets passwords cross a connection without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    Refused,
    Allowed,
}

impl How {
    /// Anna, implicit TLS, `authentication: auto`.
    pub fn to(world: &dyn World, protocol: Protocol) -> Self {
        Self::by(world, Way::of(protocol))
    }

    /// The same by any way; with Graph an application acts for Anna.
    pub fn by(world: &dyn World, way: Way) -> Self {
        let mail = Self {
            way,
            tls: TlsMode::Implicit,
            authentication: Authentication::Auto,
            username: ANNA.to_owned(),
            password: Some(ANNAS_PASSWORD.to_owned()),
            at: world.address(Door::Tls(way.protocol())),
            host: HOST.to_owned(),
            trust: Trust::World,
            clear: Clear::Refused,
            timeout_seconds: 30,
        };
        if !way.is_graph() {
            return mail;
        }
        Self {
            authentication: Authentication::Oauth,
            username: TOKEN_CLIENT.to_owned(),
            password: Some(TOKEN_SECRET.to_owned()),
            at: online(world).graph,
            host: Cloud::Global.hosts().graph.to_owned(),
            ..mail
        }
    }

    /// The same at the port that this mode belongs to.
    pub fn with_tls(self, world: &dyn World, tls: TlsMode) -> Self {
        let door = match tls {
            TlsMode::Implicit => Door::Tls(self.way.protocol()),
            TlsMode::Starttls | TlsMode::None => Door::Clear(self.way.protocol()),
        };
        let at = if self.way.is_graph() { self.at } else { world.address(door) };
        Self { tls, at, ..self }
    }

    pub fn kind(&self) -> ServerKind {
        match self.way {
            Way::Pop3 => ServerKind::Pop3Smtp,
            Way::Imap | Way::Smtp => ServerKind::ImapSmtp,
            Way::EwsReading | Way::EwsSending => ServerKind::Exchange,
            Way::GraphReading | Way::GraphSending => ServerKind::ExchangeOnline,
        }
    }

    fn service(&self) -> Option<WebService> {
        let location = match self.way {
            Way::Pop3 | Way::Imap | Way::Smtp => return None,
            Way::EwsReading | Way::EwsSending => WebLocation::Path("/EWS/Exchange.asmx".to_owned()),
            Way::GraphReading | Way::GraphSending => WebLocation::Graph,
        };
        Some(WebService {
            location,
            access: None,
            tracked: Vec::new(),
            category: None,
            sent_items: SentItems::Ignored,
        })
    }

    fn login(&self) -> Login {
        match &self.password {
            None => Login::Anonymous,
            // The endpoint that gives tokens is trusted, whatever the case does with the server itself.
            Some(secret) if self.way.is_graph() => Login::Oauth2 {
                username: ANNA.to_owned(),
                client: TokenClient {
                    url: format!("https://{}/tenant/oauth2/v2.0/token", Cloud::Global.hosts().authority),
                    trust: Some(Name::parse("own-ca").unwrap()),
                    id: self.username.clone(),
                    proof: TokenProof::Secret(Secret::new(secret.clone())),
                    scope: format!("https://{}/.default", self.host),
                },
            },
            Some(password) => {
                Login::Password { username: self.username.clone(), password: Secret::new(password.clone()) }
            }
        }
    }

    fn destination(&self) -> Destination {
        Destination {
            service: self.service(),
            mailbox: Name::parse("anna").unwrap(),
            address: Address::parse(ANNA).unwrap(),
            profile: Name::parse("provider").unwrap(),
            kind: self.kind(),
            endpoint: Endpoint {
                host: self.host.clone(),
                port: NonZeroU16::new(self.at.port()),
                tls: self.tls,
                authentication: self.authentication,
                credentials: Credentials::Mailbox,
                timeout_seconds: Some(self.timeout_seconds),
            },
            trust: match self.trust {
                Trust::World => Some(Name::parse("own-ca").unwrap()),
                Trust::System => None,
            },
            login: self.login(),
        }
    }

    fn host_settings(&self, world: &dyn World) -> HostSettings {
        let mut connect = BTreeMap::from([((self.host.clone(), self.at.port()), self.at)]);
        if self.way.is_graph() {
            connect.insert((Cloud::Global.hosts().authority.to_owned(), 443), online(world).tokens);
        }
        HostSettings {
            allow_non_tls_email: true,
            allow_basic_over_plaintext: match self.clear {
                Clear::Refused => false,
                Clear::Allowed => true,
            },
            connect,
            trust: BTreeMap::from([(Name::parse("own-ca").unwrap(), world.authority())]),
            ..HostSettings::default()
        }
    }
}

fn online(world: &dyn World) -> Online {
    world.online().expect("only a world with Graph names a way by Graph")
}

/// A session, or why there is none.
pub enum Session {
    Receive(Box<dyn Receive>),
    Submit(Box<dyn Submit>),
}

/// Opens sessions and does with them what the engine does.
pub struct Client;

impl Client {
    /// With the steps taken.
    pub async fn open(world: &dyn World, how: &How) -> (Result<Session, RemoteError>, Vec<StepTaken>) {
        let connectors = Connectors::new(Network::new(&how.host_settings(world)));
        let connector = connectors.connector(how.kind()).unwrap();
        let mut trace = Trace::new(Arc::new(StoppedClock));
        let destination = how.destination();
        let session = if how.way.sends() {
            connector.submit(&destination, &mut trace).await.map(Session::Submit)
        } else {
            connector.receive(&destination, &mut trace).await.map(Session::Receive)
        };
        (session, trace.into_steps())
    }

    /// The error of a session that must not come about.
    #[track_caller]
    pub fn refused(opened: (Result<Session, RemoteError>, Vec<StepTaken>)) -> RemoteError {
        match opened.0 {
            Ok(_) => panic!("it was let in: {:?}", opened.1),
            Err(error) => error,
        }
    }

    pub async fn receive(world: &dyn World, how: &How) -> Result<Box<dyn Receive>, RemoteError> {
        match Self::open(world, how).await.0? {
            Session::Receive(session) => Ok(session),
            Session::Submit(_) => panic!("{:?} does not receive", how.way),
        }
    }

    pub async fn submit(world: &dyn World, how: &How) -> Result<Box<dyn Submit>, RemoteError> {
        match Self::open(world, how).await.0? {
            Session::Submit(session) => Ok(session),
            Session::Receive(_) => panic!("{:?} does not submit", how.way),
        }
    }
}

impl Session {
    pub async fn close(self) {
        match self {
            Self::Receive(session) => drop(session.delete_and_close(&[]).await.unwrap()),
            Self::Submit(session) => session.close().await,
        }
    }
}

/// What the engine does between a cursor and the next: names the new messages, and moves on.
pub fn unseen(cursor: &Cursor, listing: &Listing) -> Vec<Listed> {
    let new = |listed: &&Listed| match (cursor, &listed.id) {
        (Cursor::Pop3 { seen }, RemoteId::Uidl(uidl)) => !seen.contains_key(uidl),
        (Cursor::Start | Cursor::Imap { .. } | Cursor::Pop3 { .. } | Cursor::Exchange { .. }, _) => true,
    };
    listing.messages().iter().filter(new).cloned().collect()
}

/// The cursor behind a listing of which everything has been dealt with.
pub fn behind(cursor: &Cursor, listing: &Listing) -> Cursor {
    match listing {
        // Nothing had to be listed.
        Listing::Imap { validity, messages, extent }
            if messages.is_empty()
                && *extent == Extent::default()
                && matches!(cursor, Cursor::Imap { validity: same, .. } if same == validity) =>
        {
            cursor.clone()
        }
        Listing::Imap { validity, messages, extent } => {
            let before = match cursor {
                Cursor::Imap { validity: same, uid_last, .. } if same == validity => *uid_last,
                Cursor::Imap { .. } | Cursor::Start | Cursor::Pop3 { .. } | Cursor::Exchange { .. } => 0,
            };
            let uids = messages.iter().filter_map(|listed| match listed.id {
                RemoteId::Uid { uid, .. } => Some(uid),
                RemoteId::Uidl(_) | RemoteId::Item(_) => None,
            });
            let uid_last = uids.max().unwrap_or(before.max(extent.passed));
            Cursor::Imap { validity: *validity, uid_last, mark: extent.mark }
        }
        Listing::Pop3 { messages } => {
            let uidls = messages.iter().filter_map(|listed| match &listed.id {
                RemoteId::Uidl(uidl) => Some((uidl.clone(), listed.size)),
                RemoteId::Uid { .. } | RemoteId::Item(_) => None,
            });
            Cursor::Pop3 { seen: uidls.collect() }
        }
        Listing::Exchange { state, .. } => {
            Cursor::Exchange { state: SyncState(Some(state.clone())), ahead: Default::default() }
        }
    }
}

/// Takes what is handed over, and puts messages in pieces together.
#[derive(Default)]
pub struct Taken {
    pub fetched: Vec<Fetched>,
    pub pieces: Vec<u8>,
}

#[async_trait]
impl Arrivals for Taken {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        self.pieces.extend_from_slice(&octets);
        Ok(())
    }

    async fn message(&mut self, mut fetched: Fetched) -> Result<(), Cause> {
        if let Content::Streamed(bytes) = fetched.content {
            assert_eq!(bytes, self.pieces.len() as u64);
            fetched.content = Content::Bytes(std::mem::take(&mut self.pieces).into());
        }
        assert!(self.pieces.is_empty());
        self.fetched.push(fetched);
        Ok(())
    }
}

/// The contents in the order of the listing, fetched as the engine does: whole messages are handed over as they arrive.
pub async fn fetch(session: &mut Box<dyn Receive>, messages: &[Listed], part: Part) -> Vec<Content> {
    let mut fetched = Vec::new();
    match part {
        Part::Whole => {
            let mut taken = Taken::default();
            session.fetch_each(messages, &mut taken).await.unwrap();
            fetched = taken.fetched;
        }
        Part::Headers => {
            for batch in messages.chunks(16) {
                fetched.extend(session.fetch(batch, part).await.unwrap());
            }
        }
    }
    assert_eq!(fetched.len(), messages.len(), "one answer for each");
    let mut by_id: BTreeMap<RemoteId, Content> =
        fetched.into_iter().map(|Fetched { id, content, .. }| (id, content)).collect();
    messages.iter().map(|listed| by_id.remove(&listed.id).unwrap()).collect()
}
