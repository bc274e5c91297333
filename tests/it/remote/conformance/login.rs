//! Logging in.

use std::net::SocketAddr;

use mailplumb::model::failure::{Cause, TestStep};
use mailplumb::model::profile::{Authentication, Protocol, TlsMode};
use mailplumb::playground::ClearLogins;

use super::{About, READING, takes_part};
use crate::remote::world::client::{Clear, Trust};
use crate::remote::world::{
    ANNA, ANNAS_PASSWORD, BORIS, BORIS_PASSWORD, Certificate, Client, How, Play, Real, Way, World,
};
use crate::support::need::{Need, require};

in_every_world! {
    every_mechanism_logs_in_behind_tls,
    a_wrong_password_and_an_unknown_user_are_refused_alike,
    a_declared_mechanism_that_is_not_offered_is_not_replaced,
    no_password_crosses_a_connection_without_tls,
    where_nobody_answers_it_ends_with_the_connection,
    a_certificate_that_is_not_trusted_ends_it_before_any_login,
}

const PASSWORDS: [Authentication; 3] = [Authentication::Auto, Authentication::Plain, Authentication::Login];
const CHALLENGES: [Authentication; 3] =
    [Authentication::CramMd5, Authentication::ScramSha1, Authentication::ScramSha256];

/// What a server takes.
fn mechanisms(world: &dyn World, way: Way) -> Vec<Authentication> {
    let challenges = CHALLENGES.iter().filter(|_| world.has_challenges());
    match way {
        Way::Pop3 | Way::Imap | Way::Smtp => PASSWORDS.iter().chain(challenges).copied().collect(),
        Way::EwsReading | Way::EwsSending => vec![Authentication::Auto, Authentication::Basic],
        Way::GraphReading | Way::GraphSending => vec![Authentication::Auto, Authentication::Oauth],
    }
}

fn behind_tls(way: Way) -> Vec<TlsMode> {
    let modes = [TlsMode::Implicit, TlsMode::Starttls].into_iter();
    modes.filter(|mode| *mode == TlsMode::Implicit || takes_part(way, About::ClearDoor)).collect()
}

async fn every_mechanism_logs_in_behind_tls(world: &dyn World) {
    for way in world.receiving() {
        every_mechanism(world, way).await;
    }
}

/// Also for sending, where it is called with Postfix.
pub(super) async fn every_mechanism(world: &dyn World, way: Way) {
    for authentication in mechanisms(world, way) {
        for tls in behind_tls(way) {
            let how = How { authentication, ..How::by(world, way) };
            let (session, steps) = Client::open(world, &how.clone().with_tls(world, tls)).await;
            match session {
                Ok(session) => session.close().await,
                Err(error) => panic!("{how:?}: {error}"),
            }
            let taken: Vec<TestStep> = steps.iter().map(|taken| taken.step).collect();
            for step in [TestStep::Resolve, TestStep::Connect, TestStep::Tls, TestStep::Authenticate] {
                assert!(taken.contains(&step), "{how:?}: {taken:?}");
            }
        }
    }
}

async fn a_wrong_password_and_an_unknown_user_are_refused_alike(world: &dyn World) {
    for way in world.receiving() {
        wrong_logins(world, way).await;
    }
}

/// An application's secret is for whoever gives tokens: it is refused before the server itself is asked.
fn refused_at(way: Way) -> TestStep {
    if way.is_graph() { TestStep::Token } else { TestStep::Authenticate }
}

pub(super) async fn wrong_logins(world: &dyn World, way: Way) {
    let some: Vec<Authentication> = match way {
        _ if world.refuses_slowly() => vec![Authentication::Auto],
        // Postfix takes a second for each refusal.
        Way::Smtp => vec![Authentication::Auto, Authentication::Login],
        Way::Pop3 | Way::Imap | Way::EwsReading | Way::EwsSending | Way::GraphReading | Way::GraphSending => {
            mechanisms(world, way)
        }
    };
    for authentication in some {
        let right = How { authentication, ..How::by(world, way) };
        let wrong_password = How { password: Some("wrong\"} \\".to_owned()), ..right.clone() };
        let nobody = How { username: "nobody@example.test".to_owned(), ..right };
        for how in [wrong_password, nobody] {
            let error = Client::refused(Client::open(world, &how).await);
            assert_eq!(error.step, refused_at(way), "{how:?}: {error}");
            let is_by_provider = matches!(error.cause, Cause::TokenRefused { .. });
            let is_by_server = matches!(error.cause, Cause::LoginRefused { .. });
            assert!(if way.is_graph() { is_by_provider } else { is_by_server }, "{how:?}: {error}");
            assert!(!error.to_string().contains("wrong\""), "{error}");
        }
    }
}

async fn a_declared_mechanism_that_is_not_offered_is_not_replaced(world: &dyn World) {
    for way in world.receiving() {
        let is_offered = world.has_challenges() && matches!(way, Way::Pop3 | Way::Imap);
        if is_offered || !takes_part(way, About::Mechanisms) {
            continue;
        }
        let not_offered: &[Authentication] = match way.protocol() {
            Protocol::Ews => &[Authentication::Ntlm],
            Protocol::Pop3 | Protocol::Imap | Protocol::Smtp => &CHALLENGES,
        };
        for authentication in not_offered.iter().copied() {
            let how = How { authentication, ..How::by(world, way) };
            let error = Client::refused(Client::open(world, &how).await);
            assert_eq!(error.step, TestStep::Authenticate, "{how:?}: {error}");
            assert!(matches!(error.cause, Cause::NoMechanism { .. }), "{how:?}: {error}");
        }
    }
}

async fn no_password_crosses_a_connection_without_tls(world: &dyn World) {
    for way in world.receiving() {
        if !takes_part(way, About::ClearDoor) {
            continue;
        }
        for authentication in [Authentication::Plain, Authentication::Login] {
            let how = How { authentication, ..How::by(world, way) }.with_tls(world, TlsMode::None);
            let error = Client::refused(Client::open(world, &how).await);
            assert_eq!(error.step, TestStep::Authenticate, "{how:?}: {error}");
            // Some servers say themselves that they take no password there.
            let is_kept = matches!(error.cause, Cause::PlaintextLogin | Cause::LoginNeedsTls);
            assert!(is_kept, "{how:?}: {error}");
        }
    }
}

async fn where_nobody_answers_it_ends_with_the_connection(world: &dyn World) {
    for way in world.receiving() {
        nobody_answers(world, way).await;
    }
}

pub(super) async fn nobody_answers(world: &dyn World, way: Way) {
    let right = How::by(world, way);
    let nobody = SocketAddr::new(right.at.ip(), 9);
    let error = Client::refused(Client::open(world, &How { at: nobody, ..right }).await);
    assert_eq!(error.step, TestStep::Connect, "{way:?}: {error}");
    assert!(matches!(error.cause, Cause::ConnectionRefused { .. }), "{way:?}: {error}");
}

async fn a_certificate_that_is_not_trusted_ends_it_before_any_login(world: &dyn World) {
    for way in world.receiving() {
        not_trusted(world, way).await;
    }
}

pub(super) async fn not_trusted(world: &dyn World, way: Way) {
    for tls in behind_tls(way) {
        let right = How::by(world, way).with_tls(world, tls);
        let strange = How { trust: Trust::System, ..right.clone() };
        let misnamed = How { host: "elsewhere.example".to_owned(), ..right };
        for (how, is_misnamed) in [(strange, false), (misnamed, true)] {
            let (session, steps) = Client::open(world, &how).await;
            let error = Client::refused((session, steps.clone()));
            assert_eq!(error.step, TestStep::Tls, "{how:?}: {error}");
            let is_told = match is_misnamed {
                true => matches!(error.cause, Cause::CertificateNameMismatch { .. }),
                false => matches!(error.cause, Cause::CertificateUntrusted { .. }),
            };
            assert!(is_told, "{how:?}: {error}");
            let logged_in = steps.iter().any(|taken| taken.step == TestStep::Authenticate);
            assert!(!logged_in, "{how:?}: {steps:?}");
        }
    }
}

/// Where the host allows it and the server does.
async fn a_password_crosses_a_clear_connection_only_if_all_agree(world: &dyn World) {
    for protocol in READING {
        let how = How::to(world, protocol).with_tls(world, TlsMode::None);
        for authentication in PASSWORDS {
            let how = How { authentication, clear: Clear::Allowed, ..how.clone() };
            Client::open(world, &how).await.0.unwrap().close().await;
        }
    }
}

#[tokio::test]
async fn a_clear_login_where_all_agree_in_the_playground() {
    let world = Play::with(Certificate::Good, ClearLogins::Allowed);
    a_password_crosses_a_clear_connection_only_if_all_agree(&world).await;
}

#[tokio::test]
async fn a_clear_login_where_all_agree_with_dovecot() {
    let Some(()) = require(Need::Servers) else { return };
    a_password_crosses_a_clear_connection_only_if_all_agree(&Real::lenient()).await;
}

/// An account whose password Dovecot knows as a hash only: it offers SCRAM to it all the same.
fn hashed(password: &str) -> Real {
    use base64::Engine;
    let digest = ring::digest::digest(&ring::digest::SHA256, password.as_bytes());
    let known = format!("{{SHA256}}{}", base64::engine::general_purpose::STANDARD.encode(digest));
    Real::with_users(&[(ANNA, &known), (BORIS, BORIS_PASSWORD)])
}

async fn auto_tries_once_more(world: &dyn World, protocol: Protocol) {
    let how = How::to(world, protocol);
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        let how = how.clone().with_tls(world, tls);
        let (session, steps) = Client::open(world, &how).await;
        match session {
            Ok(session) => session.close().await,
            Err(error) => panic!("{how:?}: {error}"),
        }
        let logins = steps.iter().filter(|taken| taken.step == TestStep::Authenticate).count();
        assert_eq!(logins, 1, "on the same connection: {steps:?}");
    }
    let wrong = How { password: Some("wrong".to_owned()), ..how.clone() };
    let declared = How { authentication: Authentication::ScramSha256, ..how.clone() };
    for how in [wrong, declared] {
        let error = Client::refused(Client::open(world, &how).await);
        assert_eq!(error.step, TestStep::Authenticate);
        assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{how:?}: {error}");
    }
    // Postfix offers nothing before TLS, Dovecot still offers SCRAM.
    let error = Client::refused(Client::open(world, &how.with_tls(world, TlsMode::None)).await);
    assert_eq!(error.step, TestStep::Authenticate);
    match protocol {
        Protocol::Smtp => assert_eq!(error.cause, Cause::LoginNeedsTls),
        Protocol::Pop3 | Protocol::Imap | Protocol::Ews => {
            assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn auto_tries_the_password_itself_where_scram_is_offered_in_vain() {
    let Some(()) = require(Need::Servers) else { return };
    let world = hashed(ANNAS_PASSWORD);
    for protocol in READING {
        auto_tries_once_more(&world, protocol).await;
    }
    let failures = world.dovecot.log().matches("auth failed").count();
    assert!(failures > 0, "Dovecot refused SCRAM first:\n{}", world.dovecot.log());
}

#[tokio::test]
async fn auto_tries_the_password_itself_for_submission_too() {
    let Some(()) = require(Need::Submission) else { return };
    let world = hashed(ANNAS_PASSWORD).and_postfix();
    auto_tries_once_more(&world, Protocol::Smtp).await;
}
