//! FETCH and UID FETCH.

use super::super::calendar;
use super::super::state::Held;
use super::reader::is_atom_char;
use super::section::{self, Choice, Section};
use super::selected::{Access, Named, Numbers};
use super::sequence::SequenceSet;
use super::{Bad, Closed, Outcome, Phase, Reader, Session, Step, no, ok};

const NOT_SUPPORTED: &str = "[CANNOT] ENVELOPE, BODYSTRUCTURE and MIME parts are not supported here";

/// Whether reading sets `\Seen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Peek,
    MarkSeen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Uid,
    Flags,
    InternalDate,
    Size,
    /// `label` is what the answer calls it.
    Content {
        label: String,
        section: Section,
        partial: Option<(u32, u32)>,
        effect: Effect,
    },
    NotSupported,
}

impl Session {
    pub(super) async fn fetch(&mut self, numbers: Numbers, reader: &mut Reader<'_>) -> Step {
        let (set, mut items) = match arguments(reader) {
            Ok(arguments) => arguments,
            Err(bad) => return Ok(bad.into()),
        };
        if items.contains(&Item::NotSupported) {
            return no(NOT_SUPPORTED);
        }
        if numbers == Numbers::Uids && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        let Phase::Selected { account, selected } = &self.phase else {
            return Ok(Outcome::Bad("no mailbox is selected"));
        };
        let marks = selected.access == Access::ReadWrite && items.iter().any(Item::marks_seen);
        let messages = {
            let mut inner = self.wire.world.state.lock();
            let folder = inner.folder_mut(*account, selected.name);
            if folder.validity != selected.validity {
                return no("the mailbox was replaced");
            }
            let Some(mut messages) = selected.named(folder, &set, numbers) else {
                return Ok(Outcome::Bad("no such message sequence number"));
            };
            if marks {
                messages.iter_mut().for_each(|named| {
                    named.held.flags.insert(String::from("\\Seen"));
                    if let Some(held) = folder.find_mut(named.held.uid) {
                        held.flags.insert(String::from("\\Seen"));
                    }
                });
            }
            messages
        };
        if marks && !items.contains(&Item::Flags) {
            items.push(Item::Flags);
        }
        for message in &messages {
            self.show(message, &items).await?;
        }
        ok("fetched")
    }

    async fn show(&mut self, message: &Named, items: &[Item]) -> Result<(), Closed> {
        self.wire.send(format!("* {} FETCH (", message.sequence).as_bytes()).await?;
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.wire.send(b" ").await?;
            }
            self.wire.send(&item.render(&message.held)).await?;
        }
        self.wire.send(b")\r\n").await
    }
}

impl Item {
    fn marks_seen(&self) -> bool {
        matches!(self, Self::Content { effect: Effect::MarkSeen, .. })
    }

    fn render(&self, held: &Held) -> Vec<u8> {
        match self {
            Self::Uid => format!("UID {}", held.uid).into_bytes(),
            Self::Flags => format!("FLAGS ({})", flag_list(held)).into_bytes(),
            Self::InternalDate => {
                format!("INTERNALDATE \"{}\"", calendar::internal_date(held.received)).into_bytes()
            }
            Self::Size => format!("RFC822.SIZE {}", held.raw.len()).into_bytes(),
            Self::Content { label, section, partial, .. } => {
                let octets = section::octets(&held.raw, section);
                let (shown, origin) = match partial {
                    Some((origin, length)) => (part(&octets, *origin, *length), format!("<{origin}>")),
                    None => (octets.as_ref(), String::new()),
                };
                let mut rendered = format!("{label}{origin} {{{}}}\r\n", shown.len()).into_bytes();
                rendered.extend_from_slice(shown);
                rendered
            }
            Self::NotSupported => Vec::new(),
        }
    }
}

pub(super) fn flag_list(held: &Held) -> String {
    held.flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn part(octets: &[u8], origin: u32, length: u32) -> &[u8] {
    let rest = usize::try_from(origin).ok().and_then(|origin| octets.get(origin..)).unwrap_or_default();
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
    rest.get(..length).unwrap_or(rest)
}

fn arguments(reader: &mut Reader) -> Result<(SequenceSet, Vec<Item>), Bad> {
    reader.space()?;
    let set = reader.sequence_set()?;
    reader.space()?;
    let mut items = Vec::new();
    if reader.eat(b'(') {
        loop {
            items.push(item(reader)?);
            if reader.eat(b')') {
                break;
            }
            reader.space()?;
        }
    } else {
        match macro_or_item(reader)? {
            Asked::Fast => items.extend([Item::Flags, Item::InternalDate, Item::Size]),
            Asked::Item(item) => items.push(item),
        }
    }
    reader.end()?;
    Ok((set, items))
}

/// What may stand without parentheses.
enum Asked {
    Fast,
    Item(Item),
}

fn macro_or_item(reader: &mut Reader) -> Result<Asked, Bad> {
    let name = item_name(reader)?;
    match name.as_str() {
        "FAST" => Ok(Asked::Fast),
        "ALL" | "FULL" => Ok(Asked::Item(Item::NotSupported)),
        _ => named_item(&name, reader).map(Asked::Item),
    }
}

fn item(reader: &mut Reader) -> Result<Item, Bad> {
    let name = item_name(reader)?;
    named_item(&name, reader)
}

fn item_name(reader: &mut Reader) -> Result<String, Bad> {
    let name = reader.word(|byte| is_atom_char(byte) && byte != b'[')?;
    Ok(name.to_ascii_uppercase())
}

fn named_item(name: &str, reader: &mut Reader) -> Result<Item, Bad> {
    let content = |label: &str, section, effect| Item::Content {
        label: label.to_owned(),
        section,
        partial: None,
        effect,
    };
    match name {
        "UID" => Ok(Item::Uid),
        "FLAGS" => Ok(Item::Flags),
        "INTERNALDATE" => Ok(Item::InternalDate),
        "RFC822.SIZE" => Ok(Item::Size),
        "RFC822" => Ok(content("RFC822", Section::Whole, Effect::MarkSeen)),
        "RFC822.HEADER" => Ok(content("RFC822.HEADER", Section::Header, Effect::Peek)),
        "RFC822.TEXT" => Ok(content("RFC822.TEXT", Section::Text, Effect::MarkSeen)),
        "ENVELOPE" | "BODYSTRUCTURE" => Ok(Item::NotSupported),
        "BODY" if reader.peek() == Some(b'[') => body(Effect::MarkSeen, reader),
        "BODY" => Ok(Item::NotSupported),
        "BODY.PEEK" => body(Effect::Peek, reader),
        _ => Err(Bad("unknown fetch item")),
    }
}

/// `[section]<origin.length>`.
fn body(effect: Effect, reader: &mut Reader) -> Result<Item, Bad> {
    reader.expect(b'[')?;
    let (section, label) = if reader.eat(b']') {
        (Some(Section::Whole), String::from("BODY[]"))
    } else {
        let name = reader.keyword()?;
        let (section, inside) = match name.as_str() {
            "HEADER" => (Some(Section::Header), name),
            "TEXT" => (Some(Section::Text), name),
            "HEADER.FIELDS" => named_fields(&name, Choice::Listed, reader)?,
            "HEADER.FIELDS.NOT" => named_fields(&name, Choice::Others, reader)?,
            _ if name.starts_with(|c: char| c.is_ascii_digit() && c != '0') => (None, name),
            _ => return Err(Bad("unknown section")),
        };
        reader.expect(b']')?;
        (section, format!("BODY[{inside}]"))
    };
    let partial = match reader.eat(b'<') {
        true => Some(partial(reader)?),
        false => None,
    };
    Ok(section.map_or(Item::NotSupported, |section| Item::Content { label, section, partial, effect }))
}

fn partial(reader: &mut Reader) -> Result<(u32, u32), Bad> {
    let origin = reader.number()?;
    reader.expect(b'.')?;
    let length = reader.number()?;
    reader.expect(b'>')?;
    if length == 0 { Err(Bad("a partial fetch has a length")) } else { Ok((origin, length)) }
}

fn named_fields(name: &str, choice: Choice, reader: &mut Reader) -> Result<(Option<Section>, String), Bad> {
    reader.space()?;
    reader.expect(b'(')?;
    let mut names = Vec::new();
    loop {
        names.push(reader.astring()?);
        if reader.eat(b')') {
            break;
        }
        reader.space()?;
    }
    // The label repeats the names, so they must be such as can be repeated without quoting.
    if !names.iter().all(|name| !name.is_empty() && name.bytes().all(is_atom_char)) {
        return Err(Bad("this is no header field name"));
    }
    let label = format!("{name} ({})", names.join(" "));
    Ok((Some(Section::Fields { choice, names }), label))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::reader::Chunk;
    use super::*;

    fn parsed(text: &'static str) -> Result<Vec<Item>, Bad> {
        let chunks = [Chunk::Text(Bytes::from_static(text.as_bytes()))];
        arguments(&mut Reader::new(&chunks)).map(|(_, items)| items)
    }

    #[test]
    fn items_stand_alone_or_in_parentheses() {
        assert_eq!(parsed(" 1 UID"), Ok(vec![Item::Uid]));
        assert_eq!(parsed(" 1:* (uid FLAGS rfc822.size)"), Ok(vec![Item::Uid, Item::Flags, Item::Size]));
        assert_eq!(parsed(" 1 FAST").unwrap().len(), 3);
        for wrong in
            [" 1 (UID", " 1 ()", " 1 UID FLAGS", " 1 (UID  FLAGS)", " 1 BODY.PEEK", " 0 UID", " 1 (FAST)"]
        {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_section_names_part_of_a_message() {
        let items = parsed(" 1 BODY.PEEK[HEADER.FIELDS (Subject From)]<0.20>").unwrap();
        let Item::Content { label, partial, effect, .. } = &items[0] else { panic!("{items:?}") };
        assert_eq!(label, "BODY[HEADER.FIELDS (Subject From)]");
        assert_eq!((*partial, *effect), (Some((0, 20)), Effect::Peek));
        assert_eq!(parsed(" 1 BODY[1.2]"), Ok(vec![Item::NotSupported]));
        assert!(parsed(" 1 BODY[HEADER").is_err());
    }

    #[test]
    fn a_partial_fetch_stays_within_the_message() {
        assert_eq!(part(b"abcdef", 2, 3), b"cde");
        assert_eq!(part(b"abc", 2, 9), b"c");
        assert_eq!(part(b"abc", 5, 1), b"");
    }
}
