//! Right after a death, before anybody mends anything: what worked works, in its former version or in the new one.

use mailplumb::engine::drive::Driven;
use mailplumb::model::operation::Operation;
use mailplumb::model::pending::Standing;
use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{MailboxRow, Store};

use crate::engine::world::World;

pub async fn check(world: &World) {
    let store = SqliteStore::open(&world.site.path("state/state.db"), Open::ReadOnly).unwrap();
    let rows = store.mailboxes().await.unwrap();
    drop(store);
    assert_eq!(rows.len(), 3);
    let desk = world.site.desk();
    for row in rows {
        for operation in [Operation::Incoming, Operation::Outgoing] {
            let mailbox = row.stored.declared.name.as_str();
            assert!(is_consistent(&row, operation), "{mailbox} {operation}: {row:#?}");
            let driven = desk.cycle(mailbox, operation).await;
            assert!(matches!(driven, Driven::Done(_)), "{mailbox} {operation}: {driven:?}");
        }
    }
}

/// It is driven; a change waits exactly while a version is kept; and what it works with has passed a test.
fn is_consistent(row: &MailboxRow, operation: Operation) -> bool {
    let stored = &row.stored.operations[&operation];
    let Standing { state, pending } = stored.standing();
    let is_switched = stored.proved == stored.connection;
    state.is_driven()
        && pending.is_some() == row.effective.contains_key(&operation)
        && pending.is_none() == is_switched
}
