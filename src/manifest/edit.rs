//! Writing a ciphertext into a file by splicing bytes, so that comments and layout stay as they are.

mod bundle;

pub use bundle::put_bundle;

use super::arena::{self, Kind, Tree};
use super::codes;
use super::format::{self, Around, Order};
use super::mirror::API_VERSION;
use super::place::{Files, Place};
use super::report::{Draft, Report};
use super::text;
use crate::model::problem::{Problem, SourceFile};
use crate::model::secret::SecretRef;

/// A sealed value as it is written.
#[derive(Debug)]
struct Value<'v> {
    sealed_to: &'v [String],
    age: &'v str,
}

/// Bytes of the file and what takes their place.
struct Splice {
    start: usize,
    end: usize,
    text: String,
}

/// The text of the file with this ciphertext under the secret's key. A value that is there already is replaced, a key
/// that is missing is added, and a missing `Secret` is appended as a document.
#[expect(
    clippy::result_large_err,
    reason = "it happens once per command, and a problem is what callers show"
)]
pub fn put_secret_value(
    file: &SourceFile,
    secret: &SecretRef,
    armoured: &str,
    sealed_to: &[String],
) -> Result<String, Problem> {
    let files = std::slice::from_ref(file);
    let mut report = Report::new(Files::new(files));
    let value = Value { sealed_to, age: armoured };
    let Some(written) = text::decode(file, 0, &mut report) else { return Err(first(report)) };
    let splices = match document(written, secret, &mut report) {
        Some(tree) => Edit { source: written, tree: &tree }.put(&secret.key, &value),
        None if report.has_errors() => return Err(first(report)),
        None => Ok(vec![appended(written, secret, &value)]),
    };
    let result = splices.map(|splices| in_its_form(file, spliced(written, splices))).and_then(|result| {
        let holds = holds(file, &result, secret, &value);
        holds.then_some(result).ok_or(cannot(Place::default(), "the changed file would not be readable"))
    });
    result.map_err(|draft| {
        report.add(*draft);
        first(report)
    })
}

fn cannot(place: Place, words: &str) -> Box<Draft> {
    Box::new(Draft::error(codes::EDIT, place, format!("the secret cannot be set here: {words}")))
}

/// The first error. Only called when there is one; the fallback says so instead of panicking.
fn first(report: Report<'_>) -> Problem {
    let fallback = Draft::nowhere(codes::EDIT, "the secret cannot be set in this file");
    let mut report = report;
    if !report.has_errors() {
        report.add(fallback);
    }
    report.problems.swap_remove(0)
}

/// The `Secret` document of this name. Problems of other documents do not matter; if there is no such document but one
/// that cannot be read, it might be that one, and its problem stays in the report.
fn document<'t>(written: &'t str, secret: &SecretRef, report: &mut Report<'_>) -> Option<Tree<'t>> {
    let mut problems = Report::new(Files::new(report.files.files));
    let mut broken = None;
    for range in text::documents(written) {
        let (base, content) = (text::offset(range.start), written.get(range).unwrap_or_default());
        for tree in arena::parse(content, base, 0, &mut problems) {
            let text_of = |index: u32| tree.node(index).map(|node| node.text.as_ref());
            let kind = tree.entry(0, "kind").and_then(|(_, value)| text_of(value));
            let metadata = tree.entry(0, "metadata").and_then(|(_, value)| tree.entry(value, "name"));
            let name = metadata.and_then(|(_, value)| text_of(value));
            if kind == Some("Secret") && name == Some(secret.secret.as_str()) {
                return Some(tree);
            }
        }
        let syntax = problems
            .problems
            .iter()
            .any(|it| it.code == codes::SECRET_SYNTAX.0 || it.code == codes::SYNTAX.0);
        if syntax && broken.is_none() {
            let message = "a document before the end of the file is not YAML; repair it first";
            broken = Some(Draft::error(codes::EDIT, Place { file: 0, start: base, end: base }, message));
        }
    }
    broken.into_iter().for_each(|draft| report.add(draft));
    None
}

struct Edit<'e> {
    source: &'e str,
    tree: &'e Tree<'e>,
}

impl Edit<'_> {
    fn put(&self, key: &str, value: &Value<'_>) -> Result<Vec<Splice>, Box<Draft>> {
        let tree = self.tree;
        let (spec_key, spec) =
            tree.entry(0, "spec").ok_or_else(|| cannot(tree.place(0), "the Secret has no `spec`"))?;
        let Some((values_key, values)) = tree.entry(spec, "values") else {
            let words = "the Secret has no `values`; values of a bundle are set in its file";
            return Err(cannot(tree.place(spec_key), words));
        };
        let node = tree.node(values).filter(|node| node.kind == Kind::Map || node.is_null());
        let Some(node) = node else { return Err(cannot(tree.place(values_key), "`values` is not a map")) };
        if let Some((entry_key, entry)) = tree.entry(values, key) {
            return Ok(self.replaced(entry_key, entry, value));
        }
        let in_flow = self.is_flow(spec) || self.is_flow(0);
        let pairs = tree.pairs(values);
        if self.is_flow(values) && (!pairs.is_empty() || in_flow) {
            let separator = if pairs.is_empty() { " " } else { ", " };
            let end = pairs.last().map_or(node.start + 1, |(_, last)| tree.place(*last).end) as usize;
            let is_at_brace = self.source.get(end..).is_some_and(|rest| rest.starts_with('}'));
            let gap = if is_at_brace { " " } else { "" };
            let text = format!("{separator}{}: {}{gap}", quoted(key), flow(value));
            return Ok(vec![Splice { start: end, end, text }]);
        }
        let line = self.line_end();
        Ok(vec![match pairs.last() {
            Some((last_key, last)) => {
                let at = self.end_of_line(tree.place(*last).end as usize);
                let indent = self.column(*last_key);
                Splice { start: at, end: at, text: format!("{line}{}", entry(key, value, indent, line)) }
            }
            None => {
                let indent = self.column(values_key) + 2;
                let (start, end) =
                    (tree.place(values_key).end as usize + 1, node.end.max(tree.place(values_key).end + 1));
                Splice {
                    start,
                    end: end as usize,
                    text: format!("{line}{}", entry(key, value, indent, line)),
                }
            }
        }])
    }

    /// Only the ciphertext and its recipients change where the value is a map of the usual shape.
    fn replaced(&self, key: u32, old: u32, value: &Value<'_>) -> Vec<Splice> {
        let tree = self.tree;
        let line = self.line_end();
        let age = tree.entry(old, "age").filter(|_| !self.is_flow(old));
        let Some((age_key, age)) = age else {
            let place = tree.place(old);
            let start = tree.place(key).end as usize + 1;
            let end = (place.end as usize).max(start);
            if self.flow_around(key) {
                return vec![Splice { start, end, text: format!(" {}", flow(value)) }];
            }
            // A comment behind the old value stays on the line of the key.
            let at = self.end_of_line(end);
            let text = format!("{line}{}", block(value, self.column(key) + 2, line));
            let nothing = Splice { start, end, text: String::new() };
            return vec![nothing, Splice { start: at, end: at, text }];
        };
        let indent = self.column(age_key);
        let recipients = names_list(value.sealed_to);
        let mut splices = Vec::new();
        match tree.entry(old, "sealedTo") {
            Some((names_key, names)) => splices.push(self.over_list(names_key, names, &recipients)),
            None if value.sealed_to.is_empty() => {}
            None => {
                let at = tree.place(age_key).start as usize;
                splices.push(Splice {
                    start: at,
                    end: at,
                    text: format!("sealedTo: {recipients}{line}{}", " ".repeat(indent)),
                });
            }
        }
        let armoured =
            value.age.trim_end().lines().map(|text| format!("{line}{}{text}", " ".repeat(indent + 2)));
        // The place of a block scalar begins behind its `|`, so the whole of what follows the key is replaced.
        let start = tree.place(age_key).end as usize + 1;
        let end = (tree.place(age).end as usize).max(start);
        splices.push(Splice { start, end, text: format!(" |{}", armoured.collect::<String>()) });
        splices
    }

    /// Puts a flow list in the place of a list of either style: a list of dashes begins on the line below its key, and ends
    /// with its last item.
    fn over_list(&self, key: u32, list: u32, text: &str) -> Splice {
        let tree = self.tree;
        let is_flow = self.source.as_bytes().get(tree.place(list).start as usize) == Some(&b'[');
        let last = tree.children(list).last().filter(|_| !is_flow).unwrap_or(list);
        let start = tree.place(key).end as usize + 1;
        Splice { start, end: (tree.place(last).end as usize).max(start), text: format!(" {text}") }
    }

    fn is_flow(&self, index: u32) -> bool {
        self.source.as_bytes().get(self.tree.place(index).start as usize) == Some(&b'{')
    }

    /// Whether a node stands inside braces.
    fn flow_around(&self, index: u32) -> bool {
        let holds =
            |outer: &u32| self.tree.node(*outer).is_some_and(|node| *outer < index && index < node.next);
        (0..index).filter(holds).any(|outer| self.is_flow(outer))
    }

    /// The column of a node from 0, in characters.
    fn column(&self, index: u32) -> usize {
        let before = self.source.get(..self.tree.place(index).start as usize).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().chars().count()
    }

    fn end_of_line(&self, at: usize) -> usize {
        let rest = self.source.get(at..).unwrap_or_default();
        at + rest.find(['\r', '\n']).unwrap_or(rest.len())
    }

    fn line_end(&self) -> &'static str {
        line_end(self.source)
    }
}

fn line_end(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((line, _)) if line.ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// A value between braces.
fn flow(value: &Value<'_>) -> String {
    let age = format!("age: {}", quoted(value.age));
    let names = (!value.sealed_to.is_empty()).then(|| format!("sealedTo: {}", names_list(value.sealed_to)));
    format!("{{ {} }}", names.into_iter().chain([age]).collect::<Vec<_>>().join(", "))
}

/// What was in canonical form stays so, so that a check of it beside an edit has nothing to say.
fn in_its_form(file: &SourceFile, changed: String) -> String {
    let order = Order::of_manifest();
    let was_canonical = format::format(file, &order).is_ok_and(|form| form.as_bytes() == &*file.bytes);
    if !was_canonical {
        return changed;
    }
    let file = SourceFile { bytes: changed.as_bytes().into(), ..file.clone() };
    format::format(&file, &order).unwrap_or(changed)
}

/// A key as the canonical form has it.
fn quoted(key: &str) -> String {
    format::scalar_text(key, Around::Flow)
}

fn names_list(names: &[String]) -> String {
    format!("[{}]", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "))
}

/// The entries of a value, in the canonical form.
fn block(value: &Value<'_>, indent: usize, line: &str) -> String {
    let names = (!value.sealed_to.is_empty()).then(|| format!("sealedTo: {}", names_list(value.sealed_to)));
    let armoured = value.age.trim_end().lines().map(|text| format!("  {text}"));
    let lines = names.into_iter().chain(["age: |".to_owned()]).chain(armoured);
    lines.map(|text| format!("{}{text}", " ".repeat(indent))).collect::<Vec<_>>().join(line)
}

fn entry(key: &str, value: &Value<'_>, indent: usize, line: &str) -> String {
    format!("{}{}:{line}{}", " ".repeat(indent), quoted(key), block(value, indent + 2, line))
}

fn appended(written: &str, secret: &SecretRef, value: &Value<'_>) -> Splice {
    let line = line_end(written);
    let is_empty = written.trim_start_matches('\u{FEFF}').trim().is_empty();
    let separator = match (is_empty, written.ends_with('\n')) {
        (true, _) => String::new(),
        (false, true) => format!("---{line}"),
        (false, false) => format!("{line}---{line}"),
    };
    let head = [
        format!("apiVersion: {API_VERSION}"),
        "kind: Secret".to_owned(),
        format!("metadata: {{ name: {} }}", quoted(secret.secret.as_str())),
        "spec:".to_owned(),
        "  values:".to_owned(),
        entry(&secret.key, value, 4, line),
    ];
    Splice { start: written.len(), end: written.len(), text: format!("{separator}{}{line}", head.join(line)) }
}

fn spliced(written: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.start);
    let mut result = String::new();
    let mut at = 0;
    for splice in splices {
        result.push_str(written.get(at..splice.start).unwrap_or_default());
        result.push_str(&splice.text);
        at = splice.end;
    }
    result.push_str(written.get(at..).unwrap_or_default());
    result
}

/// Reads the result again: a splice that went wrong must never reach a file.
fn holds(file: &SourceFile, result: &str, secret: &SecretRef, value: &Value<'_>) -> bool {
    let changed = SourceFile { bytes: result.as_bytes().into(), ..file.clone() };
    let files = std::slice::from_ref(&changed);
    let mut report = Report::new(Files::new(files));
    let Some(tree) = document(result, secret, &mut report) else { return false };
    let values = tree.entry(0, "spec").and_then(|(_, spec)| tree.entry(spec, "values"));
    let entry = values.and_then(|(_, values)| tree.entry(values, &secret.key));
    let text_of = |index: u32| tree.node(index).map(|node| node.text.trim_end());
    let of_entry = |name: &str| entry.and_then(|(_, entry)| tree.entry(entry, name)).map(|(_, found)| found);
    let age = of_entry("age").and_then(text_of);
    let names = of_entry("sealedTo").map(|list| tree.children(list).filter_map(text_of).collect::<Vec<_>>());
    age == Some(value.age.trim_end()) && names.unwrap_or_default() == value.sealed_to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;

    const ARMOUR: &str = "-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n";

    #[expect(clippy::result_large_err, reason = "as in the function under test")]
    fn put(text: &str, key: &str) -> Result<String, Problem> {
        let file = SourceFile {
            name: "a.yaml".into(),
            path: "a.yaml".into(),
            bytes: text.as_bytes().into(),
            layer: None,
            fault: None,
        };
        let secret = SecretRef { secret: Name::parse("mail").unwrap(), key: key.to_owned() };
        put_secret_value(&file, &secret, ARMOUR, &["ops".to_owned()])
    }

    const BLOCK: &str = "\
# ours
kind: Secret
metadata: { name: mail } # the one
spec:
  values:
    anna: # hers
      sealedTo: [old, older] # two
      expires: 2027-05-01
      age: |
        OLD
        OLDER
    # last comment
---
kind: Other
";

    #[test]
    fn a_value_is_replaced_and_everything_around_it_stays() {
        let expected = BLOCK.replace("[old, older]", "[ops]").replace(
            "        OLD\n        OLDER\n",
            "        -----BEGIN AGE ENCRYPTED FILE-----\n        AAAA\n        -----END AGE ENCRYPTED FILE-----\n",
        );
        assert_eq!(put(BLOCK, "anna").unwrap(), expected);
    }

    #[test]
    fn what_was_added_can_be_replaced_again_and_again() {
        let once = put("kind: Secret\nmetadata: { name: mail }\nspec:\n  values:\n", "anna").unwrap();
        assert!(once.contains("      sealedTo: [ops]\n      age: |\n"), "{once}");
        assert_eq!(put(&once, "anna").unwrap(), once);
    }

    #[test]
    fn a_missing_key_is_added_behind_the_last_one() {
        let added = "    ben:\n      sealedTo: [ops]\n      age: |\n        -----BEGIN AGE ENCRYPTED FILE-----\n        \
                     AAAA\n        -----END AGE ENCRYPTED FILE-----\n";
        let expected = BLOCK.replace("    # last comment\n", &format!("{added}    # last comment\n"));
        assert_eq!(put(BLOCK, "ben").unwrap(), expected);
    }

    #[test]
    fn a_missing_secret_is_appended() {
        let result = put("kind: Other", "x y").unwrap();
        assert!(result.starts_with("kind: Other\n---\napiVersion: mailplumb/v1\nkind: Secret\n"), "{result}");
        assert!(put("", "anna").unwrap().starts_with("apiVersion:"));
    }

    #[test]
    fn other_layouts_are_written_in_their_own_way() {
        for spec in [
            "spec: { values: { anna: { env: X }, zoe: { env: Y } } }",
            "spec: { values: {} }",
            "spec:\n  values: {}",
            "spec:\n  values:",
            "spec:\n  values:\n    anna: hunter2 # in plain text",
            "spec:\n  values:\n    anna: { file: /x } # a file",
            "spec:\n  values:\n    zoe: { file: /x } # a file",
            "spec:\r\n  values:\r\n    \"anna\": { file: /x }\r\n",
            "spec:\n  values:\n    anna:\n      age: OLD\n    zoe: { env: X }\n",
        ] {
            let result = put(&format!("kind: Secret\nmetadata: {{ name: mail }}\n{spec}"), "anna");
            assert!(result.as_ref().is_ok_and(|text| !text.contains("hunter2")), "{spec}\n{result:#?}");
        }
    }

    #[test]
    fn what_is_set_is_in_canonical_form_already() {
        let canonical = |text: &str| {
            let file = SourceFile {
                name: "a.yaml".into(),
                path: "a.yaml".into(),
                bytes: text.as_bytes().into(),
                layer: None,
                fault: None,
            };
            format::format(&file, &Order::of_manifest()).unwrap()
        };
        let head = "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: mail }\nspec:\n  values:\n";
        for text in [
            "",
            head,
            &format!("{head}    zoe: {{ env: X }}\n"),
            &format!("{head}    anna: {{ env: X }}  # c\n"),
            "kind: Secret\nmetadata: { name: mail }\nspec: { values: { anna: { env: X }, zoe: { env: Y } } }\n",
            "kind: Secret\nmetadata: { name: mail }\nspec: { values: {} }\n",
            "kind: Secret\r\nmetadata: { name: mail }\r\nspec: { values: { zoe: { env: Y } } }\r\n",
        ] {
            let text = &canonical(text);
            for key in ["anna", "no", "x: y"] {
                let result = put(text, key).unwrap();
                assert_eq!(canonical(&result), result);
            }
        }
    }

    #[test]
    fn a_bundle_or_a_broken_file_is_refused() {
        let problem =
            put("kind: Secret\nmetadata: { name: mail }\nspec: { bundle: { file: x } }", "anna").unwrap_err();
        assert_eq!(problem.code, codes::EDIT.0);
        assert_eq!(put("a: [1\n---\nkind: Other\n", "anna").unwrap_err().code, codes::EDIT.0);
    }
}
