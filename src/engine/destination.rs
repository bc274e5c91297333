//! From a stored mailbox to what a connector needs, with the secret opened for the length of one connection.

mod judging;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::cursor::InboxId;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::pending::Version;
use crate::model::profile::{
    Access, AppProof, Authentication, Credentials, Endpoint, Exchange, ExchangeLocation, ExchangeOnline,
    Profile, Protocol, Server, TlsMode, Transport,
};
use crate::model::secret::{Sealed, SealedValue, Secret, SecretDigest, SecretRef};
use crate::model::server::{
    Destination, Login, SentItems, TokenClient, TokenProof, WebAddress, WebLocation, WebService,
};
use crate::remote::Connector;
use crate::remote::SessionKey;
use crate::secrets::UnsealError;
use crate::store::{MailboxRow, StoreError};
use crate::sync::classify::{NamedBy, Setting, SoFar};

use super::{Engine, WorkError, opening};

/// Mailbox and profile in one of their versions.
#[derive(Debug, Clone)]
pub struct Reach {
    pub mailbox: Mailbox,
    pub profile: Profile,
    ciphertexts: Ciphertexts,
}

/// Which ciphertexts a version opens.
#[derive(Debug, Clone)]
enum Ciphertexts {
    Declared,
    Kept(BTreeMap<SecretRef, SecretDigest>),
}

impl Reach {
    /// What the last apply declared: what tests are about. `None`: the mailbox has no profile.
    pub fn declared(row: &MailboxRow) -> Option<Self> {
        let profile = row.profile.clone()?;
        Some(Self { mailbox: row.stored.declared.clone(), profile, ciphertexts: Ciphertexts::Declared })
    }

    /// What an operation works with: the declared version, or the former one while a change is pending.
    pub fn effective(row: &MailboxRow, operation: Operation) -> Option<Self> {
        match row.effective.get(&operation) {
            None => Self::declared(row),
            Some(version) => Some(Self::kept(row, version)),
        }
    }

    /// Intervals and limits do not affect how a server is reached, and are as declared.
    fn kept(row: &MailboxRow, version: &Version) -> Self {
        let mut profile = version.profile.clone();
        if let Some(declared) = row.profile.as_ref().filter(|declared| declared.name == profile.name) {
            profile.processing = declared.processing.clone();
        }
        Self {
            mailbox: version.of_mailbox(&row.stored.declared),
            profile,
            ciphertexts: Ciphertexts::Kept(version.secrets.clone()),
        }
    }

    async fn sealed(&self, engine: &Engine, secret: &SecretRef) -> Result<Option<SealedValue>, StoreError> {
        match &self.ciphertexts {
            Ciphertexts::Declared => engine.store.sealed(secret).await,
            Ciphertexts::Kept(digests) => match digests.get(secret) {
                Some(digest) => engine.store.sealed_version(digest).await,
                None => Ok(None),
            },
        }
    }
}

/// How one operation of one mailbox reaches its server.
pub struct Route<'a> {
    reach: &'a Reach,
    pub mailbox: &'a Mailbox,
    pub profile: &'a Profile,
    way: Way<'a>,
    pub connector: Arc<dyn Connector>,
}

/// Where an operation leads.
struct Way<'a> {
    trust: Option<&'a Name>,
    endpoint: Cow<'a, Endpoint>,
    protocol: Protocol,
    service: Option<WebService>,
    /// Thumbprint and public key of the certificate whose key the client's secret is; `None`: it is a plain secret.
    certificate: Option<(&'a str, &'a str)>,
}

impl<'a> Way<'a> {
    /// `None`: nobody can go there.
    fn find(server: &'a Server, mailbox: &Mailbox, operation: Operation) -> Option<Self> {
        let (servers, reading) = match server {
            Server::Pop3Smtp(servers) => (servers, Protocol::Pop3),
            Server::ImapSmtp(servers) => (servers, Protocol::Imap),
            Server::Exchange(exchange) => return Self::exchange(exchange, mailbox, operation),
            Server::ExchangeOnline(online) => return Self::exchange_online(online, mailbox, operation),
        };
        let (endpoint, protocol) = match operation {
            Operation::Incoming => (&servers.incoming, reading),
            Operation::Outgoing => (servers.outgoing.as_ref()?, Protocol::Smtp),
            Operation::Act => return None,
        };
        let endpoint = Cow::Borrowed(endpoint);
        Some(Self { trust: servers.trust.as_ref(), endpoint, protocol, service: None, certificate: None })
    }

    /// By Graph, whose place is always the same, or by EWS as in an Exchange of one's own.
    fn exchange_online(online: &'a ExchangeOnline, mailbox: &Mailbox, operation: Operation) -> Option<Self> {
        match operation {
            Operation::Incoming | Operation::Outgoing => {}
            Operation::Act => return None,
        }
        let (location, access) = match online.transport {
            Transport::Graph => (WebLocation::Graph, None),
            Transport::Ews => {
                (WebLocation::Path("/EWS/Exchange.asmx".to_owned()), Some(Access::Impersonation))
            }
        };
        let service = Some(WebService {
            location,
            access,
            tracked: tracked(mailbox, operation),
            category: online.tracked_category.clone(),
            sent_items: sent_items(online.track_sent_items),
        });
        let (secret, certificate) = match &online.proof {
            AppProof::ClientSecret(secret) => (secret, None),
            AppProof::Certificate { private_key, thumbprint, public_key, .. } => {
                (private_key, Some((thumbprint.as_str(), public_key.as_str())))
            }
        };
        let credentials = Credentials::Oauth2 {
            token_url: online.token_url(),
            client_id: online.client_id.clone(),
            client_secret: secret.clone(),
            scope: online.scope(),
            trust: None,
        };
        let endpoint = Endpoint {
            host: online.host().to_owned(),
            port: None,
            tls: TlsMode::Implicit,
            authentication: Authentication::Oauth,
            credentials,
            timeout_seconds: online.timeout_seconds,
        };
        let endpoint = Cow::Owned(endpoint);
        Some(Self { trust: None, endpoint, protocol: Protocol::Ews, service, certificate })
    }

    fn exchange(exchange: &'a Exchange, mailbox: &Mailbox, operation: Operation) -> Option<Self> {
        let login = match operation {
            Operation::Incoming => &exchange.incoming,
            Operation::Outgoing => &exchange.outgoing,
            Operation::Act => return None,
        };
        let (WebAddress { tls, host, port, path }, location) = match (&exchange.location, operation) {
            (ExchangeLocation::Autodiscover { allowed_hosts }, _) => {
                let address = WebAddress::parse(&format!("https://{}/", mailbox.address.domain()))?;
                (address, Some(WebLocation::Autodiscover { allowed_hosts: allowed_hosts.clone() }))
            }
            (ExchangeLocation::Fixed { incoming, .. }, Operation::Incoming) => {
                (WebAddress::parse(incoming)?, None)
            }
            (ExchangeLocation::Fixed { outgoing, .. }, Operation::Outgoing | Operation::Act) => {
                (WebAddress::parse(outgoing)?, None)
            }
        };
        let credentials = login.credentials.clone();
        let access = access(&credentials);
        let authentication = login.authentication;
        let timeout_seconds = exchange.timeout_seconds;
        let endpoint = Endpoint { host, port, tls, authentication, credentials, timeout_seconds };
        Some(Self {
            trust: exchange.trust.as_ref(),
            endpoint: Cow::Owned(endpoint),
            protocol: Protocol::Ews,
            service: Some(WebService {
                location: location.unwrap_or(WebLocation::Path(path)),
                access,
                tracked: tracked(mailbox, operation),
                category: exchange.tracked_category.clone(),
                sent_items: sent_items(exchange.track_sent_items),
            }),
            certificate: None,
        })
    }
}

/// Folders that are read beside the inbox.
fn tracked(mailbox: &Mailbox, operation: Operation) -> Vec<String> {
    match operation {
        Operation::Incoming => mailbox.tracked_folders.clone(),
        Operation::Outgoing | Operation::Act => Vec::new(),
    }
}

fn sent_items(is_tracked: bool) -> SentItems {
    if is_tracked { SentItems::Recorded } else { SentItems::Ignored }
}

fn access(credentials: &Credentials) -> Option<Access> {
    match credentials {
        Credentials::Profile { access, .. } | Credentials::WindowsIntegrated { access } => *access,
        Credentials::Mailbox | Credentials::Anonymous | Credentials::Oauth2 { .. } => None,
    }
}

impl<'a> Route<'a> {
    /// `None`: this build has no connector for that operation on that kind of server.
    pub fn find(engine: &Engine, reach: &'a Reach, operation: Operation) -> Option<Self> {
        let Reach { mailbox, profile, ciphertexts: _ } = reach;
        let way = Way::find(&profile.server, mailbox, operation)?;
        let connector = engine.remotes.connector(profile.server.kind())?;
        Some(Self { reach, mailbox, profile, way, connector })
    }

    /// What `classify` needs to judge a failure on this route.
    pub fn setting(&self) -> Setting<'_> {
        Setting {
            mailbox: &self.mailbox.name,
            profile: &self.profile.name,
            credentials: &self.way.endpoint.credentials,
            secret: match &self.way.endpoint.credentials {
                Credentials::Mailbox => self.mailbox.credentials.as_ref().map(|own| &own.password),
                Credentials::Profile { password, .. } => Some(password),
                Credentials::Oauth2 { client_secret, .. } => Some(client_secret),
                Credentials::WindowsIntegrated { .. } | Credentials::Anonymous => None,
            },
            origin: None,
            kind: self.profile.server.kind(),
            host: &self.way.endpoint.host,
            port: self.way.endpoint.port_or_default(self.way.protocol),
            named_by: NamedBy::Profile,
            so_far: SoFar::NeverWorked,
        }
    }

    /// Whether this operation of the mailbox leads to the same host and port.
    fn leads_there_too(&self, operation: Operation) -> bool {
        let place = |way: &Way<'_>| {
            (way.endpoint.host.to_lowercase(), way.endpoint.port_or_default(way.protocol).to_string())
        };
        let way = Way::find(&self.profile.server, self.mailbox, operation);
        way.is_some_and(|way| place(&way) == place(&self.way))
    }

    /// Which inbox that is: kind, host, port, user and address. A changed password or TLS mode leads to the same one.
    pub fn inbox(&self) -> InboxId {
        let port = self.way.endpoint.port_or_default(self.way.protocol).to_string();
        let username = match &self.way.endpoint.credentials {
            // Whoever reads a mailbox of Exchange for its owner sees the same items as anybody else.
            Credentials::Profile { access: Some(_), .. } => "",
            Credentials::Profile { username, access: None, .. } => username,
            Credentials::Mailbox => self.mailbox.credentials.as_ref().map_or("", |own| &own.username),
            Credentials::Anonymous | Credentials::WindowsIntegrated { .. } | Credentials::Oauth2 { .. } => "",
        };
        let host = self.way.endpoint.host.to_lowercase();
        InboxId::of(&[self.profile.server.kind().key(), &host, &port, username, &self.mailbox.address.key()])
    }

    /// Everything that a session with the inbox depends on. `None`: what it logs in with cannot be told from what it was
    /// before, or it does not log in.
    pub async fn session_key(&self, engine: &Engine) -> Result<Option<SessionKey>, WorkError> {
        let Some(secret) = self.setting().secret else { return Ok(None) };
        let Some(sealed) = self.reach.sealed(engine, secret).await? else { return Ok(None) };
        let digest = sealed.digest().0;
        // The content of a file or variable may change, and its name stays.
        let content = match &sealed.sealed {
            Sealed::Age(_) | Sealed::Bundle { .. } => None,
            Sealed::File(_) | Sealed::Env(_) => Some(unseal(engine, secret, Some(sealed)).await?),
        };
        let endpoint = format!("{:?} {:?}", self.way.endpoint, self.way.service);
        let trust = self.way.trust.map_or("", Name::as_str);
        let content = content.as_ref().map_or("", |value| value.expose().as_str());
        let inbox = self.inbox().0;
        let parts = [inbox.as_str(), &endpoint, trust, &digest, content].map(str::as_bytes);
        Ok(Some(SessionKey::of(&parts)))
    }

    /// Opens the secret and puts everything together.
    pub async fn destination(&self, engine: &Engine) -> Result<Destination, WorkError> {
        Ok(Destination {
            mailbox: self.mailbox.name.clone(),
            address: self.mailbox.address.clone(),
            profile: self.profile.name.clone(),
            kind: self.profile.server.kind(),
            endpoint: Endpoint::clone(&self.way.endpoint),
            trust: self.way.trust.cloned(),
            login: self.login(engine).await?,
            service: self.way.service.clone(),
        })
    }

    async fn login(&self, engine: &Engine) -> Result<Login, WorkError> {
        match &self.way.endpoint.credentials {
            Credentials::Anonymous => Ok(Login::Anonymous),
            Credentials::Profile { username, password, access: _ } => Ok(Login::Password {
                username: username.clone(),
                password: self.open(engine, password).await?,
            }),
            Credentials::Mailbox => match &self.mailbox.credentials {
                Some(own) => Ok(Login::Password {
                    username: own.username.clone(),
                    password: self.open(engine, &own.password).await?,
                }),
                None => {
                    let cause = Cause::SecretUnavailable {
                        secret: self.mailbox.name.to_string(),
                        detail: "the mailbox declares no credentials".to_owned(),
                    };
                    Err(RemoteError::new(TestStep::Secret, cause).into())
                }
            },
            Credentials::WindowsIntegrated { .. } => Ok(Login::Host),
            Credentials::Oauth2 { token_url, client_id, client_secret, scope, trust } => Ok(Login::Oauth2 {
                username: self.mailbox.address.to_string(),
                client: TokenClient {
                    url: token_url.clone(),
                    trust: trust.clone(),
                    id: client_id.clone(),
                    proof: self.proof(client_secret, self.open(engine, client_secret).await?),
                    scope: scope.clone(),
                },
            }),
        }
    }

    fn proof(&self, reference: &SecretRef, secret: Secret<String>) -> TokenProof {
        match self.way.certificate {
            None => TokenProof::Secret(secret),
            Some((thumbprint, public_key)) => TokenProof::Certificate {
                thumbprint: thumbprint.to_owned(),
                public_key: public_key.to_owned(),
                key: secret,
                name: reference.to_string(),
            },
        }
    }

    async fn open(&self, engine: &Engine, secret: &SecretRef) -> Result<Secret<String>, WorkError> {
        let sealed = self.reach.sealed(engine, secret).await?;
        unseal(engine, secret, sealed).await
    }
}

async fn unseal(
    engine: &Engine,
    secret: &SecretRef,
    sealed: Option<SealedValue>,
) -> Result<Secret<String>, WorkError> {
    let failed = |cause: Cause| WorkError::Remote(RemoteError::new(TestStep::Secret, cause));
    let Some(sealed) = sealed else {
        let detail = "it is not in the store; apply the manifest".to_owned();
        return Err(failed(Cause::SecretUnavailable { secret: secret.to_string(), detail }));
    };
    match opening::stored_value(engine.store.as_ref(), &engine.secrets, secret, sealed).await? {
        Ok(value) => Ok(value),
        Err(error) => Err(failed(unopened(secret.to_string(), &error))),
    }
}

/// Whom a secret that did not open is put down to.
fn unopened(secret: String, error: &UnsealError) -> Cause {
    let detail = error.to_string();
    match error {
        UnsealError::NoIdentity => Cause::NoIdentity { secret },
        UnsealError::IdentityUnusable { .. } => Cause::IdentityUnusable { secret, detail },
        UnsealError::EnvironmentUnset(_) | UnsealError::File { .. } => Cause::SecretAbsent { secret, detail },
        UnsealError::NotForThisIdentity { .. }
        | UnsealError::Damaged(_)
        | UnsealError::Unsupported(_)
        | UnsealError::Bundle { .. }
        | UnsealError::NoSuchKey { .. }
        | UnsealError::BundleMissing(_)
        | UnsealError::NotText
        | UnsealError::TooLarge(_) => Cause::SecretUnavailable { secret, detail },
    }
}
