//! `docs/tutorial.md`, played literally: every block of commands for a shell, in order; and the unit file that it names.

use mailplumb::engine::clock::SystemClock;
use mailplumb::playground::{Options, Playground, User};
use std::sync::Arc;

use super::person::{Person, host_file, playground_host_file};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::need::{Need, require};
use crate::support::postfix::Postfix;

const PASSWORD: &str = "correct horse battery staple";
const TUTORIAL: &str = include_str!("../../../docs/tutorial.md");
const UNIT: &str = include_str!("../../../deploy/mailplumb.service");

const LETTER: &str = "From: a@b.example\r\nSubject: With a file\r\nMessage-ID: <1@b.example>\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\n\
    Content-Type: text/csv; name=stock.csv\r\n\r\na;b\r\n--b--\r\n";

/// The commands of all blocks for a shell.
fn commands() -> Vec<String> {
    let blocks = TUTORIAL.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Plays them; `deliver` puts a message into the mailbox of the tutorial.
fn play(person: &Person, lines: &[String], deliver: &dyn Fn(&str)) {
    let mut waiting = Some(LETTER);
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let heard = match words[1..] {
            ["secrets", "set", ..] => person.shell_pipes(line, PASSWORD),
            ["apply", ..] => person.shell(&format!("{line} --auto-approve")),
            ["watch", ..] => {
                // It reads at its interval, and sends what is queued at once.
                let queues = lines.iter().find(|line| line.contains("outbox add")).unwrap();
                person.shell(&queues.replace("Hello", "Watching")).ends(0);
                let watching = person.shell_begins(&format!("exec {line}"));
                let waits = || person.types("outbox list --file mail").stdout.matches(" sent").count() < 2;
                person.ends_when(watching, line, "a message that watch sends", || !waits())
            }
            _ => person.shell(line),
        };
        heard.ends(0);
        if words[1] == "apply"
            && let Some(letter) = waiting.take()
        {
            deliver(letter);
        }
    }
}

fn check(person: &Person) {
    let heard = person.heard();
    let of = |words: &str| {
        let begins = format!("mailplumb {words}");
        heard
            .iter()
            .find(|heard| heard.typed.starts_with(&begins))
            .cloned()
            .unwrap_or_else(|| panic!("no {words}"))
    };
    of("apply").says("2 passed, 0 failed");
    of("plan --file mail --detailed-exitcode").says("No changes.");
    of("messages show 1 --file mail").says("Subject: With a file").says("stock.csv (text/csv");
    assert_eq!(person.read("attachments/stock.csv"), "a;b");
    of("outbox list").says("sent");
    of("status").says("enabled");
}

#[test]
fn the_tutorial_works_in_the_playground() {
    let (support, you) = ("support@contoso.example", "you@contoso.example");
    let hosts = ["imap.provider.example", "smtp.provider.example"];
    let options = Options {
        host_names: hosts.map(str::to_owned).to_vec(),
        users: [support, you].map(|address| User::new(address, address, PASSWORD)).into(),
        clock: Arc::new(SystemClock::new()),
        ..Options::default()
    };
    let playground = Playground::start(options).unwrap();
    let mut person = Person::new();
    let hosts: String = hosts.map(|host| playground_host_file(&playground, host)).concat();
    person.write("host.yaml", &hosts.replace("\nconnect:\n", "\n"));
    person.write("ca.pem", playground.ca_pem());
    person.export("SSL_CERT_FILE", "ca.pem");
    person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    play(&person, &commands(), &|message| {
        playground.state().deliver(support, message.as_bytes()).unwrap();
    });
    check(&person);
}

/// The other kind of server that the tutorial names.
#[test]
fn the_tutorial_works_with_pop3_on_dovecot_and_postfix() {
    let Some(()) = require(Need::Submission) else { return };
    let (support, you) = ("support@example.test", "you@example.test");
    let dovecot = Dovecot::start(DovecotOptions::with_users([(support, PASSWORD), (you, PASSWORD)]));
    let postfix = Postfix::start(&dovecot);
    let mut person = Person::new();
    let led = [("pop.example.test", 995, dovecot.pop3s), ("smtp.example.test", 587, postfix.submission)];
    person.write("host.yaml", &host_file(led));
    person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    person.export("SSL_CERT_FILE", &dovecot.certificate.authority.display().to_string());
    let ours = |line: String| {
        line.replace("provider.example", "example.test")
            .replace("contoso.example", "example.test")
            .replace("--profile imap-smtp", "--profile pop3-smtp")
            .replace("imap.example", "pop.example")
    };
    let lines: Vec<String> = commands().into_iter().map(ours).collect();
    play(&person, &lines, &|message| dovecot.deliver(support, message));
    check(&person);
}

#[test]
fn the_unit_file_uses_what_there_is() {
    let person = Person::new();
    let help = person.types("watch --help").ends(0).stdout;
    let variables: Vec<&str> = UNIT
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").strip_prefix("Environment="))
        .filter_map(|setting| setting.split('=').next())
        .collect();
    assert!(variables.len() >= 2, "{variables:?}");
    for variable in variables {
        assert!(help.contains(&format!("[env: {variable}=")), "{variable} is no variable of watch");
    }
    assert!(UNIT.contains("ExecStart=/usr/local/bin/mailplumb watch\n"));
    // Whatever is under way comes to a safe place before systemd loses its patience.
    assert!(UNIT.contains("TimeoutStopSec=30") && mailplumb::model::limits::STOP_GRACE.as_secs() < 30);
    // Where systemd is, it has the last word about its files.
    let folder = crate::support::scratch::folder();
    let path = folder.path().join("mailplumb.service");
    std::fs::write(&path, UNIT.replace("/usr/local/bin/mailplumb", "/bin/true")).unwrap();
    if crate::support::need::program("systemd-analyze").is_some() {
        let verify = ["verify".to_owned(), path.display().to_string()];
        let (_, said) = crate::support::program::outcome("systemd-analyze", &verify, "");
        assert!(!said.contains("mailplumb.service:"), "{said}");
    }
}
