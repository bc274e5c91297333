//! Declared and effective versions: what works is kept while its change waits for a test, and no longer.

use std::collections::BTreeMap;
use std::sync::Arc;

use mailplumb::model::cursor::{Cursor, InboxId};
use mailplumb::model::operation::{Awaiting, Operation, OperationState};
use mailplumb::model::pending::{Pending, Standing, Version};
use mailplumb::model::plan::Effect;
use mailplumb::model::profile::{Profile, Server};
use mailplumb::model::revision::Revision;
use mailplumb::model::secret::SealedValue;
use mailplumb::store::{Kept, MailboxRow, Occasion, StateChange, Store, StoreError};

use super::World;
use crate::store::samples::*;

fn waiting() -> Standing {
    let pending = Pending::Waiting { awaiting: Awaiting::Test, since: at(4) };
    Standing { state: OperationState::Enabled, pending: Some(pending) }
}

fn change(mailbox: &str, state: Standing) -> StateChange {
    StateChange {
        mailbox: name(mailbox),
        operation: Operation::Incoming,
        state,
        enters: None,
        alerts: Vec::new(),
        at: at(5),
        occasion: Occasion::TestEnded { process_from: Some(at(3)) },
    }
}

async fn note(store: &dyn Store, change: &StateChange) -> Result<(), StoreError> {
    let lease = lease_mailbox(store, change.mailbox.as_str()).await;
    store.change_state(&lease, change).await
}

/// A store in which reading these mailboxes works.
pub async fn set_up_working(store: &dyn Store, mailboxes: &[&str]) {
    set_up(store, mailboxes).await;
    for mailbox in mailboxes {
        note(store, &change(mailbox, OperationState::Enabled.into())).await.unwrap();
    }
}

fn elsewhere() -> Profile {
    let mut profile = profile();
    if let Server::ImapSmtp(servers) = &mut profile.server {
        servers.incoming.host = "new.contoso.example".to_owned();
    }
    profile
}

/// Another ciphertext, and the profile somewhere else.
fn moved(ciphertext: &SealedValue) -> Vec<Effect> {
    let secret = Effect::PutSecret { secret: secret_ref(), digest: ciphertext.digest(), proof: None };
    vec![secret, Effect::PutProfile(Box::new(elsewhere()))]
}

/// Applies these steps; reading the mailboxes that they put goes on meanwhile.
pub async fn pend(
    store: &dyn Store,
    effects: Vec<Effect>,
    ciphertext: &SealedValue,
) -> Result<Revision, StoreError> {
    let plan = plan(store, effects).await;
    let mut commit = commit_of(&plan, 4);
    commit.secrets = vec![(secret_ref(), ciphertext.clone())];
    for step in plan.steps.iter() {
        if let Effect::PutMailbox(put) = &step.effect {
            let mailbox = put.renamed_from.as_ref().unwrap_or(&put.mailbox.name).clone();
            let secrets = vec![secret_ref()];
            commit.kept.push(Kept { mailbox, operation: Operation::Incoming, secrets });
        }
    }
    for (operation, standing) in commit.states.iter_mut().flat_map(|(_, states)| states) {
        if *operation == Operation::Incoming {
            *standing = Arc::new(waiting());
        }
    }
    store.commit_revision(&lease_state(store).await, commit).await
}

async fn row(store: &dyn Store, mailbox: &str) -> MailboxRow {
    store.mailbox(&name(mailbox)).await.unwrap().unwrap()
}

fn version_of(mailbox: &str) -> Version {
    Version {
        profile: profile(),
        address: address(&format!("{mailbox}@contoso.example")),
        credentials: None,
        secrets: BTreeMap::from([(secret_ref(), sealed("ciphertext").digest())]),
    }
}

async fn is_kept(store: &dyn Store, ciphertext: &str) -> bool {
    let kept = store.sealed_version(&sealed(ciphertext).digest()).await.unwrap();
    assert!(kept.iter().all(|kept| *kept == sealed(ciphertext)));
    kept.is_some()
}

pub async fn a_pending_change_keeps_what_works(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna"]).await;
    let second = sealed("second");
    let effects = [moved(&second), vec![put_effect("anna", "c2")]].concat();
    pend(store, effects, &second).await.unwrap();
    let anna = row(&*(world.again)(), "anna").await;
    assert_eq!(anna.effective, BTreeMap::from([(Operation::Incoming, version_of("anna"))]));
    assert_eq!(anna.profile, Some(elsewhere()));
    let incoming = &anna.stored.operations[&Operation::Incoming];
    assert_eq!(incoming.standing(), waiting());
    assert_eq!(incoming.connection.as_ref().unwrap().0, "c2");
    assert_eq!(incoming.proved.as_ref().unwrap().0, "c1");
    assert!(is_kept(store, "ciphertext").await);
    assert_eq!(store.sealed(&secret_ref()).await.unwrap(), Some(second));
    let all = store.mailboxes().await.unwrap();
    assert_eq!(all[0].effective, anna.effective);
    assert_eq!(store.stored().await.unwrap().mailboxes[&name("anna")], anna.stored);
}

pub async fn a_second_change_keeps_the_version_that_works_and_not_the_one_that_waited(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna"]).await;
    let (second, third) = (sealed("second"), sealed("third"));
    pend(store, [moved(&second), vec![put_effect("anna", "c2")]].concat(), &second).await.unwrap();
    pend(store, [moved(&third), vec![put_effect("anna", "c3")]].concat(), &third).await.unwrap();
    assert_eq!(row(store, "anna").await.effective[&Operation::Incoming], version_of("anna"));
    assert!(is_kept(store, "ciphertext").await && !is_kept(store, "second").await);
}

pub async fn a_switch_is_one_write_with_its_inbox(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let (old, new) = (InboxId::of(&["old server"]), InboxId::of(&["new server"]));
    store.enter_inbox(&lease, &name("anna"), &old).await.unwrap();
    store.record(&lease, &batch("anna", 7, vec![record(7, "hello")])).await.unwrap();
    let second = sealed("second");
    pend(store, [moved(&second), vec![put_effect("anna", "c2")]].concat(), &second).await.unwrap();
    assert_ne!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start, "it is still read where it was");
    let mut passed = change("anna", OperationState::Enabled.into());
    passed.enters = Some(new.clone());
    note(store, &passed).await.unwrap();
    let anna = row(store, "anna").await;
    assert_eq!(anna.effective, BTreeMap::new());
    let incoming = &anna.stored.operations[&Operation::Incoming];
    assert_eq!((incoming.pending.as_ref(), &incoming.proved), (None, &incoming.connection));
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start);
    assert!(!is_kept(store, "ciphertext").await, "nothing works with it any more");
    let lease = lease_mailbox(store, "anna").await;
    store.record(&lease, &batch("anna", 9, Vec::new())).await.unwrap();
    note(store, &passed).await.unwrap();
    assert_ne!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start, "it is in that inbox already");
}

pub async fn a_failed_test_of_a_change_is_read_back_and_proves_nothing(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna"]).await;
    pend(store, vec![put_effect("anna", "c2")], &sealed("ciphertext")).await.unwrap();
    let failed = Pending::Failed { failure: failure(), attempts: 2, at: at(5) };
    let standing = Standing { state: OperationState::Enabled, pending: Some(failed) };
    note(store, &change("anna", standing.clone())).await.unwrap();
    let anna = row(store, "anna").await;
    let incoming = &anna.stored.operations[&Operation::Incoming];
    assert_eq!((incoming.standing(), incoming.tested_at), (standing, Some(at(5))));
    assert_eq!(incoming.proved.as_ref().unwrap().0, "c1");
    assert_eq!(anna.effective[&Operation::Incoming], version_of("anna"));
}

pub async fn what_two_work_with_is_kept_until_neither_does(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna", "ben"]).await;
    let second = sealed("second");
    let puts = vec![put_effect("anna", "c2"), put_effect("ben", "c2")];
    pend(store, [moved(&second), puts].concat(), &second).await.unwrap();
    note(store, &change("anna", OperationState::Enabled.into())).await.unwrap();
    assert_eq!(row(store, "ben").await.effective[&Operation::Incoming], version_of("ben"));
    assert!(is_kept(store, "ciphertext").await);
    note(store, &change("ben", OperationState::AwaitingTest(Awaiting::Test).into())).await.unwrap();
    assert!(!is_kept(store, "ciphertext").await);
}

pub async fn what_works_outlives_the_deletion_of_its_profile_and_secret(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna"]).await;
    let other = Profile { name: name("other"), ..elsewhere() };
    let mut put = put("berta", "c2");
    put.mailbox.profile = Some(name("other"));
    put.renamed_from = Some(name("anna"));
    let effects = vec![
        Effect::PutProfile(Box::new(other)),
        Effect::PutMailbox(Box::new(put)),
        Effect::DeleteProfile(name("provider")),
        Effect::DeleteSecret(secret_ref()),
    ];
    pend(store, effects, &sealed("ciphertext")).await.unwrap();
    assert_eq!(row(store, "berta").await.effective[&Operation::Incoming], version_of("anna"));
    assert!(is_kept(store, "ciphertext").await);
    assert_eq!(store.sealed(&secret_ref()).await.unwrap(), None);
}

pub async fn what_is_switched_off_or_deleted_keeps_no_version(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna", "ben"]).await;
    let puts = vec![put_effect("anna", "c2"), put_effect("ben", "c2")];
    pend(store, puts, &sealed("ciphertext")).await.unwrap();
    apply(store, vec![put_effect("anna", "c2"), Effect::DeleteMailbox(name("ben"))]).await.unwrap();
    assert_eq!(row(store, "anna").await.effective, BTreeMap::new());
    assert!(!is_kept(store, "ciphertext").await);
}

/// Of an earlier apply, whose test has not passed: the plan of the later one knows only what is declared.
pub async fn whoever_works_as_a_former_address_stops_when_another_mailbox_gets_it(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna", "ben"]).await;
    let mut moving = put("ben", "c2");
    moving.mailbox.address = address("benjamin@contoso.example");
    pend(store, vec![Effect::PutMailbox(Box::new(moving))], &sealed("ciphertext")).await.unwrap();
    let lease = lease_mailbox(store, "ben").await;
    let mut taking = put("clara", "c1");
    taking.mailbox.address = address("Ben@contoso.example");
    apply(store, vec![put_effect("anna", "c1"), Effect::PutMailbox(Box::new(taking))]).await.unwrap();
    let ben = row(&*(world.again)(), "ben").await;
    assert_eq!(ben.effective, BTreeMap::new());
    let incoming = &ben.stored.operations[&Operation::Incoming];
    assert_eq!(incoming.standing(), OperationState::AwaitingTest(Awaiting::Test).into());
    assert_eq!(incoming.connection.as_ref().unwrap().0, "c2");
    assert!(matches!(store.renew(&lease, at(6)).await, Err(StoreError::Withdrawn(_))));
    assert!(store.waiting().await.unwrap().contains(&name("ben")));
}

pub async fn a_change_is_not_pending_without_a_version_that_works(world: &World) {
    let store = &*world.store;
    set_up_working(store, &["anna"]).await;
    assert!(note(store, &change("anna", waiting())).await.is_err());
    let plan = plan(store, vec![put_effect("anna", "c2")]).await;
    let mut commit = commit_of(&plan, 4);
    let states = commit.states.iter_mut().flat_map(|(_, states)| states);
    states.for_each(|(_, standing)| *standing = Arc::new(waiting()));
    assert!(store.commit_revision(&lease_state(store).await, commit).await.is_err());
    let anna = row(store, "anna").await;
    assert_eq!(anna.stored.operations[&Operation::Incoming].standing(), OperationState::Enabled.into());
    assert_eq!(anna.effective, BTreeMap::new());
}
