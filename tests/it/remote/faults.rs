//! A connection that breaks, falls silent or lies, at every step. Whatever happens, the session
//! ends with an error that fits, and what is claimed has happened.

use std::sync::Arc;

use mailplumb::model::cursor::{Content, Cursor, Part, RemoteId};
use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::name::Address;
use mailplumb::model::outbox::{RecipientResult, Submitted};
use mailplumb::model::profile::{Protocol, TlsMode};
use mailplumb::playground::ClearLogins;
use tokio::task::JoinSet;

use crate::remote::world::client::{Clear, Session};
use crate::remote::world::{ANNA, BORIS, Certificate, Client, Door, How, Play, Real, World};
use crate::support::fault_proxy::{FaultProxy, Spoil};
use crate::support::need::{Need, require};

const BODIES: [&str; 2] = ["Subject: one\r\n\r\n.\r\nfirst\r\n", "Subject: two\r\n\r\nsecond\r\n"];
const SUBMITTED: &str = "Subject: three\r\n\r\nthird\r\n";

/// What a whole session did, as far as it came.
#[derive(Debug)]
enum Outcome {
    Read { fetched: Vec<Content>, removed: Vec<RemoteId> },
    Sent(Submitted),
    Failed(RemoteError),
}

/// Everything that one session can do: lists, reads all, removes the first; or submits.
async fn whole_session(world: &dyn World, how: &How) -> Outcome {
    match attempt(world, how).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(error),
    }
}

async fn attempt(world: &dyn World, how: &How) -> Result<Outcome, RemoteError> {
    match Client::open(world, how).await.0? {
        Session::Receive(mut session) => {
            let listing = session.list(&Cursor::Start).await?;
            let fetched = session.fetch(listing.messages(), Part::Whole).await?;
            let first: Vec<RemoteId> = listing.messages().iter().take(1).map(|one| one.id.clone()).collect();
            let removed = session.delete_and_close(&first).await?;
            Ok(Outcome::Read { fetched: fetched.into_iter().map(|one| one.content).collect(), removed })
        }
        Session::Submit(mut session) => {
            let (from, to) = (Address::parse(ANNA).unwrap(), [Address::parse(BORIS).unwrap()]);
            let submitted = session.send(&from, &to, SUBMITTED.as_bytes()).await?;
            session.close().await;
            Ok(Outcome::Sent(submitted))
        }
    }
}

/// A world of its own for every session, so that what it claims can be held against what is there.
fn fresh() -> Play {
    let world = Play::with(Certificate::Good, ClearLogins::Allowed);
    for body in BODIES {
        world.deliver(ANNA, body.as_bytes());
    }
    world
}

fn how(world: &dyn World, proxy: &FaultProxy, protocol: Protocol, tls: TlsMode) -> How {
    How {
        at: proxy.address,
        clear: Clear::Allowed,
        timeout_seconds: 1,
        ..How::to(world, protocol).with_tls(world, tls)
    }
}

fn door(protocol: Protocol, tls: TlsMode) -> Door {
    match tls {
        TlsMode::Implicit => Door::Tls(protocol),
        TlsMode::Starttls | TlsMode::None => Door::Clear(protocol),
    }
}

async fn spoiled(protocol: Protocol, tls: TlsMode, spoil: Spoil) -> (Outcome, Play) {
    let world = fresh();
    let proxy = FaultProxy::start(world.address(door(protocol, tls)), spoil).await;
    let outcome = whole_session(&world, &how(&world, &proxy, protocol, tls)).await;
    (outcome, world)
}

/// How many octets a server says in a whole session, and where its answers end.
async fn answers(protocol: Protocol, tls: TlsMode) -> Vec<usize> {
    let world = fresh();
    let proxy = FaultProxy::start(world.address(door(protocol, tls)), Spoil::Nothing).await;
    let outcome = whole_session(&world, &how(&world, &proxy, protocol, tls)).await;
    assert!(!matches!(outcome, Outcome::Failed(_)), "{protocol:?}, {tls:?}: {outcome:?}");
    proxy.answers()
}

/// Nothing is claimed that is not so. What a server said in the clear and somebody has changed is believed, as there is
/// nothing else to believe.
fn honest(outcome: &Outcome, world: &Play, octets: Octets) -> Result<(), String> {
    let (left, there) = (world.inbox(ANNA).len(), world.inbox(BORIS).len());
    let claim = match (outcome, octets) {
        (Outcome::Read { fetched, removed }, Octets::Trusted) => {
            let all = BODIES.map(|body| Content::Bytes(body.into()));
            *fetched == all && removed.len() + left <= BODIES.len()
        }
        (Outcome::Sent(submitted), Octets::Trusted) => match &submitted.recipients[..] {
            [RecipientResult::Accepted { .. }] => there == 1,
            [RecipientResult::Deferred { .. } | RecipientResult::Refused { .. }] => there == 0,
            [RecipientResult::Unsure { .. }] => true,
            _ => false,
        },
        // An error says that certainly nobody has it, and that nothing was removed unless that was under way.
        (Outcome::Failed(error), Octets::Trusted) if error.step == TestStep::Delete => there == 0,
        (Outcome::Failed(_), Octets::Trusted) => there == 0 && left == BODIES.len(),
        (Outcome::Read { .. } | Outcome::Sent(_) | Outcome::Failed(_), Octets::Spoiled) => true,
    };
    if claim && left + 1 >= BODIES.len() {
        Ok(())
    } else {
        Err(format!("{outcome:?}, but {left} messages are left and {there} arrived"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Octets {
    Trusted,
    Spoiled,
}

/// Runs many spoiled sessions, some at a time, and collects what is wrong with them.
async fn complaints<F>(
    protocol: Protocol,
    tls: TlsMode,
    spoils: Vec<Spoil>,
    at_once: usize,
    judge: F,
) -> Vec<String>
where
    F: Fn(&Outcome, &Play) -> Result<(), String> + Send + Sync + 'static,
{
    let (mut tasks, mut wrong) = (JoinSet::new(), Vec::new());
    let judge = Arc::new(judge);
    let mut spoils = spoils.into_iter();
    loop {
        while tasks.len() < at_once
            && let Some(spoil) = spoils.next()
        {
            let judge = Arc::clone(&judge);
            tasks.spawn(async move {
                let (outcome, world) = spoiled(protocol, tls, spoil).await;
                judge(&outcome, &world).map_err(|wrong| format!("{protocol:?}, {tls:?}, {spoil:?}: {wrong}"))
            });
        }
        match tasks.join_next().await {
            None => return wrong,
            Some(result) => wrong.extend(result.unwrap().err()),
        }
    }
}

const ALL: [Protocol; 3] = [Protocol::Pop3, Protocol::Imap, Protocol::Smtp];

/// The goodbye may get lost: that is no failure.
fn lost(outcome: &Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Failed(RemoteError { cause: Cause::ConnectionLost { .. }, .. }) => Ok(()),
        Outcome::Failed(error) => Err(format!("{error} instead of a lost connection")),
        Outcome::Read { .. } | Outcome::Sent(_) => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_anywhere_is_a_lost_one() {
    for protocol in ALL {
        let ends = answers(protocol, TlsMode::None).await;
        let total = ends[ends.len() - 1];
        let places = ends.iter().flat_map(|end| [end - 1, end - 2, *end]).filter(|at| *at < total);
        let cuts = (0..total)
            .step_by(3)
            .chain(places)
            .map(|at| if at % 2 == 0 { Spoil::Close(at) } else { Spoil::Reset(at) });
        let judge = |outcome: &Outcome, world: &Play| {
            honest(outcome, world, Octets::Trusted).and_then(|()| lost(outcome))
        };
        let wrong = complaints(protocol, TlsMode::None, cuts.collect(), 8, judge).await;
        assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_after_any_answer_is_waited_for_and_given_up() {
    for (protocol, tls) in ALL.into_iter().flat_map(|one| [(one, TlsMode::None), (one, TlsMode::Implicit)]) {
        let mut ends = answers(protocol, tls).await;
        // Before the first word, in the middle of each answer, and after it.
        let middles: Vec<usize> = ends.iter().map(|end| end - 1).collect();
        ends.pop();
        let stalls = std::iter::once(0).chain(ends).chain(middles).map(Spoil::Stall).collect();
        let judge = move |outcome: &Outcome, world: &Play| {
            honest(outcome, world, Octets::Trusted)?;
            match (outcome, tls) {
                (
                    Outcome::Failed(RemoteError { step: TestStep::Greet, cause: Cause::NoGreeting { .. } }),
                    TlsMode::None,
                )
                | (Outcome::Failed(RemoteError { cause: Cause::TimedOut { seconds: 1 }, .. }), _)
                | (Outcome::Read { .. } | Outcome::Sent(_), _) => Ok(()),
                (Outcome::Failed(error), _) => Err(format!("{error} instead of a time that is over")),
            }
        };
        let wrong = complaints(protocol, tls, stalls, 64, judge).await;
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Behind TLS a spoiled octet never passes for mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoiled_octet_behind_tls_is_noticed() {
    for protocol in ALL {
        let ends = answers(protocol, TlsMode::Implicit).await;
        let corrupted = ends.iter().flat_map(|end| [end - 1, end.saturating_sub(20)]).map(Spoil::Corrupt);
        let judge = |outcome: &Outcome, world: &Play| {
            honest(outcome, world, Octets::Trusted)?;
            match outcome {
                Outcome::Failed(RemoteError {
                    cause:
                        Cause::TlsFailed { .. }
                        | Cause::NotTls { .. }
                        | Cause::CertificateUntrusted { .. }
                        | Cause::ConnectionLost { .. }
                        | Cause::TimedOut { .. },
                    ..
                })
                | Outcome::Read { .. }
                | Outcome::Sent(_) => Ok(()),
                Outcome::Failed(error) => Err(format!("{error}")),
            }
        };
        let wrong = complaints(protocol, TlsMode::Implicit, corrupted.collect(), 16, judge).await;
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Without TLS nobody can notice everything; but nothing panics, nothing hangs, and errors are errors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_spoiled_octet_in_the_clear_ends_in_an_answer() {
    for protocol in ALL {
        let total = *answers(protocol, TlsMode::None).await.last().unwrap();
        let corrupted = (0..total).step_by(5).map(Spoil::Corrupt).collect();
        let judge = |outcome: &Outcome, world: &Play| honest(outcome, world, Octets::Spoiled);
        let wrong = complaints(protocol, TlsMode::None, corrupted, 48, judge).await;
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// The same with Dovecot, at the ends of its answers, through TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dovecot_that_goes_away_between_any_two_answers_is_a_lost_connection() {
    let Some(()) = require(Need::Servers) else { return };
    let world = Real::start();
    for protocol in [Protocol::Pop3, Protocol::Imap] {
        for body in BODIES {
            world.deliver(ANNA, body.as_bytes());
        }
        let upstream = world.address(Door::Tls(protocol));
        let proxy = FaultProxy::start(upstream, Spoil::Nothing).await;
        let mut at_once = how(&world, &proxy, protocol, TlsMode::Implicit);
        at_once.timeout_seconds = 30;
        let outcome = read_only(&world, &at_once).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        let ends = proxy.answers();
        for (at, end) in ends[..ends.len() - 1].iter().enumerate() {
            let spoil = if at % 2 == 0 { Spoil::Close(*end) } else { Spoil::Reset(*end) };
            let proxy = FaultProxy::start(upstream, spoil).await;
            let how = How { at: proxy.address, ..at_once.clone() };
            // The sizes of TLS records differ a little from session to session: a cut near the end may hit nothing.
            if let Err(error) = read_only(&world, &how).await {
                assert!(
                    matches!(error.cause, Cause::ConnectionLost { .. } | Cause::TlsFailed { .. }),
                    "{protocol:?}, {spoil:?}: {error}"
                );
            }
        }
        assert_eq!(world.inbox(ANNA).len(), BODIES.len());
        world.inbox(ANNA).iter().for_each(|_| world.remove(ANNA, 0));
    }
}

async fn read_only(world: &dyn World, how: &How) -> Result<Vec<Content>, RemoteError> {
    let mut session = Client::receive(world, how).await?;
    let listing = session.list(&Cursor::Start).await?;
    let fetched = session.fetch(listing.messages(), Part::Whole).await?;
    session.delete_and_close(&[]).await?;
    Ok(fetched.into_iter().map(|one| one.content).collect())
}
