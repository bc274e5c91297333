//! What does not depend on any server: the store, the keys, the secrets, the clock, rights, the host file.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::context::{read, shown, today};
use super::super::exit::Failure;
use super::super::{Global, open_files, output};
use super::Opened;
use crate::engine::clock::SystemClock;
use crate::engine::opening;
use crate::manifest::expiry::{self, Expiry};
use crate::model::clock::Clock;
use crate::model::host::HostSettings;
use crate::model::retirement::Retirement;
use crate::secrets::identity::Keyring;
use crate::secrets::{Unseal, UnsealError};
use crate::store::report::{Report, StoredSecret};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

/// Names that are told one by one.
const NAMES_SHOWN_MAX: usize = 5;
/// A store's moment further ahead than this tells of a clock that was put back.
const CLOCK_TOLERANCE_SECONDS: i64 = 120;

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Stable, for programs.
    pub check: &'static str,
    pub judgement: Judgement,
    /// What was found.
    pub what: String,
    /// What to do next.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    Good,
    /// Nothing wrong; good to know.
    Note,
    /// It works, and it should be looked at.
    Warning,
    Failed,
}

impl Checked {
    fn good(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, judgement: Judgement::Good, what: what.into(), remedy: None }
    }

    fn note(check: &'static str, what: impl Into<String>) -> Self {
        Self { judgement: Judgement::Note, ..Self::good(check, what) }
    }

    fn warning(check: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { judgement: Judgement::Warning, remedy: Some(remedy.into()), ..Self::good(check, what) }
    }

    fn failed(check: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { judgement: Judgement::Failed, ..Self::warning(check, what, remedy) }
    }

    pub fn is_failed(&self) -> bool {
        self.judgement == Judgement::Failed
    }
}

/// Looks at everything, in the order in which it is needed.
pub fn look(global: &Global, host: Result<&HostSettings, &Failure>) -> Result<Vec<Checked>, Failure> {
    let mut checked = host_file(global, host);
    let store = global.store_if_there();
    checked.extend(store_file(global, &store));
    let keyring = global.unattended_keyring();
    checked.extend(identities(&keyring));
    if let Ok(Some(store)) = store {
        checked.extend(read(in_store(&store, keyring))?);
    }
    Ok(checked)
}

fn host_file(global: &Global, host: Result<&HostSettings, &Failure>) -> Vec<Checked> {
    const CHECK: &str = "host file";
    let Some(path) = global.host_config_path() else {
        return vec![Checked::note(
            CHECK,
            "none is given: nothing beyond the defaults is allowed on this machine",
        )];
    };
    let host = match host {
        Ok(host) => host,
        Err(failure) => {
            let remedy = "mend it; `docs/host-file.md` lists what it may hold";
            return vec![Checked::failed(CHECK, words(failure), remedy)];
        }
    };
    let mut checked = vec![Checked::good(CHECK, format!("`{}` is valid", shown(path)))];
    checked.extend(writable_by_others(CHECK, path));
    for (name, bundle) in &host.trust {
        if let Err(error) = std::fs::metadata(bundle) {
            let what = format!("CA bundle `{name}` at `{}`: {error}", shown(bundle));
            checked.push(Checked::failed(
                CHECK,
                what,
                "correct its path in the host file, or put the file there",
            ));
        }
    }
    let allowed = host.connections.kept.count_max;
    let possible = open_files::raised(host.clone()).connections.kept.count_max;
    if possible < allowed {
        let what = format!(
            "only {possible} of {allowed} sessions can stay logged in: too few open files are allowed"
        );
        checked.push(Checked::warning(
            "open files",
            what,
            "raise the limit: `LimitNOFILE=` of the unit, or `ulimit -n`",
        ));
    }
    checked
}

fn words(failure: &Failure) -> String {
    let causes = failure.causes.iter().map(|cause| format!(": {cause}"));
    std::iter::once(failure.message.clone()).chain(causes).collect()
}

fn writable_by_others(check: &'static str, path: &Path) -> Option<Checked> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o022 != 0).then(|| {
        let what = format!("`{}` can be written by others (mode {:04o})", shown(path), mode & 0o7777);
        Checked::warning(check, what, format!("chmod go-w {}", shown(path)))
    })
}

fn store_file(global: &Global, store: &Opened) -> Vec<Checked> {
    const CHECK: &str = "store";
    let path = global.state_path();
    match store {
        Err(failure) => {
            let remedy = failure.hint.clone().unwrap_or_else(|| "run the command again".to_owned());
            vec![Checked::failed(CHECK, words(failure), remedy)]
        }
        Ok(None) => {
            let what = format!("nothing was applied yet: no store at `{}`", shown(&path));
            vec![Checked::warning(CHECK, what, "run `mailplumb apply`, or name the store with --state")]
        }
        Ok(Some(_)) => {
            let mut checked = vec![Checked::good(CHECK, format!("`{}` opens", shown(&path)))];
            let mode = std::fs::metadata(&path).map(|metadata| metadata.permissions().mode() & 0o7777);
            if let Some(mode) = mode.ok().filter(|mode| mode & 0o077 != 0) {
                let what = format!("others may read the store, and the mail in it (mode {mode:04o})");
                checked.push(Checked::warning(CHECK, what, format!("chmod 600 {}", shown(&path))));
            }
            checked
        }
    }
}

fn identities(keyring: &Keyring) -> Vec<Checked> {
    const CHECK: &str = "identities";
    let mut checked = Vec::new();
    if !keyring.is_empty() {
        let places: Vec<String> = keyring.places().iter().map(ToString::to_string).collect();
        checked.push(Checked::good(CHECK, format!("found at {}", places.join(", "))));
    }
    for warning in keyring.warnings() {
        checked.push(Checked::warning(CHECK, warning.to_string(), "see `mailplumb secrets --help`"));
    }
    for left_out in keyring.left_out() {
        checked.push(Checked::note(CHECK, left_out.to_string()));
    }
    checked
}

async fn in_store(store: &SqliteStore, keyring: Keyring) -> Result<Vec<Checked>, Failure> {
    let secrets = store.secrets().await?;
    let mut checked = open_secrets(store, &secrets, Arc::new(keyring)).await?;
    checked.extend(expiring(&secrets, today()));
    for (name, profile) in store.profiles().await? {
        let Some((file, day)) = expiry::certificate_of(&profile) else { continue };
        let subject = format!("the certificate `{file}` of profile `{name}`");
        checked.extend(expiring_one(&subject, (Some(day), today()), || expiry::RENEW_CERTIFICATE.to_owned()));
    }
    checked.extend(retired(store, today()).await?);
    checked.extend(clock(store, SystemClock::new().now()).await?);
    Ok(checked)
}

/// Whether what `watch` needs can be opened on this machine.
async fn open_secrets(
    store: &SqliteStore,
    secrets: &[StoredSecret],
    keyring: Arc<Keyring>,
) -> Result<Vec<Checked>, StoreError> {
    const CHECK: &str = "secrets";
    let has_identity = !keyring.is_empty();
    let unseal: Arc<dyn Unseal> = keyring;
    let (mut opened, mut shut) = (0_usize, BTreeMap::<String, Vec<String>>::new());
    for secret in secrets {
        let name = &secret.secret;
        let Some(sealed) = store.sealed(name).await? else { continue };
        match opening::stored_value(store, &unseal, name, sealed).await? {
            Ok(_) => opened += 1,
            Err(error) => shut.entry(reason(&error)).or_default().push(name.to_string()),
        }
    }
    if shut.is_empty() {
        let what = match opened {
            0 => "none is declared".to_owned(),
            count => format!("{} open here", output::counted(count, "secret", "secrets")),
        };
        return Ok(vec![Checked::good(CHECK, what)]);
    }
    let remedy = match has_identity {
        true => "encrypt them to this machine's recipient: `mailplumb secrets rekey`, then `mailplumb apply`",
        false => "give an identity with --identity, MAILPLUMB_AGE_KEY_FILE or $CREDENTIALS_DIRECTORY/age.key",
    };
    let failed = |(reason, names): (&String, &Vec<String>)| {
        let what = format!("{} of {} do not open: {reason} ({})", names.len(), secrets.len(), some_of(names));
        Checked::failed(CHECK, what, remedy)
    };
    Ok(shut.iter().map(failed).collect())
}

fn reason(error: &UnsealError) -> String {
    error.to_string()
}

fn some_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN_MAX);
    let shown = names.iter().take(NAMES_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn expiring(secrets: &[StoredSecret], today: Date) -> Vec<Checked> {
    let one = |secret: &StoredSecret| {
        let name = &secret.secret;
        let remedy = || format!("renew it, then `mailplumb secrets set {name}` and `mailplumb apply`");
        expiring_one(&format!("secret `{name}`"), (secret.expires, today), remedy)
    };
    secrets.iter().filter_map(one).collect()
}

fn expiring_one(
    subject: &str,
    (expires, today): (Option<Date>, Date),
    remedy: impl Fn() -> String,
) -> Option<Checked> {
    const CHECK: &str = "expiry";
    let counted = |days: i64| output::counted(days as usize, "day", "days");
    match expiry::judge(expires, today) {
        Expiry::Far => None,
        Expiry::Soon(days) => {
            Some(Checked::warning(CHECK, format!("{subject} expires in {}", counted(days)), remedy()))
        }
        Expiry::Past(days) => {
            Some(Checked::failed(CHECK, format!("{subject} expired {} ago", counted(days)), remedy()))
        }
    }
}

/// What providers switch off, or have.
async fn retired(store: &SqliteStore, today: Date) -> Result<Vec<Checked>, StoreError> {
    const CHECK: &str = "retirements";
    let mut checked = Vec::new();
    for (name, profile) in store.profiles().await? {
        for retirement in Retirement::of(&profile) {
            let what = format!("profile/{name}: {}", retirement.words(today));
            checked.push(match retirement.has_ended(today) {
                true => Checked::failed(CHECK, what, retirement.remedy),
                false => Checked::warning(CHECK, what, retirement.remedy),
            });
        }
    }
    Ok(checked)
}

/// What was stored cannot lie in the future.
async fn clock(store: &SqliteStore, now: Timestamp) -> Result<Vec<Checked>, StoreError> {
    const CHECK: &str = "clock";
    let applied = store.revisions(1).await?.pop().map(|entry| entry.applied_at);
    let rows = store.mailboxes().await?;
    let moments = rows.iter().flat_map(|row| row.stored.operations.values());
    let newest = moments
        .flat_map(|operation| [operation.cycle_at, operation.tested_at])
        .flatten()
        .chain(applied)
        .max();
    let ahead = newest.map_or(0, |newest| newest.duration_since(now).as_secs());
    Ok(vec![if ahead > CLOCK_TOLERANCE_SECONDS {
        let what = format!(
            "the store was written {ahead} s in the future: the clock was ahead then, or is behind now"
        );
        Checked::warning(CHECK, what, "synchronise the clock (NTP)")
    } else {
        Checked::good(CHECK, format!("it is {}; nothing in the store is later", output::moment(now)))
    }])
}
