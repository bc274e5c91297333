//! What reading and planning cost, counted in allocations, so that a change that makes them dearer does not pass unseen.
//!
//! Counts do not depend on the machine or its load, as times do. Where a count grows for a good reason, raise it here, in the
//! same commit; where it has fallen far below, lower it. `cargo bench --bench plan` measures times.
#![expect(clippy::unwrap_used, reason = "fixed inputs of the test itself")]

#[expect(dead_code, reason = "the benchmark needs more of it")]
#[path = "../benches/plan/generate.rs"]
mod generate;

use std::path::Path;

use generate::{Layout, Version};
use mailplumb::engine::reading::{Against, Survey, survey};
use mailplumb::model::host::HostSettings;
use mailplumb::model::plan::{Plan, Policy};
use mailplumb::model::profile::ServerKind;
use mailplumb::model::stored::{Outline, Stored};
use mailplumb::plan;
use mailplumb::source::directory::Directory;

const MAILBOXES: usize = 1000;

fn policy() -> Policy {
    Policy { connectors: [ServerKind::ImapSmtp].into(), ..Policy::default() }
}

/// The plan of the manifest in a folder against what is stored, beside a memory if there is one.
fn planned(folder: &Path, memory: Option<&Path>, stored: &Stored) -> Plan {
    let mut source = Directory::new(vec![folder.to_owned()]);
    if let Some(memory) = memory {
        source = source.remembering(memory.to_owned());
    }
    let outline = Outline::of(stored.clone());
    let survey = survey(&source, &HostSettings::default(), &policy(), Against::Stored(&outline)).unwrap();
    let Survey { desired, rest, unsettled, .. } = survey;
    let mut narrow = stored.clone();
    narrow.mailboxes.retain(|name, _| unsettled.contains(name));
    plan::narrowed(&desired.unwrap(), &narrow, &policy(), &rest)
}

/// The allocations of `work` on this thread, without those of making its inputs.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

/// Fails when `count` is above what is expected by more than two in a hundred, and when it is so far below that the
/// expectation would let a lot pass.
fn expect(what: &str, count: u64, expected: u64) {
    let per_mailbox = count as f64 / MAILBOXES as f64;
    assert!(
        count * 100 <= expected * 102,
        "{what}: {count} allocations ({per_mailbox:.1} each), expected {expected}"
    );
    assert!(
        count * 100 >= expected * 70,
        "{what}: {count} allocations ({per_mailbox:.1} each), lower the expected {expected}"
    );
}

#[test]
fn planning_a_thousand_mailboxes_allocates_no_more_than_it_did() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, memory) = (scratch.path().join("manifest"), scratch.path().join("reading.cache"));
    generate::write(&folder, MAILBOXES, Layout::TeamFiles, Version::First).unwrap();
    let mut created = None;
    let creating = allocations(|| created = Some(planned(&folder, None, &Stored::empty())));
    let created = created.unwrap();
    let stored = plan::model::apply_and_pass(&created, &Stored::empty());
    // What copying the inputs takes is measured by itself and taken away.
    let copying = allocations(|| drop((stored.clone(), Outline::of(stored.clone()))));
    let measured = |memory: Option<&Path>, steps: usize| {
        allocations(|| assert_eq!(planned(&folder, memory, &stored).steps.len(), steps)) - copying
    };

    let cold = measured(None, 0);
    planned(&folder, Some(&memory), &stored);
    let warm = measured(Some(&memory), 0);
    generate::write(&folder, MAILBOXES, Layout::TeamFiles, Version::OnePercentChanged).unwrap();
    let changed = measured(Some(&memory), CHANGED);

    expect("creating all", creating, 44_973);
    expect("cold, nothing changed", cold, 18_446);
    expect("warm, nothing changed", warm, 4_761);
    expect("warm, one in a hundred changed", changed, 7_097);
}

/// Mailboxes that the second version of the manifest changes.
const CHANGED: usize = 13;

/// What strangers may send, each at the limit of what is taken apart or beyond it.
fn hostile_messages() -> Vec<(&'static str, Vec<u8>)> {
    let head = b"From: a@a.example\r\n";
    let mixed = |rest: String| {
        [&head[..], b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", rest.as_bytes()].concat()
    };
    let nested = |depth: usize| -> String {
        (0..depth)
            .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n"))
            .collect()
    };
    vec![
        ("a tree 1,000 deep", nested(1000).into_bytes()),
        ("a tree 100,000 deep", nested(100_000).into_bytes()),
        (
            "10,000 parts",
            mixed("--b\r\nContent-Type: application/pdf; name=x.pdf\r\n\r\nx\r\n".repeat(10_000)),
        ),
        ("a million parts", mixed("--b\r\n\r\nx\r\n".repeat(1_000_000))),
        ("messages in messages", "Content-Type: message/rfc822\r\n\r\n".repeat(200_000).into_bytes()),
        (
            "boundaries that never come",
            mixed("--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\n".repeat(100_000)),
        ),
        ("64,000 Received", [b"Received: from a by b\r\n".repeat(64_000), b"\r\nx".to_vec()].concat()),
        ("one long line", [&head[..], b"\r\n", &b"x".repeat(30 * 1024 * 1024)].concat()),
        (
            "one large attachment",
            [
                &head[..],
                b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                &b"JVBERi0xLjQKJVBERi0xLjQK\r\n".repeat(1_000_000),
            ]
            .concat(),
        ),
    ]
}

#[test]
fn a_hostile_message_takes_no_more_memory_than_is_allowed() {
    use mailplumb::sync::mime::{self, Allowed};
    const PEAK_BYTES_MAX: u64 = 64 * 1024 * 1024;
    for (what, raw) in hostile_messages() {
        let record = allocation_counter::measure(|| {
            let _ = mailplumb::sync::message::parse(&raw);
        });
        let content = allocation_counter::measure(|| {
            mime::content(&raw, Allowed { bytes_max: u64::MAX, blocked_types: &[] });
        });
        for (whose, peak) in [("record", record.bytes_max), ("content", content.bytes_max)] {
            assert!(peak < PEAK_BYTES_MAX, "{what}: the {whose} takes {peak} bytes");
        }
    }
}

/// Twice the parts cost twice the work: nothing grows with their square.
#[test]
fn taking_a_message_apart_grows_with_its_length() {
    let work = |parts: usize| {
        let raw = [
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned(),
            "--b\r\n\r\nx\r\n".repeat(parts),
        ];
        let raw = raw.concat().into_bytes();
        allocations(|| drop(mailplumb::sync::message::parse(&raw)))
    };
    let (one, two) = (work(2000), work(4000));
    assert!(two * 10 <= one * 21, "{one} allocations of 2,000 parts, {two} of 4,000");
}
