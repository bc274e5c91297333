//! Kerberos, against a real KDC and Apache. The library reads `KRB5_CONFIG` of its process, so each case runs this test program
//! once more, with that variable.

use mailplumb::model::failure::{Cause, KerberosFault};
use mailplumb::model::host::{ServiceIdentity, TicketSource};
use mailplumb::model::profile::Authentication;
use mailplumb::model::server;
use mailplumb::protocol::http::Method;

use super::{ask, host, open, password};
use crate::support::apache::Apache;
use crate::support::kerberos::{ANNA, REALM, Realm, SERVICE, inside};
use crate::support::need::{Need, require};

/// Runs the calling test again in a process that belongs to a realm; `None` in the process without.
fn in_realm(test: &str) -> Option<Inside> {
    if let Some(words) = inside() {
        return Some(Inside { words });
    }
    require(Need::Kerberos)?;
    let realm = Realm::start();
    let apache = Apache::start(&realm);
    let words = [
        apache.encrypted.to_string(),
        apache.certificate.authority.display().to_string(),
        realm.client_keytab().display().to_string(),
    ];
    realm.run_again(&format!("net::kerberos::{test}"), &words, || apache.errors());
    None
}

struct Inside {
    words: Vec<String>,
}

impl Inside {
    async fn asked(
        &self,
        identity: TicketSource,
        authentication: Authentication,
        login: server::Login,
    ) -> Result<(u16, String), Cause> {
        let at = self.words[0].parse().unwrap();
        let mut host = host(at, self.words[1].as_ref());
        host.identity = ServiceIdentity::Ticket(identity);
        let mut session = open(&host, at, "https", authentication, login).await;
        let first = ask(&mut session, Method::Get, "/kerberos/", "").await?;
        // This server wants a token with each request.
        assert_eq!(ask(&mut session, Method::Get, "/kerberos/", "").await.as_ref(), Ok(&first));
        Ok(first)
    }

    fn keytab(&self, principal: &str) -> TicketSource {
        TicketSource::Keytab { principal: principal.to_owned(), keytab: self.words[2].clone().into() }
    }
}

#[tokio::test]
async fn the_services_own_key_logs_in() {
    let Some(inside) = in_realm("the_services_own_key_logs_in") else { return };
    for authentication in [Authentication::Auto, Authentication::Negotiate] {
        let answer = inside.asked(inside.keytab(SERVICE), authentication, server::Login::Host).await;
        assert_eq!(answer, Ok((200, "hello from kerberos".to_owned())));
    }
}

#[tokio::test]
async fn a_user_of_the_realm_logs_in_with_a_password() {
    let Some(inside) = in_realm("a_user_of_the_realm_logs_in_with_a_password") else { return };
    let (user, secret) = ANNA;
    let user = format!("{user}@{}", REALM.to_lowercase());
    let login =
        |secret| inside.asked(TicketSource::Default, Authentication::Negotiate, password(&user, secret));
    assert_eq!(login(secret).await, Ok((200, "hello from kerberos".to_owned())));
    let refused = login("wrong").await;
    assert!(
        matches!(refused, Err(Cause::KerberosFailed { fault: KerberosFault::Refused, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_the_ticket_is_said() {
    let Some(inside) = in_realm("what_is_wrong_with_the_ticket_is_said") else { return };
    let fault = |answer: Result<(u16, String), Cause>| match answer {
        Err(Cause::KerberosFailed { fault, detail }) => (fault, detail),
        other => panic!("{other:?}"),
    };
    let nobody = inside.keytab("nobody@EXAMPLE.TEST");
    let (found, detail) = fault(inside.asked(nobody, Authentication::Auto, server::Login::Host).await);
    assert_eq!(found, KerberosFault::Misconfigured, "{detail}");
    let cache = TicketSource::Cache("FILE:/nonexistent/cache".to_owned());
    let (found, detail) = fault(inside.asked(cache, Authentication::Auto, server::Login::Host).await);
    assert_eq!(found, KerberosFault::Misconfigured, "{detail}");
    let TicketSource::Keytab { principal, .. } = inside.keytab(SERVICE) else { unreachable!() };
    let absent = TicketSource::Keytab { principal, keytab: "/nonexistent/keytab".into() };
    let (found, detail) = fault(inside.asked(absent, Authentication::Auto, server::Login::Host).await);
    assert_eq!(found, KerberosFault::Misconfigured, "{detail}");
    assert!(detail.contains("/nonexistent/keytab"), "{detail}");
}

#[tokio::test]
async fn where_only_kerberos_is_taken_a_password_is_told_what_keeps_kerberos_away() {
    let test = "where_only_kerberos_is_taken_a_password_is_told_what_keeps_kerberos_away";
    let Some(inside) = in_realm(test) else { return };
    for authentication in [Authentication::Auto, Authentication::Negotiate] {
        let login = password(&format!("nobody@{}", REALM.to_lowercase()), "any");
        let refused = inside.asked(TicketSource::Default, authentication, login).await;
        let Err(Cause::KerberosFailed { fault, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(*fault, KerberosFault::ClientUnknown, "{refused:?}");
    }
}
