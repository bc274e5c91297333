//! One mailbox that sends, with its store and a full outbox.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailplumb::engine::clock::SystemClock;
use mailplumb::engine::drive::{self, Driven};
use mailplumb::engine::permits::Permits;
use mailplumb::engine::test_and_enable::{self, Which};
use mailplumb::engine::{Engine, apply, reconcile};
use mailplumb::model::event::{Event, Listener};
use mailplumb::model::host::{HostSettings, KeptSessions};
use mailplumb::model::name::{Address, Name};
use mailplumb::model::operation::Operation;
use mailplumb::model::outbox::NewOutgoing;
use mailplumb::model::plan::Policy;
use mailplumb::net::Network;
use mailplumb::plan;
use mailplumb::remote::Pool;
use mailplumb::remote::connectors::Connectors;
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::Keyring;
use mailplumb::source::directory::Directory;
use mailplumb::store::sqlite::{self, Open, SqliteStore};
use tokio_util::sync::CancellationToken;

use super::{Failed, Load};

pub struct Estate {
    engine: Engine,
    mailbox: Name,
}

/// Nobody listens: printing is not measured.
struct Silent;

impl Listener for Silent {
    fn tell(&self, _event: Event) {}
}

impl Estate {
    /// Applies and tests a manifest, and fills the outbox.
    pub async fn build(folder: &Path, port: u16, load: Load) -> Result<Self, Failed> {
        let host = HostSettings { allow_non_tls_email: true, given: true, ..HostSettings::default() };
        std::fs::create_dir(folder.join("mail"))?;
        std::fs::write(folder.join("mail/mailplumb.yaml"), manifest(port, load.sessions))?;
        let engine = engine(folder, &host)?;
        let loaded = reconcile::load(&Directory::new(vec![folder.join("mail")]), &host)?;
        let desired = loaded.desired.ok_or_else(|| format!("{:?}", loaded.problems))?;
        let plan = plan::plan(&desired, &engine.store.stored().await?, &policy());
        apply::apply(&engine, &plan, &desired).await?;
        let mailbox = Name::parse("sender").map_err(|error| format!("{error:?}"))?;
        test_and_enable::mailbox(&engine, &mailbox, Which::Needed).await?;
        let estate = Self { engine, mailbox };
        estate.fill(load).await?;
        Ok(estate)
    }

    async fn fill(&self, load: Load) -> Result<(), Failed> {
        let at = self.engine.clock.now();
        let recipient = Address::parse("b@example.com")?;
        for chunk in (0..load.messages).collect::<Vec<_>>().chunks(64) {
            let queued = chunk.iter().map(|number| NewOutgoing {
                mailbox: self.mailbox.clone(),
                recipients: vec![recipient.clone()],
                raw: letter(*number, load.bytes).into(),
                message_id: format!("{number}@example.org"),
                subject: None,
                idempotency_key: None,
                at,
            });
            let tasks = queued.map(|message| {
                let store = Arc::clone(&self.engine.store);
                tokio::spawn(async move { store.enqueue(&message).await })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await??;
            }
        }
        Ok(())
    }

    /// From the first look at the outbox to the last outcome that is durable.
    #[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
    pub async fn send(&self, load: Load) -> Result<Duration, Failed> {
        let begun = Instant::now();
        let driven = drive::cycle(&self.engine, &self.mailbox, Operation::Outgoing).await?;
        let took = begun.elapsed();
        match driven {
            Driven::Done(cycle) if cycle.sent == load.messages as u64 => Ok(took),
            other @ (Driven::Done(_) | Driven::Failed(..) | Driven::Skipped(_)) => {
                Err(format!("not everything was sent: {other:?}").into())
            }
        }
    }
}

fn engine(folder: &Path, host: &HostSettings) -> Result<Engine, Failed> {
    Ok(Engine {
        store: Arc::new(SqliteStore::open(&folder.join("state/state.db"), Open::CreateIfMissing)?),
        remotes: Arc::new(Connectors::new(Network::new(host))),
        secrets: Arc::new(Keyring::empty(Environment::fixed([]))),
        clock: Arc::new(SystemClock::new()),
        listener: Arc::new(Silent),
        holder: sqlite::holder("bench"),
        permits: Permits::default(),
        sessions: Pool::new(KeptSessions { count_max: 0, ..KeptSessions::default() }),
        stopping: CancellationToken::new(),
    })
}

fn policy() -> Policy {
    Policy {
        connectors: Connectors::kinds(),
        overrides: BTreeMap::new(),
        selection: mailplumb::model::selection::Selection::default(),
        compared: BTreeMap::new(),
        as_of: None,
    }
}

fn letter(number: usize, bytes: usize) -> Vec<u8> {
    let mut letter = format!(
        "From: a@example.org\r\nTo: b@example.com\r\nSubject: {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\n"
    );
    while letter.len() + 78 < bytes {
        letter.push_str("The quick brown fox jumps over the lazy dog, and so does every other of them.\r\n");
    }
    letter.into_bytes()
}

fn manifest(port: u16, sessions: usize) -> String {
    format!(
        "apiVersion: mailplumb/v1
kind: Organization
metadata: {{ name: bench }}
spec: {{}}
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: relay }}
spec:
  owner: a@example.org
  imapSmtp:
    incoming: {{ host: 127.0.0.1, tls: implicit, credentials: {{ mailbox: {{}} }} }}
    outgoing: {{ host: 127.0.0.1, port: {port}, tls: none, credentials: {{ anonymous: {{}} }} }}
  processing: {{ maxConcurrentConnections: {sessions} }}
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: {{ name: sender }}
spec:
  user: {{ displayName: Sender, address: a@example.org }}
  approved: a@example.org
  profile: relay
  incoming: none
  outgoing: server-side-sync
"
    )
}
