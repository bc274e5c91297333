//! What people who look after a store ask of it: figures of everything, a hold, copies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailplumb::model::alert::{Alert, AlertLevel};
use mailplumb::model::lease::{Holder, LeaseScope};
use mailplumb::model::operation::{Operation, OperationState};
use mailplumb::model::outbox::OutgoingState;
use mailplumb::model::revision::Revision;
use mailplumb::store::report::{Report, SecretOrigin, Standing};
use mailplumb::store::sqlite::{Open, SqliteStore, holder as this_process, person};
use mailplumb::store::upkeep::Upkeep;
use mailplumb::store::{MessageQuery, Occasion, OutboxQuery, StateChange, Store, StoreError};

use super::samples::*;

fn created() -> (SqliteStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("state.db"), Open::CreateIfMissing).unwrap();
    (store, folder)
}

async fn all_messages(store: &SqliteStore) -> usize {
    let all = MessageQuery { limit: Some(u64::MAX), ..MessageQuery::default() };
    store.messages(&all).await.unwrap().len()
}

#[tokio::test]
async fn the_figures_of_all_are_those_of_each() {
    let (store, _folder) = created();
    set_up(&store, &["anna", "ben", "carl"]).await;
    let lease = lease_mailbox(&store, "anna").await;
    let mut odd = record(2, "odd");
    odd.quarantine = Some("not a message".to_owned());
    store.record(&lease, &batch("anna", 2, vec![record(1, "x"), odd])).await.unwrap();
    for mailbox in ["anna", "ben", "ben"] {
        store.enqueue(&outgoing(mailbox, None)).await.unwrap();
    }
    let begun = store.enqueue(&outgoing("anna", None)).await.unwrap();
    store.begin_sending(&lease, &name("anna"), begun.id, at(11)).await.unwrap();
    let unsure = outcome(begun.id, OutgoingState::Unsure, OutgoingState::Unsure, OutgoingState::Unsure);
    store.finish_sending(&lease, &name("anna"), &unsure, &[]).await.unwrap();
    let all = store.all_figures().await.unwrap();
    assert_eq!(all.len(), 3);
    for (mailbox, figures) in all {
        assert_eq!(figures, store.figures(&mailbox).await.unwrap(), "{mailbox}");
    }
}

#[tokio::test]
async fn pages_of_a_list_are_the_list() {
    let (store, _folder) = created();
    set_up(&store, &["anna", "ben"]).await;
    for (mailbox, first) in [("anna", 1), ("ben", 100), ("anna", 200)] {
        let lease = lease_mailbox(&store, mailbox).await;
        let records = (first..first + 7).map(|uid| record(uid, &uid.to_string())).collect();
        store.record(&lease, &batch(mailbox, first + 7, records)).await.unwrap();
        store.release(&lease).await.unwrap();
        store.enqueue(&outgoing(mailbox, None)).await.unwrap();
    }
    for mailbox in [None, Some(name("anna"))] {
        let query = MessageQuery { mailbox: mailbox.clone(), ..MessageQuery::default() };
        let whole = store.messages(&query).await.unwrap();
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = MessageQuery { limit: Some(4), before, ..query.clone() };
            let page = store.messages(&page).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            paged.extend(page);
        }
        assert_eq!(paged, whole);
        let query = OutboxQuery { mailbox, ..OutboxQuery::default() };
        let whole = store.outbox(&query).await.unwrap();
        let rest = OutboxQuery { before: Some(whole[0].id), ..query };
        assert_eq!(store.outbox(&rest).await.unwrap(), whole[1..]);
    }
}

#[tokio::test]
async fn secrets_are_listed_without_their_ciphertext() {
    let (store, _folder) = created();
    set_up(&store, &["anna"]).await;
    let secrets = store.secrets().await.unwrap();
    assert_eq!((secrets.len(), &secrets[0].secret), (1, &secret_ref()));
    assert_eq!(secrets[0].origin, SecretOrigin::Ciphertext);
}

#[tokio::test]
async fn one_revision_and_the_alerts_of_one_mailbox_are_found() {
    let (store, _folder) = created();
    set_up(&store, &["anna", "ben"]).await;
    let first = store.revision(Revision(1)).await.unwrap().unwrap();
    assert_eq!(Some(&first), store.revisions(9).await.unwrap().last());
    assert_eq!(store.revision(Revision(99)).await.unwrap(), None);
    for mailbox in ["anna", "ben"] {
        let alert = Alert {
            at: at(20),
            level: AlertLevel::Error,
            code: "login-refused".to_owned(),
            mailbox: Some(name(mailbox)),
            profile: None,
            operation: Some(Operation::Incoming),
            owners: Vec::new(),
            cause: "no".to_owned(),
            remedy: "set it".to_owned(),
        };
        let change = StateChange {
            mailbox: name(mailbox),
            operation: Operation::Incoming,
            state: OperationState::Disabled(failure()).into(),
            alerts: vec![alert],
            at: at(20),
            occasion: Occasion::TestEnded { process_from: None },
            enters: None,
        };
        store.change_state(&lease_mailbox(&store, mailbox).await, &change).await.unwrap();
    }
    let alerts = store.alerts_about(&name("ben"), 9).await.unwrap();
    assert_eq!((alerts.len(), &alerts[0].mailbox), (1, &Some(name("ben"))));
}

#[tokio::test]
async fn a_hold_of_a_person_keeps_others_away_until_its_time_is_over_or_it_is_ended() {
    let (store, _folder) = created();
    let state = LeaseScope::State;
    let anna = person("anna for maintenance");
    let until = at(10_000);
    store.hold(&state, &anna, at(0), until).await.unwrap();
    let other = this_process("apply");
    // Far longer than the lease of a process that renews it, and whoever made it may have ended.
    let refused = store.acquire(&state, &other, at(9_999)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Busy { holder, .. } if **holder == anna), "{refused}");
    assert!(matches!(store.hold(&state, &person("ben"), at(1), until).await, Err(StoreError::Busy { .. })));
    assert_eq!(store.lease(&state).await.unwrap().unwrap().standing, Standing::Held);
    assert!(!store.end_lease(&state, "another").await.unwrap());
    assert!(store.end_lease(&state, &anna.nonce).await.unwrap());
    assert_eq!(store.lease(&state).await.unwrap().unwrap().standing, Standing::Released);
    store.hold(&state, &anna, at(0), until).await.unwrap();
    let lease = store.acquire(&state, &other, at(10_001)).await.unwrap();
    // Ending a lease fences its holder out.
    assert!(store.end_lease(&state, &lease.holder.nonce).await.unwrap());
    assert!(matches!(store.renew(&lease, at(10_002)).await, Err(StoreError::Withdrawn(_))));
}

#[tokio::test]
async fn a_dead_process_is_told_from_a_person() {
    let (store, _folder) = created();
    let process = this_process("apply");
    let dead = Holder { process_started: process.process_started + 1, nonce: "dead".to_owned(), ..process };
    store.acquire(&LeaseScope::State, &dead, at(0)).await.unwrap();
    assert_eq!(store.lease(&LeaseScope::State).await.unwrap().unwrap().standing, Standing::HolderDied);
    store.hold(&LeaseScope::State, &person("anna"), at(1), at(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_one_moment_while_others_write() {
    let (store, folder) = created();
    let store = Arc::new(store);
    set_up(&*store, &["anna"]).await;
    let lease = lease_mailbox(&*store, "anna").await;
    store.record(&lease, &batch("anna", 1, vec![record(1, "first")])).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::spawn(async move {
            for uid in 2.. {
                let batch = batch("anna", uid, vec![record(uid, &format!("message {uid}"))]);
                store.record(&lease, &batch).await.unwrap();
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        })
    };
    for round in 0..5 {
        let copy = folder.path().join(format!("copy-{round}"));
        let copied = store.back_up(&copy).await.unwrap();
        assert_eq!(copied.store, store.id().await.unwrap());
        let copy = SqliteStore::open(&copy.join("state.db"), Open::ReadOnly).unwrap();
        let all = MessageQuery { limit: Some(u64::MAX), ..MessageQuery::default() };
        let records = copy.messages(&all).await.unwrap();
        assert!(!records.is_empty());
        for record in records {
            assert!(copy.raw(&record.content).await.unwrap().is_some(), "{record:?}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    // Nothing unfinished is left behind.
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!names.iter().any(|name| name.starts_with(".mailplumb")), "{names:?}");
}

#[tokio::test]
async fn a_copy_of_a_damaged_store_is_refused_and_leaves_nothing() {
    let (store, folder) = created();
    set_up(&store, &["anna"]).await;
    let lease = lease_mailbox(&store, "anna").await;
    store.record(&lease, &batch("anna", 1, vec![record(1, "first")])).await.unwrap();
    std::fs::write(folder.path().join("blobs/000001.seg"), "x").unwrap();
    let copy = folder.path().join("copy");
    assert!(matches!(store.back_up(&copy).await, Err(StoreError::Damaged(_))));
    assert!(!copy.exists());
    assert_eq!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .filter(|one| { one.as_ref().unwrap().file_name().to_string_lossy().starts_with('.') })
            .count(),
        0
    );
}

#[tokio::test]
async fn a_restored_store_goes_on_and_sends_nothing_by_itself() {
    let (store, folder) = created();
    set_up(&store, &["anna"]).await;
    let lease = lease_mailbox(&store, "anna").await;
    store.record(&lease, &batch("anna", 1, vec![record(1, "first")])).await.unwrap();
    store.enqueue(&outgoing("anna", None)).await.unwrap();
    let copy = folder.path().join("copy");
    assert_eq!(store.back_up(&copy).await.unwrap().left_unsure, 0);
    let there = folder.path().join("elsewhere/state.db");
    let restored = SqliteStore::restore(&copy, &there, at(50)).unwrap();
    assert_eq!(restored.left_unsure, 1);
    assert!(SqliteStore::restore(&copy, &there, at(50)).is_err(), "never over a store");
    let again = SqliteStore::open(&there, Open::Existing).unwrap();
    assert_eq!(again.outgoing_due(at(1000)).await.unwrap(), []);
    let messages = again.outbox(&OutboxQuery::default()).await.unwrap();
    assert_eq!(messages[0].state, OutgoingState::Unsure);
    // Its messages can be appended to, and nobody holds its leases.
    let lease = lease_mailbox(&again, "anna").await;
    again.record(&lease, &batch("anna", 2, vec![record(2, "second")])).await.unwrap();
    assert_eq!(all_messages(&again).await, 2);
}
