//! What the process does that is killed: three pieces of work, each safe to begin again at any time.

use std::time::Duration;

use bytes::Bytes;
use mailplumb::model::name::Address;
use mailplumb::model::operation::Operation;
use mailplumb::model::outbox::NewOutgoing;
use mailplumb::playground::Options;

use crate::engine::site::{Desk, name};
use crate::engine::world::{Variant, World, dated_letter, letter};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Plan, apply to a new store, test and enable all mailboxes.
    Apply,
    /// Apply changed connections of mailboxes that work, test them and switch, and read.
    Switch,
    /// Read all mailboxes, in several batches each; remove what was read from two of them.
    Incoming,
    /// Queue messages and send them; some recipients are refused.
    Outgoing,
}

impl Scenario {
    /// Whether mail comes in. How many messages are written together depends on how fast they come, and so does the number
    /// of the last point.
    pub fn reads(self) -> bool {
        match self {
            Self::Switch | Self::Incoming => true,
            Self::Apply | Self::Outgoing => false,
        }
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Switch => "switch",
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }

    pub fn parse(key: &str) -> Self {
        let all = [Self::Apply, Self::Switch, Self::Incoming, Self::Outgoing];
        all.into_iter().find(|scenario| scenario.key() == key).unwrap()
    }

    /// The world in which it begins, made once.
    pub async fn template(self) -> Template {
        let world = match self {
            // Two queues and a user are enough, one of them read by POP3.
            Self::Apply | Self::Switch => {
                World::varied(&Variant::default().with(BEN, ""), Options::default())
            }
            Self::Incoming | Self::Outgoing => World::start(),
        };
        match self {
            Self::Apply => {}
            Self::Switch | Self::Incoming | Self::Outgoing => {
                let desk = world.site.desk();
                assert_eq!(desk.apply().await.failed, 0);
                drop(desk);
                closed(&world).await;
            }
        }
        if self == Self::Switch {
            // Other connections that work as well: the inboxes' by POP3 and IMAP, and the way out of one profile.
            world.edit(
                "implicit, credentials: { mailbox",
                "implicit, authentication: plain, credentials: { mailbox",
            );
            world.edit(
                "starttls, credentials: { mailbox",
                "starttls, authentication: plain, credentials: { mailbox",
            );
            world.edit("port: 587, tls: starttls }", "port: 587, tls: starttls, authentication: plain }");
        }
        Template { world, scenario: self }
    }

    pub async fn run(self, desk: &Desk) {
        match self {
            Self::Apply => {
                desk.apply().await;
            }
            Self::Switch => {
                desk.apply().await;
                desk.sync(Operation::Incoming).await;
            }
            Self::Incoming => desk.sync(Operation::Incoming).await,
            Self::Outgoing => {
                for (number, (mailbox, recipients)) in QUEUED.iter().enumerate() {
                    let message = outgoing(desk, number, mailbox, recipients);
                    desk.engine.store.enqueue(&message).await.unwrap();
                }
                desk.sync(Operation::Outgoing).await;
            }
        }
    }
}

const BEN: &str =
    "    - { name: ben, address: ben@playground.test, approved: ben@playground.test, profile: pop }\n";

/// A world to begin in, from which as many as are needed are copied.
pub struct Template {
    world: World,
    scenario: Scenario,
}

impl Template {
    /// A new world, with new servers that have the same mail.
    pub fn open(&self) -> World {
        let world = World::copy_of(&self.world.site);
        match self.scenario {
            Scenario::Apply | Scenario::Outgoing => {}
            Scenario::Switch => {
                for user in ["anna", "sales", "support"] {
                    self.world.inbox(user).iter().for_each(|raw| world.deliver(user, raw));
                    world.deliver(user, &letter(&format!("{user}-0")));
                }
            }
            Scenario::Incoming => {
                for (user, count) in LETTERS {
                    // What the tests sent comes first, as it did in the template.
                    self.world.inbox(user).iter().for_each(|raw| world.deliver(user, raw));
                    post(user, count).iter().for_each(|raw| world.deliver(user, raw));
                }
            }
        }
        world
    }
}

/// Returns once nobody has the store open: tasks that renewed leases and its own threads let go of it in their own time, and what is
/// copied before is another beginning. The last one to close it removes its log.
async fn closed(world: &World) {
    let log = world.site.path("state/state.db-wal");
    for _ in 0..1500 {
        if !log.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the store is still open");
}

/// A batch has at most 64 messages.
const LETTERS: [(&str, usize); 4] = [("anna", 140), ("ben", 20), ("sales", 70), ("support", 140)];

/// Letters, and among them one that is too old, one that cannot be understood, one twice, and one that pretends to be a
/// test.
fn post(user: &str, count: usize) -> Vec<Vec<u8>> {
    let mut post: Vec<_> = (0..count).map(|number| letter(&format!("{user}-{number}"))).collect();
    let forged = [b"X-Mailplumb-Test: forged\r\n".as_slice(), &letter(&format!("{user}-forged"))].concat();
    post.insert(count / 2, b" \r\n\r\n".to_vec());
    post.insert(count / 3, forged);
    post.insert(2, dated_letter(&format!("{user}-old"), "Mon, 03 Mar 2025 10:00:00 +0000"));
    post.push(letter(&format!("{user}-0")));
    post
}

/// How many different messages of [`post`] are to become records.
pub fn records_expected() -> usize {
    // Each letter, the forged one, and the one that cannot be understood. The old one is listed with a date within
    // reach by IMAP, whose server says when it was received.
    LETTERS.iter().map(|(user, count)| count + 2 + usize::from(is_imap(user))).sum()
}

/// How many messages are to remain in a mailbox whose processed mail is removed: the test's own and the one that was not
/// understood; the old one where it was too old.
pub fn remaining_expected(user: &str) -> usize {
    if is_imap(user) { 2 } else { 3 }
}

fn is_imap(user: &str) -> bool {
    ["anna", "sales"].contains(&user)
}

/// From which mailbox to whom. There is no `nobody`; elsewhere, everybody is accepted.
const QUEUED: [(&str, &[&str]); 8] = [
    ("anna", &["ben@playground.test"]),
    ("anna", &["ben@playground.test", "sales@playground.test"]),
    ("anna", &["nobody@playground.test", "ben@playground.test"]),
    ("anna", &["nobody@playground.test"]),
    ("anna", &["reader@elsewhere.test"]),
    ("support", &["anna@playground.test"]),
    ("support", &["anna@playground.test", "nobody@playground.test"]),
    ("support", &["reader@elsewhere.test", "ben@playground.test"]),
];

fn outgoing(desk: &Desk, number: usize, mailbox: &str, recipients: &[&str]) -> NewOutgoing {
    let message_id = format!("out-{number}@playground.test");
    let raw = letter("x").iter().copied().map(char::from).collect::<String>();
    let raw = raw.replace("x@elsewhere.test", &message_id);
    NewOutgoing {
        mailbox: name(mailbox),
        recipients: recipients.iter().map(|recipient| Address::parse(recipient).unwrap()).collect(),
        raw: Bytes::from(raw.into_bytes()),
        message_id,
        subject: None,
        idempotency_key: Some(format!("key-{number}")),
        at: desk.engine.clock.now(),
    }
}
