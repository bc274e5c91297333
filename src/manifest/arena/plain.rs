//! A reader of the plain subset of YAML in which people write mailboxes, straight from the bytes.
//!
//! Half of the time that a plan of a hundred thousand mailboxes took went into the events of the full parser; this reader
//! makes the same nodes with the same places in about a seventh of that. It knows block maps and lists, maps and lists in
//! brackets on one line, and scalars of one line that are plain or simply quoted. At anything else (tabs, anchors, tags,
//! block scalars, escapes, odd indentation, a key without a value …) it gives up, and the full parser reads the document.
//!
//! It reports nothing: what is wrong in a document, the full parser says. To accept what the full parser reads in another
//! way would be a defect of security, so whatever is doubtful is declined; the tests compare both over many documents.

use std::borrow::Cow;

use granit_parser::StructureStyle;

use super::{Builder, Kind, Tree};
use crate::manifest::place::Place;
use crate::manifest::text::offset;

/// Bytes up to which a key is read; far below the 1024 characters that YAML allows.
const KEY_BYTES_MAX: usize = 128;

/// The tree of a document. `None`: it is not in the plain subset, or not YAML at all.
pub(super) fn read(text: &str, base: u32, file: u32) -> Option<Tree<'_>> {
    if !has_only_plain_characters(text) {
        return None;
    }
    let mut reader = Reader { text, at: 0, line: None, builder: Builder::new(text, base, file) };
    reader.skip_marker()?;
    reader.next_line();
    let first = reader.line.filter(|line| line.indent == 0)?;
    reader.at = first.start;
    reader.block(0)?;
    reader.line.is_none().then(|| reader.builder.finish())
}

/// Printable ASCII and line feeds, and the letters of Latin, Greek and Cyrillic: nothing among them breaks a line, is a blank
/// or is invisible.
fn has_only_plain_characters(text: &str) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    let blocks =
        |bytes: &[u8]| bytes.chunks(64).all(|block| block.iter().fold(true, |all, it| all & is_plain(it)));
    blocks(text.as_bytes())
        || text.chars().all(|character| {
            matches!(character, ' '..='~' | '\n' | '\u{C0}'..='\u{24F}' | '\u{391}'..='\u{3C9}' | '\u{410}'..='\u{44F}')
        })
}

/// A line with something on it.
#[derive(Clone, Copy)]
struct Line {
    /// Blanks before its first character.
    indent: usize,
    /// Where its first character stands.
    start: usize,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// The next line that has not been read, once the one before it has come to its end.
    line: Option<Line>,
    builder: Builder<'t>,
}

impl<'t> Reader<'t> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn is(&self, at: usize, byte: u8) -> bool {
        self.byte(at) == Some(byte)
    }

    /// Whether a blank, the end of the line or the end of the text stands here.
    fn is_apart(&self, at: usize) -> bool {
        matches!(self.byte(at), None | Some(b' ' | b'\n'))
    }

    fn skip_blanks(&mut self) {
        while self.is(self.at, b' ') {
            self.at += 1;
        }
    }

    /// The line that begins the document, if it is there and holds nothing else.
    fn skip_marker(&mut self) -> Option<()> {
        match self.text.strip_prefix("---") {
            None => Some(()),
            Some(rest) if rest.starts_with('\n') => {
                self.at = 4;
                Some(())
            }
            Some(_) => None,
        }
    }

    /// Finds the next line that is neither blank nor a comment, from the beginning of a line on.
    fn next_line(&mut self) {
        loop {
            let begin = self.at;
            self.skip_blanks();
            match self.byte(self.at) {
                None => {
                    self.line = None;
                    return;
                }
                Some(b'\n') => self.at += 1,
                Some(b'#') => self.skip_line(),
                Some(_) => {
                    self.line = Some(Line { indent: self.at - begin, start: self.at });
                    return;
                }
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |length| length + 1);
    }

    /// Ends a line behind a value: only blanks and a comment may follow.
    fn end_line(&mut self) -> Option<()> {
        let end = self.at;
        self.skip_blanks();
        match self.byte(self.at) {
            None => {}
            Some(b'\n') => self.at += 1,
            Some(b'#') if self.at > end => self.skip_line(),
            Some(_) => return None,
        }
        self.next_line();
        Some(())
    }

    fn place(&self, start: usize, end: usize) -> Place {
        let base = self.builder.base;
        Place { file: self.builder.file, start: base + offset(start), end: base + offset(end) }
    }

    fn push(&mut self, kind: Kind, (start, end): (usize, usize), text: &'t str) -> Option<()> {
        let place = self.place(start, end);
        self.builder.push(kind, place, Cow::Borrowed(text)).ok()
    }

    fn open(&mut self, kind: Kind, style: StructureStyle, (start, end): (usize, usize)) -> Option<()> {
        let place = self.place(start, end);
        self.builder.open(kind, style, place).ok()
    }

    fn close(&mut self, start: usize, end: usize) {
        let place = self.place(start, end);
        self.builder.close(place);
    }

    /// A map or a list whose first line begins here, with so many blanks before each of its entries.
    fn block(&mut self, indent: usize) -> Option<()> {
        if self.is_dash(self.at) { self.block_list(indent) } else { self.block_map(indent) }
    }

    fn is_dash(&self, at: usize) -> bool {
        self.is(at, b'-') && self.is_apart(at + 1)
    }

    fn block_map(&mut self, indent: usize) -> Option<()> {
        self.open(Kind::Map, StructureStyle::Block, (self.at, self.at))?;
        loop {
            let end = self.find_key()?;
            self.push_key(end)?;
            self.block_value(indent)?;
            if !self.goes_on(indent)? {
                break;
            }
        }
        self.close(self.at, self.at);
        Some(())
    }

    fn block_list(&mut self, indent: usize) -> Option<()> {
        self.open(Kind::List, StructureStyle::Block, (self.at, self.at))?;
        loop {
            // One blank behind the dash, as everybody writes it.
            if !self.is_dash(self.at) || !self.is(self.at + 1, b' ') {
                return None;
            }
            self.at += 2;
            if self.find_key().is_some() {
                self.block_map(indent + 2)?;
            } else {
                self.value()?;
                self.end_line()?;
            }
            if !self.goes_on(indent)? {
                break;
            }
        }
        self.close(self.at, self.at);
        Some(())
    }

    /// Whether the next line is an entry of the block with this indentation. `None`: it belongs nowhere.
    fn goes_on(&mut self, indent: usize) -> Option<bool> {
        match self.line {
            Some(line) if line.indent == indent => {
                self.at = line.start;
                Some(true)
            }
            Some(line) if line.indent > indent => None,
            Some(_) | None => Some(false),
        }
    }

    /// Where the key ends that begins here. `None`: what stands here is no plain key with a `:` behind it.
    fn find_key(&self) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
        rest.first().filter(|byte| byte.is_ascii_alphanumeric())?;
        let length = rest.iter().take(KEY_BYTES_MAX).position(|byte| !is_inner(byte))?;
        let end = self.at + length;
        (self.is(end, b':') && self.is_apart(end + 1)).then_some(end)
    }

    /// Takes the key up to `end`, and the colon behind it.
    fn push_key(&mut self, end: usize) -> Option<()> {
        let key = self.text.get(self.at..end)?;
        self.push(Kind::Plain, (self.at, end), key)?;
        self.at = end + 1;
        Some(())
    }

    /// The value of an entry of a map, on the line of its key or as a block below it.
    fn block_value(&mut self, indent: usize) -> Option<()> {
        self.skip_blanks();
        if !matches!(self.byte(self.at), None | Some(b'\n' | b'#')) {
            self.value()?;
            return self.end_line();
        }
        self.end_line()?;
        let line = self.line.filter(|line| line.indent > indent)?;
        self.at = line.start;
        self.block(line.indent)
    }

    /// A value that ends on its line.
    fn value(&mut self) -> Option<()> {
        match self.byte(self.at)? {
            b'{' => self.flow_map(),
            b'[' => self.flow_list(),
            quote @ (b'"' | b'\'') => self.quoted(quote),
            _ => self.plain(Within::Block),
        }
    }

    fn flow_map(&mut self) -> Option<()> {
        self.open(Kind::Map, StructureStyle::Flow, (self.at, self.at + 1))?;
        self.entries(b'}', |reader| {
            let end = reader.find_key()?;
            reader.push_key(end)?;
            reader.skip_blanks();
            reader.flow_value()
        })
    }

    fn flow_list(&mut self) -> Option<()> {
        self.open(Kind::List, StructureStyle::Flow, (self.at, self.at + 1))?;
        self.entries(b']', Self::flow_value)
    }

    fn flow_value(&mut self) -> Option<()> {
        match self.byte(self.at)? {
            b'{' => self.flow_map(),
            b'[' => self.flow_list(),
            quote @ (b'"' | b'\'') => self.quoted(quote),
            _ => self.plain(Within::Flow),
        }
    }

    /// What stands between brackets, with commas between; nothing behind the last one.
    fn entries(&mut self, bracket: u8, mut entry: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.skip_blanks();
        let mut is_first = true;
        while !(is_first && self.is(self.at, bracket)) {
            is_first = false;
            entry(self)?;
            self.skip_blanks();
            match self.byte(self.at)? {
                b',' => {
                    self.at += 1;
                    self.skip_blanks();
                }
                byte if byte == bracket => break,
                _ => return None,
            }
        }
        self.close(self.at, self.at + 1);
        self.at += 1;
        Some(())
    }

    /// A quoted text without escapes.
    fn quoted(&mut self, quote: u8) -> Option<()> {
        let start = self.at + 1;
        let rest = self.text.as_bytes().get(start..)?;
        let length = rest.iter().position(|byte| *byte == quote || matches!(byte, b'\\' | b'\n'))?;
        let end = start + length;
        if !self.is(end, quote) || self.is(end + 1, quote) {
            return None;
        }
        let text = self.text.get(start..end)?;
        self.push(Kind::Text, (self.at, end + 1), text)?;
        self.at = end + 1;
        Some(())
    }

    fn plain(&mut self, within: Within) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        if !rest.first().is_some_and(|first| begins_plain(*first)) {
            return None;
        }
        let mut end = rest.len();
        for (at, byte) in rest.iter().enumerate() {
            match (byte, within) {
                (b'\n', _) => {
                    end = at;
                    break;
                }
                (b',' | b'[' | b']' | b'{' | b'}', Within::Flow) => {
                    end = at;
                    break;
                }
                (b'#', Within::Flow) => return None,
                (b'#', Within::Block) if at > 0 && rest.get(at - 1) == Some(&b' ') => {
                    end = at;
                    break;
                }
                (b':', Within::Block) if self.is_apart(self.at + at + 1) => return None,
                (b':', Within::Flow)
                    if !rest
                        .get(at + 1)
                        .is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'/') =>
                {
                    return None;
                }
                _ => {}
            }
        }
        while end > 0 && rest.get(end - 1) == Some(&b' ') {
            end -= 1;
        }
        let text = self.text.get(self.at..self.at + end)?;
        self.push(Kind::Plain, (self.at, self.at + end), text)?;
        self.at += end;
        Some(())
    }
}

/// What a plain scalar stands in.
#[derive(Clone, Copy)]
enum Within {
    Block,
    Flow,
}

/// Whether a plain scalar may begin so here. YAML allows more.
fn begins_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'/' | b'.' | b'_' | b'+' | b'(' | b'$' | b'~' | b'<')
        || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::{check_keys, parse_any};
    use super::read;
    use crate::manifest::place::Files;
    use crate::manifest::report::Report;
    use crate::manifest::text::documents;
    use crate::model::problem::SourceFile;

    /// Whether the document is plain; if so, the full parser must make the same of it, nodes, places and problems.
    fn is_plain(text: &str) -> bool {
        const BASE: u32 = 7;
        let Some(mut tree) = read(text, BASE, 0) else { return false };
        let bytes = [b"#######".as_slice(), text.as_bytes()].concat();
        let file = SourceFile {
            name: "a.yaml".into(),
            path: "a.yaml".into(),
            bytes: bytes.into(),
            layer: None,
            fault: None,
        };
        let files = [file];
        let mut report = Report::new(Files::new(&files));
        check_keys(&mut tree, &mut report);
        let mut reference = Report::new(Files::new(&files));
        let trees = parse_any(text, BASE, 0, &mut reference);
        assert_eq!(report.problems, reference.problems, "{text:?}");
        let [expected] = trees.as_slice() else { panic!("{} documents: {text:?}", trees.len()) };
        let shown = |tree: &super::Tree<'_>| {
            let nodes = tree
                .nodes
                .iter()
                .map(|it| format!("{:?} {}..{} {} {:?}", it.kind, it.start, it.end, it.next, it.text));
            nodes.collect::<Vec<_>>()
        };
        assert_eq!(shown(&tree), shown(expected), "{text:?}");
        true
    }

    #[test]
    fn what_people_write_is_plain() {
        for text in [
            "a: b",
            "---\nkind: Mailbox # of Anna\n\n# a comment\nspec:\n  user: { address: a@b.example, x: [1, two words, 'q: #'], y: {} }\n  at: 22:22\n",
            "---\na:\n    b: \"c\"   \nlist:\n  - name: x\n    on: no\n  # more\n  - name: y\n  - z\n  - []\n  - { u: https://x/y }\nd: Grüße an Zoë\n",
            "a:\n  b:\n    c: d\n    e: f\n  g: h\ni: j # k",
        ] {
            assert!(is_plain(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_full_parser() {
        for text in NOT_PLAIN {
            assert!(!is_plain(text), "{text:?}");
        }
    }

    #[test]
    fn a_document_nested_too_deep_is_left_to_the_full_parser() {
        let text = format!("a: {}b{}", "[".repeat(100), "]".repeat(100));
        assert!(!is_plain(&text));
        let long = format!("a: [{}]", "some-name, ".repeat(2000).trim_end_matches(", "));
        assert!(is_plain(&long));
    }

    fn texts_below(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts_below(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                found.extend(std::fs::read_to_string(&path).ok());
            }
        }
    }

    #[test]
    fn every_document_of_the_examples_and_the_tests_is_read_alike() {
        let mut texts = Vec::new();
        for folder in ["examples", "tests"] {
            texts_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut texts);
        }
        let parts = texts.iter().flat_map(|text| documents(text).into_iter().map(|range| &text[range]));
        let (plain, others): (Vec<&str>, Vec<&str>) = parts.partition(|part| is_plain(part));
        assert!(plain.len() > others.len(), "{} of {}", plain.len(), plain.len() + others.len());
    }

    /// A value in one of the ways in which it can be written, and whether it stands on the line of its key.
    fn value() -> impl Strategy<Value = Vec<String>> {
        let scalar = prop_oneof![
            "[a-z0-9/._+($~<][a-z0-9 :,#'\"@{}\\[\\]/-]{0,8}",
            "\"[a-z :#,'{]{0,6}\"",
            "'[a-z :#,\"\\\\{]{0,6}'",
            "[|>&*!%@`?,:-][ a-z]{0,3}",
            "\\{( ?[a-z]{1,2}: ?[a-z:/]{1,3},?){0,3} ?\\}",
            "\\[( ?[a-z:#é]{1,3},?){0,3} ?\\]",
            Just(String::new()),
        ];
        let line = (scalar, prop_oneof![8 => Just(""), 1 => Just("  "), 1 => Just(" # c"), 1 => Just("#")]);
        let leaf = line.prop_map(|(scalar, end)| vec![format!("{scalar}{end}")]);
        leaf.prop_recursive(4, 24, 4, |inner| {
            let key = prop_oneof![8 => "[a-e][a-z0-9._/-]{0,3}", 1 => "(<<|\"a\"|-a|é| a|a b)"];
            let shape = (
                prop::bool::ANY,
                0usize..5,
                prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n"), 1 => Just("# c")],
            );
            (prop::collection::vec((key, inner), 1..4), shape).prop_map(
                |(entries, (is_list, indent, between))| {
                    let mut lines = vec![String::new()];
                    for (key, value) in entries {
                        let blanks = " ".repeat(indent);
                        let first = if is_list { "-".to_owned() } else { format!("{key}:") };
                        let gap = if value[0].is_empty() { "" } else { " " };
                        lines.push(format!("{blanks}{first}{gap}{}", value[0]));
                        lines.extend(value[1..].iter().map(|line| format!("{blanks}{line}")));
                        lines.extend((!between.is_empty()).then(|| between.to_owned()));
                    }
                    lines
                },
            )
        })
    }

    /// As many cases as the environment asks for, and some more than usual otherwise.
    fn many() -> ProptestConfig {
        let cases = ProptestConfig::default().cases.max(1024);
        ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn a_document_of_any_shape_is_read_alike(lines in value(), has_marker: bool) {
            let marker = if has_marker { "---\n" } else { "" };
            is_plain(&format!("{marker}{}", lines[1..].join("\n")));
        }

        #[test]
        fn text_that_looks_like_yaml_is_read_alike(
            text in "([a-c]{1,2}: |[a-c]{1,3}|:|- |\\{|\\}|\\[|\\]|, |\"|'| #|#|\n|\n  |\n    |\n- |---\n|\\.\\.\\.|&a |\\*a|!t |\\? |\\||>|%|@|~|é|\t| |\\\\){0,24}",
        ) {
            for range in documents(&text) {
                is_plain(&text[range]);
            }
        }

        #[test]
        fn a_changed_manifest_is_read_alike(
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[ -~\n\t]{0,3}|é|: |\n  |- "), 1..4),
        ) {
            let mut text = PLAIN.to_owned();
            for (at, length, new) in changes {
                let at = text.floor_char_boundary(at.index(text.len()));
                let end = text.floor_char_boundary((at + length).min(text.len()));
                text.replace_range(at..end, &new);
            }
            for range in documents(&text) {
                is_plain(&text[range]);
            }
        }
    }

    #[rustfmt::skip]
    const NOT_PLAIN: &[&str] = &[
        "", "\n", "# only this", "a", "---", "--- \na: b", "---\n", "--- a: b", "a: b\n...\n", "a: b\n--- c",
        "%YAML 1.2\n---\na: b", "a:", "a:\nb: c", "a:\n- b", "a: |\n  b", "a: >-\n  b", "a: &b c", "a: *b", "a: !b c",
        "<<: a", "? a\n: b", "a : b", "a:b", "a: b: c", "a: b:", "a: {b: c", "a: {b: c\n}", "a: {b:c}",
        "a: {b, c: d}", "a: {b: }", "a: {b: c,}", "a: [b,]", "a: [b: c]", "a: {b: c} d", "a: {b: c}# d",
        "a: {b: c}: d", "a: \"b\" c", "a: \"b\": c", "a: \"b\\n\"", "a: 'b''c'", "a: 'b\n  c'", "a: b\n c",
        "a: b\n  c: d", "a:\n  b: c\n d: e", " a: b", "a:\tb", "a: b\t", "a: b\r\n", "\u{feff}a: b", "a: b\u{85}c",
        "a: b\u{a0}", "a: b\u{2028}c", "a: - b", "a:\n  -  b", "a:\n  - - b", "a:\n  -\n    b: c",
        "a:\n  - b\n  c: d", "a:\n  - b: c\n     d: e", "a: @b", "a: `b`", "a: %b", "a: ,b", "a: ]", "a: #b", "a: -b",
        "a: ?b", "a: :b", "\"a\": b", "a: {\"b\": c}", "a: [a #b\n]", "a: [a#b]", "a: b\n\n  c",
    ];

    const PLAIN: &str = "apiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: anna, labels: { team: sales } }\nspec:\n  \
        user: { address: anna@a.example, displayName: \"Anna Berg\" }\n  # of the profile\n  lifecycle:\n    previousNames:\n      \
        - ann\n      - { a: b }\n      - name: c\n        on: 22:22\n  approved: anna@a.example\n";
}
