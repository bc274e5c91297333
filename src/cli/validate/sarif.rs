//! Problems as SARIF 2.1.0 (OASIS), for code scanning. Nothing of the files' text is in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::places::{Places, Region};
use crate::manifest::codes;
use crate::model::problem::Problem;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Code scanning keeps the first 5,000 results and refuses a file with more than 25,000.
const RESULTS_MAX: usize = 5000;

pub fn document(problems: &[Problem], places: &Places<'_>) -> Value {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.severity);
    let shown = &sorted[..sorted.len().min(RESULTS_MAX)];
    let used: BTreeSet<&str> = shown.iter().map(|problem| problem.code.as_str()).collect();
    let rules: Vec<(&str, &str)> = codes::ALL
        .iter()
        .map(|(code, meaning)| (code.0, *meaning))
        .filter(|(code, _)| used.contains(code))
        .collect();
    let index: BTreeMap<&str, usize> = rules.iter().zip(0..).map(|((code, _), at)| (*code, at)).collect();
    let mut seen = BTreeMap::new();
    let results: Vec<Value> =
        shown.iter().map(|problem| result(problem, places, &index, &mut seen)).collect();
    let mut run = json!({
        "tool": { "driver": {
            "name": "mailplumb",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules.iter().map(|(code, meaning)| rule(code, meaning)).collect::<Vec<_>>(),
        } },
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    let left_out = sorted.len() - shown.len();
    if left_out > 0 {
        let text = format!("{left_out} more problems are left out; `mailplumb validate` prints them");
        run["invocations"] = json!([{
            "executionSuccessful": true,
            "toolExecutionNotifications": [{ "level": "warning", "message": { "text": text } }],
        }]);
    }
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] })
}

fn rule(code: &str, meaning: &str) -> Value {
    let help = crate::manifest::meanings::explanation(code).unwrap_or(meaning);
    json!({
        "id": code,
        "shortDescription": { "text": meaning },
        "fullDescription": { "text": meaning },
        "help": { "text": help, "markdown": help },
    })
}

fn result(
    problem: &Problem,
    places: &Places<'_>,
    rules: &BTreeMap<&str, usize>,
    seen: &mut BTreeMap<String, u32>,
) -> Value {
    let level = problem.severity.word();
    let words = [Some(&problem.message), problem.label.as_ref(), problem.hint.as_ref()];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    let mut result = json!({
        "ruleId": problem.code,
        "level": level,
        "message": { "text": words.join("\n") },
        "partialFingerprints": { "mailplumb/v1": fingerprint(problem, seen) },
    });
    if let Some(index) = rules.get(problem.code.as_str()) {
        result["ruleIndex"] = json!(index);
    }
    if let Some(origin) = &problem.origin {
        result["locations"] = json!([{ "physicalLocation": physical(&places.region(origin)) }]);
    }
    let related = problem.related.iter().zip(1..).map(|((origin, words), id)| {
        json!({ "id": id, "message": { "text": words }, "physicalLocation": physical(&places.region(origin)) })
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    result
}

fn physical(region: &Region) -> Value {
    json!({
        "artifactLocation": { "uri": uri(&region.path) },
        "region": {
            "startLine": region.line,
            "startColumn": region.column,
            "endLine": region.end_line,
            "endColumn": region.end_column,
        },
    })
}

/// Names a problem over changes of other lines: its code, file and words, and which of several equal ones it is.
fn fingerprint(problem: &Problem, seen: &mut BTreeMap<String, u32>) -> String {
    let file = problem.origin.as_ref().map_or("", |origin| &*origin.file);
    let mut hasher = blake3::Hasher::new();
    for part in [problem.code.as_str(), file, &problem.message] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let digest = hasher.finalize().to_hex().chars().take(32).collect::<String>();
    let count = seen.entry(digest.clone()).or_insert(0);
    *count += 1;
    format!("{digest}:{count}")
}

/// A relative reference (RFC 3986), or for an absolute path a `file:` URI.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Value {
        let (files, problems) = super::super::problems_of(text);
        document(&problems, &Places::new(&files, &problems))
    }

    #[test]
    fn results_have_a_rule_a_relative_place_and_a_lasting_name() {
        let text = "apiVersion: mailplumb/v1\nkind: Mailboxx\n";
        let (first, moved) = (of(text), of(&format!("# a line above\n{text}")));
        let results = |document: &Value| document["runs"][0]["results"].as_array().unwrap().clone();
        let named =
            |document: &Value| results(document).into_iter().find(|it| it["ruleId"] == "MP0022").unwrap();
        let (one, other) = (named(&first), named(&moved));
        assert_eq!(one["partialFingerprints"], other["partialFingerprints"]);
        let place = &one["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "mail/a%20b.yaml");
        assert_eq!(
            place["region"],
            json!({ "startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 15 })
        );
        let rule = &first["runs"][0]["tool"]["driver"]["rules"]
            [usize::try_from(one["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], "MP0022");
        assert!(!rule["help"]["text"].as_str().unwrap().is_empty());
    }

    #[test]
    fn equal_problems_have_names_of_their_own_and_too_many_are_counted() {
        let document = of(&"---\nkind: X\n".repeat(3000));
        let run = &document["runs"][0];
        let results = run["results"].as_array().unwrap();
        let names: BTreeSet<String> =
            results.iter().map(|it| it["partialFingerprints"].to_string()).collect();
        assert_eq!((results.len(), names.len()), (RESULTS_MAX, RESULTS_MAX));
        assert!(
            run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
                .as_str()
                .unwrap()
                .contains("more")
        );
    }

    #[test]
    fn no_secret_is_in_it() {
        let head = "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: x }\n";
        assert!(
            !of(&format!("{head}spec: {{ values: {{ x: hunter2 }} }}\n")).to_string().contains("hunter2")
        );
    }
}
