//! Servers that refuse, are somebody else, or are gone: the output names the step, the cause and the remedy.

use mailplumb::playground::{Certificate, Fault, Protocol};

use super::office::Office;
use super::person::{Heard, Person, host_file};
use crate::support::certificates::CertificateKind;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::need::{Need, require};

const PASSWORD: &str = "correct horse battery staple";

/// A failed test: exit code, step, words of the cause, and something to do.
#[track_caller]
fn fails(heard: Heard, step: &str, cause: &str, code: &str) {
    let heard = heard.ends(16).says(&format!("failed at step {step} [{code}]: ")).says(cause);
    let heard = heard.says("meaning: ").says("do: ").says(&format!("disabled ({code})"));
    let is_whole = |line: &&str| {
        ["mailbox/", cause, "meaning: ", "do: ", "now: "].iter().all(|part| line.contains(part))
    };
    assert!(heard.stderr.lines().any(|line| is_whole(&line)), "one line tells it all: {}", heard.stderr);
}

#[test]
fn a_wrong_password_is_refused_and_mended() {
    let office = Office::opens(PASSWORD);
    office.sets("wrong");
    fails(office.person.types("apply --auto-approve"), "authenticate", "refused the login", "login-refused");
    office.person.types("status").ends(0).says("disabled (login-refused)");
    office.person.types("alerts").ends(0).says("login-refused").says("do: ");
    let status = office.person.types("status --output json").ends(0).json();
    let incoming = &status["mailboxes"][0]["operations"]["incoming"];
    assert!(incoming["cause"].as_str().unwrap().starts_with("authenticate: "), "{incoming}");
    assert!(incoming["remedy"].as_str().unwrap().contains("secrets set"), "{incoming}");
    office.sets(PASSWORD);
    office.person.types("apply --auto-approve").ends(0).says("4 passed");
}

#[test]
fn a_certificate_is_refused_for_what_is_wrong_with_it() {
    for (certificate, code) in [
        (Certificate::Expired, "certificate-expired"),
        (Certificate::SelfSigned, "certificate-untrusted"),
        (Certificate::WrongName, "certificate-name-mismatch"),
    ] {
        let office = Office::opens_with(PASSWORD, certificate);
        office.sets(PASSWORD);
        fails(office.person.types("apply --auto-approve"), "tls", "certificate", code);
        let commands = office.playground.log().commands(Protocol::Imap);
        assert!(!commands.iter().any(|command| command.contains("AUTHENTICATE")), "{commands:?}");
    }
}

#[test]
fn a_wrong_port_is_recognised() {
    let office = Office::opens(PASSWORD);
    office.sets(PASSWORD);
    let led =
        |to| host_file([("mail.office.test", 993, to), ("mail.office.test", 587, office.playground.smtp())]);
    let test = |to, step: &str, cause: &str, code: &str| {
        office.person.write("host.yaml", &led(to));
        office.person.types("apply --auto-approve --tests defer").ends(0);
        fails(office.person.types("test support"), step, cause, code);
    };
    test(office.playground.imap(), "tls", "TLS", "not-tls");
    test(office.playground.pop3s(), "greet", "does not speak IMAP", "wrong-protocol");
    test(office.playground.smtps(), "greet", "does not speak IMAP", "wrong-protocol");
}

#[test]
fn a_server_that_is_gone_is_retried_where_it_worked_before() {
    let office = Office::at_work(PASSWORD);
    for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp] {
        office.playground.inject(protocol, Fault::RefuseConnections);
    }
    // Outgoing had nothing to send, and so nothing that failed.
    let sync = office.person.types("sync").ends(15);
    sync.says("failed at step connect [connection-refused]: ")
        .says("connection refused")
        .says("meaning: ")
        .says("do: ");
    office.person.types("status").ends(0).says("retrying (1");
    let test = office.person.types("test").ends(16);
    test.says("failed at step connect [connection-refused]: ").says("connection refused").says("do: ");
    office.heals();
    office.person.types("sync").ends(0);
    office.person.types("status").ends(0).does_not_say("retrying");
}

/// A manifest that only reads, from a Dovecot.
fn reads_from(dovecot: &Dovecot, port: std::net::SocketAddr) -> Person {
    let mut person = Person::new();
    person.write("host.yaml", &host_file([("imap.example.test", 993, port)]));
    person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    person.export("MAILPLUMB_FILE", "mail");
    person.export("SSL_CERT_FILE", &dovecot.certificate.authority.display().to_string());
    person.types("init --incoming-host imap.example.test --address support@example.test").ends(0);
    person.replace("mail/mailplumb.yaml", "outgoing: server-side-sync", "outgoing: none");
    person.pipes("secrets set mail/password", PASSWORD).ends(0);
    person
}

fn dovecot(certificate: CertificateKind) -> Dovecot {
    let options = DovecotOptions::with_users([("support@example.test", PASSWORD)]);
    Dovecot::start(DovecotOptions { certificate, ..options })
}

#[test]
fn dovecot_refuses_a_password_and_goes_away() {
    let Some(()) = require(Need::Servers) else { return };
    let mut dovecot = dovecot(CertificateKind::Good);
    let person = reads_from(&dovecot, dovecot.imaps);
    person.types("apply --auto-approve").ends(0).says("1 passed");
    dovecot.deliver("support@example.test", "Subject: one\r\n\r\ntext\r\n");
    person.types("sync").ends(0).says("1 recorded");

    dovecot.set_password("support@example.test", "another");
    fails(person.types("test"), "authenticate", "refused the login", "login-refused");
    person.pipes("secrets set mail/password", "another").ends(0);
    person.types("apply --auto-approve").ends(0).says("1 passed");

    dovecot.stop();
    let heard = person.types("test").ends(16);
    heard.says("failed at step connect [connection-refused]: ").says("connection refused").says("do: ");
    person.types("messages").ends(0).says("one");
}

#[test]
fn dovecot_with_a_bad_certificate_or_on_another_port_gets_no_password() {
    let Some(()) = require(Need::Servers) else { return };
    for (certificate, code) in [
        (CertificateKind::Expired, "certificate-expired"),
        (CertificateKind::SelfSigned, "certificate-untrusted"),
        (CertificateKind::WrongName, "certificate-name-mismatch"),
    ] {
        let dovecot = dovecot(certificate);
        let person = reads_from(&dovecot, dovecot.imaps);
        fails(person.types("apply --auto-approve"), "tls", "certificate", code);
        assert_eq!(dovecot.commands("support@example.test"), Vec::<String>::new());
    }
    let dovecot = dovecot(CertificateKind::Good);
    fails(reads_from(&dovecot, dovecot.imap).types("apply --auto-approve"), "tls", "TLS", "not-tls");
    let pop3 = reads_from(&dovecot, dovecot.pop3s);
    fails(pop3.types("apply --auto-approve"), "greet", "does not speak IMAP", "wrong-protocol");
}
