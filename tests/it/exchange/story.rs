//! The program with a profile of Exchange: declared, planned, applied, tested, enabled, receiving and sending.

use std::sync::Arc;

use mailplumb::engine::clock::SystemClock;
use mailplumb::playground::{Options, Playground};

use super::world::{ANNA, BORIS, HOST, PASSWORD, SERVICE, options};
use crate::cli::person::{Person, host_file};

const MANIFEST: &str = "apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: hq }
spec:
  owner: anna@contoso.example
  exchange:
    location: { fixed: { incoming: https://mail.contoso.example/EWS/Exchange.asmx } }
    incoming:
      credentials:
        profile: { username: CONTOSO\\svc-sync, password: { secret: mail, key: password }, access: impersonation }
  processing: { from: 2026-01-01T00:00:00Z }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: anna }
spec:
  user: { address: anna@contoso.example }
  approved: anna@contoso.example
  profile: hq
  incoming: server-side-sync
  outgoing: server-side-sync
";

/// Somebody with a manifest, and the server that it names.
pub struct Office {
    pub person: Person,
    pub playground: Playground,
}

impl Office {
    pub fn opens() -> Self {
        Self::opens_with("", "")
    }

    /// Goes on with the servers of another office.
    pub fn joins(&mut self, playground: &Playground) {
        self.person.write("host.yaml", &host_file([(HOST, 443, playground.exchange().address())]));
        self.person.write("ca.pem", playground.ca_pem());
    }

    /// With another text in one place of the manifest.
    pub fn opens_with(text: &str, other: &str) -> Self {
        assert!(MANIFEST.contains(text));
        let manifest = MANIFEST.replacen(text, other, 1);
        let playground =
            Playground::start(Options { clock: Arc::new(SystemClock::new()), ..options() }).unwrap();
        let mut person = Person::new();
        person.write("host.yaml", &host_file([(HOST, 443, playground.exchange().address())]));
        person.write("ca.pem", playground.ca_pem());
        person.export("SSL_CERT_FILE", "ca.pem");
        person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
        person.export("MAILPLUMB_FILE", "mail");
        person.types("init --incoming-host imap.contoso.example --address anna@contoso.example").ends(0);
        let text = person.read("mail/mailplumb.yaml");
        let kept: Vec<&str> = text
            .split("\n---\n")
            .filter(|part| !part.contains("kind: EmailServerProfile") && !part.contains("kind: Mailbox"))
            .collect();
        person.write("mail/mailplumb.yaml", &format!("{}\n---\n{manifest}", kept.join("\n---\n")));
        person.pipes("secrets set mail/password", PASSWORD).ends(0);
        Self { person, playground }
    }
}

#[test]
fn an_exchange_profile_goes_the_whole_way() {
    let Office { person, playground } = Office::opens();
    person.types("validate").ends(0).says("Valid: 1 profile, 1 mailbox");
    let state = playground.state();
    state.deliver(ANNA, b"Subject: Question 1\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    person
        .types("apply --auto-approve")
        .ends(0)
        .says("2 passed, 0 failed")
        .says("receive-back")
        .says("Exchange 15.2");
    person.types("plan --detailed-exitcode").ends(0);
    person.types("sync").ends(0).says("1 recorded");
    person.types("messages").says("Question 1");
    state.deliver(ANNA, b"Subject: Question 2\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    person.types("sync").ends(0).says("1 recorded");

    playground.exchange().forget_sync_states();
    person.types("sync").ends(0).says("2 already recorded").says("sync state");
    let listed = person.types("messages");
    assert_eq!(listed.stdout.matches("Question").count(), 2, "nothing is doubled: {listed:#?}");

    person
        .types("outbox add --mailbox anna --to boris@contoso.example --subject Answer --text Because.")
        .ends(0);
    person.types("sync").ends(0);
    person.types("outbox list").says("sent");
    let is_answer = |raw: &[u8]| String::from_utf8_lossy(raw).contains("Because.");
    assert!(state.inbox(BORIS).unwrap().iter().any(|held| is_answer(&held.raw)));
    assert!(state.sent(ANNA).unwrap().iter().any(|held| is_answer(&held.raw)));
    person.types("state show mailbox/anna").says("exchange");
    assert!(playground.exchange().calls().iter().all(|call| call.username == SERVICE));
}

#[test]
fn a_refusal_says_what_to_do() {
    let office = Office::opens();
    let person = &office.person;
    person.replace(
        "mail/mailplumb.yaml",
        "address: anna@contoso.example }\n  approved",
        "address: carla@contoso.example }\n  approved",
    );
    person.replace("mail/mailplumb.yaml", "approved: anna@", "approved: carla@");
    person
        .types("apply --auto-approve")
        .says("no mailbox with this SMTP address")
        .says("correct the address");
    person.types("doctor mailbox/anna").says("a typing error in the address");
}

#[test]
fn after_a_restart_mail_does_not_wait_for_the_interval_of_the_former_process() {
    let from = "processing: { from: 2026-01-01T00:00:00Z";
    let Office { person, playground } =
        Office::opens_with(from, &format!("{from}, minPollingInterval: 1440m"));
    person.types("apply --auto-approve").ends(0);
    person.types("sync").ends(0);
    let deliver = |subject: &str| {
        let raw = format!("Subject: {subject}\r\nFrom: c@d.example\r\n\r\nx\r\n");
        playground.state().deliver(ANNA, raw.as_bytes()).unwrap();
    };
    deliver("While nobody ran");
    let mut is_sent = false;
    let heard = |subject: &str| person.types("messages").stdout.contains(subject);
    person
        .runs_until("watch", "both to be read", || {
            if !is_sent && playground.exchange().streams() > 0 {
                deliver("While it runs");
                is_sent = true;
            }
            is_sent && heard("While nobody ran") && heard("While it runs")
        })
        .ends(0);
}
