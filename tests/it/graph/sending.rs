//! What the connector sends, and what it makes of answers that are lost.

use mailplumb::model::failure::{Cause, TestStep};
use mailplumb::model::name::Address;
use mailplumb::model::outbox::{RecipientResult, Submitted};
use mailplumb::playground::GraphFault;
use mailplumb::remote::Submit;

use super::world::{ANNA, BORIS, World, error};

const MAIL: &[u8] = b"From: anna@contoso.example\r\nTo: Boris <boris@contoso.example>\r\nMessage-ID: <m1@contoso.example>\r\n\
    Subject: hello\r\n\r\nhello\r\n";

pub fn addresses(texts: &[&str]) -> Vec<Address> {
    texts.iter().map(|text| Address::parse(text).unwrap()).collect()
}

async fn send(
    session: &mut Box<dyn Submit>,
    to: &[&str],
) -> Result<Submitted, mailplumb::model::failure::RemoteError> {
    session.send(&Address::parse(ANNA).unwrap(), &addresses(to), MAIL).await
}

pub fn is_accepted(submitted: &Submitted) -> bool {
    submitted.recipients.iter().all(|it| matches!(it, RecipientResult::Accepted { .. }))
}

impl World {
    pub fn arrived(&self) -> usize {
        self.playground.state().inbox(BORIS).unwrap().len()
    }
}

#[tokio::test]
async fn what_is_sent_arrives_and_leaves_a_copy_under_the_drafts_id() {
    let world = World::new();
    let mut session = world.submit(ANNA).await.unwrap();
    let submitted = send(&mut session, &[BORIS, "blind@elsewhere.example"]).await.unwrap();
    assert!(is_accepted(&submitted) && submitted.recipients.len() == 2);
    let sent = world.playground.state().sent(ANNA).unwrap();
    assert_eq!((world.arrived(), sent.len()), (1, 1));
    let inbox = world.playground.state().inbox(BORIS).unwrap();
    let text = String::from_utf8_lossy(&inbox[0].raw).into_owned();
    assert!(!text.contains("blind@"), "nobody sees who got it blind: {text}");
    let elsewhere = world.playground.state().delivered_elsewhere();
    assert_eq!(elsewhere[0].recipients, ["blind@elsewhere.example"]);
    session.close().await;
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found_in_sent_items() {
    let world = World::new();
    world.playground.graph().misbehave("/send", 1, GraphFault::DoneAndClosed);
    let mut session = world.submit(ANNA).await.unwrap();
    let submitted = send(&mut session, &[BORIS]).await.unwrap();
    assert!(is_accepted(&submitted), "{submitted:?}");
    assert_eq!(world.arrived(), 1);
}

#[tokio::test]
async fn a_connection_that_ends_at_the_moment_of_sending_leaves_nobody_in_doubt() {
    let world = World::new();
    world.playground.graph().misbehave("/send", 1, GraphFault::Closed);
    let mut session = world.submit(ANNA).await.unwrap();
    let failed = error(send(&mut session, &[BORIS]).await);
    assert!(matches!(failed.cause, Cause::ConnectionLost { .. }), "it is tried again: {failed}");
    assert_eq!(world.arrived(), 0, "and not in the same breath");
    let mut session = world.submit(ANNA).await.unwrap();
    assert!(is_accepted(&send(&mut session, &[BORIS]).await.unwrap()));
    assert_eq!(world.arrived(), 1);
    assert!(
        world.playground.state().sent(ANNA).unwrap().len() == 1,
        "the draft of the first attempt was sent"
    );
}

#[tokio::test]
async fn a_time_out_of_the_service_leaves_it_unsure_and_nothing_is_sent_twice() {
    let world = World::new();
    world.playground.graph().misbehave("/send", 1, GraphFault::error(504, "", ""));
    let mut session = world.submit(ANNA).await.unwrap();
    let submitted = send(&mut session, &[BORIS]).await.unwrap();
    assert!(matches!(submitted.recipients[0], RecipientResult::Unsure { .. }), "{submitted:?}");
    assert!(!session.is_open());
    assert_eq!((world.arrived(), world.asked("/send")), (0, 1));
    // A person decides to try again: the draft of the first attempt is what is sent.
    let mut session = world.submit(ANNA).await.unwrap();
    assert!(is_accepted(&send(&mut session, &[BORIS]).await.unwrap()));
    assert_eq!((world.arrived(), world.asked("POST /v1.0/users/anna@contoso.example/messages ")), (1, 0));
    assert_eq!(
        world.calls().iter().filter(|call| call.content_type.as_deref() == Some("text/plain")).count(),
        1
    );
    // And one that was sent is not sent again, whatever became of the answer.
    let mut session = world.submit(ANNA).await.unwrap();
    assert!(is_accepted(&send(&mut session, &[BORIS]).await.unwrap()));
    assert_eq!(world.arrived(), 1);
}

#[tokio::test]
async fn a_throttled_sending_is_certainly_none_and_no_call_falls_into_the_wait() {
    let world = World::new();
    world.playground.graph().misbehave("/send", 1, GraphFault::throttled(120));
    let mut session = world.submit(ANNA).await.unwrap();
    let refused = error(send(&mut session, &[BORIS]).await);
    assert_eq!(refused.step, TestStep::Send);
    let Cause::TemporarilyRefused { said } = &refused.cause else { panic!("{refused}") };
    assert!(said.contains("retry after 120 seconds"), "{said}");
    let before = world.calls().len();
    for _ in 0..3 {
        assert!(matches!(error(send(&mut session, &[BORIS]).await).cause, Cause::TemporarilyRefused { .. }));
        assert!(world.submit(ANNA).await.is_err() && world.receive(ANNA).await.is_err());
    }
    assert_eq!(world.calls().len(), before, "nothing was asked while the wait lasted");
    world.receive(BORIS).await.expect("the wait is that of one mailbox");
    world.clock.wait(121);
    assert!(is_accepted(&send(&mut session, &[BORIS]).await.unwrap()));
    assert_eq!(world.arrived(), 1);
}

#[tokio::test]
async fn what_the_service_refuses_leaves_no_draft() {
    let world = World::new();
    world.playground.graph().misbehave(
        "/send",
        1,
        GraphFault::error(403, "ErrorSendAsDenied", "not as them"),
    );
    let mut session = world.submit(ANNA).await.unwrap();
    let refused = error(send(&mut session, &[BORIS]).await);
    assert!(matches!(&refused.cause, Cause::Graph { code, .. } if code == "ErrorSendAsDenied"), "{refused}");
    assert_eq!(world.asked("DELETE "), 1);
    assert!(session.is_open() && is_accepted(&send(&mut session, &[BORIS]).await.unwrap()));
}

#[tokio::test]
async fn a_page_in_the_place_of_the_acceptance_is_none() {
    for status in [200, 204] {
        let world = World::new();
        let fields = vec![("Content-Type".to_owned(), "text/html".to_owned())];
        let page = GraphFault::Answer { status, fields, body: "<html>log in</html>".to_owned() };
        world.playground.graph().misbehave("/send", 1, page);
        let mut session = world.submit(ANNA).await.unwrap();
        let submitted = send(&mut session, &[BORIS]).await.unwrap();
        assert!(matches!(submitted.recipients[0], RecipientResult::Unsure { .. }), "{status}: {submitted:?}");
        assert_eq!(world.arrived(), 0);
    }
}
