//! Writing to stdout and stderr: colour only where it belongs, and a closed pipe is no error.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Row, Table};
use serde::Serialize;

use super::Colour;
use super::exit::Failure;
use super::typed;

/// Bold red, for the word `error`.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
pub const FAINT: Style = Style::new().dimmed();

pub fn set_colour(colour: Colour) {
    match colour {
        // anstream looks at the terminal, NO_COLOR and CLICOLOR by itself.
        Colour::Auto => {}
        Colour::Always => ColorChoice::Always.write_global(),
        Colour::Never => ColorChoice::Never.write_global(),
    }
}

/// Data: to stdout, with a line end.
pub fn data(text: &str) -> Result<(), Failure> {
    part(text)?;
    if text.ends_with('\n') || text.is_empty() { Ok(()) } else { part("\n") }
}

/// Set once whoever read stdout has gone away.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether nobody reads stdout any more: whoever prints a long list may stop.
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// A part of the data, to stdout as it stands. Colour goes only where it belongs.
pub fn part(text: &str) -> Result<(), Failure> {
    write(&mut anstream::stdout().lock(), text.as_bytes())
}

/// Raw octets to stdout, every one of them: what takes colour out of a text would also take something out of these.
pub fn bytes(octets: &[u8]) -> Result<(), Failure> {
    write(&mut io::stdout().lock(), octets)
}

fn write(stdout: &mut impl Write, octets: &[u8]) -> Result<(), Failure> {
    SAID.fetch_or(!octets.is_empty(), Ordering::Relaxed);
    match stdout.write_all(octets).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        // `mailplumb plan | head` is done when head is.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(Failure::new("the output cannot be written").cause(error)),
    }
}

/// Set once something has been written to stdout.
static SAID: AtomicBool = AtomicBool::new(false);

/// Whether anything has been written to stdout.
pub fn has_said_anything() -> bool {
    SAID.load(Ordering::Relaxed)
}

/// Data as JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new("the output cannot be written as JSON").cause(error))?;
    data(&text)
}

/// Talk: to stderr. That nobody listens is no error. What stands at the foot of the terminal makes room.
pub fn talk(text: &str) {
    clear_foot();
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// The line that stands at the foot of the terminal, and is written over. Empty: there is none.
static FOOT: Mutex<String> = Mutex::new(String::new());

/// The beginning of the line, and nothing behind it (ECMA-48 EL).
const OVER: &str = "\r\u{1b}[K";

/// Writes the line at the foot of the terminal anew. It goes away as soon as anything else is said.
pub fn foot(line: &str) {
    let mut standing = FOOT.lock().unwrap_or_else(PoisonError::into_inner);
    if *standing != line {
        line.clone_into(&mut standing);
        fragment(&format!("{OVER}{line}"));
    }
}

/// Takes the line at the foot away, if there is one.
pub fn clear_foot() {
    let mut standing = FOOT.lock().unwrap_or_else(PoisonError::into_inner);
    if !standing.is_empty() {
        standing.clear();
        fragment(OVER);
    }
}

/// Columns of the terminal that talk goes to. `None`: it goes elsewhere.
pub fn columns_of_talk() -> Option<usize> {
    let is_terminal = io::stderr().is_terminal();
    let width = || Table::new().use_stderr().width().filter(|columns| *columns >= TERMINAL_COLUMNS_MIN);
    is_terminal.then(|| width().map_or(80, usize::from))
}

/// A part of a line, to stderr: for a line that is written over again.
pub fn fragment(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

pub fn error(text: &str) {
    talk(&format!("{BAD}error{BAD:#}: {text}"));
}

pub fn warning(text: &str) {
    talk(&format!("{DOUBTFUL}warning{DOUBTFUL:#}: {text}"));
}

pub fn hint(text: &str) {
    talk(&format!("{GOOD}hint{GOOD:#}: {}", typed::advice(text)));
}

/// A table without lines, for people. On a terminal, long cells are cut so that each row is one line.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_truncation_indicator("…");
    table.set_content_arrangement(arrangement(io::stdout().is_terminal().then(|| table.width()).flatten()));
    table.set_header(header.iter().map(|title| title.to_uppercase()));
    for cells in rows {
        let mut row = Row::from(cells.iter().map(|cell| shown(cell)));
        row.max_height(1);
        table.add_row(row);
    }
    // The style pads every line with one blank in front.
    table
        .lines()
        .map(|line| line.trim_end().strip_prefix(' ').unwrap_or_default().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Serial consoles and some containers' terminals tell a width of nothing.
const TERMINAL_COLUMNS_MIN: u16 = 20;

/// By the width of the terminal in columns, where there is one that tells it.
fn arrangement(columns: Option<u16>) -> ContentArrangement {
    match columns {
        Some(columns) if columns >= TERMINAL_COLUMNS_MIN => ContentArrangement::Dynamic,
        Some(_) | None => ContentArrangement::Disabled,
    }
}

/// A text of somebody else's making on one line, without anything that moves a terminal's cursor or turns the order of what follows.
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || turns_text(c) { ' ' } else { c }).collect()
}

/// Line separators, and the marks that change the direction of text (UAX #9): with them a name shows as another one.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Data as YAML.
pub fn yaml(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_yaml::to_string(value)
        .map_err(|error| Failure::new("the output cannot be written as YAML").cause(error))?;
    data(&text)
}

/// `1 mailbox`, `2 mailboxes`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// A moment, to the second.
pub fn moment(at: jiff::Timestamp) -> String {
    format!("{at:.0}")
}

pub fn moment_or_dash(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_sensible_width_cuts_nothing() {
        for columns in [None, Some(0), Some(19)] {
            assert!(matches!(arrangement(columns), ContentArrangement::Disabled), "{columns:?}");
        }
        for columns in [20, 80] {
            assert!(matches!(arrangement(Some(columns)), ContentArrangement::Dynamic), "{columns}");
        }
    }
}
