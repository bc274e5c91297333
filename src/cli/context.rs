//! Puts the concrete rooms together for a command: the only place that names stores and connectors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{self, Signal, SignalKind};
use tokio_util::sync::CancellationToken;

use super::discoveries::InStore;
use super::events::Printer;
use super::exit::{self, Failure};
use super::{Global, machine, open_files, output, problems};
use crate::engine::Engine;
use crate::engine::clock::SystemClock;
use crate::engine::permits::Permits;
use crate::engine::reading::{self, Against, Inputs, Survey};
use crate::manifest;
use crate::model::clock::Clock;
use crate::model::desired::Desired;
use crate::model::host::{HostSettings, KeptSessions};
use crate::model::plan::{Plan, Policy};
use crate::model::problem::{Problem, Severity, SourceFile};
use crate::model::revision::Revision;
use crate::model::selection::Selection;
use crate::net::Network;
use crate::remote::Pool;
use crate::remote::connectors::Connectors;
use crate::secrets::Presence;
use crate::secrets::environment::Environment;
use crate::secrets::identity::{AskPassphrase, Discovery, IdentityError, Keyring};
use crate::source::Source as _;
use crate::source::directory::Directory;
use crate::store::sqlite::{Open, SqliteStore};
use crate::store::{Store, StoreError};

impl Global {
    pub fn source(&self) -> Directory {
        let source = Directory::new(self.file.clone());
        if self.no_cache {
            return source;
        }
        source.remembering(self.state_path().with_file_name("reading.cache"))
    }

    /// The directory that holds the manifest, of several layers the first.
    pub fn manifest_directory(&self) -> PathBuf {
        directory_of(self.file.first())
    }

    /// The directory that holds the last layer: what is new is written there.
    pub fn last_directory(&self) -> PathBuf {
        directory_of(self.file.last())
    }

    /// The directories that hold the layers.
    pub fn directories(&self) -> Vec<PathBuf> {
        directories_of(&self.file)
    }

    /// The one directory or file of a command that works on one only.
    pub fn only_file(&self, purpose: &str) -> Result<&PathBuf, Failure> {
        match self.file.as_slice() {
            [only] => Ok(only),
            several => Err(Failure::new(format!("{purpose} takes one --file, not {}", several.len()))
                .code(exit::USAGE)
                .hint("name the layer that is meant")),
        }
    }

    /// The layers as people write them.
    pub fn shown_files(&self) -> String {
        self.file.iter().map(|path| shown(path)).collect::<Vec<_>>().join(" + ")
    }

    pub fn host_config_path(&self) -> Option<&Path> {
        self.host_config.as_deref()
    }

    pub fn state_path(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.manifest_directory().join(".mailplumb").join("state.db"))
    }

    /// The host file, or a host without one.
    pub fn host(&self) -> Result<HostSettings, Failure> {
        let Some(path) = &self.host_config else { return Ok(HostSettings::default()) };
        let bytes = std::fs::read(path).map_err(|error| {
            Failure::new(format!("the host file `{}` cannot be read", path.display()))
                .cause(error)
                .hint("name this host's file with --host-config, or leave the option out")
        })?;
        let name: Arc<str> = path.display().to_string().into();
        let file = SourceFile { name, path: path.clone(), bytes: bytes.into(), layer: None, fault: None };
        manifest::host::read(&file).map_err(|found| {
            problems::print(&found, std::slice::from_ref(&file));
            Failure::new(format!("the host file `{}` is not valid", path.display()))
        })
    }

    /// The host of a command that acts here: without a host file it allows nothing, whereas `plan` and `validate`
    /// may run elsewhere and only warn.
    pub fn acting_host(&self) -> Result<HostSettings, Failure> {
        Ok(HostSettings { given: true, ..self.host()? })
    }

    /// Reads the manifest beside what is stored of it, as far as something may be to do; problems are printed, and errors
    /// among them end the command.
    pub fn inputs(
        &self,
        host: &HostSettings,
        policy: &Policy,
        store: Option<&dyn Store>,
    ) -> Result<(Inputs, Desired), Failure> {
        let mut inputs = run(CancellationToken::new(), async {
            Ok(reading::inputs(&self.source(), host, policy, store).await?)
        })?;
        let Survey { files, problems, desired, .. } = &mut inputs.survey;
        let desired = shown_problems(files, problems, (desired.take(), policy))?;
        Ok((inputs, desired))
    }

    /// Reads the whole manifest; problems are printed, and errors among them end the command.
    pub fn desired(&self, host: &HostSettings, policy: &Policy) -> Result<Desired, Failure> {
        let files = self.source().load()?;
        let manifest::Reading { desired, problems, .. } = manifest::read(&files, host);
        shown_problems(&files, &problems, (desired, policy))
    }

    /// Reads the manifest for all but its mailboxes; problems are printed, and errors among them end the command.
    pub fn behind(&self, host: &HostSettings, policy: &Policy) -> Result<Desired, Failure> {
        let Survey { files, problems, desired, .. } =
            reading::survey(&self.source(), host, policy, Against::Nothing)?;
        shown_problems(&files, &problems, (desired, policy))
    }

    /// The store as it is. A default store that is missing is `None`; a missing one that was named is an error.
    pub fn store_to_read(&self) -> Result<Option<SqliteStore>, Failure> {
        match &self.state {
            None => self.store_if_there(),
            Some(path) => open_store(path, Open::ReadOnly).map(Some),
        }
    }

    /// The store as it is; `None` when there is none, or one whose creation did not get far.
    pub fn store_if_there(&self) -> Result<Option<SqliteStore>, Failure> {
        let path = self.state_path();
        match SqliteStore::open(&path, Open::ReadOnly) {
            Ok(store) => Ok(Some(store)),
            Err(StoreError::Missing(_)) => Ok(None),
            Err(error) => Err(at_store(error, &path)),
        }
    }

    /// The store, for a command that lists what is in it.
    pub fn store_to_list(&self) -> Result<SqliteStore, Failure> {
        self.store_to_read()?.ok_or_else(|| {
            Failure::new(format!("nothing was applied yet: no store at `{}`", shown(&self.state_path())))
                .hint("run `mailplumb apply`, or name the store with --state")
        })
    }

    /// The store, for a command that only makes sense with one.
    pub fn existing_store(&self, open: Open) -> Result<SqliteStore, Failure> {
        open_store(&self.state_path(), open)
    }

    fn discovery<'d>(&'d self, ask_passphrase: AskPassphrase<'d>) -> Discovery<'d> {
        Discovery { named: &self.identity, environment: Environment::Process, ask_passphrase }
    }

    /// The identities of this process. Their warnings are printed.
    pub fn keyring(&self) -> Result<Keyring, Failure> {
        let discovery = self.discovery(&super::secrets::ask_passphrase);
        warned(Keyring::discover_attended(&discovery, super::secrets::AtTerminal::found()))
    }

    /// Those that can be unlocked here, for work that can go on without. Their warnings are printed, and so is what was left
    /// out.
    pub fn keyring_at_hand(&self, asking: Presence) -> Result<Keyring, Failure> {
        let discovery = self.discovery(&super::secrets::ask_passphrase);
        let keyring = warned(Keyring::discover_at_hand(&discovery, asking))?;
        keyring.left_out().iter().for_each(|left_out| output::talk(&left_out.to_string()));
        Ok(keyring)
    }

    /// The identities that open without anybody being asked for anything. Their warnings are for whoever asks.
    pub fn unattended_keyring(&self) -> Keyring {
        Keyring::discover_unattended(&self.discovery(&|_| None))
    }

    /// No identity at all.
    pub fn no_keyring(&self) -> Keyring {
        Keyring::empty(Environment::Process)
    }

    /// An engine on an existing or new store, which does its work once.
    pub fn engine(&self, purpose: &str, open: Open) -> Result<Engine, Failure> {
        self.lasting_engine(purpose, open).map(once)
    }

    /// The same for whoever reads each mailbox again and again, over sessions that stay logged in.
    pub fn lasting_engine(&self, purpose: &str, open: Open) -> Result<Engine, Failure> {
        let store = open_store(&self.state_path(), open)?;
        self.engine_on(purpose, store, self.keyring()?)
    }

    /// An engine that opens no secret, on an existing store.
    pub fn engine_without_keys(&self, purpose: &str) -> Result<Engine, Failure> {
        self.engine_on(purpose, open_store(&self.state_path(), Open::Existing)?, self.no_keyring()).map(once)
    }

    /// An engine for a plan: a store that is made for a saved one gets the identity that it names.
    pub fn engine_for(&self, purpose: &str, plan: &Plan, keyring: Keyring) -> Result<Engine, Failure> {
        let path = self.state_path();
        let store = match (&plan.store, plan.revision) {
            (Some(id), Revision(0)) => SqliteStore::open_as(&path, Open::CreateIfMissing, Some(id)),
            (None, _) => SqliteStore::open_as(&path, Open::CreateIfMissing, None),
            (Some(_), _) => SqliteStore::open(&path, Open::Existing),
        };
        self.engine_on(purpose, store.map_err(|error| at_store(error, &path))?, keyring).map(once)
    }

    fn engine_on(&self, purpose: &str, store: SqliteStore, keyring: Keyring) -> Result<Engine, Failure> {
        let store: Arc<dyn Store> = Arc::new(store);
        let host = machine::named(open_files::raised(self.host()?));
        let network = Network::new(&host);
        let discoveries = Arc::new(InStore(Arc::clone(&store)));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Ok(Engine {
            store,
            remotes: Arc::new(Connectors::remembering(network, discoveries)),
            secrets: Arc::new(keyring),
            clock: Arc::clone(&clock),
            listener: Arc::new(Printer::new(clock)),
            holder: crate::store::sqlite::holder(purpose),
            permits: Permits::new(&host),
            sessions: Pool::new(host.connections.kept),
            stopping: CancellationToken::new(),
        })
    }
}

/// Nothing is read twice, so no session is kept: a server has places for so many only.
fn once(engine: Engine) -> Engine {
    Engine { sessions: Pool::new(KeptSessions::NONE), ..engine }
}

/// Prints what a person should know of the identities.
fn warned(discovered: Result<Keyring, IdentityError>) -> Result<Keyring, Failure> {
    let keyring = discovered.map_err(|error| Failure::new(error.to_string()).code(exit::UNDECRYPTABLE))?;
    warn_about(&keyring);
    Ok(keyring)
}

/// Once for each of them: `apply` looks for identities twice, to plan and to test.
pub fn warn_about(keyring: &Keyring) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for warning in keyring.warnings() {
        let words = warning.to_string();
        if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(words.clone()) {
            output::warning(&words);
        }
    }
}

fn shown_problems(
    files: &[SourceFile],
    problems: &[Problem],
    (desired, policy): (Option<Desired>, &Policy),
) -> Result<Desired, Failure> {
    problems::print(problems, files);
    let desired = desired.ok_or_else(|| invalid(problems))?;
    problems::print(&manifest::expiry::check(&desired, policy.as_of.unwrap_or_else(today)), files);
    Ok(desired)
}

/// The directories that these are, or that hold these files.
pub fn directories_of(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().map(|path| directory_of(Some(path))).collect()
}

/// The directory that a layer is, or that holds its file.
fn directory_of(path: Option<&PathBuf>) -> PathBuf {
    let Some(path) = path else { return PathBuf::from(".") };
    if path.is_dir() {
        return path.clone();
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Opens a store. What goes wrong says where.
fn open_store(path: &Path, open: Open) -> Result<SqliteStore, Failure> {
    SqliteStore::open(path, open).map_err(|error| at_store(error, path))
}

fn at_store(error: StoreError, path: &Path) -> Failure {
    let failure = Failure::from(error);
    let place = shown(path);
    if failure.message.contains(&place) { failure } else { failure.cause(format!("the store is `{place}`")) }
}

/// The failure of a manifest with errors.
pub fn invalid(problems: &[Problem]) -> Failure {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let noun = if errors == 1 { "error" } else { "errors" };
    Failure::new(format!("the manifest has {errors} {noun}; nothing was changed")).problems(problems)
}

/// What a plan of this build depends on beside the two states.
pub fn policy() -> Policy {
    Policy {
        connectors: Connectors::kinds(),
        overrides: std::collections::BTreeMap::new(),
        selection: Selection::default(),
        compared: std::collections::BTreeMap::new(),
        as_of: Some(today()),
    }
}

/// This day, in UTC.
pub fn today() -> jiff::civil::Date {
    SystemClock::new().now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// A path as people write it.
pub fn shown(path: &Path) -> String {
    output::shown(&path.display().to_string())
}

/// Runs work that ends by itself, as reading does, and that may be ended anywhere: Ctrl-C or SIGTERM do so at once.
pub fn read<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    run_until(signal(), work)
}

/// Runs asynchronous work. The first Ctrl-C or SIGTERM asks it to stop at a safe place, the second ends it at once.
pub fn run<T>(
    stopping: CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    run_until(signals(stopping), work)
}

fn run_until<T>(
    interrupted: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("the runtime cannot be started").cause(error))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = work => result,
            () = interrupted => Err(Failure::new("interrupted; what was under way ends as after a crash")
                .code(exit::INTERRUPTED)),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    crate::secrets::end_plugins();
    result
}

/// Ends at the second signal.
async fn signals(stopping: CancellationToken) {
    let mut signals = Signals::caught();
    for _ in 0..2 {
        signals.next().await;
        if !stopping.is_cancelled() {
            output::talk("stopping at the next safe place; once more to stop at once");
        }
        stopping.cancel();
    }
}

/// Ends at the first signal.
async fn signal() {
    Signals::caught().next().await;
}

/// Ctrl-C and SIGTERM. Without handlers they end the process, as the operating system does.
struct Signals(Option<(Signal, Signal)>);

impl Signals {
    fn caught() -> Self {
        let caught = (unix::signal(SignalKind::interrupt()), unix::signal(SignalKind::terminate()));
        let (Ok(interrupt), Ok(terminate)) = caught else { return Self(None) };
        Self(Some((interrupt, terminate)))
    }

    async fn next(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
