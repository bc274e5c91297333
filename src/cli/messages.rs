//! `mailplumb messages`

use clap::Args;

use schemars::JsonSchema;
use serde::Serialize;

use super::context::read;
use super::exit::{DONE, Failure, Outcome};
use super::listing::{FORMAT_VERSION, Paged};
use super::{Format, Global, mailboxes, output};
use crate::model::name::Name;
use crate::model::record::{Correspondent, MessageRecord};
use crate::store::{MessageQuery, Store};

/// List the received messages, or print one
///
/// Newest first. With an id, prints what is known of that message; with `--raw`, its octets as they were received.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb messages --mailbox support --limit 5\n  mailplumb messages 12\n  \
                        mailplumb messages 12 --raw > message.eml"
)]
pub struct Messages {
    /// Print this message
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// Print the message's octets
    #[arg(long, requires = "id")]
    raw: bool,
    /// Only those of this mailbox
    #[arg(long, value_name = "NAME", conflicts_with = "id", value_parser = parse_name)]
    mailbox: Option<Name>,
    /// Only those that were not understood
    #[arg(long, conflicts_with = "id")]
    quarantined: bool,
    /// Print at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50, conflicts_with = "id")]
    limit: u64,
    /// Print the messages in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb messages --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Messages")]
pub struct ListDocument {
    format_version: u32,
    /// Newest first.
    messages: Vec<MessageRecord>,
}

/// `mailplumb messages ID --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Message")]
pub struct OneDocument {
    format_version: u32,
    message: MessageRecord,
}

pub fn parse_name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(str::to_owned)
}

impl Messages {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.store_to_list()?;
        read(async {
            match self.id {
                Some(id) => self.one(&store, id).await,
                None => self.list(&store).await,
            }
        })
    }

    async fn list(&self, store: &dyn Store) -> Outcome {
        let list = Paged {
            name: "messages",
            header: &["id", "mailbox", "received", "from", "subject", "bytes", ""],
            limit: self.limit,
        };
        let read = async |limit, before| self.page(store, limit, before).await;
        let listed = list.print(self.output, read, row, |record| record.id).await?;
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
    ) -> Result<Vec<MessageRecord>, Failure> {
        let query = MessageQuery {
            mailbox: self.mailbox.clone(),
            limit: Some(limit),
            quarantined_only: self.quarantined,
            before,
        };
        let page = store.messages(&query).await?;
        if page.is_empty() && before.is_none() {
            mailboxes::must_be_known(store, self.mailbox.as_ref()).await?;
        }
        Ok(page)
    }

    async fn one(&self, store: &dyn Store, id: u64) -> Outcome {
        let Some(record) = store.message(id).await? else {
            return Err(Failure::new(format!("no message {id}")).hint("`mailplumb messages` lists them"));
        };
        if self.raw {
            let raw = store.raw(&record.content).await?;
            let raw = raw.ok_or_else(|| {
                Failure::new(format!("message {id} was never fetched"))
                    .cause(record.quarantine.clone().unwrap_or_default())
            })?;
            output::bytes(&raw)?;
            return Ok(DONE);
        }
        match self.output {
            Format::Json => output::json(&OneDocument { format_version: FORMAT_VERSION, message: record })?,
            Format::Text => output::data(&details(&record))?,
        }
        Ok(DONE)
    }
}

fn row(record: &MessageRecord) -> Vec<String> {
    vec![
        record.id.to_string(),
        record.mailbox.to_string(),
        output::moment_or_dash(record.received_at),
        record.facts.from.first().map_or_else(|| "-".to_owned(), |from| cut(&from.address, 32)),
        record.facts.subject.as_deref().map_or_else(|| "-".to_owned(), |subject| cut(subject, 48)),
        record.bytes.to_string(),
        record.quarantine.as_ref().map_or_else(
            || match record.facts.attachments.len() {
                0 => String::new(),
                1 => "1 attachment".to_owned(),
                count => format!("{count} attachments"),
            },
            |_| "quarantined".to_owned(),
        ),
    ]
}

/// At most that many characters.
fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

fn details(record: &MessageRecord) -> String {
    let facts = &record.facts;
    let people = |people: &[Correspondent]| {
        let one = |person: &Correspondent| match &person.name {
            Some(name) => format!("{name} <{}>", person.address),
            None => person.address.clone(),
        };
        people.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![
        format!("message     {}", record.id),
        format!("mailbox     {}", record.mailbox),
        format!("received    {}", output::moment_or_dash(record.received_at)),
        format!("recorded    {}", output::moment(record.recorded_at)),
        format!("from        {}", people(&facts.from)),
        format!("to          {}", people(&facts.to)),
        format!("cc          {}", people(&facts.cc)),
        format!("subject     {}", facts.subject.as_deref().unwrap_or("-")),
        format!("message-id  {}", facts.message_id.as_deref().unwrap_or("-")),
        format!("bytes       {}", record.bytes),
        format!("blake3      {}", record.content.0),
        format!("at server   {}", record.remote),
    ];
    for attachment in &facts.attachments {
        let name = attachment.name.as_deref().unwrap_or("(no name)");
        lines.push(format!("attachment  {name} ({}, {} bytes)", attachment.media_type, attachment.bytes));
    }
    if let Some(reason) = &record.quarantine {
        lines.push(format!("quarantine  {reason}"));
    }
    lines.iter().map(|line| output::shown(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_subject_is_cut_at_a_character() {
        assert_eq!(cut("größe", 5), "größe");
        assert_eq!(cut("größer", 5), "größ…");
    }
}
