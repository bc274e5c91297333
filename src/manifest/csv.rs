//! CSV files of mailboxes (RFC 4180): each line becomes a map of the same shape as an entry of a list, with places in
//! the CSV file, so that both are read by the same code.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::arena::{Kind, Node, Tree};
use super::codes;
use super::decode::spanned::Spanned;
use super::place::Place;
use super::report::{Draft, Report, did_you_mean};
use super::{attached, text};

/// Columns that a file can have: those of an entry whose values are single texts.
const COLUMNS: [&str; 14] = [
    "name",
    "address",
    "approved",
    "displayName",
    "owner",
    "active",
    "profile",
    "incoming",
    "forwardTo",
    "outgoing",
    "appointmentsContactsTasks",
    "accept",
    "processFrom",
    "deleteAfterProcessing",
];

/// One field of a line. Empty fields without quotes are left out.
#[derive(Debug)]
struct Field<'t> {
    text: Cow<'t, str>,
    start: usize,
    end: usize,
    quoted: bool,
}

/// What spreadsheets write in places where a comma is part of a number.
const OTHER_SEPARATORS: [(&str, char); 2] = [("semicolons", ';'), ("tabs", '\t')];

/// The lines of a CSV file, each as a map. `None`: a problem that concerns the whole file has been reported.
pub fn read<'a>(name: &Spanned<String>, report: &mut Report<'a>) -> Option<Vec<Tree<'a>>> {
    let index = attached::find(name, report)?;
    let file = report.files.files.get(index as usize)?;
    let content = text::decode(file, index, report)?;
    let mut lines = match split(content) {
        Ok(lines) => lines.into_iter(),
        Err(at) => {
            let place = Place { file: index, start: text::offset(at), end: text::offset(at + 1) };
            report.add(Draft::error(
                codes::CSV,
                place,
                "a quoted field is not closed, or something follows its closing quote",
            ));
            return None;
        }
    };
    let header = lines.next().unwrap_or_default();
    let columns = columns(&header, index, report)?;
    let mut trees = Vec::new();
    for line in lines {
        if line.iter().all(|field| field.text.is_empty()) {
            continue;
        }
        if line.len() != columns.len() {
            let message = format!("this line has {} fields, the header has {}", line.len(), columns.len());
            let draft = Draft::error(codes::CSV, line_place(&line, index), message);
            report.add(draft.hint_if(comment(&line)));
            continue;
        }
        trees.push(tree(&columns, line, index));
    }
    Some(trees)
}

/// The names of the columns, all of them known and none twice.
fn columns<'t>(header: &[Field<'t>], file: u32, report: &mut Report<'_>) -> Option<Vec<Cow<'t, str>>> {
    if let [alone] = header
        && let Some((separator, _)) = OTHER_SEPARATORS.iter().find(|(_, sign)| alone.text.contains(*sign))
    {
        let message = format!("fields are separated by commas, not by {separator}");
        let draft = Draft::error(codes::CSV, field_place(alone, file), message);
        report.add(draft.hint("save the file with commas between its fields"));
        return None;
    }
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    let mut good = true;
    for field in header {
        let place = field_place(field, file);
        if !COLUMNS.contains(&&*field.text) {
            good = false;
            let message = format!("unknown column `{}`", field.text.escape_debug());
            let draft = Draft::error(codes::CSV, place, message)
                .label(format!("expected one of {}", COLUMNS.join(", ")));
            report.add(draft.hint_if(did_you_mean(&field.text, COLUMNS)).hint_if(comment(header)));
        } else if let Some(first) = seen.insert(&field.text, place) {
            good = false;
            let draft = Draft::error(codes::CSV, place, format!("the column `{}` stands twice", field.text));
            report.add(draft.related(first, "first here"));
        }
    }
    for needed in ["name", "address"] {
        if !header.iter().any(|field| field.text == needed) {
            good = false;
            let place = line_place(header, file);
            report.add(
                Draft::error(codes::CSV, place, format!("the column `{needed}` is missing"))
                    .hint("the first line names the columns: `name,address,approved`"),
            );
        }
    }
    good.then(|| header.iter().map(|field| field.text.clone()).collect())
}

/// What a line that looks like a comment needs.
fn comment(line: &[Field<'_>]) -> Option<String> {
    let is_comment = line.first().is_some_and(|field| field.text.starts_with('#'));
    is_comment.then(|| "a CSV file has no comments: remove the line".to_owned())
}

fn field_place(field: &Field<'_>, file: u32) -> Place {
    Place { file, start: text::offset(field.start), end: text::offset(field.end) }
}

fn line_place(line: &[Field<'_>], file: u32) -> Place {
    let start = line.first().map_or(0, |field| field.start);
    Place {
        file,
        start: text::offset(start),
        end: text::offset(line.last().map_or(start, |field| field.end)),
    }
}

fn tree<'t>(columns: &[Cow<'t, str>], line: Vec<Field<'t>>, file: u32) -> Tree<'t> {
    let whole = line_place(&line, file);
    let mut nodes =
        vec![Node { kind: Kind::Map, start: whole.start, end: whole.end, next: 1, text: Cow::Borrowed("") }];
    for (column, field) in columns.iter().zip(line) {
        if field.text.is_empty() && !field.quoted {
            continue;
        }
        let place = field_place(&field, file);
        let texts =
            [(Kind::Text, column.clone()), (if field.quoted { Kind::Text } else { Kind::Plain }, field.text)];
        for (kind, text) in texts {
            let next = text::offset(nodes.len() + 1);
            nodes.push(Node { kind, start: place.start, end: place.end, next, text });
        }
    }
    let next = text::offset(nodes.len());
    if let Some(root) = nodes.first_mut() {
        root.next = next;
    }
    Tree { nodes, file, files: Vec::new(), removed: Vec::new(), anew: Vec::new() }
}

/// Lines of fields. The error is the place of a quote that is not closed or not followed by a separator.
fn split(text: &str) -> Result<Vec<Vec<Field<'_>>>, usize> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut at = text.len() - text.strip_prefix('\u{FEFF}').unwrap_or(text).len();
    while at < text.len() {
        let field = field(text, at)?;
        at = field.end;
        line.push(field);
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with(',') {
            at += 1;
            if at == text.len() {
                line.push(Field { text: Cow::Borrowed(""), start: at, end: at, quoted: false });
            }
        } else {
            at += if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) };
            lines.push(std::mem::take(&mut line));
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    Ok(lines)
}

/// The field that begins at a byte; it ends before a comma, a line end or the end of the text.
fn field(text: &str, start: usize) -> Result<Field<'_>, usize> {
    let rest = text.get(start..).unwrap_or_default();
    let Some(inner) = rest.strip_prefix('"') else {
        let end = rest.find([',', '\n']).unwrap_or(rest.len());
        let content = rest.get(..end).unwrap_or_default();
        let content = content.strip_suffix('\r').unwrap_or(content);
        return Ok(Field {
            text: Cow::Borrowed(content.trim()),
            start,
            end: start + content.len(),
            quoted: false,
        });
    };
    let mut value = String::new();
    let mut at = 0;
    loop {
        let quote = inner.get(at..).and_then(|rest| rest.find('"')).ok_or(start)? + at;
        value.push_str(inner.get(at..quote).unwrap_or_default());
        let after = inner.get(quote + 1..).unwrap_or_default();
        if after.starts_with('"') {
            value.push('"');
            at = quote + 2;
        } else if after.is_empty() || after.starts_with([',', '\n']) || after.starts_with("\r\n") {
            return Ok(Field { text: Cow::Owned(value), start, end: start + quote + 2, quoted: true });
        } else {
            return Err(start + quote + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<Vec<String>> {
        let lines = split(text).unwrap();
        lines
            .into_iter()
            .map(|line| line.into_iter().map(|field| field.text.into_owned()).collect())
            .collect()
    }

    #[test]
    fn fields_are_separated_by_commas_and_quoted_by_quotes() {
        let expected = vec![vec!["a", "b,\"c\"\nd", ""], vec!["x", "", "z"]];
        assert_eq!(fields("\u{FEFF}a,\"b,\"\"c\"\"\nd\",\r\nx,,z\r\n"), expected);
        assert_eq!(fields("a,"), [["a", ""]]);
        assert!(fields("").is_empty());
    }

    #[test]
    fn a_quote_is_closed_and_followed_by_a_separator() {
        assert!(split("a,\"b").is_err());
        assert!(split("\"a\"b,c").is_err());
    }
}
