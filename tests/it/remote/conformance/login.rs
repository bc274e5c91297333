//! Logging in.

use mailplumb::model::failure::{Cause, TestStep};
use mailplumb::model::profile::{Authentication, Protocol, TlsMode};
use mailplumb::playground::ClearLogins;

use super::READING;
use crate::remote::world::client::Clear;
use crate::remote::world::{
    ANNA, ANNAS_PASSWORD, BORIS, BORIS_PASSWORD, Certificate, Client, How, Play, Real, World,
};
use crate::support::need::{Need, require};

in_every_world! {
    every_mechanism_logs_in_behind_tls,
    a_wrong_password_and_an_unknown_user_are_refused_alike,
    a_declared_mechanism_that_is_not_offered_is_not_replaced,
    no_password_crosses_a_connection_without_tls,
}

const PASSWORDS: [Authentication; 3] = [Authentication::Auto, Authentication::Plain, Authentication::Login];
const CHALLENGES: [Authentication; 3] =
    [Authentication::CramMd5, Authentication::ScramSha1, Authentication::ScramSha256];

async fn every_mechanism_logs_in_behind_tls(world: &dyn World) {
    for protocol in READING {
        every_mechanism(world, protocol).await;
    }
}

/// Also for SMTP, where it is called with Postfix.
pub(super) async fn every_mechanism(world: &dyn World, protocol: Protocol) {
    let challenges = CHALLENGES.iter().filter(|_| world.has_challenges());
    for authentication in PASSWORDS.iter().chain(challenges) {
        for tls in [TlsMode::Implicit, TlsMode::Starttls] {
            let how = How { authentication: *authentication, ..How::to(world, protocol) };
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
    for protocol in READING {
        wrong_logins(world, protocol).await;
    }
}

pub(super) async fn wrong_logins(world: &dyn World, protocol: Protocol) {
    let challenges = CHALLENGES.iter().filter(|_| world.has_challenges());
    let some: Vec<Authentication> = match protocol {
        _ if world.refuses_slowly() => vec![Authentication::Auto],
        Protocol::Pop3 | Protocol::Imap => PASSWORDS.iter().chain(challenges).copied().collect(),
        // Postfix takes a second for each refusal.
        Protocol::Smtp => vec![Authentication::Auto, Authentication::Login],
        Protocol::Ews => vec![Authentication::Auto, Authentication::Basic],
    };
    for authentication in some {
        let right = How { authentication, ..How::to(world, protocol) };
        let wrong_password = How { password: Some("wrong\"} \\".to_owned()), ..right.clone() };
        let nobody = How { username: "nobody@example.test".to_owned(), ..right };
        for how in [wrong_password, nobody] {
            let error = Client::refused(Client::open(world, &how).await);
            assert_eq!(error.step, TestStep::Authenticate, "{how:?}: {error}");
            assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{how:?}: {error}");
            assert!(!error.to_string().contains("wrong\""), "{error}");
        }
    }
}

async fn a_declared_mechanism_that_is_not_offered_is_not_replaced(world: &dyn World) {
    if world.has_challenges() {
        return;
    }
    for protocol in READING {
        for authentication in CHALLENGES {
            let how = How { authentication, ..How::to(world, protocol) };
            let error = Client::refused(Client::open(world, &how).await);
            assert_eq!(error.step, TestStep::Authenticate, "{how:?}: {error}");
            assert!(matches!(error.cause, Cause::NoMechanism { .. }), "{how:?}: {error}");
        }
    }
}

async fn no_password_crosses_a_connection_without_tls(world: &dyn World) {
    for protocol in READING {
        for authentication in [Authentication::Plain, Authentication::Login] {
            let how = How { authentication, ..How::to(world, protocol) }.with_tls(world, TlsMode::None);
            let error = Client::refused(Client::open(world, &how).await);
            assert_eq!(error.step, TestStep::Authenticate, "{how:?}: {error}");
            assert_eq!(error.cause, Cause::PlaintextLogin, "{how:?}");
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
        Protocol::Smtp => assert_eq!(error.cause, Cause::PlaintextLogin),
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

#[tokio::test]
async fn exchange_lets_in_and_refuses_like_all_others() {
    let world = Play::start();
    for authentication in [Authentication::Auto, Authentication::Basic] {
        let how = How { authentication, ..How::to(&world, Protocol::Ews) };
        let (session, steps) = Client::open(&world, &how).await;
        session.unwrap_or_else(|error| panic!("{how:?}: {error}")).close().await;
        let taken: Vec<TestStep> = steps.iter().map(|taken| taken.step).collect();
        assert!(taken.contains(&TestStep::Authenticate), "{how:?}: {taken:?}");
    }
    wrong_logins(&world, Protocol::Ews).await;
}
