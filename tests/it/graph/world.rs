//! A playground with Graph, and sessions with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mailplumb::model::clock::Clock;
use mailplumb::model::cursor::{Content, Cursor, Fetched, Listing, Part, RemoteId, SyncState};
use mailplumb::model::failure::RemoteError;
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Authentication, Cloud, Credentials, Endpoint, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{
    Destination, Login, SentItems, TokenClient, TokenProof, WebLocation, WebService,
};
use mailplumb::net::Network;
use mailplumb::playground::{self, GraphCall, Impersonation, Options, Playground, User};
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Connector, Receive, Remotes, Submit, Trace};

pub const ANNA: &str = "anna@contoso.example";
pub const BORIS: &str = "boris@contoso.example";
/// What stands for the application in the playground: it may work in all mailboxes.
pub const APPLICATION: &str = "application";
pub const CLIENT: &str = "9a1d3c44-8e5f-4a57-bb1e-2d7c6f0a9b10";
pub const SECRET: &str = "client secret: with a colon";
pub const TENANT: &str = "1f0c7a52-5b0e-4b6e-9c0f-3f5a1c2d4e6b";

/// Where the service leads whoever attaches a large file.
pub const OUTLOOK: &str = "outlook.office.com";

pub struct World {
    pub playground: Playground,
    pub clock: Arc<HandClock>,
    connectors: Connectors,
    _ca: tempfile::NamedTempFile,
}

/// A clock that moves when it is told to.
#[derive(Default)]
pub struct HandClock(std::sync::atomic::AtomicU64);

impl HandClock {
    pub fn wait(&self, seconds: u64) {
        self.0.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

pub fn options() -> Options {
    let hosts = Cloud::Global.hosts();
    let mut users: Vec<User> =
        [ANNA, BORIS].map(|address| User::new(address, address, "unused password")).into();
    users.push(User::new("application@contoso.example", APPLICATION, "unused password"));
    Options {
        host_names: [hosts.graph, hosts.authority, hosts.exchange, OUTLOOK, "localhost", "127.0.0.1"]
            .map(str::to_owned)
            .into(),
        users,
        impersonation: Impersonation::By(APPLICATION.to_owned()),
        token_clients: vec![playground::TokenClient::new(CLIENT, SECRET, APPLICATION)],
        ..Options::default()
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(options())
    }

    pub fn with(options: Options) -> Self {
        let playground = Playground::start(options).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), playground.ca_pem()).unwrap();
        let hosts = Cloud::Global.hosts();
        let host = HostSettings {
            trust: BTreeMap::from([(Name::parse("ca").unwrap(), ca.path().to_owned())]),
            connect: BTreeMap::from([
                ((hosts.graph.to_owned(), 443), playground.graph().address()),
                ((OUTLOOK.to_owned(), 443), playground.graph().address()),
                ((hosts.authority.to_owned(), 443), playground.token_endpoint()),
            ]),
            ..HostSettings::default()
        };
        let connectors = Connectors::new(Network::new(&host));
        Self { playground, clock: Arc::default(), connectors, _ca: ca }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        self.connectors.connector(ServerKind::ExchangeOnline).unwrap()
    }

    pub async fn receive(&self, address: &str) -> Result<Box<dyn Receive>, RemoteError> {
        let clock: Arc<dyn Clock> = Arc::<HandClock>::clone(&self.clock);
        self.connector().receive(&destination(address), &mut Trace::new(clock)).await
    }

    /// With folders below the inbox.
    pub async fn receive_tracking(&self, paths: &[&str]) -> Result<Box<dyn Receive>, RemoteError> {
        let clock: Arc<dyn Clock> = Arc::<HandClock>::clone(&self.clock);
        let mut there = destination(ANNA);
        if let Some(service) = &mut there.service {
            service.tracked = paths.iter().map(|path| (*path).to_owned()).collect();
        }
        self.connector().receive(&there, &mut Trace::new(clock)).await
    }

    /// With the category by which people track.
    pub async fn receive_categorised(&self, category: &str) -> Result<Box<dyn Receive>, RemoteError> {
        let clock: Arc<dyn Clock> = Arc::<HandClock>::clone(&self.clock);
        let mut there = destination(ANNA);
        if let Some(service) = &mut there.service {
            service.category = Some(category.to_owned());
        }
        self.connector().receive(&there, &mut Trace::new(clock)).await
    }

    /// A person gives a message these categories, as JSON.
    pub fn categorised_by_person(&self, id: &RemoteId, categories: &str) {
        let RemoteId::Item(id) = id else { panic!("{id:?}") };
        let fields = vec![("Content-Type", "application/json".to_owned())];
        let body = format!("{{\"categories\":{categories}}}").into_bytes();
        let line = format!("PATCH /v1.0/users/{ANNA}/messages/{id}");
        self.playground.graph().asks(APPLICATION, &line, fields, body);
    }

    /// A person moves a message of the mailbox; its id stays.
    pub fn moved_by_person(&self, id: &RemoteId, to: &str) {
        let RemoteId::Item(id) = id else { panic!("{id:?}") };
        let line = format!("POST /v1.0/users/{ANNA}/messages/{id}/move");
        let fields = vec![
            ("Prefer", "IdType=\"ImmutableId\"".to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ];
        let body = format!("{{\"destinationId\":\"{to}\"}}");
        self.playground.graph().asks(APPLICATION, &line, fields, body.into_bytes());
    }

    pub async fn submit(&self, address: &str) -> Result<Box<dyn Submit>, RemoteError> {
        let clock: Arc<dyn Clock> = Arc::<HandClock>::clone(&self.clock);
        self.connector().submit(&destination(address), &mut Trace::new(clock)).await
    }

    pub fn deliver(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.playground.state().deliver(ANNA, &raw(number)).unwrap();
        }
    }

    pub fn calls(&self) -> Vec<GraphCall> {
        self.playground.graph().calls()
    }

    /// How many requests hold this text.
    pub fn asked(&self, what: &str) -> usize {
        self.calls().iter().filter(|call| format!("{} {}", call.method, call.path).contains(what)).count()
    }
}

pub fn raw(number: usize) -> Vec<u8> {
    format!("Message-ID: <{number}@contoso.example>\r\nSubject: number {number}\r\n\r\nbody\r\n").into_bytes()
}

pub fn destination(address: &str) -> Destination {
    let hosts = Cloud::Global.hosts();
    let trust = Some(Name::parse("ca").unwrap());
    Destination {
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse(address).unwrap(),
        profile: Name::parse("exo").unwrap(),
        kind: ServerKind::ExchangeOnline,
        endpoint: Endpoint {
            host: hosts.graph.to_owned(),
            port: None,
            tls: TlsMode::Implicit,
            authentication: Authentication::Oauth,
            credentials: Credentials::Anonymous,
            timeout_seconds: Some(20),
        },
        trust: trust.clone(),
        login: Login::Oauth2 {
            username: address.to_owned(),
            client: TokenClient {
                url: format!("https://{}/{TENANT}/oauth2/v2.0/token", hosts.authority),
                trust,
                id: CLIENT.to_owned(),
                proof: TokenProof::Secret(Secret::new(SECRET.to_owned())),
                scope: format!("https://{}/.default", hosts.graph),
            },
        },
        service: Some(WebService {
            location: WebLocation::Graph,
            access: None,
            tracked: Vec::new(),
            category: None,
            sent_items: SentItems::Ignored,
        }),
    }
}

/// The cursor behind everything that a listing shows.
pub fn behind(listing: &Listing) -> Cursor {
    let Listing::Exchange { state, .. } = listing else { panic!("{listing:?}") };
    Cursor::Exchange { state: SyncState(Some(state.clone())), ahead: Default::default() }
}

pub async fn whole(session: &mut Box<dyn Receive>, listing: &Listing) -> Vec<Content> {
    let fetched = session.fetch(listing.messages(), Part::Whole).await.unwrap();
    fetched.into_iter().map(|Fetched { content, .. }| content).collect()
}

pub fn ids(listing: &Listing) -> Vec<RemoteId> {
    listing.messages().iter().map(|message| message.id.clone()).collect()
}

pub fn error<T>(result: Result<T, RemoteError>) -> RemoteError {
    match result {
        Ok(_) => panic!("it must not succeed"),
        Err(error) => error,
    }
}
