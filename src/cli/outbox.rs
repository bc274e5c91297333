//! `mailplumb outbox`

mod retry;

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{run, shown};
use super::exit::{DONE, Failure, Outcome, USAGE};
use super::listing::{FORMAT_VERSION, Paged};
use super::messages::parse_name;
use super::messages::raw::{self, Held};
use super::{Format, Global, mailboxes, output};
use crate::engine::clock::SystemClock;
use crate::model::clock::Clock;
use crate::model::limits;
use crate::model::name::{Address, Name};
use crate::model::outbox::{NewOutgoing, OutgoingMessage, OutgoingState};
use crate::protocol::compose::{self, Draft, MessageId};
use crate::store::sqlite::Open;
use crate::store::{OutboxQuery, Store};

/// Queue outgoing messages, list them, and look at one
///
/// A queued message is durable: it is sent by the next `mailplumb sync` or by a running `mailplumb watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb outbox add --mailbox support --to anna@contoso.example --text 'How are you?'\n  \
                        mailplumb outbox list\n  mailplumb outbox show 12\n  mailplumb outbox retry 12"
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
    Add(Box<Add>),
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
    /// Send a failed or unsure message again
    ///
    /// Only the recipients that have not got it are tried. For an unsure message, look first whether it arrived.
    #[command(after_help = "Example:\n  mailplumb outbox retry 12")]
    Retry(retry::Retry),
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
struct Add {
    /// The mailbox that sends
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    mailbox: Name,
    /// A recipient; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    to: Vec<Address>,
    /// A recipient of a copy; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    cc: Vec<Address>,
    #[arg(long, value_name = "TEXT", conflicts_with = "eml")]
    subject: Option<String>,
    /// The body
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["eml", "text_file"])]
    text: Option<String>,
    /// Read the body from this file; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "eml")]
    text_file: Option<PathBuf>,
    /// Send this complete message; `-` is stdin. Without --to, its own To, Cc and Bcc are the recipients
    #[arg(long, value_name = "FILE")]
    eml: Option<PathBuf>,
    /// Queuing the same key again for the same mailbox does nothing
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Print the queued message in this form
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

/// `mailplumb outbox list --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Outbox")]
pub struct Document {
    format_version: &'static str,
    /// Newest first.
    messages: Vec<OutgoingMessage>,
}

/// `mailplumb outbox show ID --output json`; with `add` and `retry`, the message as it is then
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
            Command::Retry(retry) => retry.run(&global.existing_store(Open::Existing)?),
        }
    }
}

/// Says what was done to a message: in a sentence, or as the message.
async fn told(store: &dyn Store, id: u64, format: Format, sentence: String) -> Outcome {
    match format {
        Format::Text => output::data(&sentence)?,
        Format::Json => {
            output::json(&OneDocument { format_version: FORMAT_VERSION, message: find(store, id).await? })?;
        }
    }
    Ok(DONE)
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

impl Add {
    async fn run(self, store: &dyn Store) -> Outcome {
        if self.subject.is_none() && self.text.is_none() && self.text_file.is_none() && self.eml.is_none() {
            return Err(Failure::new("the message has neither a subject nor a text")
                .code(USAGE)
                .hint("give `--text`, `--text-file -` or `--eml`; `--text \"\"` queues an empty one"));
        }
        let Some(row) = store.mailbox(&self.mailbox).await? else {
            return Err(mailboxes::unknown(self.mailbox.as_str(), &store.mailboxes().await?));
        };
        let message = self.message(&row.stored.declared.address)?;
        let enqueued = store.enqueue(&message).await?;
        let sentence = match enqueued.already_there {
            true => format!("Message {} was queued before under this key; nothing was added.", enqueued.id),
            false => format!("Queued message {} for {} recipient(s).", enqueued.id, message.recipients.len()),
        };
        told(store, enqueued.id, self.output, sentence).await
    }

    fn message(&self, from: &Address) -> Result<NewOutgoing, Failure> {
        let at = SystemClock::new().now();
        let message_id = message_id(from)?;
        let prepared = match &self.eml {
            Some(path) => compose::prepare(&read(path)?, message_id, at)
                .map_err(|error| Failure::new(format!("`{}` cannot be sent", shown(path))).cause(error))?,
            None => {
                let text = match (&self.text, &self.text_file) {
                    (Some(text), _) => text.clone(),
                    (None, Some(path)) => String::from_utf8(read(path)?)
                        .map_err(|_| Failure::new(format!("`{}` is not UTF-8 text", shown(path))))?,
                    (None, None) => String::new(),
                };
                let subject = self.subject.clone().unwrap_or_default();
                let draft = Draft {
                    from: from.clone(),
                    to: self.to.clone(),
                    cc: self.cc.clone(),
                    subject,
                    text,
                    message_id: message_id.clone(),
                    date: at,
                };
                compose::prepare(&compose::compose(&draft), message_id, at)
                    .map_err(|error| Failure::new("the message cannot be composed").cause(error))?
            }
        };
        let named: Vec<Address> = self.to.iter().chain(&self.cc).cloned().collect();
        let recipients = if named.is_empty() { prepared.recipients } else { named };
        if recipients.is_empty() {
            return Err(Failure::new("the message has no recipient").hint("name one with --to"));
        }
        if recipients.len() > limits::RECIPIENTS_MAX {
            return Err(Failure::new(format!(
                "the message has more than {} recipients",
                limits::RECIPIENTS_MAX
            )));
        }
        Ok(NewOutgoing {
            mailbox: self.mailbox.clone(),
            recipients,
            raw: prepared.raw.into(),
            message_id: prepared.message_id.as_str().to_owned(),
            subject: prepared.subject,
            idempotency_key: self.idempotency_key.clone(),
            at,
        })
    }
}

/// A new Message-ID. Letters beyond ASCII cannot stand in one.
fn message_id(from: &Address) -> Result<MessageId, Failure> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("no randomness").cause(error))?;
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let from = from.in_ascii();
    let domain =
        from.as_deref().and_then(|from| from.rsplit_once('@')).map_or("localhost", |(_, domain)| domain);
    MessageId::parse(&format!("{random}@{domain}"))
        .map_err(|fault| Failure::new("no Message-ID can be made").cause(fault))
}

/// A file, or stdin for `-`; at most as large as a message may be.
fn read(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("`{}` cannot be read", shown(path))).cause(error);
    let mut bytes = Vec::new();
    let limit = limits::MESSAGE_BYTES_MAX;
    if path.as_os_str() == "-" {
        std::io::stdin().take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
    }
    if bytes.len() as u64 > limit {
        return Err(Failure::new(format!("`{}` is larger than {limit} bytes", shown(path))));
    }
    Ok(bytes)
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
