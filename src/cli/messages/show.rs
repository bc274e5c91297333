//! `mailplumb messages show`

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::exit::{DONE, Failure, Outcome};
use crate::cli::listing::FORMAT_VERSION;
use crate::cli::messages::raw::{self, Held};
use crate::cli::{Format, output};
use crate::model::content::{AttachedPart, MessageContent};
use crate::model::limits;
use crate::model::organization::Tracking;
use crate::model::record::{Direction, Forwarded, MessageRecord, TrackedBy};
use crate::store::Store;
use crate::sync::mime::{self, Allowed};

/// Names that are taken before no further number is tried.
const SAME_NAMES_MAX: u32 = 1000;

/// Print one message: its headers decoded, its text, and what is attached
///
/// The text is the plain one; of a message that has only HTML, its words without the markup. Attachments keep the octets that
/// were sent, and get names that are safe to write. What `tracking.attachments` of the organization does not allow is listed and
/// not handed out; `--raw` prints the whole message, as it was received.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb messages show 12\n  mailplumb messages show 12 --raw > message.eml\n  \
                        mailplumb messages show 12 --attachment 1 > invoice.pdf\n  \
                        mailplumb messages show 12 --save-to attachments"
)]
pub struct Show {
    /// Print this message
    #[arg(value_name = "ID")]
    id: u64,
    /// Print the message's octets
    #[arg(long, conflicts_with_all = ["attachment", "save_to", "output"])]
    raw: bool,
    /// Print the octets of this attachment
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["save_to", "output"])]
    attachment: Option<u32>,
    /// Save the attachments into this folder; prints the files that were written, and never writes over one
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    save_to: Option<PathBuf>,
    /// Print the message in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb messages show ID --output json`
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Message")]
pub struct OneDocument {
    format_version: &'static str,
    /// What is stored of it.
    message: MessageRecord,
    /// What it says. `null`: it was never fetched.
    content: Option<MessageContent>,
}

impl Show {
    /// `mailplumb messages ID`
    pub fn whole(id: u64, raw: bool, output: Format) -> Self {
        Self { id, raw, attachment: None, save_to: None, output }
    }

    pub async fn run(self, store: &dyn Store) -> Outcome {
        let Some(record) = store.message(self.id).await? else {
            return Err(
                Failure::new(format!("no message {}", self.id)).hint("`mailplumb messages` lists them")
            );
        };
        if self.raw {
            return match raw::print(store, &record.content).await? {
                Held::Octets => Ok(DONE),
                Held::Nothing => Err(never_fetched(&record)),
            };
        }
        let raw = looked_at(store, &record).await?;
        let tracking = store.organization().await?.map(|organization| organization.tracking);
        let allowed = tracking.unwrap_or_default();
        if let Some(number) = self.attachment {
            return print_attachment((&fetched(raw, &record)?, &record), number, &allowed);
        }
        if let Some(folder) = &self.save_to {
            return save((&fetched(raw, &record)?, &record), folder, &allowed).await;
        }
        let content = raw.map(|raw| content_of(&raw, &record, &allowed));
        match self.output {
            Format::Json => {
                output::json(&OneDocument { format_version: FORMAT_VERSION, message: record, content })?;
            }
            Format::Text => output::data(&text(&record, content.as_ref()))?,
        }
        Ok(DONE)
    }
}

fn fetched(raw: Option<Bytes>, record: &MessageRecord) -> Result<Bytes, Failure> {
    raw.ok_or_else(|| never_fetched(record))
}

fn never_fetched(record: &MessageRecord) -> Failure {
    Failure::new(format!("message {} was never fetched", record.id))
        .cause(record.quarantine.clone().unwrap_or_default())
        .hint("it is still at its server, where its mailbox can be opened with another program")
}

/// Of a message that is too large to be taken apart, its beginning.
async fn looked_at(store: &dyn Store, record: &MessageRecord) -> Result<Option<Bytes>, Failure> {
    if record.bytes <= limits::MESSAGE_PARSE_BYTES_MAX as u64 {
        return Ok(store.raw(&record.content).await?);
    }
    Ok(store.raw_part(&record.content, 0..limits::HEADER_LOOK_BYTES_MAX as u64).await?)
}

/// The message that a record is about: of one that was forwarded, the attached one.
fn of_record<'r>(raw: &'r [u8], record: &MessageRecord) -> &'r [u8] {
    let Some(Forwarded { start, end, .. }) = &record.facts.forwarded else { return raw };
    let (Ok(start), Ok(end)) = (usize::try_from(*start), usize::try_from(*end)) else { return raw };
    raw.get(start..end).unwrap_or(raw)
}

fn content_of(raw: &[u8], record: &MessageRecord, tracking: &Tracking) -> MessageContent {
    if raw.len() as u64 == record.bytes {
        mime::content(of_record(raw, record), Allowed::from(tracking))
    } else {
        mime::beginning(raw, record.bytes)
    }
}

/// A message that is too large has attachments, perhaps, and nobody has looked for them.
fn taken_apart(raw: &[u8], record: &MessageRecord) -> Result<(), Failure> {
    let MessageRecord { id, bytes, .. } = record;
    if raw.len() as u64 == *bytes {
        return Ok(());
    }
    let max = limits::MESSAGE_PARSE_BYTES_MAX;
    Err(Failure::new(format!("the attachments of message {id} were not looked for"))
        .cause(format!("it has {bytes} bytes, more than the {max} of a message that is taken apart"))
        .hint(format!(
            "`mailplumb messages show {id} --raw > message.eml` writes all of it; any mail program opens that"
        )))
}

fn print_attachment((raw, record): (&[u8], &MessageRecord), number: u32, tracking: &Tracking) -> Outcome {
    taken_apart(raw, record)?;
    let (content, id) = (content_of(raw, record, tracking), record.id);
    let Some(part) = content.attachments.iter().find(|part| part.number == number) else {
        let count = output::counted(content.attachments.len(), "attachment", "attachments");
        return Err(Failure::new(format!("message {id} has no attachment {number}"))
            .cause(format!("it has {count}"))
            .hint(format!("`mailplumb messages show {id}` lists them")));
    };
    if let Some(reason) = &part.withheld {
        return Err(Failure::new(format!("attachment {number} of message {id} is withheld"))
            .cause(reason)
            .hint(format!(
                "`mailplumb messages show {id} --raw` prints the whole message, as it was received"
            )));
    }
    output::bytes(&mime::octets(of_record(raw, record), number).unwrap_or_default())?;
    Ok(DONE)
}

async fn save((raw, record): (&[u8], &MessageRecord), folder: &Path, tracking: &Tracking) -> Outcome {
    taken_apart(raw, record)?;
    let (content, id) = (content_of(raw, record, tracking), record.id);
    if content.attachments.is_empty() {
        output::talk(&format!("message {id} has no attachments"));
        return Ok(DONE);
    }
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(format!("`{}` cannot be written", path.display()))
            .cause(error)
            .hint("name a folder with --save-to that can be written to; what is listed above was saved")
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(folder, &error))?;
    let attachments = mime::Attachments::of(of_record(raw, record));
    // Of each name that was wished for more than once, the last number.
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    for part in &content.attachments {
        // A signal ends it between two files.
        tokio::task::yield_now().await;
        if let Some(reason) = &part.withheld {
            output::warning(&format!("attachment {} was not saved: {reason}", part.number));
            continue;
        }
        let octets = attachments.octets(part.number).unwrap_or_default();
        let path = folder.join(&part.file_name);
        let number = numbers.entry(&part.file_name).or_default();
        let written = write_new(&path, number, &octets).map_err(|error| failed(&path, &error))?;
        output::data(&written.display().to_string())?;
    }
    Ok(DONE)
}

/// Writes a file that was not there, for its owner only, and returns its path: with a number above `last` where the name was taken.
fn write_new(path: &Path, last: &mut u32, octets: &[u8]) -> io::Result<PathBuf> {
    let named = |number: u32| match number {
        1 => path.to_owned(),
        number => {
            let text =
                |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
            let (stem, ending) = (text(path.file_stem()), text(path.extension()));
            let dot = if ending.is_empty() { "" } else { "." };
            path.with_file_name(format!("{stem}-{number}{dot}{ending}"))
        }
    };
    for _ in 0..SAME_NAMES_MAX {
        *last += 1;
        let path = named(*last);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return filled(file, octets).map(|()| path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "the name is taken, with every number behind it"))
}

fn filled(mut file: File, octets: &[u8]) -> io::Result<()> {
    file.write_all(octets)?;
    file.sync_all()
}

/// The message for a terminal: what is known of it, its headers, its text, its attachments.
fn text(record: &MessageRecord, content: Option<&MessageContent>) -> String {
    let mut lines = vec![
        format!("message     {}", record.id),
        format!("mailbox     {}", record.mailbox),
        format!("received    {}", output::moment_or_dash(record.received_at)),
        format!("recorded    {}", output::moment(record.recorded_at)),
        format!("bytes       {}", record.bytes),
        format!("blake3      {}", record.content.0),
        format!("at server   {}", record.remote),
    ];
    match record.facts.direction {
        Direction::Incoming => {}
        Direction::Outgoing => lines.push("direction   outgoing: found in Sent Items".to_owned()),
    }
    match record.facts.tracked {
        None => {}
        Some(TrackedBy::Folder) => lines.push("tracked     by its folder".to_owned()),
        Some(TrackedBy::Category) => lines.push("tracked     by its category".to_owned()),
    }
    if let Some(reason) = &record.facts.rebuilt {
        lines.push(format!(
            "rebuilt     from its properties and attachments, and kept at the server: {reason}"
        ));
    }
    if let Some(forwarded) = &record.facts.forwarded {
        let by = forwarded.by.as_deref().unwrap_or("somebody whom the message around it does not name");
        lines.push(format!("forwarded   by {by}, as an attachment; `--raw` has what came"));
    }
    if let Some(first) = &record.duplicate_of {
        lines.push(format!("same as     {} of mailbox/{}, by its Message-ID", first.id, first.mailbox));
    }
    if let Some(reason) = &record.quarantine {
        lines.push(format!("quarantine  {reason}"));
    }
    let Some(content) = content else { return shown(&lines) };
    lines.extend(content.notes.iter().map(|note| format!("note        {note}")));
    lines.push(String::new());
    lines.extend(content.headers.iter().map(|header| format!("{}: {}", header.name, header.value)));
    if let Some(body) = &content.body {
        lines.push(String::new());
        lines.extend(body.text.trim_end().split('\n').map(str::to_owned));
    }
    if !content.attachments.is_empty() {
        lines.push(String::new());
        lines.extend(content.attachments.iter().map(attachment));
    }
    shown(&lines)
}

fn attachment(part: &AttachedPart) -> String {
    let withheld = part.withheld.as_ref().map_or_else(String::new, |reason| format!(", withheld: {reason}"));
    // 16 digits tell files apart; `--output json` has all of them.
    let hash = part.content.0.get(..16).unwrap_or(&part.content.0);
    format!(
        "attachment {}  {} ({}, {} bytes, blake3 {hash}{withheld})",
        part.number, part.file_name, part.media_type, part.bytes
    )
}

fn shown(lines: &[String]) -> String {
    let clean = |line: &String| output::shown(&line.replace('\t', "    ")).trim_end().to_owned();
    lines.iter().map(clean).collect::<Vec<_>>().join("\n")
}
