//! Logins with access tokens: a real provider, Dovecot that looks the tokens up there, and Postfix that asks Dovecot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mailplumb::model::clock::Clock;
use mailplumb::model::failure::{Cause, RemoteError, StepTaken, TestStep};
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Authentication, Credentials, Endpoint, Protocol, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{Destination, Login, TokenClient, TokenProof};
use mailplumb::net::Network;
use mailplumb::playground::{self, Options, Playground, User};
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Remotes, Trace};

use super::world::{ANNA, BORIS};
use crate::support::certificates::HOST;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::need::{Need, require};
use crate::support::postfix::Postfix;
use crate::support::provider::{Client, Provider};

const PROTOCOLS: [Protocol; 3] = [Protocol::Imap, Protocol::Pop3, Protocol::Smtp];

const ANNAS: Client = Client {
    id: "annas-client",
    secret: "annas client secret & more",
    method: "client_secret_post",
    username: ANNA,
    seconds: 3600,
};
/// Registered for HTTP Basic, with a secret that has to be encoded.
const BORIS_CLIENT: Client = Client {
    id: "boris-client",
    secret: "boris:secret+%",
    method: "client_secret_basic",
    username: BORIS,
    seconds: 3600,
};
/// Whose tokens are soon worth nothing. The provider counts whole seconds: a new one is good for two at least.
const HASTY: Client = Client { id: "hasty-client", seconds: 3, ..ANNAS };

/// Where everything is.
struct Reach {
    addresses: [SocketAddr; 3],
    authority: PathBuf,
    token_url: String,
}

/// Everything together.
struct Site {
    reach: Reach,
    _postfix: Postfix,
    provider: Provider,
    dovecot: Dovecot,
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// Of steps whose times do not matter.
pub fn trace() -> Trace {
    Trace::new(Arc::new(StoppedClock))
}

type Opened = (Result<(), RemoteError>, Vec<StepTaken>);

impl Site {
    fn start() -> Self {
        let mut provider = Provider::prepare();
        let users = [(ANNA, "a password"), (BORIS, "another")];
        let options = DovecotOptions {
            mechanisms: "plain xoauth2 oauthbearer",
            first: Some(&|authority| provider.dovecot(authority)),
            ..DovecotOptions::with_users(users)
        };
        let dovecot = Dovecot::start(options);
        provider.start(&dovecot.certificate, &[ANNAS, BORIS_CLIENT, HASTY]);
        let postfix = Postfix::start(&dovecot);
        let reach = Reach {
            addresses: [dovecot.imaps, dovecot.pop3s, postfix.submissions],
            authority: dovecot.certificate.authority.clone(),
            token_url: provider.token_url(),
        };
        Self { reach, _postfix: postfix, provider, dovecot }
    }
}

impl Reach {
    fn connectors(&self) -> Connectors {
        let own = Name::parse("own-ca").unwrap();
        let host = HostSettings {
            trust: BTreeMap::from([(own, self.authority.clone())]),
            connect: self.addresses.map(|at| ((HOST.to_owned(), at.port()), at)).into(),
            ..HostSettings::default()
        };
        Connectors::new(Network::new(&host))
    }

    fn address(&self, protocol: Protocol) -> SocketAddr {
        let place = PROTOCOLS.iter().position(|other| *other == protocol).unwrap();
        self.addresses[place]
    }

    fn client(&self, client: &Client) -> TokenClient {
        TokenClient {
            url: self.token_url.clone(),
            trust: Some(Name::parse("own-ca").unwrap()),
            id: client.id.to_owned(),
            proof: TokenProof::Secret(Secret::new(client.secret.to_owned())),
            scope: "mail".to_owned(),
        }
    }

    fn there(&self, protocol: Protocol, address: &str, client: TokenClient) -> Destination {
        Destination {
            service: None,
            mailbox: Name::parse("mailbox").unwrap(),
            address: Address::parse(address).unwrap(),
            profile: Name::parse("provider").unwrap(),
            kind: match protocol {
                Protocol::Pop3 => ServerKind::Pop3Smtp,
                Protocol::Imap | Protocol::Smtp | Protocol::Ews => ServerKind::ImapSmtp,
            },
            endpoint: Endpoint {
                host: HOST.to_owned(),
                port: NonZeroU16::new(self.address(protocol).port()),
                tls: TlsMode::Implicit,
                authentication: Authentication::Auto,
                credentials: Credentials::Mailbox,
                timeout_seconds: Some(30),
            },
            trust: Some(Name::parse("own-ca").unwrap()),
            login: Login::Oauth2 { username: address.to_owned(), client },
        }
    }

    /// Opens a session and closes it.
    async fn open(connectors: &Connectors, protocol: Protocol, there: &Destination) -> Opened {
        let connector = connectors.connector(there.kind).unwrap();
        let mut trace = trace();
        let result = match protocol {
            Protocol::Imap | Protocol::Pop3 | Protocol::Ews => {
                match connector.receive(there, &mut trace).await {
                    Ok(session) => session.delete_and_close(&[]).await.map(|_| ()),
                    Err(error) => Err(error),
                }
            }
            Protocol::Smtp => match connector.submit(there, &mut trace).await {
                Ok(session) => {
                    session.close().await;
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        (result, trace.into_steps())
    }

    async fn refused(&self, protocol: Protocol, address: &str, client: TokenClient) -> RemoteError {
        let opened = Self::open(&self.connectors(), protocol, &self.there(protocol, address, client)).await;
        let error = opened.0.expect_err("it must not be let in");
        for secret in [ANNAS.secret, BORIS_CLIENT.secret] {
            assert!(!format!("{error:?}").contains(secret), "{error:?}");
        }
        error
    }
}

#[tokio::test]
async fn both_mechanisms_log_in_everywhere_with_one_token() {
    let Some(()) = require(Need::Tokens) else { return };
    let site = Site::start();
    let connectors = site.reach.connectors();
    for protocol in PROTOCOLS {
        for authentication in [Authentication::Auto, Authentication::Xoauth2, Authentication::Oauthbearer] {
            let mut there = site.reach.there(protocol, ANNA, site.reach.client(&ANNAS));
            there.endpoint.authentication = authentication;
            let (result, steps) = Reach::open(&connectors, protocol, &there).await;
            result.unwrap_or_else(|error| {
                panic!("{protocol:?} {authentication:?}: {error}\n{}", site.dovecot.log())
            });
            assert_eq!(steps[0].step, TestStep::Token);
            let said = steps.iter().find(|taken| taken.step == TestStep::Authenticate).unwrap();
            let is_older = authentication == Authentication::Xoauth2;
            let expected = if is_older { "XOAUTH2" } else { "OAUTHBEARER" };
            assert_eq!(said.detail.as_deref().unwrap_or(expected), expected, "POP3 does not say");
        }
    }
    assert_eq!(site.provider.asked(), 1, "{}", site.provider.log());
    // The secret of the other client is registered for HTTP Basic.
    let there = site.reach.there(Protocol::Imap, BORIS, site.reach.client(&BORIS_CLIENT));
    Reach::open(&connectors, Protocol::Imap, &there).await.0.unwrap();
    assert_eq!(site.provider.asked(), 2, "{}", site.provider.log());
}

#[tokio::test]
async fn a_token_of_somebody_else_and_one_that_has_expired_are_refused_by_the_mail_server() {
    let Some(()) = require(Need::Tokens) else { return };
    let site = Site::start();
    for protocol in PROTOCOLS {
        let error = site.reach.refused(protocol, BORIS, site.reach.client(&ANNAS)).await;
        assert_eq!(error.step, TestStep::Authenticate, "{protocol:?}: {error}");
        assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{protocol:?}: {error}");
        assert!(error.to_string().contains("status "), "with the server's reasons: {error}");
    }
    let connectors = site.reach.connectors();
    let there = site.reach.there(Protocol::Imap, ANNA, site.reach.client(&HASTY));
    Reach::open(&connectors, Protocol::Imap, &there).await.0.unwrap();
    let asked = site.provider.asked();
    // To us the clock stands still, so the token stays valid; for the provider it ends.
    for _ in 0..100 {
        let (opened, _) = Reach::open(&connectors, Protocol::Imap, &there).await;
        opened
            .unwrap_or_else(|error| panic!("an expired token is replaced: {error}\n{}", site.provider.log()));
        if site.provider.asked() > asked {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no other token was asked for:\n{}", site.provider.log());
}

#[tokio::test]
async fn what_is_wrong_with_the_provider_is_a_step_of_its_own() {
    let Some(()) = require(Need::Tokens) else { return };
    let mut site = Site::start();
    let wrong = TokenClient {
        proof: TokenProof::Secret(Secret::new("wrong".to_owned())),
        ..site.reach.client(&ANNAS)
    };
    let error = site.reach.refused(Protocol::Imap, ANNA, wrong).await;
    assert_eq!(error.step, TestStep::Token);
    let Cause::TokenRefused { said, .. } = &error.cause else { panic!("{error}") };
    assert!(said.contains("invalid_client"), "{said}");

    let elsewhere =
        TokenClient { url: format!("https://{}/nothing", site.provider.at), ..site.reach.client(&ANNAS) };
    let error = site.reach.refused(Protocol::Imap, ANNA, elsewhere).await;
    assert_eq!(error.step, TestStep::Token, "{error}");

    let untrusted = TokenClient { trust: None, ..site.reach.client(&ANNAS) };
    let error = site.reach.refused(Protocol::Imap, ANNA, untrusted).await;
    let Cause::TokenUnavailable { cause, .. } = &error.cause else { panic!("{error}") };
    assert!(matches!(**cause, Cause::CertificateUntrusted { .. }), "{cause}");

    site.provider.stop();
    let error = site.reach.refused(Protocol::Smtp, ANNA, site.reach.client(&ANNAS)).await;
    let Cause::TokenUnavailable { cause, .. } = &error.cause else { panic!("{error}") };
    assert!(matches!(**cause, Cause::ConnectionRefused { .. }), "{cause}");
    site.provider.restart();
    let connectors = site.reach.connectors();
    let there = site.reach.there(Protocol::Smtp, ANNA, site.reach.client(&ANNAS));
    Reach::open(&connectors, Protocol::Smtp, &there).await.0.unwrap();
}

#[tokio::test]
async fn the_playground_gives_tokens_and_takes_them_until_they_are_withdrawn() {
    let options = Options {
        host_names: vec![HOST.to_owned(), "127.0.0.1".to_owned()],
        users: vec![User::new(ANNA, ANNA, "a password"), User::new(BORIS, BORIS, "another")],
        token_clients: vec![playground::TokenClient::new(ANNAS.id, ANNAS.secret, ANNA)],
        ..Options::default()
    };
    let playground = Playground::start(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, playground.ca_pem()).unwrap();
    let reach = Reach {
        addresses: [playground.imaps(), playground.pop3s(), playground.smtps()],
        authority,
        token_url: format!("https://{}/token", playground.token_endpoint()),
    };
    let connectors = reach.connectors();
    for protocol in PROTOCOLS {
        for authentication in [Authentication::Oauthbearer, Authentication::Xoauth2] {
            let mut there = reach.there(protocol, ANNA, reach.client(&ANNAS));
            there.endpoint.authentication = authentication;
            let (result, _) = Reach::open(&connectors, protocol, &there).await;
            result.unwrap_or_else(|error| panic!("{protocol:?} {authentication:?}: {error}"));
            playground.withdraw_tokens();
            let (result, steps) = Reach::open(&connectors, protocol, &there).await;
            result.unwrap_or_else(|error| panic!("{protocol:?} {authentication:?}: {error}"));
            let asked = steps.iter().filter(|taken| taken.step == TestStep::Token).count();
            assert_eq!(asked, 2, "another token is asked for at once: {steps:?}");
        }
        let error = reach.refused(protocol, BORIS, reach.client(&ANNAS)).await;
        assert!(matches!(error.cause, Cause::LoginRefused { .. }), "{protocol:?}: {error}");
        assert!(error.to_string().contains("status invalid_token"), "{error}");
    }
    let wrong =
        TokenClient { proof: TokenProof::Secret(Secret::new("wrong".to_owned())), ..reach.client(&ANNAS) };
    let error = reach.refused(Protocol::Imap, ANNA, wrong).await;
    assert!(matches!(error.cause, Cause::TokenRefused { .. }), "{error}");
}
