//! Messages that are too large for one request: taken apart, uploaded range by range, and sent when all of it is there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{MessageParser, MimeHeaders};
use mailplumb::model::failure::{Cause, RemoteError};
use mailplumb::model::limits;
use mailplumb::model::name::Address;
use mailplumb::model::outbox::{RecipientResult, Submitted};
use mailplumb::playground::GraphFault;
use mailplumb::remote::Submit;

use super::sending::{addresses, is_accepted};
use super::world::{ANNA, BORIS, OUTLOOK, World, error};

const MIB: usize = 1024 * 1024;

/// Octets in no order, and of every kind.
fn octets(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A message with files of these sizes.
pub fn mail(sizes: &[usize]) -> Vec<u8> {
    let mut raw = format!(
        "From: {ANNA}\r\nTo: {BORIS}\r\nMessage-ID: <large@contoso.example>\r\nSubject: large\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    );
    for (number, size) in sizes.iter().enumerate() {
        raw.push_str(&format!(
            "--b\r\nContent-Type: application/pdf; name=\"{number}.pdf\"\r\nContent-Disposition: attachment\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        ));
        let text = STANDARD.encode(octets(*size));
        for line in text.as_bytes().chunks(76) {
            raw.push_str(std::str::from_utf8(line).unwrap());
            raw.push_str("\r\n");
        }
    }
    raw.push_str("--b--\r\n");
    raw.into_bytes()
}

async fn send(session: &mut Box<dyn Submit>, raw: &[u8]) -> Result<Submitted, RemoteError> {
    session.send(&Address::parse(ANNA).unwrap(), &addresses(&[BORIS]), raw).await
}

impl World {
    /// Sizes of the files that arrived with the only message, by name; each is what was sent.
    fn arrived_files(&self) -> Vec<(String, usize)> {
        let inbox = self.playground.state().inbox(BORIS).unwrap();
        assert_eq!(inbox.len(), 1);
        let message = MessageParser::new().parse(&inbox[0].raw[..]).unwrap();
        assert_eq!(message.message_id(), Some("large@contoso.example"));
        assert_eq!(message.body_text(0).unwrap().trim(), "hello");
        let file = |part: &mail_parser::MessagePart<'_>| {
            assert_eq!(part.contents(), octets(part.contents().len()));
            (part.attachment_name().unwrap().to_owned(), part.contents().len())
        };
        let mut files: Vec<_> = message.attachments().map(file).collect();
        files.sort();
        files
    }

    fn drafts_left(&self) -> usize {
        let made =
            self.calls().iter().filter(|call| call.content_type.as_deref() == Some("text/plain")).count();
        made - self.arrived() - self.asked("DELETE ")
    }
}

#[tokio::test]
async fn a_large_message_arrives_whole_and_no_token_goes_to_where_its_files_are_put() {
    let world = World::new();
    world.playground.graph().lead_uploads_to(OUTLOOK);
    let mut session = world.submit(ANNA).await.unwrap();
    let sizes = [7 * MIB + 5, MIB, 2 * MIB];
    let submitted = send(&mut session, &mail(&sizes)).await.unwrap();
    assert!(is_accepted(&submitted), "{submitted:?}");
    let names = ["0.pdf", "1.pdf", "2.pdf"].map(str::to_owned);
    assert_eq!(world.arrived_files(), names.into_iter().zip(sizes).collect::<Vec<_>>());
    // The largest is uploaded, the next one is added in one request, and the third stays in the draft.
    assert_eq!((world.asked("PUT /api/"), world.asked("createUploadSession")), (3, 1));
    assert_eq!(world.asked("/attachments"), 2);
    assert!(world.calls().iter().all(|call| call.status != 401), "a token there is refused");
    assert_eq!(world.playground.state().sent(ANNA).unwrap().len(), 1);
}

#[tokio::test]
async fn an_upload_goes_on_where_it_stands_after_an_answer_was_lost() {
    for fault in [GraphFault::DoneAndClosed, GraphFault::error(500, "", ""), GraphFault::error(416, "x", "y")]
    {
        let world = World::new();
        let mut session = world.submit(ANNA).await.unwrap();
        world.playground.graph().misbehave("PUT /api/", 2, fault);
        let submitted = send(&mut session, &mail(&[7 * MIB])).await.unwrap();
        assert!(is_accepted(&submitted), "{submitted:?}");
        assert_eq!(world.arrived_files(), [("0.pdf".to_owned(), 7 * MIB)]);
        assert_eq!((world.asked("GET /api/"), world.drafts_left()), (2, 0));
    }
}

#[tokio::test]
async fn an_upload_that_never_gets_on_is_given_up_and_nothing_is_sent() {
    let world = World::new();
    let mut session = world.submit(ANNA).await.unwrap();
    world.playground.graph().misbehave("PUT /api/", u32::MAX, GraphFault::error(500, "", ""));
    error(send(&mut session, &mail(&[4 * MIB])).await);
    assert_eq!(world.asked("PUT /api/"), 1 + limits::GRAPH_UPLOAD_RESUMES_MAX);
    assert_eq!((world.arrived(), world.drafts_left()), (0, 0));
}

#[tokio::test]
async fn the_last_answer_may_be_lost_and_the_file_is_looked_for() {
    let world = World::new();
    world.playground.graph().misbehave("PUT /api/", 1, GraphFault::DoneAndClosed);
    let mut session = world.submit(ANNA).await.unwrap();
    assert!(is_accepted(&send(&mut session, &mail(&[3 * MIB])).await.unwrap()));
    assert_eq!(world.arrived_files(), [("0.pdf".to_owned(), 3 * MIB)]);
    assert_eq!((world.asked("PUT /api/"), world.asked("GET /api/"), world.asked("attachments?")), (1, 1, 1));
}

#[tokio::test]
async fn files_are_put_to_nobody_outside_of_the_cloud() {
    let world = World::new();
    for host in
        ["evil.example", "169.254.169.254", "outlook.office.com.evil.example", "outlook.office.com:8443"]
    {
        world.playground.graph().lead_uploads_to(host);
        let mut session = world.submit(ANNA).await.unwrap();
        let failure = error(send(&mut session, &mail(&[4 * MIB])).await);
        assert!(matches!(failure.cause, Cause::Garbage { .. }), "{failure}");
        let words = failure.to_string();
        assert!(words.contains(host) && !words.contains("authtoken"), "{words}");
        assert_eq!((world.arrived(), world.drafts_left(), world.asked("PUT ")), (0, 0, 0));
    }
}

#[tokio::test]
async fn a_draft_without_all_of_its_files_is_never_sent() {
    let world = World::new();
    let (graph, refused) = (world.playground.graph(), GraphFault::error(403, "ErrorAccessDenied", "no"));
    graph.misbehave("PUT /api/", 1, refused);
    graph.misbehave("DELETE /v1.0", 1, GraphFault::error(500, "x", "y"));
    let mut session = world.submit(ANNA).await.unwrap();
    let failure = error(send(&mut session, &mail(&[4 * MIB])).await);
    assert!(matches!(failure.cause, Cause::Graph { status: 403, .. }), "{failure}");
    assert_eq!(world.arrived(), 0);
    // The draft of the first attempt is still there, and makes place for another.
    assert!(is_accepted(&send(&mut session, &mail(&[4 * MIB])).await.unwrap()));
    assert_eq!(world.arrived_files(), [("0.pdf".to_owned(), 4 * MIB)]);
    assert_eq!(world.asked("DELETE "), 2);
}

#[tokio::test]
async fn a_complete_draft_of_an_attempt_before_is_what_is_sent() {
    let world = World::new();
    world.playground.graph().misbehave("/send", 1, GraphFault::error(504, "", ""));
    let mut session = world.submit(ANNA).await.unwrap();
    let submitted = send(&mut session, &mail(&[4 * MIB])).await.unwrap();
    assert!(matches!(submitted.recipients[0], RecipientResult::Unsure { .. }), "{submitted:?}");
    let mut session = world.submit(ANNA).await.unwrap();
    assert!(is_accepted(&send(&mut session, &mail(&[4 * MIB])).await.unwrap()));
    assert_eq!(world.arrived_files(), [("0.pdf".to_owned(), 4 * MIB)]);
    assert_eq!(world.asked("createUploadSession"), 1, "it is not uploaded twice");
}

#[tokio::test]
async fn a_wait_in_the_middle_of_an_upload_is_kept() {
    let world = World::new();
    world.playground.graph().misbehave("PUT /api/", 1, GraphFault::throttled(600));
    let mut session = world.submit(ANNA).await.unwrap();
    let failure = error(send(&mut session, &mail(&[4 * MIB])).await);
    assert!(failure.to_string().contains("retry after 600 seconds"), "{failure}");
    let before = world.calls().len();
    assert!(world.submit(ANNA).await.is_err());
    assert_eq!((world.calls().len(), world.arrived()), (before, 0));
}

#[tokio::test]
async fn a_place_that_expects_nonsense_ends_the_upload() {
    for expected in ["[\"99999999999\"]", "[\"0-\"]", "[\"soon\"]"] {
        let world = World::new();
        let body = format!("{{\"nextExpectedRanges\":{expected}}}");
        let fault = GraphFault::Answer { status: 200, fields: Vec::new(), body };
        world.playground.graph().misbehave("PUT /api/", u32::MAX, fault);
        let mut session = world.submit(ANNA).await.unwrap();
        let failure = error(send(&mut session, &mail(&[4 * MIB])).await);
        assert!(matches!(failure.cause, Cause::Garbage { .. }), "{failure}");
        assert!(world.asked("PUT ") <= 4 + limits::GRAPH_UPLOAD_RESUMES_MAX);
        assert_eq!((world.arrived(), world.drafts_left()), (0, 0));
    }
}
