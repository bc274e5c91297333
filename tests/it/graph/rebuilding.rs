//! Messages that the service cannot make into MIME, or does not find although it lists them: what can be had of them becomes a
//! record that says so, and no other message waits for it.

use mailplumb::model::cursor::{Content, Cursor, Fetched, Listing, RemoteId};
use mailplumb::model::failure::Cause;
use mailplumb::playground::{Damage, GraphFault};
use mailplumb::remote::Receive;

use super::story::{Office, manifest};
use super::world::{ANNA, World, error, options, raw};
use crate::exchange::rebuilding::{LETTER, PICTURE, Taken, assert_is_letter, assert_shows_picture};

async fn listed(world: &World) -> (Box<dyn Receive>, Listing) {
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    (session, listing)
}

async fn fetched(session: &mut Box<dyn Receive>, listing: &Listing) -> Vec<(Fetched, Vec<u8>)> {
    let mut taken = Taken::default();
    session.fetch_each(listing.messages(), &mut taken).await.unwrap();
    taken.messages
}

fn damaged(world: &World, damage: Damage) {
    world.playground.exchange().deliver_damaged(ANNA, LETTER.as_bytes(), damage);
}

/// Where the octets of one message are asked for.
fn value_of(listing: &Listing, at: usize) -> String {
    let RemoteId::Item(id) = &listing.messages()[at].id else { panic!("{listing:?}") };
    // As a path has it.
    format!("{}/$value", id.replace('=', "%3D"))
}

#[tokio::test]
async fn what_cannot_be_had_as_it_is_is_put_together_from_what_else_is_known_of_it() {
    let world = World::new();
    world.deliver(0..1);
    damaged(&world, Damage::Mime);
    world.deliver(1..2);
    let (mut session, listing) = listed(&world).await;
    let taken = fetched(&mut session, &listing).await;
    let rebuilt: Vec<Option<&str>> = taken.iter().map(|(fetched, _)| fetched.rebuilt.as_deref()).collect();
    let because = "HTTP 500 ErrorMimeContentConversionFailed: The MIME content conversion failed.";
    assert_eq!(rebuilt, [None, Some(because), None], "its neighbours are what they were");
    assert_is_letter(&taken[1].1);
    assert_eq!((&taken[0].1, &taken[2].1), (&raw(0), &raw(1)));
    let (mut session, listing) = listed(&world).await;
    assert_eq!(
        fetched(&mut session, &listing).await[1].1,
        taken[1].1,
        "another reading makes the same octets"
    );
}

#[tokio::test]
async fn a_picture_that_its_text_shows_stands_there_again() {
    let world = World::new();
    world.playground.exchange().deliver_damaged(ANNA, PICTURE.as_bytes(), Damage::Mime);
    let (mut session, listing) = listed(&world).await;
    assert_shows_picture(&fetched(&mut session, &listing).await[0].1);
    // A service that does not want to be asked for it gives attachments at least.
    let refused = GraphFault::error(400, "BadRequest", "Could not find a property named 'contentId'.");
    world.playground.graph().misbehave("fileAttachment/contentId", u32::MAX, refused);
    let [(fetched, raw)] = <[_; 1]>::try_from(fetched(&mut session, &listing).await).unwrap();
    assert_eq!(fetched.rebuilt.unwrap().matches("without").count(), 0);
    assert_eq!(mail_parser::MessageParser::new().parse(&raw).unwrap().attachment_count(), 2);
}

#[tokio::test]
async fn what_is_missing_of_it_is_said_and_where_nothing_can_be_had_the_reason_is_given() {
    for (damage, said) in [
        (Damage::MimeAndText, "without its text (HTTP 500 ErrorItemPropertyRequestFailed"),
        (Damage::MimeAndAttachments, "without the attachment a.pdf (HTTP 500 ErrorCannotOpenFileAttachment"),
    ] {
        let world = World::new();
        damaged(&world, damage);
        let (mut session, listing) = listed(&world).await;
        let [(fetched, raw)] = <[_; 1]>::try_from(fetched(&mut session, &listing).await).unwrap();
        assert!(fetched.rebuilt.as_deref().unwrap().contains(said), "{fetched:?}");
        assert!(String::from_utf8(raw).unwrap().contains("Subject: the damaged one"));
    }
    let world = World::new();
    damaged(&world, Damage::Everything);
    let (mut session, listing) = listed(&world).await;
    let [(fetched, _)] = <[_; 1]>::try_from(fetched(&mut session, &listing).await).unwrap();
    let Content::Refused(said) = &fetched.content else { panic!("{fetched:?}") };
    assert_eq!(said.matches("ErrorItemCorrupt").count(), 2, "of its octets and of its properties: {said}");
}

#[tokio::test]
async fn one_whose_octets_are_not_found_although_it_is_there_has_not_vanished() {
    let world = World::new();
    world.deliver(0..2);
    let (mut session, listing) = listed(&world).await;
    let missing = GraphFault::error(404, "ErrorItemNotFound", "not found in the store");
    world.playground.graph().misbehave(&value_of(&listing, 0), 1, missing);
    let taken = fetched(&mut session, &listing).await;
    assert!(taken[0].0.rebuilt.as_deref().unwrap().contains("ErrorItemNotFound"), "{taken:?}");
    let message = mail_parser::MessageParser::new().parse(&taken[0].1).unwrap();
    assert_eq!((message.subject(), message.body_text(0).unwrap().trim()), (Some("number 0"), "body"));
    world.playground.state().remove(ANNA, 2).unwrap();
    let taken = fetched(&mut session, &listing).await;
    assert_eq!(taken[1].0.content, Content::Vanished, "and one that is gone has");
}

#[tokio::test]
async fn whatever_is_said_of_one_message_holds_up_no_other_and_ends_with_what_can_be_had() {
    for (status, code) in
        [(500, ""), (502, ""), (504, "UnknownError"), (408, ""), (400, "RequestBroker--ParseUri"), (418, "x")]
    {
        let world = World::new();
        world.deliver(0..3);
        let (mut session, listing) = listed(&world).await;
        let fault = GraphFault::error(status, code, "x");
        world.playground.graph().misbehave(&value_of(&listing, 1), u32::MAX, fault);
        let taken = fetched(&mut session, &listing).await;
        assert!(matches!(taken[1].0.content, Content::Deferred(_)), "{status} {code}: {taken:?}");
        assert_eq!((&taken[0].1, &taken[2].1), (&raw(0), &raw(2)), "{status} {code}");
        session.tries_last([listing.messages()[1].id.clone()].into());
        let taken = fetched(&mut session, &listing).await;
        assert!(taken[1].0.rebuilt.is_some(), "{status} {code}: {taken:?}");
        assert!(String::from_utf8_lossy(&taken[1].1).contains("Subject: number 1"));
    }
}

#[tokio::test]
async fn what_is_about_the_mailbox_is_no_reason_to_put_anything_together() {
    for (status, code) in [(429, "ApplicationThrottled"), (503, ""), (403, "ErrorAccessDenied")] {
        let world = World::new();
        world.deliver(0..1);
        let (mut session, listing) = listed(&world).await;
        session.tries_last([listing.messages()[0].id.clone()].into());
        world.playground.graph().misbehave("$value", 1, GraphFault::error(status, code, "x"));
        let failure = error(session.fetch_each(listing.messages(), &mut Taken::default()).await);
        let is_told =
            matches!(failure.cause, Cause::TemporarilyRefused { .. } | Cause::Graph { status: 403, .. });
        assert!(is_told, "{status}: {failure}");
        // Neither while it is put together.
        world.playground.graph().misbehave("$value", 1, GraphFault::error(500, "ErrorItemCorrupt", "x"));
        world.playground.graph().misbehave("?$select=id,subject", 1, GraphFault::error(status, code, "x"));
        let failure = error(session.fetch_each(listing.messages(), &mut Taken::default()).await);
        let is_told =
            matches!(failure.cause, Cause::TemporarilyRefused { .. } | Cause::Graph { status: 403, .. });
        assert!(is_told, "{status}: {failure}");
    }
}

/// One attachment is refused for a while, when the beginning of its message has been handed over.
#[test]
fn what_passes_while_it_is_put_together_is_waited_for_and_spoils_no_other() {
    let Office { person, playground } = Office::opens_with(&manifest("graph"), options());
    person.types("apply --auto-approve").ends(0);
    playground.graph().misbehave("/attachments/", 1, GraphFault::error(502, "", ""));
    let exchange = playground.exchange();
    exchange.deliver_damaged(ANNA, LETTER.as_bytes(), Damage::Mime);
    let other = LETTER.replace("<1@", "<2@").replace("the damaged one", "the other one");
    exchange.deliver_damaged(ANNA, other.as_bytes(), Damage::Mime);
    person.types("sync").ends(0).says("1 recorded").says("1 not handed over yet");
    person.types("messages").ends(0).says("the other one").says("rebuilt, 2 attachments");
    person.types("sync").ends(0).says("1 recorded");
    let listed = person.types("messages");
    assert_eq!(listed.stdout.matches("rebuilt, 2 attachments").count(), 2, "{listed:#?}");
}

#[test]
fn its_record_says_so_and_it_stays_at_the_server() {
    let manifest = manifest("graph").replace(
        "  user: { address: anna@contoso.example }\n",
        "  queue: { address: anna@contoso.example, deleteAfterProcessing: true }\n",
    );
    let Office { person, playground } =
        Office::opens_with(&manifest.replace("outgoing: server-side-sync", "outgoing: none"), options());
    person.types("apply --auto-approve").ends(0);
    let before = playground.state().inbox(ANNA).unwrap().len();
    let exchange = playground.exchange();
    exchange.deliver_damaged(ANNA, LETTER.as_bytes(), Damage::Mime);
    exchange.deliver_damaged(ANNA, &LETTER.replace("<1@", "<2@").into_bytes(), Damage::Everything);
    playground.state().deliver(ANNA, b"Subject: fine\r\nFrom: c@d.example\r\n\r\nbody\r\n").unwrap();
    person.types("sync").ends(0).says("3 recorded");
    person.types("messages").ends(0).says("rebuilt, 2 attachments").says("quarantined");
    let shown = person.types("messages show 1");
    shown
        .ends(0)
        .says("rebuilt     from its properties and attachments, and kept at the server: HTTP 500 ErrorMime");
    assert_eq!(playground.state().inbox(ANNA).unwrap().len(), before + 2, "only the whole one is removed");
    playground.graph().forget_delta_links();
    person.types("sync").ends(0);
    let listed = person.types("messages");
    assert_eq!(listed.stdout.matches("the damaged one").count(), 1, "it is known again: {listed:#?}");
}
