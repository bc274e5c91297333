//! What is declared, tested and enabled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailplumb::engine::reconcile::{self, Reconciled};
use mailplumb::engine::settling::{Hold, Settling};
use mailplumb::model::host::HostSettings;
use mailplumb::model::operation::Operation;
use mailplumb::model::problem::SourceFile;
use mailplumb::playground::Options;
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::Keyring;
use mailplumb::source::directory::Directory;
use mailplumb::source::{Source, SourceError};

use super::super::site::policy;
use super::super::world::{MAILBOXES, Variant, World, address, letter, password};
use super::subjects;

#[tokio::test]
async fn what_is_declared_is_tested_and_enabled() {
    let world = World::start();
    let desk = world.site.desk();
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed, tested.deferred), (8, 0, 0), "{:#?}", desk.heard.take());
    let (_, plan) = desk.plan().await;
    assert!(plan.is_empty() && plan.blocked.is_empty());
}

#[tokio::test]
async fn nothing_unapproved_is_contacted() {
    let variant = MAILBOXES.iter().fold(Variant::default(), |variant, user| {
        variant.with(&format!("approved: {}", address(user)), "active: true")
    });
    let world = World::varied(&variant, Options::default());
    let desk = world.site.desk();
    desk.apply().await;
    for operation in Operation::ALL {
        desk.sync(operation).await;
        for user in MAILBOXES {
            desk.cycle(user, operation).await;
        }
    }
    assert_eq!(desk.state("anna", Operation::Incoming).await, "off (not approved)");
    assert_eq!(world.playground.log().entries(), []);
}

#[tokio::test]
async fn a_missing_identity_is_nobodys_failure_and_nothing_is_contacted() {
    let world = World::start();
    let mut desk = world.site.desk();
    let keyring =
        std::mem::replace(&mut desk.engine.secrets, Arc::new(Keyring::empty(Environment::fixed([]))));
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed, tested.deferred), (0, 0, 8));
    for user in MAILBOXES {
        assert_eq!(desk.state(user, Operation::Incoming).await, "awaiting-test (no identity)");
    }
    assert_eq!(world.playground.log().entries(), []);
    assert!(desk.engine.store.alerts(10).await.unwrap().is_empty());
    desk.engine.secrets = keyring;
    assert_eq!(desk.test_waiting().await.passed, 8);
}

#[tokio::test]
async fn a_test_message_is_never_a_record_and_a_forged_one_always() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    for user in MAILBOXES {
        assert_eq!(world.inbox(user).len(), 1, "the test's own message");
        let forged = [b"X-Mailplumb-Test: 0123456789abcdef\r\n".as_slice(), &letter(user)].concat();
        world.deliver(user, &forged);
    }
    desk.sync(Operation::Incoming).await;
    assert_eq!(subjects(&desk).await, MAILBOXES.map(|user| format!("letter {user}")));
}

#[tokio::test]
async fn a_changed_password_is_tested_again() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.playground.state().set_password(&address("ben"), "another").unwrap();
    let passwords = MAILBOXES.map(|user| (user, password(user)));
    let passwords =
        passwords.map(|(user, old)| (user, if user == "ben" { "another".to_owned() } else { old }));
    world.write_secrets(&passwords);
    // Each was encrypted anew, and nobody can tell that three of them are the same.
    assert_eq!(desk.apply().await.passed, 8);
    super::done(desk.incoming("ben").await);
}

/// What `watch` does whenever it looks at its files.
async fn round(desk: &super::super::site::Desk) -> Reconciled {
    look(desk, &desk.site.source(), &mut Settling::default()).await
}

async fn look(desk: &super::super::site::Desk, source: &dyn Source, settling: &mut Settling) -> Reconciled {
    let host: HostSettings = desk.site.host();
    reconcile::once(&desk.engine, source, &host, &policy(), settling).await.unwrap()
}

/// A folder in which somebody else writes before the second reading and each one after it.
struct Moving<'a> {
    folder: Directory,
    readings: AtomicUsize,
    write: &'a (dyn Fn() + Sync),
}

impl Source for Moving<'_> {
    fn load(&self) -> Result<Vec<SourceFile>, SourceError> {
        if self.readings.fetch_add(1, Ordering::SeqCst) > 0 {
            (self.write)();
        }
        self.folder.load()
    }
}

#[tokio::test]
async fn what_two_readings_do_not_agree_about_is_not_stored() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    world.edit("displayName: Sales", "displayName: Sales and mo");
    let write = || world.edit("displayName: Sales and mo", "displayName: Sales and more");
    let source = Moving { folder: desk.site.source(), readings: AtomicUsize::new(0), write: &write };
    let mut settling = Settling::default();
    assert!(matches!(look(&desk, &source, &mut settling).await, Reconciled::Held(Hold::Moved)));
    assert_eq!(desk.engine.store.stored().await.unwrap().revision.0, 1);
    let applied = look(&desk, &desk.site.source(), &mut settling).await;
    assert!(matches!(applied, Reconciled::Applied { .. }));
}

#[tokio::test]
async fn what_is_missing_is_not_deleted_by_the_first_look_and_a_file_that_moves_deletes_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    desk.apply().await;
    let whole = std::fs::read_to_string(world.site.path("mail/mailplumb.yaml")).unwrap();
    let mut documents: Vec<&str> = whole.split("\n---\n").collect();
    let users = documents.iter().position(|document| document.contains("name: ben")).unwrap();
    let moved = documents.remove(users);
    world.site.write("mail/mailplumb.yaml", &documents.join("\n---\n"));
    let mut settling = Settling::default();
    for _ in 0..2 {
        let Reconciled::Held(Hold::Missing { targets, .. }) =
            look(&desk, &desk.site.source(), &mut settling).await
        else {
            panic!("it was not held")
        };
        assert_eq!(
            targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["mailbox/anna", "mailbox/ben"]
        );
    }
    world.site.write("mail/new/users.yaml", moved);
    let round = look(&desk, &desk.site.source(), &mut settling).await;
    assert!(matches!(round, Reconciled::Unchanged { .. }));
    assert_eq!(desk.engine.store.stored().await.unwrap().revision.0, 1);
}

#[tokio::test]
async fn nothing_is_read_while_git_writes_the_files() {
    let world = World::start();
    let desk = world.site.desk();
    world.site.write(".git/index.lock", "");
    let mut settling = Settling::default();
    let held = look(&desk, &desk.site.source(), &mut settling).await;
    assert!(matches!(held, Reconciled::Held(Hold::Writing(_))));
    std::fs::remove_file(world.site.path(".git/index.lock")).unwrap();
    let applied = look(&desk, &desk.site.source(), &mut settling).await;
    assert!(matches!(applied, Reconciled::Applied { .. }));
}

#[tokio::test]
async fn a_round_without_a_change_does_not_apply_what_only_waits_for_its_next_test() {
    let world = World::start();
    world.playground.state().set_password(&address("ben"), "another").unwrap();
    let desk = world.site.desk();
    assert!(matches!(round(&desk).await, Reconciled::Applied { .. }));
    assert!(matches!(round(&desk).await, Reconciled::Unchanged { .. }), "before the tests");
    desk.test_waiting().await;
    assert_eq!(desk.state("ben", Operation::Incoming).await, "disabled (login-refused)");
    for _ in 0..2 {
        assert!(matches!(round(&desk).await, Reconciled::Unchanged { .. }));
    }
    assert_eq!(desk.state("ben", Operation::Incoming).await, "disabled (login-refused)");
    assert_eq!(desk.engine.store.stored().await.unwrap().revision.0, 1);
    // A change elsewhere leaves it alone, too.
    world.edit("displayName: Sales", "displayName: Sales and more");
    assert!(matches!(round(&desk).await, Reconciled::Applied { .. }));
    assert_eq!(desk.state("ben", Operation::Incoming).await, "disabled (login-refused)");
    assert_eq!(desk.state("sales", Operation::Incoming).await, "enabled");
}
