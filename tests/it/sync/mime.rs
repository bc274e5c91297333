//! Messages as they are found in the wild, each a file `mime/NAME.eml`, and what is read out of it in `NAME.expected`.
//! `MAILPLUMB_BLESS=1` writes what is read now.

use std::path::{Path, PathBuf};

use mailplumb::model::limits;
use mailplumb::playground::corpus;
use mailplumb::sync::message;
use mailplumb::sync::mime::{self, Allowed};

use crate::manifest::blessing;

fn allowed(blocked_types: &[String]) -> Allowed<'_> {
    Allowed { bytes_max: 2000, blocked_types }
}

/// What a person and a program get to see of a message.
fn seen(raw: &[u8]) -> String {
    let blocked = ["exe".to_owned()];
    let content = mime::content(raw, allowed(&blocked));
    let mut text = String::new();
    for header in &content.headers {
        text += &format!("{}: {}\n", header.name, header.value);
    }
    if let Some(body) = &content.body {
        text += &format!("\n=== {} {}\n", body.media_type, body.charset.as_deref().unwrap_or("-"));
        text +=
            &body.text.chars().map(|c| if c.is_control() && c != '\n' { '␀' } else { c }).collect::<String>();
    }
    for part in &content.attachments {
        let octets = mime::octets(raw, part.number).unwrap();
        let shown: String =
            octets.iter().take(40).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
        text += &format!(
            "\n=== attachment {} {:?} → {}\n{}, {} bytes, {}\n{shown}\n",
            part.number,
            part.name.as_deref().unwrap_or("-"),
            part.file_name,
            part.media_type,
            part.bytes,
            &part.content.0[..16]
        );
        text += &part.withheld.as_ref().map_or_else(String::new, |reason| format!("withheld: {reason}\n"));
    }
    for note in &content.notes {
        text += &format!("\n=== note: {note}\n");
    }
    text += match message::parse(raw) {
        Ok(_) => "",
        Err(_) => "\n=== quarantined\n",
    };
    text
}

#[test]
fn every_message_is_read_as_it_is_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sync/mime");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 25, "{}", cases.len());
    let mut different = Vec::new();
    for case in &cases {
        let seen = seen(&std::fs::read(case).unwrap());
        let file = case.with_extension("expected");
        if blessing() {
            std::fs::write(&file, &seen).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != seen {
            different.push(format!("{}:\n{seen}", file.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

/// The record lists what the content has: one number means one attachment everywhere.
#[test]
fn record_and_content_agree_about_the_corpus() {
    let mut attachments = 0;
    for raw in corpus::messages(500, 3) {
        let Ok(facts) = message::parse(&raw) else { continue };
        let content = mime::content(&raw, allowed(&[]));
        assert_eq!(facts.attachments.len(), content.attachments.len());
        for (listed, part) in facts.attachments.iter().zip(&content.attachments) {
            assert_eq!((listed.bytes, &listed.media_type), (part.bytes, &part.media_type));
        }
        attachments += content.attachments.len();
    }
    assert!(attachments > 100, "{attachments}");
}

/// A header of 64,000 fields is read up to its limit; the message stays whole.
#[test]
fn a_header_without_measure_is_read_up_to_its_limit() {
    let field = "Received: from a by b; Mon, 05 Jan 2026 10:00:00 +0000\r\n";
    let raw = format!("Subject: first\r\n{}Subject: last\r\n\r\nbody\r\n", field.repeat(64_000)).into_bytes();
    let facts = message::parse(&raw).unwrap();
    assert_eq!(facts.subject.as_deref(), Some("first"));
    let content = mime::content(&raw, allowed(&[]));
    assert_eq!(content.headers.len(), limits::HEADER_FIELDS_MAX);
    assert!(content.notes.iter().any(|note| note.contains("header fields")), "{:?}", content.notes);
}
