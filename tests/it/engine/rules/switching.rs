//! Test, then switch: what works goes on with its former version until the changed one has passed its test.

use std::sync::Arc;

use mailplumb::engine::drive::Driven;
use mailplumb::engine::test_and_enable::{self, Tested, Which};
use mailplumb::model::alert::AlertLevel;
use mailplumb::model::event::Event;
use mailplumb::model::operation::Operation;
use mailplumb::model::plan::Action;
use mailplumb::playground::{Fault, Options, Protocol};
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::Keyring;

use super::super::site::{Desk, name};
use super::super::world::{MAILBOXES, Variant, World, address, is_self_test, letter, password};
use super::outgoing::{accepted, queue};
use super::{done, failed, subjects};

async fn working() -> (World, Desk) {
    let world = World::start();
    let desk = world.site.desk();
    assert_eq!(desk.apply().await.failed, 0);
    (world, desk)
}

/// Declares this password for anna; the others' are encrypted anew.
fn declare(world: &World, of_anna: &str) {
    let declared = |user| if user == "anna" { of_anna.to_owned() } else { password(user) };
    world.write_secrets(&MAILBOXES.map(|user| (user, declared(user))));
}

async fn test_due(desk: &Desk, mailbox: &str) -> Tested {
    test_and_enable::mailbox(&desk.engine, &name(mailbox), Which::Due).await.unwrap()
}

async fn both_states(desk: &Desk, mailbox: &str) -> [String; 2] {
    [desk.state(mailbox, Operation::Incoming).await, desk.state(mailbox, Operation::Outgoing).await]
}

fn self_tests(world: &World, user: &str) -> usize {
    world.inbox(user).iter().filter(|raw| is_self_test(raw)).count()
}

/// Mail of anna's goes both ways.
async fn flows(world: &World, desk: &Desk, label: &str) {
    world.deliver("anna", &letter(label));
    assert_eq!(done(desk.incoming("anna").await).recorded, 1, "{label}");
    queue(desk, "anna", &format!("out-{label}"), &["reader@elsewhere.test"]).await;
    assert_eq!(done(desk.outgoing("anna").await).sent, 1, "{label}");
    assert_eq!(accepted(world, &format!("out-{label}")), 1, "{label}");
}

#[tokio::test]
async fn a_wrong_password_stops_nothing_and_the_right_one_is_switched_to() {
    let (world, desk) = working().await;
    flows(&world, &desk, "one").await;
    declare(&world, "wrong");
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed), (6, 2));
    let pending = ["enabled, pending: login-refused"; 2];
    assert_eq!(both_states(&desk, "anna").await, pending);
    assert_eq!(both_states(&desk, "ben").await, ["enabled"; 2]);
    flows(&world, &desk, "two").await;
    assert_eq!(both_states(&desk, "anna").await, pending);

    let (_, plan) = desk.plan().await;
    assert_eq!(plan.steps.len(), 1, "{plan:#?}");
    assert_eq!(plan.steps[0].action, Action::Retest);
    assert!(plan.steps[0].reason.starts_with("its change failed its test at authenticate"));
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed), (0, 2), "asked again, it is tested again");
    flows(&world, &desk, "three").await;
    let alerts = desk.engine.store.alerts(100).await.unwrap();
    let refused: Vec<_> = alerts.iter().filter(|alert| alert.code == "login-refused").collect();
    assert_eq!(refused.len(), 2, "once for each operation");
    assert!(refused.iter().all(|alert| alert.level == AlertLevel::Warning));

    declare(&world, &password("anna"));
    desk.heard.take();
    assert_eq!(desk.apply().await.failed, 0);
    let of_anna =
        |event: &Event| matches!(event, Event::Switched { mailbox, .. } if *mailbox == name("anna"));
    assert_eq!(desk.heard.count(of_anna), 2);
    assert_eq!(both_states(&desk, "anna").await, ["enabled"; 2]);
    assert!(desk.plan().await.1.is_empty());
    flows(&world, &desk, "four").await;
    assert_eq!(subjects(&desk).await, ["one", "two", "three", "four"].map(|label| format!("letter {label}")));
    assert_eq!(self_tests(&world, "anna"), 1, "a changed password alone sends no second test message");
    let alerts = desk.engine.store.alerts(100).await.unwrap();
    let switched = alerts.iter().filter(|alert| alert.code == "switched");
    assert_eq!(switched.filter(|alert| alert.mailbox == Some(name("anna"))).count(), 2);
}

#[tokio::test]
async fn changing_back_to_what_works_contacts_nobody() {
    let (world, desk) = working().await;
    let secrets = std::fs::read_to_string(world.site.path("mail/secrets.yaml")).unwrap();
    declare(&world, "wrong");
    desk.apply().await;
    world.site.write("mail/secrets.yaml", &secrets);
    world.playground.log().clear();
    // Of the others the new ciphertexts are in use, so that going back is a change of them as any other.
    desk.apply().await;
    assert_eq!(both_states(&desk, "anna").await, ["enabled"; 2]);
    let logins = world.playground.log().entries();
    assert!(!logins.iter().any(|entry| format!("{entry:?}").contains("anna")), "{logins:#?}");
    assert!(desk.plan().await.1.is_empty());
    flows(&world, &desk, "one").await;
}

#[tokio::test]
async fn a_former_version_that_stops_working_gives_way_at_once() {
    let (world, desk) = working().await;
    declare(&world, "next");
    assert_eq!(desk.apply().await.failed, 2);
    world.playground.state().set_password(&address("anna"), "next").unwrap();
    let before = desk.engine.store.alerts(100).await.unwrap().len();
    assert_eq!(failed(desk.incoming("anna").await), "login-refused");
    assert_eq!(desk.state("anna", Operation::Incoming).await, "awaiting-test");
    let alerts = desk.engine.store.alerts(100).await.unwrap();
    assert_eq!((alerts.len(), alerts[0].level), (before + 1, AlertLevel::Error));
    let tested = test_due(&desk, "anna").await;
    assert_eq!((tested.passed, tested.failed), (1, 0), "the other operation still is in its hour of rest");
    world.deliver("anna", &letter("one"));
    assert_eq!(done(desk.incoming("anna").await).recorded, 1);
    desk.clock.forward(3601);
    test_due(&desk, "anna").await;
    assert_eq!(both_states(&desk, "anna").await, ["enabled"; 2]);
}

#[tokio::test]
async fn without_an_identity_a_change_waits_and_nothing_counts_as_failed() {
    let (world, mut desk) = working().await;
    declare(&world, &password("anna"));
    let keyring =
        std::mem::replace(&mut desk.engine.secrets, Arc::new(Keyring::empty(Environment::fixed([]))));
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed, tested.deferred), (0, 0, 8));
    assert_eq!(both_states(&desk, "anna").await, ["enabled, pending: no identity"; 2]);
    desk.incoming("anna").await;
    assert_eq!(both_states(&desk, "anna").await, ["enabled, pending: no identity"; 2]);
    desk.engine.secrets = keyring;
    flows(&world, &desk, "one").await;
    assert_eq!(desk.test_waiting().await.passed, 8);
    assert_eq!(both_states(&desk, "anna").await, ["enabled"; 2]);
}

#[tokio::test]
async fn turning_off_acts_at_once_on_a_change_that_waits() {
    let (world, desk) = working().await;
    world.edit("port: 993", "port: 994");
    desk.apply().await;
    assert!(desk.state("sales", Operation::Incoming).await.starts_with("enabled, pending: "));
    world.edit("approved: sales@playground.test", "active: true");
    desk.apply().await;
    assert_eq!(both_states(&desk, "sales").await, ["off (not approved)"; 2]);
    assert!(desk.state("anna", Operation::Incoming).await.starts_with("enabled, pending: "));
}

#[tokio::test]
async fn mailboxes_work_on_with_a_profile_that_is_no_longer_declared() {
    let (world, desk) = working().await;
    world.edit("metadata: { name: imap }", "metadata: { name: imap2 }");
    world.edit("profile: imap\n", "profile: imap2\n");
    world.edit("profile: imap }", "profile: imap2 }");
    world.edit("port: 993", "port: 994");
    world.edit("port: 587", "port: 588");
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed), (0, 4));
    let stored = desk.engine.store.stored().await.unwrap();
    assert!(!stored.profiles.contains_key(&name("imap")));
    flows(&world, &desk, "one").await;
    world.edit("port: 994", "port: 993");
    world.edit("port: 588", "port: 587");
    // What is declared now is what works, under another name.
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed), (0, 0));
    assert_eq!(both_states(&desk, "anna").await, ["enabled"; 2]);
    flows(&world, &desk, "two").await;
}

#[tokio::test]
async fn another_inbox_is_entered_only_when_its_test_has_passed() {
    let (world, desk) = working().await;
    world.deliver("ben", &letter("one"));
    done(desk.incoming("ben").await);
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    world.edit("approved: ben@playground.test, profile: pop", "approved: ben@playground.test, profile: imap");
    desk.apply().await;
    assert_eq!(desk.state("ben", Operation::Incoming).await, "enabled, pending: connection-refused");
    world.deliver("ben", &letter("two"));
    let cycle = done(desk.incoming("ben").await);
    // The other one is the message of the test of outgoing mail, which has another way out now.
    assert_eq!((cycle.found, cycle.recorded, cycle.known), (2, 1, 0), "it is read from where it was");
    world.playground.heal(Protocol::Imap);
    assert_eq!(test_due(&desk, "ben").await, Tested::default(), "not before its time");
    desk.clock.forward(61);
    assert_eq!(test_due(&desk, "ben").await.passed, 1);
    assert_eq!(desk.state("ben", Operation::Incoming).await, "enabled");
    world.deliver("ben", &letter("three"));
    let cycle = done(desk.incoming("ben").await);
    assert_eq!((cycle.recorded, cycle.known), (1, 2), "what moved along is known");
    assert_eq!(subjects(&desk).await, ["letter one", "letter two", "letter three"]);
}

#[tokio::test]
async fn a_changed_way_out_is_tested_with_a_message_again() {
    let (world, desk) = working().await;
    world.edit("port: 587, tls: starttls }", "port: 587, tls: starttls, authentication: plain }");
    assert_eq!(desk.apply().await.passed, 2);
    assert_eq!([self_tests(&world, "anna"), self_tests(&world, "ben")], [2, 1]);
    desk.sync(Operation::Incoming).await;
    assert!(subjects(&desk).await.is_empty(), "and it is no record");
}

#[tokio::test]
async fn a_second_change_takes_the_place_of_the_first_and_what_works_stays() {
    let (world, desk) = working().await;
    world.edit("port: 993", "port: 994");
    desk.apply().await;
    declare(&world, "wrong");
    desk.apply().await;
    assert_eq!(both_states(&desk, "anna").await[1], "enabled, pending: login-refused");
    flows(&world, &desk, "one").await;
    world.edit("port: 994", "port: 993");
    declare(&world, &password("anna"));
    assert_eq!(desk.apply().await.failed, 0);
    flows(&world, &desk, "two").await;
}

#[tokio::test]
async fn what_does_not_affect_how_a_server_is_reached_acts_at_once() {
    let variant = Variant::default();
    let world = World::varied(&variant, Options::default());
    let desk = world.site.desk();
    desk.apply().await;
    world.edit("port: 993", "port: 994");
    world.edit(
        "queue: { displayName: Sales, address: sales@playground.test, deleteAfterProcessing: true }",
        "queue: { displayName: Sales, address: sales@playground.test, deleteAfterProcessing: false }",
    );
    desk.apply().await;
    world.deliver("sales", &letter("one"));
    let cycle = done(desk.incoming("sales").await);
    assert_eq!((cycle.recorded, cycle.deleted), (1, 0), "read as before, kept at the server as declared now");
}

/// Two mailboxes exchange their addresses: as long as one of them worked on as before, both would read the same inbox.
#[tokio::test]
async fn who_hands_its_address_over_reads_nothing_before_its_own_test_has_passed() {
    let (world, desk) = working().await;
    let exchanged = |user| match user {
        "sales" => password("support"),
        "support" => "wrong".to_owned(),
        other => password(other),
    };
    world.write_secrets(&MAILBOXES.map(|user| (user, exchanged(user))));
    world.edit("sales@playground.test", "exchanged@playground.test");
    world.edit("support@playground.test", "sales@playground.test");
    world.edit("exchanged@playground.test", "support@playground.test");
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed), (6, 2));
    assert_eq!(both_states(&desk, "sales").await, ["enabled"; 2]);
    for state in both_states(&desk, "support").await {
        assert!(state.starts_with("disabled"), "{state}");
    }
    world.deliver("support", &letter("for the new owner"));
    assert_eq!(done(desk.incoming("sales").await).recorded, 1);
    world.deliver("sales", &letter("for nobody yet"));
    assert!(matches!(desk.incoming("support").await, Driven::Skipped(_)));
    assert_eq!(subjects(&desk).await, ["letter for the new owner"]);
}
