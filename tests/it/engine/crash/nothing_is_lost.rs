//! Right after a death, before anybody mends anything: what is gone from the server is in the store.

use std::collections::{BTreeMap, BTreeSet};

use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{MessageQuery, Store};

use crate::engine::world::{MAILBOXES, World};

pub type Inboxes = BTreeMap<&'static str, Vec<String>>;

pub fn inboxes(world: &World) -> Inboxes {
    MAILBOXES.map(|user| (user, world.inbox_hashes(user))).into()
}

pub async fn check(world: &World, before: &Inboxes) {
    let store = SqliteStore::open(&world.site.path("state/state.db"), Open::ReadOnly).unwrap();
    let all = MessageQuery { limit: Some(u64::MAX), ..MessageQuery::default() };
    let records = store.messages(&all).await.unwrap();
    let recorded: BTreeSet<_> =
        records.iter().map(|record| (record.mailbox.as_str(), record.content.0.as_str())).collect();
    for (user, now) in inboxes(world) {
        let now: BTreeSet<_> = now.into_iter().collect();
        for gone in before[user].iter().filter(|hash| !now.contains(*hash)) {
            assert!(recorded.contains(&(user, gone.as_str())), "{user} lost {gone}");
        }
    }
}
