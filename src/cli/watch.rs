//! `mailplumb watch`

use std::sync::{Arc, PoisonError, RwLock};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::context::{policy, run};
use super::events::Printer;
use super::exit::{DONE, Failure, Outcome};
use super::{Global, exit};
use crate::engine::Engine;
use crate::engine::watch::{self, Watch};
use crate::model::limits;
use crate::model::secret::{BundleDigest, SealedBundle, SealedValue, Secret, SecretRef};
use crate::secrets::identity::Keyring;
use crate::secrets::{Presence, Unseal, UnsealError};
use crate::source::watch::Watcher;
use crate::source::{Files, Source};
use crate::store::sqlite::Open;

/// Follow the manifest and drive all mailboxes, until stopped
///
/// Applies the manifest whenever its files change and are quiet again; what is missing is deleted once it has been missing
/// for 5 seconds. A change that is invalid, or that a guard refuses, is reported and the last
/// good configuration stays in force. Each enabled mailbox is read at its interval, and queued messages are sent at once.
/// A mailbox whose test failed is tested again as soon as a file that its password comes from has changed. Stops cleanly on SIGTERM
/// and Ctrl-C; on SIGHUP reads the age identities again, and looks at the manifest and at those files.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  mailplumb watch --file /etc/mailplumb --state /var/lib/mailplumb/state.db"
)]
pub struct WatchCommand {}

impl WatchCommand {
    pub fn run(self, global: &Global) -> Outcome {
        if global.store_if_there()?.is_none() {
            // Nothing is in force that could stay so: a slip in the path is told, and no store is made.
            global.source().load()?;
        }
        let mut engine = global.lasting_engine("watch", Open::CreateIfMissing)?;
        let log = Arc::new(Printer::stamped(engine.clock.clone()));
        engine.listener = log.clone();
        let identities = Arc::new(Identities::new(global, log.clone())?);
        engine.secrets = Arc::clone(&identities) as Arc<dyn Unseal>;
        let engine = Arc::new(engine);
        let host = global.acting_host()?;
        run(engine.stopping.clone(), async {
            let changes = follow(global, &engine, identities)?;
            log.line(&format!(
                "watching {}, state in {}; stop with Ctrl-C",
                global.shown_files(),
                global.state_path().display()
            ));
            let watch = Watch {
                engine: Arc::clone(&engine),
                source: Arc::new(global.source()),
                host,
                policy: policy(),
                changes,
            };
            watch::run(watch, Box::new(Files::new(limits::WATCH_QUIET))).await?;
            log.line("stopped");
            Ok(DONE)
        })
    }
}

/// Tells when files may have changed, and reads the identities again on SIGHUP.
fn follow(
    global: &Global,
    engine: &Arc<Engine>,
    identities: Arc<Identities>,
) -> Result<mpsc::Receiver<()>, Failure> {
    let mut watcher = Watcher::start(&global.file, limits::WATCH_QUIET)
        .map_err(|error| Failure::new("the manifest cannot be followed").cause(error))?;
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Failure::new("signals cannot be received").cause(error))?;
    let (sender, changes) = mpsc::channel(1);
    let stopping = engine.stopping.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(()) = hangup.recv() => identities.read_again(),
                changed = watcher.changed() => if changed.is_none() { return },
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(changes)
}

/// The identities of this process, as they were last read.
struct Identities {
    global: Global,
    log: Arc<Printer>,
    keyring: RwLock<Arc<Keyring>>,
}

impl Identities {
    fn new(global: &Global, log: Arc<Printer>) -> Result<Self, Failure> {
        Ok(Self { global: global.clone(), log, keyring: RwLock::new(Arc::new(global.keyring()?)) })
    }

    /// Identities that cannot be read leave the former ones in force.
    fn read_again(&self) {
        match self.global.keyring() {
            Ok(keyring) => {
                *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
                self.log.line("read the identities again");
            }
            Err(failure) => exit::explain(&failure),
        }
    }
}

impl Identities {
    fn current(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Unseal for Identities {
    fn open(&self, name: &SecretRef, sealed: &SealedValue) -> Result<Secret<String>, UnsealError> {
        self.current().open(name, sealed)
    }

    fn open_unattended(&self, name: &SecretRef, sealed: &SealedValue) -> Result<Secret<String>, UnsealError> {
        self.current().open_unattended(name, sealed)
    }

    fn holds(&self, bundle: &BundleDigest) -> bool {
        self.current().holds(bundle)
    }

    fn open_bundle(
        &self,
        bundle: &BundleDigest,
        sealed: &SealedBundle,
        presence: Presence,
    ) -> Result<(), UnsealError> {
        self.current().open_bundle(bundle, sealed, presence)
    }
}
