//! Plans of a part, saved plans, the lease, the ledger and the first tests, as a person and a pipeline meet them.

use std::os::unix::fs::PermissionsExt;

use mailplumb::engine::clock::SystemClock;
use mailplumb::model::clock::Clock;
use mailplumb::model::lease::LeaseScope;
use mailplumb::model::ledger::{Outcome, SkipReason};
use mailplumb::model::plan::Guard;
use mailplumb::plan::snapshot;
use mailplumb::playground::{Certificate, Fault, Protocol};
use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{Ledger, RunQuery, Store};

use super::office::Office;
use super::person::{Heard, KEY, Person, signal};
use crate::support::need::{Need, require};
use crate::support::scratch;

const PASSWORD: &str = "correct horse battery staple";
const STATE: &str = "mail/.mailplumb/state.db";
const MANIFEST: &str = "mail/mailplumb.yaml";

fn store(person: &Person) -> SqliteStore {
    SqliteStore::open(&person.at(STATE), Open::Existing).unwrap()
}

/// What was printed, which is what `mailplumb schema` says of it.
fn valid(person: &Person, heard: &Heard, document: &str) -> serde_json::Value {
    let value = heard.json();
    let schema = person.types(&format!("schema {document}")).ends(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{heard}");
    value
}

#[test]
fn a_part_is_planned_and_applied_and_the_rest_is_left_for_later() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    office.sets(PASSWORD);
    person.types("plan --target mailbox/suport").ends(1).says("did you mean `mailbox/support`?");
    person.types("plan --target nothing").ends(64).says("mailbox/NAME");
    person.write("empty.txt", "# nobody\n");
    person.types("plan --target-file empty.txt").ends(1).says("names no target");

    let planned = person.types("plan --target mailbox/support").ends(0);
    planned
        .says("Limited to mailbox/support.")
        .says("included: mailbox/support needs it")
        .says("left out: ")
        .does_not_say("+ mailbox/sales");
    let json = valid(person, &person.types("plan --target mailbox/support -o json"), "plan");
    assert_eq!(json["selection"]["targets"][0], "mailbox/support");

    person.write("some.txt", "mailbox/support # the first\n\n");
    person.types("apply --auto-approve --tests defer --target-file some.txt").ends(0);
    person.types("status").ends(0).says("support").does_not_say("sales");
    person
        .types("plan --target mailbox/support")
        .ends(0)
        .says("of 1 mailbox wait for a test; `mailplumb test` or `mailplumb watch` runs it")
        .says("No changes. What is stored of this part is what the manifest declares.");
    person.types("apply --auto-approve --tests defer").ends(0);
    person.types("plan").ends(0).does_not_say("+ mailbox");
}

#[test]
fn a_first_plan_fits_the_store_that_is_made_for_it_and_no_other() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    person.types("plan --out first.plan").ends(0);
    assert_eq!(std::fs::metadata(person.at("first.plan")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!person.at(STATE).exists(), "a plan makes no store");
    person.types("apply first.plan --tests defer").ends(0);
    let again = person.types("apply first.plan --tests defer").ends(11);
    again.says("the plan was already applied: it is revision 1, applied by `apply` on ");

    // Somebody else's first apply came in between.
    std::fs::remove_dir_all(person.at("mail/.mailplumb")).unwrap();
    person.types("plan --out second.plan").ends(0);
    person.types("apply --auto-approve --tests defer").ends(0);
    person.types("apply second.plan --tests defer").ends(11).says("the plan was made for store");
}

#[test]
fn a_stale_plan_says_what_moved_and_can_still_be_read() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    person.replace(MANIFEST, "displayName: Sales", "displayName: Trade");
    person.types("plan --out one.plan").ends(0);
    person.types("plan --out other.plan --concise").ends(0).does_not_say("displayName");
    person.types("apply other.plan --tests defer").ends(0);
    let stale = person.types("apply one.plan --tests defer").ends(11);
    // Both are the same plan, made twice.
    stale.says("already applied: it is revision 2");
    person.types("plan --show one.plan").ends(0).says("it is stale").says("Sales → Trade");
    valid(person, &person.types("plan --show one.plan -o json").ends(0), "plan");

    person.replace(MANIFEST, "displayName: Trade", "displayName: Export");
    person.types("plan --target mailbox/sales --out part.plan").ends(0);
    person.types("plan --out whole.plan").ends(0);
    person.types("apply part.plan --tests defer").ends(0);
    let stale = person.types("apply whole.plan --tests defer").ends(11);
    stale.says("made from revision 2 and the state is at revision 3, applied by `apply` on ");

    person.replace(MANIFEST, "displayName: Export", "displayName: Import");
    person.types("plan --out moved.plan").ends(0);
    person.replace(MANIFEST, "displayName: Import", "displayName: Export");
    person.write("mail/more.yaml", "# nothing yet\n");
    let moved = person.types("apply moved.plan").ends(11);
    moved.says("`mailplumb.yaml` was changed").says("`more.yaml` is new");
    person.types("apply moved.plan --target mailbox/sales").ends(64);
    person.types("apply moved.plan --auto-approve").ends(64);
}

#[test]
fn a_pipeline_plans_against_a_snapshot() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stored = runtime.block_on(async { store(person).stored().await.unwrap() });
    person.write("state.json", &snapshot::to_text(&stored));
    std::fs::remove_dir_all(person.at("mail/.mailplumb")).unwrap();
    let planned = person.types("plan --snapshot state.json").ends(0);
    planned.does_not_say("no store at").does_not_say("+ ");
    person.write("state.json", "{}");
    person.types("plan --snapshot state.json").ends(1).says("not a snapshot of the state");
}

#[test]
fn an_override_is_recorded_with_the_revision() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let manifest = person.read(MANIFEST);
    person.write(MANIFEST, manifest.split_once("---\n").unwrap().0);
    person.gives(
        &["apply", "--auto-approve", "--override-guard", "empty-manifest", "--reason", "the office closes"],
        "",
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let newest = runtime.block_on(async { store(person).revisions(1).await.unwrap().remove(0) });
    let [overridden] = &newest.overridden[..] else { panic!("{newest:?}") };
    assert_eq!((overridden.guard, overridden.reason.as_str()), (Guard::EmptyManifest, "the office closes"));
    person.types("plan --override-guard deletions").ends(64);
}

#[test]
fn whoever_is_told_to_does_not_ask() {
    let office = Office::opens(PASSWORD);
    office.person.types("apply --input=false").ends(1).says("--input=false").says("--auto-approve");
    office.person.types("status").ends(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_apply_waits_for_the_first_or_says_who_it_is() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let other = store(person);
    let holder = mailplumb::store::sqlite::holder("another apply");
    let lease = other.acquire(&LeaseScope::State, &holder, SystemClock::new().now()).await.unwrap();
    person.replace(MANIFEST, "displayName: Sales", "displayName: Trade");
    let refused = person.types("apply --auto-approve --tests defer --lock-timeout 1s").ends(12);
    let words = ["`another apply` on ", "(process ", " since 2", ", until 2", "waiting up to 1 s"];
    assert!(words.iter().all(|words| refused.stderr.contains(words)), "{refused}");
    let line = ["apply", "--auto-approve", "--tests", "defer", "--lock-timeout", "2m"];
    let child = person.begins(&line);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    // What is declared while it waits is part of the plan: it is made behind the wait.
    person.replace(MANIFEST, "displayName: Trade", "displayName: Bazaar");
    other.release(&lease).await.unwrap();
    person.hears("apply --lock-timeout 2m", child).ends(0).says("applied revision 2").says("Bazaar");
    person.types("plan --detailed-exitcode").ends(0);
    person.types("apply --lock-timeout soon").ends(64);
}

#[test]
fn two_applies_at_once_make_one_revision_after_the_other() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    let line = ["apply", "--auto-approve", "--tests", "defer"];
    let children: Vec<_> = (0..4).map(|_| person.begins(&line)).collect();
    let heard: Vec<Heard> = children.into_iter().map(|child| person.hears("apply", child)).collect();
    let done = heard.iter().filter(|heard| heard.code == Some(0)).count();
    assert!(done >= 1, "{heard:?}");
    // Whoever came second found the state moved, the lease taken, or nothing left to do.
    assert!(heard.iter().all(|heard| [Some(0), Some(11), Some(12)].contains(&heard.code)), "{heard:?}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let revisions = runtime.block_on(async { store(person).revisions(9).await.unwrap() });
    // One made it all; whoever came after it could only ask once more for the tests.
    assert_eq!(
        revisions.iter().map(|entry| entry.created).filter(|created| *created > 0).count(),
        1,
        "{revisions:?}"
    );
}

#[test]
fn deferred_tests_are_taken_up_by_resume_and_then_nothing_is_left() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    office.sets(PASSWORD);
    let deferred =
        valid(person, &person.types("apply --auto-approve --tests defer -o json").ends(0), "apply");
    assert_eq!((deferred["deferred"].as_u64(), deferred["revision"].as_u64()), (Some(2), Some(1)));
    let resumed = valid(person, &person.types("apply --resume --output json").ends(0), "apply");
    assert_eq!(resumed["tests"]["done"], 4);
    assert_eq!(resumed["exit"]["name"], "done");
    person.types("apply --resume").ends(0).says("nothing to resume");
    person.types("apply --resume --auto-approve").ends(64);
}

#[test]
fn a_missing_identity_is_skipped_and_resumed_and_never_a_failure() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    office.sets(PASSWORD);
    let key = person.read(KEY);
    std::fs::remove_file(person.at(KEY)).unwrap();
    let applied = valid(person, &person.types("apply --auto-approve -o json").ends(15), "apply");
    assert_eq!(
        (applied["tests"]["skipped"].as_u64(), applied["tests"]["failed"].as_u64()),
        (Some(4), Some(0))
    );
    assert_eq!(applied["ledger"][0]["reason"], "no-identity");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (run, entries) =
        runtime.block_on(async { store(person).last_run(RunQuery::OfApply).await.unwrap().unwrap() });
    assert!(run.ended_at.is_some() && run.revision.0 == 1);
    assert!(entries.iter().all(|entry| entry.outcome == Outcome::Skipped(SkipReason::NoIdentity)));
    person.write(KEY, &key);
    std::fs::set_permissions(person.at(KEY), std::fs::Permissions::from_mode(0o600)).unwrap();
    person.types("apply --resume").ends(0).says("Tests: 4 passed, 0 failed.");
}

#[test]
fn an_apply_that_is_killed_in_its_tests_leaves_a_true_ledger() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    office.sets(PASSWORD);
    for command in ["EXAMINE", "SELECT"] {
        office.playground.inject(Protocol::Imap, Fault::Stall { at: command.to_owned() });
    }
    let mut child = person.begins(&["apply", "--auto-approve"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = || {
        let store = SqliteStore::open(&person.at(STATE), Open::ReadOnly).ok()?;
        runtime.block_on(async { store.last_run(RunQuery::OfApply).await.ok().flatten() })
    };
    let of = |mailbox: &str| -> Vec<Outcome> {
        let entries = ledger().map(|(_, entries)| entries).unwrap_or_default();
        entries.into_iter().filter(|one| one.mailbox.as_str() == mailbox).map(|one| one.outcome).collect()
    };
    let half = || of("sales") == [Outcome::Done, Outcome::Done] && of("support").len() == 2;
    scratch::wait_until("half of the tests", half, String::new);
    child.kill().unwrap();
    child.wait().unwrap();
    let (run, _) = ledger().unwrap();
    assert_eq!((run.ended_at, run.revision.0), (None, 1));
    assert_eq!(of("support"), [Outcome::NOT_YET, Outcome::NOT_YET]);
    office.heals();
    person.types("apply --resume").ends(0).says("Tests: 2 passed, 0 failed.");
    person.types("apply --resume").ends(0).says("nothing to resume");
}

/// Thirty more mailboxes on the profile `pop`.
fn crowd(office: &Office) {
    let mut list = "---\napiVersion: mailplumb/v1\nkind: MailboxList\nmetadata: { name: crowd }\nspec:\n  \
                    common: { profile: pop, incoming: server-side-sync, outgoing: none, credentials: \
                    { password: { secret: mail, key: password } } }\n  users:\n"
        .to_owned();
    for n in 0..30 {
        let address = format!("m{n:02}@office.test");
        list.push_str(&format!("    - {{ name: m{n:02}, address: {address}, approved: {address} }}\n"));
    }
    office.person.write(MANIFEST, &(office.person.read(MANIFEST) + &list));
}

#[test]
fn a_profile_that_fails_is_found_out_by_five_mailboxes_and_not_by_all() {
    let office = Office::opens_with(PASSWORD, Certificate::Expired);
    let person = &office.person;
    office.sets(PASSWORD);
    crowd(&office);
    let applied = person.types("apply --auto-approve --target profile/pop --target kind:mailbox").ends(16);
    applied.says("tested first for profile/pop, failed").says("26 mailboxes not started").says("--resume");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let alerts = runtime.block_on(async { store(person).alerts(1000).await.unwrap() });
    let halts: Vec<_> = alerts.iter().filter(|alert| alert.code == "profile-halted").collect();
    assert_eq!(halts.len(), 1, "{alerts:?}");
    assert!(halts[0].cause.starts_with("26 further mailboxes were not tested"), "{:?}", halts[0]);
    let resumed = person.types("apply --resume").ends(16);
    resumed.says("21 mailboxes not started");
}

#[test]
fn a_mailbox_that_fails_stops_no_other_of_its_profile() {
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    crowd(&office);
    // The servers know two mailboxes; the thirty others are refused one by one.
    let applied =
        valid(&office.person, &office.person.types("apply --auto-approve -o json").ends(16), "apply");
    assert_eq!(
        applied["tests"],
        serde_json::json!({ "done": 4, "failed": 30, "skipped": 0, "notStarted": 0 })
    );
}

#[test]
fn watch_tests_a_few_mailboxes_of_a_new_profile_first() {
    let office = Office::opens_with(PASSWORD, Certificate::Expired);
    let person = &office.person;
    office.sets(PASSWORD);
    crowd(&office);
    person.types("apply --auto-approve --tests defer").ends(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let alerts = || {
        let alerts = runtime.block_on(async { store(person).alerts(1000).await.unwrap() });
        alerts.into_iter().map(|alert| alert.code).collect::<Vec<_>>()
    };
    person.runs_until("watch", "the halt", || alerts().contains(&"profile-halted".to_owned())).ends(0);
    let untested = runtime.block_on(async { store(person).mailboxes().await.unwrap() });
    let untested =
        untested.iter().filter(|row| row.stored.operations.values().all(|one| one.tested_at.is_none()));
    assert!(untested.count() >= 20);
    scratch::wait_until(
        "one halt",
        || alerts().iter().filter(|code| *code == "profile-halted").count() == 1,
        String::new,
    );
}

#[test]
fn an_apply_that_is_interrupted_says_what_is_left_and_goes_on_later() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    office.sets(PASSWORD);
    office.playground.inject(Protocol::Imap, Fault::Stall { at: "EXAMINE".to_owned() });
    office.playground.inject(Protocol::Imap, Fault::Stall { at: "SELECT".to_owned() });
    let child = person.begins(&["apply", "--auto-approve"]);
    let is_testing = || {
        let commands = office.playground.log().commands(Protocol::Imap);
        commands.iter().any(|command| command.contains("EXAMINE") || command.contains("SELECT"))
    };
    scratch::wait_until("a test under way", is_testing, String::new);
    signal(&child, "INT");
    let heard = person.hears("apply, interrupted", child);
    heard.ends(15).says("applied revision 1").says("mailplumb apply --resume");
    office.heals();
    person.types("apply --resume").ends(0).says("0 failed.");
    person.types("plan --detailed-exitcode").ends(0);
}

#[test]
fn on_a_terminal_many_tests_are_counted_in_one_line() {
    let Some(()) = require(Need::Servers) else { return };
    let mut office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    crowd(&office);
    office.person.export("TERM", "xterm-256color");
    let heard = office.person.on_a_terminal("mailplumb apply --auto-approve", &[]).ends(16);
    heard.says("testing  [").says(" % ").says("30 failed");
}
