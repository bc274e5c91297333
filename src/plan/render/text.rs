//! Text for a terminal or a log.

use anstyle::{AnsiColor, Style as Ansi};

use crate::model::plan::Plan;

use super::line::{self, Detail, Line, Tone};

/// Whether the text carries ANSI colours. Every meaning also stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Coloured,
}

/// The plan for people, ending with the sum and a line end. Steps that say the same of several targets are one.
pub fn text(plan: &Plan, style: Style) -> String {
    text_in(plan, style, Detail::Fields)
}

/// [`text`], with as much of each step as is asked for.
pub fn text_in(plan: &Plan, style: Style, detail: Detail) -> String {
    let mut text = String::new();
    for line in line::lines(plan, detail) {
        match style {
            Style::Plain => text.push_str(&line.text),
            Style::Coloured => text.push_str(&coloured(&line)),
        }
        text.push('\n');
    }
    text
}

fn coloured(line: &Line) -> String {
    let style = match line.tone {
        Tone::Create => AnsiColor::Green.on_default(),
        Tone::Update => AnsiColor::Yellow.on_default(),
        Tone::Delete => AnsiColor::Red.on_default(),
        Tone::Test => AnsiColor::Cyan.on_default(),
        Tone::Blocked => AnsiColor::Red.on_default().bold(),
        Tone::Plain => Ansi::new(),
    };
    if style.is_plain() { line.text.clone() } else { format!("{style}{}{style:#}", line.text) }
}
