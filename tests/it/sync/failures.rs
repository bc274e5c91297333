//! `docs/failures.md` holds every row of the tables of what servers say, and `docs/states.md` every code that is in no such table.
//! `MAILPLUMB_BLESS=1` writes the former.

use std::collections::BTreeSet;
use std::path::Path;

use mailplumb::model::failure::{Nature, Scope};
use mailplumb::sync::exchange::Meaning;
use mailplumb::sync::{entra, exchange, graph, known};

use crate::manifest::blessing;

const STATES: &str = include_str!("../../../docs/states.md");

const HEAD: &str = "# What servers say\n\n\
    The words and codes of mail servers that mailplumb knows, with what they mean and what to do. They are what `status`, `alerts` and\n\
    `doctor` print; a code that is not here is on the page of [states and alerts](states.md). What no row knows is shown in the server's\n\
    own words.\n";

/// The sources in which codes are written down, in the order `(\"code\", nature, …)`, `code: \"…\"` or `(\"code\", cause, …)`.
const SOURCES: [&str; 9] = [
    include_str!("../../../src/sync/classify.rs"),
    include_str!("../../../src/sync/classify/kerberos.rs"),
    include_str!("../../../src/sync/classify/tokens.rs"),
    include_str!("../../../src/sync/alerts.rs"),
    include_str!("../../../src/sync/outgoing.rs"),
    include_str!("../../../src/sync/patience.rs"),
    include_str!("../../../src/sync/report.rs"),
    include_str!("../../../src/model/alert.rs"),
    include_str!("../../../src/engine/outgoing/desk.rs"),
];

/// Of alerts.
const LEVELS: [&str; 3] = ["error", "warning", "information"];

fn nature(nature: Nature) -> &'static str {
    match nature {
        Nature::Transient => "transient",
        Nature::Permanent => "permanent",
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Message => "message",
        Scope::Mailbox => "mailbox",
        Scope::Profile => "profile",
    }
}

fn coded(title: &str, rows: &[Meaning]) -> String {
    let mut page = format!(
        "\n## {title}\n\n| code | nature | concerns | meaning | what to do |\n|---|---|---|---|---|\n"
    );
    for row in rows {
        let (nature, scope) = (nature(row.nature), scope(row.scope));
        page += &format!("| `{}` | {nature} | the {scope} | {} | {} |\n", row.key, row.meaning, row.remedy);
    }
    page
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page += "\n## Words of POP3, IMAP, SMTP and HTTP servers\n\nThe code of such a failure is the one of its step (`login-refused`, \
             `throttled`, …); the words say more.\n\n| name | meaning | what to do |\n|---|---|---|\n";
    for row in known::ALL {
        page += &format!("| {} | {} | {} |\n", row.key, row.meaning, row.remedy);
    }
    page += &coded("Codes of Exchange Server", exchange::ALL);
    page += &coded("Codes of Microsoft Graph", graph::ALL);
    page + &coded("Codes of Microsoft Entra", entra::ALL)
}

#[test]
fn the_page_of_failures_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failures.md");
    let page = page();
    if blessing() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/failures.md is stale: run the tests with MAILPLUMB_BLESS=1");
}

/// Words like `login-refused`, in quotes, before the tests of a source.
fn codes(source: &str) -> impl Iterator<Item = &str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let quoted = code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| {
        let mut parts = line.split('"');
        let before = parts.next().unwrap_or_default();
        let word = parts.next().unwrap_or_default();
        // Where a code stands: first in a pair or call, or after an arrow or a name of a constant.
        let is_code = before.ends_with('(') || before.ends_with("=> ") || before.ends_with("= ");
        // What serde is told is no code.
        (is_code && !before.trim_start().starts_with("#[")).then_some(word)
    });
    quoted.filter(|word| {
        word.len() > 3
            && !LEVELS.contains(word)
            && word.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-')
    })
}

#[test]
fn every_code_of_a_failure_or_an_alert_is_explained() {
    let named = codes(SOURCES[0]).count();
    assert!(named > 25, "only {named} codes were found in the first source");
    let tables: BTreeSet<&str> =
        [exchange::ALL, graph::ALL, entra::ALL].into_iter().flatten().map(|row| row.key).collect();
    let unexplained: BTreeSet<&str> = SOURCES
        .iter()
        .flat_map(|source| codes(source))
        .filter(|code| !STATES.contains(&format!("`{code}`")) && !tables.contains(code))
        .collect();
    assert!(unexplained.is_empty(), "docs/states.md does not explain {unexplained:?}");
}
