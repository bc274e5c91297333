//! The errors that the vendor's synchronisation documents: each has a row in the table of `sync/exchange`.

use mailplumb::model::failure::{Nature, Scope};
use mailplumb::sync::exchange;

use crate::support::need::{Need, require, vendor_data};

/// The rows of the table "Known errors": what is said, and its class.
fn rows() -> Vec<(String, String)> {
    let path = vendor_data().unwrap().join("reference/server-side-sync.md");
    let page = std::fs::read_to_string(path).unwrap();
    let section = page.split("### 7.3").nth(1).and_then(|rest| rest.split("### 7.4").next()).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<(String, String)> = rows
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells[0] != "Code / text")
        .map(|cells| (cells[0].to_owned(), cells[2].to_owned()))
        .collect();
    assert!(rows.len() > 20, "{rows:#?}");
    rows
}

/// What looks like a code: `8005E259`, `-2147209462`, `ErrorQuotaExceeded`, `NoRecipientMatch`.
fn codes(said: &str) -> Vec<&str> {
    let words = said.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| !word.is_empty());
    let is_code = |word: &&str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let humps = word.chars().skip(1).filter(char::is_ascii_uppercase).count();
        let is_word = word.len() > 6 && word.chars().any(|c| c.is_ascii_lowercase());
        digits >= 5 || (is_word && humps >= 1 && *word != "TimedOut")
    };
    words.filter(is_code).collect()
}

#[test]
fn every_documented_error_has_its_class_its_meaning_and_its_remedy() {
    let Some(()) = require(Need::Reference) else { return };
    for (said, class) in rows() {
        let found = exchange::find("unknown", &said).into_iter();
        let by_code = codes(&said).into_iter().map(|code| {
            exchange::find(code, "").unwrap_or_else(|| panic!("`{code}` of `{said}` is not in the table"))
        });
        let http = said.strip_prefix("HTTP ").and_then(|rest| rest.split(' ').next());
        let http = http.and_then(|status| exchange::find(&format!("HTTP {status}"), ""));
        let short = said.strip_prefix("\"Exchange returned ").map(|rest| rest.trim_end_matches('"'));
        let short = short.and_then(|code| exchange::find(code, ""));
        let all: Vec<_> = found.chain(by_code).chain(http).chain(short).collect();
        assert!(!all.is_empty(), "`{said}` is not in the table");
        for meaning in all.iter().filter(|meaning| meaning.key != "server-error") {
            let is_right = match class.as_str() {
                class if class.contains("permanent") && class.contains("later") => true,
                class if class.starts_with("permanent") => meaning.nature == Nature::Permanent,
                class if class.starts_with("transient") || class == "retried" => {
                    meaning.nature == Nature::Transient
                }
                // A rejection, one item, a decision of a person.
                _ => meaning.scope == Scope::Message,
            };
            assert!(is_right, "`{said}` is {class}, and not {:?} {:?}", meaning.nature, meaning.scope);
            assert!(!meaning.meaning.is_empty() && !meaning.remedy.is_empty() && !meaning.likely.is_empty());
        }
    }
}
