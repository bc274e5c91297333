//! The stories that the README tells, played literally: "With your own server", and the demo.

use std::sync::Arc;

use mailplumb::engine::clock::SystemClock;
use mailplumb::playground::{Options, Playground, Protocol, User};

use super::office::{Office, WAITING};
use super::person::{Heard, Person, host_file, playground_host_file};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::need::{Need, require};
use crate::support::postfix::Postfix;

const PASSWORD: &str = "correct horse battery staple";

/// The commands of a section of the README, continued lines joined.
fn readme(section: &str) -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once(&format!("## {section}\n")).expect("the section is there");
    let (_, block) = section.split_once("```sh\n").expect("it has commands");
    let (block, _) = block.split_once("```").expect("the block ends");
    block.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// Servers for the README: where the mailbox is, and whether the message to the other one has arrived.
struct Servers<'a> {
    deliver: &'a dyn Fn(&str),
    has_arrived: &'a dyn Fn() -> bool,
}

/// Plays the commands as they are written; `apply` is answered on a terminal where there is one.
fn play(person: &Person, lines: &[String], servers: &Servers<'_>, has_terminal: bool) -> Vec<Heard> {
    let mut heard = Vec::new();
    for line in lines {
        let verb = line.split_whitespace().nth(1).unwrap_or_default();
        heard.push(match verb {
            "secrets" => person.shell_pipes(line, PASSWORD),
            "apply" if has_terminal => person.on_a_terminal(line, &[("Apply this plan?", "y\r")]),
            "apply" => person.shell(&format!("{line} --auto-approve")),
            "watch" => {
                let watching = person.shell_begins(&format!("exec {line}"));
                person.ends_when(watching, line, "the message that watch sends", servers.has_arrived)
            }
            _ => person.shell(line),
        });
        heard.last().cloned().unwrap().ends(0);
        if verb == "apply" {
            for number in 1..=3 {
                (servers.deliver)(&format!(
                    "Subject: Question {number}\r\nFrom: a@b.example\r\n\r\nWhy?\r\n"
                ));
            }
        }
    }
    heard
}

fn check(person: &Person, heard: &[Heard]) {
    let of = |verb: &str| -> Heard {
        let begins = format!("mailplumb {verb}");
        heard.iter().find(|heard| heard.typed.starts_with(&begins)).expect("the README types it").clone()
    };
    of("validate").says("Valid: 1 profile, 1 mailbox");
    of("plan").says("mailbox/support");
    of("apply").says("2 passed, 0 failed").says("receive-back");
    of("sync").says("3 recorded");
    of("status").says("support").says("enabled");
    of("messages").says("Question 1").says("Question 3");
    of("outbox add").says("Queued message 1");
    of("outbox list").says("pending");
    of("watch").says("stopped");
    person.types("outbox list --file mail").ends(0).says("sent");
    person.types("plan --file mail --detailed-exitcode").ends(0);
    assert!(person.at("mail/mailplumb.schema.json").is_file() && person.at("mail/.gitignore").is_file());
}

#[test]
fn the_readme_works_on_the_playground() {
    let (support, you) = ("support@contoso.example", "you@contoso.example");
    let names = ["imap.provider.example", "smtp.provider.example"];
    let playground = Playground::start(Options {
        host_names: names.map(str::to_owned).into(),
        users: [support, you].map(|address| User::new(address, address, PASSWORD)).into(),
        clock: Arc::new(SystemClock::new()),
        ..Options::default()
    })
    .unwrap();
    let mut person = Person::new();
    let hosts = playground_host_file(&playground, names[0])
        + &playground_host_file(&playground, names[1]).replace("connect:\n", "");
    person.write("host.yaml", &hosts);
    person.write("ca.pem", playground.ca_pem());
    person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    person.export("SSL_CERT_FILE", "ca.pem");
    let servers = Servers {
        deliver: &|message| {
            playground.state().deliver(support, message.as_bytes()).unwrap();
        },
        has_arrived: &|| !playground.state().inbox(you).unwrap().is_empty(),
    };
    let heard = play(&person, &readme("With your own server"), &servers, false);
    check(&person, &heard);
}

#[test]
fn the_readme_works_on_dovecot_and_postfix_and_on_a_terminal() {
    let Some(()) = require(Need::Submission) else { return };
    let (support, you) = ("support@example.test", "you@example.test");
    let dovecot = Dovecot::start(DovecotOptions::with_users([(support, PASSWORD), (you, PASSWORD)]));
    let postfix = Postfix::start(&dovecot);
    let mut person = Person::new();
    person.write(
        "host.yaml",
        &host_file([
            ("imap.example.test", 993, dovecot.imaps),
            ("smtp.example.test", 587, postfix.submission),
        ]),
    );
    person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    person.export("SSL_CERT_FILE", &dovecot.certificate.authority.display().to_string());
    // The certificate and the domain that these servers have.
    let ours = |line: &String| {
        line.replace("provider.example", "example.test").replace("contoso.example", "example.test")
    };
    let lines: Vec<String> = readme("With your own server").iter().map(ours).collect();
    let servers = Servers {
        deliver: &|message| dovecot.deliver(support, message),
        has_arrived: &|| !dovecot.inbox_messages(you).is_empty(),
    };
    let heard = play(&person, &lines, &servers, true);
    check(&person, &heard);
    assert!(dovecot.inbox_messages(you)[0].contains("It works."));

    let before = dovecot.commands(support).len();
    person.types("sync --file mail").ends(0);
    let submitted = postfix.log().matches("sasl_username").count();
    person.types("sync --file mail").ends(0).says("nothing new");
    let commands = dovecot.commands(support).split_off(before);
    assert!(
        commands.iter().any(|command| command.contains("EXAMINE") || command.contains("SELECT")),
        "{commands:?}"
    );
    assert!(!commands.iter().any(|command| fetches_content(command)), "{commands:?}");
    assert_eq!(postfix.log().matches("sasl_username").count(), submitted);
}

/// Whether an IMAP command asks for more than flags, sizes and dates.
fn fetches_content(command: &str) -> bool {
    command.contains("BODY") || command.contains("RFC822 ") || command.contains("APPEND")
}

#[test]
fn a_second_sync_asks_and_fetches_nothing() {
    let office = Office::at_work(PASSWORD);
    office.person.types("sync").ends(0).says(&format!("{WAITING} recorded"));
    let log = office.playground.log();
    log.clear();
    office.person.types("sync").ends(0).says("nothing new").does_not_say("recorded,");
    let pop3 = log.commands(Protocol::Pop3);
    assert!(pop3.iter().any(|command| command == "UIDL"), "{pop3:?}");
    assert!(
        !pop3.iter().any(|command| command.starts_with("RETR") || command.starts_with("DELE")),
        "{pop3:?}"
    );
    let imap = log.commands(Protocol::Imap);
    assert!(!imap.is_empty() && !imap.iter().any(|command| fetches_content(command)), "{imap:?}");
    assert_eq!(log.connections(Protocol::Smtp), 0);
}

#[test]
fn the_demo_tells_its_whole_story() {
    let person = Person::new();
    let heard = person.types("demo --exchange").ends(0);
    let story: Vec<&str> = heard.stdout.lines().filter(|line| line.starts_with("$ mailplumb ")).collect();
    assert!((10..=25).contains(&story.len()), "{heard}");
    let in_order = [
        "$ mailplumb validate",
        "Valid: ",
        "$ mailplumb plan --out demo.plan",
        "$ mailplumb apply demo.plan",
        "8 passed, 0 failed",
        "$ mailplumb plan --detailed-exitcode",
        "$ mailplumb sync",
        "370 recorded",
        "$ mailplumb sync",
        "nothing new",
        "$ mailplumb outbox add",
        "1 sent",
        "how far it was read (its sync state)",
        "already recorded",
        "$ mailplumb status",
        "What to try next:",
    ];
    let mut rest = heard.stdout.as_str();
    for words in in_order {
        let Some(at) = rest.find(words) else {
            panic!("`{words}` is not there, or not in this order:\n{heard}")
        };
        rest = &rest[at + words.len()..];
    }
    assert!(!heard.stdout.contains('\u{1b}') && !heard.stdout.contains("panicked"), "{heard}");
    assert_eq!(std::fs::read_dir(person.at("tmp")).unwrap().count(), 0, "the demo leaves nothing behind");
}
