//! A playground with Exchange, and sessions with it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use mailplumb::engine::clock::SystemClock;
use mailplumb::model::cursor::{Content, Cursor, Fetched, Listing, Part, RemoteId};
use mailplumb::model::failure::RemoteError;
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Access, Authentication, Credentials, Endpoint, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{Destination, Login, SentItems, WebLocation, WebService};
use mailplumb::net::Network;
use mailplumb::playground::{Impersonation, Options, Playground, User};
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Connector, Receive, Remotes, Submit, Trace};

pub const HOST: &str = "mail.contoso.example";
pub const ANNA: &str = "anna@contoso.example";
pub const BORIS: &str = "boris@contoso.example";
/// An account without mail of its own, which may work in all mailboxes.
pub const SERVICE: &str = "CONTOSO\\svc-sync";
pub const PASSWORD: &str = "password: with a colon";

pub struct World {
    pub playground: Playground,
    _ca: tempfile::NamedTempFile,
    /// Of one process.
    connectors: Connectors,
}

/// How somebody logs in.
#[derive(Clone)]
pub struct Who {
    pub username: &'static str,
    pub password: &'static str,
    pub address: &'static str,
    pub access: Option<Access>,
    pub authentication: Authentication,
    pub path: &'static str,
    pub tracked: &'static [&'static str],
    pub category: Option<&'static str>,
    pub sent_items: SentItems,
    pub timeout_seconds: u32,
}

pub const SELF: Who = Who {
    username: ANNA,
    password: PASSWORD,
    address: ANNA,
    access: None,
    authentication: Authentication::Auto,
    path: "/EWS/Exchange.asmx",
    tracked: &[],
    category: None,
    sent_items: SentItems::Ignored,
    timeout_seconds: 20,
};

pub fn options() -> Options {
    let mut users: Vec<User> =
        [ANNA, BORIS].map(|address| User::new(address, address, PASSWORD)).into_iter().collect();
    users.push(User::new("svc-sync@contoso.example", SERVICE, PASSWORD));
    Options {
        host_names: vec![HOST.to_owned(), "localhost".to_owned()],
        users,
        impersonation: Impersonation::By(SERVICE.to_owned()),
        ..Options::default()
    }
}

impl World {
    pub fn new() -> Self {
        let playground = Playground::start(options()).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), playground.ca_pem()).unwrap();
        let host = HostSettings {
            trust: BTreeMap::from([(Name::parse("ca").unwrap(), ca.path().to_owned())]),
            connect: BTreeMap::from([((HOST.to_owned(), 443), playground.exchange().address())]),
            ..HostSettings::default()
        };
        Self { playground, _ca: ca, connectors: Connectors::new(Network::new(&host)) }
    }

    /// Streams of notifications are to give a sign of life within this time.
    pub fn hearing_within(self, silence_max: std::time::Duration) -> Self {
        Self { connectors: self.connectors.hearing_within(silence_max), ..self }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        self.connectors.connector(ServerKind::Exchange).unwrap()
    }

    pub async fn receive(&self, who: &Who) -> Result<Box<dyn Receive>, RemoteError> {
        let mut trace = Trace::new(Arc::new(SystemClock::new()));
        self.connector().receive(&destination(who), &mut trace).await
    }

    pub async fn submit(&self, who: &Who) -> Result<Box<dyn Submit>, RemoteError> {
        let mut trace = Trace::new(Arc::new(SystemClock::new()));
        self.connector().submit(&destination(who), &mut trace).await
    }

    /// The names of the operations that were asked for.
    pub fn operations(&self) -> Vec<String> {
        self.playground.exchange().calls().into_iter().map(|call| call.operation).collect()
    }
}

pub fn destination(who: &Who) -> Destination {
    Destination {
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse(who.address).unwrap(),
        profile: Name::parse("hq").unwrap(),
        kind: ServerKind::Exchange,
        endpoint: Endpoint {
            host: HOST.to_owned(),
            port: NonZeroU16::new(443),
            tls: TlsMode::Implicit,
            authentication: who.authentication,
            credentials: Credentials::Mailbox,
            timeout_seconds: Some(who.timeout_seconds),
        },
        trust: Some(Name::parse("ca").unwrap()),
        login: Login::Password {
            username: who.username.to_owned(),
            password: Secret::new(who.password.to_owned()),
        },
        service: Some(WebService {
            location: WebLocation::Path(who.path.to_owned()),
            access: who.access,
            tracked: who.tracked.iter().map(|&path| path.to_owned()).collect(),
            category: who.category.map(str::to_owned),
            sent_items: who.sent_items,
        }),
    }
}

/// The cursor behind everything that a listing shows.
pub fn behind(listing: &Listing) -> Cursor {
    let Listing::Exchange { state, .. } = listing else { panic!("{listing:?}") };
    let state = mailplumb::model::cursor::SyncState(Some(state.clone()));
    Cursor::Exchange { state, ahead: Default::default() }
}

pub async fn whole(session: &mut Box<dyn Receive>, listing: &Listing) -> Vec<Content> {
    let fetched = session.fetch(listing.messages(), Part::Whole).await.unwrap();
    fetched.into_iter().map(|Fetched { content, .. }| content).collect()
}

pub fn ids(listing: &Listing) -> Vec<RemoteId> {
    listing.messages().iter().map(|message| message.id.clone()).collect()
}
