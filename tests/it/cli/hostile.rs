//! Files that nobody writes by mistake, or only once: each is refused with few words, in bounded time and memory.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::person::{Heard, Person};

const HEAD: &str = "apiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: m }\nspec:\n";
/// Address space of the program, in KiB. A debug build of it alone takes some hundred thousand.
const MEMORY: u32 = 1_500_000;

/// Validates this text with bounded memory.
#[track_caller]
fn validate(text: &[u8]) -> Heard {
    let person = Person::new();
    std::fs::create_dir(person.at("mail")).unwrap();
    std::fs::write(person.at("mail/a.yaml"), text).unwrap();
    check(&person)
}

#[track_caller]
fn check(person: &Person) -> Heard {
    let heard = person.shell(&format!("ulimit -v {MEMORY}; timeout 120 mailplumb validate --file mail"));
    assert!(heard.stderr.len() < 2_000_000, "{} bytes of words", heard.stderr.len());
    heard.ends(1).does_not_say("panicked")
}

#[test]
fn an_alias_bomb_does_not_explode() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, next) in "abcdefghijklmnop".chars().zip("bcdefghijklmnopq".chars()) {
        let aliases = vec![format!("*{one}"); 9].join(", ");
        text.push_str(&format!("{next}: &{next} [{aliases}]\n"));
    }
    validate(text.as_bytes()).says("MP0005").says("aliases are not read");
}

#[test]
fn depth_has_an_end() {
    let nested = format!("{HEAD}  x: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    validate(nested.as_bytes()).says("MP0009");
    let block: String = (0..500).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    validate(block.as_bytes()).says("MP0009");
}

#[test]
fn a_huge_text_is_refused_in_a_short_line() {
    let text = format!("{HEAD}  user: {{ displayName: {}, address: x }}\n", "x".repeat(10_000_000))
        .replace("address: x }", "address: m@contoso.example }");
    let heard = validate(text.as_bytes()).says("MP0069");
    assert!(heard.stderr.lines().all(|line| line.len() < 1000));
    let key = format!("{HEAD}  ? {}\n  : 1\n", "k".repeat(1_000_000));
    let heard = validate(key.as_bytes());
    assert!(heard.stderr.lines().all(|line| line.len() < 1000));
}

#[test]
fn many_documents_keys_and_problems_are_counted_not_listed() {
    validate("---\nkind: X\n".repeat(20_000).as_bytes())
        .says("… and ")
        .says("Not valid: more than 10000 errors");
    let keys: String = (0..50_000).map(|key| format!("  key{key}: 1\n")).collect();
    validate(format!("{HEAD}{keys}").as_bytes()).says("unknown key `key0`");
    validate("--- \n".repeat(300_000).as_bytes()).says("no Organization");
    let same = "  a: 1\n".repeat(20_000);
    validate(format!("{HEAD}{same}").as_bytes()).says("MP0007");
}

#[test]
fn encodings_other_than_utf8_are_named() {
    validate(b"kind: \xFF\xFE\n").says("MP0001").says("a.yaml:1:7");
    let utf16: Vec<u8> = "\u{FEFF}kind: Mailbox\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    validate(&utf16).says("UTF-16");
    validate(b"kind: Mail\0box\n").says("U+0000");
    validate("kind: Mail\u{202E}box\n".as_bytes()).says("U+202E");
    validate(b"kind: Mailbox\nspec:\n\tuser: {}\n").says("a tab cannot indent a line");
}

#[test]
fn line_ends_and_byte_order_marks_change_no_place() {
    validate("\u{FEFF}apiVersion: mailplumb/v1\r\nkind: Mailboxx\r\n".as_bytes()).says("a.yaml:2:7");
}

#[test]
fn a_file_of_a_gigabyte_is_refused_unread() {
    let person = Person::new();
    std::fs::create_dir(person.at("mail")).unwrap();
    let file = std::fs::File::create(person.at("mail/a.yaml")).unwrap();
    file.set_len(1 << 30).unwrap();
    let heard = person.shell("ulimit -v 400000; timeout 60 mailplumb validate --file mail");
    heard.ends(1).says("a.yaml").says("larger than 64 MiB");
}

type Make = fn(&Person);

#[test]
fn what_is_no_file_is_refused_and_nothing_waits_for_it() {
    let make: [(&str, Make); 5] = [
        ("it is not a regular file", |person| {
            assert!(
                std::process::Command::new("mkfifo")
                    .arg(person.at("mail/x.yaml"))
                    .status()
                    .unwrap()
                    .success()
            );
        }),
        ("it is not a regular file", |person| symlink("/dev/zero", person.at("mail/x.yaml")).unwrap()),
        ("x.yaml", |person| symlink("x.yaml", person.at("mail/x.yaml")).unwrap()),
        ("x.yaml", |person| symlink("absent", person.at("mail/x.yaml")).unwrap()),
        ("its name is not UTF-8 text", |person| {
            let name = std::ffi::OsStr::from_bytes(b"mail/\xFF.yaml");
            std::fs::write(person.folder().join(name), "").unwrap();
        }),
    ];
    for (words, make) in make {
        let person = Person::new();
        person.write("mail/a.yaml", "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: o }\n");
        make(&person);
        check(&person).says(words).says("cannot be read");
    }
}

#[test]
fn a_folder_may_be_named_like_a_file() {
    let person = Person::new();
    person
        .write("mail/x.yaml/a.yaml", "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: o }\n");
    person.types("validate --file mail").ends(0).says("Valid");
}
