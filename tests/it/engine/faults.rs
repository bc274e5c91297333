//! A server that ends, resets, falls silent, breaks off, talks nonsense or drips instead of any of its answers: the operation
//! fails in a way that has a name and passes, and once the server is well again nothing is lost, doubled or sent twice.
//!
//! The answers are counted in a run without faults; each of them is then replaced by each fault.

use std::net::SocketAddr;

use mailplumb::engine::drive::Driven;
use mailplumb::model::operation::Operation;
use mailplumb::model::outbox::OutgoingState;
use mailplumb::model::profile::TlsMode;
use mailplumb::playground::{ClearLogins, Options, Playground, User};

use super::rules::outgoing::{queue, states};
use super::rules::subjects;
use super::site::Desk;
use super::world::{World, letter};
use crate::support::certificates::HOST;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fault_proxy::{FaultProxy, Instead, Spoil};
use crate::support::need::{Need, require};
use crate::support::postfix::Postfix;
use crate::support::scratch;

const ANNA: &str = "anna@example.test";
const SINK: &str = "sink@example.test";
const PASSWORD: &str = "pw";

/// The servers of one operation, reached directly when they are well.
struct Servers<'a> {
    port: u16,
    address: SocketAddr,
    authority: String,
    deliver: &'a dyn Fn(&[u8]),
    /// Subjects that have arrived for the recipient of outgoing mail, at least so many.
    arrived: &'a dyn Fn(usize) -> Vec<String>,
}

struct Case {
    operation: Operation,
    /// Of the profile's protocols: `pop3Smtp` or `imapSmtp`.
    kind: &'static str,
    tls: TlsMode,
}

impl Case {
    fn tls(&self) -> &'static str {
        match self.tls {
            TlsMode::Implicit => "implicit",
            TlsMode::Starttls => "starttls",
            TlsMode::None => "none",
        }
    }

    /// Where the manifest says that the server is.
    fn port(&self) -> u16 {
        match (self.operation, self.kind, self.tls) {
            (Operation::Incoming, "pop3Smtp", TlsMode::Implicit) => 995,
            (Operation::Incoming, "pop3Smtp", TlsMode::Starttls | TlsMode::None) => 110,
            (Operation::Incoming, _, TlsMode::Implicit) => 993,
            (Operation::Incoming, _, TlsMode::Starttls | TlsMode::None) => 143,
            (Operation::Outgoing | Operation::Act, _, TlsMode::Implicit) => 465,
            (Operation::Outgoing | Operation::Act, _, TlsMode::Starttls) => 587,
            (Operation::Outgoing | Operation::Act, _, TlsMode::None) => 25,
        }
    }

    /// Without TLS nobody can notice that a message is another one.
    fn faults(&self) -> &'static [Instead] {
        match self.tls {
            TlsMode::Implicit => &Instead::ALL,
            TlsMode::Starttls => &[Instead::Close, Instead::Stall, Instead::Truncate, Instead::Garbage],
            TlsMode::None => &[Instead::Close, Instead::Reset, Instead::Stall, Instead::Truncate],
        }
    }
}

fn manifest(case: &Case, recipient: &str) -> String {
    let operation = case.operation;
    let (incoming, outgoing) = match operation {
        Operation::Incoming => ("server-side-sync", "none"),
        Operation::Outgoing | Operation::Act => ("none", "server-side-sync"),
    };
    MANIFEST
        .replace("KIND", case.kind)
        .replace("tls: implicit", &format!("tls: {}", case.tls()))
        .replace("RECIPIENT", recipient)
        .replace("INCOMING", incoming)
        .replace("OUTGOING", outgoing)
}

/// A site of anna alone, whose one operation is enabled.
async fn enabled(case: &Case, servers: &Servers<'_>) -> World {
    let world = World::start();
    let site = &world.site;
    let recipient = std::fs::read_to_string(site.path("recipient")).unwrap();
    site.write("mail/mailplumb.yaml", &manifest(case, &recipient));
    world.write_secrets(&[("anna", PASSWORD.to_owned())]);
    site.write("host-name", HOST);
    if case.tls == TlsMode::None {
        site.write("clear", "");
    }
    site.write("ca.pem", &servers.authority);
    site.write_ports(&[(servers.port, servers.address)]);
    let desk = site.desk();
    assert_eq!(desk.apply().await.passed, 1, "{:#?}", desk.heard.take());
    world
}

async fn run(desk: &Desk, operation: Operation) -> Driven {
    desk.cycle("anna", operation).await
}

/// Gives the operation something to do.
async fn load(desk: &Desk, case: &Case, servers: &Servers<'_>, label: &str) {
    match case.operation {
        Operation::Incoming => (servers.deliver)(&letter(label)),
        Operation::Outgoing | Operation::Act => {
            queue(desk, "anna", label, &[SINK]).await;
        }
    }
}

/// One cycle through the proxy; the number of answers that the server gave.
async fn spoiled(
    world: &World,
    case: &Case,
    servers: &Servers<'_>,
    spoil: Spoil,
    label: &str,
) -> (Driven, usize) {
    let proxy = FaultProxy::start(servers.address, spoil).await;
    world.site.write_ports(&[(servers.port, proxy.address)]);
    let desk = world.site.desk();
    load(&desk, case, servers, label).await;
    let driven = run(&desk, case.operation).await;
    world.site.write_ports(&[(servers.port, servers.address)]);
    (driven, proxy.answers().len())
}

/// A busy machine may take longer than the second that the manifest gives to a server.
fn is_late(driven: &Driven) -> bool {
    matches!(driven, Driven::Failed(failure, _) if ["timed-out", "no-greeting"].contains(&failure.code.as_str()))
}

/// The server is well again: the operation works, if need be after a test.
async fn heal(world: &World, case: &Case) {
    let desk = world.site.desk();
    desk.clock.forward(3600);
    if desk.state("anna", case.operation).await.starts_with("disabled") {
        assert_eq!(desk.test("anna").await.passed, 1, "{:#?}", desk.heard.take());
    }
    let mut driven = run(&desk, case.operation).await;
    for _ in 0..5 {
        if !is_late(&driven) {
            break;
        }
        desk.clock.forward(3600);
        driven = run(&desk, case.operation).await;
    }
    assert!(matches!(driven, Driven::Done(_)), "it does not recover: {driven:?}");
    assert_eq!(desk.state("anna", case.operation).await, "enabled");
}

async fn every_answer_and_fault(case: &Case, servers: &Servers<'_>) {
    let world = enabled(case, servers).await;
    // Once, so that every later cycle is like the next one.
    let (driven, _) = spoiled(&world, case, servers, Spoil::Nothing, "first").await;
    assert!(matches!(driven, Driven::Done(_)), "{driven:?}");
    let (driven, answers) = spoiled(&world, case, servers, Spoil::Nothing, "second").await;
    assert!(matches!(driven, Driven::Done(_)), "{driven:?}");
    assert!(answers >= 5, "{answers}");
    let mut labels = vec!["first".to_owned(), "second".to_owned()];
    let mut failures = 0;
    for at in 0..answers {
        for instead in case.faults().iter().copied() {
            let label = format!("{at}-{instead:?}");
            let (driven, _) = spoiled(&world, case, servers, Spoil::Answer(at, instead), &label).await;
            labels.push(label.clone());
            match driven {
                // The goodbye may get lost, and a slow server is no broken one.
                Driven::Done(_) => {}
                Driven::Failed(failure, _) => {
                    failures += 1;
                    assert_ne!(instead, Instead::Drip, "{label}: {}", failure.error);
                    assert!(FITTING.contains(&failure.code.as_str()), "{label}: {failure:?}");
                }
                Driven::Skipped(reason) => panic!("{label}: {reason}"),
            }
            heal(&world, case).await;
        }
    }
    assert!(failures > answers, "{failures} failures of {answers} answers: the faults strike");
    match case.operation {
        Operation::Incoming => everything_is_recorded_once(&world.site.desk(), labels).await,
        Operation::Outgoing | Operation::Act => {
            everything_is_sent_once(&world.site.desk(), servers, &labels).await;
        }
    }
}

/// What a broken server may be called.
const FITTING: [&str; 13] = [
    "connection-lost",
    "timed-out",
    "no-greeting",
    "garbage",
    "not-tls",
    "tls-failed",
    "wrong-protocol",
    "limit-exceeded",
    "server-closed",
    "certificate-untrusted",
    "certificate-unfit",
    "unreachable",
    "connection-refused",
];

async fn everything_is_recorded_once(desk: &Desk, labels: Vec<String>) {
    let mut recorded = subjects(desk).await;
    let mut expected: Vec<String> = labels.iter().map(|label| format!("letter {label}")).collect();
    recorded.sort();
    expected.sort();
    assert_eq!(recorded, expected);
}

async fn everything_is_sent_once(desk: &Desk, servers: &Servers<'_>, labels: &[String]) {
    let states = states(desk).await;
    assert_eq!(states.len(), labels.len());
    let sent = states.iter().filter(|state| **state == OutgoingState::Sent).count();
    let arrived = (servers.arrived)(sent);
    let mut unsure = 0;
    for (label, state) in labels.iter().zip(states) {
        let subject = format!("letter {label}");
        let copies = arrived.iter().filter(|arrived| **arrived == subject).count();
        match state {
            OutgoingState::Sent => assert_eq!(copies, 1, "{label}"),
            OutgoingState::Unsure => {
                unsure += 1;
                assert!(copies <= 1, "{label}: {copies}");
            }
            other @ (OutgoingState::Pending
            | OutgoingState::Sending
            | OutgoingState::Failed
            | OutgoingState::Cancelled) => {
                panic!("{label} is {other:?}")
            }
        }
    }
    assert!(unsure > 0 && unsure < labels.len() / 3, "{unsure} of {}", labels.len());
}

fn subjects_of(messages: &[Vec<u8>]) -> Vec<String> {
    let subject = |raw: &Vec<u8>| {
        let text = String::from_utf8_lossy(raw).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
        line.unwrap_or_default()
    };
    messages.iter().map(subject).collect()
}

async fn with_playground(case: Case) {
    let users = [ANNA, SINK].map(|user| User::new(user, user, PASSWORD)).into();
    let clear_logins = match case.tls {
        TlsMode::None => ClearLogins::Allowed,
        TlsMode::Implicit | TlsMode::Starttls => ClearLogins::Refused,
    };
    let options = Options { host_names: vec![HOST.to_owned()], users, clear_logins, ..Options::default() };
    let playground = Playground::start(options).unwrap();
    let inbox = || -> Vec<Vec<u8>> {
        let held = playground.state().inbox(SINK).unwrap();
        held.into_iter().map(|held| held.raw.to_vec()).collect()
    };
    let address = match case.port() {
        995 => playground.pop3s(),
        110 => playground.pop3(),
        993 => playground.imaps(),
        143 => playground.imap(),
        465 => playground.smtps(),
        _ => playground.smtp(),
    };
    let servers = Servers {
        port: case.port(),
        address,
        authority: playground.ca_pem().to_owned(),
        deliver: &|raw| {
            playground.state().deliver(ANNA, raw).unwrap();
        },
        arrived: &|_| subjects_of(&inbox()),
    };
    every_answer_and_fault(&case, &servers).await;
}

async fn with_real_servers(case: Case) {
    let users = [(ANNA, PASSWORD), (SINK, PASSWORD)];
    let dovecot = Dovecot::start(DovecotOptions::with_users(users));
    let postfix = (case.operation == Operation::Outgoing).then(|| Postfix::start(&dovecot));
    let address = match (&postfix, case.port()) {
        (Some(postfix), 465) => postfix.submissions,
        (Some(postfix), _) => postfix.submission,
        (None, 995) => dovecot.pop3s,
        (None, 110) => dovecot.pop3,
        (None, 993) => dovecot.imaps,
        (None, _) => dovecot.imap,
    };
    let servers = Servers {
        port: case.port(),
        address,
        authority: std::fs::read_to_string(&dovecot.certificate.authority).unwrap(),
        deliver: &|raw| dovecot.deliver(ANNA, raw),
        arrived: &|count| {
            let delivered = || dovecot.inbox_octets(SINK).len() >= count;
            scratch::wait_until(&format!("{count} messages"), delivered, || dovecot.log());
            subjects_of(&dovecot.inbox_octets(SINK))
        },
    };
    every_answer_and_fault(&case, &servers).await;
}

macro_rules! at_every_answer {
    (in $place:ident: $with:ident { $($name:ident: $operation:ident over $kind:literal with $tls:ident, needs $need:expr;)* }) => {
        mod $place {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let need: Option<super::Need> = $need;
                if need.is_some_and(|need| super::require(need).is_none()) { return }
                let (operation, tls) = (super::Operation::$operation, super::TlsMode::$tls);
                super::$with(super::Case { operation, kind: $kind, tls }).await;
            })*
        }
    };
}

at_every_answer! {
    in playground: with_playground {
        imap_fails_by_name_and_loses_nothing: Incoming over "imapSmtp" with Implicit, needs None;
        pop3_fails_by_name_and_loses_nothing: Incoming over "pop3Smtp" with Implicit, needs None;
        smtp_fails_by_name_and_sends_nothing_twice: Outgoing over "imapSmtp" with Implicit, needs None;
        imap_with_starttls_fails_by_name_and_loses_nothing: Incoming over "imapSmtp" with Starttls, needs None;
        pop3_with_starttls_fails_by_name_and_loses_nothing: Incoming over "pop3Smtp" with Starttls, needs None;
        smtp_with_starttls_fails_by_name_and_sends_nothing_twice: Outgoing over "imapSmtp" with Starttls, needs None;
        imap_in_the_clear_fails_by_name_and_loses_nothing: Incoming over "imapSmtp" with None, needs None;
        pop3_in_the_clear_fails_by_name_and_loses_nothing: Incoming over "pop3Smtp" with None, needs None;
        smtp_in_the_clear_fails_by_name_and_sends_nothing_twice: Outgoing over "imapSmtp" with None, needs None;
    }
}

at_every_answer! {
    in real: with_real_servers {
        imap_fails_by_name_and_loses_nothing: Incoming over "imapSmtp" with Implicit, needs Some(super::Need::Servers);
        pop3_fails_by_name_and_loses_nothing: Incoming over "pop3Smtp" with Implicit, needs Some(super::Need::Servers);
        smtp_fails_by_name_and_sends_nothing_twice: Outgoing over "imapSmtp" with Implicit, needs Some(super::Need::Submission);
        imap_with_starttls_fails_by_name_and_loses_nothing: Incoming over "imapSmtp" with Starttls, needs Some(super::Need::Servers);
        pop3_with_starttls_fails_by_name_and_loses_nothing: Incoming over "pop3Smtp" with Starttls, needs Some(super::Need::Servers);
        smtp_with_starttls_fails_by_name_and_sends_nothing_twice: Outgoing over "imapSmtp" with Starttls, needs Some(super::Need::Submission);
    }
}

const MANIFEST: &str = "\
apiVersion: mailplumb/v1
kind: Organization
metadata: { name: example }
spec:
  retry: { attempts: 500, wait: 1m, attemptsPerMessage: 100 }
  recipients: { ops: RECIPIENT }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: provider }
spec:
  owner: postmaster@example.test
  KIND:
    trust: playground
    incoming: { host: mail.example.test, tls: implicit, timeout: 1s, credentials: { mailbox: {} } }
    outgoing: { host: mail.example.test, tls: implicit, timeout: 1s }
  processing: { from: 2020-01-01T00:00:00Z, minPollingInterval: 0 }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: anna }
spec:
  user: { address: anna@example.test }
  approved: anna@example.test
  profile: provider
  incoming: INCOMING
  outgoing: OUTGOING
  credentials: { password: { secret: passwords } }
";
