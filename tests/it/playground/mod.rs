//! The playground against clients that are not ours: Python's standard library, and raw sockets for faults.

mod faults;

use std::process::Command;

use mailplumb::playground::{Certificate, Options, Playground, Protocol, User};

fn users() -> Vec<User> {
    vec![
        User::new("anna@example.test", "anna", "s3cret \"\\ pass"),
        User::new("boris@example.test", "boris", "b").with_alias("postmaster@example.test"),
    ]
}

fn started(certificate: Certificate) -> Playground {
    Playground::start(Options { users: users(), certificate, ..Options::default() })
        .expect("loopback has free ports")
}

/// Runs one case of `clients.py`; returns what it printed.
fn python(playground: &Playground, case: &str) -> String {
    let folder = tempfile::tempdir().expect("there is room for a file");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, playground.ca_pem()).expect("there is room for a file");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/playground/clients.py");
    let listeners = [
        playground.pop3(),
        playground.pop3s(),
        playground.imap(),
        playground.imaps(),
        playground.smtp(),
        playground.smtps(),
    ];
    let output = Command::new("python3")
        .arg(script)
        .arg(&ca)
        .arg("localhost")
        .args(listeners.map(|listener| listener.port().to_string()))
        .arg(case)
        .output()
        .expect("python3 is installed");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.ends_with("proved\n"), "{printed}{complaint}");
    printed
}

fn three_messages(playground: &Playground) {
    let state = playground.state();
    for raw in [
        b"Subject: one\r\n\r\nfirst\r\n".as_slice(),
        b"Subject: two\r\n\r\n.\r\n..two dots\r\nend\r\n",
        b"Subject: three\r\n\r\n",
    ] {
        state.deliver("anna@example.test", raw).expect("anna is a user");
    }
}

fn no_password_in_the_log(playground: &Playground) {
    let log = format!("{:?}", playground.log().entries());
    for secret in ["s3cret", "wrong", "czNjcmV0", "d3Jvbmc", "AGFubmE"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert!(log.contains("***"), "{log}");
}

#[test]
fn pythons_poplib_reads_and_deletes() {
    let playground = started(Certificate::Good);
    three_messages(&playground);
    python(&playground, "pop3");
    assert_eq!(playground.state().inbox("anna@example.test").unwrap().len(), 2);
    assert!(playground.log().commands(Protocol::Pop3).contains(&String::from("RETR 2")));
    no_password_in_the_log(&playground);
}

#[test]
fn pythons_imaplib_reads_stores_and_expunges() {
    let playground = started(Certificate::Good);
    three_messages(&playground);
    python(&playground, "imap");
    assert_eq!(playground.state().inbox("anna@example.test").unwrap().len(), 1);
    assert_eq!(playground.state().sent("anna@example.test").unwrap().len(), 1);
    no_password_in_the_log(&playground);
}

#[test]
fn pythons_smtplib_submits() {
    let playground = started(Certificate::Good);
    python(&playground, "smtp");
    let accepted = playground.state().accepted();
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[0].recipients, ["boris@example.test", "far@away.test"]);
    assert_eq!(accepted[0].username.as_deref(), Some("anna"));
    assert_eq!(playground.state().delivered_elsewhere()[0].recipients, ["far@away.test"]);
    no_password_in_the_log(&playground);
}

#[test]
fn the_corpus_arrives_the_same_by_pop3_and_imap() {
    let playground = started(Certificate::Good);
    playground.state().seed("anna@example.test", 240, 11).unwrap();
    let printed = python(&playground, "corpus");
    assert!(printed.contains("240 messages compared"), "{printed}");
    let held = playground.state().inbox("anna@example.test").unwrap();
    let sizes = format!("{:?}", held.iter().map(|held| held.raw.len()).collect::<Vec<_>>());
    assert!(printed.contains(&sizes), "{printed}{sizes}");
}

#[test]
fn bad_certificates_are_bad_to_openssl_too() {
    for (certificate, complaint) in [
        (Certificate::Expired, "certificate has expired"),
        (Certificate::SelfSigned, "self-signed certificate|self signed certificate"),
        (Certificate::WrongName, "Hostname mismatch"),
    ] {
        let printed = python(&started(certificate), "bad_certificate");
        let complained = |line: &str| complaint.split('|').any(|words| line.contains(words));
        assert_eq!(printed.lines().filter(|line| complained(line)).count(), 4, "{printed}");
    }
}
