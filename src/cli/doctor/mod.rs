//! `mailplumb doctor`

mod installation;
mod text;
mod told;

use std::sync::Arc;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use self::installation::Checked;
use self::told::Told;
use super::context::run;
use super::exit::{DONE, Failure, Outcome, TEST_FAILED};
use super::listing::FORMAT_VERSION;
use super::mailboxes::{Selection, side_by_side};
use super::{Format, Global, output};
use crate::engine::Engine;
use crate::engine::doctor::{self, Logins, Request, Sending};
use crate::model::examination::Examination;
use crate::model::host::HostSettings;
use crate::store::StoreError;
use crate::store::sqlite::{Open, SqliteStore};

/// Find out what does not work, why, and what to do
///
/// Takes the steps of `test` with the real servers and explains them: name, connection, TLS with its certificates, what the server
/// offers, every way to log in that both sides know, listing and reading. Nothing is changed: no state, no lease, no mail, and
/// nothing is sent unless `--send` asks for it. Without a mailbox or profile it also looks at this installation: store, keys,
/// secrets, clock, rights, host file; `mailplumb doctor installation` looks at that alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb doctor\n  mailplumb doctor installation\n  mailplumb doctor mailbox/support\n  \
                        mailplumb doctor profile/provider-imap --output json\n  mailplumb doctor support --send"
)]
pub struct Doctor {
    #[command(flatten)]
    selection: Selection,
    /// Also send a message from each mailbox to itself; it is recognised when it arrives and becomes no record
    #[arg(long)]
    send: bool,
    /// Log in once only, and leave the other mechanisms that the server offers untried
    #[arg(long)]
    one_login: bool,
    /// Print what was found in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb doctor --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Doctor")]
pub struct Document {
    format_version: &'static str,
    /// Whether everything works that was looked at. Remarks do not count.
    works: bool,
    /// Of this machine; empty when mailboxes or profiles were named.
    installation: Vec<Checked>,
    /// One for each direction of each mailbox.
    mailboxes: Vec<Told>,
}

/// What is looked at.
enum Subject {
    Installation,
    Mailboxes,
    Everything,
}

impl Doctor {
    pub fn run(self, global: &Global) -> Outcome {
        let subject = self.subject();
        let host = global.host();
        let mut document = Document {
            format_version: FORMAT_VERSION,
            works: true,
            installation: Vec::new(),
            mailboxes: Vec::new(),
        };
        match subject {
            Subject::Installation | Subject::Everything => {
                document.installation = installation::look(global, host.as_ref())?;
            }
            Subject::Mailboxes => {}
        }
        let can_speak = host.is_ok() && global.store_if_there().is_ok_and(|store| store.is_some());
        match subject {
            Subject::Installation => {}
            // What stands in the way was said already.
            Subject::Everything if !can_speak => {}
            Subject::Everything | Subject::Mailboxes => {
                document.mailboxes = self.examine(global, host?)?;
            }
        }
        document.works = document.installation.iter().all(|checked| !checked.is_failed())
            && document.mailboxes.iter().all(Told::works);
        match self.output {
            Format::Json => output::json(&document)?,
            Format::Text => text::print(&document)?,
        }
        Ok(if document.works { DONE } else { TEST_FAILED })
    }

    fn subject(&self) -> Subject {
        match self.selection.named() {
            _none if self.selection.is_empty() => Subject::Everything,
            [only] if only == "installation" => Subject::Installation,
            _some => Subject::Mailboxes,
        }
    }

    fn examine(&self, global: &Global, _host: HostSettings) -> Result<Vec<Told>, Failure> {
        // A message to oneself is noted, so that it is recognised; everything else only reads.
        let open = if self.send { Open::Existing } else { Open::ReadOnly };
        let engine = Arc::new(global.engine("doctor", open)?);
        let request = Request {
            sending: if self.send { Sending::TestMessage } else { Sending::Nothing },
            logins: if self.one_login { Logins::One } else { Logins::Each },
        };
        run(engine.stopping.clone(), async {
            let names = self.selection.choose(engine.store.as_ref()).await?;
            if names.len() > 1 {
                output::talk(&format!("examining {} mailboxes", names.len()));
            }
            let examined = side_by_side(&engine, names, |engine, name| async move {
                Ok(one(&engine, &name, request).await?)
            });
            let mut told = Vec::new();
            for found in examined.await {
                told.extend(found?);
            }
            let now = engine.clock.now();
            let mut told: Vec<Told> = told.iter().map(|examination| Told::of(examination, now)).collect();
            told.sort_by(|a, b| a.order().cmp(&b.order()));
            Ok(told)
        })
    }
}

async fn one(
    engine: &Engine,
    name: &crate::model::name::Name,
    request: Request,
) -> Result<Vec<Examination>, StoreError> {
    let Some(row) = engine.store.mailbox(name).await? else { return Ok(Vec::new()) };
    Ok(doctor::mailbox(engine, &row, request).await)
}

/// The store of an installation that is looked at.
type Opened = Result<Option<SqliteStore>, Failure>;
