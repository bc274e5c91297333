//! `mailplumb describe`

mod in_use;
mod mailbox;
mod organization;
mod profile;
mod secret;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::read;
use super::exit::{DONE, Failure, Outcome};
use super::listing::FORMAT_VERSION;
use super::uses::Uses;
use super::view::SecretView;
use super::{Format, Global, output, resource};
use crate::model::organization::Organization;
use crate::model::plan::Target;
use crate::store::Store;
use crate::store::report::Report;
use crate::store::sqlite::SqliteStore;

/// Tell everything about one mailbox, profile or secret
///
/// What is declared, in which state each operation is and since when, why something does not work and what to do, what waits to
/// be sent, and the latest alerts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb describe mailbox/support\n  mailplumb describe support@contoso.example\n  \
                        mailplumb describe profile/hq-exchange --output json"
)]
pub struct Describe {
    /// Its address, or a name or mail address that nothing else has
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Print it in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb describe --output json`. Exactly one of `organization`, `profile`, `mailbox` and `secret` is there.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Describe")]
pub struct Document {
    format_version: &'static str,
    /// `mailbox/anna`
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Organization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<profile::ProfileTold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox: Option<Box<mailbox::MailboxTold>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretView>,
}

impl Describe {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let document = read(self.document(&store))?;
        match self.output {
            Format::Json => output::json(&document)?,
            Format::Text => print(&document)?,
        }
        Ok(DONE)
    }

    async fn document(&self, store: &SqliteStore) -> Result<Document, Failure> {
        let stored = store.stored().await?;
        let target = resource::find(&self.address, &stored)?;
        let mut document = Document {
            format_version: FORMAT_VERSION,
            resource: target.to_string(),
            organization: None,
            profile: None,
            mailbox: None,
            secret: None,
        };
        match &target {
            Target::Organization => document.organization = stored.organization,
            Target::Profile(name) => document.profile = profile::tell(store, name).await?,
            Target::Mailbox(name) => document.mailbox = mailbox::tell(store, name).await?.map(Box::new),
            Target::Secret(wanted) => {
                let users = Uses::of(&stored).users_of(wanted);
                let secrets = store.secrets().await?;
                let secret = secrets.iter().find(|one| one.secret == *wanted);
                document.secret = secret.map(|secret| SecretView::of(secret, users));
            }
        }
        Ok(document)
    }
}

fn print(document: &Document) -> Result<(), Failure> {
    if let Some(mailbox) = &document.mailbox {
        output::data(&mailbox::words(mailbox))?;
    }
    if let Some(profile) = &document.profile {
        output::data(&profile::words(profile))?;
    }
    if let Some(secret) = &document.secret {
        output::data(&secret::words(secret))?;
    }
    if let Some(organization) = &document.organization {
        output::data(&organization::words(organization))?;
    }
    Ok(())
}

/// `label   value` lines, the labels padded to one width.
fn lines(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let line = |(label, value): &(&str, String)| format!("  {label:<width$}  {}", output::shown(value));
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}
