//! `mailplumb get`

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::read;
use super::exit::{DONE, Failure, Outcome};
use super::listing::FORMAT_VERSION;
use super::selectors::Selectors;
use super::uses::Uses;
use super::view::{self, Operations, SecretSource, SecretView};
use super::{Global, output};
use crate::model::mailbox::{Mailbox, MailboxKind};
use crate::model::operation::Operation;
use crate::model::organization::Organization;
use crate::model::profile::Profile;
use crate::store::report::Report;
use crate::store::sqlite::SqliteStore;
use crate::store::{MailboxRow, Store};

/// List what is stored: profiles, mailboxes, secrets, the organization
///
/// As the last apply stored it. Without a kind, everything is listed. The options that choose mailboxes leave the other kinds out
/// unless they are named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb get\n  mailplumb get mailboxes --label team=sales\n  \
                        mailplumb get mailboxes --in-state disabled --output name\n  \
                        mailplumb get profiles --output yaml")]
pub struct Get {
    /// What to list; everything when it is left out
    #[arg(value_name = "WHAT")]
    what: Option<What>,
    #[command(flatten)]
    selectors: Selectors,
    /// Print in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    #[value(aliases = ["mailbox"])]
    Mailboxes,
    #[value(aliases = ["profile"])]
    Profiles,
    #[value(aliases = ["secret"])]
    Secrets,
    Organization,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Tables, for people
    Text,
    Json,
    Yaml,
    /// Addresses only, one on each line
    Name,
}

/// `mailplumb get --output json`. Kinds that were not asked for are left out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Get")]
pub struct Document {
    format_version: &'static str,
    /// Of the last apply; 0: nothing was applied yet.
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Organization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profiles: Option<Vec<ProfileView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Vec<SecretView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailboxes: Option<Vec<MailboxView>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ProfileView {
    /// `profile/hq`
    resource: String,
    /// How many mailboxes use it.
    mailboxes: usize,
    declared: Profile,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MailboxView {
    /// `mailbox/anna`
    resource: String,
    declared: Mailbox,
    /// "Process mail from" as it holds.
    process_from: Option<Timestamp>,
    operations: Operations,
}

impl Get {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let document = read(self.document(&store))?;
        match self.output {
            Form::Json => output::json(&document)?,
            Form::Yaml => output::yaml(&document)?,
            Form::Name => output::data(&names(&document).join("\n"))?,
            Form::Text => print(&document)?,
        }
        Ok(DONE)
    }

    fn wants(&self, what: What) -> bool {
        self.what.is_none_or(|wanted| wanted == what)
            && (what == What::Mailboxes || self.what.is_some() || self.selectors.is_empty())
    }

    async fn document(&self, store: &SqliteStore) -> Result<Document, Failure> {
        if self.what.is_some_and(|what| what != What::Mailboxes) && !self.selectors.is_empty() {
            return Err(Failure::new("the options that choose something choose mailboxes only")
                .hint("use them with `mailplumb get mailboxes`"));
        }
        let stored = store.stored().await?;
        let uses = Uses::of(&stored);
        let rows = store.mailboxes().await?;
        let chosen = if self.wants(What::Mailboxes) { Some(self.selectors.choose(rows)?) } else { None };
        let profile = |profile: &Profile| ProfileView {
            resource: format!("profile/{}", profile.name),
            mailboxes: uses.mailboxes_of(&profile.name),
            declared: profile.clone(),
        };
        let secrets = if self.wants(What::Secrets) { Some(store.secrets().await?) } else { None };
        let secrets = secrets.map(|secrets| {
            secrets.iter().map(|secret| SecretView::of(secret, uses.users_of(&secret.secret))).collect()
        });
        Ok(Document {
            format_version: FORMAT_VERSION,
            revision: stored.revision.0,
            organization: stored.organization.filter(|_| self.wants(What::Organization)),
            profiles: self.wants(What::Profiles).then(|| stored.profiles.values().map(profile).collect()),
            secrets,
            mailboxes: chosen.map(|rows| rows.into_iter().map(mailbox).collect()),
        })
    }
}

fn mailbox(row: MailboxRow) -> MailboxView {
    MailboxView {
        resource: format!("mailbox/{}", row.stored.declared.name),
        operations: view::operations(&row.stored.operations),
        process_from: row.stored.mail_from(),
        declared: row.stored.declared,
    }
}

fn names(document: &Document) -> Vec<String> {
    let organization = document.organization.iter().map(|_| "organization".to_owned());
    let secrets = document.secrets.iter().flatten().map(|one| one.resource.clone());
    let profiles = document.profiles.iter().flatten().map(|one| one.resource.clone());
    let mailboxes = document.mailboxes.iter().flatten().map(|one| one.resource.clone());
    organization.chain(secrets).chain(profiles).chain(mailboxes).collect()
}

fn print(document: &Document) -> Result<(), Failure> {
    let mut parts = Vec::new();
    if let Some(organization) = &document.organization {
        let recipients: Vec<&str> = organization.recipients.keys().map(String::as_str).collect();
        let recipients = if recipients.is_empty() { "-".to_owned() } else { recipients.join(", ") };
        let row = vec![organization.name.to_string(), recipients];
        parts.push(output::table(&["organization", "recipients"], vec![row]));
    }
    if let Some(profiles) = &document.profiles {
        let header = ["profile", "server", "active", "mailboxes", "owner"];
        parts.push(listed("profiles", &header, profiles.iter().map(profile_row).collect()));
    }
    if let Some(secrets) = &document.secrets {
        let header = ["secret", "source", "sealed to", "expires", "used by"];
        parts.push(listed("secrets", &header, secrets.iter().map(secret_row).collect()));
    }
    if let Some(mailboxes) = &document.mailboxes {
        let header = ["mailbox", "kind", "address", "profile", "incoming", "outgoing", "act"];
        parts.push(listed("mailboxes", &header, mailboxes.iter().map(mailbox_row).collect()));
    }
    output::data(&parts.join("\n\n"))
}

fn listed(what: &str, header: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { format!("no {what}") } else { output::table(header, rows) }
}

fn profile_row(profile: &ProfileView) -> Vec<String> {
    let declared = &profile.declared;
    vec![
        declared.name.to_string(),
        declared.server.kind().key().to_owned(),
        if declared.active { "yes" } else { "no" }.to_owned(),
        profile.mailboxes.to_string(),
        declared.owner.to_string(),
    ]
}

fn secret_row(secret: &SecretView) -> Vec<String> {
    let source = match secret.source {
        SecretSource::Age => "age",
        SecretSource::File => "file",
        SecretSource::Env => "env",
        SecretSource::Bundle => "bundle",
    };
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let users = match secret.used_by.as_slice() {
        [] => "-".to_owned(),
        [only] => only.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    };
    vec![
        secret.resource.trim_start_matches("secret/").to_owned(),
        match &secret.place {
            Some(place) => format!("{source} {place}"),
            None => source.to_owned(),
        },
        dash(secret.sealed_to.join(", ")),
        secret.expires.map_or_else(|| "-".to_owned(), |date| date.to_string()),
        users,
    ]
}

fn mailbox_row(mailbox: &MailboxView) -> Vec<String> {
    let declared = &mailbox.declared;
    let state = |operation| mailbox.operations.get(&operation).map_or_else(String::new, |of| of.text.clone());
    vec![
        declared.name.to_string(),
        kind_words(declared.kind).to_owned(),
        declared.address.to_string(),
        declared.profile.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        state(Operation::Incoming),
        state(Operation::Outgoing),
        state(Operation::Act),
    ]
}

pub fn kind_words(kind: MailboxKind) -> &'static str {
    match kind {
        MailboxKind::User => "user",
        MailboxKind::Queue => "queue",
        MailboxKind::Forward => "forward",
    }
}
