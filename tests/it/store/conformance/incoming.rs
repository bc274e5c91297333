//! Records, cursors and deletions: together or not at all, and nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mailplumb::model::cursor::{Cursor, CursorAdvance, InboxId, Mark, Owed, RemoteId};
use mailplumb::model::limits;
use mailplumb::model::record::{ContentHash, IncomingBatch, NewRecord, Octets, OtherRecord, Recorded};
use mailplumb::store::{MessageQuery, Store, StoreError};

use super::World;
use crate::store::samples::*;

async fn all(store: &dyn Store) -> Vec<mailplumb::model::record::MessageRecord> {
    store.messages(&MessageQuery { limit: Some(u64::MAX), ..Default::default() }).await.unwrap()
}

pub async fn records_and_cursor_are_written_together(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start);
    let lease = lease_mailbox(store, "anna").await;
    let new = record(7, "hello");
    let recorded = store.record(&lease, &batch("anna", 7, vec![new.clone()])).await.unwrap();
    assert_eq!(recorded, Recorded { new: 1, known: 0 });

    let other = (world.again)();
    assert_eq!(
        other.cursor(&name("anna")).await.unwrap(),
        Cursor::Imap { validity: 1, uid_last: 7, mark: Mark::default() }
    );
    let listed = all(&*other).await.remove(0);
    assert_eq!((&listed.remote, &listed.content), (&new.remote, &new.content));
    assert_eq!((listed.bytes, &listed.facts), (new.raw.bytes(), &new.facts));
    assert_eq!((listed.received_at, listed.recorded_at), (new.received_at, at(5)));
    assert_eq!(listed.quarantine, None);
    assert_eq!(other.message(listed.id).await.unwrap(), Some(listed));
    assert_eq!(other.raw(&new.content).await.unwrap(), new.raw.held().cloned());
    assert_eq!(other.message(4711).await.unwrap(), None);
    assert_eq!(other.raw(&ContentHash::of(b"never seen")).await.unwrap(), None);
}

pub async fn a_batch_that_fails_leaves_cursor_and_records_as_they_were(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    store.record(&lease, &batch("anna", 1, vec![record(1, "first")])).await.unwrap();
    let mut wrong = record(3, "wrong");
    wrong.content = ContentHash::of(b"something else");
    let refused = store.record(&lease, &batch("anna", 3, vec![record(2, "second"), wrong])).await;
    assert!(refused.is_err());
    assert_eq!(all(store).await.len(), 1);
    assert_eq!(
        store.cursor(&name("anna")).await.unwrap(),
        Cursor::Imap { validity: 1, uid_last: 1, mark: Mark::default() }
    );
    assert_eq!(store.raw(&record(2, "second").content).await.unwrap(), None);

    let good = record(2, "second");
    store.record(&lease, &batch("anna", 2, vec![good.clone()])).await.unwrap();
    assert_eq!(store.raw(&good.content).await.unwrap(), good.raw.held().cloned());
}

pub async fn another_inbox_begins_anew_and_loses_no_record(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let (old, new) = (InboxId::of(&["old server"]), InboxId::of(&["new server"]));
    store.enter_inbox(&lease, &name("anna"), &old).await.unwrap();
    let doomed = NewRecord { delete_after: true, ..record(7, "hello") };
    store.record(&lease, &batch("anna", 7, vec![doomed.clone()])).await.unwrap();
    store.enter_inbox(&lease, &name("anna"), &old).await.unwrap();
    assert_ne!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start, "the same inbox goes on");

    store.enter_inbox(&lease, &name("anna"), &new).await.unwrap();
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Start);
    assert_eq!(store.deletions(&name("anna")).await.unwrap(), [], "the same id names another message there");
    assert_eq!(all(store).await.len(), 1);
    let again = store.record(&lease, &batch("anna", 7, vec![record(7, "hello")])).await.unwrap();
    assert_eq!(again, Recorded { new: 0, known: 1 }, "what moved along is known by its octets");
}

pub async fn the_same_octets_are_recorded_once_for_each_mailbox(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let both = vec![record(1, "same"), record(2, "same")];
    let recorded = store.record(&lease, &batch("anna", 2, both)).await.unwrap();
    assert_eq!(recorded, Recorded { new: 1, known: 1 });
    let mut later = record(3, "same");
    later.delete_after = true;
    let recorded = store.record(&lease, &batch("anna", 3, vec![later.clone()])).await.unwrap();
    assert_eq!(recorded, Recorded { new: 0, known: 1 });
    assert_eq!(store.deletions(&name("anna")).await.unwrap(), [later.remote]);
    let lease = lease_mailbox(store, "ben").await;
    let recorded = store.record(&lease, &batch("ben", 1, vec![record(1, "same")])).await.unwrap();
    assert_eq!(recorded, Recorded { new: 1, known: 0 });
}

pub async fn a_message_without_octets_is_known_by_its_remote_id(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let too_large = |uid| NewRecord {
        raw: Octets::Missing,
        content: ContentHash::of(b""),
        quarantine: Some("too large".to_owned()),
        ..record(uid, "unused")
    };
    let recorded = store.record(&lease, &batch("anna", 2, vec![too_large(1), too_large(2)])).await.unwrap();
    assert_eq!(recorded, Recorded { new: 2, known: 0 }, "two messages, though neither has octets");
    let recorded = store.record(&lease, &batch("anna", 2, vec![too_large(2)])).await.unwrap();
    assert_eq!(recorded, Recorded { new: 0, known: 1 });
    assert_eq!(store.raw(&ContentHash::of(b"")).await.unwrap(), None);
    let fetched = store.record(&lease, &batch("anna", 2, vec![record(2, "after all")])).await.unwrap();
    assert_eq!(fetched, Recorded { new: 1, known: 0 });
}

pub async fn a_message_that_arrives_in_pieces_is_stored_whole(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let raw: Vec<u8> = (0..3_000_001_u32).map(|number| number.to_le_bytes()[0]).collect();
    let mut spool = store.spool().await.unwrap();
    for piece in raw.chunks(70_000) {
        spool.append(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!((spool.bytes(), &spool.beginning(10).await.unwrap()[..]), (raw.len() as u64, &raw[..10]));
    let (spooled, content) = spool.finish().await.unwrap();
    assert_eq!(content, ContentHash::of(&raw));
    let large = NewRecord { raw: Octets::Spooled(spooled), content: content.clone(), ..record(1, "large") };
    let small = record(2, "small");
    let both = batch("anna", 2, vec![large.clone(), small.clone()]);
    assert_eq!(store.record(&lease, &both).await.unwrap(), Recorded { new: 2, known: 0 });
    drop(spool);
    assert_eq!(store.raw(&content).await.unwrap().as_deref(), Some(&raw[..]));
    assert_eq!(store.raw(&small.content).await.unwrap().as_ref(), small.raw.held());
    let again = store.record(&lease, &both).await;
    assert!(matches!(again, Err(StoreError::Failed(_))), "octets that were let go of: {again:?}");
}

pub async fn a_message_of_another_mailbox_is_a_duplicate_by_its_message_id(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    let with_id = |uid, text: &str, id: &str| {
        let mut record = record(uid, text);
        record.facts.message_id = Some(id.to_owned());
        record
    };
    let lease = lease_mailbox(store, "anna").await;
    let first = vec![with_id(1, "one", "1@x"), with_id(2, "one with a footer", "1@x"), record(3, "no id")];
    store.record(&lease, &batch("anna", 3, first)).await.unwrap();
    let lease = lease_mailbox(store, "ben").await;
    let second = vec![
        with_id(1, "one", "1@x"),
        with_id(2, "two", "2@x"),
        record(3, "no id"),
        with_id(4, "one with a footer", "1@x"),
    ];
    assert_eq!(store.record(&lease, &batch("ben", 4, second)).await.unwrap(), Recorded { new: 4, known: 0 });
    let records = all(store).await;
    let said: Vec<_> = records.iter().rev().map(|record| record.duplicate_of.clone()).collect();
    let of_anna =
        |place: usize| Some(OtherRecord { id: records[records.len() - 1 - place].id, mailbox: name("anna") });
    assert_eq!(said, [None, None, None, of_anna(0), None, None, of_anna(1)], "equal octets say it best");
}

/// Together with the cursor that is past them.
pub async fn what_a_server_owes_is_remembered_until_it_is_answered(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let (anna, inbox) = (name("anna"), InboxId::of(&["one"]));
    let lease = lease_mailbox(store, "anna").await;
    store.enter_inbox(&lease, &anna, &inbox).await.unwrap();
    let owed = |uid, attempts| Owed {
        id: RemoteId::Uid { validity: 1, uid },
        received: Some(at(-3)),
        attempts,
        counted_at: at(7),
        said: "later".to_owned(),
    };
    let standing = async || store.inbox_standing(&lease, &anna, &inbox).await.unwrap().owed;
    let first = IncomingBatch { owed: vec![owed(2, 1), owed(3, 1)], ..batch("anna", 3, Vec::new()) };
    store.record(&lease, &first).await.unwrap();
    assert_eq!(standing().await, [owed(2, 1), owed(3, 1)]);
    let answered = vec![owed(2, 1).id];
    let second =
        IncomingBatch { owed: vec![owed(3, 2)], answered, ..batch("anna", 3, vec![record(2, "two")]) };
    store.record(&lease, &second).await.unwrap();
    assert_eq!(standing().await, [owed(3, 2)]);
    store.enter_inbox(&lease, &anna, &InboxId::of(&["another"])).await.unwrap();
    store.enter_inbox(&lease, &anna, &inbox).await.unwrap();
    assert_eq!(standing().await, [], "ids of another inbox name nothing here");
}

pub async fn a_cursor_does_not_go_back_within_one_validity(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    store.record(&lease, &batch("anna", 9, Vec::new())).await.unwrap();
    store.record(&lease, &batch("anna", 4, Vec::new())).await.unwrap();
    assert_eq!(
        store.cursor(&name("anna")).await.unwrap(),
        Cursor::Imap { validity: 1, uid_last: 9, mark: Mark::default() }
    );
}

pub async fn another_validity_replaces_the_cursor_and_its_deletions(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let mut old = record(9, "old");
    old.delete_after = true;
    store.record(&lease, &batch("anna", 9, vec![old])).await.unwrap();
    let id = RemoteId::Uid { validity: 2, uid: 3 };
    let again = NewRecord { remote: id.clone(), delete_after: true, ..record(3, "old") };
    let advance = CursorAdvance::Imap { validity: 2, uid_last: 3, mark: Mark::default() };
    let batch = IncomingBatch { advance, ..batch("anna", 3, vec![again]) };
    let recorded = store.record(&lease, &batch).await.unwrap();
    assert_eq!(recorded, Recorded { new: 0, known: 1 });
    assert_eq!(
        store.cursor(&name("anna")).await.unwrap(),
        Cursor::Imap { validity: 2, uid_last: 3, mark: Mark::default() }
    );
    assert_eq!(store.deletions(&name("anna")).await.unwrap(), [id]);
}

fn pop3(seen: &[&str], gone: &[&str]) -> CursorAdvance {
    let seen = seen.iter().map(|text| ((*text).to_owned(), Some(text.len() as u64))).collect();
    CursorAdvance::Pop3 { seen, gone: gone.iter().map(|text| (*text).to_owned()).collect() }
}

pub async fn a_pop3_cursor_is_what_was_seen_and_is_not_gone(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    for advance in [pop3(&[], &[]), pop3(&["a", "b"], &[]), pop3(&["c", "a"], &["b"])] {
        let batch = IncomingBatch { advance, ..batch("anna", 0, Vec::new()) };
        store.record(&lease, &batch).await.unwrap();
    }
    let seen = BTreeMap::from([("a".to_owned(), Some(1)), ("c".to_owned(), Some(1))]);
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Pop3 { seen });
}

pub async fn the_size_of_a_message_that_is_known_all_the_same_is_not_relied_upon(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let uidl = |id: &str| NewRecord { remote: RemoteId::Uidl(id.to_owned()), ..record(1, "text") };
    for sized in [("a", 10), ("a", 11)] {
        let advance = CursorAdvance::Pop3 { seen: vec![(sized.0.to_owned(), Some(sized.1))], gone: vec![] };
        let batch = IncomingBatch { advance, ..batch("anna", 0, vec![uidl(sized.0)]) };
        store.record(&lease, &batch).await.unwrap();
    }
    let seen = BTreeMap::from([("a".to_owned(), None)]);
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Pop3 { seen });
    // Its server names it anew: the size is the new name's, and tells whether that is given to another message.
    let advance = CursorAdvance::Pop3 { seen: vec![("b".to_owned(), Some(12))], gone: vec!["a".to_owned()] };
    let recorded =
        store.record(&lease, &IncomingBatch { advance, ..batch("anna", 0, vec![uidl("b")]) }).await;
    assert_eq!(recorded.unwrap().known, 1);
    let seen = BTreeMap::from([("b".to_owned(), Some(12))]);
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Pop3 { seen });
    // And by the former name again.
    let advance = CursorAdvance::Pop3 { seen: vec![("a".to_owned(), Some(13))], gone: vec!["b".to_owned()] };
    let recorded =
        store.record(&lease, &IncomingBatch { advance, ..batch("anna", 0, vec![uidl("a")]) }).await;
    assert_eq!(recorded.unwrap().known, 1);
    let seen = BTreeMap::from([("a".to_owned(), Some(13))]);
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Pop3 { seen });
    // A server whose names are places: another message comes to this one, and one that is recorded already.
    let other = NewRecord { remote: RemoteId::Uidl("a".to_owned()), ..record(2, "other") };
    for (message, size) in [(other, 14), (uidl("a"), 15)] {
        let advance = CursorAdvance::Pop3 { seen: vec![("a".to_owned(), Some(size))], gone: vec![] };
        store.record(&lease, &IncomingBatch { advance, ..batch("anna", 0, vec![message]) }).await.unwrap();
        let seen = BTreeMap::from([("a".to_owned(), Some(size))]);
        assert_eq!(store.cursor(&name("anna")).await.unwrap(), Cursor::Pop3 { seen });
    }
}

pub async fn what_an_inbox_looked_like_is_kept_with_its_cursor(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let mark = Mark { uid_next: Some(u32::MAX), modseq: Some((1 << 63) - 1) };
    for mark in [mark, Mark::default()] {
        let advance = CursorAdvance::Imap { validity: 1, uid_last: 4, mark };
        store.record(&lease, &IncomingBatch { advance, ..batch("anna", 0, Vec::new()) }).await.unwrap();
        let cursor = store.cursor(&name("anna")).await.unwrap();
        assert_eq!(cursor, Cursor::Imap { validity: 1, uid_last: 4, mark });
    }
}

pub async fn an_attachment_that_many_messages_carry_is_stored_once(world: &World) {
    let store = &*world.store;
    let mailboxes = ["m0", "m1", "m2"];
    set_up(store, &mailboxes).await;
    let part = "QUJD".repeat(limits::PIECE_STORED_BYTES_MIN as usize);
    let mut messages = Vec::new();
    for mailbox in mailboxes {
        let head = format!(
            "Delivered-To: {mailbox}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
             Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        );
        let raw = format!("{head}{part}\r\n--b--\r\n").into_bytes();
        let facts = mailplumb::sync::message::parse(&raw).unwrap();
        assert_eq!(facts.attachments.len(), 1);
        let one = NewRecord {
            content: ContentHash::of(&raw),
            raw: Octets::Held(raw.clone().into()),
            facts,
            ..record(1, "x")
        };
        let lease = lease_mailbox(store, mailbox).await;
        store.record(&lease, &batch(mailbox, 1, vec![one])).await.unwrap();
        messages.push(raw);
    }
    for raw in &messages {
        assert!(store.raw(&ContentHash::of(raw)).await.unwrap().unwrap() == *raw);
        let tail = raw.len() as u64 - 20..u64::MAX;
        let part = store.raw_part(&ContentHash::of(raw), tail).await.unwrap().unwrap();
        assert!(part == raw[raw.len() - 20..]);
    }
    let bytes = (world.bytes)();
    assert!(bytes < 2 * part.len() as u64, "{bytes} on the disk");
}

/// One Message-ID on two contents, as with mail that is sent again, and one content under two ids.
pub async fn a_message_id_says_nothing_about_the_content(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let with_id = |uid, text: &str, id: &str| {
        let mut record = record(uid, text);
        record.facts.message_id = Some(id.to_owned());
        record
    };
    let records = vec![with_id(1, "one", "a@x"), with_id(2, "other", "a@x"), with_id(3, "one", "b@x")];
    let recorded = store.record(&lease, &batch("anna", 3, records)).await.unwrap();
    assert_eq!(recorded, Recorded { new: 2, known: 1 });
    assert!(all(store).await.iter().all(|record| record.duplicate_of.is_none()));
}

pub async fn a_deletion_waits_until_it_is_confirmed(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let ids: Vec<_> = ["x", "y", "z"].map(|uidl| RemoteId::Uidl(uidl.to_owned())).to_vec();
    let records = ids.iter().enumerate().map(|(index, id)| NewRecord {
        remote: id.clone(),
        delete_after: true,
        ..record(1, &format!("message {index}"))
    });
    let batch = IncomingBatch { advance: pop3(&["x", "y", "z"], &[]), ..batch("anna", 0, records.collect()) };
    store.record(&lease, &batch).await.unwrap();
    assert_eq!(store.deletions(&name("anna")).await.unwrap(), ids);
    store.confirm_deletions(&lease, &name("anna"), &ids[..1]).await.unwrap();
    assert_eq!(store.deletions(&name("anna")).await.unwrap(), ids[1..]);
    let gone = IncomingBatch { advance: pop3(&[], &["y"]), records: Vec::new().into(), ..batch };
    store.record(&lease, &gone).await.unwrap();
    assert_eq!(store.deletions(&name("anna")).await.unwrap(), ids[2..], "what is gone needs no deletion");
}

/// Of a message that is about to be removed, its id says nothing any more; the deletion itself still waits.
pub async fn what_is_about_to_be_removed_leaves_the_cursor(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    let ids: Vec<_> = ["x", "y"].map(|uidl| RemoteId::Uidl(uidl.to_owned())).to_vec();
    let records = ids.iter().enumerate().map(|(index, id)| NewRecord {
        remote: id.clone(),
        delete_after: true,
        ..record(1, &format!("message {index}"))
    });
    let seen = vec![("x".to_owned(), Some(7)), ("y".to_owned(), None)];
    let advance = CursorAdvance::Pop3 { seen, gone: Vec::new() };
    store.record(&lease, &IncomingBatch { advance, ..batch("anna", 0, records.collect()) }).await.unwrap();
    store.begin_deletions(&lease, &name("anna"), &ids).await.unwrap();
    // The size of the other one was not to be relied upon, because it came back once.
    let left = Cursor::Pop3 { seen: BTreeMap::from([("y".to_owned(), None)]) };
    assert_eq!(store.cursor(&name("anna")).await.unwrap(), left);
    assert_eq!(store.deletions(&name("anna")).await.unwrap(), ids);
}

pub async fn lists_are_newest_first_and_bounded(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna", "ben"]).await;
    for (mailbox, from) in [("anna", 0), ("ben", 600), ("anna", 1200)] {
        let lease = lease_mailbox(store, mailbox).await;
        let records = (from..from + 600).map(|uid| record(uid, &format!("message {uid}")));
        let mut records: Vec<NewRecord> = records.collect();
        records[0].quarantine = Some("odd".to_owned());
        let batch = batch(mailbox, from + 600, records);
        store.record(&lease, &batch).await.unwrap();
    }
    let listed = store.messages(&MessageQuery::default()).await.unwrap();
    assert_eq!(listed.len(), 1000);
    assert!(listed.windows(2).all(|pair| pair[0].id > pair[1].id));
    let query = MessageQuery { mailbox: Some(name("ben")), limit: Some(3), ..Default::default() };
    let listed = store.messages(&query).await.unwrap();
    let subjects: Vec<_> = listed.iter().map(|record| record.facts.subject.clone().unwrap()).collect();
    assert_eq!(subjects, ["message 1199", "message 1198", "message 1197"]);
    let query = MessageQuery { quarantined_only: true, ..Default::default() };
    assert_eq!(store.messages(&query).await.unwrap().len(), 3);
    let query = MessageQuery { mailbox: Some(name("anna")), quarantined_only: true, ..Default::default() };
    assert_eq!(store.messages(&query).await.unwrap().len(), 2);
    let query = MessageQuery { mailbox: Some(name("nobody")), ..Default::default() };
    assert!(store.messages(&query).await.unwrap().is_empty());
}

pub async fn many_writers_lose_nothing(world: &World) {
    let mailboxes = ["m0", "m1", "m2", "m3"];
    set_up(&*world.store, &mailboxes).await;
    let handles = [Arc::clone(&world.store), (world.again)(), (world.again)()];
    let mut tasks = tokio::task::JoinSet::new();
    for (index, mailbox) in mailboxes.into_iter().enumerate() {
        let store = Arc::clone(&handles[index % handles.len()]);
        tasks.spawn(async move {
            let lease = lease_mailbox(&*store, mailbox).await;
            for uid in 1..=40 {
                // Half of the octets are the same in all mailboxes.
                let text = if uid % 2 == 0 { format!("shared {uid}") } else { format!("{mailbox} {uid}") };
                store.record(&lease, &batch(mailbox, uid, vec![record(uid, &text)])).await.unwrap();
                store.enqueue(&outgoing(mailbox, Some(&uid.to_string()))).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let records = all(&*world.store).await;
    assert_eq!(records.len(), 160);
    for record in records {
        let raw = world.store.raw(&record.content).await.unwrap().unwrap();
        assert_eq!(ContentHash::of(&raw), record.content);
    }
    for mailbox in mailboxes {
        let cursor = world.store.cursor(&name(mailbox)).await.unwrap();
        assert_eq!(cursor, Cursor::Imap { validity: 1, uid_last: 40, mark: Mark::default() });
        assert_eq!(world.store.figures(&name(mailbox)).await.unwrap().outbox_pending, 40);
    }
}

pub async fn twenty_thousand_records_are_written_and_listed(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let lease = lease_mailbox(store, "anna").await;
    for first in (1..=20_000_u32).step_by(500) {
        let records = (first..first + 500).map(|uid| record(uid, &format!("message {uid}"))).collect();
        store.record(&lease, &batch("anna", first + 499, records)).await.unwrap();
    }
    assert_eq!(store.figures(&name("anna")).await.unwrap().records, 20_000);
    let last =
        store.messages(&MessageQuery { limit: Some(1), ..Default::default() }).await.unwrap().remove(0);
    assert_eq!(last.facts.subject.as_deref(), Some("message 20000"));
    assert!(!matches!(store.raw(&last.content).await, Err(StoreError::Damaged(_)) | Ok(None)));
}
