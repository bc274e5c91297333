//! A folder with everything that one installation consists of, and engines that work on it. It can be used from another
//! process than the one that serves mail.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use mailplumb::engine::clock::SystemClock;
use mailplumb::engine::drive::{self, Driven};
use mailplumb::engine::permits::Permits;
use mailplumb::engine::test_and_enable::{self, Tested, Which};
use mailplumb::engine::{Engine, apply, reconcile};
use mailplumb::model::clock::Clock;
use mailplumb::model::desired::Desired;
use mailplumb::model::event::{Event, Listener};
use mailplumb::model::host::{HostSettings, KeptSessions};
use mailplumb::model::name::Name;
use mailplumb::model::operation::Operation;
use mailplumb::model::plan::{Plan, Policy};
use mailplumb::model::stored::StoredOperation;
use mailplumb::net::Network;
use mailplumb::plan;
use mailplumb::remote::Pool;
use mailplumb::remote::Remotes;
use mailplumb::remote::connectors::Connectors;
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::{Discovery, Keyring};
use mailplumb::source::directory::Directory;
use mailplumb::store::Store;
use mailplumb::store::sqlite::{self, Open, SqliteStore};

use crate::support::name_server::NameServer;

pub const HOST: &str = "mail.playground.test";

/// It knows no service, so that no search goes out into the world.
static NAME_SERVER: OnceLock<NameServer> = OnceLock::new();

/// An installation.
#[derive(Debug, Clone)]
pub struct Site {
    pub folder: PathBuf,
}

impl Site {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whom the ports of the manifest lead to: written by the process that serves mail.
    pub fn write_ports(&self, ports: &[(u16, SocketAddr)]) {
        let lines: String = ports.iter().map(|(port, address)| format!("{port} {address}\n")).collect();
        std::fs::write(self.path("ports"), lines).unwrap();
    }

    pub fn host(&self) -> HostSettings {
        let ports = std::fs::read_to_string(self.path("ports")).unwrap();
        let host = std::fs::read_to_string(self.path("host-name")).unwrap_or_else(|_| HOST.to_owned());
        let connect = ports.lines().map(|line| {
            let (port, address) = line.split_once(' ').unwrap();
            ((host.clone(), port.parse().unwrap()), address.parse().unwrap())
        });
        HostSettings {
            trust: BTreeMap::from([(Name::parse("playground").unwrap(), self.path("ca.pem"))]),
            connect: connect.collect(),
            given: true,
            name_servers: vec![NAME_SERVER.get_or_init(|| NameServer::start(&[])).at],
            // Only where the servers take passwords without TLS.
            allow_non_tls_email: self.path("clear").exists(),
            allow_basic_over_plaintext: self.path("clear").exists(),
            ..HostSettings::default()
        }
    }

    pub fn source(&self) -> Directory {
        Directory::new(vec![self.path("mail")])
    }

    pub fn desired(&self) -> Desired {
        let loaded = reconcile::load(&self.source(), &self.host()).unwrap();
        loaded.desired.unwrap_or_else(|| panic!("the manifest is invalid: {:#?}", loaded.problems))
    }

    pub fn keyring(&self) -> Keyring {
        let discovery = Discovery {
            named: &[self.path("age.key")],
            environment: Environment::fixed([]),
            ask_passphrase: &|_| None,
        };
        Keyring::discover(&discovery).unwrap()
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path("state/state.db"), Open::CreateIfMissing).unwrap())
    }

    pub fn remotes(&self) -> Arc<dyn Remotes> {
        Arc::new(Connectors::new(Network::new(&self.host())))
    }

    /// An engine of this process on this site.
    pub fn desk(&self) -> Desk {
        self.desk_through(|store, remotes| (store, remotes))
    }

    /// An engine whose store and servers are seen through something.
    pub fn desk_through(
        &self,
        see: impl FnOnce(Arc<dyn Store>, Arc<dyn Remotes>) -> (Arc<dyn Store>, Arc<dyn Remotes>),
    ) -> Desk {
        let (store, remotes) = see(self.store(), self.remotes());
        let clock = Arc::new(Shifted { system: SystemClock::new(), seconds: AtomicI64::new(0) });
        let heard = Arc::new(Recorder::default());
        let engine = Engine {
            store,
            remotes,
            secrets: Arc::new(self.keyring()),
            clock: clock.clone(),
            listener: heard.clone(),
            holder: sqlite::holder("test"),
            permits: Permits::default(),
            sessions: Pool::new(KeptSessions { count_max: 0, ..KeptSessions::default() }),
            stopping: CancellationToken::new(),
        };
        Desk { site: self.clone(), engine, heard, clock }
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn copy_to(&self, folder: &Path) -> Self {
        copy(&self.folder, folder);
        Self { folder: folder.to_owned() }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The machine's clock, which a test may put forward.
pub struct Shifted {
    system: SystemClock,
    seconds: AtomicI64,
}

impl Shifted {
    pub fn forward(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        self.system.now() + SignedDuration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        self.system.elapsed()
    }
}

/// Keeps every event.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Listener for Recorder {
    fn tell(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Recorder {
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub fn count(&self, is_counted: impl Fn(&Event) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| is_counted(event)).count()
    }
}

/// An engine and what it says.
pub struct Desk {
    pub site: Site,
    pub engine: Engine,
    pub heard: Arc<Recorder>,
    pub clock: Arc<Shifted>,
}

impl Desk {
    pub async fn plan(&self) -> (Desired, Plan) {
        let desired = self.site.desired();
        let plan = plan::plan(&desired, &self.engine.store.stored().await.unwrap(), &policy());
        (desired, plan)
    }

    /// Applies what differs and tests what waits for a test, one mailbox after the other.
    pub async fn apply(&self) -> Tested {
        let (desired, plan) = self.plan().await;
        if !plan.is_empty() {
            apply::apply(&self.engine, &plan, &desired).await.unwrap();
        }
        self.test_waiting().await
    }

    pub async fn test_waiting(&self) -> Tested {
        let mut tested = Tested::default();
        for row in self.engine.store.mailboxes().await.unwrap() {
            if row.stored.operations.values().any(StoredOperation::needs_test) {
                tested += self.test(row.stored.declared.name.as_str()).await;
            }
        }
        tested
    }

    pub async fn test(&self, mailbox: &str) -> Tested {
        test_and_enable::mailbox(&self.engine, &name(mailbox), Which::Needed).await.unwrap()
    }

    pub async fn cycle(&self, mailbox: &str, operation: Operation) -> Driven {
        drive::cycle(&self.engine, &name(mailbox), operation).await.unwrap()
    }

    pub async fn incoming(&self, mailbox: &str) -> Driven {
        self.cycle(mailbox, Operation::Incoming).await
    }

    pub async fn outgoing(&self, mailbox: &str) -> Driven {
        self.cycle(mailbox, Operation::Outgoing).await
    }

    /// One cycle of one operation of every mailbox, one after the other.
    pub async fn sync(&self, operation: Operation) {
        for row in self.engine.store.mailboxes().await.unwrap() {
            if drive::state_of(&row.stored.operations, operation).is_driven() {
                self.cycle(row.stored.declared.name.as_str(), operation).await;
            }
        }
    }

    /// The state of one operation, in words.
    pub async fn state(&self, mailbox: &str, operation: Operation) -> String {
        let row = self.engine.store.mailbox(&name(mailbox)).await.unwrap().unwrap();
        drive::standing_of(&row.stored.operations, operation).to_string()
    }
}

pub fn policy() -> Policy {
    Policy {
        connectors: Connectors::kinds(),
        overrides: BTreeMap::new(),
        selection: mailplumb::model::selection::Selection::default(),
        compared: BTreeMap::new(),
        as_of: None,
    }
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Who says in the events that somebody else was in the way.
pub fn skipped(events: &[Event]) -> BTreeSet<String> {
    let mut skipped = BTreeSet::new();
    for event in events {
        if let Event::Skipped { mailbox, reason } = event {
            skipped.insert(format!("{mailbox}: {reason}"));
        }
    }
    skipped
}
