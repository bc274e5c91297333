//! `mailplumb watch`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use super::context::{policy, run};
use super::events::Printer;
use super::exit::{DONE, Failure, Outcome};
use super::{Global, output};
use crate::engine::Engine;
use crate::engine::watch::{self, Watch};
use crate::source::watch::Watcher;
use crate::store::sqlite::Open;

/// How long files must be quiet before they are read: editors and git write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// Follow the manifest and drive all mailboxes, until stopped
///
/// Applies the manifest whenever its files change. A change that is invalid, or that a guard refuses, is reported and the last
/// good configuration stays in force. Each enabled mailbox is read at its interval, and queued messages are sent at once.
/// Stops cleanly on SIGTERM and Ctrl-C.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  mailplumb watch --file /etc/mailplumb --state /var/lib/mailplumb/state.db"
)]
pub struct WatchCommand {}

impl WatchCommand {
    pub fn run(self, global: &Global) -> Outcome {
        let mut engine = global.engine("watch", Open::CreateIfMissing)?;
        engine.listener = Arc::new(Printer::stamped(engine.clock.clone()));
        let engine = Arc::new(engine);
        let host = global.acting_host()?;
        run(engine.stopping.clone(), async {
            let changes = follow(global, &engine)?;
            output::talk(&format!(
                "watching {}, state in {}; stop with Ctrl-C",
                global.file.display(),
                global.state_path().display()
            ));
            let watch = Watch {
                engine: Arc::clone(&engine),
                source: Arc::new(global.source()),
                host,
                policy: policy(),
                changes,
            };
            watch::run(watch).await?;
            output::talk("stopped");
            Ok(DONE)
        })
    }
}

/// Tells when files may have changed.
fn follow(global: &Global, engine: &Arc<Engine>) -> Result<mpsc::Receiver<()>, Failure> {
    let mut watcher = Watcher::start(std::slice::from_ref(&global.file), DEBOUNCE)
        .map_err(|error| Failure::new("the manifest cannot be followed").cause(error))?;
    let (sender, changes) = mpsc::channel(1);
    let stopping = engine.stopping.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                changed = watcher.changed() => {
                    if changed.is_none() || sender.send(()).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    Ok(changes)
}
