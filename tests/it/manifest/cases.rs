//! What a manifest becomes.

use std::time::Duration;

use mailplumb::model::mailbox::{Accept, ActMethod, IncomingMethod, OutgoingMethod};
use mailplumb::model::name::Name;
use mailplumb::model::profile::{Authentication, Credentials, Protocol, Server, TlsMode};

use super::{errors, read_text};

/// An organization, a POP3 and an IMAP profile, a secret, a mailbox on each profile.
pub const SMALL: &str = r#"apiVersion: mailplumb/v1
kind: Organization
metadata: { name: contoso }
spec:
  defaults: { profile: pop, incoming: server-side-sync }
  retry: { wait: 90s }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: pop }
spec:
  owner: mail-team@contoso.example
  pop3Smtp:
    incoming: { host: pop.provider.example, credentials: { mailbox: {} } }
    outgoing: { host: smtp.provider.example, tls: starttls, authentication: scram-sha-256 }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: imap }
spec:
  owner: mail-team@contoso.example
  imapSmtp:
    incoming: { host: imap.provider.example, port: 10993, credentials: { profile: { username: all, password: { secret: provider, key: imap } } } }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: support }
spec:
  queue: { address: support@contoso.example, deleteAfterProcessing: true }
  approved: Support@contoso.example
  outgoing: server-side-sync
  credentials: { password: { secret: provider } }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: anna }
spec:
  user: { address: anna@contoso.example }
  profile: imap
---
apiVersion: mailplumb/v1
kind: Secret
metadata: { name: provider }
spec:
  values:
    support: { file: /run/credentials/support }
    imap: { env: IMAP_PASSWORD }
"#;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn a_small_manifest_becomes_what_it_asks_for() {
    let reading = read_text(SMALL);
    assert_eq!(reading.problems, [], "{:#?}", reading.problems);
    let desired = reading.desired.unwrap();
    assert_eq!(desired.organization.value.retry.wait, Duration::from_secs(90));
    let support = &desired.mailboxes[&name("support")].value;
    assert_eq!(support.incoming, IncomingMethod::ServerSideSync);
    assert_eq!(support.outgoing, OutgoingMethod::ServerSideSync);
    assert_eq!(support.appointments_contacts_tasks, ActMethod::None);
    assert_eq!(support.accept, Accept::All);
    assert!(support.delete_after_processing && support.is_approved() && support.active);
    let login = support.credentials.as_ref().unwrap();
    assert_eq!(
        (login.username.as_str(), login.password.to_string().as_str()),
        ("support@contoso.example", "provider/support")
    );
    assert_eq!(desired.mailboxes[&name("support")].origin.line, 27);
    let Server::Pop3Smtp(servers) = &desired.profiles[&name("pop")].value.server else { panic!("POP3") };
    let outgoing = servers.outgoing.as_ref().unwrap();
    assert_eq!((outgoing.tls, outgoing.authentication), (TlsMode::Starttls, Authentication::ScramSha256));
    assert_eq!(outgoing.credentials, Credentials::Mailbox);
    assert_eq!(outgoing.port_or_default(Protocol::Smtp), 587);
    assert_eq!(servers.incoming.port_or_default(Protocol::Pop3), 995);
}

#[test]
fn there_is_a_desired_state_only_without_errors() {
    let broken =
        SMALL.replace("profile: imap\n", "profile: imapp\n").replace("tls: starttls", "tls: startls");
    let reading = read_text(&broken);
    assert!(reading.desired.is_none());
    let found: Vec<_> = errors(&reading.problems).iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(found, ["`startls` is not possible here", "there is no EmailServerProfile `imapp`"]);
}
