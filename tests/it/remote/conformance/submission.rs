//! Submitting: an answer for each recipient, and the octets that arrive.

use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::name::Address;
use mailplumb::model::outbox::{Attempt, Before, RecipientResult, Submitted};
use mailplumb::model::profile::Protocol;
use mailplumb::playground::corpus;
use mailplumb::remote::{Submit, Traced};

use super::{About, login, takes_part};
use crate::remote::world::{
    ANNA, BORIS, Client, How, International, Play, Real, SUBMITTED_BYTES_MAX, Way, World, with_crlf,
};
use crate::support::fault_proxy::{FaultProxy, Instead, Spoil};
use crate::support::need::{Need, require};

/// With all fields that a server would add otherwise. Whoever keeps copies knows a message by its Message-ID.
fn header(way: Way, body: &[u8]) -> String {
    let digest = blake3::hash(body).to_hex();
    format!(
        "From: anna@example.test\r\nTo: boris@example.test\r\nSubject: s\r\n\
         Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{way:?}.{digest}@example.test>\r\n"
    )
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn message(way: Way, body: &[u8]) -> Vec<u8> {
    [
        header(way, body).as_bytes(),
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
        body,
    ]
    .concat()
}

async fn open(world: &dyn World, way: Way) -> Box<dyn Submit> {
    Client::submit(world, &How::by(world, way)).await.unwrap()
}

async fn send(session: &mut Box<dyn Submit>, to: &[&str], raw: &[u8]) -> Vec<RecipientResult> {
    let to: Vec<Address> = to.iter().map(|text| address(text)).collect();
    session.send(&address(ANNA), &to, raw).await.unwrap().recipients
}

#[track_caller]
fn accepted(way: Way, results: &[RecipientResult]) {
    let begins = if way == Way::Smtp { "250" } else { "sent" };
    let yes = |result: &RecipientResult| matches!(result, RecipientResult::Accepted { said } if said.starts_with(begins));
    assert!(!results.is_empty() && results.iter().all(yes), "{results:?}");
}

/// Refused for good: by a word about each recipient, or as a whole.
#[track_caller]
fn refused(way: Way, outcome: Result<Submitted, RemoteError>, words: &[&str]) {
    match outcome {
        Ok(submitted) => {
            let said = |result: &RecipientResult| match result {
                RecipientResult::Refused { said } => words.iter().any(|word| said.contains(word)),
                RecipientResult::Accepted { .. }
                | RecipientResult::Deferred { .. }
                | RecipientResult::Unsure { .. } => false,
            };
            assert!(submitted.recipients.iter().all(said), "{way:?}: {submitted:?}");
        }
        Err(error) => {
            assert_eq!(error.step, TestStep::Send, "{way:?}: {error}");
            assert!(matches!(error.cause, Cause::Exchange { .. } | Cause::Graph { .. }), "{way:?}: {error}");
            assert!(words.iter().any(|word| error.to_string().contains(word)), "{way:?}: {error}");
        }
    }
}

/// All cases one after the other, each with an inbox that it empties first: Postfix takes seconds to start.
async fn every_case(world: &dyn World) {
    for way in world.sending() {
        login::every_mechanism(world, way).await;
        login::wrong_logins(world, way).await;
        login::nobody_answers(world, way).await;
        login::not_trusted(world, way).await;
        a_message_is_accepted_once(world, way).await;
        what_is_refused_for_its_recipient_reaches_nobody(world, way).await;
        octets_arrive_as_they_were_submitted(world, way).await;
        what_is_too_large_is_not_sent(world, way).await;
        international_mail(world, way).await;
        a_connection_that_ends_anywhere_loses_and_doubles_nothing(world, way).await;
        if takes_part(way, About::Envelope) {
            every_recipient_has_its_own_answer(world, way).await;
            a_refused_sender_is_refused_for_all(world, way).await;
            a_closing_server_ends_the_session(world, way).await;
        }
        if takes_part(way, About::Lines) {
            line_ends_become_crlf(world, way).await;
            long_lines(world, way).await;
        }
    }
}

#[tokio::test]
async fn the_playground_takes_what_is_submitted() {
    every_case(&Play::start()).await;
}

/// BDAT in the place of DATA, and every message with what it asks to be told.
#[tokio::test]
async fn the_playground_takes_what_is_submitted_in_chunks() {
    let world = Play::chunking();
    every_case(&world).await;
    let said = world.commands(ANNA, Protocol::Smtp);
    let begins = |words: &str| said.iter().filter(|line| line.starts_with(words)).count();
    assert!(begins("BDAT ") > 5 && begins("DATA") == 0, "{said:#?}");
    let asks = |word: &str| said.iter().filter(|line| line.contains(word)).count();
    assert_eq!(asks(" RET=HDRS ENVID="), begins("MAIL FROM:"));
    assert_eq!(asks(" NOTIFY=FAILURE,DELAY ORCPT=rfc822;"), begins("RCPT TO:"));
}

#[tokio::test]
async fn postfix_takes_what_is_submitted() {
    let Some(()) = require(Need::Submission) else { return };
    every_case(&Real::start().and_postfix()).await;
}

fn empty(world: &dyn World, user: &str) {
    world.inbox(user).iter().for_each(|_| world.remove(user, 0));
}

/// What arrived, without the fields that delivery puts before it.
fn arrived(world: &dyn World, count: usize) -> Vec<Vec<u8>> {
    let without_trace = |raw: Vec<u8>| {
        let mark = b"From: anna@example.test\r\n";
        let at = raw.windows(mark.len()).position(|octets| octets == mark);
        let at = at.unwrap_or_else(|| panic!("not ours: {}", String::from_utf8_lossy(&raw)));
        raw[at..].to_vec()
    };
    world.inbox_of(BORIS, count).into_iter().map(without_trace).collect()
}

async fn a_message_is_accepted_once(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let raw = message(way, b"once\r\n");
    accepted(way, &send(&mut session, &[BORIS], &raw).await);
    assert!(session.is_open(), "{way:?}");
    session.close().await;
    assert_eq!(arrived(world, 1), std::slice::from_ref(&raw));
    if takes_part(way, About::Copies) {
        // Whoever does not know of it, because he died before he noted it, sends it no second time.
        let mut session = open(world, way).await;
        assert!(matches!(session.trace_sent(&raw).await, Ok(Traced::Sent { .. })), "{way:?}");
        session.begins(Attempt { before: Before::Attempts, ..Attempt::FIRST });
        let results = send(&mut session, &[BORIS], &raw).await;
        assert!(matches!(results[..], [RecipientResult::Accepted { .. }]), "{way:?}: {results:?}");
        session.close().await;
        assert_eq!(arrived(world, 1).len(), 1, "{way:?}");
    }
}

async fn what_is_refused_for_its_recipient_reaches_nobody(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let raw = message(way, b"to nobody\r\n");
    let raw = String::from_utf8(raw).unwrap().replace("To: boris@", "To: nouser@").into_bytes();
    let outcome = session.send(&address(ANNA), &[address("nouser@example.test")], &raw).await;
    refused(way, outcome, &["550 5.1.1", "ErrorInvalidRecipients"]);
    assert!(session.is_open(), "{way:?}");
    // The same session goes on.
    let next = message(way, b"to somebody\r\n");
    accepted(way, &send(&mut session, &[BORIS], &next).await);
    session.close().await;
    assert_eq!(arrived(world, 1), [next]);
}

/// How many messages with these octets have arrived.
fn count(world: &dyn World, raw: &[u8]) -> usize {
    world.inbox(BORIS).iter().filter(|held| held.ends_with(raw)).count()
}

/// Behind each answer of a whole submission the connection ends once. What is claimed is so, and the attempt that follows neither
/// loses nor doubles anything.
async fn a_connection_that_ends_anywhere_loses_and_doubles_nothing(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut sent = 0;
    for at in 0.. {
        let raw = message(way, format!("cut at {at}\r\n").as_bytes());
        let proxy = FaultProxy::start(How::by(world, way).at, Spoil::Answer(at, Instead::Close)).await;
        let how = How { at: proxy.address, timeout_seconds: 5, ..How::by(world, way) };
        let outcome = submitted_once(world, &how, &raw).await;
        let is_whole = proxy.answers().len() < at;
        sent += 1;
        arrives(world, way, (outcome, &raw)).await;
        if is_whole {
            break;
        }
    }
    assert!(sent > 3, "{way:?}: {sent}");
    world.inbox_of(BORIS, sent);
}

async fn submitted_once(world: &dyn World, how: &How, raw: &[u8]) -> Result<Submitted, RemoteError> {
    let mut session = Client::submit(world, how).await?;
    let submitted = session.send(&address(ANNA), &[address(BORIS)], raw).await;
    session.close().await;
    submitted
}

/// Holds a claim against what has arrived, and goes on as the engine would, until the message is there.
async fn arrives(world: &dyn World, way: Way, (outcome, raw): (Result<Submitted, RemoteError>, &[u8])) {
    let again = Attempt { before: Before::Attempts, ..Attempt::FIRST };
    match outcome.as_ref().map(|submitted| &submitted.recipients[..]) {
        Ok([RecipientResult::Accepted { .. }]) => return,
        Ok([RecipientResult::Unsure { .. }]) if takes_part(way, About::Copies) => {}
        // The server had the end of it, and its answer was on the way.
        Ok([RecipientResult::Unsure { .. }]) => return,
        Err(_) => assert_eq!(count(world, raw), 0, "{way:?}: {outcome:?}"),
        Ok(_) => panic!("{way:?}: {outcome:?}"),
    }
    let mut session = open(world, way).await;
    session.begins(again);
    let results = send(&mut session, &[BORIS], raw).await;
    assert!(matches!(results[..], [RecipientResult::Accepted { .. }]), "{way:?}: {results:?}");
    session.close().await;
}

async fn every_recipient_has_its_own_answer(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let to = ["nouser@example.test", BORIS, "defer@example.test", "full@example.test", ANNA];
    let results = send(&mut session, &to, &message(way, b"mixed\r\n")).await;
    assert!(
        matches!(&results[0], RecipientResult::Refused { said } if said.starts_with("550 5.1.1")),
        "{results:?}"
    );
    accepted(way, &results[1..2]);
    assert!(
        matches!(&results[2], RecipientResult::Deferred { said } if said.starts_with("450 4.7.1")),
        "{results:?}"
    );
    assert!(
        matches!(&results[3], RecipientResult::Deferred { said } if said.starts_with("452 4.2.2")),
        "{results:?}"
    );
    accepted(way, &results[4..]);

    // The same session goes on, after a transaction with nobody as well.
    for nobody in [vec!["nouser@example.test"], vec!["defer@example.test", "nouser@example.test"]] {
        let results = send(&mut session, &nobody, &message(way, b"nobody\r\n")).await;
        let not = |result: &RecipientResult| {
            matches!(result, RecipientResult::Refused { .. } | RecipientResult::Deferred { .. })
        };
        assert!(results.iter().all(not), "{results:?}");
        assert!(session.is_open());
    }
    accepted(way, &send(&mut session, &[BORIS], &message(way, b"second\r\n")).await);
    session.close().await;
    let mut bodies: Vec<Vec<u8>> = arrived(world, 2);
    bodies.sort();
    let mut expected = [message(way, b"mixed\r\n"), message(way, b"second\r\n")];
    expected.sort();
    assert_eq!(bodies, expected);
}

async fn a_refused_sender_is_refused_for_all(world: &dyn World, way: Way) {
    let mut session = open(world, way).await;
    let to = [address(BORIS), address(ANNA)];
    let submitted =
        session.send(&address("banned@example.test"), &to, &message(way, b"x\r\n")).await.unwrap();
    let refused = |result: &RecipientResult| matches!(result, RecipientResult::Refused { said } if said.contains("5.7.1"));
    assert!(submitted.recipients.iter().all(refused), "{submitted:?}");
    accepted(way, &send(&mut session, &[ANNA], &message(way, b"afterwards\r\n")).await);
    session.close().await;
}

async fn a_closing_server_ends_the_session(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let to = [address(BORIS), address("busy@example.test")];
    let error = session.send(&address(ANNA), &to, &message(way, b"never\r\n")).await.unwrap_err();
    assert_eq!(error.step, TestStep::Send);
    assert!(matches!(&error.cause, Cause::ServerBye { said } if said.starts_with("421 4.3.2")), "{error}");
    assert!(!session.is_open());
    // What is known to be over stays over.
    assert!(session.send(&address(ANNA), &to[..1], &message(way, b"never\r\n")).await.is_err());
    session.close().await;
    assert_eq!(world.inbox(BORIS).len(), 0);
}

async fn octets_arrive_as_they_were_submitted(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let bodies: [&[u8]; 7] = [
        b"",
        b".\r\n..\r\n...\r\n.hidden\r\nlast.\r\n.\r\n",
        b"\r\n.\r\n\r\nQUIT\r\n",
        "grüße — ₤ 日本\r\n".as_bytes(),
        b"not UTF-8: \xe4\xf6\xfc \xff\r\n",
        b"tab\tand trailing space \r\n\r\n\r\n",
        &b"0123456789 0123456789 0123456789 0123456789\r\n".repeat(1000),
    ];
    let long = [&b"y".repeat(998)[..], b"\r\n"].concat();
    let mut sent: Vec<Vec<u8>> = bodies.iter().map(|body| message(way, body)).collect();
    sent.push(message(way, &long));
    let mut session = open(world, way).await;
    for raw in &sent {
        accepted(way, &send(&mut session, &[BORIS], raw).await);
    }
    session.close().await;
    let mut received = arrived(world, sent.len());
    sent.sort();
    received.sort();
    for (received, sent) in received.iter().zip(&sent) {
        assert_eq!(String::from_utf8_lossy(received), String::from_utf8_lossy(sent));
        assert!(received == sent);
    }
}

async fn line_ends_become_crlf(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let unix = String::from_utf8(message(way, b"one\r\n.\r\ntwo\r\n")).unwrap().replace("\r\n", "\n");
    accepted(way, &send(&mut session, &[BORIS], unix.as_bytes()).await);
    let mixed = String::from_utf8(message(way, b"three\rfour\n.\r\nno end")).unwrap();
    accepted(way, &send(&mut session, &[BORIS], mixed.as_bytes()).await);
    session.close().await;
    let mut received = arrived(world, 2);
    received.sort();
    let mended = mixed.replace("three\rfour\n.\r\nno end", "three\r\nfour\r\n.\r\nno end\r\n");
    let mut expected = [with_crlf(unix.as_bytes()), mended.into_bytes()];
    expected.sort();
    assert_eq!(received, expected);
}

async fn long_lines(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let results =
        send(&mut session, &[BORIS], &message(way, &[&b"z".repeat(3000)[..], b"\r\n"].concat())).await;
    assert!(session.is_open());
    session.close().await;
    accepted(way, &results);
    let received = arrived(world, 1);
    let text = String::from_utf8(received[0].clone()).unwrap();
    assert!(text.lines().all(|line| line.len() <= 998), "{text}");
    assert_eq!(text.matches('z').count(), 3000);
}

async fn what_is_too_large_is_not_sent(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let large = message(way, &b"too large\r\n".repeat(SUBMITTED_BYTES_MAX / 11));
    let outcome = session.send(&address(ANNA), &[address(BORIS), address(ANNA)], &large).await;
    refused(way, outcome, &["not sent: the message has", "ErrorMessageSizeExceeded"]);
    assert!(session.is_open(), "{way:?}");
    let fits = message(way, &b"fits\r\n".repeat((SUBMITTED_BYTES_MAX - 2000) / 6));
    accepted(way, &send(&mut session, &[BORIS], &fits).await);
    session.close().await;
    assert_eq!(arrived(world, 1), [fits]);
}

async fn international_mail(world: &dyn World, way: Way) {
    empty(world, BORIS);
    let mut session = open(world, way).await;
    let raw = [&header(way, b"international"), "X-Note: grüße 日本\r\n\r\nbody\r\n"].concat().into_bytes();
    accepted(way, &send(&mut session, &[BORIS], &raw).await);
    session.close().await;
    match world.international() {
        International::Delivered => assert_eq!(arrived(world, 1), [raw]),
        International::Returned => {
            // Which proves that it was announced as what it is.
            let returned = || world.log().contains("SMTPUTF8 is required");
            crate::support::scratch::wait_until("the end of the delivery", returned, || world.log());
        }
    }
}

/// Corpus mail that needs no repair crosses submission and is read back by both protocols.
#[tokio::test]
async fn the_corpus_goes_round_in_the_playground() {
    let (world, way) = (Play::start(), Way::Smtp);
    let fits = |raw: &Vec<u8>| {
        raw.len() < SUBMITTED_BYTES_MAX - 1000
            && raw.ends_with(b"\r\n")
            && raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 998)
    };
    let mail: Vec<Vec<u8>> = corpus::messages(60, 9).into_iter().filter(fits).collect();
    assert!(mail.len() > 40, "{}", mail.len());
    let mut session = open(&world, Way::Smtp).await;
    for raw in &mail {
        accepted(way, &send(&mut session, &[BORIS], raw).await);
    }
    session.close().await;
    for (held, raw) in world.inbox(BORIS).iter().zip(&mail) {
        assert!(held.ends_with(raw));
    }
}
