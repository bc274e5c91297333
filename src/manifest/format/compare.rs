//! What a file says, without how it is written: two files with equal contents mean the same to every reader of YAML 1.2.

use super::scalar::is_special;
use crate::manifest::arena::{self, Kind, Tree};
use crate::manifest::codes;
use crate::manifest::place::Place;
use crate::manifest::report::{Draft, Report};
use crate::manifest::text;

/// The documents and the comments of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    documents: Vec<Value>,
    /// In order of the alphabet: they move with their keys.
    comments: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Null,
    /// Something without quotes that may be a number, a date, true or false.
    Special(String),
    Text(String),
    List(Vec<Value>),
    /// Sorted by key.
    Map(Vec<(Value, Value)>),
}

/// The content of a text. `None`: a problem has been reported.
pub fn content(source: &str, report: &mut Report<'_>) -> Option<Content> {
    let mut documents = Vec::new();
    let mut comments = Vec::new();
    for range in text::documents(source) {
        let (base, part) = (text::offset(range.start), source.get(range)?);
        if let Some((at, character)) = text::forbidden_character(part) {
            let start = base + text::offset(at);
            let place = Place { file: 0, start, end: start + text::offset(character.len_utf8()) };
            let message = format!("the character U+{:04X} cannot stand in a manifest", u32::from(character));
            report.add(Draft::error(codes::CONTROL_CHARACTER, place, message).hint("remove it"));
            return None;
        }
        let before = report.problems.len();
        let trees = arena::parse(part, base, 0, report);
        if report.problems.len() > before {
            return None;
        }
        documents.extend(trees.iter().filter(|tree| !is_empty(tree)).map(|tree| value(tree, 0)));
        comments.extend(super::layout::comments(part)?);
    }
    comments.sort_unstable();
    Some(Content { documents, comments })
}

fn is_empty(tree: &Tree<'_>) -> bool {
    tree.node(0).is_none_or(|root| root.kind == Kind::Plain && root.start == root.end)
}

fn value(tree: &Tree<'_>, index: u32) -> Value {
    let Some(node) = tree.node(index) else { return Value::Null };
    match node.kind {
        Kind::Refused => Value::Null,
        Kind::Plain if node.is_null() => Value::Null,
        Kind::Plain if is_special(&node.text) => Value::Special(node.text.to_string()),
        Kind::Plain | Kind::Text => Value::Text(node.text.to_string()),
        Kind::List => Value::List(tree.children(index).map(|child| value(tree, child)).collect()),
        Kind::Map => {
            let pairs = tree.pairs(index).into_iter();
            let mut entries: Vec<_> =
                pairs.map(|(key, inner)| (value(tree, key), value(tree, inner))).collect();
            entries.sort();
            Value::Map(entries)
        }
    }
}
