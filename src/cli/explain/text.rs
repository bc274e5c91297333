//! An explanation for people: field and value in two columns, and below the value where it comes from and what it hides.

use std::fmt::Write as _;

use super::view::{At, Loser, Row, View};
use crate::cli::output::{self, FAINT};

/// Longer fields push their values to the right.
const FIELD_MAX: usize = 36;

pub fn render(view: &View) -> String {
    let mut text = format!("{}  {FAINT}{}{FAINT:#}\n", view.subject, place(&view.declared_at));
    let lengths = view.fields.iter().map(|row| row.field.chars().count());
    let width = lengths.filter(|length| *length <= FIELD_MAX).max().unwrap_or(0);
    for row in &view.fields {
        let _ = write!(text, "  {:<width$}  {}", row.field, shown(row));
        if row.is_plain_default() {
            let _ = writeln!(text, "  {FAINT}(default){FAINT:#}");
            continue;
        }
        let _ = writeln!(text);
        let below =
            std::iter::once(source(row)).chain(row.note.clone()).chain(row.hides.iter().flat_map(hidden));
        for line in below {
            let _ = writeln!(text, "  {:width$}    {FAINT}{line}{FAINT:#}", "");
        }
    }
    text
}

fn shown(row: &Row) -> String {
    match (&row.value, &row.at) {
        (Some(value), _) => output::shown(value),
        // A map whose fields have rows of their own.
        (None, Some(_)) => "{…}".to_owned(),
        (None, None) => "-".to_owned(),
    }
}

fn source(row: &Row) -> String {
    match &row.at {
        Some(at) => format!("{}, {}", row.reason.text, place(at)),
        None => row.reason.text.clone(),
    }
}

fn hidden(loser: &Loser) -> Vec<String> {
    let removed = loser.removed_at.as_ref().map(|at| format!("  removed by {}", place(at)));
    let hides = format!("hides {}: {}, {}", output::shown(&loser.value), loser.reason.text, place(&loser.at));
    std::iter::once(hides).chain(removed).collect()
}

fn place(at: &At) -> String {
    let overlay = if at.is_overlay { "overlay " } else { "" };
    format!("{overlay}{}:{}", at.file, at.line)
}
