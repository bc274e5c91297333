//! `mailplumb state show`

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::context::read;
use crate::cli::exit::{DONE, Failure, Outcome};
use crate::cli::listing::FORMAT_VERSION;
use crate::cli::uses::Uses;
use crate::cli::view::{self, OperationView, SecretView};
use crate::cli::{Format, Global, output, resource};
use crate::model::cursor::Cursor;
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::organization::Organization;
use crate::model::plan::Target;
use crate::model::profile::Profile;
use crate::model::stored::Stored;
use crate::store::Store;
use crate::store::report::Report;
use crate::store::sqlite::SqliteStore;

/// Show everything that is stored of one thing
///
/// As YAML, or as JSON. Of secrets, digests and names of recipients; never a value and never a ciphertext. `mailplumb describe`
/// tells the same for people.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb state show mailbox/support\n  mailplumb state show secret/mail/password\n  \
                        mailplumb state show support@contoso.example --output json"
)]
pub struct Show {
    /// Its address, or a name or mail address that nothing else has
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Print it in this form; the text is YAML
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb state show --output json`. Exactly one of `organization`, `profile`, `mailbox` and `secret` is there.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StateShow")]
pub struct Document {
    format_version: &'static str,
    /// Of the last apply.
    revision: u64,
    /// `mailbox/anna`
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Organization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox: Option<MailboxShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<SecretView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ProfileShown {
    declared: Profile,
    /// How many mailboxes use it.
    mailboxes: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MailboxShown {
    declared: Mailbox,
    /// "Process mail from" as it holds. Null: incoming was never enabled, and the mailbox has no date of its own.
    process_from: Option<Timestamp>,
    operations: BTreeMap<Operation, OperationShown>,
    cursor: Option<CursorView>,
    /// Digest of the inbox that the cursor belongs to. Null: never read.
    inbox: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OperationShown {
    status: OperationView,
    /// Digest of what the last apply declared; another one needs a test.
    connection: Option<String>,
    /// Digest of what the last passed test proved.
    proved: Option<String>,
}

/// How far the inbox was read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CursorView {
    /// `imap`, `pop3` or `exchange`
    pub kind: &'static str,
    /// IMAP only.
    pub uid_validity: Option<u32>,
    /// IMAP only: all messages up to this one have been dealt with.
    pub uid_last: Option<u32>,
    /// POP3: how many messages that were dealt with the server still lists. Exchange: how many beyond its last sync state.
    pub seen: Option<usize>,
}

impl CursorView {
    /// `None`: never read.
    pub fn of(cursor: &Cursor) -> Option<Self> {
        match cursor {
            Cursor::Start => None,
            Cursor::Imap { validity, uid_last, mark: _ } => Some(Self {
                kind: "imap",
                uid_validity: Some(*validity),
                uid_last: Some(*uid_last),
                seen: None,
            }),
            Cursor::Pop3 { seen } => {
                Some(Self { kind: "pop3", uid_validity: None, uid_last: None, seen: Some(seen.len()) })
            }
            Cursor::Exchange { ahead, state: _ } => {
                Some(Self { kind: "exchange", uid_validity: None, uid_last: None, seen: Some(ahead.len()) })
            }
        }
    }
}

impl Show {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        let document = read(self.document(&store))?;
        match self.output {
            Format::Json => output::json(&document)?,
            Format::Text => output::yaml(&document)?,
        }
        Ok(DONE)
    }

    async fn document(&self, store: &SqliteStore) -> Result<Document, Failure> {
        let stored = store.stored().await?;
        let target = resource::find(&self.address, &stored)?;
        let mut document = Document {
            format_version: FORMAT_VERSION,
            revision: stored.revision.0,
            resource: target.to_string(),
            organization: None,
            profile: None,
            mailbox: None,
            secret: None,
        };
        match &target {
            Target::Organization => document.organization.clone_from(&stored.organization),
            Target::Profile(name) => {
                let mailboxes = Uses::of(&stored).mailboxes_of(name);
                let shown = |declared: &Profile| ProfileShown { declared: declared.clone(), mailboxes };
                document.profile = stored.profiles.get(name).map(shown);
            }
            Target::Mailbox(name) => document.mailbox = mailbox(store, &stored, name).await?,
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

async fn mailbox(store: &SqliteStore, stored: &Stored, name: &Name) -> Result<Option<MailboxShown>, Failure> {
    let Some(found) = stored.mailboxes.get(name) else { return Ok(None) };
    let digests = |operation: &Operation| found.operations.get(operation);
    let operations = view::operations(&found.operations).into_iter().map(|(operation, status)| {
        let connection = digests(&operation).and_then(|of| of.connection.as_ref());
        let proved = digests(&operation).and_then(|of| of.proved.as_ref());
        let shown = OperationShown {
            status,
            connection: connection.map(|digest| digest.0.clone()),
            proved: proved.map(|digest| digest.0.clone()),
        };
        (operation, shown)
    });
    Ok(Some(MailboxShown {
        declared: found.declared.clone(),
        process_from: found.mail_from(),
        operations: operations.collect(),
        cursor: CursorView::of(&store.cursor(name).await?),
        inbox: store.inbox(name).await?.map(|inbox| inbox.0),
    }))
}
