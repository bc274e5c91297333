//! Holds the layout of the source: which room may use which, what the rooms that only decide must not contain, who prints,
//! who exits, who reads the clock, and how long a file may be. It reads text and needs nothing else of this crate.
//!
//! Every rule is tried on a planted sample first, because a rule that cannot fail is none.

use std::fs;
use std::path::Path;

/// Room, the rooms that it may use, and the rooms of which it may use the door (`mod.rs`) only.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("model", &[], &[]),
    ("manifest", &["model"], &[]),
    ("plan", &["model"], &[]),
    ("sync", &["model"], &[]),
    ("protocol", &["model"], &[]),
    ("secrets", &["model"], &[]),
    ("store", &["model"], &[]),
    ("source", &["model"], &[]),
    ("net", &["model", "protocol"], &[]),
    ("remote", &["model", "protocol", "net"], &[]),
    ("engine", &["model", "manifest", "plan", "sync"], &["secrets", "store", "remote", "source"]),
    ("server", &["model", "engine"], &["store"]),
    ("playground", &["model"], &[]),
    ("cli", ANY, &[]),
];
const ANY: &[&str] = &["*"];

/// Rooms without I/O, clock, environment, randomness, `async` and logging.
const PURE: &[&str] = &["model", "manifest", "plan", "sync", "protocol"];

/// Beginnings of paths that a pure room does not name. Addresses of `std::net` are values, its sockets are not.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::io::stdin",
    "std::os",
    "getrandom",
    "rand",
    "tokio",
    "notify",
    "rusqlite",
    "log",
    "tracing",
];

const CLOCK_FILE: &str = "src/engine/clock.rs";
const LINES_MAX: usize = 400;
const MEANINGLESS: &[&str] =
    &["manager", "managers", "helper", "helpers", "util", "utils", "common", "misc", "miscellaneous"];

struct Rule {
    says: &'static str,
    find: fn(&[File]) -> Vec<String>,
    /// Path and text of a file that breaks the rule, and the beginning of the message.
    bad: &'static [(&'static str, &'static str, &'static str)],
    /// Path and text of a file that looks like one that breaks it, but is fine.
    good: &'static [(&'static str, &'static str)],
}

#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { says: "rooms use what the table allows", find: rooms, bad: &[
        ("src/plan/a.rs", "use crate::manifest::X;", "src/plan/a.rs:1: `plan` may not use `manifest`"),
        ("src/plan/a.rs", "\nuse crate::{model::name::Name,\n store::Store};", "src/plan/a.rs:3: `plan` may not use `store`"),
        ("src/plan/mod.rs", "fn f() { super::sync::g() }", "src/plan/mod.rs:1: `plan` may not use `sync`"),
        ("src/plan/a/b.rs", "use super::super::super::net as n;", "src/plan/a/b.rs:1: `plan` may not use `net`"),
        ("src/engine/a.rs", "use crate::store::{Store, sqlite::Sqlite};", "src/engine/a.rs:1: `engine` may use the door of `store` only, not `store::sqlite`"),
        ("src/engine/a.rs", "use crate::store;\nfn f() { store::sqlite::open() }", "src/engine/a.rs:2: `engine` may use the door of `store` only"),
        ("src/attic/a.rs", "", "src/attic/a.rs:1: `attic` is not in the table"),
    ], good: &[
        ("src/plan/a.rs", "// crate::store\nuse crate::model::x; use super::order;\n#[cfg(test)]\nmod tests { use crate::manifest::parse; }"),
        ("src/engine/a.rs", "use crate::store::{Store, StoreError}; use crate::plan::plan;"),
        ("src/store/sqlite.rs", "use super::Store; use crate::store::sqlite::x;"),
        ("src/cli/a.rs", "use crate::store::sqlite::Sqlite;"),
    ] },
    Rule { says: "pure rooms only decide", find: purity, bad: &[
        ("src/plan/a.rs", "async fn f() {}", "src/plan/a.rs:1: `async` in a pure room"),
        ("src/sync/a.rs", "fn f() {\n g().await }", "src/sync/a.rs:2: `await` in a pure room"),
        ("src/model/a.rs", "use std::{fmt, fs::File};", "src/model/a.rs:1: `std::fs` in a pure room"),
        ("src/model/a.rs", "use std::time::{Duration, Instant};", "src/model/a.rs:1: `std::time::Instant` in a pure room"),
        ("src/model/a.rs", "fn f() { std::env::var(\"A\"); }", "src/model/a.rs:1: `std::env` in a pure room"),
        ("src/protocol/a.rs", "use tokio::net::TcpStream;", "src/protocol/a.rs:1: `tokio` in a pure room"),
        ("src/protocol/a.rs", "fn f() { getrandom::fill(&mut b) }", "src/protocol/a.rs:1: `getrandom` in a pure room"),
        ("src/protocol/a.rs", "use std::net::{IpAddr, TcpStream};", "src/protocol/a.rs:1: `std::net::TcpStream` in a pure room"),
    ], good: &[
        ("src/model/a.rs", "use std::net::{IpAddr, SocketAddr}; use std::time::Duration; // async, std::fs\nconst A: &str = \".await\";"),
        ("src/sync/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n}"),
        ("src/net/a.rs", "async fn f() { tokio::spawn(g()).await }"),
        ("src/sync/a.rs", "fn f(log: &[u8]) { let rand = log; }"),
    ] },
    Rule { says: "one file reads the time", find: clock, bad: &[
        ("src/engine/a.rs", "fn f() { Instant::now() }", "src/engine/a.rs:1: `Instant::now`"),
        ("src/net/a.rs", "fn f() { tokio::time::Instant::now() }", "src/net/a.rs:1: `Instant::now`"),
        ("src/cli/a.rs", "fn f() { jiff::Timestamp::now() }", "src/cli/a.rs:1: `Timestamp::now`"),
    ], good: &[
        (CLOCK_FILE, "fn f() { Instant::now() }"),
        ("src/engine/a.rs", "fn f(c: &dyn Clock) { c.now(); Timestamp::MIN; }"),
    ] },
    Rule { says: "only cli prints", find: printing, bad: &[
        ("src/engine/a.rs", "fn f() { println!(\"x\") }", "src/engine/a.rs:1: `println!`"),
        ("src/lib.rs", "fn f() { eprint !(\"x\") }", "src/lib.rs:1: `eprint!`"),
        ("src/net/a.rs", "use std::io::{Read, stderr};", "src/net/a.rs:1: `io::stderr`"),
    ], good: &[
        ("src/cli/a.rs", "fn f() { println!(\"x\"); std::io::stdout(); }"),
        ("src/main.rs", "fn main() { eprintln!(\"x\") }"),
        ("src/net/a.rs", "/// println!(\"x\")\nfn f() { writeln!(w, \"println!()\"); command.stdout(x); }"),
    ] },
    Rule { says: "only main exits", find: exits, bad: &[
        ("src/cli/a.rs", "use std::process;\nfn f() { process::exit(1) }", "src/cli/a.rs:2: `process::exit`"),
        ("src/cli/a.rs", "use std::process::{Command, abort};", "src/cli/a.rs:1: `process::abort`"),
    ], good: &[("src/main.rs", "fn main() { std::process::exit(2) }"), ("src/cli/a.rs", "use std::process::ExitCode;")] },
    Rule { says: "unsafe is where a C library is called, and nowhere else", find: no_unsafe, bad: &[
        ("src/net/a.rs", "fn f() { unsafe { g() } }", "src/net/a.rs:1: `unsafe`"),
        ("tests/it/a.rs", "\nunsafe impl A for B {}", "tests/it/a.rs:2: `unsafe`"),
    ], good: &[("src/net/gssapi/library.rs", "fn f() { unsafe { g() } }"), ("src/net/a.rs", "// unsafe\nconst unsafe_code: &str = \"unsafe\";")] },
    Rule { says: "lints are expected with a reason, not allowed", find: no_allow, bad: &[
        ("src/net/a.rs", "#[allow(dead_code)]\nfn f() {}", "src/net/a.rs:1: `#[allow`"),
        ("tests/it/a.rs", "#![allow(unused)]", "tests/it/a.rs:1: `#[allow`"),
        ("src/net/a.rs", "#[cfg_attr(test, allow(dead_code))]", "src/net/a.rs:1: `#[allow`"),
    ], good: &[("src/net/a.rs", "#[expect(dead_code, reason = \"x\")]\nfn f() { allow(1) } // #[allow(x)]")] },
    Rule { says: "no test is ignored", find: no_ignored, bad: &[
        ("tests/it/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", "tests/it/a.rs:2: `#[ignore`"),
        ("src/net/a.rs", "#[cfg(test)]\nmod tests { #[ignore]\nfn f() {} }", "src/net/a.rs:2: `#[ignore`"),
    ], good: &[("src/net/a.rs", "#[derive(A)] // #[ignore]\nfn ignore() {}")] },
    Rule { says: "files stay short", find: short, bad: &[
        ("src/net/a.rs", LONG, "src/net/a.rs:401: longer than 400 lines"),
    ], good: &[("src/net/a.rs", "#[cfg(test)]\nmod tests {\n}"), ("tests/it/a.rs", LONG)] },
    Rule { says: "no path of one machine", find: own_paths, bad: &[
        ("docs/a.md", concat!("see\n/wo", "rk/shared/x"), "docs/a.md:2: a path of one machine"),
        ("src/net/a.rs", concat!("// (/ro", "ot/.cargo)"), "src/net/a.rs:1: a path of one machine"),
        (".ci/run", concat!("cd /tmp/w", "t/x"), ".ci/run:1: a path of one machine"),
    ], good: &[("docs/a.md", concat!("homework/x frame/wo", "rk/y ~/.config /tmp/x"))] },
    Rule { says: "names mean something", find: names, bad: &[
        ("src/net/string_utils.rs", "", "src/net/string_utils.rs:1: `utils`"),
        ("tests/common/mod.rs", "", "tests/common/mod.rs:1: `common`"),
        ("docs/misc.md", "", "docs/misc.md:1: `misc`"),
    ], good: &[("src/net/utility_bill.rs", ""), ("src/uncommon.rs", "")] },
];

/// 401 lines.
const LONG: &str = {
    const LINES: [u8; 401] = [b'\n'; 401];
    match std::str::from_utf8(&LINES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

#[test]
fn every_rule_finds_what_it_forbids_and_nothing_else() {
    for Rule { says, find, bad, good } in RULES {
        for (path, text, message) in *bad {
            let found = find(&sample(path, text));
            assert!(found.len() == 1 && found[0].starts_with(message), "{says}\n{text}\nfound: {found:#?}");
        }
        for (path, text) in *good {
            assert_eq!(find(&sample(path, text)), Vec::<String>::new(), "{says}\n{text}");
        }
    }
}

/// A file among others, so that rules that look at the tree have one.
fn sample(path: &str, text: &str) -> Vec<File> {
    vec![File::new("src/store/sqlite.rs".into(), String::new()), File::new(path.into(), text.into())]
}

#[test]
fn the_source_is_tidy() {
    let mut files = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut files);
    let rust = files.iter().filter(|file| file.path.ends_with(".rs")).count();
    assert!(rust > 20, "only {rust} Rust files were found");
    let all: Vec<String> = RULES.iter().flat_map(|rule| (rule.find)(&files)).collect();
    assert!(all.is_empty(), "\n{}\n{} untidy places", all.join("\n"), all.len());
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("the checkout can be read").flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("the checkout can be read");
        if kind.is_dir() {
            if !["target", ".git", ".mailplumb"].contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files);
            }
        } else if kind.is_file() && name != ".git" {
            // Files that are not text have a name and nothing else to look at.
            files.push(File::new(path, fs::read_to_string(entry.path()).unwrap_or_default()));
        }
    }
}

// --- rules ---

fn rooms(files: &[File]) -> Vec<String> {
    let submodule = |room: &str, name: &str| {
        let inside = [format!("src/{room}/{name}.rs"), format!("src/{room}/{name}/")];
        files.iter().any(|file| file.path == inside[0] || file.path.starts_with(&inside[1]))
    };
    let mut found = Vec::new();
    for file in files {
        let Some(room) = file.room() else { continue };
        let Some((_, uses, doors)) = ROOMS.iter().find(|(name, _, _)| *name == room) else {
            found.push(file.at(0, &format!("`{room}` is not in the table of rooms")));
            continue;
        };
        for (offset, path) in paths(&file.product) {
            let (rooted, path) = file.seen_from_root(path);
            let Some((used, rest)) = path.split_first() else { continue };
            let inner = rest.first().filter(|name| submodule(used, name));
            if !ROOMS.iter().any(|(name, _, _)| name == used) || used == &room || uses == &ANY {
                continue;
            } else if doors.contains(used) {
                if let Some(inner) = inner {
                    let message =
                        format!("`{room}` may use the door of `{used}` only, not `{used}::{inner}`");
                    found.push(file.at(offset, &message));
                }
            } else if rooted && !uses.contains(used) {
                found.push(file.at(offset, &format!("`{room}` may not use `{used}`")));
            }
        }
    }
    found
}

fn purity(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.room().is_some_and(|room| PURE.contains(&room))) {
        for word in ["async", "await"] {
            let places = words(&file.product, word).into_iter();
            found.extend(places.map(|offset| file.at(offset, &format!("`{word}` in a pure room"))));
        }
        for (offset, path) in paths(&file.product) {
            let path = path.join("::");
            // A crate's name alone may be a variable; a path into it is not.
            let alone = |prefix: &str| path == prefix && prefix.contains("::");
            let named = |prefix: &&&str| alone(prefix) || path.starts_with(&format!("{prefix}::"));
            let message = |prefix: &&str| file.at(offset, &format!("`{prefix}` in a pure room"));
            found.extend(IMPURE.iter().find(named).map(message));
        }
    }
    found
}

fn clock(files: &[File]) -> Vec<String> {
    let message = "time is an argument; the one clock is `engine::clock`";
    let named = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
    ending(files, &named, message, |file| file.path != CLOCK_FILE)
}

fn printing(files: &[File]) -> Vec<String> {
    let prints = |file: &File| file.room() == Some("cli") || file.path == "src/main.rs";
    let message = "only `cli` and `main` print";
    let mut found = ending(files, &["io::stdout", "io::stderr"], message, |file| !prints(file));
    for file in files.iter().filter(|file| !prints(file)) {
        for name in ["print", "println", "eprint", "eprintln", "dbg"] {
            let is_macro = |offset: &usize| file.product[offset + name.len()..].trim_start().starts_with('!');
            let places = words(&file.product, name).into_iter().filter(is_macro);
            found.extend(places.map(|offset| file.at(offset, &format!("`{name}!`: {message}"))));
        }
    }
    found
}

fn exits(files: &[File]) -> Vec<String> {
    let named = ["process::exit", "process::abort"];
    ending(files, &named, "only `main` ends the process", |file| file.path != "src/main.rs")
}

/// Paths outside tests that end with one of `named`, in the files to look at.
fn ending(files: &[File], named: &[&str], message: &str, look: impl Fn(&File) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| look(file)) {
        for (offset, path) in paths(&file.product) {
            let last = path[path.len().saturating_sub(2)..].join("::");
            if named.contains(&last.as_str()) {
                found.push(file.at(offset, &format!("`{last}`: {message}")));
            }
        }
    }
    found
}

fn no_unsafe(files: &[File]) -> Vec<String> {
    let in_file = |file: &File| {
        words(&file.code, "unsafe").iter().map(|offset| file.at(*offset, "`unsafe`")).collect::<Vec<_>>()
    };
    files.iter().filter(|file| !file.path.starts_with("src/net/gssapi/")).flat_map(in_file).collect()
}

fn no_allow(files: &[File]) -> Vec<String> {
    in_attributes(files, "allow", "`#[allow`: write `#[expect(lint, reason = \"…\")]`")
}

fn no_ignored(files: &[File]) -> Vec<String> {
    in_attributes(files, "ignore", "`#[ignore`: a test runs, or it is removed")
}

/// Where a word stands in an attribute.
fn in_attributes(files: &[File], word: &str, message: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for offset in words(&file.code, word) {
            let before = &file.code[..offset];
            let start = before.rfind("#[").max(before.rfind("#!["));
            if start.is_some_and(|start| !before[start..].contains(']')) {
                found.push(file.at(offset, message));
            }
        }
    }
    found
}

fn short(files: &[File]) -> Vec<String> {
    let long = |file: &&File| file.path.starts_with("src/") && file.lines_without_tests > LINES_MAX;
    let message = |file: &File| {
        format!("{}:{}: longer than {LINES_MAX} lines without tests", file.path, file.lines_without_tests)
    };
    files.iter().filter(long).map(message).collect()
}

fn own_paths(files: &[File]) -> Vec<String> {
    // Written so that this file does not find itself.
    let forbidden = [concat!("/wo", "rk/"), concat!("/tmp/w", "t/"), concat!("/ro", "ot/")];
    let mut found = Vec::new();
    for file in files {
        for pattern in forbidden {
            let places = file.text.match_indices(pattern).filter(|(offset, _)| {
                !file.text[..*offset]
                    .ends_with(|before: char| before.is_alphanumeric() || "./-_~}".contains(before))
            });
            found.extend(places.map(|(offset, _)| file.at(offset, "a path of one machine")));
        }
    }
    found
}

fn names(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let mut words = file.path.split(['/', '.', '_', '-']);
        if let Some(word) = words.find(|word| MEANINGLESS.contains(word)) {
            found.push(file.at(0, &format!("`{word}` says nothing; name what is in it")));
        }
    }
    found
}

// --- reading Rust ---

struct File {
    /// Relative to the checkout.
    path: String,
    text: String,
    /// The text of a Rust file with comments and literals turned into spaces; empty for other files.
    code: String,
    /// `code` with what is compiled for tests only turned into spaces.
    product: String,
    lines_without_tests: usize,
}

impl File {
    fn new(path: String, text: String) -> Self {
        let code = if path.ends_with(".rs") { blank_comments_and_literals(&text) } else { String::new() };
        let is_test = !path.starts_with("src/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let (product, lines_without_tests) = if is_test { (String::new(), 0) } else { blank_tests(&code) };
        Self { path, text, code, product, lines_without_tests }
    }

    fn at(&self, offset: usize, message: &str) -> String {
        let line = self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}: {message}", self.path)
    }

    /// The folder below `src`; `None` for `main.rs`, `lib.rs` and everything outside `src`.
    fn room(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(room, _)| room)
    }

    /// A path as seen from the crate's root, and whether it surely begins there.
    fn seen_from_root<'a>(&self, path: Vec<&'a str>) -> (bool, Vec<&'a str>) {
        if path.first() == Some(&"crate") {
            return (true, path[1..].to_vec());
        }
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let depth = inner.split('/').count();
        let climbed = path.iter().take_while(|segment| **segment == "super").count();
        (climbed == depth, path[climbed..].to_vec())
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where a word stands alone.
fn words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let alone = |offset: &usize| {
        let after = bytes.get(offset + word.len());
        (*offset == 0 || !is_word(bytes[offset - 1])) && !after.is_some_and(|byte| is_word(*byte))
    };
    code.match_indices(word).map(|(offset, _)| offset).filter(alone).collect()
}

/// Every path, trees of `use` taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`, each with the place of its last word.
fn paths(code: &str) -> Vec<(usize, Vec<&str>)> {
    let bytes = code.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if is_word(bytes[at]) {
            at = path_tree(code, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

fn path_tree<'a>(
    code: &'a str,
    from: usize,
    before: &[&'a str],
    found: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let bytes = code.as_bytes();
    let space = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let (mut path, mut at, mut last) = (before.to_vec(), from, from);
    loop {
        let start = at;
        while bytes.get(at).is_some_and(|byte| is_word(*byte)) {
            at += 1;
        }
        if at > start {
            path.push(&code[start..at]);
            last = start;
        }
        let next = space(at);
        if !code[next..].starts_with("::") || at == start {
            break;
        }
        let next = space(next + 2);
        match bytes.get(next) {
            Some(b'{') => return tree_branches(code, next + 1, &path, found),
            Some(byte) if is_word(*byte) => at = next,
            _ => break,
        }
    }
    found.push((last, path));
    at.max(from + 1)
}

fn tree_branches<'a>(
    code: &'a str,
    from: usize,
    path: &[&'a str],
    found: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let bytes = code.as_bytes();
    let (mut at, mut fresh) = (from, true);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'}' => return at + 1,
            b',' => (at, fresh) = (at + 1, true),
            byte if is_word(*byte) && fresh => (at, fresh) = (path_tree(code, at, path, found), false),
            // `as name`, `*`, spaces
            _ => at += 1,
        }
    }
    at
}

fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(text, at);
        for byte in &mut out[at..end.unwrap_or(at)] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.unwrap_or(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The end of the comment, string or character that begins here, if one does.
fn literal_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    let until = |from: usize, stop: &str| {
        text[from..].find(stop).map_or(text.len(), |found| from + found + stop.len())
    };
    if rest.starts_with(b"//") {
        return Some(text[at..].find('\n').map_or(text.len(), |line| at + line));
    }
    if rest.starts_with(b"/*") {
        return Some(comment_end(bytes, at));
    }
    let in_word =
        at > 0 && is_word(bytes[at - 1]) && !(bytes[at - 1] == b'b' && (at < 2 || !is_word(bytes[at - 2])));
    if rest[0] == b'r' && !in_word {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            return Some(until(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    match rest[0] {
        b'"' => Some(quoted_end(bytes, at, b'"')),
        b'\'' if rest.get(1) == Some(&b'\\') => Some(quoted_end(bytes, at, b'\'')),
        b'\'' => {
            // Otherwise it is a lifetime.
            let width = text[at + 1..].chars().next().map_or(0, char::len_utf8);
            (rest.get(1 + width) == Some(&b'\'')).then_some(at + 2 + width)
        }
        _ => None,
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if bytes[at..].starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The code without its tests, and how many lines that is.
fn blank_tests(code: &str) -> (String, usize) {
    let mut out = code.as_bytes().to_vec();
    let mut is_test = vec![false; out.len()];
    for marker in ["#[cfg(test)]", "#[cfg(all(test,", "#[test]", "#[tokio::test"] {
        for (start, _) in code.match_indices(marker) {
            is_test[start..item_end(code.as_bytes(), start)].fill(true);
        }
    }
    let mut lines = 0;
    for (byte, is_test) in out.iter_mut().zip(is_test) {
        match (*byte, is_test) {
            (b'\n', false) => lines += 1,
            (b'\n', true) | (_, false) => {}
            (_, true) => *byte = b' ',
        }
    }
    (String::from_utf8_lossy(&out).into_owned(), lines)
}

/// The end of the item that begins here: its closing brace, or its semicolon if that comes before any brace.
fn item_end(code: &[u8], start: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.iter().enumerate().skip(start) {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

#[test]
fn comments_and_literals_are_not_code() {
    let text =
        "a // x\n/* x /* x */ x */ b \"x \\\" x\" c r#\"x \" x\"# d 'x' e '\\'' f &'l g b\"x\" br\"x\" h";
    let words: Vec<String> =
        blank_comments_and_literals(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "b", "c", "d", "e", "f", "&'l", "g", "b", "b", "h"].map(str::to_owned));
}

#[test]
fn lines_of_tests_are_not_counted() {
    let text = "//! a\n\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    // x\n\n    #[test]\n    fn g() {}\n}\n";
    assert_eq!(File::new("src/net/a.rs".into(), text.into()).lines_without_tests, 5);
}
