//! The canonical form of a manifest file: the same values and the same comments, written in one way.
//!
//! Two spaces for each level, keys in the order of the schema, quotes only where some reader needs them, at most one empty
//! line, and braces where they were and fit on a line. Texts of several lines are blocks. What a file says is never
//! changed: the result is read again and compared before it is returned.

mod comments;
mod compare;
mod layout;
mod order;
mod scalar;
mod write;

pub use self::order::Order;
pub use self::scalar::{Around, text as scalar_text};

use self::comments::Comment;
use self::layout::Document;
use self::write::Writer;
use super::place::{Files, Place};
use super::report::{Draft, Report};
use super::{codes, text};
use crate::model::problem::{Problem, SourceFile};

/// The text of a YAML file in the canonical form. A file that is not good YAML has no such form, and its problems are
/// returned; whether it is a good manifest does not matter.
pub fn format(file: &SourceFile, order: &Order) -> Result<String, Vec<Problem>> {
    let files = std::slice::from_ref(file);
    let mut report = Report::new(Files::new(files));
    let formatted = written(file, order, &mut report);
    match formatted.filter(|_| !report.has_errors()) {
        Some(formatted) => Ok(formatted),
        None => Err(report.into_sorted().0),
    }
}

fn written(file: &SourceFile, order: &Order, report: &mut Report<'_>) -> Option<String> {
    let source = text::decode(file, 0, report)?;
    let before = compare::content(source, report)?;
    let body = source.strip_prefix('\u{FEFF}').unwrap_or(source);
    let formatted = settled(body, order);
    let same = formatted.as_ref().is_some_and(|formatted| {
        let mut silent = Report::new(Files::new(&[]));
        compare::content(formatted, &mut silent).is_some_and(|after| after == before)
    });
    if !same {
        let words = "this file cannot be formatted without changing what it says; it is left as it is";
        report.add(Draft::error(codes::FORMAT, Place::default(), words).hint("format it by hand"));
        return None;
    }
    formatted.map(|formatted| if uses_crlf(body) { formatted.replace('\n', "\r\n") } else { formatted })
}

/// Files that were written with the line ends of another system keep them: version control has its own opinion of them.
fn uses_crlf(text: &str) -> bool {
    text.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r'))
}

/// The form that formatting does not change any more. It nearly always is the first; a comment that moves can bring about a
/// second.
fn settled(source: &str, order: &Order) -> Option<String> {
    const ROUNDS: usize = 4;
    let mut text = canonical(source, order)?;
    for _ in 0..ROUNDS {
        let again = canonical(&text, order)?;
        if again == text {
            return Some(text);
        }
        text = again;
    }
    None
}

fn canonical(source: &str, order: &Order) -> Option<String> {
    let mut writer = Writer::default();
    let mut pending: Vec<Comment<'_>> = Vec::new();
    let mut documents: Vec<Document<'_>> = Vec::new();
    for range in text::documents(source) {
        let chunk = layout::parse(source.get(range)?)?;
        for mut document in chunk.documents {
            order.sort(&mut document.root.value);
            let own = std::mem::take(&mut document.head);
            document.head = joined(std::mem::take(&mut pending), own);
            documents.push(document);
        }
        pending = joined(pending, chunk.rest);
    }
    if let Some(last) = documents.last_mut() {
        last.tail = joined(std::mem::take(&mut last.tail), std::mem::take(&mut pending));
    }
    for document in &documents {
        writer.document(document);
    }
    writer.comments(&pending, 0);
    Some(writer.finish())
}

/// Comments of two places, with an empty line between them.
fn joined<'t>(mut first: Vec<Comment<'t>>, mut second: Vec<Comment<'t>>) -> Vec<Comment<'t>> {
    if let (false, Some(next)) = (first.is_empty(), second.first_mut()) {
        next.blank_before = true;
    }
    first.append(&mut second);
    first
}
