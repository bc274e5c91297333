//! SEARCH and UID SEARCH.

use jiff::civil::Date;

use super::super::calendar;
use super::section::{self, Choice, Section};
use super::selected::{Named, Numbers};
use super::sequence::SequenceSet;
use super::{Bad, Outcome, Phase, Reader, Session, Step, no, ok};

const DEPTH_MAX: usize = 16;

/// RFC 3501 `search-key`; texts are compared without regard to ASCII case, in the octets as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    All,
    Nothing,
    Numbers(SequenceSet),
    Uids(SequenceSet),
    Flag(String),
    Before(Date),
    On(Date),
    Since(Date),
    Larger(u32),
    Smaller(u32),
    Field { name: String, text: String },
    Body(String),
    Text(String),
    Not(Box<Key>),
    Or(Box<(Key, Key)>),
    And(Vec<Key>),
}

/// What a search is to return in the place of all numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Return {
    Min,
    Max,
    All,
    Count,
}

/// What `*` stands for.
struct Largest {
    sequence: u32,
    uid: u32,
}

impl Session {
    pub(super) async fn search(&mut self, numbers: Numbers, reader: &mut Reader<'_>) -> Step {
        let (returned, key) = match arguments(reader) {
            Ok(Some(asked)) => asked,
            Ok(None) => return no("[BADCHARSET (US-ASCII UTF-8)] unknown charset"),
            Err(bad) => return Ok(bad.into()),
        };
        let Phase::Selected { account, selected } = &self.phase else {
            return Ok(Outcome::Bad("no mailbox is selected"));
        };
        let all = SequenceSet::parse("1:*").unwrap_or_else(|| unreachable!("a constant that parses"));
        let messages = {
            let mut inner = self.wire.world.state.lock();
            let folder = inner.folder_mut(*account, selected.name);
            if folder.validity != selected.validity {
                return no("the mailbox was replaced");
            }
            selected.named(folder, &all, Numbers::Uids).unwrap_or_default()
        };
        let sequence = u32::try_from(selected.uids.len()).unwrap_or(u32::MAX);
        let largest = Largest { sequence, uid: selected.uids.last().copied().unwrap_or(0) };
        let found = messages.iter().filter(|named| key.fits(named, &largest)).map(|named| match numbers {
            Numbers::Uids => named.held.uid,
            Numbers::Sequence => u32::try_from(named.sequence).unwrap_or(u32::MAX),
        });
        let line = answer(&found.collect::<Vec<_>>(), returned.as_deref(), (&self.tag, numbers));
        self.wire.send_line(&line).await?;
        ok("searched")
    }
}

/// SEARCH, or what RETURN asked for (RFC 4731). The numbers ascend.
fn answer(found: &[u32], returned: Option<&[Return]>, (tag, numbers): (&str, Numbers)) -> String {
    let list = |between: &str| found.iter().map(u32::to_string).collect::<Vec<_>>().join(between);
    let Some(returned) = returned else { return format!("* SEARCH {}", list(" ")).trim_end().to_owned() };
    let mut line = format!("* ESEARCH (TAG \"{tag}\")");
    if numbers == Numbers::Uids {
        line.push_str(" UID");
    }
    for item in returned {
        match (item, found) {
            (Return::Count, _) => line.push_str(&format!(" COUNT {}", found.len())),
            (Return::Min | Return::Max | Return::All, []) => {}
            (Return::Min, [first, ..]) => line.push_str(&format!(" MIN {first}")),
            (Return::Max, [.., last]) => line.push_str(&format!(" MAX {last}")),
            (Return::All, _) => line.push_str(&format!(" ALL {}", list(","))),
        }
    }
    line
}

/// `RETURN (MIN COUNT)`; nothing in the parentheses means ALL. `None`: the keys begin at once.
fn returned(reader: &mut Reader) -> Result<Option<Vec<Return>>, Bad> {
    let mut ahead = reader.clone();
    if ahead.keyword().ok().as_deref() != Some("RETURN") {
        return Ok(None);
    }
    ahead.space()?;
    ahead.expect(b'(')?;
    let mut items = Vec::new();
    while !ahead.eat(b')') {
        if !items.is_empty() {
            ahead.space()?;
        }
        items.push(match ahead.keyword()?.as_str() {
            "MIN" => Return::Min,
            "MAX" => Return::Max,
            "ALL" => Return::All,
            "COUNT" => Return::Count,
            _ => return Err(Bad("this cannot be returned")),
        });
    }
    ahead.space()?;
    *reader = ahead;
    Ok(Some(if items.is_empty() { vec![Return::All] } else { items }))
}

impl Key {
    fn fits(&self, named: &Named, largest: &Largest) -> bool {
        let held = &named.held;
        let size = u32::try_from(held.raw.len()).unwrap_or(u32::MAX);
        let sequence = u32::try_from(named.sequence).unwrap_or(u32::MAX);
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Numbers(set) => set.contains(sequence, largest.sequence),
            Self::Uids(set) => set.contains(held.uid, largest.uid),
            Self::Flag(flag) => held.flags.iter().any(|set| set.eq_ignore_ascii_case(flag)),
            Self::Before(day) => calendar::day(held.received) < *day,
            Self::On(day) => calendar::day(held.received) == *day,
            Self::Since(day) => calendar::day(held.received) >= *day,
            Self::Larger(octets) => size > *octets,
            Self::Smaller(octets) => size < *octets,
            Self::Field { name, text } => field_contains(&held.raw, name, text),
            Self::Body(text) => contains(&section::octets(&held.raw, &Section::Text), text),
            Self::Text(text) => contains(&held.raw, text),
            Self::Not(key) => !key.fits(named, largest),
            Self::Or(keys) => keys.0.fits(named, largest) || keys.1.fits(named, largest),
            Self::And(keys) => keys.iter().all(|key| key.fits(named, largest)),
        }
    }
}

/// An empty text asks whether the field is there.
fn field_contains(raw: &[u8], name: &str, text: &str) -> bool {
    let section = Section::Fields { choice: Choice::Listed, names: vec![name.to_owned()] };
    let fields = section::octets(raw, &section);
    let values = fields.split_inclusive(|byte| *byte == b'\n').filter(|line| *line != b"\r\n");
    values
        .map(|line| line.splitn(2, |byte| *byte == b':').last().unwrap_or(line))
        .any(|value| contains(value, text))
}

fn contains(octets: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    text.is_empty() || octets.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
}

/// What is to be returned, and the keys.
type Asked = (Option<Vec<Return>>, Key);

/// `None`: the charset is not known.
fn arguments(reader: &mut Reader) -> Result<Option<Asked>, Bad> {
    let mut keys = Vec::new();
    let mut charset_known = true;
    reader.space()?;
    let returned = returned(reader)?;
    loop {
        let next = key(reader, 0)?;
        match next {
            Parsed::Key(key) => keys.push(key),
            Parsed::Charset(name) if keys.is_empty() => {
                charset_known = ["US-ASCII", "UTF-8"].contains(&name.to_ascii_uppercase().as_str());
                reader.space()?;
                continue;
            }
            Parsed::Charset(_) => return Err(Bad("CHARSET comes first")),
        }
        if !reader.eat(b' ') {
            break;
        }
    }
    reader.end()?;
    Ok(charset_known.then_some((returned, Key::And(keys))))
}

enum Parsed {
    Key(Key),
    Charset(String),
}

fn key(reader: &mut Reader, depth: usize) -> Result<Parsed, Bad> {
    if depth > DEPTH_MAX {
        return Err(Bad("search keys are nested too deeply"));
    }
    if reader.eat(b'(') {
        let mut keys = vec![plain_key(reader, depth + 1)?];
        while reader.eat(b' ') {
            keys.push(plain_key(reader, depth + 1)?);
        }
        reader.expect(b')')?;
        return Ok(Parsed::Key(Key::And(keys)));
    }
    match reader.peek() {
        Some(byte) if byte.is_ascii_digit() || byte == b'*' => {
            Ok(Parsed::Key(Key::Numbers(reader.sequence_set()?)))
        }
        Some(_) | None => {
            let name = reader.keyword()?;
            if name == "CHARSET" {
                reader.space()?;
                return Ok(Parsed::Charset(reader.astring()?));
            }
            named_key(&name, reader, depth).map(Parsed::Key)
        }
    }
}

fn plain_key(reader: &mut Reader, depth: usize) -> Result<Key, Bad> {
    match key(reader, depth)? {
        Parsed::Key(key) => Ok(key),
        Parsed::Charset(_) => Err(Bad("CHARSET comes first")),
    }
}

fn named_key(name: &str, reader: &mut Reader, depth: usize) -> Result<Key, Bad> {
    let flag = |name: &str| Key::Flag(format!("\\{name}"));
    match name {
        "ALL" => Ok(Key::All),
        // Nothing is ever recent here.
        "NEW" | "RECENT" => Ok(Key::Nothing),
        "OLD" => Ok(Key::All),
        "ANSWERED" | "DELETED" | "DRAFT" | "FLAGGED" | "SEEN" => Ok(flag(name)),
        "UNANSWERED" | "UNDELETED" | "UNDRAFT" | "UNFLAGGED" | "UNSEEN" => {
            Ok(Key::Not(Box::new(flag(name.trim_start_matches("UN")))))
        }
        "NOT" => {
            reader.space()?;
            Ok(Key::Not(Box::new(plain_key(reader, depth + 1)?)))
        }
        "OR" => {
            reader.space()?;
            let one = plain_key(reader, depth + 1)?;
            reader.space()?;
            Ok(Key::Or(Box::new((one, plain_key(reader, depth + 1)?))))
        }
        _ => {
            reader.space()?;
            key_with_argument(name, reader)
        }
    }
}

fn key_with_argument(name: &str, reader: &mut Reader) -> Result<Key, Bad> {
    match name {
        "UID" => reader.sequence_set().map(Key::Uids),
        "KEYWORD" => reader.flag().map(Key::Flag),
        "UNKEYWORD" => reader.flag().map(|flag| Key::Not(Box::new(Key::Flag(flag)))),
        "BEFORE" => day(reader).map(Key::Before),
        "ON" => day(reader).map(Key::On),
        "SINCE" => day(reader).map(Key::Since),
        "LARGER" => reader.number().map(Key::Larger),
        "SMALLER" => reader.number().map(Key::Smaller),
        "BODY" => reader.astring().map(Key::Body),
        "TEXT" => reader.astring().map(Key::Text),
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
            reader.astring().map(|text| Key::Field { name: name.to_owned(), text })
        }
        "HEADER" => {
            let name = reader.astring()?;
            reader.space()?;
            Ok(Key::Field { name, text: reader.astring()? })
        }
        _ => Err(Bad("unknown search key")),
    }
}

fn day(reader: &mut Reader) -> Result<Date, Bad> {
    let text = reader.astring()?;
    calendar::parse_day(&text).ok_or(Bad("this is no date"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::reader::Chunk;
    use super::*;

    fn parsed(text: &'static str) -> Result<Option<Key>, Bad> {
        let chunks = [Chunk::Text(Bytes::from_static(text.as_bytes()))];
        Ok(arguments(&mut Reader::new(&chunks))?.map(|(_, key)| key))
    }

    #[test]
    fn what_is_returned_is_what_was_asked_for() {
        let asked = |text: &'static str| {
            let chunks = [Chunk::Text(Bytes::from_static(text.as_bytes()))];
            let (returned, _) = arguments(&mut Reader::new(&chunks)).unwrap().unwrap();
            answer(&[3, 7], returned.as_deref(), ("a1", Numbers::Uids))
        };
        assert_eq!(asked(" ALL"), "* SEARCH 3 7");
        assert_eq!(asked(" RETURN () ALL"), "* ESEARCH (TAG \"a1\") UID ALL 3,7");
        assert_eq!(
            asked(" return (Count min MAX) CHARSET UTF-8 ALL"),
            "* ESEARCH (TAG \"a1\") UID COUNT 2 MIN 3 MAX 7"
        );
        let nothing = answer(&[], Some(&[Return::Min, Return::Count]), ("a1", Numbers::Uids));
        assert_eq!(nothing, "* ESEARCH (TAG \"a1\") UID COUNT 0");
        for wrong in [" RETURN (SOME) ALL", " RETURN MIN ALL", " RETURN (MIN"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_joined_by_and() {
        let keys = parsed(" SINCE 1-Feb-2026 UID 3:* NOT SEEN").unwrap().unwrap();
        let Key::And(keys) = keys else { panic!("{keys:?}") };
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[2], Key::Not(Box::new(Key::Flag(String::from("\\SEEN")))));
        assert_eq!(parsed(" CHARSET KOI8-R ALL"), Ok(None));
        for wrong in ["", " ", " SINCE 2026-02-01", " (ALL", " OR ALL", " XYZZY 1", " ALL CHARSET UTF-8"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_is_searched_in_its_value() {
        let raw = b"Message-ID: <A1@b>\r\nSubject: two\r\n words\r\n\r\nMessage-ID: x\r\n";
        assert!(field_contains(raw, "message-id", "<a1@B>"));
        assert!(field_contains(raw, "SUBJECT", "words"));
        assert!(field_contains(raw, "Subject", ""));
        assert!(!field_contains(raw, "Cc", ""));
        assert!(!field_contains(raw, "Message-ID", "x"));
    }
}
