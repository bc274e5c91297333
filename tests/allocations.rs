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
    let created = planned(&folder, None, &Stored::empty());
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

    expect("cold, nothing changed", cold, 31_615);
    expect("warm, nothing changed", warm, 4_830);
    expect("warm, one in a hundred changed", changed, 8_802);
}

/// Mailboxes that the second version of the manifest changes.
const CHANGED: usize = 13;
