//! Approvals by command: which one counts, and what becomes of it.

use mailplumb::model::approval::{Decision, Verdict};
use mailplumb::model::operation::OperationState;
use mailplumb::model::plan::Effect;
use mailplumb::store::{Store, StoreError};

use super::World;
use crate::store::samples::*;

fn decision(mailbox: &str, verdict: Verdict, second: i64) -> Decision {
    Decision {
        mailbox: name(mailbox),
        address: address(&format!("{mailbox}@contoso.example")),
        verdict,
        at: at(second),
        by: "olga".to_owned(),
        reason: Some("ticket".to_owned()),
    }
}

async fn approved(store: &dyn Store) -> Vec<String> {
    let approvals = store.stored().await.unwrap().approvals;
    assert_eq!(store.outline().await.unwrap().stored.approvals, approvals);
    approvals.into_iter().map(|(mailbox, address)| format!("{mailbox}: {address}")).collect()
}

pub async fn the_last_decision_about_a_mailbox_counts(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let lease = lease_state(store).await;
    let both = [decision("anna", Verdict::Approved, 1), decision("ben", Verdict::Rejected, 1)];
    store.decide(&lease, &both, &[]).await.unwrap();
    assert_eq!(approved(&*(world.again)()).await, ["anna: anna@contoso.example"]);
    let again = [decision("anna", Verdict::Rejected, 2), decision("ben", Verdict::Approved, 2)];
    store.decide(&lease, &again, &[]).await.unwrap();
    assert_eq!(approved(store).await, ["ben: ben@contoso.example"]);
}

pub async fn a_rejected_mailbox_is_off_at_once_also_for_whoever_works_on_it(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let working = lease_mailbox(store, "anna").await;
    let lease = lease_state(store).await;
    let both = [decision("anna", Verdict::Rejected, 1), decision("ben", Verdict::Rejected, 1)];
    store.decide(&lease, &both, &[name("anna")]).await.unwrap();
    let states = |row: mailplumb::store::MailboxRow| {
        let operations = row.stored.operations.into_values();
        operations.map(|known| (known.state, known.connection, known.pending)).collect::<Vec<_>>()
    };
    let anna = states(store.mailbox(&name("anna")).await.unwrap().unwrap());
    assert!(!anna.is_empty());
    for (state, connection, pending) in anna {
        assert!(matches!(state, OperationState::Off(_)) && connection.is_none() && pending.is_none());
    }
    let ben = states(store.mailbox(&name("ben")).await.unwrap().unwrap());
    assert!(
        ben.iter().any(|(state, ..)| !matches!(state, OperationState::Off(_))),
        "nothing needs an approval"
    );
    let late = store.record(&working, &batch("anna", 1, vec![record(1, "late")])).await;
    assert!(matches!(late, Err(StoreError::Withdrawn(_))), "{late:?}");
}

/// What was taken away after a plan was made is not given back by it, and what was given is not taken away.
pub async fn a_plan_from_before_a_decision_changes_nothing(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    for (second, verdict) in [(1, Verdict::Rejected), (2, Verdict::Approved)] {
        let plan = plan(store, vec![put_effect("ben", "c2")]).await;
        let lease = lease_state(store).await;
        store.decide(&lease, &[decision("anna", verdict, second)], &[]).await.unwrap();
        let refused = store.commit_revision(&lease, commit_of(&plan, 3)).await;
        let Err(StoreError::Decided(Some(last))) = refused else { panic!("{refused:?}") };
        assert_eq!((last.mailbox, last.verdict), (name("anna"), verdict));
        assert_eq!(store.stored().await.unwrap().revision, plan.revision);
        store.release(&lease).await.unwrap();
    }
}

pub async fn decisions_are_all_noted_or_none(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_state(store).await;
    let half = [decision("anna", Verdict::Approved, 1), decision("nobody", Verdict::Approved, 1)];
    assert!(matches!(store.decide(&lease, &half, &[]).await, Err(StoreError::NotFound(_))));
    store.release(&lease).await.unwrap();
    let late = store.decide(&lease, &[decision("anna", Verdict::Approved, 2)], &[]).await;
    assert!(matches!(late, Err(StoreError::Withdrawn(_))));
    assert!(approved(store).await.is_empty());
}

pub async fn an_approval_follows_a_rename_and_goes_with_the_mailbox(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_state(store).await;
    store.decide(&lease, &[decision("anna", Verdict::Approved, 1)], &[]).await.unwrap();
    apply(store, vec![renamed("anna", "berta")]).await.unwrap();
    assert_eq!(approved(store).await, ["berta: anna@contoso.example"]);
    apply(store, vec![Effect::DeleteMailbox(name("berta"))]).await.unwrap();
    apply(store, vec![put_effect("berta", "c1")]).await.unwrap();
    assert!(approved(store).await.is_empty(), "another mailbox of that name");
}
