//! Applies: all of a plan or nothing, and only on the state that it was made from.

use mailplumb::model::cursor::{Cursor, Mark};
use mailplumb::model::operation::{Awaiting, Operation, OperationState};
use mailplumb::model::plan::{Effect, PutMailbox};
use mailplumb::model::revision::{Revision, StoreId};
use mailplumb::model::stored::Stored;
use mailplumb::store::{MessageQuery, Occasion, StateChange, Store, StoreError};

use super::World;
use crate::store::samples::*;

async fn names(store: &dyn Store) -> Vec<String> {
    store.mailboxes().await.unwrap().into_iter().map(|row| row.stored.declared.name.to_string()).collect()
}

pub async fn a_new_store_is_at_revision_zero_and_keeps_its_id(world: &World) {
    let id = world.store.id().await.unwrap();
    assert_eq!(id.0.len(), 32);
    assert_eq!((world.again)().id().await.unwrap(), id);
    let stored = world.store.stored().await.unwrap();
    assert_eq!(stored, Stored { store: Some(id), ..Stored::empty() });
    assert_eq!(world.store.manifest_digest().await.unwrap(), None);
    assert!(world.store.revisions(10).await.unwrap().is_empty());
}

pub async fn what_was_applied_is_read_back(world: &World) {
    set_up(&*world.store, &["ben", "anna"]).await;
    let stored = (world.again)().stored().await.unwrap();
    assert_eq!(stored.revision, Revision(1));
    assert_eq!(stored.organization, Some(organization()));
    assert_eq!(stored.profiles[&name("provider")], profile());
    assert_eq!(stored.secrets[&secret_ref()], sealed("ciphertext").digest());
    let anna = &stored.mailboxes[&name("anna")];
    assert_eq!(anna.declared, mailbox("anna"));
    assert_eq!(anna.operations.len(), 3);
    assert_eq!(anna.operations[&Operation::Incoming].state, OperationState::AwaitingTest(Awaiting::Test));
    assert_eq!(anna.operations[&Operation::Incoming].connection.as_ref().unwrap().0, "c1");
    assert_eq!(anna.operations[&Operation::Incoming].changed_at, at(1));
    assert_eq!(world.store.sealed(&secret_ref()).await.unwrap(), Some(sealed("ciphertext")));
    assert_eq!(names(&*world.store).await, ["anna", "ben"]);
    let row = world.store.mailbox(&name("anna")).await.unwrap().unwrap();
    assert_eq!((&row.stored, row.profile), (anna, Some(profile())));
    let entry = world.store.revisions(10).await.unwrap().remove(0);
    assert_eq!((entry.created, entry.updated, entry.deleted), (4, 1, 0));
    assert_eq!((entry.applied_at, entry.manifest.0.as_str()), (at(1), "digest-1"));
    assert_eq!(world.store.manifest_digest().await.unwrap(), Some(entry.manifest));
}

pub async fn a_plan_from_before_the_store_is_good_for_its_first_revision_only(world: &World) {
    let mut plan = plan(&*world.store, Vec::new()).await;
    plan.store = None;
    let lease = lease_state(&*world.store).await;
    assert_eq!(world.store.commit_revision(&lease, commit_of(&plan, 1)).await.unwrap(), Revision(1));
    let refused = world.store.commit_revision(&lease, commit_of(&plan, 2)).await;
    assert!(matches!(refused, Err(StoreError::AlreadyApplied { revision: Revision(1), .. })));
    plan.revision = Revision(1);
    let refused = world.store.commit_revision(&lease, commit_of(&plan, 2)).await;
    assert!(matches!(refused, Err(StoreError::OtherStore { .. })));
}

pub async fn a_stale_plan_changes_nothing(world: &World) {
    let stale = plan(&*world.store, vec![put_effect("anna", "c1")]).await;
    set_up(&*world.store, &["ben"]).await;
    let lease = lease_state(&*world.store).await;
    let refused = world.store.commit_revision(&lease, commit_of(&stale, 2)).await;
    assert!(matches!(refused, Err(StoreError::Stale { planned: Revision(0), found: Revision(1), .. })));
    assert_eq!(names(&*world.store).await, ["ben"]);
}

pub async fn a_plan_for_another_store_changes_nothing(world: &World) {
    let mut plan = plan(&*world.store, vec![Effect::PutProfile(Box::new(profile()))]).await;
    plan.store = Some(StoreId("0".repeat(32)));
    let lease = lease_state(&*world.store).await;
    let refused = world.store.commit_revision(&lease, commit_of(&plan, 2)).await;
    assert!(matches!(refused, Err(StoreError::OtherStore { .. })));
    assert!(world.store.stored().await.unwrap().profiles.is_empty());
}

pub async fn a_plan_that_fails_in_its_last_step_changes_nothing(world: &World) {
    set_up(&*world.store, &["anna"]).await;
    let before = world.store.stored().await.unwrap();
    let effects =
        vec![renamed("anna", "berta"), put_effect("carl", "c1"), Effect::DeleteProfile(name("never-there"))];
    assert!(matches!(apply(&*world.store, effects).await, Err(StoreError::NotFound(_))));
    assert_eq!(world.store.stored().await.unwrap(), before);
    set_up_works_again(&*world.store).await;
}

async fn set_up_works_again(store: &dyn Store) {
    assert_eq!(apply(store, vec![put_effect("carl", "c1")]).await.unwrap(), Revision(2));
}

pub async fn a_ciphertext_other_than_the_planned_one_is_refused(world: &World) {
    let effect = Effect::PutSecret { secret: secret_ref(), digest: sealed("another").digest(), proof: None };
    assert!(apply(&*world.store, vec![effect]).await.is_err());
    assert_eq!(world.store.sealed(&secret_ref()).await.unwrap(), None);
    assert_eq!(world.store.stored().await.unwrap().revision, Revision(0));
}

pub async fn what_is_deleted_is_gone(world: &World) {
    set_up(&*world.store, &["anna"]).await;
    let effects = vec![
        Effect::DeleteMailbox(name("anna")),
        Effect::DeleteProfile(name("provider")),
        Effect::DeleteSecret(secret_ref()),
    ];
    apply(&*world.store, effects).await.unwrap();
    let stored = world.store.stored().await.unwrap();
    assert!(stored.mailboxes.is_empty() && stored.profiles.is_empty() && stored.secrets.is_empty());
    assert!(world.store.mailbox(&name("anna")).await.unwrap().is_none());
    assert_eq!(world.store.revisions(1).await.unwrap()[0].deleted, 3);
}

pub async fn a_profile_that_a_mailbox_uses_cannot_be_deleted(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let before = store.stored().await.unwrap();
    assert!(apply(store, vec![Effect::DeleteProfile(name("provider"))]).await.is_err());
    assert_eq!(store.stored().await.unwrap(), before);
    assert_eq!(names(store).await, ["anna"]);
}

pub async fn a_rename_keeps_everything_that_belongs_to_the_mailbox(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let mut message = record(4, "x");
    message.delete_after = true;
    store.record(&lease, &batch("anna", 4, vec![message.clone()])).await.unwrap();
    store.enqueue(&outgoing("anna", Some("key"))).await.unwrap();
    apply(store, vec![renamed("anna", "berta")]).await.unwrap();

    assert_eq!(names(store).await, ["berta"]);
    let berta = name("berta");
    assert_eq!(
        store.cursor(&berta).await.unwrap(),
        Cursor::Imap { validity: 1, uid_last: 4, mark: Mark::default() }
    );
    assert_eq!(store.deletions(&berta).await.unwrap(), [message.remote]);
    let listed = store.messages(&MessageQuery { mailbox: Some(berta.clone()), ..Default::default() }).await;
    assert_eq!(listed.unwrap()[0].mailbox, berta);
    assert!(store.enqueue(&outgoing("berta", Some("key"))).await.unwrap().already_there);
    assert!(matches!(store.cursor(&name("anna")).await, Err(StoreError::NotFound(_))));
    let refused = store.record(&lease, &batch("anna", 5, Vec::new())).await;
    assert!(matches!(refused, Err(StoreError::Withdrawn(_))), "the worker under the former name");
}

pub async fn two_mailboxes_may_swap_their_names(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let lease = lease_mailbox(store, "anna").await;
    store.record(&lease, &batch("anna", 1, vec![record(1, "was anna")])).await.unwrap();
    apply(store, vec![renamed("anna", "ben"), renamed("ben", "anna")]).await.unwrap();
    assert_eq!(names(store).await, ["anna", "ben"]);
    assert_eq!(store.messages(&MessageQuery::default()).await.unwrap()[0].mailbox, name("ben"));
}

pub async fn a_deleted_mailbox_frees_its_name_in_the_same_plan(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let lease = lease_mailbox(store, "ben").await;
    store.record(&lease, &batch("ben", 1, vec![record(1, "kept")])).await.unwrap();
    apply(store, vec![renamed("ben", "anna"), Effect::DeleteMailbox(name("anna"))]).await.unwrap();
    assert_eq!(names(store).await, ["anna"]);
    assert_eq!(
        store.cursor(&name("anna")).await.unwrap(),
        Cursor::Imap { validity: 1, uid_last: 1, mark: Mark::default() }
    );
}

pub async fn a_deleted_mailbox_keeps_its_records_under_its_name(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let mut old = record(1, "old");
    old.delete_after = true;
    store.record(&lease, &batch("anna", 1, vec![old.clone()])).await.unwrap();
    apply(store, vec![Effect::DeleteMailbox(name("anna"))]).await.unwrap();
    let query = MessageQuery { mailbox: Some(name("anna")), ..Default::default() };
    assert_eq!(store.messages(&query).await.unwrap().len(), 1);
    assert_eq!(store.raw(&old.content).await.unwrap().as_ref(), old.raw.held());

    // A new mailbox of the same name is another one: unread, and with the same octets not known to it.
    apply(store, vec![put_effect("anna", "c1")]).await.unwrap();
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start);
    assert!(store.deletions(&name("anna")).await.unwrap().is_empty());
    let lease = lease_mailbox(store, "anna").await;
    let recorded = store.record(&lease, &batch("anna", 1, vec![record(1, "old")])).await.unwrap();
    assert_eq!((recorded.new, recorded.known), (1, 0));
    assert_eq!(store.messages(&query).await.unwrap().len(), 2);
    assert_eq!(store.figures(&name("anna")).await.unwrap().records, 1);
}

pub async fn a_replay_forgets_the_cursor_and_sets_the_moment(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    store.record(&lease, &batch("anna", 9, vec![record(9, "x")])).await.unwrap();
    let replay = PutMailbox { replay_from: Some(at(-1000)), ..put("anna", "c1") };
    apply(store, vec![Effect::PutMailbox(Box::new(replay))]).await.unwrap();
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start);
    let row = store.mailbox(&name("anna")).await.unwrap().unwrap();
    assert_eq!(row.stored.process_from, Some(at(-1000)));
    let refused = store.record(&lease, &batch("anna", 10, Vec::new())).await;
    assert!(matches!(refused, Err(StoreError::Withdrawn(_))), "a cycle from before would restore the cursor");
}

pub async fn what_was_to_be_removed_stays_once_removal_is_switched_off(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let mut doomed = record(9, "x");
    doomed.delete_after = true;
    store.record(&lease, &batch("anna", 9, vec![doomed])).await.unwrap();
    apply(store, vec![put_effect("anna", "c1")]).await.unwrap();
    assert_eq!(store.deletions(&name("anna")).await.unwrap().len(), 1, "still switched on");
    let mut off = put("anna", "c1");
    off.mailbox.delete_after_processing = false;
    apply(store, vec![Effect::PutMailbox(Box::new(off))]).await.unwrap();
    assert!(store.deletions(&name("anna")).await.unwrap().is_empty());
}

pub async fn a_changed_connection_takes_the_mailbox_out_of_its_workers_hands(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    apply(store, vec![put_effect("anna", "c2")]).await.unwrap();
    let refused = store.record(&lease, &batch("anna", 9, vec![record(9, "from the former server")])).await;
    assert!(matches!(refused, Err(StoreError::Withdrawn(_))));
    let again = lease_mailbox(store, "anna").await;
    assert!(again.fence > lease.fence);
}

pub async fn an_unchanged_connection_leaves_the_worker_alone(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    apply(store, vec![put_effect("anna", "c1")]).await.unwrap();
    store.record(&lease, &batch("anna", 9, vec![record(9, "x")])).await.unwrap();
}

pub async fn a_state_that_the_commit_leaves_out_stays(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let change = StateChange {
        mailbox: name("anna"),
        operation: Operation::Incoming,
        state: OperationState::Enabled.into(),
        enters: None,
        alerts: Vec::new(),
        at: at(3),
        occasion: Occasion::TestEnded { process_from: Some(at(3)) },
    };
    store.change_state(&lease, &change).await.unwrap();
    let plan = plan(store, vec![put_effect("anna", "c1")]).await;
    let mut commit = commit_of(&plan, 4);
    let states = commit.states.iter_mut();
    states.for_each(|(_, states)| states.retain(|(operation, _)| *operation != Operation::Incoming));
    store.commit_revision(&lease_state(store).await, commit).await.unwrap();
    let row = store.mailbox(&name("anna")).await.unwrap().unwrap();
    let incoming = &row.stored.operations[&Operation::Incoming];
    assert_eq!((&incoming.state, incoming.changed_at), (&OperationState::Enabled, at(3)));
    assert_eq!(incoming.tested_at, Some(at(3)));

    let plan = crate::store::samples::plan(store, vec![put_effect("new", "c1")]).await;
    let mut commit = commit_of(&plan, 5);
    commit.states.clear();
    assert!(store.commit_revision(&lease_state(store).await, commit).await.is_err());
}
