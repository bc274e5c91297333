//! Leases: one holder at a time, and no write by a former one.

use jiff::ToSpan;
use mailplumb::model::lease::{Holder, LeaseScope};
use mailplumb::store::StoreError;
use mailplumb::store::sqlite::holder as this_process;

use super::World;
use crate::store::samples::*;

fn scope() -> LeaseScope {
    LeaseScope::Mailbox(name("anna"))
}

pub async fn a_free_lease_is_granted_and_a_held_one_is_not(world: &World) {
    let lease = world.store.acquire(&scope(), &holder("one"), at(0)).await.unwrap();
    assert_eq!(lease.expires_at, at(60));
    let refused = (world.again)().acquire(&scope(), &holder("two"), at(59)).await.unwrap_err();
    let StoreError::Busy { holder, until, .. } = refused else { panic!("{refused}") };
    assert_eq!((holder.nonce.as_str(), until), ("one", at(60)));
}

pub async fn the_same_holder_is_granted_its_lease_again(world: &World) {
    let first = world.store.acquire(&scope(), &holder("one"), at(0)).await.unwrap();
    let second = world.store.acquire(&scope(), &holder("one"), at(30)).await.unwrap();
    assert_eq!((second.fence, second.expires_at), (first.fence, at(90)));
    world.store.renew(&first, at(31)).await.unwrap();
}

pub async fn an_expired_lease_changes_hands_with_a_higher_fence(world: &World) {
    let first = world.store.acquire(&scope(), &holder("one"), at(0)).await.unwrap();
    let second = world.store.acquire(&scope(), &holder("two"), at(60)).await.unwrap();
    assert!(second.fence > first.fence);
    assert!(matches!(world.store.renew(&first, at(61)).await, Err(StoreError::Fenced(_))));
}

pub async fn a_released_lease_is_free_at_once(world: &World) {
    let first = world.store.acquire(&scope(), &holder("one"), at(0)).await.unwrap();
    world.store.release(&first).await.unwrap();
    let second = world.store.acquire(&scope(), &holder("two"), at(1)).await.unwrap();
    assert!(second.fence > first.fence);
}

/// A process that has just ended, and was waited for.
fn dead_process() -> Holder {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    Holder { pid, process_started: 1, nonce: "dead".to_owned(), ..this_process("watch") }
}

pub async fn a_dead_process_of_this_host_is_taken_over_from(world: &World) {
    let dead = world.store.acquire(&scope(), &dead_process(), at(0)).await.unwrap();
    let lease = world.store.acquire(&scope(), &this_process("sync"), at(1)).await.unwrap();
    assert!(lease.fence > dead.fence);
    assert!(matches!(world.store.renew(&dead, at(2)).await, Err(StoreError::Fenced(_))));
}

pub async fn a_living_process_of_this_host_is_not_taken_over_from(world: &World) {
    world.store.acquire(&scope(), &this_process("watch"), at(0)).await.unwrap();
    let other = Holder { nonce: "other".to_owned(), ..this_process("sync") };
    let refused = world.store.acquire(&scope(), &other, at(1)).await;
    assert!(matches!(refused, Err(StoreError::Busy { .. })));
}

pub async fn a_holder_whose_lease_was_taken_over_cannot_write(world: &World) {
    set_up(&*world.store, &["anna"]).await;
    let former = lease_mailbox(&*world.store, "anna").await;
    let other = (world.again)();
    let current = other.acquire(&scope(), &holder("two"), at(61)).await.unwrap();
    let refused = world.store.record(&former, &batch("anna", 1, vec![record(1, "late")])).await;
    assert!(matches!(refused, Err(StoreError::Fenced(_))));
    assert!(world.store.messages(&Default::default()).await.unwrap().is_empty());
    other.record(&current, &batch("anna", 1, vec![record(1, "in time")])).await.unwrap();
    assert_eq!(world.store.messages(&Default::default()).await.unwrap().len(), 1);
}

pub async fn a_released_lease_allows_no_write(world: &World) {
    set_up(&*world.store, &["anna"]).await;
    let lease = lease_mailbox(&*world.store, "anna").await;
    world.store.release(&lease).await.unwrap();
    let refused = world.store.record(&lease, &batch("anna", 1, Vec::new())).await;
    assert!(matches!(refused, Err(StoreError::Withdrawn(_))));
}

pub async fn giving_back_somebody_elses_lease_changes_nothing(world: &World) {
    let former = world.store.acquire(&scope(), &holder("one"), at(0)).await.unwrap();
    let current = world.store.acquire(&scope(), &holder("two"), at(60)).await.unwrap();
    world.store.release(&former).await.unwrap();
    world.store.renew(&current, at(61)).await.unwrap();
}

pub async fn renewing_moves_the_expiry(world: &World) {
    let lease = world.store.acquire(&scope(), &holder("one"), at(0)).await.unwrap();
    let renewed = world.store.renew(&lease, at(50)).await.unwrap();
    assert_eq!(renewed.expires_at, at(50) + 60.seconds());
    assert_eq!(renewed.fence, lease.fence);
    let refused = world.store.acquire(&scope(), &holder("two"), at(100)).await;
    assert!(matches!(refused, Err(StoreError::Busy { .. })));
}

pub async fn a_lease_on_one_mailbox_allows_no_write_to_another(world: &World) {
    set_up(&*world.store, &["anna", "ben"]).await;
    let lease = lease_mailbox(&*world.store, "anna").await;
    assert!(world.store.record(&lease, &batch("ben", 1, vec![record(1, "x")])).await.is_err());
    assert!(world.store.messages(&Default::default()).await.unwrap().is_empty());
}

pub async fn leases_on_different_scopes_are_independent(world: &World) {
    world.store.acquire(&LeaseScope::State, &holder("one"), at(0)).await.unwrap();
    world.store.acquire(&scope(), &holder("two"), at(0)).await.unwrap();
    world.store.acquire(&LeaseScope::Mailbox(name("ben")), &holder("three"), at(0)).await.unwrap();
}
