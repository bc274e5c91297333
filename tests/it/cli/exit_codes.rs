//! Every exit code of `docs/exit-codes.md`, produced.

use mailplumb::engine::clock::SystemClock;
use mailplumb::model::clock::Clock;
use mailplumb::model::lease::LeaseScope;
use mailplumb::playground::{Fault, Protocol, Times};
use mailplumb::store::Store;
use mailplumb::store::sqlite::{Open, SqliteStore};

use super::office::{Office, SALES, SUPPORT};
use super::person::{Person, signal};
use crate::support::need::{is_root, program};
use crate::support::scratch;

const PASSWORD: &str = "correct horse battery staple";
const STATE: &str = "mail/.mailplumb/state.db";

#[test]
fn a_plan_tells_whether_there_is_something_to_do() {
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    office.person.types("plan").ends(0);
    office.person.types("plan --detailed-exitcode").ends(2);
    office.person.types("apply --auto-approve").ends(0);
    office.person.types("plan --detailed-exitcode").ends(0).says("No changes");
}

#[test]
fn a_manifest_that_is_not_valid_is_an_error_and_nothing_is_changed() {
    let office = Office::applied(PASSWORD);
    let before = office.person.types("status --output json").ends(0).json();
    office.person.replace("mail/mailplumb.yaml", "kind: Mailbox\n", "kind: Mailboxx\n");
    for line in ["validate", "plan", "plan --detailed-exitcode", "apply --auto-approve"] {
        office.person.types(line).ends(1).says("did you mean `Mailbox`?").says("mailplumb.yaml:");
    }
    assert_eq!(office.person.types("status --output json").ends(0).json(), before);
}

#[test]
fn a_manifest_that_is_not_there_or_empty_is_an_error_with_a_next_step() {
    let person = Person::new();
    std::fs::create_dir(person.at("empty")).unwrap();
    for line in ["validate", "plan", "apply --auto-approve", "secrets set a/b"] {
        let missing = person.types(&format!("--file nowhere {line}"));
        missing.says("no manifest at `nowhere`").says("mailplumb init");
        let empty = person.types(&format!("--file empty {line}"));
        empty.says("holds no `.yaml`").says("mailplumb init");
    }
    person.types("--file nowhere plan").ends(1);
    person.types("--file empty plan").ends(1);
}

#[test]
fn a_file_that_cannot_be_read_hides_no_problem_of_the_others() {
    let office = Office::opens(PASSWORD);
    std::os::unix::fs::symlink("nowhere.yaml", office.person.at("mail/link.yaml")).unwrap();
    std::fs::write(office.person.at("mail/e\n::error::x.yaml"), "kind: Mailbox\n").unwrap();
    office.person.write("mail/more.yaml", "apiVersion: mailplumb/v1\nkind: Mailboxx\n");
    let found = office.person.types("validate --output json").ends(1).json();
    let codes: Vec<_> = found["problems"].as_array().unwrap().iter().map(|it| it["code"].clone()).collect();
    assert_eq!(codes, ["MP0011", "MP0011", "MP0022"], "{found}");
    let told = office
        .person
        .types("plan")
        .ends(1)
        .says("a link that leads to no file")
        .says("did you mean `Mailbox`?");
    assert!(!told.stderr.lines().any(|line| line.starts_with("::")), "{told}");
    office.person.types("fmt --check").ends(1).says("cannot be read");
    for format in ["github", "sarif"] {
        office.person.types(&format!("validate --output {format}")).ends(1).says("MP0011");
    }
}

#[test]
fn a_failure_is_a_document_for_whoever_reads_json() {
    let office = Office::applied(PASSWORD);
    office.person.write("mail/more.yaml", "apiVersion: mailplumb/v1\nkind: Mailboxx\n");
    for line in ["plan -o json", "apply --auto-approve -o json", "describe mailbox/nobody --output json"] {
        let document = office.person.types(line).ends(1).json();
        assert_eq!(document["exit"], serde_json::json!({ "code": 1, "name": "error" }), "{document}");
        assert!(!document["error"]["message"].as_str().unwrap().is_empty(), "{document}");
    }
}

#[test]
fn a_variable_that_is_empty_is_as_one_that_is_not_set() {
    let mut office = Office::opens(PASSWORD);
    for variable in ["MAILPLUMB_STATE", "MAILPLUMB_HOST_CONFIG", "MAILPLUMB_CHDIR", "MAILPLUMB_IDENTITY"] {
        office.person.export(variable, "");
    }
    office.person.types("validate").ends(0);
}

#[test]
fn a_guard_refuses_what_would_delete_too_much() {
    let office = Office::applied(PASSWORD);
    let manifest = office.person.read("mail/mailplumb.yaml");
    let (organization, _) = manifest.split_once("---\n").unwrap();
    office.person.write("mail/mailplumb.yaml", organization);
    office.person.types("plan").ends(0);
    office.person.types("apply --auto-approve").ends(10).says("nothing was changed");
    office.person.types("plan --out blocked.plan").ends(0);
    office.person.types("apply blocked.plan").ends(10).says("nothing was changed");
    office.person.types("status").ends(0).says("sales");
    office.person.types("apply --auto-approve --override-guard empty-manifest --reason test").ends(0);
}

#[test]
fn a_mailbox_under_prevent_destroy_is_not_deleted() {
    let office = Office::opens(PASSWORD);
    let kept = "  approved: sales@office.test\n  lifecycle: { preventDestroy: true }\n";
    office.person.replace("mail/mailplumb.yaml", "  approved: sales@office.test\n", kept);
    office.person.types("apply --auto-approve --tests defer").ends(0);
    let manifest = office.person.read("mail/mailplumb.yaml");
    let documents: Vec<&str> = manifest.split("---\n").filter(|document| !document.contains(kept)).collect();
    office.person.write("mail/mailplumb.yaml", &documents.join("---\n"));
    office.person.types("apply --auto-approve --tests defer").ends(10).says("sales");
}

#[test]
fn a_saved_plan_is_applied_once_and_only_to_what_it_was_made_from() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    office.sets(PASSWORD);
    person.types("plan --out first.plan").ends(0);
    let elsewhere = person.types("--state other.db apply first.plan --tests defer --create").ends(11);
    elsewhere.says("begins the store `mail/.mailplumb/state.db`, and this is `other.db`");
    let applied = person.types("apply first.plan --tests defer").ends(0).says("first.plan: ");
    assert!(!applied.stdout.contains("consequence") && applied.stdout.lines().count() < 5, "{applied}");
    person.types("apply first.plan --tests defer").ends(11).says("make a new plan");

    person.replace("mail/mailplumb.yaml", "displayName: Sales", "displayName: Trade");
    person.types("plan --out second.plan").ends(0);
    person.replace("mail/mailplumb.yaml", "displayName: Trade", "displayName: Export");
    person.types("apply second.plan --tests defer").ends(11).says("the manifest has changed");

    person.pipes("plan --target-file -", "mailbox/sales\n").ends(0).says("Limited to mailbox/sales");
    person.types("plan --out third.plan").ends(0);
    person.types("plan --out fourth.plan").ends(0);
    person.types("apply third.plan --tests defer").ends(0);
    person.types("apply fourth.plan --tests defer").ends(11);

    person.replace("third.plan", "Export", "Import");
    person.types("apply third.plan").ends(1).says("was changed after it was saved");
    person.write("no.plan", "{}");
    person.types("apply no.plan").ends(1).says("is not a saved plan");
    person.types("apply nowhere.plan").ends(1).says("cannot be read");
}

#[tokio::test]
async fn an_apply_waits_for_nobody_who_holds_the_lease() {
    let office = Office::applied(PASSWORD);
    let store = SqliteStore::open(&office.person.at(STATE), Open::Existing).unwrap();
    let holder = mailplumb::store::sqlite::holder("another apply");
    let now = SystemClock::new().now();
    store.acquire(&LeaseScope::State, &holder, now).await.unwrap();
    office.person.replace("mail/mailplumb.yaml", "displayName: Sales", "displayName: Trade");
    office.person.types("apply --auto-approve --tests defer").ends(12).says("another apply");
}

#[test]
fn a_key_that_cannot_be_used_has_its_own_code() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    person.write("broken.key", "AGE-SECRET-KEY-1BROKEN\n");
    for line in ["test", "apply --auto-approve", "sync", "watch"] {
        // `apply` opens the keyring only when there is something to apply.
        person.replace("mail/mailplumb.yaml", "displayName: Sales", "displayName: Sales!");
        person.types(&format!("--identity broken.key {line}")).ends(14).says("broken.key");
    }
    person.types("--identity none.key test").ends(14).says("none.key");
    person.types("--identity broken.key plan").ends(0);
}

#[test]
fn a_value_that_cannot_be_set_says_why() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    person.pipes("secrets set mail/password", "").ends(1).says("the value is empty");
    person.pipes("secrets set mail/password", "a\0b").ends(1).says("NUL");
    person.pipes("secrets set mail/password", &"x".repeat(64 * 1024 + 1)).ends(1).says("larger than");
    let manifest = person.read("mail/mailplumb.yaml");
    let recipient = manifest.lines().find_map(|line| line.trim().strip_prefix("ops: ")).unwrap();
    person.write("mail/mailplumb.yaml", &manifest.replace(recipient, "age1qqqqqqqq"));
    person.pipes("secrets set mail/password", "x").ends(14).says("`ops`").does_not_say("age1qqqqqqqq");
    person.write("mail/mailplumb.yaml", &manifest.replace(&format!("ops: {recipient}"), "{}"));
    person.pipes("secrets set mail/password", "x").ends(1).says("names no recipients");
}

#[test]
fn without_a_key_mailboxes_wait_and_that_is_work_half_done() {
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    std::fs::remove_dir_all(office.person.at("home/.config")).unwrap();
    office.person.types("apply --auto-approve").ends(15).says("4 skipped");
    office.person.types("status").ends(0).says("awaiting-test (no identity)");
}

#[test]
fn a_test_that_fails_has_its_own_code_and_so_has_work_that_is_half_done() {
    let office = Office::at_work(PASSWORD);
    let refuse = |protocol, at: &str, line: &str| {
        let fault = Fault::Answer { at: at.to_owned(), line: line.to_owned(), times: Times::Always };
        office.playground.inject(protocol, fault);
    };
    refuse(Protocol::Pop3, "STAT", "-ERR [SYS/TEMP] later");
    office.person.types("sync").ends(15).says("1 cycle");
    office.person.types("sync sales").ends(15);
    refuse(Protocol::Smtp, "EHLO", "421 4.3.2 later");
    refuse(Protocol::Imap, "EXAMINE", "NO [UNAVAILABLE] later");
    refuse(Protocol::Imap, "SELECT", "NO [UNAVAILABLE] later");
    office.person.types("test").ends(16);
    office.heals();
    office.person.types("test").ends(0);
    office.person.types("sync").ends(0);
}

#[test]
fn a_wrong_command_line_is_not_an_error_of_the_work() {
    let person = Person::new();
    for line in [
        "no-such-command",
        "plan --no-such-flag",
        "plan --output yaml",
        "apply some.plan --auto-approve",
        "outbox list --in-state no-such-state",
        "plan --override-guard no-such-guard --reason x",
        "secrets set no-slash",
        "messages --raw",
    ] {
        let heard = person.types(line).ends(64);
        assert!(heard.stdout.is_empty() && heard.stderr.contains("error"), "{heard}");
    }
    person.types("--version").ends(0).says("mailplumb 0.1.0");
    for line in
        ["plan --no-such-flag -o json", "plan --output=json --no-such-flag", "status -ojson --no-such-flag"]
    {
        let told = person.types(line).ends(64).json();
        assert_eq!(told["exit"]["name"], "usage", "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains("--no-such-flag"), "{told}");
    }
    let told = person.types("outbox retry -o json").ends(64).json();
    assert!(told["error"]["message"].as_str().unwrap().contains("not provided: <ID>"), "{told}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let office = Office::at_work(PASSWORD);
    office.playground.inject(Protocol::Imap, Fault::Stall { at: "EXAMINE".to_owned() });
    office.playground.inject(Protocol::Imap, Fault::Stall { at: "SELECT".to_owned() });
    office.playground.log().clear();
    let mut child = office.person.begins(&["sync", "support"]);
    let stalled = || {
        let commands = office.playground.log().commands(Protocol::Imap);
        commands.iter().any(|command| command.starts_with("EXAMINE") || command.starts_with("SELECT"))
    };
    scratch::wait_until("the server that does not answer", stalled, String::new);
    let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    signal(&child, "TERM");
    // The first was understood; without waiting, both could arrive as one.
    let mut lines = std::io::BufRead::lines(stderr);
    assert!(lines.any(|line| line.unwrap().contains("once more to stop at once")));
    signal(&child, "INT");
    office.person.hears("sync support", child).ends(130);
}

#[test]
fn a_store_that_is_missing_or_something_else_is_an_error_with_a_next_step() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    for line in ["status", "messages", "outbox list", "alerts", "test", "sync"] {
        person.types(line).ends(1).says("mailplumb apply");
        person.types(&format!("--state nowhere.db {line}")).ends(1).says("nowhere.db").says("hint");
    }
    assert!(!person.at(STATE).exists() && !person.at("nowhere.db").exists());
    person.write("text.db", &"This is no database, whatever its name says.\n".repeat(200));
    for line in ["status", "plan", "sync", "apply --auto-approve"] {
        let heard = person.types(&format!("--state text.db {line}")).ends(1);
        assert!(heard.stderr.contains("error: ") && heard.stderr.contains("text.db"), "{heard}");
    }
    assert!(person.read("text.db").starts_with("This is no database"));
}

/// Permissions do not bind root, who therefore becomes somebody else.
#[test]
fn a_store_that_may_not_be_written_can_be_read() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let somebody = match (is_root(), program("setpriv")) {
        (true, Some(_)) => "setpriv --reuid 65534 --regid 65534 --clear-groups ",
        (true, None) => return,
        (false, _) => "",
    };
    let shell = |line: &str| person.shell(line);
    shell("chmod -R a+rX mail && chmod a-w mail/.mailplumb mail/.mailplumb/state.db").ends(0);
    shell(&format!("{somebody}mailplumb plan")).ends(0);
    shell(&format!("{somebody}mailplumb status")).ends(0).says(SALES.split('@').next().unwrap());
    let add = "mailplumb outbox add --mailbox sales --to a@office.test --text x";
    shell(&format!("{somebody}{add}")).ends(1).says("permissions");
    shell("chmod -R u+w mail").ends(0);
}

#[test]
fn a_mailbox_that_is_not_there_is_named_with_the_nearest() {
    let office = Office::applied(PASSWORD);
    for line in ["test suport", "sync suport"] {
        office.person.types(line).ends(1).says("did you mean `support`?");
    }
    let add = "outbox add --mailbox suport --to a@office.test --text x";
    office.person.types(add).ends(1).says("did you mean `support`?");
    office.person.types("test --profile nowhere").ends(1).says("nowhere");
}

/// Without a host file, the host allows nothing; a plan may be made for another host.
#[test]
fn whoever_writes_the_manifest_cannot_switch_tls_off() {
    let mut office = Office::opens(PASSWORD);
    office.person.replace("mail/mailplumb.yaml", "tls: implicit", "tls: none");
    office.person.types("plan").ends(1).says("allowNonTlsEmail");
    let host = office.person.read("host.yaml");
    office.person.unset("MAILPLUMB_HOST_CONFIG");
    office.person.types("plan --out clear.plan").ends(0).says("allowNonTlsEmail");
    office.person.types("apply clear.plan").ends(1).says("allowNonTlsEmail");
    office.person.types("apply --auto-approve").ends(1).says("allowNonTlsEmail");
    office.person.write("host.yaml", &format!("allowNonTlsEmail: true\n{host}"));
    office.person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    office.person.types("apply clear.plan --tests defer").ends(0);
}

#[test]
fn a_mailbox_that_is_named_and_not_approved_is_said_to_need_it() {
    let office = Office::applied(PASSWORD);
    office.person.replace("mail/mailplumb.yaml", "  approved: sales@office.test\n", "");
    office.person.types("apply --auto-approve --tests defer").ends(0);
    for line in ["test sales", "sync sales", "test sales@office.test -o json"] {
        office.person.types(line).ends(15).says("mailbox/sales: needs an approval").says("`approved:`");
    }
    // Whoever asks for all of them asks for those that may be worked on.
    office.person.types("test").ends(0);
    office.person.types("sync").ends(0);
}

#[test]
fn a_sync_names_the_messages_that_a_person_has_to_look_at() {
    let office = Office::at_work(PASSWORD);
    let line = "550 5.1.1 no such user".to_owned();
    office
        .playground
        .inject(Protocol::Smtp, Fault::Answer { at: "RCPT".to_owned(), line, times: Times::Next(1) });
    office.person.types("outbox add --mailbox sales --to nobody@office.test --subject one").ends(0);
    let heard = office.person.types("sync").ends(0).says("1 failed");
    heard.says("outgoing message 1 of mailbox/sales failed: nobody@office.test: 550 5.1.1 no such user");
    office.person.types("sync").ends(0).does_not_say("outgoing message 1");
}

#[test]
fn a_sync_that_failed_after_it_recorded_something_was_done_in_part() {
    let office = Office::at_work(PASSWORD);
    for number in 1..=3 {
        let raw = format!("Subject: {number}\r\n\r\nx\r\n");
        office.playground.state().deliver(SUPPORT, raw.as_bytes()).unwrap();
    }
    office.person.types("outbox add --mailbox support --to support@office.test --subject one").ends(0);
    office.playground.inject(Protocol::Smtp, Fault::RefuseConnections);
    office.person.types("sync support").ends(15).says("3 recorded").says("1 cycle failed");
}
