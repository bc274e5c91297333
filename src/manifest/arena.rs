//! One YAML document as an arena of nodes with byte spans, and the rules of our YAML: no anchors, aliases, merge keys
//! or tags, no key twice, limits on depth and size.
//!
//! Nodes stand in the order of the text: the children of a node follow it, and `next` leads past all of them.

mod plain;
mod tree;

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};

pub use self::tree::{Kind, Node, RemovedKey, Tree};
use super::codes::{self, Code};
use super::place::Place;
use super::report::{Draft, Report, did_you_mean};
use super::text::offset;
use crate::model::limits;

/// Parses one document of a file; `base` is where its text begins. Returns the documents of the text (more than one
/// only where `...` ends one) that could be read as far as they are YAML; everything else is reported.
pub fn parse<'t>(text: &'t str, base: u32, file: u32, report: &mut Report<'_>) -> Vec<Tree<'t>> {
    match plain::read(text, base, file) {
        Some(mut tree) => {
            check_keys(&mut tree, report);
            vec![tree]
        }
        None => parse_any(text, base, file, report),
    }
}

/// [`parse`] of any document, plain or not.
fn parse_any<'t>(text: &'t str, base: u32, file: u32, report: &mut Report<'_>) -> Vec<Tree<'t>> {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        disallow_directives: true,
        flow_nesting_limit: limits::MANIFEST_DEPTH_MAX * 2,
        block_nesting_limit: limits::MANIFEST_DEPTH_MAX * 2,
    };
    let mut trees = Vec::new();
    let mut builder = Builder::new(text, base, file);
    for step in Parser::new_from_str_with_options(text, options) {
        let outcome = match step {
            Ok((event, span)) => builder.take(event, span, report),
            Err(error) => Err(syntax(&error, text, base, file)),
        };
        match outcome {
            Ok(Progress::More) => {}
            Ok(Progress::Finished) => {
                let mut tree = std::mem::replace(&mut builder, Builder::new(text, base, file)).finish();
                check_keys(&mut tree, report);
                trees.push(tree);
            }
            Err(draft) => {
                report.add(*draft);
                return trees;
            }
        }
    }
    trees
}

enum Progress {
    More,
    Finished,
}

struct Builder<'t> {
    nodes: Vec<Node<'t>>,
    open: Vec<(u32, StructureStyle)>,
    source: &'t str,
    base: u32,
    file: u32,
}

impl<'t> Builder<'t> {
    fn new(source: &'t str, base: u32, file: u32) -> Self {
        // So many that most documents fit, and that a large one does not take much at once.
        let nodes = Vec::with_capacity((source.len() / 8).clamp(8, 4096));
        Self { nodes, open: Vec::new(), source, base, file }
    }

    fn place(&self, span: Span) -> Place {
        let range = span.byte_range().unwrap_or_default();
        // A block scalar reaches to the next token; its line ends are not what a caret should point at.
        let content = self.source.get(range.clone()).map_or(range.len(), |text| text.trim_end().len());
        let start = self.base + offset(range.start);
        Place { file: self.file, start, end: start + offset(content) }
    }

    /// The code of a problem, or the one that shows no line of a secret.
    fn code(&self, code: Code) -> Code {
        if is_secret(self.source) { codes::SECRET_SYNTAX } else { code }
    }

    fn take(
        &mut self,
        event: Event<'t>,
        span: Span,
        report: &mut Report<'_>,
    ) -> Result<Progress, Box<Draft>> {
        let place = self.place(span);
        if event.tag().is_some() {
            let place = span.tag_span().map_or(place, |tag| self.place(tag));
            report.add(
                Draft::error(self.code(codes::TAG), place, "tags are not read in a manifest")
                    .label("remove it")
                    .hint("every key knows what type its value has"),
            );
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                let kind = if tag.is_some() { Kind::Refused } else { scalar_kind(style) };
                self.push(kind, place, text)?;
            }
            Event::SequenceStart(style, ..) => self.open(Kind::List, style, place)?,
            Event::MappingStart(style, ..) => self.open(Kind::Map, style, place)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                report.add(anchor(self.code(codes::ANCHOR), place, "aliases"));
                self.push(Kind::Refused, place, Cow::Borrowed(""))?;
            }
            Event::Anchor(..) => report.add(anchor(self.code(codes::ANCHOR), place, "anchors")),
            Event::DocumentEnd => return Ok(Progress::Finished),
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::Comment(..) => {}
            // The parser's enum may grow; what it adds then is not part of the documents we read.
            _ => {}
        }
        Ok(Progress::More)
    }

    fn open(&mut self, kind: Kind, style: StructureStyle, place: Place) -> Result<(), Box<Draft>> {
        if self.open.len() >= limits::MANIFEST_DEPTH_MAX {
            return Err(Box::new(too_deep(place)));
        }
        self.open.push((offset(self.nodes.len()), style));
        self.push(kind, place, Cow::Borrowed(""))
    }

    fn push(&mut self, kind: Kind, place: Place, text: Cow<'t, str>) -> Result<(), Box<Draft>> {
        if self.nodes.len() >= limits::MANIFEST_NODES_MAX {
            let message = format!("a document has at most {} nodes", limits::MANIFEST_NODES_MAX);
            return Err(Box::new(
                Draft::error(codes::TOO_LARGE, place, message).hint("split it into several documents"),
            ));
        }
        let next = offset(self.nodes.len() + 1);
        self.nodes.push(Node { kind, start: place.start, end: place.end, next, text });
        Ok(())
    }

    fn close(&mut self, place: Place) {
        let Some((index, style)) = self.open.pop() else { return };
        let next = offset(self.nodes.len());
        let last = self.nodes.last().map_or(place.end, |node| node.end);
        if let Some(node) = self.nodes.get_mut(index as usize) {
            node.next = next;
            // The end of a block is only noticed at the next token, so its last child says where it ends.
            node.end = match style {
                StructureStyle::Flow => place.end,
                StructureStyle::Block => last.max(node.end),
            };
        }
        if let Some(node) = self.nodes.last_mut()
            && next > index + 1
        {
            node.end = node.end.max(node.start);
        }
    }

    fn finish(self) -> Tree<'t> {
        Tree { nodes: self.nodes, file: self.file, files: Vec::new(), removed: Vec::new(), anew: Vec::new() }
    }
}

fn scalar_kind(style: ScalarStyle) -> Kind {
    match style {
        ScalarStyle::Plain => Kind::Plain,
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => Kind::Text,
    }
}

fn anchor(code: Code, place: Place, what: &str) -> Draft {
    Draft::error(code, place, format!("{what} are not read in a manifest"))
        .label("write the value out")
        .hint("what many mailboxes share belongs into `common` of a MailboxList, a MailboxAssignment or the organization's defaults")
}

fn too_deep(place: Place) -> Draft {
    let message = format!("a document is nested at most {} levels deep", limits::MANIFEST_DEPTH_MAX);
    Draft::error(codes::TOO_DEEP, place, message)
}

/// Keys are texts, stand once, and none of them merges. Other keys have no value from here on.
fn check_keys(tree: &mut Tree<'_>, report: &mut Report<'_>) {
    let mut refused = Vec::new();
    for index in 0..offset(tree.nodes.len()) {
        let mut seen = Seen::default();
        for (key, _) in tree.each_pair(index) {
            let Some(node) = tree.node(key) else { continue };
            match node.kind {
                Kind::Refused => {}
                Kind::List | Kind::Map => {
                    refused.push(key);
                    let message = "a key is a text, not a list or a map";
                    report.add(Draft::error(codes::KEY_NOT_TEXT, tree.place(key), message));
                }
                Kind::Plain if node.text == "<<" => {
                    refused.push(key);
                    report.add(anchor(codes::ANCHOR, tree.place(key), "merge keys"));
                }
                Kind::Plain | Kind::Text => {
                    if let Some(first) = seen.replace(&node.text, key) {
                        refused.push(key);
                        report.add(twice(&node.text, tree.place(key), tree.place(first)));
                    }
                }
            }
        }
    }
    for index in refused {
        if let Some(node) = tree.nodes.get_mut(index as usize) {
            node.kind = Kind::Refused;
        }
    }
}

/// Keys of a map up to which each is compared with all before it.
const KEYS_COMPARED: usize = 12;

/// The keys of one map so far. Most maps have few, and comparing those is faster than hashing them.
#[derive(Default)]
struct Seen<'t> {
    few: [(&'t str, u32); KEYS_COMPARED],
    count: usize,
    many: HashMap<&'t str, u32>,
}

impl<'t> Seen<'t> {
    /// Takes a key in; the node of the one with the same text before it.
    fn replace(&mut self, text: &'t str, key: u32) -> Option<u32> {
        let known = self.few.iter_mut().take(self.count).find(|(known, _)| *known == text);
        if let Some((_, node)) = known {
            return Some(std::mem::replace(node, key));
        }
        match self.few.get_mut(self.count) {
            Some(free) => {
                *free = (text, key);
                self.count += 1;
                None
            }
            None => self.many.insert(text, key),
        }
    }
}

fn twice(key: &str, place: Place, first: Place) -> Draft {
    let message = format!("the key `{}` stands twice in one map", key.escape_debug());
    Draft::error(codes::DUPLICATE_KEY, place, message).label("here again").related(first, "first here")
}

/// Whether a text looks like a `Secret` document, also like a misspelt one: then no line of it is shown.
fn is_secret(text: &str) -> bool {
    text.match_indices("kind").any(|(at, word)| {
        let rest = text.get(at + word.len()..).unwrap_or_default();
        let kind = rest.trim_start_matches([' ', '"', '\'', ':']);
        let kind = kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let near = kind.get(..6).is_some_and(|begin| begin.eq_ignore_ascii_case("secret"));
        near || did_you_mean(kind, ["Secret"]).is_some()
    })
}

/// A syntax error in words of a person who writes YAML. The texts of `Secret` documents are not shown.
fn syntax(error: &ScanError, text: &str, base: u32, file: u32) -> Box<Draft> {
    let at = text.floor_char_boundary(error.marker().byte_offset().unwrap_or(0));
    let start = base + offset(at);
    let marked = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let place = Place { file, start, end: start + offset(marked) };
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return Box::new(too_deep(place));
    }
    let code = if is_secret(text) { codes::SECRET_SYNTAX } else { codes::SYNTAX };
    let (message, hint) = words(error.kind());
    let draft = Draft::error(code, place, message.unwrap_or_else(|| error.kind().to_string()));
    Box::new(draft.hint_if(hint.map(str::to_owned)))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum; it has words for the rest")]
fn words(kind: &ErrorKind) -> (Option<String>, Option<&'static str>) {
    let (message, hint) = match kind {
        ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed | ErrorKind::TabInIndentation => {
            ("a tab cannot indent a line", Some("YAML is indented with spaces"))
        }
        ErrorKind::UnclosedQuotedScalar => ("a quoted text is not closed", None),
        ErrorKind::UnclosedFlowCollection { open } => {
            return (Some(format!("`{open}` is not closed in this document")), None);
        }
        ErrorKind::DirectiveDisallowed => {
            ("YAML directives are not read in a manifest", Some("remove the line"))
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            "a key or its `:` cannot stand here",
            Some("look at the indentation; a text with `: ` in it needs quotes"),
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            ("the indentation does not fit the lines above", None)
        }
        _ => return (None, None),
    };
    (Some(message.to_owned()), hint)
}
