//! Cursors: what is new is seen once, and what is known costs nothing.

use mailplumb::model::cursor::{Content, Cursor, Listing, Part, RemoteId};
use mailplumb::model::limits;
use mailplumb::model::profile::Protocol;

use crate::remote::world::client::{behind, fetch, unseen};
use crate::remote::world::{ANNA, Client, How, Other, World};
use crate::support::need::{Need, require};

in_every_world! {
    a_second_listing_behind_the_cursor_is_empty_and_fetches_nothing,
    mail_that_comes_after_a_listing_is_seen_by_the_next,
    a_message_that_vanished_between_list_and_fetch_is_no_error,
    another_uid_validity_makes_everything_new,
    an_empty_inbox_is_an_empty_listing,
    an_inbox_in_which_nothing_has_moved_is_not_listed_again,
    of_a_large_inbox_only_what_is_young_enough_is_listed,
}

fn message(number: usize) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\nbody of {number}\r\n").into_bytes()
}

fn deliver(world: &dyn World, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| world.deliver(ANNA, &message(number)));
}

fn fetches(commands: &[String]) -> Vec<&String> {
    let fetches = |line: &&String| {
        line.starts_with("RETR")
            || line.starts_with("TOP")
            || line.contains("BODY")
            || line.contains("RFC822 ")
            || line.as_str() == "GetItem"
            || line.ends_with("/$value")
    };
    commands.iter().filter(fetches).collect()
}

async fn a_second_listing_behind_the_cursor_is_empty_and_fetches_nothing(world: &dyn World) {
    deliver(world, 0..7);
    for way in world.receiving() {
        let protocol = way.protocol();
        let how = How::by(world, way);
        let mut session = Client::receive(world, &how).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let cursor = behind(&Cursor::Start, &listing);
        assert_eq!(fetch(&mut session, &unseen(&Cursor::Start, &listing), Part::Whole).await.len(), 7);
        // The same session, too.
        assert_eq!(unseen(&cursor, &session.list(&cursor).await.unwrap()), []);
        session.delete_and_close(&[]).await.unwrap();
        let before = world.commands(ANNA, protocol);
        assert!(!fetches(&before).is_empty(), "{before:?}");

        let mut session = Client::receive(world, &how).await.unwrap();
        let listing = session.list(&cursor).await.unwrap();
        if protocol == Protocol::Imap {
            assert_eq!(listing.messages(), []);
        }
        assert_eq!(unseen(&cursor, &listing), []);
        if !way.is_graph() {
            // Graph names each round of changes anew.
            assert_eq!(behind(&cursor, &listing), cursor);
        }
        assert_eq!(session.fetch(&[], Part::Whole).await.unwrap(), []);
        session.delete_and_close(&[]).await.unwrap();
        let after = world.commands(ANNA, protocol);
        assert!(after.len() > before.len(), "the second session is in the log: {after:?}");
        assert_eq!(fetches(&after), fetches(&before));
    }
}

async fn mail_that_comes_after_a_listing_is_seen_by_the_next(world: &dyn World) {
    deliver(world, 0..3);
    for (round, way) in world.receiving().into_iter().enumerate() {
        let protocol = way.protocol();
        let how = How::by(world, way);
        let mut session = Client::receive(world, &how).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        assert_eq!(listing.messages().len(), 3 + round);
        let cursor = behind(&Cursor::Start, &listing);
        deliver(world, 3 + round..4 + round);
        // A POP3 session sees the mailbox as it was when it began.
        session = match protocol {
            Protocol::Imap | Protocol::Smtp | Protocol::Ews => session,
            Protocol::Pop3 => {
                assert_eq!(unseen(&cursor, &session.list(&cursor).await.unwrap()), []);
                session.delete_and_close(&[]).await.unwrap();
                Client::receive(world, &how).await.unwrap()
            }
        };
        let new = unseen(&cursor, &session.list(&cursor).await.unwrap());
        let contents = fetch(&mut session, &new, Part::Whole).await;
        assert_eq!(contents, [Content::Bytes(message(3 + round).into())], "{way:?}");
        session.delete_and_close(&[]).await.unwrap();
    }
}

async fn a_message_that_vanished_between_list_and_fetch_is_no_error(world: &dyn World) {
    for way in world.receiving() {
        let protocol = way.protocol();
        world.inbox(ANNA).iter().for_each(|_| world.remove(ANNA, 0));
        deliver(world, 0..5);
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        world.remove(ANNA, 3);
        world.remove(ANNA, 1);
        for part in [Part::Headers, Part::Whole] {
            let contents = fetch(&mut session, listing.messages(), part).await;
            for (number, content) in contents.iter().enumerate() {
                match content {
                    Content::Bytes(octets)
                        if [1, 3].contains(&number)
                            && world.placeholder().is_some_and(|start| octets.starts_with(start)) => {}
                    Content::Bytes(octets) => {
                        let start = &message(number)[..octets.len().min(message(number).len())];
                        assert_eq!(&octets[..], start, "{way:?}, {number}");
                    }
                    Content::Vanished => {
                        assert!([1, 3].contains(&number), "{way:?}: {number} is still there");
                    }
                    // POP3 has no word for it: Courier refuses, and says why in a sentence.
                    Content::Deferred(_) if protocol == Protocol::Pop3 && [1, 3].contains(&number) => {}
                    Content::Refused(_)
                    | Content::Deferred(_)
                    | Content::Streamed(_)
                    | Content::TooLarge(_) => {
                        panic!("{way:?}, {number}: {content:?}")
                    }
                }
            }
        }
        // Whether an IMAP or POP3 session goes on seeing what another one removed is the server's choice; the next
        // session does not see it.
        drop(session.delete_and_close(&[]).await);
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let contents = match protocol {
            Protocol::Imap => fetch(&mut session, listing.messages(), Part::Whole).await,
            Protocol::Pop3 | Protocol::Smtp | Protocol::Ews => {
                session.list(&Cursor::Start).await.unwrap();
                fetch(&mut session, listing.messages(), Part::Whole).await
            }
        };
        let gone: Vec<usize> = (0..5).filter(|number| contents[*number] == Content::Vanished).collect();
        assert_eq!(gone, [1, 3], "{way:?}");
        session.delete_and_close(&[]).await.unwrap();
    }
}

async fn another_uid_validity_makes_everything_new(world: &dyn World) {
    deliver(world, 0..3);
    let how = How::to(world, Protocol::Imap);
    let mut session = Client::receive(world, &how).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let cursor = behind(&Cursor::Start, &listing);
    session.delete_and_close(&[]).await.unwrap();
    world.change_uid_validity(ANNA);

    let mut session = Client::receive(world, &how).await.unwrap();
    let again = session.list(&cursor).await.unwrap();
    let (Listing::Imap { validity: before, .. }, Listing::Imap { validity: after, messages, .. }) =
        (&listing, &again)
    else {
        panic!("{again:?}")
    };
    assert_ne!(before, after);
    assert_eq!(messages.len(), 3);
    // What was listed under the old validity is not looked for under the new one, and never removed.
    let contents = fetch(&mut session, listing.messages(), Part::Whole).await;
    assert_eq!(contents, [Content::Vanished, Content::Vanished, Content::Vanished]);
    let old: Vec<RemoteId> = listing.messages().iter().map(|listed| listed.id.clone()).collect();
    assert_eq!(session.delete_and_close(&old).await.unwrap(), []);
    assert_eq!(world.inbox(ANNA).len(), 3);
}

async fn an_empty_inbox_is_an_empty_listing(world: &dyn World) {
    for way in world.receiving() {
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        assert_eq!(session.list(&Cursor::Start).await.unwrap().messages(), []);
        assert_eq!(session.fetch(&[], Part::Whole).await.unwrap(), []);
        assert_eq!(session.delete_and_close(&[]).await.unwrap(), []);
    }
}

/// The last message is gone before anybody has seen it, so that the cursor stays behind UIDNEXT for ever.
async fn an_inbox_in_which_nothing_has_moved_is_not_listed_again(world: &dyn World) {
    deliver(world, 0..4);
    let how = How::to(world, Protocol::Imap);
    // Somebody's session gives the numbers out.
    Client::receive(world, &how).await.unwrap().delete_and_close(&[]).await.unwrap();
    world.remove(ANNA, 3);
    let mut cursor = Cursor::Start;
    let mut lists = Vec::new();
    for _ in 0..3 {
        let mut session = Client::receive(world, &how).await.unwrap();
        let listing = session.list(&cursor).await.unwrap();
        cursor = behind(&cursor, &listing);
        session.delete_and_close(&[]).await.unwrap();
        let commands = world.commands(ANNA, Protocol::Imap);
        lists.push(commands.iter().filter(|line| line.contains("UID FETCH")).count());
    }
    let expected = if world.tells_what_comes_next() { [1, 1, 1] } else { [1, 2, 3] };
    assert_eq!(lists, expected);
    deliver(world, 4..5);
    let mut session = Client::receive(world, &how).await.unwrap();
    assert_eq!(unseen(&cursor, &session.list(&cursor).await.unwrap()).len(), 1);
    session.delete_and_close(&[]).await.unwrap();
}

async fn of_a_large_inbox_only_what_is_young_enough_is_listed(world: &dyn World) {
    let count = limits::SEARCHED_FROM_MESSAGES as usize;
    deliver(world, 0..count);
    let how = How::to(world, Protocol::Imap);
    let from = |moment: &str| Some(moment.parse().unwrap());
    for (from, wanted) in [(from("2001-01-01T00:00:00Z"), count), (from("2100-01-01T00:00:00Z"), 0)] {
        let mut session = Client::receive(world, &how).await.unwrap();
        session.wants_from(from);
        let listing = session.list(&Cursor::Start).await.unwrap();
        let is_known = wanted > 0 || world.tells_what_comes_next();
        assert_eq!(listing.messages().len(), if is_known { wanted } else { count }, "{from:?}");
        session.delete_and_close(&[]).await.unwrap();
        // Without UIDNEXT nobody knows up to which number nothing is wanted.
        if wanted == 0 && world.tells_what_comes_next() {
            // What came before is behind the cursor, and is not searched for again.
            let cursor = behind(&Cursor::Start, &listing);
            deliver(world, count..count + 1);
            let mut session = Client::receive(world, &how).await.unwrap();
            session.wants_from(from);
            assert_eq!(session.list(&cursor).await.unwrap().messages().len(), 1);
            session.delete_and_close(&[]).await.unwrap();
        }
    }
    let commands = world.commands(ANNA, Protocol::Imap);
    let searches =
        commands.iter().filter(|line| line.contains("UID SEARCH") && line.contains(" SINCE ")).count();
    assert_eq!(searches, 2, "{commands:?}");
}

/// Courier shows another UIDVALIDITY to each session that merely looks at an inbox that nobody has ever selected, and gives the
/// numbers of new mail anew when one of them goes away before. Either would read mail again, or pass mail over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn courier_is_not_merely_looked_at() {
    let Some(()) = require(Need::Courier) else { return };
    let world = Other::start();
    deliver(&world, 0..3);
    let how = How::to(&world, Protocol::Imap);
    let mut cursor = Cursor::Start;
    let mut fresh = Vec::new();
    for _ in 0..3 {
        let mut session = Client::receive(&world, &how).await.unwrap();
        let listing = session.list(&cursor).await.unwrap();
        fresh.push(unseen(&cursor, &listing).len());
        cursor = behind(&cursor, &listing);
        session.delete_and_close(&[]).await.unwrap();
        if fresh.len() == 1 {
            // Another client, by POP3 for one, takes one away without a word.
            world.remove(ANNA, 1);
            deliver(&world, 3..4);
        }
    }
    assert_eq!(fresh, [3, 1, 0]);
}
