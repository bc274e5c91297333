//! Logins of Active Directory over SASL: Kerberos (GSSAPI) and NTLM, at Dovecot, and at Postfix, which asks Dovecot.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mailplumb::model::failure::{Cause, KerberosFault, RemoteError, TestStep};
use mailplumb::model::host::{HostSettings, ServiceIdentity, TicketSource};
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Authentication, Credentials, Endpoint, Protocol, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{Destination, Login};
use mailplumb::net::Network;
use mailplumb::remote::Remotes;
use mailplumb::remote::connectors::Connectors;

use crate::support::certificates::HOST;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::kerberos::{self, Realm, SERVICE, inside};
use crate::support::need::{Need, python, require};
use crate::support::postfix::Postfix;
use crate::support::scratch;

use super::oauth2::trace;

const PROTOCOLS: [Protocol; 3] = [Protocol::Imap, Protocol::Pop3, Protocol::Smtp];
/// A mailbox of Dovecot, and a principal of the realm.
const ANNA: &str = "anna@example.test";

/// Where the servers are, as words for a process inside the realm.
struct Reach {
    words: Vec<String>,
    identity: ServiceIdentity,
}

impl Reach {
    fn of(dovecot: &Dovecot, postfix: &Postfix) -> Self {
        let places = [dovecot.imaps, dovecot.pop3s, postfix.submissions].map(|at| at.to_string());
        let mut words = places.to_vec();
        words.push(dovecot.certificate.authority.display().to_string());
        Self { words, identity: ServiceIdentity::default() }
    }

    async fn log_in(
        &self,
        protocol: Protocol,
        authentication: Authentication,
        login: Login,
    ) -> Result<String, RemoteError> {
        let place = PROTOCOLS.iter().position(|other| *other == protocol).unwrap();
        let at: SocketAddr = self.words[place].parse().unwrap();
        let own = Name::parse("own-ca").unwrap();
        let host = HostSettings {
            trust: [(own.clone(), PathBuf::from(&self.words[3]))].into(),
            connect: [((HOST.to_owned(), at.port()), at)].into(),
            identity: self.identity.clone(),
            ..HostSettings::default()
        };
        let there = Destination {
            service: None,
            mailbox: Name::parse("anna").unwrap(),
            address: Address::parse(ANNA).unwrap(),
            profile: Name::parse("directory").unwrap(),
            kind: match protocol {
                Protocol::Pop3 => ServerKind::Pop3Smtp,
                Protocol::Imap | Protocol::Smtp | Protocol::Ews => ServerKind::ImapSmtp,
            },
            endpoint: Endpoint {
                host: HOST.to_owned(),
                port: std::num::NonZeroU16::new(at.port()),
                tls: TlsMode::Implicit,
                authentication,
                credentials: Credentials::Mailbox,
                timeout_seconds: Some(30),
            },
            trust: Some(own),
            login,
        };
        let connectors = Connectors::new(Network::new(&host));
        let connector = connectors.connector(there.kind).unwrap();
        let mut trace = trace();
        match protocol {
            Protocol::Imap | Protocol::Pop3 | Protocol::Ews => {
                connector.receive(&there, &mut trace).await?.delete_and_close(&[]).await?;
            }
            Protocol::Smtp => connector.submit(&there, &mut trace).await?.close().await,
        }
        let steps = trace.into_steps();
        let said = steps.iter().find(|taken| taken.step == TestStep::Authenticate);
        Ok(said.and_then(|taken| taken.detail.clone()).unwrap_or_default())
    }
}

fn password(username: &str, password: &str) -> Login {
    Login::Password { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

fn with_tickets(realm: &Realm) -> (Dovecot, Postfix) {
    let extra = format!(
        "auth_krb5_keytab = {}\nauth_gssapi_hostname = \"$ALL\"\nimport_environment = TZ KRB5_CONFIG={}\n",
        realm.service_keytab().display(),
        realm.configuration().display()
    );
    let dovecot = Dovecot::start(DovecotOptions {
        mechanisms: "plain gssapi",
        extra: extra.leak(),
        ..DovecotOptions::with_users([(ANNA, "another password")])
    });
    let postfix = Postfix::start(&dovecot);
    (dovecot, postfix)
}

#[tokio::test]
async fn a_user_of_the_realm_logs_in_everywhere_with_kerberos() {
    if let Some(words) = inside() {
        let reach = Reach { words, identity: ServiceIdentity::default() };
        for protocol in PROTOCOLS {
            for authentication in [Authentication::Gssapi, Authentication::Negotiate] {
                let login = password(ANNA, kerberos::ANNA.1);
                let said = reach.log_in(protocol, authentication, login).await;
                let said = said.unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
                assert!(said.is_empty() || said == "GSSAPI", "{protocol:?}: {said}");
            }
            let refused = reach.log_in(protocol, Authentication::Gssapi, password(ANNA, "wrong")).await;
            let error = refused.unwrap_err();
            let Cause::KerberosFailed { fault, .. } = &error.cause else { panic!("{error}") };
            assert_eq!((error.step, *fault), (TestStep::Authenticate, KerberosFault::Refused), "{error}");
        }
        return;
    }
    let (Some(()), Some(())) = (require(Need::Kerberos), require(Need::Submission)) else { return };
    let realm = Realm::start();
    let (dovecot, postfix) = with_tickets(&realm);
    let test = "remote::directory::a_user_of_the_realm_logs_in_everywhere_with_kerberos";
    realm.run_again(test, &Reach::of(&dovecot, &postfix).words, || dovecot.log() + &postfix.log());
}

/// The vendor's "Windows integrated" for SMTP: the service's own key.
#[tokio::test]
async fn the_service_sends_with_its_own_key() {
    if let Some(mut words) = inside() {
        let keytab = words.pop().unwrap().into();
        let ticket = TicketSource::Keytab { principal: SERVICE.to_owned(), keytab };
        let reach = Reach { words, identity: ServiceIdentity::Ticket(ticket) };
        for authentication in [Authentication::Auto, Authentication::Negotiate, Authentication::Gssapi] {
            let said = reach.log_in(Protocol::Smtp, authentication, Login::Host).await.unwrap();
            assert_eq!(said, "GSSAPI");
        }
        let error = reach.log_in(Protocol::Smtp, Authentication::Ntlm, Login::Host).await.unwrap_err();
        assert!(matches!(error.cause, Cause::NoMechanism { .. }), "{error}");
        return;
    }
    let (Some(()), Some(())) = (require(Need::Kerberos), require(Need::Submission)) else { return };
    let realm = Realm::start();
    let (dovecot, postfix) = with_tickets(&realm);
    let mut words = Reach::of(&dovecot, &postfix).words;
    words.push(realm.client_keytab().display().to_string());
    let test = "remote::directory::the_service_sends_with_its_own_key";
    realm.run_again(test, &words, || dovecot.log() + &postfix.log());
}

/// A program that Dovecot takes for Samba's `ntlm_auth`.
fn helper(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/python/ntlm_for_dovecot.py");
    let (users, program) = (folder.join("ntlm.users"), folder.join("ntlm_auth"));
    std::fs::write(&users, format!("EXAMPLE:anna:annas password\n:{ANNA}:annas password\n")).unwrap();
    let python = python().expect("required before");
    let text = format!(
        "#!/bin/sh\nNTLM_USER_FILE={} exec {} {}\n",
        users.display(),
        python.display(),
        script.display()
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test]
async fn ntlm_logs_in_everywhere() {
    let (Some(()), Some(())) = (require(Need::Python), require(Need::Submission)) else { return };
    let folder = scratch::folder();
    let extra = format!(
        "auth_use_winbind = yes\nauth_winbind_helper_path = {}\nauth_default_realm = example.test\n\
         service auth {{\n  user = root\n}}\n",
        helper(folder.path()).display()
    );
    let dovecot = Dovecot::start(DovecotOptions {
        mechanisms: "ntlm",
        extra: extra.leak(),
        ..DovecotOptions::with_users([(ANNA, "another password")])
    });
    let postfix = Postfix::start(&dovecot);
    let reach = Reach::of(&dovecot, &postfix);
    for protocol in PROTOCOLS {
        for authentication in [Authentication::Auto, Authentication::Ntlm, Authentication::Negotiate] {
            let said =
                reach.log_in(protocol, authentication, password("EXAMPLE\\anna", "annas password")).await;
            let said = said.unwrap_or_else(|error| panic!("{protocol:?}: {error}\n{}", dovecot.log()));
            assert!(said.is_empty() || said == "NTLM", "{protocol:?}: {said}");
        }
        let refused = reach.log_in(protocol, Authentication::Ntlm, password("EXAMPLE\\anna", "wrong")).await;
        let error = refused.unwrap_err();
        assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{protocol:?}: {error}");
    }
}
