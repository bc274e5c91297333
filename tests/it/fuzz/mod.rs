//! Every decoder is fed with what it may meet: the inputs kept in `tests/corpus/<decoder>`, and changed ones made from them by a
//! seed. A decoder may refuse anything; it may not panic, hang or run on.
//!
//! `MAILPLUMB_FUZZ=100000` sets how many changed inputs each decoder gets (300 if it is not set), `MAILPLUMB_FUZZ_SEED` where
//! their row begins. An input that makes a decoder panic is kept in its folder as `found-…`, so that it is tried for ever after.

mod decoders;
mod mutate;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::support::need::setting;

const ROUNDS_DEFAULT: u64 = 300;
/// Longer inputs only take longer.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Something that reads what others wrote.
struct Decoder {
    /// Its folder below `tests/corpus`.
    name: &'static str,
    /// The files of the product that it goes through.
    reads: &'static [&'static str],
    feed: fn(&[u8]),
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder(decoder: &str) -> PathBuf {
    root().join("tests/corpus").join(decoder)
}

fn corpus(decoder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(decoder))
        .unwrap_or_else(|error| panic!("no corpus for `{decoder}`: {error}"));
    let mut kept: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    kept.sort();
    kept
}

fn number(variable: &str, default: u64) -> u64 {
    setting(variable).map_or(default, |text| {
        let text = text.to_string_lossy().into_owned();
        text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number"))
    })
}

/// Feeds one input. One that ends in a panic is kept.
fn try_one(decoder: &Decoder, input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| (decoder.feed)(input))).map_err(|_| {
        let found = folder(decoder.name).join(format!("found-{}", &blake3::hash(input).to_hex()[..12]));
        std::fs::write(&found, input).unwrap();
        format!("{} panics; the input is kept in {}", decoder.name, found.display())
    })
}

fn survives(name: &str) {
    let decoder =
        decoders::ALL.iter().find(|decoder| decoder.name == name).expect("its name is in the table");
    let kept = corpus(name);
    assert!(!kept.is_empty(), "nothing is kept for `{name}`");
    for (file, input) in &kept {
        try_one(decoder, input).unwrap_or_else(|words| panic!("{file}: {words}"));
    }
    let seed = number("MAILPLUMB_FUZZ_SEED", 1);
    let rounds = number("MAILPLUMB_FUZZ", ROUNDS_DEFAULT);
    let mut mutator = mutate::Mutator::new(seed, kept.into_iter().map(|(_, input)| input).collect());
    for round in 0..rounds {
        let mut input = mutator.next_input();
        input.truncate(INPUT_BYTES_MAX);
        try_one(decoder, &input).unwrap_or_else(|words| panic!("round {round} of seed {seed}: {words}"));
    }
}

/// One test for each line of [`decoders::ALL`].
macro_rules! each_survives {
    ($($test:ident = $name:literal),* $(,)?) => {
        $(#[test] fn $test() { survives($name); })*
        const TESTED: &[&str] = &[$($name),*];
    };
}

each_survives! {
    imap_greeting = "imap-greeting",
    imap_capability = "imap-capability",
    imap_login = "imap-login",
    imap_inbox = "imap-inbox",
    imap_list = "imap-list",
    imap_search = "imap-search",
    imap_fetch = "imap-fetch",
    imap_delete = "imap-delete",
    pop3_opening = "pop3-opening",
    pop3_login = "pop3-login",
    pop3_listing = "pop3-listing",
    pop3_retrieval = "pop3-retrieval",
    pop3_removal = "pop3-removal",
    smtp_hello = "smtp-hello",
    smtp_login = "smtp-login",
    smtp_envelope = "smtp-envelope",
    smtp_delivery = "smtp-delivery",
    sasl_challenge = "sasl-challenge",
    http_offers = "http-offers",
    ntlm_challenge = "ntlm-challenge",
    disguised_words = "disguised-words",
    oauth2_answer = "oauth2-answer",
    http_answer = "http-answer",
    ews_answer = "ews-answer",
    autodiscover_answer = "autodiscover-answer",
    graph_answer = "graph-answer",
    message = "message",
    compose = "compose",
    certificate = "certificate",
    manifest = "manifest",
    manifest_edit = "manifest-edit",
    host_file = "host-file",
    secret_bundle = "secret-bundle",
    identity_file = "identity-file",
    saved_plan = "saved-plan",
    snapshot = "snapshot",
    stored_json = "stored-json",
    words = "words",
}

#[test]
fn every_decoder_of_the_table_has_a_test_and_a_corpus() {
    let named: Vec<&str> = decoders::ALL.iter().map(|decoder| decoder.name).collect();
    assert_eq!(named, TESTED, "the table in decoders.rs and the tests above name different decoders");
    let folders: BTreeSet<String> = std::fs::read_dir(root().join("tests/corpus"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "README.md")
        .collect();
    let expected: BTreeSet<String> = named.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(folders, expected, "a folder of tests/corpus belongs to no decoder, or one is missing");
}

/// What a file that reads foreign octets or texts has in it.
const SIGNS: [&str; 6] =
    ["BytesMut", ": &[u8]", "serde_json::from_", "serde_yaml::from_", "MessageParser", "Peekable<Chars"];
const ROOMS: [&str; 8] = ["protocol", "sync", "manifest", "plan", "secrets", "model", "remote", "source"];

#[test]
fn no_file_that_decodes_is_without_a_fuzz_entry() {
    let unlisted: Vec<String> = decoding_files().into_iter().filter(|path| !is_listed(path)).collect();
    assert!(
        unlisted.is_empty(),
        "these files read what others wrote; name them in `reads` of a decoder in tests/it/fuzz/decoders.rs, or in \
         READS_NOTHING_FOREIGN with a reason:\n{}",
        unlisted.join("\n")
    );
    let stale: Vec<&&str> = decoders::ALL
        .iter()
        .flat_map(|decoder| decoder.reads)
        .chain(decoders::READS_NOTHING_FOREIGN.iter().map(|(path, _)| path))
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(stale.is_empty(), "these files are named and not there: {stale:?}");
}

#[test]
fn a_file_that_decodes_and_is_not_listed_is_found() {
    assert!(is_decoding("fn next(&mut self, input: &mut BytesMut) {}"));
    assert!(is_decoding("pub fn parse(raw: &[u8]) -> X {}"));
    assert!(!is_decoding("fn f() {}\n#[cfg(test)]\nmod tests { fn parse(raw: &[u8]) {} }"));
    assert!(!is_listed("src/protocol/telnet.rs"));
    assert!(decoding_files().len() > 30);
}

fn is_decoding(text: &str) -> bool {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    SIGNS.iter().any(|sign| code.contains(sign))
}

fn is_listed(path: &str) -> bool {
    decoders::ALL.iter().flat_map(|decoder| decoder.reads).any(|read| *read == path)
        || decoders::READS_NOTHING_FOREIGN.iter().any(|(written, _)| *written == path)
}

fn decoding_files() -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = ROOMS.iter().map(|room| root().join("src").join(room)).collect();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_test = matches!(name.as_str(), "tests.rs" | "transcript.rs" | "hostile.rs");
            if path.is_dir() {
                waiting.push(path);
            } else if name.ends_with(".rs")
                && !is_test
                && is_decoding(&std::fs::read_to_string(&path).unwrap())
            {
                found.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
