//! Whole conversations from files: `tests/conversations/smtp/*.txt`. Above the empty line stands what is sent and what comes of
//! it, below it what the client (`C:`) and the server (`S:`) say; where the file ends, the server closes the connection.

use std::path::PathBuf;

use super::tests::{address, open_anonymous, server};
use crate::model::name::Address;
use crate::model::outbox::RecipientResult;

/// What a case declares.
#[derive(Debug, PartialEq, Eq)]
struct Case {
    to: Vec<Address>,
    text: String,
    results: Vec<String>,
    session: String,
}

fn parse(header: &str) -> Case {
    let all = |key: &str| header.lines().filter_map(|line| line.strip_prefix(key)).collect::<Vec<_>>();
    let one = |key: &str| all(key).first().map(|value| (*value).to_owned());
    let unescape = |text: String| text.replace("\\n", "\n").replace("\\r", "\r");
    Case {
        to: one("to: ").unwrap().split(' ').map(address).collect(),
        text: one("text: ").map_or_else(|| "Subject: x\n\n.text\n".to_owned(), unescape),
        results: all("result: ").into_iter().map(str::to_owned).collect(),
        session: one("session: ").unwrap(),
    }
}

/// Doubt is told in our own words, which are no business of these files.
fn words(result: RecipientResult) -> String {
    match result {
        RecipientResult::Accepted { said } => format!("accepted {said}"),
        RecipientResult::Deferred { said } => format!("deferred {said}"),
        RecipientResult::Refused { said } => format!("refused {said}"),
        RecipientResult::Unsure { .. } => "unsure".to_owned(),
    }
}

async fn play(name: &str, text: &str) {
    let (header, transcript) = text.split_once("\n\n").unwrap();
    let case = parse(header);
    let (at, served) = server(transcript).await;
    let mut session = open_anonymous(at).await;
    let sent = session.send(&address("anna@a.example"), &case.to, case.text.as_bytes()).await;
    let results = match sent {
        Ok(submitted) => submitted.recipients.into_iter().map(words).collect(),
        Err(error) => vec![format!("error {}", error.cause)],
    };
    assert_eq!(results, case.results, "{name}");
    assert_eq!(if session.is_open() { "open" } else { "over" }, case.session, "{name}");
    session.close().await;
    served.await.unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[tokio::test]
async fn every_conversation_is_that_of_its_file() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conversations/smtp");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 25, "{paths:?}");
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        play(&name, &std::fs::read_to_string(&path).unwrap()).await;
    }
}
