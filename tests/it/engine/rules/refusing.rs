//! 4xx and 5xx at each step of SMTP: what becomes of the message, and of the mailbox.

use mailplumb::engine::drive::Driven;
use mailplumb::model::operation::Operation;
use mailplumb::model::outbox::OutgoingState;
use mailplumb::playground::{Fault, Protocol, Times};

use super::super::world::World;
use super::outgoing::{accepted, queue, states};

/// What becomes of it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It waits, and the mailbox goes on.
    Waits,
    /// It is given up, and the mailbox goes on.
    Failed,
    /// It waits, and the mailbox is tried again later.
    MailboxRetries,
    /// It waits, and the mailbox is disabled.
    MailboxDisabled,
}

use Fate::{Failed, MailboxDisabled, MailboxRetries, Waits};

const STEPS: [(&str, &str, Fate); 13] = [
    ("greeting", "421 4.3.2 too busy", MailboxRetries),
    ("greeting", "554 5.3.2 no service here", MailboxDisabled),
    ("EHLO", "421 4.3.2 later", MailboxRetries),
    ("AUTH", "454 4.7.0 temporary authentication failure", MailboxRetries),
    ("AUTH", "535 5.7.8 wrong", MailboxDisabled),
    ("MAIL", "451 4.3.0 later", Waits),
    ("MAIL", "550 5.7.1 not you", Failed),
    ("RCPT", "450 4.7.1 greylisted", Waits),
    ("RCPT", "452 4.2.2 mailbox full", Waits),
    ("RCPT", "550 5.1.1 nobody", Failed),
    ("DATA", "451 4.3.0 later", Waits),
    ("DATA", "554 5.6.0 no", Failed),
    (".", "552 5.3.4 too large", Failed),
];

async fn check(at: &str, line: &str, fate: Fate) {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    queue(&desk, "anna", "one", &["ben@playground.test"]).await;
    let fault = match at {
        "greeting" => Fault::Greet(line.to_owned()),
        at => Fault::Answer { at: at.to_owned(), line: line.to_owned(), times: Times::Always },
    };
    world.playground.inject(Protocol::Smtp, fault);
    let driven = desk.outgoing("anna").await;
    let state = desk.state("anna", Operation::Outgoing).await;
    let (message, mailbox) = match fate {
        Waits => (OutgoingState::Pending, "enabled"),
        Failed => (OutgoingState::Failed, "enabled"),
        MailboxRetries => (OutgoingState::Pending, "retrying"),
        MailboxDisabled => (OutgoingState::Pending, "disabled"),
    };
    let what = format!("{at} {line}: {driven:?}, {state}");
    assert_eq!(states(&desk).await, [message], "{what}");
    assert!(state.starts_with(mailbox), "{what}");
    assert_eq!(
        matches!(driven, Driven::Failed(..)),
        matches!(fate, MailboxRetries | MailboxDisabled),
        "{what}"
    );
    assert_eq!(accepted(&world, "one"), 0, "{what}");

    // Once the server is well again, what waited is sent once; what was given up stays so.
    world.playground.heal(Protocol::Smtp);
    desk.clock.forward(7200);
    if fate == MailboxDisabled {
        desk.test("anna").await;
    }
    desk.outgoing("anna").await;
    let expected = if fate == Failed { (OutgoingState::Failed, 0) } else { (OutgoingState::Sent, 1) };
    assert_eq!((states(&desk).await[0], accepted(&world, "one")), expected, "{what}");
}

#[tokio::test]
async fn each_refusal_at_each_step_has_its_consequence_and_no_other() {
    for (at, line, fate) in STEPS {
        check(at, line, fate).await;
    }
}
