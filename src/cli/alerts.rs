//! `mailplumb alerts`

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::read;
use super::exit::{DONE, Failure, Outcome};
use super::listing::FORMAT_VERSION;
use super::messages::parse_name;
use super::outbox::parse_address;
use super::{Format, Global, mailboxes, output, typed};
use crate::model::alert::Alert;
use crate::model::limits;
use crate::model::name::{Address, Name};
use crate::store::Store;
use crate::store::report::Report;
use crate::store::sqlite::SqliteStore;

/// List what a person should know
///
/// Newest first: operations that began to fail, were disabled or work again, and messages that a person has to look at.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb alerts --limit 20\n  mailplumb alerts --mailbox support")]
pub struct Alerts {
    /// Only those about this mailbox
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    mailbox: Option<Name>,
    /// Only those that are this owner's business
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    owner: Option<Address>,
    /// Print at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u64,
    /// Print the alerts in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb alerts --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Alerts")]
pub struct Document {
    format_version: &'static str,
    /// Newest first.
    alerts: Vec<Alert>,
}

impl Alerts {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let alerts = read(self.found(&store))?;
        match self.output {
            Format::Json => output::json(&Document { format_version: FORMAT_VERSION, alerts })?,
            Format::Text => {
                output::data(&alerts.iter().map(words).collect::<Vec<_>>().join("\n"))?;
                output::talk(&format!("{} shown", output::counted(alerts.len(), "alert", "alerts")));
            }
        }
        Ok(DONE)
    }

    async fn found(&self, store: &SqliteStore) -> Result<Vec<Alert>, Failure> {
        let Some(owner) = &self.owner else { return self.about(store, self.limit).await };
        let mut alerts = self.about(store, limits::ALERTS_MAX).await?;
        alerts.retain(|alert| alert.owners.iter().any(|one| one.key() == owner.key()));
        alerts.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        Ok(alerts)
    }

    async fn about(&self, store: &SqliteStore, limit: u64) -> Result<Vec<Alert>, Failure> {
        let Some(mailbox) = &self.mailbox else { return Ok(store.alerts(limit).await?) };
        let alerts = store.alerts_about(mailbox, limit).await?;
        // Of a mailbox that was deleted, alerts may be left.
        if alerts.is_empty() {
            mailboxes::must_be_known(store, Some(mailbox)).await?;
        }
        Ok(alerts)
    }
}

/// Two lines: what, and what to do.
pub fn words(alert: &Alert) -> String {
    let subject = match (&alert.mailbox, &alert.operation) {
        (Some(mailbox), Some(operation)) => format!("mailbox/{mailbox} {operation}"),
        (Some(mailbox), None) => format!("mailbox/{mailbox}"),
        (None, _) => alert.profile.as_ref().map_or_else(String::new, |name| format!("profile/{name}")),
    };
    let owners: Vec<&str> = alert.owners.iter().map(Address::as_str).collect();
    let owners = if owners.is_empty() { String::new() } else { format!("\n    for: {}", owners.join(", ")) };
    format!(
        "{}  {:<11}  {:<22}  {subject}: {}\n    do: {}{owners}",
        output::moment(alert.at),
        alert.level.key(),
        alert.code,
        output::shown(&alert.cause),
        typed::remedy(&alert.remedy)
    )
}
