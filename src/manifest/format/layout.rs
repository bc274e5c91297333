//! A YAML text as nodes with the comments and blank lines that belong to them: what the writer puts down again.
//!
//! The text has been read by `arena` before, so it is known to be YAML, to be nested no deeper than the limit, and to hold
//! no anchors, aliases and tags.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::comments::{Comment, Comments};
use crate::model::limits;

/// The documents of a text, and the comments that stand in none of them.
#[derive(Debug, Default)]
pub struct Chunk<'t> {
    pub documents: Vec<Document<'t>>,
    pub rest: Vec<Comment<'t>>,
}

#[derive(Debug)]
pub struct Document<'t> {
    pub head: Vec<Comment<'t>>,
    pub root: Item<'t>,
    pub tail: Vec<Comment<'t>>,
}

/// A key with its value, an element of a list, or the root of a document.
#[derive(Debug)]
pub struct Item<'t> {
    pub before: Vec<Comment<'t>>,
    pub blank_before: bool,
    pub key: Option<Scalar<'t>>,
    pub value: Node<'t>,
    /// The comment on the line of the key or of the short value, with its `#`.
    pub beside: Option<&'t str>,
}

#[derive(Debug)]
pub enum Node<'t> {
    Scalar(Scalar<'t>),
    Collection(Collection<'t>),
}

#[derive(Debug)]
pub struct Scalar<'t> {
    pub text: Cow<'t, str>,
    pub style: Style<'t>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style<'t> {
    /// Nothing stands there.
    Empty,
    Plain,
    Quoted,
    Literal,
    /// With its lines as they are written, without their indentation; none where they cannot be told.
    Folded(Vec<&'t str>),
}

#[derive(Debug)]
pub struct Collection<'t> {
    pub kind: Kind,
    pub style: StructureStyle,
    pub items: Vec<Item<'t>>,
    /// Comments behind the last item.
    pub tail: Vec<Comment<'t>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    List,
    Map,
}

/// The comments of a text, each with its `#`. `None`: it is not YAML.
pub fn comments(text: &str) -> Option<Vec<String>> {
    let (_, comments) = scan(text)?;
    comments.into_iter().map(|range| text.get(range).map(|comment| comment.trim_end().to_owned())).collect()
}

type Scanned<'t> = (Vec<(Event<'t>, Span)>, Vec<std::ops::Range<usize>>);

fn scan(text: &str) -> Option<Scanned<'_>> {
    let options = granit_parser::options! {
        emit_comments: true,
        max_buffered_comment_events: limits::MANIFEST_NODES_MAX,
        flow_nesting_limit: limits::MANIFEST_DEPTH_MAX * 2,
        block_nesting_limit: limits::MANIFEST_DEPTH_MAX * 2,
    };
    let mut events = Vec::new();
    let mut comments = Vec::new();
    for step in Parser::new_from_str_with_options(text, options) {
        let (event, span) = step.ok()?;
        if let Event::Comment(..) = event {
            comments.push(span.byte_range()?);
        } else {
            events.push((event, span));
        }
    }
    comments.sort_by_key(|range| range.start);
    Some((events, comments))
}

/// Reads the text of one or, where `...` ends one, several documents. `None`: it is not YAML after all.
pub fn parse(text: &str) -> Option<Chunk<'_>> {
    let (events, comments) = scan(text)?;
    let comments = Comments::new(text, comments);
    let mut reader = Reader { text, events, at: 0, comments, columns: Vec::new() };
    let mut chunk = Chunk::default();
    while let Some((event, _)) = reader.take() {
        if let Event::DocumentStart(..) = event {
            chunk.documents.extend(reader.document(&mut chunk.rest)?);
        }
    }
    chunk.rest.extend(reader.comments.before(usize::MAX));
    Some(chunk)
}

struct Reader<'t> {
    text: &'t str,
    events: Vec<(Event<'t>, Span)>,
    at: usize,
    comments: Comments<'t>,
    /// Of the block maps around this place.
    columns: Vec<usize>,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&(Event<'t>, Span)> {
        self.events.get(self.at)
    }

    fn take(&mut self) -> Option<(Event<'t>, Span)> {
        let (event, span) = self.events.get_mut(self.at)?;
        self.at += 1;
        Some((std::mem::replace(event, Event::StreamStart), *span))
    }

    /// A document with something in it; the comments of an empty one are left to the next.
    fn document(&mut self, rest: &mut Vec<Comment<'t>>) -> Option<Option<Document<'t>>> {
        let start = self.next_start()?;
        let mut root = self.item(None, start)?;
        let end = self.next_start()?;
        let mut head = std::mem::take(&mut root.before);
        let tail = self.comments.before(end);
        if matches!(&root.value, Node::Scalar(Scalar { style: Style::Empty, .. })) {
            rest.extend(head.into_iter().chain(tail));
            return Some(None);
        }
        if let Node::Collection(Collection { items, style: StructureStyle::Block, .. }) = &mut root.value
            && let Some(first) = items.first_mut()
        {
            head.append(&mut first.before);
            root.blank_before = first.blank_before;
        }
        Some(Some(Document { head, root, tail }))
    }

    /// Where the next thing begins that is not the end of something.
    fn next_start(&self) -> Option<usize> {
        let (event, span) = self.peek()?;
        if *event == Event::StreamEnd {
            return Some(usize::MAX);
        }
        let (start, end) = (span.start.byte_offset()?, span.end.byte_offset()?);
        Some(if *event == Event::DocumentEnd { end.max(start) } else { start })
    }

    /// A value with the comments around it; `start` is where it, or its key, begins.
    fn item(&mut self, key: Option<(Scalar<'t>, usize)>, start: usize) -> Option<Item<'t>> {
        let mut item = Item {
            before: self.comments.before(start),
            blank_before: self.comments.is_set_apart(start),
            value: Node::Scalar(Scalar { text: Cow::Borrowed(""), style: Style::Empty }),
            beside: None,
            key: None,
        };
        if let Some((key, end)) = key {
            item.key = Some(key);
            let value_start = self.value_start(end)?;
            while let Some((comment, beside)) = self.comments.next_between(end, value_start) {
                item.add(comment, beside);
            }
        }
        let (value, end) = self.node()?;
        item.value = value;
        if let Some(end) = end {
            while let Some((comment, beside)) = self.comments.next_inside(end) {
                item.add(comment, beside);
            }
            if let Some(comment) = self.comments.next_beside(end) {
                item.add(comment, true);
            }
        }
        item.lift();
        Some(item)
    }

    fn value_start(&self, key_end: usize) -> Option<usize> {
        let (event, span) = self.peek()?;
        let (start, end) = (span.start.byte_offset()?, span.end.byte_offset()?);
        let is_empty = matches!(event, Event::Scalar(_, ScalarStyle::Plain, ..)) && start == end;
        // Comments above the first item of a block are those of the item.
        let is_block = matches!(
            event,
            Event::SequenceStart(StructureStyle::Block, ..) | Event::MappingStart(StructureStyle::Block, ..)
        );
        Some(if is_empty || is_block { key_end } else { start })
    }

    /// A node and, where a comment can stand beside it, its end.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum; no other event begins a node")]
    fn node(&mut self) -> Option<(Node<'t>, Option<usize>)> {
        let (event, span) = self.take()?;
        let range = span.byte_range()?;
        match event {
            Event::Scalar(text, style, ..) => {
                let (style, end) = self.style(style, &text, range, &span)?;
                Some((Node::Scalar(Scalar { text, style }), end))
            }
            Event::SequenceStart(style, ..) => self.list(style),
            Event::MappingStart(style, ..) => self.map(style),
            _ => None,
        }
    }

    fn style(
        &self,
        style: ScalarStyle,
        text: &str,
        range: std::ops::Range<usize>,
        span: &Span,
    ) -> Option<(Style<'t>, Option<usize>)> {
        Some(match style {
            ScalarStyle::Plain if range.is_empty() => (Style::Empty, Some(range.end)),
            ScalarStyle::Plain => (Style::Plain, Some(range.end)),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (Style::Quoted, Some(range.end)),
            ScalarStyle::Literal => (Style::Literal, None),
            ScalarStyle::Folded => {
                let is_simple = !text.starts_with([' ', '\n', '\t']) && !text.ends_with("\n\n");
                let column = span.start.col();
                let lines = self.text.get(range)?.trim_end().lines().enumerate().map(|(number, line)| {
                    let indented = if number == 0 { Some(line) } else { line.get(column..) };
                    indented.unwrap_or_default().trim_end_matches('\r')
                });
                (Style::Folded(if is_simple { lines.collect() } else { Vec::new() }), None)
            }
        })
    }

    fn list(&mut self, style: StructureStyle) -> Option<(Node<'t>, Option<usize>)> {
        let mut list = Collection { kind: Kind::List, style, items: Vec::new(), tail: Vec::new() };
        let mut column = None;
        while !matches!(self.peek()?.0, Event::SequenceEnd) {
            let start = match self.peek()? {
                (Event::SequenceStart(StructureStyle::Block, ..), span) => span.start.byte_offset()?,
                _ => self.next_start()?,
            };
            let dash = self.comments.dash_before(start);
            column = column.or_else(|| dash.map(|dash| self.comments.column(dash)));
            let mut item = self.item(None, start)?;
            item.blank_before = self.comments.is_set_apart(dash.unwrap_or(start));
            list.items.push(item);
        }
        self.close(list, column)
    }

    fn map(&mut self, style: StructureStyle) -> Option<(Node<'t>, Option<usize>)> {
        let mut map = Collection { kind: Kind::Map, style, items: Vec::new(), tail: Vec::new() };
        let depth = self.columns.len();
        while !matches!(self.peek()?.0, Event::MappingEnd) {
            let start = self.next_start()?;
            if style == StructureStyle::Block && self.columns.len() == depth {
                self.columns.push(self.comments.column(start));
            }
            let before = self.comments.before(start);
            let (Node::Scalar(key), end) = self.node()? else { return None };
            let mut item = self.item(Some((key, end.unwrap_or(start))), start)?;
            item.before.splice(0..0, before);
            map.items.push(item);
        }
        let column = self.columns.get(depth).copied();
        self.columns.truncate(depth);
        self.close(map, column)
    }

    /// The end of a collection, and the comments behind its last item.
    fn close(
        &mut self,
        mut collection: Collection<'t>,
        column: Option<usize>,
    ) -> Option<(Node<'t>, Option<usize>)> {
        let (_, span) = self.take()?;
        let end = span.end.byte_offset()?;
        let flow = collection.style == StructureStyle::Flow;
        if flow {
            collection.tail = self.comments.before(span.start.byte_offset()?);
        } else if let Some(column) = column {
            let until = self.following_start()?;
            // A list may stand as far left as the key above it; what stands there then belongs to the next key.
            let around = self.columns.last().map_or(0, |around| around + 1);
            collection.tail = self.comments.own_lines_from(column.max(around), until);
        }
        Some((Node::Collection(collection), flow.then_some(end)))
    }

    /// Where the next node begins, whatever ends before it.
    fn following_start(&self) -> Option<usize> {
        let ends = |event: &Event<'_>| matches!(event, Event::SequenceEnd | Event::MappingEnd);
        let upcoming = self.events.get(self.at..)?.iter().find(|(event, _)| !ends(event))?;
        let (event, span) = upcoming;
        let is_last = matches!(event, Event::DocumentEnd | Event::StreamEnd);
        if is_last { Some(usize::MAX) } else { span.start.byte_offset() }
    }
}

impl<'t> Item<'t> {
    /// There is one place beside an item; a second comment for it moves above.
    fn add(&mut self, comment: Comment<'t>, beside: bool) {
        match (beside, self.beside) {
            (true, None) => self.beside = Some(comment.text),
            (true, Some(_)) | (false, _) => self.before.push(comment),
        }
    }

    /// Comments inside an empty collection have no item to stand at, so they move above it.
    fn lift(&mut self) {
        if let Node::Collection(collection) = &mut self.value
            && collection.items.is_empty()
        {
            self.before.append(&mut collection.tail);
        }
    }
}
