//! The program with an Exchange that takes logins of Active Directory: the playground behind servers that verify them, which
//! are not ours (pyspnego, which demands the channel binding; Apache with mod_auth_gssapi, gss-ntlmssp and a KDC).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailplumb::engine::clock::SystemClock;
use mailplumb::playground::{Options, Playground};

use super::world::{ANNA, PASSWORD, SERVICE as ACCOUNT, options};
use crate::cli::person::{Person, host_file};
use crate::net::relay::Relay;
use crate::support::apache::{self, Apache, Backend};
use crate::support::certificates::HOST;
use crate::support::kerberos::{self, Realm};
use crate::support::need::{Need, require};
use crate::support::ntlm::{Binding, NtlmServer};

const USERS: &str = "CONTOSO:svc-sync:annas Paßwort\n";
const SECRET: &str = "annas Paßwort";
const USER: &str = "profile: { username: CONTOSO\\svc-sync, password: { secret: mail, key: password }, access: impersonation }";
const OWN: &str = "windowsIntegrated: { access: impersonation }";

fn playground() -> (Playground, Backend) {
    let playground = Playground::start(Options { clock: Arc::new(SystemClock::new()), ..options() }).unwrap();
    let authorization = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{PASSWORD}")));
    let backend = Backend { at: playground.exchange().address(), authorization };
    (playground, backend)
}

/// What somebody declares.
struct Declared<'a> {
    path: &'a str,
    authentication: &'a str,
    credentials: &'a str,
    secret: &'a str,
    /// More lines of the host file.
    host: &'a str,
}

/// A person with a manifest that leads to `at`, and a host file.
fn person(at: SocketAddr, authority: &Path, declared: &Declared<'_>) -> Person {
    let mut person = Person::new();
    person.write("host.yaml", &format!("{}{}", host_file([(HOST, 443, at)]), declared.host));
    person.export("SSL_CERT_FILE", &authority.display().to_string());
    person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    person.export("MAILPLUMB_FILE", "mail");
    person.types("init --incoming-host imap.contoso.example --address anna@contoso.example").ends(0);
    let text = person.read("mail/mailplumb.yaml");
    let kept: Vec<&str> = text
        .split("\n---\n")
        .filter(|part| !part.contains("kind: EmailServerProfile") && !part.contains("kind: Mailbox"))
        .collect();
    let Declared { path, authentication, credentials, .. } = declared;
    let manifest = format!(
        "apiVersion: mailplumb/v1\nkind: EmailServerProfile\nmetadata: {{ name: hq }}\nspec:\n  owner: {ANNA}\n  exchange:\n    \
         location: {{ fixed: {{ incoming: \"https://{HOST}{path}/EWS/Exchange.asmx\" }} }}\n    incoming:\n      \
         authentication: {authentication}\n      credentials: {{ {credentials} }}\n  \
         processing: {{ from: 2026-01-01T00:00:00Z }}\n---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: {{ name: anna }}\n\
         spec:\n  user: {{ address: {ANNA} }}\n  approved: {ANNA}\n  profile: hq\n  incoming: server-side-sync\n  \
         outgoing: server-side-sync\n"
    );
    person.write("mail/mailplumb.yaml", &format!("{}\n---\n{manifest}", kept.join("\n---\n")));
    person.pipes("secrets set mail/password", declared.secret).ends(0);
    person
}

/// Applies, tests, receives and sends.
fn works(person: &Person, playground: &Playground, said: &str, evidence: impl Fn() -> String) {
    person.types("validate").ends(0).does_not_say("does not act on");
    let applied = person.types("apply --auto-approve");
    assert_eq!(applied.code, Some(0), "{applied}\n{}", evidence());
    applied.says("2 passed, 0 failed").says(said);
    person.types("plan --detailed-exitcode").ends(0);
    playground.state().deliver(ANNA, b"Subject: Question\r\nFrom: c@d.example\r\n\r\nWhy?\r\n").unwrap();
    person.types("sync").ends(0).says("1 recorded");
    person
        .types("outbox add --mailbox anna --to boris@contoso.example --subject Answer --text Because.")
        .ends(0);
    person.types("sync").ends(0);
    person.types("outbox list").says("sent");
    person.types("test").ends(0).says(said);
    person.types("doctor mailbox/anna").ends(0).says("works").says(said);
    assert!(playground.exchange().calls().iter().all(|call| call.username == ACCOUNT));
}

#[test]
fn ntlm_and_negotiate_log_in_where_the_binding_is_demanded() {
    let Some(()) = require(Need::Python) else { return };
    for (authentication, schemes, said) in [
        ("ntlm", "NTLM", "NTLM"),
        ("negotiate", "Negotiate", "Negotiate"),
        ("auto", "NTLM,Negotiate", "Negotiate"),
    ] {
        let (playground, backend) = playground();
        let server = NtlmServer::before(USERS, schemes, Binding::Required, Some(&backend));
        let declared = Declared { path: "", authentication, credentials: USER, secret: SECRET, host: "" };
        let person = person(server.at, &server.certificate.authority, &declared);
        works(&person, &playground, said, || server.log());
    }
}

#[test]
fn the_services_own_password_logs_in_with_ntlm_and_is_shown_to_nobody() {
    let Some(()) = require(Need::Python) else { return };
    let (playground, backend) = playground();
    let server = NtlmServer::before(USERS, "NTLM", Binding::Required, Some(&backend));
    let host = "identity: { username: CONTOSO\\svc-sync, passwordFile: own.txt }\n";
    let declared = Declared { path: "", authentication: "auto", credentials: OWN, secret: "unused", host };
    let person = person(server.at, &server.certificate.authority, &declared);
    person.write("own.txt", SECRET);
    works(&person, &playground, "NTLM", || server.log());

    // The same account, at a server that takes Basic only.
    let (playground, _) = self::playground();
    person
        .write("host.yaml", &format!("{}{host}", host_file([(HOST, 443, playground.exchange().address())])));
    person.write("ca.pem", playground.ca_pem());
    let refused = person.shell("SSL_CERT_FILE=ca.pem mailplumb test");
    assert_ne!(refused.code, Some(0), "{refused}");
    assert!(playground.exchange().calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_breaks_the_binding_is_named() {
    let Some(()) = require(Need::Python) else { return };
    let (_playground, backend) = playground();
    let server = NtlmServer::before(USERS, "NTLM", Binding::Required, Some(&backend));
    let relay = Relay::start(server.at, &server.certificate.authority).await;
    let declared = Declared { path: "", authentication: "ntlm", credentials: USER, secret: SECRET, host: "" };
    tokio::task::spawn_blocking(move || {
        let person = person(relay.at, &relay.certificate.authority, &declared);
        let applied = person.types("apply --auto-approve");
        applied.says("bound to the certificate").says("proxy").says("Extended Protection");
        person.types("doctor mailbox/anna").says("a proxy that ends TLS with a certificate of its own");
    })
    .await
    .unwrap();
    assert!(server.log().contains("refused"), "{}", server.log());
}

#[test]
fn the_services_own_key_and_a_user_of_the_realm_log_in_with_kerberos() {
    let Some(()) = require(Need::Kerberos) else { return };
    let realm = Realm::start();
    let keytab = format!(
        "identity: {{ principal: {}, keytab: \"{}\" }}\n",
        kerberos::SERVICE,
        realm.client_keytab().display()
    );
    let user = format!(
        "profile: {{ username: \"{}@{}\", password: {{ secret: mail, key: password }}, access: impersonation }}",
        kerberos::ANNA.0,
        kerberos::REALM.to_lowercase()
    );
    for (authentication, credentials, host) in
        [("auto", OWN, keytab.as_str()), ("negotiate", OWN, &keytab), ("negotiate", &user, "")]
    {
        let (playground, backend) = playground();
        let apache = Apache::before(&realm, Some(&backend));
        let declared =
            Declared { path: "/kerberos", authentication, credentials, secret: kerberos::ANNA.1, host };
        let mut person = person(apache.encrypted, &apache.certificate.authority, &declared);
        person.export("KRB5_CONFIG", &realm.configuration().display().to_string());
        works(&person, &playground, "Negotiate", || apache.errors());
    }
}

#[test]
fn what_is_wrong_with_the_ticket_is_said_with_the_remedy() {
    let Some(()) = require(Need::Kerberos) else { return };
    let realm = Realm::start();
    let apache = Apache::start(&realm);
    let host = "identity: { principal: mailplumb@EXAMPLE.TEST, keytab: nowhere.keytab }\n";
    let declared =
        Declared { path: "/kerberos", authentication: "auto", credentials: OWN, secret: "unused", host };
    let mut person = person(apache.encrypted, &apache.certificate.authority, &declared);
    person.export("KRB5_CONFIG", &realm.configuration().display().to_string());
    person
        .types("apply --auto-approve")
        .says("no Kerberos ticket")
        .says("nowhere.keytab")
        .says("`identity` in the host file");
}

#[test]
fn apache_with_gss_ntlmssp_takes_the_login_of_a_profile() {
    let Some(()) = require(Need::Kerberos) else { return };
    let realm = Realm::start();
    let (playground, backend) = playground();
    let apache = Apache::before(&realm, Some(&backend));
    let (user, secret) = apache::USER;
    let credentials = format!(
        "profile: {{ username: EXAMPLE\\{user}, password: {{ secret: mail, key: password }}, access: impersonation }}"
    );
    let declared =
        Declared { path: "/ntlm", authentication: "auto", credentials: &credentials, secret, host: "" };
    let person = person(apache.encrypted, &apache.certificate.authority, &declared);
    works(&person, &playground, "Negotiate", || apache.errors());
}
