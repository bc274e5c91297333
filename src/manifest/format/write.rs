//! Writes documents in the one canonical form.

use granit_parser::StructureStyle;

use super::comments::Comment;
use super::layout::{Collection, Document, Item, Kind, Node, Scalar, Style};
use super::scalar::{self, Around};

/// Braces and brackets stay on one line up to this many characters.
const WIDTH: usize = 120;
const STEP: usize = 2;

/// Writes documents one after the other.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    /// Nothing stands between here and the beginning of the block: no empty line is written.
    fresh: bool,
}

impl Writer {
    pub fn finish(self) -> String {
        self.text
    }

    pub fn document(&mut self, document: &Document<'_>) {
        if !self.text.is_empty() {
            self.text.push_str("---\n");
        }
        self.fresh = true;
        self.comments(&document.head, 0);
        if document.root.blank_before {
            self.blank();
        }
        match &document.root.value {
            Node::Collection(root) if one_line(root, 0).is_none() => {
                if let Some(beside) = document.root.beside {
                    self.line(0, beside);
                }
                self.items(root, 0, Inline::No);
            }
            Node::Scalar(root) => {
                self.text.push_str(&single(root, Around::Block));
                self.beside(document.root.beside);
            }
            value @ Node::Collection(_) => self.value(value, 0, document.root.beside),
        }
        self.comments(&document.tail, 0);
    }

    pub fn comments(&mut self, comments: &[Comment<'_>], indent: usize) {
        for comment in comments {
            if comment.blank_before {
                self.blank();
            }
            self.line(indent, comment.text);
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.indent(indent);
        self.text.push_str(text);
        self.text.push('\n');
        self.fresh = false;
    }

    /// At most one empty line, and none where a block begins or behind a text that ends with one.
    fn blank(&mut self) {
        if !self.fresh && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn indent(&mut self, columns: usize) {
        self.text.extend(std::iter::repeat_n(' ', columns));
    }

    fn items(&mut self, collection: &Collection<'_>, indent: usize, first: Inline) {
        let mut inline = first;
        for item in &collection.items {
            if inline == Inline::No {
                self.comments(&hoisted(item, indent), indent);
                if item.blank_before {
                    self.blank();
                }
                self.indent(indent);
            }
            inline = Inline::No;
            match &item.key {
                Some(key) => {
                    self.text.push_str(&self::key(key, Around::Block));
                    self.text.push(':');
                }
                None => self.text.push('-'),
            }
            self.fresh = false;
            self.after_mark(item, indent);
        }
        self.comments(&collection.tail, indent);
    }

    /// What follows a key's colon or a dash.
    fn after_mark(&mut self, item: &Item<'_>, indent: usize) {
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        match &item.value {
            Node::Collection(inner) if one_line(inner, line.chars().count() + 1).is_none() => {
                if item.key.is_none() {
                    self.text.push(' ');
                    self.items(inner, indent + STEP, Inline::Yes);
                    return;
                }
                self.beside(item.beside);
                self.fresh = true;
                self.items(inner, indent + STEP, Inline::No);
            }
            Node::Scalar(Scalar { style: Style::Empty, .. }) => self.beside(item.beside),
            value @ (Node::Scalar(_) | Node::Collection(_)) => {
                self.text.push(' ');
                self.value(value, indent, item.beside);
            }
        }
    }

    /// A value that begins on this line.
    fn value(&mut self, value: &Node<'_>, indent: usize, beside: Option<&str>) {
        match value {
            Node::Collection(collection) => {
                self.text.push_str(&flow(collection).unwrap_or_default());
                self.beside(beside);
            }
            Node::Scalar(scalar) => match block(scalar) {
                Some((head, lines)) => {
                    self.text.push_str(&head);
                    self.beside(beside);
                    for line in lines {
                        if !line.is_empty() {
                            self.indent(indent + STEP);
                        }
                        self.text.push_str(line);
                        self.text.push('\n');
                    }
                }
                None => {
                    self.text.push_str(&single(scalar, Around::Block));
                    self.beside(beside);
                }
            },
        }
        self.fresh = false;
    }

    /// A comment, if there is one, and the end of the line.
    fn beside(&mut self, comment: Option<&str>) {
        if let Some(comment) = comment {
            self.text.push_str("  ");
            self.text.push_str(comment);
        }
        self.text.push('\n');
    }
}

/// A collection in braces or brackets, if it was written so, has no comments and fits; an empty one always.
fn one_line(collection: &Collection<'_>, column: usize) -> Option<String> {
    if collection.items.is_empty() {
        return flow(collection);
    }
    let written = (collection.style == StructureStyle::Flow).then(|| flow(collection)).flatten()?;
    (column + written.chars().count() <= WIDTH).then_some(written)
}

/// Whether the first item stands behind the dash of the list around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inline {
    Yes,
    No,
}

/// The comments above an item, and, where it begins a collection behind a dash, those of everything that begins there.
fn hoisted<'i>(item: &Item<'i>, indent: usize) -> Vec<Comment<'i>> {
    let mut comments = item.before.clone();
    let inner = match (&item.key, &item.value) {
        (None, Node::Collection(inner)) if one_line(inner, indent + STEP).is_none() => inner,
        (None | Some(_), Node::Collection(_) | Node::Scalar(_)) => return comments,
    };
    comments.extend(item.beside.map(|text| Comment { text, blank_before: false }));
    comments.extend(inner.items.first().map(|first| hoisted(first, indent + STEP)).unwrap_or_default());
    comments
}

fn key(key: &Scalar<'_>, around: Around) -> String {
    match key.style {
        Style::Empty => "null".to_owned(),
        Style::Plain | Style::Quoted | Style::Literal | Style::Folded(_) => single(key, around),
    }
}

/// A scalar on one line.
fn single(scalar: &Scalar<'_>, around: Around) -> String {
    match scalar.style {
        Style::Empty => String::new(),
        Style::Plain if scalar::is_plain(&scalar.text, around) => scalar.text.to_string(),
        Style::Plain | Style::Quoted | Style::Literal | Style::Folded(_) => {
            scalar::text(&scalar.text, around)
        }
    }
}

/// A text of several lines as a block: its head and its lines.
fn block<'s>(scalar: &'s Scalar<'_>) -> Option<(String, Vec<&'s str>)> {
    let text = &*scalar.text;
    let chomping = match text.len() - text.trim_end_matches('\n').len() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    let is_clean =
        text.chars().all(|character| character == '\n' || character == '\t' || !character.is_control());
    let indented = text.trim_start_matches('\n').starts_with([' ', '\t']);
    let indicator = if indented { "2" } else { "" };
    match &scalar.style {
        Style::Folded(lines) if !lines.is_empty() && is_clean => {
            Some((format!(">{chomping}"), lines.clone()))
        }
        Style::Literal | Style::Folded(_) if is_clean && !text.trim().is_empty() => {
            let last = if chomping == "-" { text } else { text.strip_suffix('\n').unwrap_or(text) };
            Some((format!("|{indicator}{chomping}"), last.split('\n').collect()))
        }
        Style::Plain | Style::Quoted
            if is_clean && !indented && text.trim_end_matches('\n').contains('\n') =>
        {
            let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
            let is_simple = lines.iter().all(|line| line.trim_end() == *line) && chomping != "+";
            (is_simple && !text.starts_with('\n')).then(|| (format!("|{chomping}"), lines))
        }
        Style::Empty | Style::Plain | Style::Quoted | Style::Literal | Style::Folded(_) => None,
    }
}

/// A collection on one line; nothing where a comment or an empty value stands inside.
fn flow(collection: &Collection<'_>) -> Option<String> {
    if !collection.tail.is_empty() {
        return None;
    }
    let items: Option<Vec<String>> = collection.items.iter().map(flow_item).collect();
    let items = items?.join(", ");
    Some(match (collection.kind, items.is_empty()) {
        (Kind::List, _) => format!("[{items}]"),
        (Kind::Map, true) => "{}".to_owned(),
        (Kind::Map, false) => format!("{{ {items} }}"),
    })
}

fn flow_item(item: &Item<'_>) -> Option<String> {
    if !item.before.is_empty() || item.beside.is_some() {
        return None;
    }
    let value = match &item.value {
        Node::Scalar(Scalar { style: Style::Empty, .. }) => return None,
        Node::Scalar(scalar) => single(scalar, Around::Flow),
        Node::Collection(inner) => flow(inner)?,
    };
    Some(match &item.key {
        Some(key) => format!("{}: {value}", self::key(key, Around::Flow)),
        None => value,
    })
}
