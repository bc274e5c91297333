//! NTLM and NTLM inside Negotiate, against verifiers that are not ours: pyspnego, and gss-ntlmssp in Apache.

use mailplumb::model::failure::Cause;
use mailplumb::model::profile::Authentication;
use mailplumb::protocol::http::Method;

use super::{ask, host, open, password};
use crate::support::apache::{self, Apache};
use crate::support::kerberos::Realm;
use crate::support::need::{Need, require};
use crate::support::ntlm::{Binding, NtlmServer};
use crate::support::scratch::wait_until;

const USERS: &str = "CONTOSO:anna:annas Paßwort\nCONTOSO:boris:x\n";

async fn asked(
    server: &NtlmServer,
    authentication: Authentication,
    user: &str,
    secret: &str,
) -> Result<(u16, String), Cause> {
    let host = host(server.at, &server.certificate.authority);
    let mut session = open(&host, server.at, "https", authentication, password(user, secret)).await;
    ask(&mut session, Method::Post, "/EWS/Exchange.asmx", "body").await
}

#[tokio::test]
async fn a_verifier_that_demands_the_channel_binding_takes_our_login() {
    let Some(()) = require(Need::Python) else { return };
    for schemes in ["NTLM", "Negotiate", "NTLM,Negotiate"] {
        let server = NtlmServer::start(USERS, schemes, Binding::Required);
        let answer = asked(&server, Authentication::Auto, "CONTOSO\\anna", "annas Paßwort").await;
        let (status, page) = answer.unwrap_or_else(|cause| panic!("{cause}\n{}", server.log()));
        assert_eq!((status, page.starts_with("CONTOSO\\anna ")), (200, true), "{page}\n{}", server.log());
        assert!(page.ends_with(" body"), "{page}");
    }
}

/// The same server with another certificate in front of it: what somebody in the middle would present.
#[tokio::test]
async fn a_login_bound_to_another_certificate_is_refused() {
    let Some(()) = require(Need::Python) else { return };
    let server = NtlmServer::start(USERS, "NTLM", Binding::Required);
    let relay = super::relay::Relay::start(server.at, &server.certificate.authority).await;
    let host = host(relay.at, &relay.certificate.authority);
    let login = password("CONTOSO\\anna", "annas Paßwort");
    let mut session = open(&host, relay.at, "https", Authentication::Ntlm, login).await;
    let refused = ask(&mut session, Method::Post, "/", "body").await;
    assert!(matches!(refused, Err(Cause::LoginRefused { .. })), "{refused:?}\n{}", server.log());
    assert!(server.log().contains("refused"), "{}", server.log());
}

#[tokio::test]
async fn wrong_passwords_and_missing_schemes_are_told_apart() {
    let Some(()) = require(Need::Python) else { return };
    let server = NtlmServer::start(USERS, "NTLM", Binding::Ignored);
    for authentication in [Authentication::Auto, Authentication::Ntlm] {
        let refused = asked(&server, authentication, "CONTOSO\\anna", "wrong").await;
        assert!(matches!(refused, Err(Cause::LoginRefused { .. })), "{refused:?}");
    }
    let refused = asked(&server, Authentication::Basic, "CONTOSO\\anna", "annas Paßwort").await;
    let Err(Cause::NoMechanism { offered, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(offered, ["NTLM"]);
}

#[tokio::test]
async fn a_host_that_forbids_the_protocols_of_active_directory_is_obeyed() {
    let Some(()) = require(Need::Python) else { return };
    let server = NtlmServer::start(USERS, "NTLM,Negotiate", Binding::Ignored);
    let mut host = host(server.at, &server.certificate.authority);
    host.allow_ad_authentication = false;
    for authentication in [Authentication::Auto, Authentication::Ntlm, Authentication::Negotiate] {
        let login = password("CONTOSO\\boris", "x");
        let mut session = open(&host, server.at, "https", authentication, login).await;
        let refused = ask(&mut session, Method::Post, "/", "").await;
        assert!(matches!(refused, Err(Cause::NoMechanism { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_connection_is_logged_in_once_and_asked_often() {
    let Some(()) = require(Need::Python) else { return };
    let server = NtlmServer::start(USERS, "Negotiate", Binding::Required);
    let host = host(server.at, &server.certificate.authority);
    let login = password("CONTOSO\\boris", "x");
    let mut session = open(&host, server.at, "https", Authentication::Negotiate, login).await;
    for round in 0..20 {
        let body = "b".repeat(round * 1000);
        let answer = ask(&mut session, Method::Post, "/", &body).await;
        assert_eq!(answer, Ok((200, format!("CONTOSO\\boris Negotiate {body}"))), "{}", server.log());
    }
    assert_eq!(session.login_words(), Some("Negotiate"));
}

#[tokio::test]
async fn a_login_that_the_server_ended_is_proved_again_and_once_only() {
    let Some(()) = require(Need::Python) else { return };
    for (mood, schemes) in
        [("close", "NTLM"), ("forget", "NTLM"), ("close", "Negotiate"), ("forget", "Negotiate")]
    {
        let server = NtlmServer::in_mood(USERS, schemes, mood);
        let host = host(server.at, &server.certificate.authority);
        let login = password("CONTOSO\\boris", "x");
        let mut session = open(&host, server.at, "https", Authentication::Auto, login).await;
        for round in 0..9 {
            let body = format!("body {round}");
            let answer = ask(&mut session, Method::Post, "/", &body).await;
            let expected = (200, format!("CONTOSO\\boris {schemes} {body}"));
            assert_eq!(answer, Ok(expected), "{mood}: {}", server.log());
        }
    }
    let server = NtlmServer::in_mood(USERS, "NTLM", "lock");
    let host = host(server.at, &server.certificate.authority);
    let login = password("CONTOSO\\boris", "x");
    let mut session = open(&host, server.at, "https", Authentication::Ntlm, login).await;
    assert!(ask(&mut session, Method::Post, "/", "").await.is_ok());
    let refused = ask(&mut session, Method::Post, "/", "").await;
    assert!(matches!(refused, Err(Cause::LoginRefused { .. })), "{refused:?}");
    assert!(!session.may_have_acted());
}

#[tokio::test]
async fn a_connection_belongs_to_one_identity() {
    let Some(()) = require(Need::Python) else { return };
    let server = NtlmServer::start(USERS, "NTLM", Binding::Required);
    let host = host(server.at, &server.certificate.authority);
    let people = [("CONTOSO\\anna", "annas Paßwort"), ("CONTOSO\\boris", "x")];
    let mut sessions = Vec::new();
    for (user, secret) in people {
        let login = password(user, secret);
        sessions.push(open(&host, server.at, "https", Authentication::Ntlm, login).await);
    }
    for _ in 0..5 {
        for (session, (user, _)) in sessions.iter_mut().zip(people) {
            let answer = ask(session, Method::Post, "/", "mine").await;
            assert_eq!(answer, Ok((200, format!("{user} NTLM mine"))), "{}", server.log());
        }
    }
}

#[tokio::test]
async fn apache_with_gss_ntlmssp_takes_our_login() {
    let Some(()) = require(Need::Kerberos) else { return };
    let realm = Realm::start();
    let apache = Apache::start(&realm);
    let (user, secret) = apache::USER;
    let user = format!("EXAMPLE\\{user}");
    let host = host(apache.encrypted, &apache.certificate.authority);
    for authentication in [Authentication::Auto, Authentication::Negotiate, Authentication::Ntlm] {
        let login = password(&user, secret);
        let mut session = open(&host, apache.encrypted, "https", authentication, login).await;
        let answer = ask(&mut session, Method::Get, "/ntlm/", "").await;
        assert_eq!(
            answer,
            Ok((200, "hello from ntlm".to_owned())),
            "{authentication:?}\n{}",
            apache.errors()
        );
        let mut session =
            open(&host, apache.encrypted, "https", authentication, password(&user, "wrong")).await;
        let refused = ask(&mut session, Method::Get, "/ntlm/", "").await;
        assert!(matches!(refused, Err(Cause::LoginRefused { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_password_is_shown_over_tls_only() {
    let Some(()) = require(Need::Kerberos) else { return };
    let realm = Realm::start();
    let apache = Apache::start(&realm);
    let (user, secret) = apache::USER;
    let login = || password(user, secret);
    let encrypted = host(apache.encrypted, &apache.certificate.authority);
    let mut session = open(&encrypted, apache.encrypted, "https", Authentication::Auto, login()).await;
    let answer = ask(&mut session, Method::Get, "/basic/", "").await;
    assert_eq!(answer, Ok((200, "hello from basic".to_owned())), "{}", apache.errors());

    let mut clear = host(apache.clear, &apache.certificate.authority);
    clear.allow_basic_over_plaintext = true;
    let mut session = open(&clear, apache.clear, "http", Authentication::Auto, login()).await;
    wait_until("the log", || apache.requests().contains(" 200 "), || apache.requests());
    let before = apache.requests().lines().count();
    assert_eq!(ask(&mut session, Method::Get, "/basic/", "").await, Err(Cause::PlaintextLogin));
    assert!(apache.requests().lines().skip(before).all(|line| line.starts_with("- 401")));
    // Asked for by its name, and allowed by the host file.
    let mut session = open(&clear, apache.clear, "http", Authentication::Basic, login()).await;
    assert_eq!(ask(&mut session, Method::Get, "/basic/", "").await.map(|answer| answer.0), Ok(200));
}
