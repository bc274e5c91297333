//! What the pool keeps, hands out and closes, with sessions that only note how they ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::model::cursor::{Cursor, Extent, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::RemoteError;

/// Counts goodbyes.
struct Fake(Arc<AtomicUsize>);

/// Waits without a connection, and counts how often it let go of one.
struct Apart(Arc<AtomicUsize>);

#[async_trait]
impl Receive for Apart {
    async fn list(&mut self, _: &Cursor) -> Result<Listing, RemoteError> {
        Ok(Listing::Imap { validity: 1, messages: Vec::new(), extent: Extent::default() })
    }

    async fn fetch(&mut self, _: &[Listed], _: Part) -> Result<Vec<Fetched>, RemoteError> {
        Ok(Vec::new())
    }

    async fn delete_and_close(self: Box<Self>, _: &[RemoteId]) -> Result<Vec<RemoteId>, RemoteError> {
        Ok(Vec::new())
    }

    fn can_wait(&self) -> bool {
        true
    }

    fn waits_apart(&self) -> bool {
        true
    }

    fn let_go(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Receive for Fake {
    async fn list(&mut self, _: &Cursor) -> Result<Listing, RemoteError> {
        Ok(Listing::Imap { validity: 1, messages: Vec::new(), extent: Extent::default() })
    }

    async fn fetch(&mut self, _: &[Listed], _: Part) -> Result<Vec<Fetched>, RemoteError> {
        Ok(Vec::new())
    }

    async fn delete_and_close(self: Box<Self>, _: &[RemoteId]) -> Result<Vec<RemoteId>, RemoteError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }

    fn can_wait(&self) -> bool {
        true
    }
}

struct Bench {
    pool: Pool,
    goodbyes: Arc<AtomicUsize>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Bench {
    fn new(count_max: usize) -> Self {
        let settings = KeptSessions { count_max, idle_max: 10 * MINUTE, age_max: 60 * MINUTE };
        Self { pool: Pool::new(settings), goodbyes: Arc::default() }
    }

    fn put(&self, mailbox: &str, key: &str, now: Duration) {
        self.pool.put(owner(mailbox, key), self.session(now), now);
    }

    fn session(&self, opened: Duration) -> Kept {
        Kept { session: Box::new(Fake(Arc::clone(&self.goodbyes))), opened }
    }

    async fn has(&self, mailbox: &str, key: &str, now: Duration) -> bool {
        self.pool.take(&owner(mailbox, key), now).await.is_some()
    }

    /// Goodbyes are said by tasks of their own.
    async fn goodbyes(&self) -> usize {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.goodbyes.load(Ordering::SeqCst)
    }
}

fn owner(mailbox: &str, key: &str) -> Owner {
    let name = |text: &str| Name::parse(text).unwrap();
    Owner { mailbox: name(mailbox), profile: name("p"), key: SessionKey::of(&[key.as_bytes()]) }
}

#[tokio::test]
async fn a_session_is_handed_out_once_and_to_its_own_identity() {
    let bench = Bench::new(9);
    bench.put("anna", "secret 1", MINUTE);
    assert!(!bench.has("ben", "secret 1", MINUTE).await, "another mailbox");
    assert!(bench.has("anna", "secret 1", 2 * MINUTE).await);
    assert!(!bench.has("anna", "secret 1", 2 * MINUTE).await, "somebody has it");
    assert_eq!(bench.goodbyes().await, 0);
}

#[tokio::test]
async fn a_changed_secret_or_way_to_the_server_ends_the_session() {
    let bench = Bench::new(9);
    bench.put("anna", "secret 1", MINUTE);
    assert!(!bench.has("anna", "secret 2", MINUTE).await);
    assert!(!bench.has("anna", "secret 1", MINUTE).await, "it is gone for good");
    assert_eq!(bench.goodbyes().await, 1);
}

#[test]
fn parts_of_a_key_do_not_run_into_each_other() {
    assert_ne!(SessionKey::of(&[b"ab", b"c"]), SessionKey::of(&[b"a", b"bc"]));
}

#[tokio::test]
async fn what_rested_too_long_or_is_too_old_is_closed() {
    let bench = Bench::new(9);
    bench.put("rested", "k", MINUTE);
    assert!(!bench.has("rested", "k", 12 * MINUTE).await);
    bench.pool.put(owner("old", "k"), bench.session(Duration::ZERO), 55 * MINUTE);
    assert!(!bench.has("old", "k", 61 * MINUTE).await, "a login is proved again once in a while");
    bench.put("swept", "k", MINUTE);
    bench.put("read", "k", 10 * MINUTE);
    bench.put("unread", "k", 10 * MINUTE);
    bench.pool.sweep(13 * MINUTE, |mailbox| mailbox.as_str() != "unread");
    assert_eq!((bench.goodbyes().await, bench.pool.len()), (4, 1));
}

#[tokio::test]
async fn no_more_are_kept_than_may_be() {
    let bench = Bench::new(2);
    for mailbox in ["a", "b", "c"] {
        bench.put(mailbox, "k", MINUTE);
    }
    assert_eq!((bench.pool.len(), bench.goodbyes().await), (2, 1));
    bench.put("a", "k", 2 * MINUTE);
    assert_eq!((bench.pool.len(), bench.goodbyes().await), (2, 2), "one for each mailbox");
    bench.pool.make_room(&Name::parse("p").unwrap(), 1);
    assert!(bench.has("a", "k", 2 * MINUTE).await, "the one that rested longest makes room");
    assert_eq!(bench.goodbyes().await, 3);
}

#[tokio::test]
async fn a_session_that_waits_for_mail_is_given_to_whoever_needs_it() {
    let bench = Bench::new(9);
    bench.put("anna", "k", MINUTE);
    let name = Name::parse("anna").unwrap();
    let lent = bench.pool.lend(&name, CancellationToken::new()).unwrap();
    assert!(bench.pool.lend(&name, CancellationToken::new()).is_none(), "it is lent");
    let stop = lent.stop.clone();
    let wanted = owner("anna", "k");
    let waiter = async {
        stop.cancelled().await;
        bench.pool.give_back(lent, 2 * MINUTE);
    };
    let (kept, ()) = tokio::join!(bench.pool.take(&wanted, 2 * MINUTE), waiter);
    assert!(kept.is_some());
    assert!(bench.pool.is_empty());
}

#[tokio::test]
async fn a_lent_session_comes_back_into_the_pool_unless_it_was_ended_meanwhile() {
    let bench = Bench::new(9);
    let name = Name::parse("anna").unwrap();
    bench.put("anna", "k", MINUTE);
    let lent = bench.pool.lend(&name, CancellationToken::new()).unwrap();
    bench.pool.give_back(lent, 2 * MINUTE);
    assert_eq!(bench.pool.len(), 1);

    let lent = bench.pool.lend(&name, CancellationToken::new()).unwrap();
    bench.pool.end(&name);
    assert!(lent.stop.is_cancelled());
    // Another session took its place before it came back.
    bench.put("anna", "k", 2 * MINUTE);
    bench.pool.give_back(lent, 2 * MINUTE);
    assert_eq!((bench.pool.len(), bench.goodbyes().await), (1, 1));

    let lent = bench.pool.lend(&name, CancellationToken::new()).unwrap();
    bench.pool.forget(lent);
    assert!(bench.pool.is_empty());
}

#[tokio::test]
async fn after_the_end_nothing_is_kept() {
    let bench = Bench::new(9);
    bench.put("anna", "k", MINUTE);
    bench.pool.close().await;
    assert_eq!(bench.goodbyes().await, 1);
    bench.put("ben", "k", MINUTE);
    assert_eq!((bench.pool.len(), bench.goodbyes().await), (0, 2));
}

/// Otherwise those that were read first would be gone before anybody could listen with them.
#[tokio::test]
async fn what_waits_without_a_connection_makes_room_by_letting_go_of_it() {
    let bench = Bench::new(9);
    let hung_up = Arc::new(AtomicUsize::new(0));
    for mailbox in ["a", "b", "c"] {
        let session = Box::new(Apart(Arc::clone(&hung_up)));
        bench.pool.put(owner(mailbox, "k"), Kept { session, opened: MINUTE }, MINUTE);
    }
    bench.pool.make_room(&Name::parse("p").unwrap(), 1);
    assert_eq!((bench.pool.len(), hung_up.load(Ordering::SeqCst)), (3, 2));
    for mailbox in ["a", "b", "c"] {
        assert!(bench.pool.lend(&Name::parse(mailbox).unwrap(), CancellationToken::new()).is_some());
    }
}
