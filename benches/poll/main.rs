//! What it costs to look at many mailboxes with nothing new in them: once with a login each, then over kept sessions.
//!
//! `benches/mail/bench.py poll` makes an installation with a thousand mailboxes, runs this beside a client that does the
//! least, and prints the table. By hand: `cargo bench --bench poll -- SITE [CYCLES]`; SITE is a folder with `state.db`,
//! `host.yaml` and, where there are ciphertexts, `age.key` of an installation that was applied and tested. Compare figures
//! of one run only.

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
        println!("poll: no site given; run `benches/mail/bench.py poll`");
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
    let (mut logins, mut kept, mut cpu) = (0.0, Vec::new(), Vec::new());
    let (mut done, mut found) = (0, 0);
    for cycle in 0..=cycles {
        let (begun, worked) = (engine.clock.elapsed(), cpu_seconds());
        (done, found) = once(&engine, &names).await;
        let took = engine.clock.elapsed().saturating_sub(begun).as_secs_f64();
        if cycle == 0 {
            logins = took;
        } else {
            kept.push(took);
            cpu.push(cpu_seconds() - worked);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let (kept, cpu) = (median(kept), median(cpu));
    let (sessions, peak) = (engine.sessions.len(), peak_kib());
    println!(
        "{{\"logins\": {logins:.4}, \"kept\": {kept:.4}, \"keptCpu\": {cpu:.4}, \"done\": {done}, \"found\": {found}, \
         \"sessions\": {sessions}, \"peakKib\": {peak}}}"
    );
    engine.sessions.close().await;
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
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
        fault: None,
    };
    let host = manifest::host::read(&file).unwrap();
    let named: Vec<PathBuf> = [site.join("age.key")].into_iter().filter(|path| path.exists()).collect();
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
