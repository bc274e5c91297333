//! `mailplumb outbox retry`, `mark-sent` and `cancel`: what a person decides about messages.

use clap::Args;
use jiff::Timestamp;

use super::{find, parse_address, parse_name, parse_state};
use crate::cli::exit::{DONE, Failure, Outcome};
use crate::cli::listing::{JsonList, PAGE_ENTRIES};
use crate::cli::{Format, mailboxes, output};
use crate::engine::clock::SystemClock;
use crate::model::clock::Clock;
use crate::model::name::{Address, Name};
use crate::model::outbox::{OutgoingMessage, OutgoingState, Resolution, Resolutions, Resolved};
use crate::store::{OutboxQuery, Store};
use crate::sync::outgoing::{self, Unresolvable};

/// Which messages: by their ids, or those that `mailplumb outbox list` lists under the same options.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// The messages
    #[arg(value_name = "ID", required_unless_present = "in_state")]
    ids: Vec<u64>,
    /// All that are in this state
    #[arg(long, value_name = "STATE", value_parser = parse_state, conflicts_with = "ids")]
    in_state: Option<OutgoingState>,
    /// Of those, only the ones of this mailbox
    #[arg(long, value_name = "NAME", value_parser = parse_name, requires = "in_state", conflicts_with = "ids")]
    mailbox: Option<Name>,
    /// Print the messages, as they are then, in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct MarkSent {
    #[command(flatten)]
    chosen: Chosen,
    /// Only this recipient has got it; may be given several times
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "in_state")]
    to: Vec<Address>,
}

impl MarkSent {
    pub async fn run(self, store: &dyn Store) -> Outcome {
        if !self.to.is_empty() && self.chosen.ids.len() > 1 {
            return Err(Failure::new("`--to` goes with one message")
                .code(crate::cli::exit::USAGE)
                .hint("name the recipients of each message in a command of its own"));
        }
        self.chosen.resolve(store, &Resolution::Arrived(self.to)).await
    }
}

impl Chosen {
    pub async fn resolve(self, store: &dyn Store, resolution: &Resolution) -> Outcome {
        let now = SystemClock::new().now();
        let mut told = Told::new(self.output);
        match self.in_state {
            None => {
                let mut before = Vec::with_capacity(self.ids.len());
                for id in &self.ids {
                    before.push(find(store, *id).await?);
                }
                before.sort_by_key(|message| std::cmp::Reverse(message.id));
                before.dedup_by_key(|message| message.id);
                told.page(write(store, before, resolution, now).await?)?;
            }
            Some(state) => {
                if self.mailbox.is_some() {
                    mailboxes::must_be_known(store, self.mailbox.as_ref()).await?;
                }
                let mut older_than = None;
                while let Some(page) = page(store, (state, &self.mailbox), older_than).await? {
                    older_than = page.last().map(|message| message.id);
                    told.page(write(store, page, resolution, now).await?)?;
                }
            }
        }
        told.end(store, resolution).await
    }
}

/// The next ones that are in that state; `None` behind the last one.
async fn page(
    store: &dyn Store,
    (state, mailbox): (OutgoingState, &Option<Name>),
    before: Option<u64>,
) -> Result<Option<Vec<OutgoingMessage>>, Failure> {
    let query = OutboxQuery {
        mailbox: mailbox.clone(),
        state: Some(state),
        limit: Some(PAGE_ENTRIES),
        before,
        message_id: None,
    };
    let page = store.outbox(&query).await?;
    Ok((!page.is_empty()).then_some(page))
}

/// What became of some messages.
struct Written {
    after: Vec<OutgoingMessage>,
    resolutions: Resolutions,
}

/// Nothing is written when the resolution does not fit one of them.
async fn write(
    store: &dyn Store,
    before: Vec<OutgoingMessage>,
    resolution: &Resolution,
    now: Timestamp,
) -> Result<Written, Failure> {
    let fit = |message: &OutgoingMessage| {
        outgoing::resolve(message, resolution, now).map_err(|why| refused(message, resolution, &why))
    };
    let resolved: Vec<Resolved> = before.iter().map(fit).collect::<Result<_, _>>()?;
    let resolutions = store.resolve(&resolved).await?;
    let is_written = |one: &Resolved| resolutions.written.contains(&one.before.id);
    let after = resolved.into_iter().filter(is_written).map(|one| one.after).collect();
    Ok(Written { after, resolutions })
}

/// Says what was done, page by page.
struct Told {
    format: Format,
    list: JsonList,
    /// Of the messages that are named one by one.
    ids: Vec<u64>,
    count: u64,
    overtaken: Vec<u64>,
    orphaned: Vec<u64>,
}

/// Messages that are named before the rest is only counted.
const NAMED_MAX: usize = 20;

impl Told {
    fn new(format: Format) -> Self {
        let list = JsonList::new("messages");
        Self { format, list, ids: Vec::new(), count: 0, overtaken: Vec::new(), orphaned: Vec::new() }
    }

    fn page(&mut self, Written { after, resolutions }: Written) -> Result<(), Failure> {
        let room = NAMED_MAX.saturating_sub(self.ids.len());
        self.ids.extend(after.iter().map(|message| message.id).take(room));
        self.count += after.len() as u64;
        self.overtaken.extend(resolutions.overtaken);
        self.orphaned.extend(resolutions.orphaned);
        match self.format {
            Format::Json => self.list.extend(&after),
            Format::Text => Ok(()),
        }
    }

    async fn end(self, store: &dyn Store, resolution: &Resolution) -> Outcome {
        let is_done = self.overtaken.is_empty() && self.orphaned.is_empty();
        match self.format {
            Format::Json => self.list.end()?,
            Format::Text if self.ids.is_empty() && !is_done => {}
            Format::Text => output::data(&sentence(&self.ids, self.count, resolution))?,
        }
        if let Some(first) = self.orphaned.first() {
            return Err(orphaned(store, *first, self.orphaned.len()).await?);
        }
        match self.overtaken.first() {
            None => Ok(DONE),
            Some(first) => Err(Failure::new(format!(
                "{} changed meanwhile, and nothing was done about that",
                output::counted(self.overtaken.len(), "message", "messages")
            ))
            .cause(format!(
                "outgoing message {first}: an attempt began, a report came, or somebody else decided"
            ))
            .hint(format!(
                "look with `mailplumb outbox show {first}`, and repeat the command where it still applies"
            ))),
        }
    }
}

fn sentence(ids: &[u64], count: u64, resolution: &Resolution) -> String {
    let becomes = match resolution {
        Resolution::SendAgain => "pending again",
        Resolution::Arrived(named) if named.is_empty() => "marked as sent",
        Resolution::Arrived(_) => "marked as sent for whom you named",
        Resolution::Cancel => "cancelled",
    };
    match (ids, count) {
        ([], _) => "No message is in that state.".to_owned(),
        ([id], 1) => format!("Message {id} is {becomes}."),
        (several, count) => {
            let mut named: Vec<String> = several.iter().map(u64::to_string).collect();
            if let Some(more @ 1..) = count.checked_sub(several.len() as u64) {
                named.push(format!("and {more} more"));
            }
            format!("{count} messages are {becomes}: {}.", named.join(", "))
        }
    }
}

fn refused(message: &OutgoingMessage, resolution: &Resolution, why: &Unresolvable) -> Failure {
    let id = message.id;
    match why {
        Unresolvable::State => unfit(message, resolution),
        Unresolvable::NoRecipient(address) => {
            Failure::new(format!("outgoing message {id} is not for {address}"))
                .hint(format!("`mailplumb outbox show {id}` names its recipients"))
        }
        Unresolvable::NoDoubt(recipient) => Failure::new(format!(
            "outgoing message {id} is {} for {}, and there is no doubt about that",
            recipient.state.key(),
            recipient.address
        ))
        .cause("only recipients for whom it is unsure can be marked")
        .hint(format!("`mailplumb outbox show {id}` names them")),
    }
}

/// The message is in a state in which that cannot be done.
fn unfit(message: &OutgoingMessage, resolution: &Resolution) -> Failure {
    let id = message.id;
    let (what, only) = match resolution {
        Resolution::SendAgain => ("sent again", "only a message that is failed, unsure or cancelled can"),
        Resolution::Arrived(_) => ("marked as sent", "only a message that is unsure can"),
        Resolution::Cancel => ("cancelled", "only a message that is pending, unsure or failed can"),
    };
    let hint = match (message.state, resolution) {
        (OutgoingState::Pending, _) => {
            format!(
                "it is sent by itself, by the next `mailplumb sync` or a running `mailplumb watch`; `mailplumb outbox cancel {id}` \
                 withdraws it"
            )
        }
        (OutgoingState::Sending, _) => {
            format!(
                "wait for the end of the attempt; where its process died, the next `mailplumb sync` finds out; `mailplumb outbox show {id}` tells"
            )
        }
        (OutgoingState::Sent, Resolution::SendAgain) => {
            "every recipient's server has accepted it; to send it once more, queue it with `mailplumb outbox add`"
                .to_owned()
        }
        (OutgoingState::Sent, _) => "every recipient's server has accepted it".to_owned(),
        (OutgoingState::Failed | OutgoingState::Unsure | OutgoingState::Cancelled, _) => {
            format!("`mailplumb outbox retry {id}` sends it again")
        }
    };
    let state = message.state.key();
    Failure::new(format!("outgoing message {id} is {state}, and cannot be {what}"))
        .cause(format!("{only}; nothing was changed"))
        .hint(hint)
}

/// Why a message of a mailbox that was deleted is not sent by itself, and how it is sent all the same. `id`: of the first such.
async fn orphaned(store: &dyn Store, id: u64, count: usize) -> Result<Failure, Failure> {
    let OutgoingMessage { mailbox, .. } = find(store, id).await?;
    let (cause, sender) = match store.mailbox(&mailbox).await? {
        Some(_) => {
            (format!("the `{mailbox}` of today was made after that one was deleted"), mailbox.as_str())
        }
        None => (format!("`{mailbox}` was deleted, and there is no such mailbox now"), "NAME"),
    };
    let what = match count {
        1 => format!("outgoing message {id} belonged to a former mailbox `{mailbox}`"),
        more => format!("{more} outgoing messages belonged to former mailboxes: message {id} to `{mailbox}`"),
    };
    Ok(Failure::new(what).cause(cause).hint(format!(
        "queue it anew: `mailplumb outbox show {id} --raw > message.eml`, then `mailplumb outbox add --mailbox {sender} --eml message.eml`"
    )))
}
