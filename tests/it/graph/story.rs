//! The program with a profile of Exchange Online: declared, planned, applied, tested, enabled, receiving and sending.

use std::sync::Arc;

use mailplumb::engine::clock::SystemClock;
use mailplumb::model::profile::Cloud;
use mailplumb::playground::{GraphFault, Impersonation, Options, Playground};

use super::world::{ANNA, BORIS, CLIENT, SECRET, TENANT, options};
use crate::cli::person::{Person, host_file};

pub fn manifest(transport: &str) -> String {
    format!(
        "apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: exo }}
spec:
  owner: anna@contoso.example
  exchangeOnline:
    tenant: {TENANT}
    transport: {transport}
    serverToServer: {{ clientId: {CLIENT}, clientSecret: {{ secret: mail, key: password }} }}
  processing: {{ from: 2026-01-01T00:00:00Z }}
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: {{ name: anna }}
spec:
  user: {{ address: anna@contoso.example }}
  approved: anna@contoso.example
  profile: exo
  incoming: server-side-sync
  outgoing: server-side-sync
"
    )
}

/// Somebody with a manifest, and the cloud that it names.
pub struct Office {
    pub person: Person,
    pub playground: Playground,
}

impl Office {
    pub fn opens(transport: &str, options: Options) -> Self {
        Self::opens_with(&manifest(transport), options)
    }

    /// With another manifest of the profile and the mailbox.
    pub fn opens_with(manifest: &str, options: Options) -> Self {
        let playground =
            Playground::start(Options { clock: Arc::new(SystemClock::new()), ..options }).unwrap();
        let mut person = Person::new();
        let hosts = Cloud::Global.hosts();
        let led = [
            (hosts.graph, 443, playground.graph().address()),
            (hosts.exchange, 443, playground.exchange().address()),
            (hosts.authority, 443, playground.token_endpoint()),
        ];
        person.write("host.yaml", &host_file(led));
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
        person.pipes("secrets set mail/password", SECRET).ends(0);
        Self { person, playground }
    }
}

#[test]
fn an_online_profile_goes_the_whole_way_by_graph() {
    let Office { person, playground } = Office::opens("graph", options());
    person.types("validate").ends(0).says("Valid: 1 profile, 1 mailbox");
    let state = playground.state();
    state.deliver(ANNA, b"Subject: Question 1\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    person
        .types("apply --auto-approve")
        .ends(0)
        .says("2 passed, 0 failed")
        .says("receive-back")
        .says("Microsoft Graph");
    person.types("plan --detailed-exitcode").ends(0);
    person.types("sync").ends(0).says("1 recorded");
    person.types("messages").says("Question 1");
    state.deliver(ANNA, b"Subject: Question 2\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    person.types("sync").ends(0).says("1 recorded");

    playground.graph().forget_delta_links();
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
    person.types("state show profile/exo").says("exchangeOnline");
    person.types("describe profile/exo").says("graph.microsoft.com").says(CLIENT);
}

#[test]
fn an_online_profile_goes_by_ews_as_long_as_that_lasts() {
    let Office { person, playground } = Office::opens("ews", options());
    playground.state().deliver(ANNA, b"Subject: Question 1\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    person.types("apply --auto-approve").ends(0).says("2 passed, 0 failed").says("Exchange 15.2");
    person.types("sync").ends(0).says("1 recorded");
    assert!(playground.graph().calls().is_empty());
}

#[test]
fn a_refusal_says_what_to_do() {
    let Office { person, playground } =
        Office::opens("graph", Options { impersonation: Impersonation::Nobody, ..options() });
    person
        .types("apply --auto-approve")
        .ends(16)
        .says("ErrorAccessDenied")
        .says("New-ManagementRoleAssignment")
        .says("two hours");
    person.types("doctor mailbox/anna").says("RBAC for Applications");
    drop(playground);
}

#[test]
fn a_wrong_client_secret_is_named_by_its_code() {
    let Office { person, playground } = Office::opens("graph", options());
    person.pipes("secrets set mail/password", "the id of the secret").ends(0);
    person.types("apply --auto-approve").ends(16).says("AADSTS7000215").says("which is not its id");
    person.types("doctor mailbox/anna").says("the id of the secret was taken for its value");
    assert!(playground.graph().calls().is_empty());
}

#[test]
fn a_throttled_mailbox_waits_as_long_as_it_is_told_to() {
    let Office { person, playground } = Office::opens("graph", options());
    person.types("apply --auto-approve").ends(0);
    playground.graph().misbehave("messages/delta", 1, GraphFault::throttled(900));
    person.types("sync").says("THROTTLED").says("retry after 900 seconds");
    person.types("status").says("retrying (1");
    // Whoever comes after that, another process and for another purpose, leaves it alone as well.
    let before = playground.graph().calls().len();
    person.types("outbox add --mailbox anna --to boris@contoso.example --subject Later --text x").ends(0);
    person.types("sync").says("left alone until");
    person.types("outbox list").says("pending");
    assert_eq!(playground.graph().calls().len(), before, "no call falls into the wait");
}
