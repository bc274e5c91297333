//! Sessions at a shell, each in a file below `tests/cases`: what is typed, what is printed, and the files it is about.
//!
//! ```text
//! # A comment that says the rule.
//! $ mailplumb --file mail validate
//! > a line on standard output
//! ! a line on standard error
//! [1]                                 the exit code
//!
//! === mail/mailplumb.yaml             a file, up to the next such line or the end
//! apiVersion: mailplumb/v1
//! === mail from examples/imap-smtp    a copy of what is in this repository
//! ```
//!
//! Every `$` line goes to `sh` in a scratch folder of the case, with a home of its own and no other environment than `PATH`;
//! `mailplumb` is the program. `MAILPLUMB_BLESS=1` writes what is printed now, and `MAILPLUMB_CASE=plan` runs only the
//! cases with `plan` in their path. What is different each time is masked: see [`super::masks`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use similar::TextDiff;

use super::masks::Masks;
use super::person::{Heard, Person};
use crate::manifest::blessing;
use crate::support::need::setting;

const FILE: &str = "=== ";
const COMMAND: &str = "$ ";
/// Beginnings of the lines that are written by the runner.
const PRINTED: [&str; 3] = [">", "!", "["];
/// Says of the line before it that it ended with the output and not with a line end.
const OPEN_END: &str = "[no line end]";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join("tests/cases")];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "txt") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The case as its file would have to be.
fn play(text: &str) -> String {
    let at = if text.starts_with(FILE) { Some(0) } else { text.find("\n=== ").map(|at| at + 1) };
    let (script, files) = text.split_at(at.unwrap_or(text.len()));
    let person = Person::new();
    let mut masks = Masks::new(person.folder());
    for file in files.split("=== ").skip(1) {
        let (head, body) = file.split_once('\n').unwrap_or((file, ""));
        lay(&person, head, body, &mut masks);
    }
    let mut played = String::new();
    for line in script.lines() {
        if PRINTED.iter().any(|beginning| line.starts_with(beginning)) {
            continue;
        }
        played += line;
        played.push('\n');
        if let Some(command) = line.strip_prefix(COMMAND) {
            masks.knows(command);
            played += &printed(&person.shell(command), &masks);
        }
    }
    played + files
}

/// Puts a file, or a copy of a part of this repository, into the scratch folder.
fn lay(person: &Person, head: &str, body: &str, masks: &mut Masks) {
    let Some((name, from)) = head.split_once(" from ") else {
        masks.knows(body);
        return person.write(head, body);
    };
    let from = root().join(from);
    for file in crate::manifest::files_at(&from) {
        let text = String::from_utf8_lossy(&file.bytes);
        masks.knows(&text);
        let name = if from.is_dir() { format!("{name}/{}", file.name) } else { name.to_owned() };
        person.write(&name, &text);
    }
}

fn printed(heard: &Heard, masks: &Masks) -> String {
    let lines = |mark: &str, text: &str| {
        let masked = masks.apply(text);
        let mut said: String =
            masked.lines().map(|line| format!("{mark} {line}").trim_end().to_owned() + "\n").collect();
        if !masked.is_empty() && !masked.ends_with('\n') {
            said += &format!("{OPEN_END}\n");
        }
        said
    };
    let code = heard.code.map_or_else(|| "killed".to_owned(), |code| code.to_string());
    format!("{}{}[{code}]\n", lines(">", &heard.stdout), lines("!", &heard.stderr))
}

/// What is different from the file, or nothing.
fn judge(path: &Path) -> Option<String> {
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    let written = std::fs::read_to_string(path).unwrap();
    assert!(written.contains("\n$ mailplumb") || written.contains("| mailplumb"), "{name} types no command");
    let played = play(&written);
    if written == played {
        return None;
    }
    if blessing() {
        std::fs::write(path, played).unwrap();
        return None;
    }
    let diff = TextDiff::from_lines(&written, &played);
    Some(diff.unified_diff().header(&name, "what is printed now").to_string())
}

#[test]
fn every_case_prints_what_its_file_says() {
    let wanted = setting("MAILPLUMB_CASE").unwrap_or_default().to_string_lossy().into_owned();
    let cases: Vec<_> = cases().into_iter().filter(|path| path.to_string_lossy().contains(&wanted)).collect();
    assert!(!cases.is_empty(), "no case has `{wanted}` in its path");
    let next = AtomicUsize::new(0);
    let work = || {
        let mut different = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            different.extend(judge(case));
        }
        different
    };
    let different: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(
        different.is_empty(),
        "{}\n{} of {} cases print something else; MAILPLUMB_BLESS=1 writes it into their files",
        different.join("\n"),
        different.len(),
        cases.len()
    );
}

#[test]
fn a_case_that_prints_something_else_is_found() {
    let right = "# It says so.\n$ printf 'a\\n\\nb'; echo c >&2; exit 3\n> a\n>\n> b\n[no line end]\n! c\n[3]\n\n=== f\nx\n";
    assert_eq!(play(right), right);
    for (before, after) in
        [("> a", "> A"), ("! c", "> c"), ("[3]", "[0]"), (">\n", ""), ("[no line end]\n", "")]
    {
        let wrong = right.replacen(before, after, 1);
        assert_ne!(wrong, right);
        assert_eq!(play(&wrong), right, "{wrong}");
    }
    let files = "$ cat f && cat g/f\n> x\n> y\n[0]\n=== f\nx\n=== g/f\ny\n";
    assert_eq!(play(files), files);
}
