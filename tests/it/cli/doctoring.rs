//! `mailplumb doctor`: what it finds, how it says it, and that it changes nothing.

use serde_json::{Value, json};

use super::office::{HOST, Office};
use super::person::{Heard, Person};
use mailplumb::playground::{Certificate, Fault, Protocol, Times};

const PASSWORD: &str = "correct horse battery staple";
const STATE: &str = "mail/.mailplumb/state.db";

/// The document, which is what its schema says.
#[track_caller]
fn found(person: &Person, heard: &Heard) -> Value {
    let schema = person.types("schema doctor").ends(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = heard.json();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{heard}");
    document
}

fn of<'d>(document: &'d Value, mailbox: &str, operation: &str) -> &'d Value {
    let all = document["mailboxes"].as_array().unwrap();
    all.iter().find(|told| told["mailbox"] == mailbox && told["operation"] == operation).unwrap()
}

fn steps(told: &Value) -> Vec<&str> {
    told["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

#[test]
fn what_works_is_told_with_its_steps_certificates_and_logins() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let document = found(person, &person.types("doctor --output json").ends(0));
    assert_eq!((&document["formatVersion"], &document["works"]), (&json!("1.0"), &json!(true)));
    assert!(document["installation"].as_array().unwrap().len() >= 5);

    let support = of(&document, "support", "incoming");
    assert_eq!(steps(support), ["resolve", "connect", "tls", "greet", "authenticate", "open", "read"]);
    assert_eq!(support["certificates"][0]["names"][0], HOST);
    assert!(support["certificates"][0]["daysLeft"].as_i64().unwrap() > 30);
    assert!(support["capabilities"].as_array().unwrap().contains(&json!("IMAP4REV1")));
    let accepted: Vec<_> = support["logins"].as_array().unwrap().iter().map(|one| &one["accepted"]).collect();
    assert!(!accepted.is_empty() && accepted.iter().all(|one| **one == json!(true)), "{support:#}");

    let sales = of(&document, "sales", "outgoing");
    assert_eq!(steps(sales), ["resolve", "connect", "tls", "greet", "authenticate"]);
    assert!(sales["remarks"][0]["what"].as_str().unwrap().starts_with("nothing was sent"));

    let told = person.types("doctor support").ends(0);
    told.says("ok authenticate").says("days left").says("login by").says("All of it works");
}

#[test]
fn nothing_is_changed_and_nothing_is_sent() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    let before =
        (person.types("status --output json").ends(0).stdout, std::fs::read(person.at(STATE)).unwrap());
    let inbox = |address: &str| office.playground.state().inbox(address).unwrap().len();
    let mail = inbox("sales@office.test");
    person.types("doctor").ends(0);
    let after =
        (person.types("status --output json").ends(0).stdout, std::fs::read(person.at(STATE)).unwrap());
    assert!(before == after, "{}", after.0);
    assert_eq!(inbox("sales@office.test"), mail);
}

#[test]
fn a_message_that_is_asked_for_is_sent_and_becomes_no_record() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    person.types("sync").ends(0);
    let records = person.types("messages --limit 1000 --output json").ends(0).stdout;
    let heard = person.types("doctor sales --send --output json").ends(0);
    let document = found(person, &heard);
    assert_eq!(steps(of(&document, "sales", "outgoing")).last(), Some(&"send"));
    person.types("sync").ends(0);
    assert_eq!(person.types("messages --limit 1000 --output json").ends(0).stdout, records);
}

#[test]
fn a_failure_is_explained_with_its_likely_causes_and_the_next_step() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let line = "NO [CONTACTADMIN] account locked".to_owned();
    for at in ["LOGIN", "AUTHENTICATE"] {
        let fault = Fault::Answer { at: at.to_owned(), line: line.clone(), times: Times::Always };
        office.playground.inject(Protocol::Imap, fault);
    }
    let heard = person.types("doctor mailbox/support --output json").ends(16);
    let document = found(person, &heard);
    let told = of(&document, "support", "incoming");
    assert_eq!(told["result"], "failed");
    assert_eq!(told["failure"]["step"], "authenticate");
    assert!(told["failure"]["likely"].as_array().unwrap().len() >= 2);
    assert!(told["failure"]["remedy"].as_str().unwrap().contains("unlock"), "{told:#}");
    assert_eq!(of(&document, "support", "outgoing")["result"], "works");
    let told = person.types("doctor support").ends(16);
    told.says("failed at authenticate").says("likely:").says("do:").says("Not in order: 1 of 2");
}

#[test]
fn a_clock_that_is_off_is_told_with_how_much() {
    let office = Office::at_work(PASSWORD);
    let greeting = "220 mail.office.test ready at Sun, 22 Nov 2020 10:00:00 +0000".to_owned();
    office.playground.inject(Protocol::Smtp, Fault::Greet(greeting));
    let told = office.person.types("doctor sales").ends(0);
    told.says("s ahead of the server's").says("2020-11-22T10:00:00Z there").says("NTP");
}

#[test]
fn a_certificate_that_is_refused_is_shown_all_the_same() {
    for (certificate, code) in [
        (Certificate::Expired, "certificate-expired"),
        (Certificate::WrongName, "certificate-name-mismatch"),
        (Certificate::SelfSigned, "certificate-untrusted"),
    ] {
        let office = Office::opens_with(PASSWORD, certificate);
        office.sets(PASSWORD);
        let person = &office.person;
        person.types("apply --auto-approve --tests defer").ends(0);
        let document = found(person, &person.types("doctor profile/pop --output json").ends(16));
        let told = of(&document, "sales", "incoming");
        assert_eq!(told["failure"]["code"], code, "{told:#}");
        assert!(!told["certificates"].as_array().unwrap().is_empty(), "{told:#}");
        if certificate == Certificate::Expired {
            assert!(told["certificates"][0]["daysLeft"].as_i64().unwrap() < 0);
            person.types("doctor profile/pop").ends(16).says("expired on 20");
        }
    }
}

#[test]
fn an_installation_is_looked_at_as_far_as_it_goes() {
    let person = Person::new();
    person.types("doctor installation").ends(0).says("nothing was applied yet");
    let mut office = Office::applied(PASSWORD);
    office
        .person
        .types("doctor installation")
        .ends(0)
        .says("open here")
        .says("This installation is in order");
    office.person.shell(&format!("chmod 644 {STATE}"));
    office.person.types("doctor installation").ends(0).says("others may read the store");
    office.person.write("host.yaml", "allowNonTlsEmail: perhaps\n");
    office.person.types("doctor").ends(16).says("is not valid");
    office.person.unset("MAILPLUMB_HOST_CONFIG");
    let named = office.person.types("doctor unknown-mailbox").ends(1);
    named.says("no mailbox `unknown-mailbox`");
}

#[test]
fn what_is_not_approved_is_not_contacted_and_said_to_be_off() {
    let office = Office::at_work(PASSWORD);
    office.person.replace("mail/mailplumb.yaml", "  approved: support@office.test", "");
    office.person.types("apply --auto-approve").ends(0);
    let before = office.playground.log().connections(Protocol::Imap);
    let heard = office.person.types("doctor support").ends(0);
    heard
        .says("mailbox/support incoming: off")
        .says("nobody approved its address")
        .says("Nothing was tried: 2 directions of mail are switched off.")
        .does_not_say("in order");
    assert_eq!(office.playground.log().connections(Protocol::Imap), before);
    let document = found(&office.person, &office.person.types("doctor support -o json").ends(0));
    assert_eq!(of(&document, "support", "outgoing")["result"], "off");
}
