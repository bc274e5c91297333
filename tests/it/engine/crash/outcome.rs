//! What is compared after a crash with what there is without one.

use std::collections::{BTreeMap, BTreeSet};

use mailplumb::model::event::{Cycle, Event};
use mailplumb::model::limits;
use mailplumb::model::operation::Operation;
use mailplumb::model::outbox::OutgoingState;
use mailplumb::model::record::ContentHash;
use mailplumb::model::stored::Stored;
use mailplumb::playground::Protocol;
use mailplumb::store::{MessageQuery, OutboxQuery};

use super::remotes::{SEND, SENT};
use super::scenario::Scenario;
use crate::engine::site::{Desk, skipped};
use crate::engine::world::{MAILBOXES, World};

/// All that counts, on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub revision: u64,
    /// Organization, profiles, mailboxes with their states, secrets.
    pub declared: Vec<String>,
    /// Mailbox, content, whether it is quarantined; sorted.
    pub records: Vec<(String, String, bool)>,
    /// The contents of each mailbox at the server, without the tests' own messages.
    pub inboxes: BTreeMap<&'static str, Vec<String>>,
    /// The state of each queued message and of each of its recipients.
    pub outbox: BTreeMap<String, (OutgoingState, Vec<OutgoingState>)>,
    /// To whom the server accepted each queued message, once for every time it did.
    pub received: BTreeMap<String, Vec<Vec<String>>>,
}

/// Works until there is nothing left to do. Nobody may be in the way: the dead process's leases are worth nothing.
pub async fn work_until_quiet(scenario: Scenario, world: &World) -> Outcome {
    let desk = world.site.desk();
    for _ in 0..5 {
        world.playground.log().clear();
        scenario.run(&desk).await;
        let events = desk.heard.take();
        assert_eq!(skipped(&events), BTreeSet::new());
        if events.iter().all(is_nothing) {
            assert_eq!(content_commands(world), Vec::<String>::new(), "a quiet round moves no mail");
            return outcome(scenario, world, &desk).await;
        }
    }
    panic!("it never becomes quiet");
}

fn is_nothing(event: &Event) -> bool {
    matches!(event, Event::CycleEnded { cycle, .. } if *cycle == Cycle::default())
}

/// Commands that carry messages, or parts of them.
fn content_commands(world: &World) -> Vec<String> {
    let log = world.playground.log();
    let mut commands = log.commands(Protocol::Imap);
    commands.extend(log.commands(Protocol::Pop3));
    commands.extend(log.commands(Protocol::Smtp));
    commands.retain(|command| {
        let command = command.to_uppercase();
        ["RETR", "TOP", "DELE", "MAIL", "RCPT", "DATA"].iter().any(|verb| command.starts_with(verb))
            || ["BODY", "RFC822 ", "STORE", "EXPUNGE"].iter().any(|word| command.contains(word))
    });
    commands
}

async fn outcome(scenario: Scenario, world: &World, desk: &Desk) -> Outcome {
    let (_, plan) = desk.plan().await;
    assert!(plan.is_empty() && plan.blocked.is_empty(), "a second plan is empty: {plan:#?}");
    if scenario == Scenario::Apply {
        // So that the tests' own messages have had their chance to become records.
        desk.sync(Operation::Incoming).await;
    }
    let outbox = outbox(desk).await;
    let received = received(world, outbox.keys());
    let stored = desk.engine.store.stored().await.unwrap();
    Outcome {
        revision: stored.revision.0,
        declared: declared(&stored),
        records: records(desk).await,
        inboxes: MAILBOXES.map(|user| (user, world.inbox_hashes(user))).into(),
        outbox,
        received,
    }
}

fn declared(stored: &Stored) -> Vec<String> {
    let mut words = vec![format!("{:?}", stored.organization)];
    words.extend(stored.profiles.values().map(|profile| format!("{profile:?}")));
    words.extend(stored.secrets.iter().map(|secret| format!("{secret:?}")));
    for mailbox in stored.mailboxes.values() {
        words.push(format!("{:?} {:?}", mailbox.declared, mailbox.process_from));
        for (operation, stored) in &mailbox.operations {
            words.push(format!("{operation} {} {:?}", stored.standing(), stored.connection));
        }
    }
    words
}

async fn records(desk: &Desk) -> Vec<(String, String, bool)> {
    let all = MessageQuery { limit: Some(u64::MAX), ..MessageQuery::default() };
    let mut records = Vec::new();
    for record in desk.engine.store.messages(&all).await.unwrap() {
        let raw = desk.engine.store.raw(&record.content).await.unwrap().unwrap();
        assert_eq!(ContentHash::of(&raw), record.content, "the octets are those that were recorded");
        records.push((record.mailbox.to_string(), record.content.0, record.quarantine.is_some()));
    }
    records.sort();
    records
}

async fn outbox(desk: &Desk) -> BTreeMap<String, (OutgoingState, Vec<OutgoingState>)> {
    let all = OutboxQuery { limit: Some(u64::MAX), ..OutboxQuery::default() };
    let messages = desk.engine.store.outbox(&all).await.unwrap();
    let state = |message: mailplumb::model::outbox::OutgoingMessage| {
        let recipients = message.recipients.iter().map(|recipient| recipient.state).collect();
        (message.message_id, (message.state, recipients))
    };
    let count = messages.len();
    let states: BTreeMap<_, _> = messages.into_iter().map(state).collect();
    assert_eq!(states.len(), count, "a message is queued once");
    states
}

fn received<'a>(
    world: &World,
    message_ids: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, Vec<Vec<String>>> {
    let accepted = world.playground.state().accepted();
    let of_one = |message_id: &String| {
        let header = format!("Message-ID: <{message_id}>");
        let times = accepted.iter().filter(|one| String::from_utf8_lossy(&one.raw).contains(&header));
        (message_id.clone(), times.map(|one| one.recipients.clone()).collect())
    };
    message_ids.map(of_one).collect()
}

impl Outcome {
    /// Whether this, after a death before some call, is as good as no death.
    pub fn judge(&self, scenario: Scenario, uninterrupted: &Self, died_before: &str) {
        assert_eq!(self.declared, uninterrupted.declared);
        assert_eq!(self.records, uninterrupted.records);
        let revisions = self.revision - uninterrupted.revision;
        match scenario {
            // A test that was interrupted is planned once more, and that is a revision.
            Scenario::Apply | Scenario::Switch => assert!(revisions <= 1, "{revisions} more revisions"),
            Scenario::Incoming | Scenario::Outgoing => assert_eq!(revisions, 0),
        }
        match scenario {
            Scenario::Apply | Scenario::Switch | Scenario::Incoming => {
                assert_eq!(self.inboxes, uninterrupted.inboxes)
            }
            Scenario::Outgoing => self.judge_outbox(uninterrupted, died_before),
        }
    }

    /// A death leaves in doubt what was noted as begun, at most two groups of it, and nothing of that is sent again.
    fn judge_outbox(&self, uninterrupted: &Self, died_before: &str) {
        assert_eq!(self.outbox.len(), uninterrupted.outbox.len(), "no queued message is lost");
        let mut in_doubt = Vec::new();
        for (message_id, is) in &self.outbox {
            let (received, expected) = (&self.received[message_id], &uninterrupted.received[message_id]);
            if is.0 == OutgoingState::Unsure {
                in_doubt.push(message_id);
                assert!(
                    received.is_empty() || received == expected,
                    "{message_id} is in doubt: {received:?}"
                );
            } else {
                assert_eq!(is, &uninterrupted.outbox[message_id], "{message_id}");
                assert_eq!(received, expected, "{message_id} is {is:?}");
            }
        }
        if [SEND, SENT].contains(&died_before) {
            assert!(!in_doubt.is_empty(), "an attempt was under way");
        }
        let most = 2 * limits::OUTGOING_GROUP_MESSAGES;
        assert!(in_doubt.len() <= most, "in doubt: {in_doubt:?}");
    }
}
