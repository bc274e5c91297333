//! `mailplumb outbox`

mod add;
mod resolve;

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::run;
use super::exit::{DONE, Failure, Outcome};
use super::listing::{FORMAT_VERSION, Paged};
use super::messages::parse_name;
use super::messages::raw::{self, Held};
use super::{Format, Global, mailboxes, output};
use crate::model::name::{Address, Name};
use crate::model::outbox::{OutgoingMessage, OutgoingState, Resolution};
use crate::store::sqlite::Open;
use crate::store::{OutboxQuery, Store};

/// Queue outgoing messages, list them, look at one, and decide about them
///
/// A queued message is durable: it is sent by the next `mailplumb sync` or by a running `mailplumb watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb outbox add --mailbox support --to anna@contoso.example --text 'How are you?'\n  \
                        mailplumb outbox list\n  mailplumb outbox show 12\n  mailplumb outbox retry 12\n  \
                        mailplumb outbox mark-sent 13 14\n  mailplumb outbox cancel --in-state pending --mailbox support"
)]
pub struct Outbox {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Queue a message
    #[command(
        after_help = "Examples:\n  mailplumb outbox add --mailbox support --to anna@contoso.example \\\n      \
                            --subject Hello --text 'How are you?'\n  \
                            mailplumb outbox add --mailbox support --eml message.eml --idempotency-key order-4711"
    )]
    Add(Box<add::Add>),
    /// List queued and sent messages, newest first
    #[command(after_help = "Example:\n  mailplumb outbox list --in-state unsure")]
    List(List),
    /// Print one message: its state, and what the server said for each recipient
    ///
    /// With `--raw`, its octets as they are sent.
    #[command(
        after_help = "Examples:\n  mailplumb outbox show 12\n  mailplumb outbox show 12 --raw > message.eml"
    )]
    Show(Show),
    /// Send failed, unsure or cancelled messages again
    ///
    /// Only the recipients that have not got it are tried. For an unsure message, look first whether it arrived.
    #[command(
        after_help = "Examples:\n  mailplumb outbox retry 12\n  mailplumb outbox retry --in-state failed --mailbox support"
    )]
    Retry(resolve::Chosen),
    /// Say that unsure messages arrived
    ///
    /// Whoever has found them in the recipient's mailbox or in the server's log says so here: they are sent, and nothing more is
    /// done about them. With `--to`, only for that recipient; `retry` then sends it to the others.
    #[command(after_help = "Examples:\n  mailplumb outbox mark-sent 12 13\n  \
                        mailplumb outbox mark-sent 14 --to anna@contoso.example\n  \
                        mailplumb outbox mark-sent --in-state unsure --mailbox support")]
    MarkSent(resolve::MarkSent),
    /// Withdraw pending, unsure or failed messages
    ///
    /// They are not sent any more to whoever has not got them yet. What a server has taken cannot be taken back. `retry` takes
    /// a cancelled message up again.
    #[command(
        after_help = "Examples:\n  mailplumb outbox cancel 12 13\n  mailplumb outbox cancel --in-state pending --mailbox support"
    )]
    Cancel(resolve::Chosen),
}

#[derive(Debug, Args)]
struct Show {
    /// The message
    #[arg(value_name = "ID")]
    id: u64,
    /// Print the message's octets
    #[arg(long)]
    raw: bool,
    /// Print the message in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Debug, Args)]
struct List {
    /// Only those of this mailbox
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    mailbox: Option<Name>,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    in_state: Option<OutgoingState>,
    /// Print at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u64,
    /// Print the messages in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb outbox list --output json`; with `retry`, `mark-sent` and `cancel`, the messages that they changed
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Outbox")]
pub struct Document {
    format_version: &'static str,
    /// Newest first.
    messages: Vec<OutgoingMessage>,
}

/// `mailplumb outbox show ID --output json`; with `add`, the message as it is then
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OutboxMessage")]
pub struct OneDocument {
    format_version: &'static str,
    message: OutgoingMessage,
}

pub(super) fn parse_address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(str::to_owned)
}

fn parse_state(text: &str) -> Result<OutgoingState, String> {
    OutgoingState::ALL.into_iter().find(|state| state.key() == text).ok_or_else(|| {
        let names: Vec<&str> = OutgoingState::ALL.iter().map(|state| state.key()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

impl Outbox {
    pub fn run(self, global: &Global) -> Outcome {
        let stopping = tokio_util::sync::CancellationToken::new();
        match self.command {
            Command::Add(add) => {
                let store = global.existing_store(Open::Existing)?;
                run(stopping, add.run(&store))
            }
            Command::List(list) => run(stopping, list.run(&global.store_to_list()?)),
            Command::Show(show) => run(stopping, show.run(&global.store_to_list()?)),
            Command::Retry(chosen) => {
                let store = global.existing_store(Open::Existing)?;
                run(stopping, chosen.resolve(&store, &Resolution::SendAgain))
            }
            Command::MarkSent(mark) => {
                let store = global.existing_store(Open::Existing)?;
                run(stopping, mark.run(&store))
            }
            Command::Cancel(chosen) => {
                let store = global.existing_store(Open::Existing)?;
                run(stopping, chosen.resolve(&store, &Resolution::Cancel))
            }
        }
    }
}

async fn find(store: &dyn Store, id: u64) -> Result<OutgoingMessage, Failure> {
    // The newest of those before the next one is that one, or it is not there.
    let query = OutboxQuery { limit: Some(1), before: id.checked_add(1), ..OutboxQuery::default() };
    let found = store.outbox(&query).await?.pop().filter(|message| message.id == id);
    found.ok_or_else(|| {
        Failure::new(format!("no outgoing message {id}")).hint("`mailplumb outbox list` lists them")
    })
}

impl Show {
    async fn run(self, store: &dyn Store) -> Outcome {
        let message = find(store, self.id).await?;
        if self.raw {
            return match raw::print(store, &message.content).await? {
                Held::Octets => Ok(DONE),
                Held::Nothing => {
                    Err(Failure::new(format!("the octets of message {} are not in the store", self.id)))
                }
            };
        }
        match self.output {
            Format::Json => output::json(&OneDocument { format_version: FORMAT_VERSION, message })?,
            Format::Text => output::data(&details(&message))?,
        }
        Ok(DONE)
    }
}

fn details(message: &OutgoingMessage) -> String {
    let mut lines = vec![
        format!("message     {}", message.id),
        format!("mailbox     {}", message.mailbox),
        format!("state       {}", message.state.key()),
        format!("subject     {}", message.subject.as_deref().unwrap_or("-")),
        format!("message-id  {}", message.message_id),
        format!("bytes       {}", message.bytes),
        format!("blake3      {}", message.content.0),
        format!("queued      {}", output::moment(message.queued_at)),
        format!("changed     {}", output::moment(message.changed_at)),
        format!("attempts    {}", message.attempts),
    ];
    if let (OutgoingState::Pending, Some(next)) = (message.state, message.next_attempt_at) {
        lines.push(format!("next        {}", output::moment(next)));
    }
    if let Some(key) = &message.idempotency_key {
        lines.push(format!("key         {key}"));
    }
    for recipient in &message.recipients {
        let said = recipient.said.as_deref().map_or_else(String::new, |said| format!(": {said}"));
        lines.push(format!("to          {} is {}{said}", recipient.address, recipient.state.key()));
    }
    if let Some(failure) = &message.failure {
        lines.push(format!("cause       {}", failure.cause));
        lines.push(format!("what to do  {}", failure.remedy));
    }
    lines.iter().map(|line| output::shown(line)).collect::<Vec<_>>().join("\n")
}

impl List {
    async fn run(self, store: &dyn Store) -> Outcome {
        let list = Paged {
            name: "messages",
            header: &["id", "mailbox", "state", "to", "subject", "attempts", "changed", "words"],
            limit: self.limit,
        };
        let read = async |limit, before| self.page(store, limit, before).await;
        let listed = list.print(self.output, read, row, |message| message.id).await?;
        if self.output == Format::Text {
            output::talk(&format!("{} shown", output::counted(listed, "message", "messages")));
        }
        Ok(DONE)
    }

    async fn page(
        &self,
        store: &dyn Store,
        limit: u64,
        before: Option<u64>,
    ) -> Result<Vec<OutgoingMessage>, Failure> {
        let query = OutboxQuery {
            mailbox: self.mailbox.clone(),
            state: self.in_state,
            limit: Some(limit),
            before,
            message_id: None,
        };
        let page = store.outbox(&query).await?;
        if page.is_empty() && before.is_none() {
            mailboxes::must_be_known(store, self.mailbox.as_ref()).await?;
        }
        Ok(page)
    }
}

fn row(message: &OutgoingMessage) -> Vec<String> {
    let first = message.recipients.first().map_or_else(|| "-".to_owned(), |one| one.address.to_string());
    let to = match message.recipients.len() {
        0 | 1 => first,
        count => format!("{first} and {} more", count - 1),
    };
    vec![
        message.id.to_string(),
        message.mailbox.to_string(),
        message.state.key().to_owned(),
        to,
        message.subject.clone().unwrap_or_else(|| "-".to_owned()),
        message.attempts.to_string(),
        output::moment(message.changed_at),
        message.failure.as_ref().map_or_else(String::new, |failure| failure.cause.clone()),
    ]
}
