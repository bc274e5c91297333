//! Submitting: an answer for each recipient, and the octets that arrive.

use mailplumb::model::failure::{Cause, TestStep};
use mailplumb::model::name::Address;
use mailplumb::model::outbox::RecipientResult;
use mailplumb::model::profile::Protocol;
use mailplumb::playground::corpus;
use mailplumb::remote::Submit;

use super::login;
use crate::remote::world::{
    ANNA, BORIS, Client, How, International, Play, Real, SUBMITTED_BYTES_MAX, World, with_crlf,
};
use crate::support::need::{Need, require};

/// With all fields that a server would add otherwise.
const HEADER: &str = "From: anna@example.test\r\nTo: boris@example.test\r\nSubject: s\r\n\
    Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn message(body: &[u8]) -> Vec<u8> {
    [HEADER.as_bytes(), b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", body]
        .concat()
}

async fn open(world: &dyn World) -> Box<dyn Submit> {
    Client::submit(world, &How::to(world, Protocol::Smtp)).await.unwrap()
}

async fn send(session: &mut Box<dyn Submit>, to: &[&str], raw: &[u8]) -> Vec<RecipientResult> {
    let to: Vec<Address> = to.iter().map(|text| address(text)).collect();
    session.send(&address(ANNA), &to, raw).await.unwrap().recipients
}

#[track_caller]
fn accepted(results: &[RecipientResult]) {
    let yes = |result: &RecipientResult| matches!(result, RecipientResult::Accepted { said } if said.starts_with("250"));
    assert!(!results.is_empty() && results.iter().all(yes), "{results:?}");
}

/// All cases one after the other, each with an inbox that it empties first: Postfix takes seconds to start.
async fn every_case(world: &dyn World) {
    login::every_mechanism(world, Protocol::Smtp).await;
    login::wrong_logins(world, Protocol::Smtp).await;
    every_recipient_has_its_own_answer(world).await;
    a_refused_sender_is_refused_for_all(world).await;
    a_closing_server_ends_the_session(world).await;
    octets_arrive_as_they_were_submitted(world).await;
    line_ends_become_crlf(world).await;
    long_lines(world).await;
    what_is_too_large_is_not_sent(world).await;
    international_mail(world).await;
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

async fn every_recipient_has_its_own_answer(world: &dyn World) {
    empty(world, BORIS);
    let mut session = open(world).await;
    let to = ["nouser@example.test", BORIS, "defer@example.test", "full@example.test", ANNA];
    let results = send(&mut session, &to, &message(b"mixed\r\n")).await;
    assert!(
        matches!(&results[0], RecipientResult::Refused { said } if said.starts_with("550 5.1.1")),
        "{results:?}"
    );
    accepted(&results[1..2]);
    assert!(
        matches!(&results[2], RecipientResult::Deferred { said } if said.starts_with("450 4.7.1")),
        "{results:?}"
    );
    assert!(
        matches!(&results[3], RecipientResult::Deferred { said } if said.starts_with("452 4.2.2")),
        "{results:?}"
    );
    accepted(&results[4..]);

    // The same session goes on, after a transaction with nobody as well.
    for nobody in [vec!["nouser@example.test"], vec!["defer@example.test", "nouser@example.test"]] {
        let results = send(&mut session, &nobody, &message(b"nobody\r\n")).await;
        let not = |result: &RecipientResult| {
            matches!(result, RecipientResult::Refused { .. } | RecipientResult::Deferred { .. })
        };
        assert!(results.iter().all(not), "{results:?}");
        assert!(session.is_open());
    }
    accepted(&send(&mut session, &[BORIS], &message(b"second\r\n")).await);
    session.close().await;
    let mut bodies: Vec<Vec<u8>> = arrived(world, 2);
    bodies.sort();
    assert_eq!(bodies, [message(b"mixed\r\n"), message(b"second\r\n")]);
}

async fn a_refused_sender_is_refused_for_all(world: &dyn World) {
    let mut session = open(world).await;
    let to = [address(BORIS), address(ANNA)];
    let submitted = session.send(&address("banned@example.test"), &to, &message(b"x\r\n")).await.unwrap();
    let refused = |result: &RecipientResult| matches!(result, RecipientResult::Refused { said } if said.contains("5.7.1"));
    assert!(submitted.recipients.iter().all(refused), "{submitted:?}");
    accepted(&send(&mut session, &[ANNA], &message(b"afterwards\r\n")).await);
    session.close().await;
}

async fn a_closing_server_ends_the_session(world: &dyn World) {
    empty(world, BORIS);
    let mut session = open(world).await;
    let to = [address(BORIS), address("busy@example.test")];
    let error = session.send(&address(ANNA), &to, &message(b"never\r\n")).await.unwrap_err();
    assert_eq!(error.step, TestStep::Send);
    assert!(matches!(&error.cause, Cause::ServerBye { said } if said.starts_with("421 4.3.2")), "{error}");
    assert!(!session.is_open());
    // What is known to be over stays over.
    assert!(session.send(&address(ANNA), &to[..1], &message(b"never\r\n")).await.is_err());
    session.close().await;
    assert_eq!(world.inbox(BORIS).len(), 0);
}

async fn octets_arrive_as_they_were_submitted(world: &dyn World) {
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
    let mut sent: Vec<Vec<u8>> = bodies.iter().map(|body| message(body)).collect();
    sent.push(message(&long));
    let mut session = open(world).await;
    for raw in &sent {
        accepted(&send(&mut session, &[BORIS], raw).await);
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

async fn line_ends_become_crlf(world: &dyn World) {
    empty(world, BORIS);
    let mut session = open(world).await;
    let unix = String::from_utf8(message(b"one\r\n.\r\ntwo\r\n")).unwrap().replace("\r\n", "\n");
    accepted(&send(&mut session, &[BORIS], unix.as_bytes()).await);
    accepted(&send(&mut session, &[BORIS], &message(b"three\rfour\n.\r\nno end")).await);
    session.close().await;
    let mut received = arrived(world, 2);
    received.sort();
    assert_eq!(received, [with_crlf(unix.as_bytes()), message(b"three\r\nfour\r\n.\r\nno end\r\n")]);
}

async fn long_lines(world: &dyn World) {
    empty(world, BORIS);
    let mut session = open(world).await;
    let results = send(&mut session, &[BORIS], &message(&[&b"z".repeat(3000)[..], b"\r\n"].concat())).await;
    assert!(session.is_open());
    session.close().await;
    accepted(&results);
    let received = arrived(world, 1);
    let text = String::from_utf8(received[0].clone()).unwrap();
    assert!(text.lines().all(|line| line.len() <= 998), "{text}");
    assert_eq!(text.matches('z').count(), 3000);
}

async fn what_is_too_large_is_not_sent(world: &dyn World) {
    empty(world, BORIS);
    let mut session = open(world).await;
    let large = message(&b"too large\r\n".repeat(SUBMITTED_BYTES_MAX / 11));
    let results = send(&mut session, &[BORIS, ANNA], &large).await;
    let refused = |result: &RecipientResult| matches!(result, RecipientResult::Refused { said } if said.starts_with("not sent: the message has"));
    assert!(results.len() == 2 && results.iter().all(refused), "{results:?}");
    let fits = message(&b"fits\r\n".repeat((SUBMITTED_BYTES_MAX - 2000) / 6));
    accepted(&send(&mut session, &[BORIS], &fits).await);
    session.close().await;
    assert_eq!(arrived(world, 1), [fits]);
}

async fn international_mail(world: &dyn World) {
    empty(world, BORIS);
    let mut session = open(world).await;
    let raw = [HEADER, "X-Note: grüße 日本\r\n\r\nbody\r\n"].concat().into_bytes();
    accepted(&send(&mut session, &[BORIS], &raw).await);
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
    let world = Play::start();
    let fits = |raw: &Vec<u8>| {
        raw.len() < SUBMITTED_BYTES_MAX - 1000
            && raw.ends_with(b"\r\n")
            && raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 998)
    };
    let mail: Vec<Vec<u8>> = corpus::messages(60, 9).into_iter().filter(fits).collect();
    assert!(mail.len() > 40, "{}", mail.len());
    let mut session = open(&world).await;
    for raw in &mail {
        accepted(&send(&mut session, &[BORIS], raw).await);
    }
    session.close().await;
    for (held, raw) in world.inbox(BORIS).iter().zip(&mail) {
        assert!(held.ends_with(raw));
    }
}
