//! Removing messages: confirmed only after it happened, and never by accident.

use mailplumb::model::cursor::{Cursor, Listed, RemoteId};

use crate::remote::world::{ANNA, Client, How, World};

in_every_world! {
    what_is_confirmed_is_gone_and_the_rest_is_there,
    a_session_that_is_dropped_deletes_nothing,
    what_another_client_removed_first_is_no_error,
    a_message_that_was_never_listed_is_not_deleted,
}

fn message(number: usize) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\nbody of {number}\r\n").into_bytes()
}

/// Six messages in an inbox that was emptied before.
fn refill(world: &dyn World) {
    world.inbox(ANNA).iter().for_each(|_| world.remove(ANNA, 0));
    (0..6).for_each(|number| world.deliver(ANNA, &message(number)));
}

fn ids(messages: &[Listed], wanted: &[usize]) -> Vec<RemoteId> {
    wanted.iter().map(|at| messages[*at].id.clone()).collect()
}

fn left(world: &dyn World) -> Vec<Vec<u8>> {
    world.inbox(ANNA)
}

/// What is left as soon as it is what is expected, or after some seconds: Courier says goodbye before it removes.
async fn left_in_the_end(world: &dyn World, expected: &[Vec<u8>]) -> Vec<Vec<u8>> {
    for _ in 0..200 {
        if left(world) == expected {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    left(world)
}

fn messages(numbers: &[usize]) -> Vec<Vec<u8>> {
    numbers.iter().copied().map(message).collect()
}

async fn what_is_confirmed_is_gone_and_the_rest_is_there(world: &dyn World) {
    for way in world.receiving() {
        refill(world);
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let mut named = ids(listing.messages(), &[0, 2, 5]);
        named.sort();
        let mut gone = session.delete_and_close(&named).await.unwrap();
        gone.sort();
        assert_eq!(gone, named);
        let expected = messages(&[1, 3, 4]);
        assert_eq!(left_in_the_end(world, &expected).await, expected, "{way:?}");
    }
}

async fn a_session_that_is_dropped_deletes_nothing(world: &dyn World) {
    for way in world.receiving() {
        refill(world);
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        assert_eq!(listing.messages().len(), 6);
        drop(session);
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        assert_eq!(session.list(&Cursor::Start).await.unwrap().messages().len(), 6);
        session.delete_and_close(&[]).await.unwrap();
        assert_eq!(left(world), messages(&[0, 1, 2, 3, 4, 5]), "{way:?}");
    }
}

async fn what_another_client_removed_first_is_no_error(world: &dyn World) {
    for way in world.receiving() {
        refill(world);
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        world.remove(ANNA, 1);
        let named = ids(listing.messages(), &[0, 1]);
        // Whatever is confirmed is gone; a server may refuse to name the one that was gone before.
        if let Ok(confirmed) = session.delete_and_close(&named).await {
            assert!(confirmed.contains(&named[0]), "{way:?}: {confirmed:?}");
            let expected = messages(&[2, 3, 4, 5]);
            assert_eq!(left_in_the_end(world, &expected).await, expected, "{way:?}");
        } else {
            assert!(left(world).ends_with(&messages(&[2, 3, 4, 5])), "{way:?}");
        }
    }
}

async fn a_message_that_was_never_listed_is_not_deleted(world: &dyn World) {
    for way in world.receiving() {
        refill(world);
        let session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let strange = [RemoteId::Uidl("1".to_owned()), RemoteId::Uid { validity: 7, uid: 1 }];
        assert_eq!(session.delete_and_close(&strange).await.unwrap(), []);
        assert_eq!(left(world).len(), 6, "{way:?}");
    }
}
