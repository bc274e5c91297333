//! The outbox: queued once, tried when due, never sent twice unasked.

use jiff::Timestamp;
use mailplumb::model::outbox::{OutgoingMessage, OutgoingState, Resolution, Resolutions};
use mailplumb::model::plan::Effect;
use mailplumb::store::{OutboxQuery, Store, StoreError};
use mailplumb::sync::outgoing::resolve;

use super::World;
use crate::store::samples::*;

async fn find(store: &dyn Store, id: u64) -> OutgoingMessage {
    let all = store.outbox(&OutboxQuery::default()).await.unwrap();
    all.into_iter().find(|message| message.id == id).unwrap()
}

fn states(message: &OutgoingMessage) -> Vec<OutgoingState> {
    message.recipients.iter().map(|recipient| recipient.state).collect()
}

pub async fn a_queued_message_is_read_back_with_its_octets(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let new = outgoing("anna", Some("key"));
    let queued = store.enqueue(&new).await.unwrap();
    assert!(!queued.already_there);
    let message = find(&*(world.again)(), queued.id).await;
    assert_eq!((message.mailbox, message.state), (name("anna"), OutgoingState::Pending));
    assert_eq!((message.message_id, message.subject), (new.message_id, new.subject));
    assert_eq!((message.queued_at, message.next_attempt_at), (at(10), Some(at(10))));
    assert_eq!((message.bytes, message.attempts, message.failure), (new.raw.len() as u64, 0, None));
    assert_eq!(message.idempotency_key.as_deref(), Some("key"));
    let addresses: Vec<_> = message.recipients.into_iter().map(|recipient| recipient.address).collect();
    assert_eq!(addresses, new.recipients);
    assert_eq!(store.raw(&message.content).await.unwrap(), Some(new.raw));
}

pub async fn the_same_key_queues_once_for_each_mailbox(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let first = store.enqueue(&outgoing("anna", Some("key"))).await.unwrap();
    let again = store.enqueue(&outgoing("anna", Some("key"))).await.unwrap();
    assert_eq!((again.id, again.already_there), (first.id, true));
    assert!(!store.enqueue(&outgoing("ben", Some("key"))).await.unwrap().already_there);
    assert!(!store.enqueue(&outgoing("anna", None)).await.unwrap().already_there);
    assert!(!store.enqueue(&outgoing("anna", None)).await.unwrap().already_there);
    let query = OutboxQuery { mailbox: Some(name("anna")), limit: Some(2), ..OutboxQuery::default() };
    let listed = store.outbox(&query).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed[0].id > listed[1].id);
}

pub async fn a_message_for_an_unknown_mailbox_is_refused(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    assert!(matches!(store.enqueue(&outgoing("nobody", None)).await, Err(StoreError::NotFound(_))));
    let mut nobody = outgoing("anna", None);
    nobody.recipients.clear();
    assert!(matches!(store.enqueue(&nobody).await, Err(StoreError::Failed(_))));
    assert!(store.outbox(&OutboxQuery::default()).await.unwrap().is_empty());
}

pub async fn only_messages_whose_time_has_come_are_due(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let later = outgoing("ben", None);
    let first = store.enqueue(&outgoing("anna", None)).await.unwrap();
    let second = store.enqueue(&outgoing("anna", None)).await.unwrap();
    store.enqueue(&mailplumb::model::outbox::NewOutgoing { at: at(100), ..later }).await.unwrap();
    assert!(store.outgoing_due(at(9)).await.unwrap().is_empty());
    assert_eq!(store.outgoing_due(at(10)).await.unwrap(), [name("anna")]);
    assert_eq!(store.outgoing_due(at(100)).await.unwrap(), [name("anna"), name("ben")]);
    let due = store.due(&name("anna"), at(10), 10).await.unwrap();
    assert_eq!(due.iter().map(|message| message.id).collect::<Vec<_>>(), [first.id, second.id]);
    assert_eq!(store.due(&name("anna"), at(10), 1).await.unwrap()[0].id, first.id);
    assert!(store.due(&name("ben"), at(99), 10).await.unwrap().is_empty());
}

pub async fn an_attempt_begins_only_from_pending_and_ends_only_from_sending(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let (anna, lease) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    let sent = outcome(id, OutgoingState::Sent, OutgoingState::Sent, OutgoingState::Sent);
    assert!(store.finish_sending(&lease, &anna, &sent, &[]).await.is_err());
    store.begin_sending(&lease, &anna, id, at(11)).await.unwrap();
    assert!(store.begin_sending(&lease, &anna, id, at(12)).await.is_err());
    assert!(store.due(&anna, at(1000), 10).await.unwrap().is_empty());
    let endless = outcome(id, OutgoingState::Sending, OutgoingState::Sent, OutgoingState::Sent);
    assert!(store.finish_sending(&lease, &anna, &endless, &[]).await.is_err());
    store.finish_sending(&lease, &anna, &sent, &[]).await.unwrap();
    assert!(store.begin_sending(&lease, &anna, id, at(13)).await.is_err());
    let unknown = store.begin_sending(&lease, &anna, 4711, at(13)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
    let other = store.enqueue(&outgoing("ben", None)).await.unwrap().id;
    let foreign = store.begin_sending(&lease, &anna, other, at(13)).await;
    assert!(matches!(foreign, Err(StoreError::NotFound(_))), "the message of another mailbox");
}

pub async fn an_outcome_is_read_back(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, lease) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    store.begin_sending(&lease, &anna, id, at(11)).await.unwrap();
    let deferred = outcome(id, OutgoingState::Pending, OutgoingState::Sent, OutgoingState::Pending);
    store.finish_sending(&lease, &anna, &deferred, &[]).await.unwrap();
    let message = find(store, id).await;
    assert_eq!((message.state, message.recipients), (OutgoingState::Pending, deferred.recipients));
    assert_eq!((message.attempts, message.next_attempt_at), (1, Some(at(300))));
    assert_eq!((message.changed_at, message.failure), (at(20), Some(failure())));
    assert!(store.due(&anna, at(299), 10).await.unwrap().is_empty());
    assert_eq!(store.due(&anna, at(300), 10).await.unwrap().len(), 1);
}

pub async fn an_outcome_about_other_recipients_is_refused(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, lease) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    store.begin_sending(&lease, &anna, id, at(11)).await.unwrap();
    let mut short = outcome(id, OutgoingState::Sent, OutgoingState::Sent, OutgoingState::Sent);
    short.recipients.pop();
    assert!(store.finish_sending(&lease, &anna, &short, &[]).await.is_err());
    assert_eq!(find(store, id).await.state, OutgoingState::Sending);
}

pub async fn an_attempt_that_died_is_ended_by_the_next_holder_of_the_lease(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, dead) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    store.begin_sending(&dead, &anna, id, at(11)).await.unwrap();
    assert_eq!(store.outgoing_due(at(12)).await.unwrap(), std::slice::from_ref(&anna), "it has not ended");
    store.release(&dead).await.unwrap();
    let next = lease_mailbox(store, "anna").await;
    let unsure = outcome(id, OutgoingState::Unsure, OutgoingState::Unsure, OutgoingState::Unsure);
    store.finish_sending(&next, &anna, &unsure, &[]).await.unwrap();
    assert_eq!(find(store, id).await.state, OutgoingState::Unsure);
    assert!(store.outgoing_due(at(12)).await.unwrap().is_empty());
}

pub async fn whoever_began_an_attempt_may_say_how_it_ended(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, lease) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    store.begin_sending(&lease, &anna, id, at(11)).await.unwrap();
    // An apply takes the mailbox out of its worker's hands while the server answers.
    apply(store, vec![put_effect("anna", "c2")]).await.unwrap();
    assert!(store.begin_sending(&lease, &anna, id, at(12)).await.is_err(), "nothing new is begun");
    let sent = outcome(id, OutgoingState::Sent, OutgoingState::Sent, OutgoingState::Sent);
    store.finish_sending(&lease, &anna, &sent, &[]).await.unwrap();
    assert_eq!(find(store, id).await.state, OutgoingState::Sent);
}

pub async fn only_recipients_who_did_not_get_it_are_tried_again(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, lease) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    store.begin_sending(&lease, &anna, id, at(11)).await.unwrap();
    let failed = outcome(id, OutgoingState::Failed, OutgoingState::Sent, OutgoingState::Failed);
    store.finish_sending(&lease, &anna, &failed, &[]).await.unwrap();
    assert_eq!(find(store, id).await.next_attempt_at, None);
    assert_eq!(decide(store, id, &Resolution::SendAgain, at(500)).await.written, [id]);
    let message = find(store, id).await;
    assert_eq!(states(&message), [OutgoingState::Sent, OutgoingState::Pending]);
    assert_eq!((message.state, message.attempts, message.failure), (OutgoingState::Pending, 0, None));
    assert_eq!(message.next_attempt_at, Some(at(500)));
}

pub async fn nobody_decides_about_what_has_changed_since(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, lease) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    let pending = find(store, id).await;
    let cancelled = resolve(&pending, &Resolution::Cancel, at(20)).unwrap();
    store.begin_sending(&lease, &anna, id, at(11)).await.unwrap();
    let late = store.resolve(std::slice::from_ref(&cancelled)).await.unwrap();
    assert_eq!((late.written, late.overtaken), (vec![], vec![id]), "an attempt is under way");
    assert_eq!(find(store, id).await.state, OutgoingState::Sending);

    let unsure = outcome(id, OutgoingState::Unsure, OutgoingState::Unsure, OutgoingState::Unsure);
    store.finish_sending(&lease, &anna, &unsure, &[]).await.unwrap();
    assert_eq!(decide(store, id, &Resolution::SendAgain, at(20)).await.written, [id]);
    assert_eq!(
        store.resolve(&[cancelled]).await.unwrap().overtaken,
        [id],
        "pending again, and not as it was"
    );
    assert_eq!(decide(store, id, &Resolution::Cancel, at(21)).await.written, [id]);
    assert!(store.outgoing_due(at(1000)).await.unwrap().is_empty());
    assert!(store.begin_sending(&lease, &anna, id, at(22)).await.is_err(), "cancelled");
    let listed = OutboxQuery { state: Some(OutgoingState::Cancelled), ..OutboxQuery::default() };
    assert_eq!(store.outbox(&listed).await.unwrap(), [find(store, id).await]);
    assert_eq!(decide(store, id, &Resolution::SendAgain, at(23)).await.written, [id]);
    store.begin_sending(&lease, &anna, id, at(24)).await.unwrap();
}

pub async fn who_it_arrived_with_is_not_sent_it_again(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, lease) = (name("anna"), lease_mailbox(store, "anna").await);
    let id = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    store.begin_sending(&lease, &anna, id, at(11)).await.unwrap();
    let unsure = outcome(id, OutgoingState::Unsure, OutgoingState::Unsure, OutgoingState::Unsure);
    store.finish_sending(&lease, &anna, &unsure, &[]).await.unwrap();
    let first = find(store, id).await.recipients[0].address.clone();
    decide(store, id, &Resolution::Arrived(vec![first]), at(12)).await;
    assert_eq!(states(&find(store, id).await), [OutgoingState::Sent, OutgoingState::Unsure]);
    decide(store, id, &Resolution::SendAgain, at(13)).await;
    assert_eq!(states(&find(store, id).await), [OutgoingState::Sent, OutgoingState::Pending]);
}

async fn decide(store: &dyn Store, id: u64, resolution: &Resolution, now: Timestamp) -> Resolutions {
    let resolved = resolve(&find(store, id).await, resolution, now).unwrap();
    store.resolve(&[resolved]).await.unwrap()
}

pub async fn a_deleted_mailbox_gives_up_its_outbox(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let waiting = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    let begun = store.enqueue(&outgoing("anna", None)).await.unwrap().id;
    store.begin_sending(&lease, &name("anna"), begun, at(11)).await.unwrap();
    apply(store, vec![Effect::DeleteMailbox(name("anna"))]).await.unwrap();

    let message = find(store, waiting).await;
    assert_eq!((message.state, states(&message)), (OutgoingState::Failed, vec![OutgoingState::Failed; 2]));
    assert_eq!(message.failure.unwrap().code, "mailbox-deleted");
    assert_eq!(find(store, begun).await.state, OutgoingState::Unsure);
    assert!(store.outgoing_due(at(1000)).await.unwrap().is_empty());
    assert_eq!(decide(store, waiting, &Resolution::SendAgain, at(20)).await.orphaned, [waiting]);
    assert_eq!(find(store, waiting).await.state, OutgoingState::Failed);
    let query = OutboxQuery {
        mailbox: Some(name("anna")),
        state: Some(OutgoingState::Failed),
        ..OutboxQuery::default()
    };
    assert_eq!(store.outbox(&query).await.unwrap().len(), 1);
    set_up_again_is_another_mailbox(store, waiting).await;
}

async fn set_up_again_is_another_mailbox(store: &dyn Store, former: u64) {
    apply(store, vec![Effect::PutMailbox(Box::new(put("anna", "c1")))]).await.unwrap();
    assert_eq!(decide(store, former, &Resolution::SendAgain, at(20)).await.orphaned, [former]);
}
