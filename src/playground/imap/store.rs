//! STORE and COPY.

use std::collections::BTreeSet;

use super::super::state::{Arrival, Undeliverable};
use super::fetch::flag_list;
use super::folder;
use super::selected::{Access, Named, Numbers};
use super::sequence::SequenceSet;
use super::{Bad, FolderName, Outcome, Phase, Reader, Session, Step, no, ok};

/// Of one message.
const KEYWORDS_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Replace,
    Add,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Echo {
    Shown,
    Silent,
}

struct Request {
    set: SequenceSet,
    change: Change,
    echo: Echo,
    flags: BTreeSet<String>,
}

impl Session {
    pub(super) async fn store(&mut self, numbers: Numbers, reader: &mut Reader<'_>) -> Step {
        let request = match request(reader) {
            Ok(request) => request,
            Err(bad) => return Ok(bad.into()),
        };
        let Phase::Selected { account, selected } = &self.phase else {
            return Ok(Outcome::Bad("no mailbox is selected"));
        };
        if selected.access == Access::ReadOnly {
            return no("[READ-ONLY] the mailbox is open for reading");
        }
        let changed = {
            let mut inner = self.wire.world.state.lock();
            let folder = inner.folder_mut(*account, selected.name);
            if folder.validity != selected.validity {
                return no("the mailbox was replaced");
            }
            let Some(mut messages) = selected.named(folder, &request.set, numbers) else {
                return Ok(Outcome::Bad("no such message sequence number"));
            };
            for named in &mut messages {
                if let Some(held) = folder.find_mut(named.held.uid) {
                    apply(&request, &mut held.flags);
                    named.held.flags.clone_from(&held.flags);
                }
            }
            messages
        };
        if request.echo == Echo::Shown {
            for named in &changed {
                self.wire.send_line(&shown(named, numbers)).await?;
            }
        }
        ok("stored")
    }

    pub(super) fn copy(&mut self, numbers: Numbers, reader: &mut Reader<'_>) -> Step {
        let (set, target) = match copy_arguments(reader) {
            Ok((set, Some(target))) => (set, target),
            Ok((_, None)) => return no("[TRYCREATE] no such mailbox"),
            Err(bad) => return Ok(bad.into()),
        };
        let Phase::Selected { account, selected } = &self.phase else {
            return Ok(Outcome::Bad("no mailbox is selected"));
        };
        let mut inner = self.wire.world.state.lock();
        let source = inner.folder_mut(*account, selected.name);
        if source.validity != selected.validity {
            return no("the mailbox was replaced");
        }
        let Some(messages) = selected.named(source, &set, numbers) else {
            return Ok(Outcome::Bad("no such message sequence number"));
        };
        let validity = inner.folder_mut(*account, target).validity;
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for Named { held, .. } in messages {
            let arrival = Arrival { raw: held.raw, received: held.received, flags: held.flags };
            match inner.append(*account, target, arrival) {
                Ok(uid) => to.push(uid.to_string()),
                Err(Undeliverable::Full | Undeliverable::UnknownRecipient(_)) => {
                    return no("[OVERQUOTA] full");
                }
            }
            from.push(held.uid.to_string());
        }
        if from.is_empty() {
            return ok("nothing to copy");
        }
        ok(&format!("[COPYUID {validity} {} {}] copied", from.join(","), to.join(",")))
    }
}

fn apply(request: &Request, flags: &mut BTreeSet<String>) {
    match request.change {
        Change::Replace => flags.clone_from(&request.flags),
        Change::Add => flags.extend(request.flags.iter().cloned()),
        Change::Remove => flags.retain(|flag| !request.flags.contains(flag)),
    }
    while flags.len() > KEYWORDS_MAX {
        flags.pop_first();
    }
}

fn shown(named: &Named, numbers: Numbers) -> String {
    let flags = flag_list(&named.held);
    match numbers {
        Numbers::Uids => format!("* {} FETCH (UID {} FLAGS ({flags}))", named.sequence, named.held.uid),
        Numbers::Sequence => format!("* {} FETCH (FLAGS ({flags}))", named.sequence),
    }
}

fn request(reader: &mut Reader) -> Result<Request, Bad> {
    reader.space()?;
    let set = reader.sequence_set()?;
    reader.space()?;
    let (change, echo) = match reader.keyword()?.as_str() {
        "FLAGS" => (Change::Replace, Echo::Shown),
        "FLAGS.SILENT" => (Change::Replace, Echo::Silent),
        "+FLAGS" => (Change::Add, Echo::Shown),
        "+FLAGS.SILENT" => (Change::Add, Echo::Silent),
        "-FLAGS" => (Change::Remove, Echo::Shown),
        "-FLAGS.SILENT" => (Change::Remove, Echo::Silent),
        _ => return Err(Bad("FLAGS, +FLAGS or -FLAGS is expected")),
    };
    reader.space()?;
    let flags = match reader.peek() {
        Some(b'(') => reader.flags()?,
        Some(_) | None => bare_flags(reader)?,
    };
    reader.end()?;
    Ok(Request { set, change, echo, flags: flags.into_iter().collect() })
}

fn bare_flags(reader: &mut Reader) -> Result<Vec<String>, Bad> {
    let mut flags = vec![reader.flag()?];
    while reader.eat(b' ') {
        flags.push(reader.flag()?);
    }
    Ok(flags)
}

fn copy_arguments(reader: &mut Reader) -> Result<(SequenceSet, Option<FolderName>), Bad> {
    reader.space()?;
    let set = reader.sequence_set()?;
    reader.space()?;
    let target = reader.astring()?;
    reader.end()?;
    Ok((set, folder::named(&target)))
}
