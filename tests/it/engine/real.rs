//! The engine with a mail server that is not ours.

use std::time::Duration;

use mailplumb::model::host::KeptSessions;
use mailplumb::model::operation::Operation;
use mailplumb::model::outbox::{OutgoingState, Resolution};
use mailplumb::remote::Pool;
use mailplumb::remote::Wake;
use mailplumb::store::OutboxQuery;
use mailplumb::sync::outgoing::resolve;
use tokio_util::sync::CancellationToken;

use super::rules::outgoing::{queue, states};
use super::rules::{done, subjects};
use super::site::{Desk, name};
use super::world::{World, letter};
use crate::support::certificates::HOST;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::need::{Need, require};
use crate::support::postfix::Postfix;
use crate::support::scratch;

const ANNA: &str = "anna@example.test";

/// A site of one mailbox that Dovecot holds.
fn site_at(dovecot: &Dovecot) -> World {
    let world = World::start();
    let site = &world.site;
    let recipient = std::fs::read_to_string(site.path("recipient")).unwrap();
    site.write("mail/mailplumb.yaml", &MANIFEST.replace("RECIPIENT", &recipient).replace("HOST", HOST));
    site.write("host-name", HOST);
    site.write_ports(&[(993, dovecot.imaps)]);
    std::fs::copy(&dovecot.certificate.authority, site.path("ca.pem")).unwrap();
    world
}

async fn read(desk: &Desk) -> u64 {
    done(desk.incoming("anna").await).recorded
}

#[tokio::test(flavor = "multi_thread")]
async fn with_dovecot_a_wrong_password_stops_nothing_and_the_right_one_loses_and_doubles_nothing() {
    let Some(()) = require(Need::Servers) else { return };
    let mut dovecot = Dovecot::start(DovecotOptions::with_users([(ANNA, "one")]));
    let world = site_at(&dovecot);
    let desk = world.site.desk();
    world.write_secrets(&[("anna", "one".to_owned())]);
    assert_eq!(desk.apply().await.passed, 1, "{:#?}", desk.heard.take());
    dovecot.deliver(ANNA, letter("one"));
    assert_eq!(read(&desk).await, 1);

    world.write_secrets(&[("anna", "wrong".to_owned())]);
    assert_eq!(desk.apply().await.failed, 1);
    assert_eq!(desk.state("anna", Operation::Incoming).await, "enabled, pending: login-refused");
    dovecot.deliver(ANNA, letter("two"));
    assert_eq!(read(&desk).await, 1, "it goes on with the former password");
    let (_, plan) = desk.plan().await;
    assert!(plan.steps[0].reason.contains("the server refused the login"), "{}", plan.steps[0].reason);

    dovecot.deliver(ANNA, letter("three"));
    dovecot.set_password(ANNA, "two");
    world.write_secrets(&[("anna", "two".to_owned())]);
    assert_eq!(desk.apply().await.passed, 1, "{:#?}", desk.heard.take());
    assert_eq!(desk.state("anna", Operation::Incoming).await, "enabled");
    assert!(desk.plan().await.1.is_empty());
    assert_eq!(read(&desk).await, 1);
    assert_eq!(read(&desk).await, 0);
    assert_eq!(subjects(&desk).await, ["letter one", "letter two", "letter three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_dovecot_a_session_is_kept_told_of_mail_and_replaced_after_a_restart() {
    let Some(()) = require(Need::Servers) else { return };
    let mut dovecot = Dovecot::start(DovecotOptions::with_users([(ANNA, "one")]));
    let world = site_at(&dovecot);
    let mut desk = world.site.desk();
    world.write_secrets(&[("anna", "one".to_owned())]);
    assert_eq!(desk.apply().await.passed, 1, "{:#?}", desk.heard.take());
    desk.engine.sessions = Pool::new(KeptSessions::default());
    assert_eq!(read(&desk).await, 0);
    assert_eq!(read(&desk).await, 0);
    assert_eq!(desk.engine.sessions.len(), 1);

    let mut lent = desk.engine.sessions.lend(&name("anna"), CancellationToken::new()).unwrap();
    let stop = lent.stop.clone();
    let limit = Duration::from_secs(60);
    let waiting = tokio::spawn(async move {
        let woken = lent.kept.session.wait_for_mail(&stop, limit).await;
        (lent, woken)
    });
    dovecot.deliver(ANNA, letter("one"));
    let (lent, woken) = waiting.await.unwrap();
    assert_eq!(woken.unwrap(), Wake::News);
    desk.engine.sessions.give_back(lent, Duration::ZERO);
    assert_eq!(read(&desk).await, 1);
    assert_eq!(read(&desk).await, 0);

    dovecot.kill();
    dovecot.restart();
    dovecot.deliver(ANNA, letter("two"));
    assert_eq!(read(&desk).await, 1, "over a fresh session, and nobody was told");
    assert_eq!(desk.state("anna", Operation::Incoming).await, "enabled");
    assert_eq!(subjects(&desk).await, ["letter one", "letter two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postfix_returns_is_noted_with_the_message_that_came_back() {
    let Some(()) = require(Need::Servers) else { return };
    let dovecot = Dovecot::start(DovecotOptions::with_users([(ANNA, "one")]));
    let postfix = Postfix::start(&dovecot);
    let world = site_at(&dovecot);
    let site = &world.site;
    let incoming = "credentials: { mailbox: {} } }\n";
    let outgoing = format!(
        "{incoming}    outgoing: {{ host: {HOST}, port: 465, tls: implicit, credentials: {{ mailbox: {{}} }} }}\n"
    );
    let manifest = std::fs::read_to_string(site.path("mail/mailplumb.yaml")).unwrap();
    let manifest = manifest.replace(incoming, &outgoing);
    site.write(
        "mail/mailplumb.yaml",
        &manifest.replace(
            "incoming: server-side-sync",
            "incoming: server-side-sync\n    outgoing: server-side-sync",
        ),
    );
    site.write_ports(&[(993, dovecot.imaps), (465, postfix.submissions)]);
    let desk = site.desk();
    world.write_secrets(&[("anna", "one".to_owned())]);
    assert_eq!(desk.apply().await.passed, 2, "{:#?}", desk.heard.take());
    assert_eq!(desk.state("anna", Operation::Outgoing).await, "enabled");

    // It takes both, has nobody to give the second one to, and says so in a message of its own.
    queue(&desk, "anna", "one", &[ANNA]).await;
    queue(&desk, "anna", "two", &["nobody@example.test"]).await;
    assert_eq!(done(desk.outgoing("anna").await).sent, 2);
    let before = dovecot.inbox_messages(ANNA).len();
    postfix.wait_for_delivery(&dovecot, ANNA, before.max(2));
    let came_back = || dovecot.inbox_messages(ANNA).iter().any(|one| one.contains("Undelivered Mail"));
    scratch::wait_until("the report", came_back, || postfix.log());
    read(&desk).await;
    assert_eq!(states(&desk).await, [OutgoingState::Sent, OutgoingState::Failed]);
    let alerts = desk.engine.store.alerts(100).await.unwrap();
    let returned: Vec<_> = alerts.iter().filter(|alert| alert.code == "returned").collect();
    let [alert] = returned.as_slice() else { panic!("{alerts:#?}") };
    assert!(alert.cause.contains("nobody@example.test") && alert.cause.contains("5.1.1"), "{}", alert.cause);

    // Tried again, it is not judged by the report on the first attempt, which is still in the inbox.
    let all = desk.engine.store.outbox(&OutboxQuery::default()).await.unwrap();
    let returned = all.iter().find(|message| message.id == 2).unwrap();
    let resolved = resolve(returned, &Resolution::SendAgain, desk.engine.clock.now()).unwrap();
    desk.engine.store.resolve(&[resolved]).await.unwrap();
    assert_eq!(read(&desk).await, 0);
    assert_eq!(states(&desk).await, [OutgoingState::Sent, OutgoingState::Pending]);
}

const MANIFEST: &str = "\
apiVersion: mailplumb/v1
kind: Organization
metadata: { name: example }
spec:
  recipients: { ops: RECIPIENT }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: dovecot }
spec:
  displayName: Dovecot
  owner: postmaster@example.test
  imapSmtp:
    trust: playground
    incoming: { host: HOST, port: 993, tls: implicit, credentials: { mailbox: {} } }
  processing: { from: 2020-01-01T00:00:00Z, minPollingInterval: 0 }
---
apiVersion: mailplumb/v1
kind: MailboxList
metadata: { name: people }
spec:
  common:
    profile: dovecot
    incoming: server-side-sync
    credentials: { password: { secret: passwords } }
  users: [{ name: anna, address: anna@example.test, approved: anna@example.test }]
";
