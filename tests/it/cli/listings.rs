//! Commands that show what is: for people, and for programs that hold them to their schemas.

use std::path::Path;

use serde_json::{Value, json};

use super::office::Office;
use super::person::{Heard, Person};
use crate::support::need::{program, setting};

const PASSWORD: &str = "correct horse battery staple";

/// Every document that `mailplumb schema` describes.
fn described() -> Vec<String> {
    let commands = mailplumb::cli::commands();
    let schema = commands.find_subcommand("schema").unwrap();
    let of = schema.get_positionals().next().unwrap();
    of.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
}

#[test]
fn the_schemas_of_the_repository_are_those_of_the_program() {
    let person = Person::new();
    let names = described();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        let printed = person.types(&format!("schema {name}")).ends(0).stdout;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.schema.json"));
        if setting("MAILPLUMB_BLESS").is_some() {
            std::fs::write(&path, &printed).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == printed,
            "schema/{name}.schema.json is stale: run the tests with MAILPLUMB_BLESS=1"
        );
    }
}

/// Insists that what was printed is what the schema says, and that the schema says something.
#[track_caller]
fn fits(person: &Person, heard: &Heard, name: &str) -> Value {
    let schema = person.types(&format!("schema {name}")).ends(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = heard.json();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{heard}");
    assert!(!validator.is_valid(&serde_json::json!({})), "{name}: the schema says nothing");
    document
}

/// An office in which something works, something is sent, and something is broken.
fn busy() -> Office {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    person.types("sync").ends(0);
    person.types("outbox add --mailbox sales --to support@office.test --subject one").ends(0);
    person.types("sync").ends(0);
    person.types("outbox add --mailbox sales --to support@office.test --subject two").ends(0);
    office
        .playground
        .inject(mailplumb::playground::Protocol::Imap, mailplumb::playground::Fault::RefuseConnections);
    person.types("sync support").ends(15);
    office
}

#[test]
fn what_a_sync_and_a_test_did_is_told_to_programs() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let synced = fits(person, &person.types("sync --output json").ends(0), "sync");
    let cycles = synced["cycles"].as_array().unwrap();
    assert_eq!(synced["summary"]["done"], cycles.len());
    assert!(cycles.iter().all(|cycle| cycle["outcome"] == "done" && cycle["reason"].is_null()), "{synced}");
    let tested = fits(person, &person.types("test --output json").ends(0), "test");
    let of_sales = |found: &Value| found["mailbox"] == "sales" && found["operation"] == "incoming";
    let sales = tested["results"].as_array().unwrap().iter().find(|found| of_sales(found)).unwrap();
    let steps: Vec<&str> =
        sales["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert!(steps.starts_with(&["resolve", "connect"]) && steps.contains(&"authenticate"), "{steps:?}");
    office
        .playground
        .inject(mailplumb::playground::Protocol::Imap, mailplumb::playground::Fault::RefuseConnections);
    let synced = fits(person, &person.types("sync support --output json").ends(15), "sync");
    let failed = &synced["cycles"][0];
    assert_eq!((&failed["mailbox"], &failed["outcome"]), (&"support".into(), &"failed".into()));
    assert!(failed["reason"].is_string() && failed["remedy"].is_string(), "{failed}");
    assert_eq!((&synced["exit"]["code"], &synced["summary"]["failed"]), (&15.into(), &1.into()));
    let tested = fits(person, &person.types("test support --output json").ends(16), "test");
    assert_eq!(tested["results"][0]["outcome"], "failed", "{tested}");
    assert!(!tested["results"][0]["steps"].as_array().unwrap().is_empty(), "{tested}");
}

#[test]
fn what_is_printed_as_json_is_what_its_schema_says() {
    let office = busy();
    let person = &office.person;
    for (line, name) in [
        ("status", "status"),
        ("status --in-state retrying", "status"),
        ("explain support organization MP0043 --file mail", "explain"),
        ("get", "get"),
        ("get mailboxes --label team=sales", "get"),
        ("get secrets", "get"),
        ("describe mailbox/sales", "describe"),
        ("describe support@office.test", "describe"),
        ("describe profile/pop", "describe"),
        ("describe mail/password", "describe"),
        ("describe organization", "describe"),
        ("history", "history"),
        ("history 1", "history"),
        ("state list", "state-list"),
        ("state show mailbox/sales", "state-show"),
        ("state show support", "state-show"),
        ("state show pop", "state-show"),
        ("state show secret/mail/password", "state-show"),
        ("state show organization", "state-show"),
        ("messages", "messages"),
        ("messages --limit 3", "messages"),
        ("messages --quarantined --mailbox support", "messages"),
        ("messages 1", "message"),
        ("outbox list", "outbox"),
        ("outbox show 1", "outbox-message"),
        ("alerts", "alerts"),
        ("secrets check", "secrets-check"),
        ("alerts --mailbox support", "alerts"),
    ] {
        let heard = person.types(&format!("{line} --output json")).ends(0);
        let document = fits(person, &heard, name);
        assert_eq!(document["formatVersion"], "1.0", "{line}");
        let first = document.as_object().unwrap().keys().next().unwrap();
        assert_eq!(first, "formatVersion", "{line}");
    }
    fits(person, &person.types("plan --output json").ends(0), "plan");
}

#[test]
fn a_listing_that_fails_says_so_as_json_too() {
    let office = Office::applied(PASSWORD);
    for line in [
        "status --mailbox nobody",
        "describe nobody",
        "history 99",
        "state show nobody",
        "alerts --mailbox nobody",
        "--state none.db get",
        "messages 999",
        "messages --mailbox nobody",
        "outbox list --mailbox nobody",
    ] {
        let heard = office.person.types(&format!("{line} --output json")).ends(1);
        let document = heard.json();
        assert_eq!(document["exit"], json!({ "code": 1, "name": "error" }), "{heard}");
        assert!(heard.stderr.contains(document["error"]["message"].as_str().unwrap()), "{heard}");
        assert!(heard.stderr.starts_with("error: ") && heard.stderr.contains("hint: "), "{heard}");
    }
    office.person.types("get --output xml").ends(64);
}

#[test]
fn what_is_wrong_with_a_manifest_stands_in_the_document_of_a_failed_plan() {
    let office = Office::applied(PASSWORD);
    office
        .person
        .write("mail/more.yaml", "apiVersion: mailplumb/v1\nkind: Mailboxx\nmetadata: { name: x }\n");
    for line in ["plan", "apply --auto-approve"] {
        let document = office.person.types(&format!("{line} --output json")).ends(1).json();
        let found = &document["error"]["problems"][0];
        assert_eq!((&found["file"], &found["line"]), (&json!("more.yaml"), &json!(2)), "{document}");
        assert_eq!(found["severity"], "error", "{document}");
    }
}

#[test]
fn the_status_begins_with_the_sum_and_tells_the_same_trouble_once() {
    let office = busy();
    let status = office.person.types("status").ends(0);
    let first = status.stdout.lines().next().unwrap();
    assert_eq!(first, "2 mailboxes at revision 1", "{status}");
    let status = status.says("incoming: 1 enabled, 1 retrying").says("outbox:   1 pending (the oldest waits");
    assert_eq!(status.stdout.matches("support, incoming: connect: ").count(), 1, "{status}");
    let json = office.person.types("status --output json").ends(0).json();
    assert_eq!(json["summary"]["operations"]["incoming"]["retrying"], 1);
    assert_eq!(json["mailboxes"][1]["operations"]["incoming"]["state"], "retrying");
    assert_eq!(json["mailboxes"][1]["operations"]["incoming"]["failure"]["code"], "connection-refused");
}

#[test]
fn selectors_choose_by_name_address_label_profile_kind_and_state() {
    let office = busy();
    let person = &office.person;
    person.replace(
        "mail/mailplumb.yaml",
        "metadata: { name: sales }",
        "metadata: { name: sales, labels: { team: sales } }",
    );
    person.types("apply --auto-approve --tests defer").ends(0);
    let chosen = |options: &str| {
        let line = format!("get mailboxes {options} --output name");
        person.types(line.replace("  ", " ").as_str()).ends(0).stdout.lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chosen(""), "mailbox/sales mailbox/support");
    assert_eq!(chosen("--mailbox SALES@office.test"), "mailbox/sales");
    assert_eq!(chosen("--mailbox *@office.test"), "mailbox/sales mailbox/support");
    assert_eq!(chosen("--mailbox sa*"), "mailbox/sales");
    assert_eq!(chosen("--label team=sales"), "mailbox/sales");
    assert_eq!(chosen("--label team"), "mailbox/sales");
    assert_eq!(chosen("--label team=other"), "");
    assert_eq!(chosen("--profile pop"), "mailbox/sales");
    assert_eq!(chosen("--kind forward"), "");
    assert_eq!(chosen("--in-state retrying"), "mailbox/support");
    person.types("get mailboxes --mailbox sale").ends(1).says("did you mean `sales`?");
    person.types("get mailboxes --profile none").ends(1).says("get profiles");
    person.types("get profiles --label team").ends(1).says("choose mailboxes only");
    person.types("status --label team=other").ends(0).says("0 mailboxes");
    assert_eq!(person.types("state list mailbox/* --label team").ends(0).stdout, "mailbox/sales\n");
}

#[test]
fn a_description_says_since_when_why_and_what_to_do() {
    let office = busy();
    let person = &office.person;
    let told = person.types("describe support").ends(0);
    told.says("mailbox/support  support@office.test")
        .says("incoming  retrying (1, until")
        .says("since 20")
        .says("failed at step connect: ")
        .says("do: ")
        .says("last test  20")
        .says("outgoing  enabled since")
        .says("act       off (method none)")
        .does_not_say("BEGIN AGE");
    person.types("describe sales").ends(0).says("not sent yet").says("pending").says("two");
    let profile = person.types("describe profile/pop").ends(0);
    profile.says("1 mailbox").says("incoming  1 enabled").says("mail.office.test:110, STARTTLS");
    person
        .types("describe mail/password")
        .ends(0)
        .says("an age ciphertext")
        .says("used by")
        .says("mailbox/sales");
    person.types("describe suport").ends(1).says("did you mean `mailbox/support`?");
    person.types("describe profile/support").ends(1).says("no `profile/support`");
}

#[test]
fn nothing_that_is_shown_holds_a_ciphertext() {
    let office = Office::applied(PASSWORD);
    for line in
        ["state show mail/password", "get secrets --output yaml", "get --output json", "state snapshot"]
    {
        let heard = office.person.types(line).ends(0);
        assert!(heard.stdout.contains("password"), "{heard}");
        heard.does_not_say("BEGIN AGE").does_not_say(PASSWORD);
    }
}

#[test]
fn the_history_has_a_line_for_each_apply_and_shows_one() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    person.replace("mail/mailplumb.yaml", "displayName: Sales", "displayName: Trade");
    person.types("apply --auto-approve --tests defer").ends(0);
    let history = person.types("history --output json").ends(0).json();
    let revisions = history["revisions"].as_array().unwrap();
    assert_eq!((&revisions[0]["revision"], &revisions[1]["revision"]), (&2.into(), &1.into()));
    assert_eq!((&revisions[0]["created"], &revisions[0]["updated"]), (&0.into(), &1.into()));
    assert_eq!(person.types("history --limit 1").ends(0).stdout.lines().count(), 2);
    person.types("history 2").ends(0).says("0 created, 1 updated, 0 deleted").says("`apply` on");
    person.types("history 3").ends(1).says("there is no revision 3").says("the newest one is 2");
}

#[test]
fn whoever_is_kept_away_is_told_by_whom_why_and_until_when() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    person.types("state unlock").ends(0).says("Nobody keeps applies away");
    person
        .gives(&["state", "lock", "--reason", "moving the server", "--by", "anna", "--for", "2h"], "")
        .ends(0);
    person.replace("mail/mailplumb.yaml", "displayName: Sales", "displayName: Trade");
    let refused = person.types("apply --auto-approve --tests defer").ends(12);
    refused.says("anna for maintenance (moving the server)").says("until 20").says("state unlock");
    // Mail keeps flowing.
    person.types("test").ends(0);
    person.types("sync").ends(0);
    person.gives(&["state", "lock", "--reason", "mine"], "").ends(12).says("anna for maintenance");
    let shown = person.types("state unlock").ends(12).says("anna for maintenance");
    let nonce = shown.stderr.split("--force ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    person.types("state unlock --force 1234").ends(12).says("another nonce");
    person.types(&format!("state unlock --force {nonce}")).ends(0).says("anna");
    person.types("apply --auto-approve --tests defer").ends(0);
    for bad in ["state lock", "state lock --reason x --for 99d", "state lock --reason x --for soon"] {
        person.types(bad).ends(64);
    }
}

#[test]
fn a_backup_is_a_store_that_can_be_looked_into_and_restored() {
    let office = busy();
    let person = &office.person;
    person.types("state backup copy").ends(0).says("Backed up revision 1");
    let listed =
        |state: &str| person.types(&format!("{state} messages --limit 100 --output json")).ends(0).stdout;
    let raw = |state: &str| person.types(&format!("{state} messages 1 --raw")).ends(0).stdout;
    let here = "--state mail/.mailplumb/state.db";
    assert_eq!(listed("--state copy/state.db"), listed(here));
    assert_eq!(raw("--state copy/state.db"), raw(here));
    person.types("state backup copy").ends(1).says("copy is there already").says("nothing was overwritten");
    person.types("state backup new/such/place").ends(0).says("into new/such/place");
    person.types("state restore copy").ends(1).says("is there already");
    let files = ["copy", "copy/state.db", "copy/blobs/000001.seg"];
    let modes = files.map(|name| mode(&person.at(name)));
    assert_eq!(modes, [0o700, 0o600, 0o600]);

    std::fs::remove_dir_all(person.at("mail/.mailplumb")).unwrap();
    let restored = person.types("state restore copy").ends(0);
    restored.says("Restored revision 1").says("1 message was still to be sent");
    assert_eq!(listed(here), listed("--state copy/state.db"));
    assert_eq!(
        person.types("outbox list --in-state unsure --output json").json()["messages"][0]["subject"],
        "two"
    );
    let sent = || office.playground.state().inbox(super::office::SUPPORT).unwrap().len();
    let before = sent();
    office.heals();
    person.types("sync").ends(0);
    assert_eq!(sent(), before, "what may have been sent is not sent again");
    person.types("outbox retry 2").ends(0);
    person.types("sync").ends(0);
    assert_eq!(sent(), before + 1);
    person.types("state restore nowhere --state other.db").ends(1).says("there is no backup at `nowhere`");
}

#[test]
fn a_message_of_a_mailbox_that_was_deleted_names_the_way_to_send_it() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    person.types("outbox add --mailbox sales --to support@office.test --subject one").ends(0);
    let whole = person.read("mail/mailplumb.yaml");
    let (rest, _) =
        whole.split_once("---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: sales }").unwrap();
    person.write("mail/mailplumb.yaml", rest);
    person.types("apply --auto-approve").ends(0);
    let gone = person.types("outbox retry 1").ends(1);
    gone.says("belonged to a former mailbox `sales`")
        .says("there is no such mailbox now")
        .says("--mailbox NAME");
    person.write("mail/mailplumb.yaml", &whole);
    person.types("apply --auto-approve").ends(0);
    let back = person.types("outbox retry 1").ends(1);
    let back = back.says("the `sales` of today was made after").does_not_say("no such mailbox");
    back.says("mailplumb outbox show 1 --raw > message.eml").says("add --mailbox sales --eml message.eml");
    person.write("message.eml", &person.types("outbox show 1 --raw").ends(0).stdout);
    person.types("outbox add --mailbox sales --eml message.eml").ends(0);
}

#[test]
fn the_date_that_is_shown_is_the_one_that_counts() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    person.types("describe sales").ends(0).says("mail from  2026-01-01T00:00:00Z\n");
    let queue = "  queue: { displayName: Sales, address: sales@office.test }\n";
    let own = format!("{queue}  processFrom: 2027-01-01T00:00:00Z\n");
    person.replace("mail/mailplumb.yaml", queue, &own);
    person.types("apply --auto-approve").ends(0);
    person.types("describe sales").ends(0).says("mail from  2027-01-01T00:00:00Z (its own date)\n");
    for line in
        ["describe sales -o json", "state show sales -o json", "get mailboxes --mailbox sales -o json"]
    {
        let told = person.types(line).ends(0).stdout;
        assert!(
            told.contains("\"processFrom\": \"2027") && !told.contains("\"processFrom\": \"2026"),
            "{told}"
        );
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_snapshot_is_what_a_plan_reads() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let printed = person.types("state snapshot").ends(0);
    assert_eq!(printed.json()["formatVersion"], 1);
    person.types("state snapshot --out state.json").ends(0).says("revision 1");
    assert_eq!(person.read("state.json"), printed.stdout);
    person.types("state snapshot --out state.json").ends(0);
    assert_eq!(mode(&person.at("state.json")), 0o600);
    let read = mailplumb::plan::snapshot::parse(&printed.stdout).unwrap();
    assert_eq!((read.mailboxes.len(), read.secrets.len()), (2, 1));
    person.types("state snapshot --out no/such/file").ends(1).says("cannot be written");
}

#[test]
fn chdir_moves_everything_that_is_relative() {
    let office = Office::applied(PASSWORD);
    let mut person = office.person;
    person.unset("MAILPLUMB_FILE");
    person.unset("MAILPLUMB_HOST_CONFIG");
    person.types("-C mail status").ends(0).says("2 mailboxes");
    person.types("status --chdir mail").ends(0).says("2 mailboxes");
    person.types("-C nowhere status").ends(1).says("cannot work in `nowhere`");
    person.export("MAILPLUMB_CHDIR", "mail");
    person.types("status").ends(0).says("2 mailboxes");
}

#[test]
fn completions_parse_in_their_shells() {
    let person = Person::new();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = person.types(&format!("completions {shell}")).ends(0);
        assert!(script.stdout.contains("describe") && script.stdout.contains("override-guard"), "{shell}");
        person.write(&format!("script.{shell}"), &script.stdout);
        if program(shell).is_some() {
            let checked = person.shell(&format!("{shell} {check} script.{shell}")).ends(0);
            assert_eq!(checked.stderr, "", "{checked}");
        }
    }
    for shell in ["powershell", "elvish", "nushell"] {
        let script = person.types(&format!("completions {shell}")).ends(0);
        assert!(script.stdout.contains("describe"), "{shell}");
    }
    person.types("completions csh").ends(64);
}

#[test]
fn every_command_has_a_manual_page_without_warnings() {
    let person = Person::new();
    let page = person.types("man").ends(0);
    assert!(page.stdout.contains(".TH mailplumb 1"), "{page}");
    person.types("man --dir pages").ends(0);
    let pages: Vec<String> = std::fs::read_dir(person.at("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for name in ["mailplumb.1", "mailplumb-state-backup.1", "mailplumb-outbox-add.1"] {
        assert!(pages.iter().any(|page| page == name), "{name} in {pages:?}");
    }
    if program("groff").is_some() {
        for page in pages {
            let shown = person.shell(&format!("groff -man -Tutf8 -ww pages/{page} > /dev/null")).ends(0);
            assert_eq!(shown.stderr, "", "{page}");
        }
    }
}
