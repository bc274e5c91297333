//! Choosing mailboxes on the command line.

use std::sync::Arc;

use clap::Args;
use tokio::task::JoinSet;

use super::exit::Failure;
use crate::engine::Engine;
use crate::model::name::Name;
use crate::model::organization::ApprovalSource;
use crate::model::{likeness, limits};
use crate::store::{MailboxRow, Store};

/// Which mailboxes; all of them when nothing is said.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Mailboxes, by name, `mailbox/NAME` or address; `profile/NAME` for all of a profile
    #[arg(value_name = "MAILBOX")]
    mailboxes: Vec<String>,
    /// All mailboxes of this profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl Selection {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.mailboxes.is_empty() && self.profile.is_none()
    }

    /// Whether somebody means a certain mailbox, and not whatever there is.
    pub fn is_explicit(&self) -> bool {
        self.mailboxes.iter().any(|wanted| !wanted.starts_with("profile/"))
    }

    /// Those that were named one by one.
    pub fn named(&self) -> &[String] {
        &self.mailboxes
    }

    /// The chosen mailboxes that are active. Those left out because they are inactive are named.
    pub async fn choose(&self, store: &dyn Store) -> Result<Vec<Name>, Failure> {
        let rows = store.mailboxes().await?;
        let mut chosen = Vec::new();
        for wanted in &self.mailboxes {
            if let Some(profile) = wanted.strip_prefix("profile/") {
                chosen.extend(of_profile(&rows, profile)?);
                continue;
            }
            let wanted = wanted.strip_prefix("mailbox/").unwrap_or(wanted);
            let Some(row) = rows.iter().find(|row| is_named(row, wanted)) else {
                return Err(unknown(wanted, &rows));
            };
            // Named twice, by name and by address, it is still one.
            if !chosen
                .iter()
                .any(|known: &&MailboxRow| known.stored.declared.name == row.stored.declared.name)
            {
                chosen.push(row);
            }
        }
        if self.mailboxes.is_empty() {
            chosen.extend(&rows);
        }
        if let Some(profile) = &self.profile {
            chosen.retain(|row| row.profile.as_ref().is_some_and(|of| of.name.as_str() == profile));
            if chosen.is_empty() {
                return Err(Failure::new(format!("no mailbox uses a profile `{profile}`"))
                    .hint("`mailplumb status` lists mailboxes with their profiles"));
            }
        }
        let (active, inactive): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|row| is_active(row));
        for row in inactive {
            super::output::talk(&format!("mailbox/{}: skipped, inactive", row.stored.declared.name));
        }
        Ok(active.into_iter().map(|row| row.stored.declared.name.clone()).collect())
    }
}

/// What makes a mailbox approved that is not.
pub async fn approval_hint(store: &dyn Store, mailbox: &Name) -> Result<String, Failure> {
    let source = store.organization().await?.map(|organization| organization.approval.source);
    Ok(match source {
        Some(ApprovalSource::Command) => format!("`mailplumb approve {mailbox}` approves it"),
        Some(ApprovalSource::Manifest) | None => {
            "its address is approved in the manifest, with `approved:`, and applied".to_owned()
        }
    })
}

/// Works on mailboxes side by side; the engine's permits say how many at once. One that fails does not stop the others. After
/// a request to stop, nothing new is begun, and what is under way has [`limits::STOP_GRACE`].
pub async fn side_by_side<T, W>(
    engine: &Arc<Engine>,
    mailboxes: Vec<Name>,
    work: impl Fn(Arc<Engine>, Name) -> W,
) -> Vec<Result<T, Failure>>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for name in mailboxes {
        let (stopping, work) = (engine.stopping.clone(), work(Arc::clone(engine), name));
        running.spawn(async move { if stopping.is_cancelled() { None } else { Some(work.await) } });
    }
    let mut results = Vec::new();
    let grace = async {
        engine.stopping.cancelled().await;
        tokio::time::sleep(limits::STOP_GRACE).await;
    };
    tokio::pin!(grace);
    let mut is_patient = true;
    loop {
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            // What does not end by itself ends as after a crash.
            () = &mut grace, if is_patient => {
                is_patient = false;
                running.abort_all();
                continue;
            }
        };
        let Some(ended) = ended else { break };
        match ended {
            Ok(Some(result)) => results.push(result),
            Ok(None) => {}
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                results.push(Err(Failure::new("internal error: the work on a mailbox died").cause(error)))
            }
        }
    }
    results
}

fn of_profile<'a>(rows: &'a [MailboxRow], profile: &str) -> Result<Vec<&'a MailboxRow>, Failure> {
    let is_of = |row: &&MailboxRow| row.profile.as_ref().is_some_and(|of| of.name.as_str() == profile);
    let found: Vec<&MailboxRow> = rows.iter().filter(is_of).collect();
    if found.is_empty() {
        return Err(Failure::new(format!("no mailbox uses a profile `{profile}`"))
            .hint("`mailplumb status` lists mailboxes with their profiles"));
    }
    Ok(found)
}

fn is_named(row: &MailboxRow, wanted: &str) -> bool {
    let declared = &row.stored.declared;
    declared.name.as_str() == wanted || declared.address.key() == wanted.to_lowercase()
}

fn is_active(row: &MailboxRow) -> bool {
    row.stored.declared.active && row.profile.as_ref().is_none_or(|profile| profile.active)
}

/// Refuses a name that no mailbox has, which otherwise would look like a mailbox without anything in it.
pub async fn must_be_known(store: &dyn Store, name: Option<&Name>) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    match store.mailbox(name).await? {
        Some(_) => Ok(()),
        None => Err(unknown(name.as_str(), &store.mailboxes().await?)),
    }
}

/// A mailbox that was named and is not in the store, with the nearest that is.
pub fn unknown(wanted: &str, rows: &[MailboxRow]) -> Failure {
    let names = rows.iter().map(|row| row.stored.declared.name.as_str());
    let failure = Failure::new(format!("no mailbox `{wanted}` in the store"));
    match likeness::nearest(wanted, names) {
        Some(name) => failure.hint(format!("did you mean `{name}`?")),
        None => failure.hint("`mailplumb status` lists them; a new one must be applied first"),
    }
}
