//! SELECT, EXAMINE, LIST, STATUS and APPEND.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;

use super::super::calendar;
use super::super::state::{Arrival, Folder, Undeliverable};
use super::selected::{Access, Selected};
use super::{AccountId, Bad, FolderName, Phase, Reader, Session, Step, Telling, no, ok};

const NO_SUCH_MAILBOX: &str = "[NONEXISTENT] no such mailbox";
const FLAGS: &str = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

/// The folder of a mailbox name; `INBOX` in any case (RFC 3501 section 5.1).
pub(super) fn named(name: &str) -> Option<FolderName> {
    match name {
        "Sent" => Some(FolderName::Sent),
        inbox if inbox.eq_ignore_ascii_case("INBOX") => Some(FolderName::Inbox),
        _ => None,
    }
}

impl Session {
    pub(super) async fn select(&mut self, account: AccountId, verb: &str, reader: &mut Reader<'_>) -> Step {
        let name = match mailbox_argument(reader) {
            Ok(name) => name,
            Err(bad) => return Ok(bad.into()),
        };
        // Whatever comes of it, the mailbox selected before no longer is.
        self.phase = Phase::Authenticated { account };
        let Some(name) = named(&name) else { return no(NO_SUCH_MAILBOX) };
        let (access, permanent, closing) = match verb {
            "EXAMINE" => (Access::ReadOnly, String::new(), "[READ-ONLY] examined"),
            _ => (Access::ReadWrite, format!("{FLAGS} \\*"), "[READ-WRITE] selected"),
        };
        let (selected, lines) = {
            let mut inner = self.wire.world.state.lock();
            let folder = inner.folder_mut(account, name);
            let uids = folder.held.iter().map(|held| held.uid).collect();
            (Selected { name, access, validity: folder.validity, uids }, opening(folder, &permanent))
        };
        self.wire.send(lines.as_bytes()).await?;
        self.phase = Phase::Selected { account, selected };
        ok(closing)
    }

    pub(super) async fn list(&mut self, verb: &str, reader: &mut Reader<'_>) -> Step {
        let (reference, pattern) = match list_arguments(reader) {
            Ok(arguments) => arguments,
            Err(bad) => return Ok(bad.into()),
        };
        if pattern.is_empty() {
            self.wire.send_line(&format!("* {verb} (\\Noselect) \"/\" \"\"")).await?;
            return ok("listed");
        }
        let pattern = format!("{reference}{pattern}");
        for name in ["INBOX", "Sent"] {
            let folded = if name == "INBOX" { pattern.to_ascii_uppercase() } else { pattern.clone() };
            if fits(name.as_bytes(), folded.as_bytes()) {
                self.wire.send_line(&format!("* {verb} (\\HasNoChildren) \"/\" {name}")).await?;
            }
        }
        ok("listed")
    }

    pub(super) async fn status(&mut self, account: AccountId, reader: &mut Reader<'_>) -> Step {
        let (name, items) = match status_arguments(reader) {
            Ok(arguments) => arguments,
            Err(bad) => return Ok(bad.into()),
        };
        let Some(folder_name) = named(&name) else { return no(NO_SUCH_MAILBOX) };
        let shown = {
            let mut inner = self.wire.world.state.lock();
            let folder = inner.folder_mut(account, folder_name);
            items.iter().map(|item| format!("{item} {}", item_value(folder, item))).collect::<Vec<_>>()
        };
        let name = match folder_name {
            FolderName::Inbox => "INBOX",
            FolderName::Sent => "Sent",
        };
        self.wire.send_line(&format!("* STATUS {name} ({})", shown.join(" "))).await?;
        ok("done")
    }

    pub(super) async fn append(&mut self, account: AccountId, reader: &mut Reader<'_>) -> Step {
        let arguments = match append_arguments(reader) {
            Ok(arguments) => arguments,
            Err(bad) => return Ok(bad.into()),
        };
        let Some(name) = named(&arguments.mailbox) else { return no("[TRYCREATE] no such mailbox") };
        if has_bare_lf(&arguments.raw) {
            return no("lines of a message end with CRLF");
        }
        let received = arguments.received.unwrap_or_else(|| self.wire.world.state.now());
        let arrival = Arrival { raw: arguments.raw, received, flags: arguments.flags };
        let appended = {
            let mut inner = self.wire.world.state.lock();
            let uid = inner.append(account, name, arrival);
            uid.map(|uid| format!("[APPENDUID {} {uid}] appended", inner.folder_mut(account, name).validity))
        };
        self.tell(Telling::Everything).await?;
        match appended {
            Ok(text) => ok(&text),
            Err(Undeliverable::Full | Undeliverable::UnknownRecipient(_)) => no("[OVERQUOTA] full"),
        }
    }
}

fn opening(folder: &Folder, permanent: &str) -> String {
    let unseen = folder.held.iter().position(|held| !held.flags.contains("\\Seen"));
    let unseen = unseen.map_or_else(String::new, |at| format!("* OK [UNSEEN {}] first unseen\r\n", at + 1));
    let keywords = folder.held.iter().flat_map(|held| &held.flags).filter(|flag| !flag.starts_with('\\'));
    let keywords: BTreeSet<&String> = keywords.collect();
    let keywords = keywords.into_iter().fold(String::new(), |list, keyword| list + " " + keyword);
    format!(
        "* FLAGS ({FLAGS}{keywords})\r\n* OK [PERMANENTFLAGS ({permanent})] may be set\r\n* {} EXISTS\r\n* 0 RECENT\r\n\
         {unseen}* OK [UIDVALIDITY {}] valid\r\n* OK [UIDNEXT {}] next\r\n\
         * OK [HIGHESTMODSEQ {}] highest\r\n",
        folder.held.len(),
        folder.validity,
        folder.uid_next,
        folder.modseq,
    )
}

const STATUS_ITEMS: [&str; 5] = ["MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"];

fn item_value(folder: &Folder, item: &str) -> usize {
    match item {
        "MESSAGES" => folder.held.len(),
        "UIDNEXT" => folder.uid_next as usize,
        "UIDVALIDITY" => folder.validity as usize,
        "UNSEEN" => folder.held.iter().filter(|held| !held.flags.contains("\\Seen")).count(),
        _ => 0,
    }
}

/// Whether a mailbox name fits a LIST pattern. There is no hierarchy, so `%` and `*` mean the same.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    match (name.split_first(), pattern.split_first()) {
        (None, None) => true,
        (_, Some((b'%' | b'*', rest))) => {
            fits(name, rest) || name.split_first().is_some_and(|(_, shorter)| fits(shorter, pattern))
        }
        (Some((letter, name)), Some((wanted, pattern))) => letter == wanted && fits(name, pattern),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn mailbox_argument(reader: &mut Reader) -> Result<String, Bad> {
    reader.space()?;
    let name = reader.astring()?;
    reader.end()?;
    Ok(name)
}

fn list_arguments(reader: &mut Reader) -> Result<(String, String), Bad> {
    const WILDCARDS_MAX: usize = 4;
    reader.space()?;
    let reference = reader.astring()?;
    reader.space()?;
    let pattern = reader.list_mailbox()?;
    reader.end()?;
    if pattern.len() + reference.len() > 255 || pattern.matches(['%', '*']).count() > WILDCARDS_MAX {
        return Err(Bad("the pattern is too complex"));
    }
    Ok((reference, pattern))
}

fn status_arguments(reader: &mut Reader) -> Result<(String, Vec<&'static str>), Bad> {
    reader.space()?;
    let name = reader.astring()?;
    reader.space()?;
    reader.expect(b'(')?;
    let mut items = Vec::new();
    loop {
        let item = reader.keyword()?;
        let known = STATUS_ITEMS.into_iter().find(|known| *known == item);
        items.push(known.ok_or(Bad("unknown status item"))?);
        if reader.eat(b')') {
            break;
        }
        reader.space()?;
    }
    reader.end()?;
    Ok((name, items))
}

struct Append {
    mailbox: String,
    flags: BTreeSet<String>,
    received: Option<Timestamp>,
    raw: Bytes,
}

fn append_arguments(reader: &mut Reader) -> Result<Append, Bad> {
    reader.space()?;
    let mailbox = reader.astring()?;
    reader.space()?;
    let mut flags = Vec::new();
    if reader.peek() == Some(b'(') {
        flags = reader.flags()?;
        reader.space()?;
    }
    let mut received = None;
    if reader.peek() == Some(b'"') {
        let date = reader.string()?;
        received = Some(calendar::parse_internal_date(&date).ok_or(Bad("this is no date-time"))?);
        reader.space()?;
    }
    let raw = reader.literal()?;
    reader.end()?;
    Ok(Append { mailbox, flags: flags.into_iter().collect(), received, raw })
}

fn has_bare_lf(raw: &[u8]) -> bool {
    raw.split_inclusive(|byte| *byte == b'\n').any(|line| line.ends_with(b"\n") && !line.ends_with(b"\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_wildcards() {
        assert!(fits(b"INBOX", b"*") && fits(b"INBOX", b"IN%") && fits(b"Sent", b"Sent"));
        assert!(!fits(b"Sent", b"") && !fits(b"Sent", b"Sen") && !fits(b"Sent", b"%x"));
    }

    #[test]
    fn only_the_inbox_is_known_in_any_case() {
        assert_eq!(named("inBox"), Some(FolderName::Inbox));
        assert_eq!(named("Sent"), Some(FolderName::Sent));
        assert_eq!(named("sent"), None);
    }
}
