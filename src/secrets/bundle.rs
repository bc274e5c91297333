//! The plaintext of a bundle: one YAML (or JSON) map from keys to texts.
//!
//! ```yaml
//! # comments are fine
//! anna: hunter2
//! relay-key: |
//!   -----BEGIN PRIVATE KEY-----
//! ```
//!
//! A value is what is written, whatever it looks like: `no`, `0123` and `2027-05-01` are texts. What is wrong is told by
//! its line: the words of a plaintext are never repeated, not even its keys, for a value may stand in their place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use crate::model::limits;
use crate::model::secret::Secret;

/// The values of a bundle, by key.
pub type Values = BTreeMap<String, Secret<String>>;

/// Why a plaintext is no bundle. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleFault {
    #[error("its plaintext is not UTF-8 text")]
    NotText,
    #[error("its plaintext is not YAML, see line {0}")]
    Syntax(usize),
    #[error("its plaintext is not one map of keys and values, see line {0}")]
    NotAMap(usize),
    #[error("line {0} of its plaintext: anchors, aliases and tags are not read")]
    NotPlain(usize),
    #[error("line {0} of its plaintext: the key stands there twice")]
    Twice(usize),
    #[error("line {0} of its plaintext: the key has no value; write `\"\"` for an empty text")]
    NoValue(usize),
    #[error("line {0} of its plaintext: a value is a text, not a list or a map")]
    Nested(usize),
    #[error("line {0} of its plaintext: a value has at most {max} bytes", max = limits::SECRET_VALUE_BYTES_MAX)]
    ValueTooLarge(usize),
    #[error("it has more than {max} keys", max = limits::BUNDLE_KEYS_MAX)]
    TooManyKeys,
    #[error("its plaintext is larger than {max} bytes", max = limits::BUNDLE_BYTES_MAX)]
    TooLarge,
}

/// Reads a plaintext.
pub fn parse(plain: &[u8]) -> Result<Values, BundleFault> {
    let text = std::str::from_utf8(plain).map_err(|_| BundleFault::NotText)?;
    let mut values = Values::new();
    for entry in entries(text)? {
        values.insert(entry.key, entry.value);
    }
    Ok(values)
}

/// On which line each key stands.
pub fn lines(plain: &[u8]) -> Result<BTreeMap<String, usize>, BundleFault> {
    let text = std::str::from_utf8(plain).map_err(|_| BundleFault::NotText)?;
    Ok(entries(text)?.into_iter().map(|entry| (entry.key, entry.line)).collect())
}

/// The plaintext with this value under this key; comments and the other values stay as they are.
pub fn put(plain: &[u8], key: &str, value: &Secret<String>) -> Result<Secret<String>, BundleFault> {
    let text = std::str::from_utf8(plain).map_err(|_| BundleFault::NotText)?;
    let found = entries(text)?.into_iter().find(|entry| entry.key == key);
    let quoted = quoted(value.expose());
    let changed = match found {
        Some(entry) => {
            let (before, after) = (text.get(..entry.place.start), text.get(entry.place.end..));
            [before.unwrap_or_default(), quoted.expose(), after.unwrap_or_default()].concat()
        }
        None => appended(text, key, quoted.expose()),
    };
    let changed = Secret::new(changed);
    let now = parse(changed.expose().as_bytes())?;
    let holds = now.get(key).is_some_and(|found| found.expose() == value.expose());
    if holds { Ok(changed) } else { Err(BundleFault::NotAMap(1)) }
}

/// These values as the text of a bundle, for a person to edit.
pub fn render(values: &Values) -> Secret<String> {
    let entries: Vec<_> =
        values.iter().map(|(key, value)| Secret::new(rendered(key, value.expose()))).collect();
    Secret::new(entries.iter().map(|entry| entry.expose().as_str()).collect::<Vec<_>>().concat())
}

/// A text of several lines as a block where that reads back the same, everything else in quotes.
fn rendered(key: &str, value: &str) -> String {
    let name = quoted_key(key);
    let block = value.strip_suffix('\n').filter(|lines| {
        lines.contains('\n')
            && !lines.starts_with([' ', '\n'])
            && !lines.chars().any(|c| c.is_control() && c != '\n')
    });
    if let Some(lines) = block {
        let mut text = format!("{name}: |\n");
        for line in lines.split('\n') {
            let _ = writeln!(text, "  {line}");
        }
        let text = Secret::new(text);
        let back = parse(text.expose().as_bytes());
        if back.is_ok_and(|back| back.get(key).is_some_and(|back| back.expose() == value)) {
            return text.expose().clone();
        }
    }
    format!("{name}: {}\n", quoted(value).expose())
}

/// JSON's quotes are YAML's double quotes. YAML reads fewer characters as they are.
fn quoted(value: &str) -> Secret<String> {
    let json = Secret::new(serde_json::to_string(value).unwrap_or_default());
    let mut text = String::with_capacity(json.expose().len() * 6);
    for character in json.expose().chars() {
        let is_special = matches!(character, '\u{FEFF}' | '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}');
        if character.is_control() || is_special {
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    Secret::new(text)
}

fn quoted_key(key: &str) -> String {
    let is_plain = !key.is_empty()
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'))
        && !matches!(key, "null" | "Null" | "NULL");
    if is_plain { key.to_owned() } else { quoted(key).expose().clone() }
}

fn appended(text: &str, key: &str, quoted: &str) -> String {
    let trimmed = text.trim_end();
    if let Some(flow) =
        trimmed.strip_suffix('}').filter(|_| entries(text).is_ok_and(|found| is_flow(text, &found)))
    {
        let separator = if flow.trim_end().ends_with(['{', ',']) { " " } else { ", " };
        let (name, flow) = (serde_json::to_string(key).unwrap_or_default(), flow.trim_end());
        return format!("{flow}{separator}{name}: {quoted} }}\n");
    }
    let line = if trimmed.is_empty() { "" } else { "\n" };
    format!("{trimmed}{line}{}: {quoted}\n", quoted_key(key))
}

/// Whether the map is written in braces.
fn is_flow(text: &str, entries: &[Entry]) -> bool {
    let first = entries.first().map_or(text.len(), |entry| entry.place.start);
    text.get(..first).is_some_and(|before| before.lines().any(|line| line.trim_start().starts_with('{')))
}

struct Entry {
    key: String,
    value: Secret<String>,
    /// The bytes of the value.
    place: Range<usize>,
    line: usize,
}

fn entries(text: &str) -> Result<Vec<Entry>, BundleFault> {
    if text.len() > limits::BUNDLE_BYTES_MAX {
        return Err(BundleFault::TooLarge);
    }
    let options = granit_parser::options! {
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        disallow_directives: true,
        flow_nesting_limit: 4,
        block_nesting_limit: 4,
    };
    let mut reading =
        Reading { text, entries: Vec::new(), lines: BTreeMap::new(), state: State::Before, key: None };
    for step in Parser::new_from_str_with_options(text, options) {
        let (event, span) = step.map_err(|error| BundleFault::Syntax(error.marker().line()))?;
        reading.take(event, span)?;
    }
    Ok(reading.entries)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Inside,
    After,
}

struct Reading<'t> {
    text: &'t str,
    entries: Vec<Entry>,
    lines: BTreeMap<String, usize>,
    state: State,
    key: Option<(String, usize)>,
}

impl<'t> Reading<'t> {
    fn take(&mut self, event: Event<'t>, span: Span) -> Result<(), BundleFault> {
        let place = span.byte_range().unwrap_or_default();
        let line = span.start.line();
        if event.tag().is_some() {
            return Err(BundleFault::NotPlain(line));
        }
        match event {
            Event::Scalar(text, style, ..) => self.scalar(text, style, place, line),
            Event::MappingStart(style, ..) => match (self.state, style) {
                (State::Before, StructureStyle::Flow | StructureStyle::Block) => {
                    self.state = State::Inside;
                    Ok(())
                }
                (State::Inside, _) => Err(BundleFault::Nested(line)),
                (State::After, _) => Err(BundleFault::NotAMap(line)),
            },
            Event::SequenceStart(..) => Err(match self.state {
                State::Inside => BundleFault::Nested(line),
                State::Before | State::After => BundleFault::NotAMap(line),
            }),
            Event::MappingEnd => {
                self.state = State::After;
                Ok(())
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) | Event::Anchor(..) => {
                Err(BundleFault::NotPlain(line))
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::Comment(..) => Ok(()),
            // The parser's enum may grow; what it adds then is no part of a flat map.
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        place: Range<usize>,
        line: usize,
    ) -> Result<(), BundleFault> {
        let is_nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
        if self.state != State::Inside {
            // A file of comments only is an empty bundle.
            return if is_nothing { Ok(()) } else { Err(BundleFault::NotAMap(line)) };
        }
        // What the parser had to build is taken over, not copied, so that it is wiped too.
        let text = text.into_owned();
        let Some((key, key_line)) = self.key.take() else {
            if style == ScalarStyle::Plain && text == "<<" || is_nothing {
                return Err(BundleFault::NotPlain(line));
            }
            if self.lines.insert(text.clone(), line).is_some() {
                return Err(BundleFault::Twice(line));
            }
            if self.lines.len() > limits::BUNDLE_KEYS_MAX {
                return Err(BundleFault::TooManyKeys);
            }
            self.key = Some((text, line));
            return Ok(());
        };
        let value = Secret::new(text);
        if is_nothing {
            return Err(BundleFault::NoValue(key_line));
        }
        if value.expose().len() > limits::SECRET_VALUE_BYTES_MAX {
            return Err(BundleFault::ValueTooLarge(key_line));
        }
        self.entries.push(Entry { key, value, place: self.without_line_ends(place, style), line: key_line });
        Ok(())
    }

    /// A block reaches to the next key; the line end before that is not the value's.
    fn without_line_ends(&self, place: Range<usize>, style: ScalarStyle) -> Range<usize> {
        let range = self.text.get(place.clone()).unwrap_or_default();
        let end = place.start + range.trim_end().len();
        let start = match style {
            // The place of a block begins behind its `|`.
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let before = self.text.get(..place.start).unwrap_or_default();
                before.rfind(['|', '>']).unwrap_or(place.start)
            }
            ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => place.start,
        };
        start..end.max(place.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let values = parse(text.as_bytes()).unwrap();
        values.iter().map(|(key, value)| (key.clone(), value.expose().clone())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_value_is_what_is_written_whatever_it_looks_like() {
        let text = "# ours\na: no\nb: 0123\nc: 2027-05-01\nd: \"x\\ty\"\ne: 'null'\nf: |\n  one\n  two\n";
        let expected = [
            ("a", "no"),
            ("b", "0123"),
            ("c", "2027-05-01"),
            ("d", "x\ty"),
            ("e", "null"),
            ("f", "one\ntwo\n"),
        ];
        assert_eq!(read(text), pairs(&expected));
        assert_eq!(read("{\"a\": \"x\", \"b\": \"\"}"), pairs(&[("a", "x"), ("b", "")]));
        assert_eq!(read("# nothing yet\n"), []);
    }

    #[test]
    fn what_is_no_map_of_texts_is_told_by_its_line_and_never_quoted() {
        let cases = [
            ("a: hunter2\nb:\n", BundleFault::NoValue(2)),
            ("a: hunter2\na: hunter3\n", BundleFault::Twice(2)),
            ("a: [hunter2]\n", BundleFault::Nested(1)),
            ("a:\n  b: hunter2\n", BundleFault::Nested(2)),
            ("- hunter2\n", BundleFault::NotAMap(1)),
            ("hunter2\n", BundleFault::NotAMap(1)),
            ("a: x\n---\nb: hunter2\n", BundleFault::NotAMap(3)),
            ("a: &x hunter2\n", BundleFault::NotPlain(1)),
            ("a: !!str hunter2\n", BundleFault::NotPlain(1)),
            ("a: *x\n", BundleFault::NotPlain(1)),
        ];
        for (text, fault) in cases {
            let found = parse(text.as_bytes()).map(|values| values.len()).unwrap_err();
            assert_eq!(found, fault, "{text}");
            assert!(!found.to_string().contains("hunter"), "{found}");
        }
        assert!(matches!(parse(b"a: 'x\n").err(), Some(BundleFault::Syntax(_))));
        assert_eq!(parse(&[b'a', b':', b' ', 0xff]).err(), Some(BundleFault::NotText));
    }

    #[test]
    fn a_value_is_put_without_touching_the_others() {
        let value = Secret::new("new \"one\"\n".to_owned());
        let text = "# ours\na: old # his\nb: |\n  one\n  two\n\n# last\nc: 'x'\n";
        let put = |text: &str, key: &str| put(text.as_bytes(), key, &value).unwrap().expose().clone();
        assert_eq!(put(text, "a"), text.replace("old", "\"new \\\"one\\\"\\n\""));
        assert_eq!(put(text, "b"), text.replace("|\n  one\n  two\n", "\"new \\\"one\\\"\\n\"\n"));
        assert_eq!(put(text, "d"), format!("{text}d: \"new \\\"one\\\"\\n\"\n"));
        assert_eq!(put("", "d"), "d: \"new \\\"one\\\"\\n\"\n");
        assert_eq!(put("{\"a\": \"x\"}\n", "d"), "{\"a\": \"x\", \"d\": \"new \\\"one\\\"\\n\" }\n");
        assert_eq!(put("{}\n", "d"), "{ \"d\": \"new \\\"one\\\"\\n\" }\n");
    }

    #[test]
    fn what_is_rendered_reads_back() {
        let texts = [
            "x",
            "",
            "no",
            "a: b",
            "# x",
            "one\ntwo\n",
            "one\ntwo",
            "  one\ntwo\n",
            "é\t\u{7f}\u{85}\u{FEFF}\u{FFFF}😀",
            "'\"\\",
            "\n\n",
            "a\r\nb\n",
        ];
        let values: Values = texts
            .iter()
            .zip(0..)
            .map(|(text, n)| (format!("k {n}"), Secret::new((*text).to_owned())))
            .collect();
        let back = parse(render(&values).expose().as_bytes()).unwrap();
        for (key, value) in &values {
            assert_eq!(back[key].expose(), value.expose());
        }
        assert!(render(&values).expose().contains("|\n  one\n  two\n"));
    }

    proptest::proptest! {
        #[test]
        fn no_plaintext_panics(text in "[ab:{}\\[\\]#|>'\"&*!\\-\n ,é~]{0,60}") {
            let _ = parse(text.as_bytes());
            let _ = put(text.as_bytes(), "key", &Secret::new("v".to_owned()));
        }
    }
}
