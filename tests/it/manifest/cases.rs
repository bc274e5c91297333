//! What a manifest becomes.

use std::time::Duration;

use mailplumb::model::host::HostSettings;
use mailplumb::model::mailbox::{Accept, ActMethod, IncomingMethod, MailboxKind, OutgoingMethod};
use mailplumb::model::name::Name;
use mailplumb::model::organization::{GuardAction, InternalMail, Requirement};
use mailplumb::model::profile::{Authentication, Cloud, Credentials, Protocol, Server, TlsMode, Transport};

use super::{errors, read_text};

fn codes_of(text: &str) -> Vec<String> {
    read_text(text).problems.into_iter().map(|problem| problem.code).collect()
}

const MISTAKEN: &str = "---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: carl }
spec:
  user: { address: carl@contoso.example }
  profile: nonesuch
  credentials: { password: { secret: provider, key: suport } }
";

#[test]
fn a_document_of_a_known_kind_that_cannot_be_parsed_hides_no_mistake_of_another_kind() {
    let broken = "---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: k\nspec: {}\n";
    let reading = read_text(&format!("{SMALL}{MISTAKEN}{broken}"));
    let codes: Vec<&str> = reading.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert!(codes.contains(&"MP0043") && codes.contains(&"MP0044"), "{codes:?}");
    assert_eq!(reading.not_judged, ["selectors, approvals and rules that name no declared mailbox"]);
    // It may be the profile or the secret that seems to be missing.
    for (kind, held_back) in [("EmailServerProfile", "MP0043"), ("Secret", "MP0044")] {
        let codes = codes_of(&format!("{SMALL}{MISTAKEN}{}", broken.replace("Mailbox", kind)));
        assert!(!codes.iter().any(|code| code == held_back), "{kind}: {codes:?}");
    }
    let reading = read_text(&format!("{SMALL}{MISTAKEN}{}", broken.replace("kind: Mailbox\n", "")));
    assert_eq!(reading.not_judged.len(), 3, "of an unknown kind: {:?}", reading.not_judged);
}

#[test]
fn a_mailbox_whose_name_is_wrong_or_taken_is_looked_at_further() {
    let wrong = codes_of(&format!("{SMALL}{}", MISTAKEN.replace("carl", "Bad_Name")));
    for code in ["MP0028", "MP0043", "MP0044"] {
        assert!(wrong.iter().any(|found| found == code), "{code}: {wrong:?}");
    }
    let same_address = "---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: anna }\nspec: { user: { address: SUPPORT@contoso.example } }\n";
    let taken = codes_of(&format!("{SMALL}{same_address}"));
    for code in ["MP0041", "MP0042", "MP0085"] {
        assert!(taken.iter().any(|found| found == code), "{code}: {taken:?}");
    }
}

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
    incoming: { host: imap.provider.example, port: 10993, credentials: { oauth2: { tokenUrl: "https://login.example/token", clientId: all, clientSecret: { secret: provider, key: imap }, scope: mail } } }
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

#[test]
fn every_field_reaches_the_model() {
    let files = super::files_at(&super::here().join("valid/every-field.yaml"));
    let desired = mailplumb::manifest::read(&files, &HostSettings::default()).desired.unwrap();
    let organization = &desired.organization.value;
    assert_eq!(organization.display_name.as_deref(), Some("Contoso Ltd"));
    assert_eq!(organization.tracking.internal_mail, InternalMail::TwoActivities);
    assert_eq!(organization.tracking.token.as_ref().unwrap().former_prefixes, ["OLD:"]);
    assert_eq!(organization.tracking.attachment_bytes_max, 5_242_880);
    assert!(organization.alerts.errors && !organization.alerts.warnings && organization.alerts.information);
    assert_eq!((organization.retry.attempts, organization.retry.attempts_per_message), (7, 3));
    assert_eq!(organization.guards.empty_manifest, GuardAction::Allow);
    assert_eq!(organization.approval.forward, Requirement::NotRequired);

    let profile = |text: &str| &desired.profiles[&name(text)].value;
    let hq = profile("hq-exchange");
    assert_eq!(
        (hq.processing.max_concurrent_connections.get(), hq.processing.min_polling_interval_minutes),
        (300, 0)
    );
    assert!(hq.mass_failure_alert && hq.processing.from.is_some() && hq.labels["site"] == "hq");
    let Server::Exchange(exchange) = &hq.server else { panic!("Exchange") };
    assert!(exchange.undeliverable_folder && exchange.timeout_seconds == Some(100));
    assert_eq!(exchange.outgoing.authentication, Authentication::Ntlm);
    let Server::Exchange(found) = &profile("found").server else { panic!("Exchange") };
    assert_eq!(found.incoming, found.outgoing);
    let Server::ExchangeOnline(online) = &profile("exo").server else { panic!("Exchange Online") };
    assert_eq!((online.cloud, online.transport), (Cloud::UsGovernmentDod, Transport::Ews));
    let Server::ImapSmtp(imap) = &profile("provider-imap").server else { panic!("IMAP") };
    assert!(matches!(imap.incoming.credentials, Credentials::Oauth2 { .. }));
    assert_eq!(imap.outgoing.as_ref().unwrap().credentials, Credentials::Anonymous);

    let mailbox = |text: &str| &desired.mailboxes[&name(text)].value;
    let support = mailbox("support");
    assert!(!support.active && support.lifecycle.prevent_destroy && support.accept == Accept::AnyRecord);
    assert_eq!(support.process_from.unwrap().to_string(), "2026-10-01T00:00:00Z");
    assert_eq!(support.lifecycle.previous_names, [name("helpdesk")]);
    assert_eq!(mailbox("boss").claim_take_over_from.as_deref(), Some("3f5a1c2d"));
    assert_eq!(mailbox("boss").tracked_folders, ["Inbox/Customers"]);
    assert!(!mailbox("q1").delete_after_processing && mailbox("q2").delete_after_processing);
    assert_eq!(mailbox("f1").kind, MailboxKind::Forward);
}

#[test]
fn a_mailbox_setting_wins_over_its_assignment_and_that_over_the_default() {
    let files = super::files_at(&super::here().join("valid/every-field.yaml"));
    let desired = mailplumb::manifest::read(&files, &HostSettings::default()).desired.unwrap();
    let mailbox = |text: &str| &desired.mailboxes[&name(text)].value;
    // anna is selected by the assignment, ben is not; the list says `outgoing`, the organization the rest.
    assert_eq!(mailbox("anna").incoming, IncomingMethod::None);
    assert_eq!(mailbox("anna").outgoing, OutgoingMethod::None);
    assert_eq!(mailbox("anna").accept, Accept::Replies);
    assert_eq!(mailbox("anna").labels.len(), 2);
    assert_eq!(mailbox("ben").incoming, IncomingMethod::ServerSideSync);
    assert_eq!(mailbox("ben").profile, Some(name("exo")));
    assert_eq!(mailbox("boss").profile, Some(name("hq-exchange")));
}

#[test]
fn a_default_that_is_impossible_becomes_none_with_a_note() {
    let files = super::files_at(&super::here().join("valid/every-field.yaml"));
    let desired = mailplumb::manifest::read(&files, &HostSettings::default()).desired.unwrap();
    let collector = &desired.mailboxes[&name("collector")].value;
    assert_eq!(collector.outgoing, OutgoingMethod::None);
    assert_eq!(collector.appointments_contacts_tasks, ActMethod::None);
    assert_eq!(desired.mailboxes[&name("anna")].value.appointments_contacts_tasks, ActMethod::None);
    assert_eq!(desired.mailboxes[&name("boss")].value.appointments_contacts_tasks, ActMethod::ServerSideSync);
    let notes: Vec<_> = desired.notes.iter().filter(|note| note.message.contains("instead of")).collect();
    let subjects: Vec<_> = notes.iter().map(|note| note.subject.as_str()).collect();
    assert_eq!(subjects, ["mailbox/collector", "mailbox/collector", "mailbox/anna"]);
    assert!(notes.iter().all(|note| note.origin.is_some()));
}

#[test]
fn texts_stay_as_they_are_written() {
    let files = super::files_at(&super::here().join("valid/texts-stay-texts.yaml"));
    let organization =
        super::source("o.yaml", "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: a }\n");
    let files = [files, vec![organization]].concat();
    let desired = mailplumb::manifest::read(&files, &HostSettings::default()).desired.unwrap();
    let mailbox = &desired.mailboxes[&name("0755")].value;
    let labels: Vec<_> = mailbox.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(labels, ["country=NO", "day=2026-11-01", "time=22:22", "version=1.20", "yes=on"]);
    assert_eq!(mailbox.display_name.as_deref(), Some("0x10"));
}

#[test]
fn a_broken_document_hides_neither_the_others_nor_invents_problems() {
    // The profile cannot be read: references to it are no mistakes; what else is wrong is still found.
    let text = SMALL
        .replace("host: pop.provider.example", "hots: pop.provider.example")
        .replace("anna@contoso", "anna.contoso");
    let found: Vec<_> = read_text(&text).problems.into_iter().map(|problem| problem.message).collect();
    assert_eq!(found, ["unknown key `hots`", "an e-mail address has the form `local@domain`"]);
    let text = SMALL.replace("pop3Smtp:", "pop3Smtp: [");
    let found: Vec<_> = read_text(&text).problems.into_iter().map(|problem| problem.code).collect();
    assert_eq!(found, ["MP0003"]);
}

#[test]
fn the_digest_follows_names_and_contents() {
    let digest = |text: &str| read_text(text).desired.unwrap().digest;
    assert_eq!(digest(SMALL), digest(SMALL));
    assert_ne!(digest(SMALL), digest(&format!("{SMALL}\n")));
}
