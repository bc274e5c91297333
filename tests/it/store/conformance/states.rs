//! States of operations, alerts, test messages and figures.

use mailplumb::model::alert::{Alert, AlertLevel};
use mailplumb::model::operation::{Operation, OperationState};
use mailplumb::model::outbox::OutgoingState;
use mailplumb::model::plan::Effect;
use mailplumb::model::stored::{Outline, StoredOperation};
use mailplumb::store::{Occasion, StateChange, Store, StoreError};

use super::World;
use crate::store::samples::*;

fn change(state: OperationState, second: i64, occasion: Occasion) -> StateChange {
    StateChange {
        mailbox: name("anna"),
        operation: Operation::Incoming,
        state: state.into(),
        enters: None,
        alerts: Vec::new(),
        at: at(second),
        occasion,
    }
}

fn alert(second: i64) -> Alert {
    Alert {
        at: at(second),
        level: AlertLevel::Warning,
        code: "unsure".to_owned(),
        mailbox: Some(name("anna")),
        profile: None,
        operation: Some(Operation::Outgoing),
        owners: Vec::new(),
        cause: format!("at {second}"),
        remedy: "look".to_owned(),
    }
}

async fn incoming(store: &dyn Store) -> StoredOperation {
    let row = store.mailbox(&name("anna")).await.unwrap().unwrap();
    row.stored.operations[&Operation::Incoming].clone()
}

pub async fn a_state_change_is_read_back_with_its_moments(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    store.change_state(&lease, &change(OperationState::Testing, 10, Occasion::TestBegun)).await.unwrap();
    let begun = incoming(store).await;
    assert_eq!((begun.state, begun.changed_at, begun.tested_at), (OperationState::Testing, at(10), None));
    let ended = Occasion::TestEnded { process_from: None };
    store.change_state(&lease, &change(OperationState::Disabled(failure()), 11, ended)).await.unwrap();
    let retrying = OperationState::Retrying { attempts: 2, until: at(400), failure: failure() };
    store.change_state(&lease, &change(retrying.clone(), 12, Occasion::Cycle)).await.unwrap();
    let after = incoming(store).await;
    assert_eq!((after.state, after.changed_at), (retrying, at(12)));
    assert_eq!((after.tested_at, after.cycle_at), (Some(at(11)), Some(at(12))));
    assert_eq!((begun.failed_at, after.failed_at), (None, Some(at(12))));
    store.change_state(&lease, &change(OperationState::Enabled, 13, Occasion::Cycle)).await.unwrap();
    assert_eq!(incoming(store).await.failed_at, Some(at(12)), "it works again, and has failed");

    let mut unknown = change(OperationState::Enabled, 13, Occasion::Cycle);
    unknown.mailbox = name("nobody");
    let lease = lease_mailbox(store, "nobody").await;
    assert!(matches!(store.change_state(&lease, &unknown).await, Err(StoreError::NotFound(_))));
}

/// The outline is what the whole stored state comes to, after an apply, a test, a failure, a rename and a deletion.
pub async fn footings_follow_every_change(world: &World) {
    let store = &*world.store;
    let is_exact = async || {
        let (mut outline, mut expected) =
            (store.outline().await.unwrap(), Outline::of(store.stored().await.unwrap()));
        outline.footings.sort_by(|one, other| one.name.cmp(&other.name));
        expected.footings.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(outline, expected);
        let waiting = expected.footings.iter().filter(|row| row.footing.is_none() || row.untested > 0);
        assert_eq!(store.waiting().await.unwrap(), waiting.map(|row| row.name.clone()).collect::<Vec<_>>());
        outline.footings
    };
    // Anna's footing, and how many of her operations wait for a test.
    let anna = async || {
        let rows = is_exact().await;
        let row = rows.into_iter().find(|row| row.name == name("anna")).unwrap();
        (row.footing, row.untested)
    };
    set_up(store, &["anna", "ben"]).await;
    let (applied, untested) = anna().await;
    assert!(applied.is_some() && untested == 2, "{applied:?} {untested}");
    let passed = Occasion::TestEnded { process_from: None };
    for (operation, left) in [(Operation::Incoming, 1), (Operation::Outgoing, 0)] {
        let lease = lease_mailbox(store, "anna").await;
        let enabled = StateChange { operation, ..change(OperationState::Enabled, 10, passed) };
        store.change_state(&lease, &enabled).await.unwrap();
        assert_eq!(anna().await, (applied, left), "whether it was tested is no part of what is declared");
    }
    let lease = lease_mailbox(store, "anna").await;
    store.change_state(&lease, &change(OperationState::Disabled(failure()), 11, passed)).await.unwrap();
    assert_eq!(anna().await, (None, 0), "what failed calls for a step");
    store.change_state(&lease, &change(OperationState::Enabled, 12, passed)).await.unwrap();
    assert_eq!(anna().await, (applied, 0), "and it is the same again");
    apply(store, vec![renamed("anna", "carla"), put_effect("ben", "other")]).await.unwrap();
    is_exact().await;
    apply(store, vec![Effect::DeleteMailbox(name("carla"))]).await.unwrap();
    is_exact().await;
    let names = [name("ben"), name("carla")].into();
    assert_eq!(store.stored_among(names).await.unwrap(), store.stored().await.unwrap().mailboxes);
}

pub async fn an_unchanged_state_keeps_its_moment(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    for second in [10, 20] {
        store.change_state(&lease, &change(OperationState::Enabled, second, Occasion::Cycle)).await.unwrap();
    }
    let after = incoming(store).await;
    assert_eq!((after.changed_at, after.cycle_at), (at(10), Some(at(20))));
}

pub async fn process_from_is_set_once(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    for second in [10, 20] {
        let occasion = Occasion::TestEnded { process_from: Some(at(second)) };
        store.change_state(&lease, &change(OperationState::Enabled, second, occasion)).await.unwrap();
    }
    let row = store.mailbox(&name("anna")).await.unwrap().unwrap();
    assert_eq!(row.stored.process_from, Some(at(10)));
}

pub async fn alerts_are_listed_newest_first(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let mut change = change(OperationState::Enabled, 10, Occasion::Cycle);
    change.alerts = (0..5).map(alert).collect();
    store.change_state(&lease, &change).await.unwrap();
    assert_eq!(store.alerts(2).await.unwrap(), [alert(4), alert(3)]);
}

pub async fn a_self_message_is_recognised_by_its_nonce(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    assert!(!store.is_self_message("n1").await.unwrap());
    store.expect_self_message(&lease, &name("anna"), "n1").await.unwrap();
    store.expect_self_message(&lease, &name("anna"), "n1").await.unwrap();
    assert!(store.is_self_message("n1").await.unwrap());
    assert!(!store.is_self_message("n2").await.unwrap());
}

pub async fn figures_count_what_is_there(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    assert_eq!(store.figures(&name("anna")).await.unwrap(), Default::default());
    let lease = lease_mailbox(store, "anna").await;
    let mut odd = record(2, "odd");
    odd.quarantine = Some("not a message".to_owned());
    store.record(&lease, &batch("anna", 2, vec![record(1, "x"), odd])).await.unwrap();
    store.enqueue(&outgoing("anna", None)).await.unwrap();
    store.enqueue(&outgoing("anna", None)).await.unwrap();
    let begun = store.enqueue(&outgoing("anna", None)).await.unwrap();
    store.begin_sending(&lease, &name("anna"), begun.id, at(11)).await.unwrap();
    let unsure = outcome(begun.id, OutgoingState::Unsure, OutgoingState::Unsure, OutgoingState::Unsure);
    store.finish_sending(&lease, &name("anna"), &unsure, &[]).await.unwrap();
    let figures = store.figures(&name("anna")).await.unwrap();
    assert_eq!((figures.records, figures.quarantined), (2, 1));
    assert_eq!((figures.outbox_pending, figures.outbox_unsure, figures.outbox_failed), (2, 1, 0));
    assert_eq!(figures.oldest_pending_at, Some(at(10)));
    assert!(matches!(store.figures(&name("nobody")).await, Err(StoreError::NotFound(_))));
}
