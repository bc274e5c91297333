//! `mailplumb outbox add`

use std::io::Read;
use std::path::PathBuf;

use clap::Args;

use super::{OneDocument, find, parse_address, parse_name};
use crate::cli::context::shown;
use crate::cli::exit::{DONE, Failure, Outcome, USAGE};
use crate::cli::listing::FORMAT_VERSION;
use crate::cli::{Format, mailboxes, output};
use crate::engine::clock::SystemClock;
use crate::model::clock::Clock;
use crate::model::limits;
use crate::model::name::{Address, Name};
use crate::model::outbox::NewOutgoing;
use crate::protocol::compose::{self, Draft, MessageId};
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct Add {
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

impl Add {
    pub async fn run(self, store: &dyn Store) -> Outcome {
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
            true => {
                let state = find(store, enqueued.id).await?.state.key();
                format!(
                    "Message {} was queued before under this key and is {state}; nothing was added.",
                    enqueued.id
                )
            }
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
