//! What it costs to look at many mailboxes with nothing new in them: once with a login each, then over kept sessions.
//!
//! `cargo bench --bench poll -- SITE [CYCLES]`; SITE is a folder with `mail/`, `state.db`, `host.yaml` and `age.key` of an
//! installation that was applied and tested. Compare figures of one run only, beside a client that does the least:
//! its logins alone, and one NOOP on each open session.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints figures and stops at the unexpected"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mailplumb::engine::Engine;
use mailplumb::engine::clock::SystemClock;
use mailplumb::engine::drive::{self, Driven};
use mailplumb::engine::permits::Permits;
use mailplumb::manifest;
use mailplumb::model::event::{Event, Listener};
use mailplumb::model::name::Name;
use mailplumb::model::operation::Operation;
use mailplumb::model::problem::SourceFile;
use mailplumb::net::Network;
use mailplumb::remote::Pool;
use mailplumb::remote::connectors::Connectors;
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::{Discovery, Keyring};
use mailplumb::store::sqlite::{Open, SqliteStore, holder};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

struct Silent;

impl Listener for Silent {
    fn tell(&self, _: Event) {}
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(site) = arguments.next() else {
        println!("poll: no site given; see the head of benches/poll/main.rs");
        return;
    };
    let cycles: usize = arguments.next().map_or(5, |number| number.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(PathBuf::from(site), cycles));
}

async fn measure(site: PathBuf, cycles: usize) {
    let engine = Arc::new(engine(&site));
    let rows = engine.store.mailboxes().await.unwrap();
    let names: Vec<Name> = rows.into_iter().map(|row| row.stored.declared.name).collect();
    println!("{} mailboxes", names.len());
    for cycle in 0..=cycles {
        let begun = engine.clock.elapsed();
        let (done, found) = once(&engine, &names).await;
        let took = engine.clock.elapsed().saturating_sub(begun);
        let what = if cycle == 0 { "logins" } else { "kept sessions" };
        println!(
            "{what:<14} {:>8.3} s  done {done}, found {found}, kept {}, peak {} KiB",
            took.as_secs_f64(),
            engine.sessions.len(),
            peak_kib()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    engine.sessions.close().await;
}

/// One incoming cycle of every mailbox, as many at once as may be.
async fn once(engine: &Arc<Engine>, names: &[Name]) -> (usize, u64) {
    let mut running = JoinSet::new();
    for name in names {
        let (engine, name) = (Arc::clone(engine), name.clone());
        running.spawn(async move { drive::cycle(&engine, &name, Operation::Incoming).await.unwrap() });
    }
    let (mut done, mut found) = (0, 0);
    while let Some(driven) = running.join_next().await {
        if let Driven::Done(cycle) = driven.unwrap() {
            done += 1;
            found += cycle.found;
        }
    }
    (done, found)
}

fn engine(site: &Path) -> Engine {
    let path = site.join("host.yaml");
    let file = SourceFile {
        name: "host.yaml".into(),
        bytes: std::fs::read(&path).unwrap().into(),
        path,
        layer: None,
    };
    let host = manifest::host::read(&file).unwrap();
    let named = [site.join("age.key")];
    let discovery = Discovery { named: &named, environment: Environment::Process, ask_passphrase: &|_| None };
    Engine {
        store: Arc::new(SqliteStore::open(&site.join("state.db"), Open::Existing).unwrap()),
        remotes: Arc::new(Connectors::new(Network::new(&host))),
        secrets: Arc::new(Keyring::discover(&discovery).unwrap()),
        clock: Arc::new(SystemClock::new()),
        listener: Arc::new(Silent),
        holder: holder("bench"),
        permits: Permits::new(&host),
        sessions: Pool::new(host.connections.kept),
        stopping: CancellationToken::new(),
    }
}

fn peak_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("?").to_owned()
}
