//! The canonical form: it says what the file said, it is its own canonical form, and no comment is lost.

use std::path::Path;

use mailplumb::manifest::format::{Order, format};
use mailplumb::model::problem::SourceFile;
use proptest::prelude::*;
use serde_yaml::Value;

use super::{blessing, files_at, here, source};

/// `None`: refused.
fn formatted(file: &SourceFile) -> Option<String> {
    format(file, order()).ok()
}

/// The order of keys, made once: it is made of the whole schema.
fn order() -> &'static Order {
    static ORDER: std::sync::LazyLock<Order> = std::sync::LazyLock::new(Order::of_manifest);
    &ORDER
}

fn text_of(file: &SourceFile) -> String {
    String::from_utf8_lossy(&file.bytes).into_owned()
}

/// The documents as an independent reader sees them, empty ones left out. `None`: it refuses them, or one is a lone
/// scalar, which no manifest is, and of which readers differ on where it ends.
fn documents(text: &str) -> Option<Vec<Value>> {
    let text = text.trim_start_matches('\u{FEFF}');
    let read = serde_yaml::Deserializer::from_str(text).map(<Value as serde::Deserialize>::deserialize);
    let read: Result<Vec<Value>, _> = read.collect();
    let documents = read.ok()?.into_iter().filter(|document| !document.is_null()).collect::<Vec<_>>();
    documents.iter().all(|document| document.is_mapping() || document.is_sequence()).then_some(documents)
}

/// The laws, for one file. Returns whether it was formatted.
fn check(file: &SourceFile) -> bool {
    let Some(once) = formatted(file) else { return false };
    let twice = formatted(&source(&file.name, &once)).expect(&once);
    assert_eq!(twice, once, "formatting twice:\n{}", text_of(file));
    if let Some(before) = documents(&text_of(file)) {
        assert_eq!(documents(&once).as_ref(), Some(&before), "{}\n{once}", text_of(file));
    }
    assert!(once.lines().all(|line| !line.trim_end_matches('\r').is_empty() || line.trim().is_empty()));
    true
}

#[test]
fn every_committed_manifest_keeps_its_meaning_and_is_formatted_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        [root.join("examples"), here().join("valid"), here().join("invalid"), here().join("format")];
    let files = folders.iter().flat_map(|folder| files_at(folder));
    let yaml: Vec<_> = files.filter(|file| file.name.ends_with(".yaml")).collect();
    let formatted = yaml.iter().filter(|file| check(file)).count();
    assert!(formatted > 60 && formatted < yaml.len(), "{formatted} of {}", yaml.len());
}

#[test]
fn the_examples_are_in_canonical_form() {
    for file in files_at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")) {
        if file.name.ends_with(".yaml") {
            assert_eq!(
                formatted(&file).unwrap(),
                text_of(&file),
                "{}: run `mailplumb fmt`",
                file.path.display()
            );
        }
    }
}

#[test]
fn a_messy_file_becomes_what_its_neighbour_shows() {
    for file in files_at(&here().join("format")).iter().filter(|file| file.name.ends_with(".yaml")) {
        let expected = file.path.with_extension("expected");
        let found = formatted(file).unwrap();
        if blessing() {
            std::fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(&expected).unwrap_or_default(), "{}", file.name);
    }
}

#[test]
fn line_ends_stay_those_of_the_file_and_a_byte_order_mark_goes() {
    let file = source("a.yaml", "\u{FEFF}kind:  Mailbox\r\nspec:\r\n   user:  {address: a}\r\n");
    assert_eq!(formatted(&file).unwrap(), "kind: Mailbox\r\nspec:\r\n  user: { address: a }\r\n");
}

#[test]
fn what_is_no_good_yaml_is_refused_with_its_problems() {
    let bad = [
        ("a: [1\n", "MP0003"),
        ("a: &x 1\n", "MP0005"),
        ("a: !t 1\n", "MP0006"),
        ("a: 1\na: 2\n", "MP0007"),
        ("a: \u{7}\n", "MP0002"),
        ("? [a]\n: 1\n", "MP0008"),
    ];
    for (text, code) in bad {
        let problems = format(&source("a.yaml", text), order()).unwrap_err();
        assert!(problems.iter().any(|problem| problem.code == code), "{text} {problems:#?}");
    }
    assert!(formatted(&source("a.yaml", b"a: \xFF\n")).is_none());
}

#[test]
fn quotes_are_only_where_a_reader_needs_them() {
    let text =
        "a: 'no'\nb: \"0123\"\nc: \"22:22\"\nd: '2026-11-01'\ne: \"plain\"\nf: no\ng: {x: 'a, b', y: 'c'}\n";
    let expected = "a: \"no\"\nb: \"0123\"\nc: \"22:22\"\nd: \"2026-11-01\"\ne: plain\nf: no\ng: { x: \"a, b\", y: c }\n";
    assert_eq!(formatted(&source("a.yaml", text)).unwrap(), expected);
}

/// A value and the many ways in which a person may write it.
#[derive(Debug, Clone)]
enum Written {
    Text(String, u8),
    Plain(&'static str),
    List(Vec<Written>, u8),
    Map(Vec<(String, Written)>, u8),
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}( [a-z#:,]{1,5}){0,3}",
        "[ -~éü✓\n]{0,40}",
        "([a-z ]{0,12}\n){1,4}",
        Just("no".to_owned()),
        Just("0123".to_owned()),
        Just("~".to_owned()),
    ]
}

fn any_written() -> impl Strategy<Value = Written> {
    let leaf = prop_oneof![
        4 => (any_text(), any::<u8>()).prop_map(|(text, style)| Written::Text(text, style)),
        1 => prop::sample::select(vec!["true", "null", "42", "1.5", "plain", "a b"]).prop_map(Written::Plain),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), any::<u8>())
                .prop_map(|(items, style)| Written::List(items, style)),
            (prop::collection::btree_map("[a-z]{1,6}|no|spec|kind|a b", inner, 0..4), any::<u8>())
                .prop_map(|(map, style)| Written::Map(map.into_iter().collect(), style)),
        ]
    })
}

fn quoted(text: &str, style: u8) -> String {
    if style.is_multiple_of(2) && !text.contains(['\n', '\t']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    serde_json::to_string(text).unwrap()
}

/// On one line.
fn inline(value: &Written) -> String {
    match value {
        Written::Text(text, style) => quoted(text, *style),
        Written::Plain(text) => (*text).to_owned(),
        Written::List(items, _) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(" ,")),
        Written::Map(map, _) => {
            let pairs = map.iter().map(|(key, value)| format!("\"{key}\" : {}", inline(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
    }
}

/// What follows a key or a dash, with its line end.
fn after(value: &Written, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let comment = |style: u8| if style & 4 == 0 { "" } else { "   # beside" };
    let above = |style: u8| match style & 24 {
        8 => format!("{pad}# above - it\n"),
        16 => "\n".to_owned(),
        24 => format!("\n{pad}# apart\n\n"),
        _ => String::new(),
    };
    match value {
        Written::Text(text, style)
            if style & 32 != 0 && text.ends_with('\n') && !text.starts_with([' ', '\n']) =>
        {
            let lines = text.lines().map(|line| format!("{pad}{line}\n"));
            let mark = if text.ends_with("\n\n") { "|+" } else { "|" };
            format!(" {mark}{}\n{}", comment(*style), lines.collect::<String>())
        }
        Written::Text(..) | Written::Plain(_) => format!(" {}\n", inline(value)),
        Written::List(items, style) if items.is_empty() || style & 1 != 0 => {
            format!(" {}{}\n", inline(value), comment(*style))
        }
        Written::Map(map, style) if map.is_empty() || style & 1 != 0 => {
            format!(" {}{}\n", inline(value), comment(*style))
        }
        Written::List(items, style) => {
            let items =
                items.iter().map(|item| format!("{}{pad}-{}", above(*style), after(item, indent + 3)));
            format!("{}\n{}", comment(*style), items.collect::<String>())
        }
        Written::Map(map, style) => {
            let pairs = map.iter().map(|(key, value)| {
                format!(
                    "{}{pad}\"{key}\":{}",
                    above(*style),
                    after(value, indent + 1 + usize::from(style >> 6))
                )
            });
            let tail = if style & 64 == 0 { String::new() } else { format!("{pad}# tail\n") };
            format!("{}\n{}{tail}", comment(*style), pairs.collect::<String>())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_layout_of_any_values_keeps_them(documents in prop::collection::vec(any_written(), 1..3), head in any::<bool>()) {
        let text: String = documents.iter().map(|value| format!("---\nroot:{}", after(value, 1))).collect();
        let text = if head { format!("# head\n\n{text}") } else { text };
        let file = source("a.yaml", &text);
        let problems = format(&file, order()).err().unwrap_or_default();
        // What this generator writes is good YAML; characters that we refuse are not in it.
        prop_assert!(problems.is_empty(), "{text}\n{problems:#?}");
        prop_assert!(check(&file));
    }

    #[test]
    fn whatever_is_formatted_keeps_its_meaning(text in "([a-zü:{}\\[\\],\"'|>#~-]|\n|  |---\n|: |- | # ){0,60}") {
        // Readers differ on whether a block scalar at the end of a file ends with a line when the file does not.
        check(&source("a.yaml", format!("{text}\n")));
    }
}
