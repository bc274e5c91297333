//! SMTP refusals at every step, for good and for now, and what becomes of each: one line for each case in `refusals.txt`, which
//! `MAILPLUMB_BLESS=1` writes anew.

use std::fmt::Write;

use mailplumb::model::failure::RemoteError;
use mailplumb::model::name::Address;
use mailplumb::model::outbox::RecipientResult;
use mailplumb::model::profile::{Protocol, TlsMode};
use mailplumb::playground::{ClearLogins, Fault, Protocol as Served, Times};

use super::errors::judged;
use crate::remote::world::client::{Clear, Session};
use crate::remote::world::{ANNA, BORIS, Certificate, Client, How, Play};
use crate::support::need::setting;

/// A step, the command that is refused there (none: the greeting), and what has to go before.
const STEPS: [(&str, &str, TlsMode); 11] = [
    ("greeting", "", TlsMode::Implicit),
    ("EHLO", "EHLO", TlsMode::Implicit),
    ("HELO", "HELO", TlsMode::None),
    ("STARTTLS", "STARTTLS", TlsMode::Starttls),
    ("AUTH", "AUTH", TlsMode::Implicit),
    ("MAIL", "MAIL", TlsMode::Implicit),
    ("RCPT", "RCPT TO:<boris@", TlsMode::Implicit),
    ("DATA", "DATA", TlsMode::Implicit),
    ("final dot", ".", TlsMode::Implicit),
    ("BDAT", "BDAT", TlsMode::Implicit),
    ("QUIT", "QUIT", TlsMode::Implicit),
];

const ANSWERS: [&str; 3] = ["421 4.3.2 shutting down", "451 4.3.0 try later", "554 5.7.1 not for you"];

fn world_of(step: &str) -> Play {
    match step {
        "BDAT" => Play::chunking(),
        "HELO" => Play::with(Certificate::Good, ClearLogins::Allowed),
        _ => Play::start(),
    }
}

fn inject(world: &Play, (at, answer): (&str, &str)) {
    let line = answer.to_owned();
    let fault = match at {
        "" => Fault::Greet(line),
        at => Fault::Answer { at: at.to_owned(), line, times: Times::Always },
    };
    world.playground.inject(Served::Smtp, fault);
}

fn failure(error: RemoteError, how: &How) -> String {
    let failure = judged(error, how);
    let (nature, scope) = (failure.nature, failure.scope);
    let meaning = failure.meaning.replace(&how.at.port().to_string(), "465");
    format!("{} {}, {nature:?}, {scope:?}: {meaning}", failure.error.step.key(), failure.code)
}

fn result(result: &RecipientResult) -> String {
    match result {
        RecipientResult::Accepted { .. } => "accepted".to_owned(),
        RecipientResult::Deferred { said } => format!("deferred: {said}"),
        RecipientResult::Refused { said } => format!("refused: {said}"),
        RecipientResult::Unsure { detail } => format!("unsure: {detail}"),
    }
}

/// Two recipients, of whom one may be refused.
async fn outcome(world: &Play, how: &How) -> String {
    let mut session = match Client::open(world, how).await.0 {
        Ok(Session::Submit(session)) => session,
        Ok(Session::Receive(_)) => panic!("SMTP does not receive"),
        Err(error) => return failure(error, how),
    };
    let to = [BORIS, ANNA].map(|text| Address::parse(text).unwrap());
    let sent = session.send(&Address::parse(ANNA).unwrap(), &to, b"Subject: x\r\n\r\nx\r\n").await;
    let is_open = session.is_open();
    session.close().await;
    let session = if is_open { "the session goes on" } else { "the session is over" };
    match sent {
        Err(error) => format!("{}; {session}", failure(error, how)),
        Ok(submitted) => {
            let results: Vec<String> = submitted.recipients.iter().map(result).collect();
            format!("{}; {session}", results.join(" | "))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_at_every_step_is_told_as_what_it_is() {
    let mut lines = String::new();
    for (step, at, tls) in STEPS {
        for answer in ANSWERS {
            let world = world_of(step);
            if step == "HELO" {
                inject(&world, ("EHLO", "502 5.5.1 what?"));
            }
            inject(&world, (at, answer));
            let how = How { clear: Clear::Allowed, ..How::to(&world, Protocol::Smtp).with_tls(&world, tls) };
            let outcome = outcome(&world, &how).await;
            let arrived = world.playground.state().accepted().len();
            assert_eq!(arrived == 1, outcome.contains("accepted"), "{step}, {answer}: {outcome}");
            writeln!(lines, "{step}, {answer}\n    {outcome}").unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/remote/refusals.txt");
    if setting("MAILPLUMB_BLESS").is_some() {
        std::fs::write(path, &lines).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == lines, "{path} differs (MAILPLUMB_BLESS=1 accepts it):\n{lines}");
}
