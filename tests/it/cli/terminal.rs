//! What is written where: data, talk, colours, pipes, prompts.

use super::office::Office;
use super::person::Person;
use crate::support::need::{Need, require};

const PASSWORD: &str = "correct horse battery staple";
const ESCAPE: char = '\u{1b}';

#[test]
fn json_is_all_that_standard_output_holds() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    person.types("sync").ends(0);
    person.types("outbox add --mailbox sales --to support@office.test --subject x").ends(0);
    for line in [
        "validate --output json",
        "plan --output json",
        "status --output json",
        "messages --output json",
        "messages 1 --output json",
        "outbox list --output json",
        "alerts --output json",
        "schema",
    ] {
        let value = person.types(line).ends(0).json();
        assert!(value.is_object() || value.is_array(), "{line}: {value}");
    }
    assert_eq!(person.types("validate --output json").json()["problems"], serde_json::json!([]));
    assert_eq!(person.types("status --output json").json()["mailboxes"][0]["name"], "sales");
    assert_eq!(person.types("plan --output json").json()["resource_changes"], serde_json::json!([]));
    assert_eq!(person.types("outbox list --output json").json()["messages"][0]["state"], "pending");
    person.replace("mail/mailplumb.yaml", "kind: Mailbox\n", "kind: Mailboxx\n");
    let problems = person.types("validate --output json").ends(1).json()["problems"].clone();
    assert_eq!((&problems[0]["severity"], &problems[0]["file"]), (&"error".into(), &"mailplumb.yaml".into()));
}

#[test]
fn pipes_get_no_colours_unless_they_are_asked_for() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    for line in
        ["plan", "validate", "apply --auto-approve --tests defer", "status", "no-such-command", "--help"]
    {
        person.types(line).does_not_say(&ESCAPE.to_string());
    }
    person.replace("mail/mailplumb.yaml", "displayName: Sales", "displayName: Trade");
    person.types("--color always plan").ends(0).says(&ESCAPE.to_string());
    person.types("--color never plan").ends(0).does_not_say(&ESCAPE.to_string());
}

#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    let Some(()) = require(Need::Servers) else { return };
    let mut office = Office::opens(PASSWORD);
    office.person.export("TERM", "xterm-256color");
    office.person.on_a_terminal("mailplumb plan", &[]).ends(0).says(&ESCAPE.to_string());
    office.person.on_a_terminal("mailplumb no-such-command", &[]).ends(64).says(&ESCAPE.to_string());
    office.person.export("NO_COLOR", "1");
    for line in
        ["mailplumb plan", "mailplumb no-such-command", "mailplumb --help", "mailplumb --file nowhere plan"]
    {
        office.person.on_a_terminal(line, &[]).does_not_say(&ESCAPE.to_string());
    }
}

#[test]
fn an_apply_asks_and_does_nothing_without_a_yes() {
    let Some(()) = require(Need::Servers) else { return };
    let office = Office::opens(PASSWORD);
    office
        .person
        .on_a_terminal("mailplumb apply", &[("Apply this plan?", "n\r")])
        .ends(1)
        .says("nothing was changed");
    office.person.types("status").ends(1).says("nothing was applied yet");
    office
        .person
        .on_a_terminal("mailplumb apply --tests defer", &[("Apply this plan?", "y\r")])
        .ends(0)
        .says("Applied");
    office.person.types("status").ends(0);
}

#[test]
fn an_apply_that_cannot_ask_refuses() {
    let office = Office::opens(PASSWORD);
    let refused = office.person.pipes("apply", "y\n").ends(1);
    refused.says("there is no terminal to ask on").says("--auto-approve");
    office.person.types("status").ends(1).says("nothing was applied yet");
}

#[test]
fn a_reader_that_had_enough_is_no_error() {
    let office = Office::at_work(PASSWORD);
    office.person.types("sync").ends(0);
    for line in [
        "mailplumb schema | head -1",
        "mailplumb messages --limit 1000000 --output json | head -1",
        "mailplumb --state none.db plan 2>&1 | head -1",
        "mailplumb --help | head -1",
        "mailplumb status | head -1",
        "mailplumb get --output yaml | head -1",
        "mailplumb state snapshot | head -c 1",
        "mailplumb completions bash | head -1",
        "mailplumb man | head -1",
        "mailplumb messages 1 --raw | true",
        "mailplumb plan 2>&1 >/dev/full | true",
    ] {
        let heard = office.person.shell(line);
        heard.does_not_say("panicked").does_not_say("roken pipe");
    }
    // The exit code of the program itself, not that of the pipe's end.
    let code = "{ mailplumb schema; echo code=$? >&2; } | head -1";
    office.person.shell(code).ends(0).says("code=0");
    office.person.shell("mailplumb schema > /dev/full").ends(1).says("the output cannot be written");
}

#[test]
fn the_octets_of_a_message_are_not_changed() {
    let office = Office::at_work(PASSWORD);
    office.person.types("sync").ends(0);
    let before = office.playground.state().inbox(super::office::SALES).unwrap();
    office.person.shell("mailplumb messages 1 --raw > one.eml").ends(0);
    let written = std::fs::read(office.person.at("one.eml")).unwrap();
    assert!(before.iter().any(|held| held.raw.as_ref() == written.as_slice()));
}

#[test]
fn a_value_is_typed_twice_on_a_terminal_and_not_shown() {
    let Some(()) = require(Need::Servers) else { return };
    let office = Office::opens(PASSWORD);
    let typed = format!("{PASSWORD}\n");
    let answers = [("Value of mail/password", typed.as_str()), ("Once more", typed.as_str())];
    let heard = office.person.on_a_terminal("mailplumb secrets set mail/password", &answers);
    heard.ends(0).does_not_say("battery");
    office.person.types("apply --auto-approve").ends(0).says("4 passed");
}

#[test]
fn a_key_pair_made_here_opens_what_is_sealed_to_it() {
    let person = Person::new();
    let recipient = person.types("secrets keygen --out keys/age.key").ends(0);
    assert!(recipient.stdout.starts_with("age1") && recipient.stdout.lines().count() == 1, "{recipient}");
    let before = person.read("keys/age.key");
    person.types("secrets keygen --out keys/age.key").ends(1).says("does not exist yet");
    assert_eq!(person.read("keys/age.key"), before);
}
