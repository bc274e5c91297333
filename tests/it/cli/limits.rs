//! `docs/limits.md` holds every number of `src/model/limits.rs`. `MAILPLUMB_BLESS=1` writes it.

use std::path::Path;

use crate::manifest::blessing;

const SOURCE: &str = concat!(
    include_str!("../../../src/model/limits.rs"),
    include_str!("../../../src/model/limits/exchange.rs")
);

/// The numbers that a manifest or a command sets, and by what.
const SET_BY: &[(&str, &str)] = &[
    ("RETRY_ATTEMPTS_DEFAULT", "`retry.attempts` of the Organization"),
    ("RETRY_WAIT_DEFAULT", "`retry.wait` of the Organization"),
    ("ATTEMPTS_PER_MESSAGE_DEFAULT", "`retry.attemptsPerMessage` of the Organization"),
    ("CONNECTIONS_DEFAULT", "`processing.maxConcurrentConnections` of the profile"),
    ("POLLING_INTERVAL_MINUTES_DEFAULT", "`processing.minPollingInterval` of the profile"),
    ("CONNECT_TIMEOUT", "`timeout` of the profile's `incoming` or `outgoing`"),
    ("READ_TIMEOUT", "`timeout` of the profile's `incoming` or `outgoing`"),
    ("LISTED_ROWS_DEFAULT", "`--limit` of the listing"),
    ("HOLD_MAX", "`mailplumb state lock --for`, up to this"),
];

const HEAD: &str = "# Limits\n\n\
    Everything has a limit, so that no server, message or manifest can take more than its share. Exceeding one is an error that names it,\n\
    never a crash. What a manifest or a command sets is said; the others are fixed in `src/model/limits.rs`.\n";

struct Number {
    name: String,
    value: String,
    why: String,
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let (mut why, mut waiting) = (String::new(), String::new());
    for line in SOURCE.lines() {
        if let Some(section) = line.strip_prefix("// --- ") {
            let section = section.trim_end_matches(" ---").trim();
            let (title, rest) = section.split_once(':').unwrap_or((section, ""));
            page += &format!("\n## {}{}\n\n", title[..1].to_uppercase(), &title[1..]);
            page += &if rest.is_empty() { String::new() } else { format!("These are{rest}.\n\n") };
            page += "| limit | value | why | set by |\n|---|---|---|---|\n";
            why.clear();
        } else if let Some(comment) = line.strip_prefix("/// ") {
            why += if why.is_empty() { "" } else { " " };
            why += comment;
        } else if line.starts_with("pub const ") || !waiting.is_empty() {
            waiting += line.trim();
            if waiting.ends_with(';') {
                page += &row(&number(&std::mem::take(&mut waiting), std::mem::take(&mut why)));
            }
        }
    }
    page
}

fn number(declaration: &str, why: String) -> Number {
    let (name, rest) = declaration.strip_prefix("pub const ").unwrap().split_once(':').unwrap();
    let value = rest.split_once('=').unwrap().1.trim().trim_end_matches(';');
    Number { name: name.to_owned(), value: shown(name, value), why }
}

fn row(number: &Number) -> String {
    let Number { name, value, why } = number;
    let set_by = SET_BY.iter().find(|(known, _)| known == name).map_or("–", |(_, by)| by);
    let why = why.replace("[`", "`").replace("`]", "`").replace('|', "\\|");
    format!("| {} | {value} | {} | {set_by} |\n", words(name), if why.is_empty() { "–" } else { &why })
}

/// `CONNECT_TIMEOUT` → `connect timeout`.
fn words(name: &str) -> String {
    let words = name.to_lowercase().replace('_', " ");
    words.strip_suffix(" default").map_or(words.clone(), |rest| format!("{rest}, unless set"))
}

/// The value of a product, with the unit that the name or the type says.
fn shown(name: &str, value: &str) -> String {
    let inner = ["Duration::from_secs(", "Duration::from_millis("]
        .iter()
        .find_map(|unit| value.strip_prefix(unit).map(|rest| (*unit, rest.trim_end_matches(')'))));
    if let Some((unit, inner)) = inner {
        let Some(count) = product(inner) else { return value.to_owned() };
        return if unit.contains("millis") { format!("{count} ms") } else { time(count) };
    }
    let Some(count) = product(value) else { return format!("`{value}`") };
    if name.contains("BYTES") {
        bytes(count)
    } else if name.ends_with("KIB") {
        bytes(count * 1024)
    } else {
        count.to_string()
    }
}

fn product(text: &str) -> Option<u64> {
    let factor = |word: &str| word.trim().replace('_', "").parse::<u64>().ok();
    text.split('*').map(factor).product()
}

fn bytes(count: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| count >= *unit && count.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", count / unit),
        None => format!("{count} bytes"),
    }
}

fn time(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    match units.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

#[test]
fn the_page_of_limits_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    let page = page();
    if blessing() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/limits.md is stale: run the tests with MAILPLUMB_BLESS=1");
}

#[test]
fn every_number_is_on_the_page_and_everything_that_sets_one_exists() {
    let count = SOURCE.lines().filter(|line| line.starts_with("pub const ")).count();
    let rows = page().lines().filter(|line| line.starts_with("| ") && !line.starts_with("| limit")).count();
    assert_eq!(rows, count);
    for (name, _) in SET_BY {
        assert!(SOURCE.contains(&format!("pub const {name}:")), "{name} is no limit any more");
    }
}

#[test]
fn values_are_shown_with_their_units() {
    assert_eq!(shown("X_BYTES_MAX", "64 * 1024"), "64 KiB");
    assert_eq!(shown("X_BYTES_MAX", "998"), "998 bytes");
    assert_eq!(shown("X", "Duration::from_secs(30 * 86_400)"), "30 d");
    assert_eq!(shown("X", "Duration::from_millis(250)"), "250 ms");
    assert_eq!(shown("X", "10_000"), "10000");
    assert_eq!(shown("X", "OTHER"), "`OTHER`");
}
