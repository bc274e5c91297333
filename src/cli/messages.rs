//! `mailplumb messages`

pub(super) mod raw;
mod show;

use clap::{Args, Subcommand};

use schemars::JsonSchema;
use serde::Serialize;

use super::context::read;
use super::exit::{DONE, Failure, Outcome};
use super::listing::Paged;
use super::{Format, Global, mailboxes, output};
use crate::model::name::Name;
use crate::model::record::{Direction, MessageRecord, Parsed, TrackedBy};
use crate::store::{MessageQuery, Store};

pub use show::OneDocument;
use show::Show;

/// List the received messages, or print one
///
/// Newest first. With an id, prints that message, as `mailplumb messages show` does.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  mailplumb messages --mailbox support --limit 5\n  mailplumb messages show 12\n  \
                        mailplumb messages 12 --raw > message.eml"
)]
pub struct Messages {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print this message
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// Print the message's octets
    #[arg(long, requires = "id")]
    raw: bool,
    #[command(flatten)]
    list: List,
    /// Print the messages in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// Which messages are listed.
#[derive(Debug, Args)]
struct List {
    /// Only those of this mailbox
    #[arg(long, value_name = "NAME", conflicts_with = "id", value_parser = parse_name)]
    mailbox: Option<Name>,
    /// Only those that were not understood, or could not be fetched
    #[arg(long, conflicts_with = "id")]
    quarantined: bool,
    /// Print at most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50, conflicts_with = "id")]
    limit: u64,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(Show),
}

/// `mailplumb messages --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Messages")]
pub struct ListDocument {
    format_version: &'static str,
    /// Newest first.
    messages: Vec<MessageRecord>,
}

pub fn parse_name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(str::to_owned)
}

impl Messages {
    pub fn run(self, global: &Global) -> Outcome {
        let show = match (self.action, self.id) {
            (Some(Action::Show(show)), _) => Some(show),
            (None, Some(id)) => Some(Show::whole(id, self.raw, self.output)),
            (None, None) => None,
        };
        let store = global.store_to_list()?;
        read(async {
            match show {
                Some(show) => show.run(&store).await,
                None => self.list.print(&store, self.output).await,
            }
        })
    }
}

impl List {
    async fn print(&self, store: &dyn Store, output: Format) -> Outcome {
        let list = Paged {
            name: "messages",
            header: &["id", "mailbox", "received", "from", "subject", "bytes", ""],
            limit: self.limit,
        };
        let read = async |limit, before| self.page(store, limit, before).await;
        let listed = list.print(output, read, row, |record| record.id).await?;
        if output == Format::Text {
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
}

fn row(record: &MessageRecord) -> Vec<String> {
    vec![
        record.id.to_string(),
        record.mailbox.to_string(),
        output::moment_or_dash(record.received_at),
        record.facts.from.first().map_or_else(|| "-".to_owned(), |from| cut(&from.address, 32)),
        record.facts.subject.as_deref().map_or_else(|| "-".to_owned(), |subject| cut(subject, 48)),
        record.bytes.to_string(),
        remarks(record),
    ]
}

fn remarks(record: &MessageRecord) -> String {
    if record.quarantine.is_some() {
        return "quarantined".to_owned();
    }
    let sent = (record.facts.direction == Direction::Outgoing).then(|| "sent".to_owned());
    let tracked = record.facts.tracked.map(|tracked| {
        match tracked {
            TrackedBy::Folder => "tracked folder",
            TrackedBy::Category => "tracked category",
        }
        .to_owned()
    });
    let duplicate = record.duplicate_of.as_ref().map(|first| format!("same as {}", first.id));
    let attachments = match (record.facts.parsed, record.facts.attachments.len()) {
        (Parsed::HeadersOnly, _) => Some("only headers read".to_owned()),
        (Parsed::Whole | Parsed::HeaderCut, 0) => None,
        (Parsed::Whole | Parsed::HeaderCut, 1) => Some("1 attachment".to_owned()),
        (Parsed::Whole | Parsed::HeaderCut, count) => Some(format!("{count} attachments")),
    };
    let rebuilt = record.facts.rebuilt.as_ref().map(|_| "rebuilt".to_owned());
    let forwarded = record.facts.forwarded.as_ref().map(|forwarded| match &forwarded.by {
        Some(by) => format!("forwarded by {by}"),
        None => "forwarded".to_owned(),
    });
    sent.into_iter()
        .chain(tracked)
        .chain(rebuilt)
        .chain(forwarded)
        .chain(duplicate)
        .chain(attachments)
        .collect::<Vec<_>>()
        .join(", ")
}

/// At most that many characters.
fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
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
