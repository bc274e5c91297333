//! Real processes under load from Dovecot and to Postfix, killed (SIGKILL) at places that a seed draws: nothing is lost, nothing
//! is doubled, and nothing is sent twice without being shown as `unsure`.
//!
//! `MAILPLUMB_KILLS=200` sets the number of deaths (12 if it is not set), `MAILPLUMB_KILLS_SEED` draws others.

use std::collections::BTreeMap;
use std::sync::Arc;

use mailplumb::model::record::ContentHash;
use mailplumb::playground::corpus;
use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{MessageQuery, Store};

use super::super::person::{Heard, Person, host_file};
use super::STATE;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::kill_proxy::{Trap, lead};
use crate::support::need::{Need, require, setting};
use crate::support::postfix::Postfix;
use crate::support::scratch;

const KILLS_DEFAULT: u64 = 12;
const HOST: &str = "mail.example.test";
const PASSWORD: &str = "pw";
const SINK: &str = "sink@example.test";
/// Mailbox and how it is read. One leaves its mail at the server, the other one has it removed.
const READERS: [&str; 2] = ["anna", "support"];
const DELIVERED_PER_ROUND: usize = 5;
const QUEUED_PER_ROUND: usize = 3;
/// An attempt whose end nobody knows: as many as one session has under way.
const UNSURE_PER_KILL_MAX: usize = 16;

const MANIFEST: &str = "\
apiVersion: mailplumb/v1
kind: Organization
metadata: { name: example }
spec:
  retry: { attempts: 100, wait: 1s, attemptsPerMessage: 100 }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: imap }
spec:
  owner: anna@example.test
  imapSmtp:
    trust: own
    incoming: { host: mail.example.test, tls: implicit, credentials: { mailbox: {} } }
    outgoing: { host: mail.example.test, tls: starttls }
  processing: { from: 2020-01-01T00:00:00Z, minPollingInterval: 0 }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: pop }
spec:
  owner: anna@example.test
  pop3Smtp:
    trust: own
    incoming: { host: mail.example.test, tls: implicit, credentials: { mailbox: {} } }
    outgoing: { host: mail.example.test, tls: starttls }
  processing: { from: 2020-01-01T00:00:00Z, minPollingInterval: 0 }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: anna }
spec:
  user: { address: anna@example.test }
  approved: anna@example.test
  profile: imap
  incoming: server-side-sync
  outgoing: server-side-sync
  credentials: { password: { secret: mail, key: password } }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: support }
spec:
  queue: { displayName: Support, address: support@example.test, deleteAfterProcessing: true }
  approved: support@example.test
  profile: pop
  incoming: server-side-sync
  outgoing: server-side-sync
  credentials: { password: { secret: mail, key: password } }
---
apiVersion: mailplumb/v1
kind: Secret
metadata: { name: mail }
spec:
  values:
    password: { env: MAIL_PASSWORD }
";

struct Place {
    person: Person,
    trap: Arc<Trap>,
    dovecot: Dovecot,
    postfix: Postfix,
    /// What was delivered to each mailbox, by its hash.
    delivered: BTreeMap<&'static str, Vec<String>>,
    corpus: std::vec::IntoIter<Vec<u8>>,
    queued: usize,
}

impl Place {
    fn open(messages: usize) -> Self {
        let users = [("anna@example.test", PASSWORD), ("support@example.test", PASSWORD), (SINK, PASSWORD)];
        let dovecot = Dovecot::start(DovecotOptions::with_users(users));
        let postfix = Postfix::start(&dovecot);
        let trap = Arc::new(Trap::default());
        let mut person = Person::new();
        let led = [(993, dovecot.imaps), (995, dovecot.pop3s), (587, postfix.submission)];
        let led = led.map(|(port, server)| (HOST, port, lead(server, &trap)));
        let trust = format!("trust: {{ own: {} }}\n", dovecot.certificate.authority.display());
        person.write("host.yaml", &(host_file(led) + &trust));
        person.write("mail/mailplumb.yaml", MANIFEST);
        person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
        person.export("MAILPLUMB_FILE", "mail");
        person.export("MAIL_PASSWORD", PASSWORD);
        person.types("apply --auto-approve").ends(0);
        // The tests' own messages, which the first sync recognises.
        person.types("sync").ends(0);
        Self {
            person,
            trap,
            dovecot,
            postfix,
            delivered: BTreeMap::new(),
            corpus: unique_messages(messages).into_iter(),
            queued: 0,
        }
    }

    fn load(&mut self) {
        for mailbox in READERS {
            for raw in self.corpus.by_ref().take(DELIVERED_PER_ROUND) {
                self.dovecot.deliver(&format!("{mailbox}@example.test"), &raw);
                self.delivered.entry(mailbox).or_default().push(ContentHash::of(&raw).0);
            }
        }
        for number in 0..QUEUED_PER_ROUND {
            let mailbox = READERS[number % READERS.len()];
            let subject = format!("number-{}-", self.queued);
            let line = format!("outbox add --mailbox {mailbox} --to {SINK} --subject {subject} --text x");
            self.person.types(&line).ends(0);
            self.queued += 1;
        }
    }

    /// Runs a sync up to its end or its death; returns the octets that passed and whether it was killed.
    fn sync(&self, dies_at: Option<u64>) -> (Heard, u64, bool) {
        self.runs("sync", dies_at)
    }

    /// The same for any command; `watch` ends only with its death.
    fn runs(&self, command: &str, dies_at: Option<u64>) -> (Heard, u64, bool) {
        self.trap.set(self.person.begins(&[command]), dies_at);
        scratch::wait_until(
            &format!("the end of `{command}`"),
            || self.trap.is_over(),
            || self.dovecot.log(),
        );
        let (child, passed, killed) = self.trap.take();
        (self.person.hears(command, child), passed, killed)
    }

    /// Syncs until there is nothing more to do.
    fn come_to_rest(&self) {
        for _ in 0..20 {
            let (heard, _, _) = self.sync(None);
            let waiting = self.outgoing();
            let is_quiet = waiting.iter().all(|(_, state)| state != "pending" && state != "sending");
            if heard.code == Some(0) && heard.stdout.contains("nothing new") && is_quiet {
                return;
            }
        }
        panic!("it does not come to rest:\n{:#?}", self.person.heard().last());
    }

    /// Subject and state of every queued message.
    fn outgoing(&self) -> Vec<(String, String)> {
        let list = self.person.types("outbox list --limit 100000 -o json").ends(0).json();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let messages = list["messages"].as_array().unwrap();
        messages.iter().map(|one| (text(&one["subject"]), text(&one["state"]))).collect()
    }
}

/// Of the corpus, what differs from everything else in it and crosses POP3 as it is.
fn unique_messages(count: usize) -> Vec<Vec<u8>> {
    let mut seen = std::collections::BTreeSet::new();
    let fits =
        |raw: &Vec<u8>| !raw.is_empty() && raw.ends_with(b"\r\n") && !raw.contains(&0) && raw[0] != b'.';
    let mut kept: Vec<Vec<u8>> = corpus::messages(2 * count, 11).into_iter().filter(fits).collect();
    kept.retain(|raw| seen.insert(ContentHash::of(raw)));
    assert!(kept.len() >= count, "{} of {count}", kept.len());
    kept
}

/// Everything that was delivered is recorded once, octet by octet as it was written.
async fn incoming_is_whole(place: &Place) {
    let store = SqliteStore::open(&place.person.at(STATE), Open::ReadOnly).unwrap();
    for mailbox in READERS {
        let query = MessageQuery {
            mailbox: Some(mailplumb::model::name::Name::parse(mailbox).unwrap()),
            limit: Some(u64::MAX),
            ..MessageQuery::default()
        };
        let records = store.messages(&query).await.unwrap();
        let mut recorded: Vec<String> = Vec::new();
        for record in &records {
            let raw = store.raw(&record.content).await.unwrap().unwrap();
            assert_eq!(ContentHash::of(&raw), record.content);
            recorded.push(record.content.0.clone());
        }
        let mut delivered = place.delivered[mailbox].clone();
        recorded.sort();
        delivered.sort();
        let lost = delivered.iter().filter(|hash| recorded.binary_search(hash).is_err()).count();
        assert_eq!(
            (lost, recorded.len()),
            (0, delivered.len()),
            "{mailbox}: lost, and recorded of delivered"
        );
        assert_eq!(recorded, delivered);
    }
    assert_eq!(place.dovecot.inbox_octets("support@example.test").len(), 0, "what is recorded is removed");
    assert_eq!(place.dovecot.inbox_octets("anna@example.test").len(), place.delivered["anna"].len() + 1);
}

/// Everything that was queued has arrived once; what is `unsure` once or not at all.
fn outgoing_is_whole(place: &Place, kills: u64) {
    let states = place.outgoing();
    assert_eq!(states.len(), place.queued);
    let sent = states.iter().filter(|(_, state)| state == "sent").count();
    place.postfix.wait_for_delivery(&place.dovecot, SINK, sent);
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for raw in place.dovecot.inbox_messages(SINK) {
        let subject = raw.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
        *arrived.entry(subject.trim().to_owned()).or_default() += 1;
    }
    let mut unsure = 0;
    for (subject, state) in &states {
        let copies = arrived.get(subject).copied().unwrap_or(0);
        match state.as_str() {
            "sent" => assert_eq!(copies, 1, "{subject} is sent"),
            "unsure" => {
                unsure += 1;
                assert!(copies <= 1, "{subject} is unsure and has arrived {copies} times");
            }
            other => panic!("{subject} is {other}"),
        }
    }
    assert!(unsure <= UNSURE_PER_KILL_MAX * usize::try_from(kills).unwrap(), "{unsure} are unsure");
}

fn number(variable: &str, default: u64) -> u64 {
    setting(variable).map_or(default, |text| text.to_string_lossy().parse().expect("a number"))
}

#[test]
fn killed_anywhere_under_load_nothing_is_lost_doubled_or_silently_sent_twice() {
    killed_again_and_again("sync");
}

#[test]
fn a_watch_that_is_killed_anywhere_loses_doubles_and_silently_repeats_nothing() {
    killed_again_and_again("watch");
}

fn killed_again_and_again(command: &str) {
    let Some(()) = require(Need::Submission) else { return };
    let kills = number("MAILPLUMB_KILLS", KILLS_DEFAULT);
    let mut draw = number("MAILPLUMB_KILLS_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let rounds_max = 2 * kills + 4;
    let per_round = READERS.len() * DELIVERED_PER_ROUND;
    let mut place = Place::open(usize::try_from(rounds_max).unwrap() * per_round);
    place.load();
    let (heard, whole, _) = place.sync(None);
    heard.ends(0);
    let (mut died, mut rounds) = (0, 0);
    while died < kills {
        rounds += 1;
        assert!(rounds < rounds_max, "{died} deaths in {rounds} rounds");
        place.load();
        // Marsaglia's xorshift.
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        let (_, _, killed) = place.runs(command, Some(draw % whole));
        died += u64::from(killed);
    }
    place.come_to_rest();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(incoming_is_whole(&place));
    outgoing_is_whole(&place, kills);
}
