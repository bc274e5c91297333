//! Access tokens: asked for once by whoever needs the same one, kept in memory until shortly before they expire, never
//! stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::assertion;
use super::redact::Password;
use super::{Connector, Receive, Submit, Trace};
use crate::model::clock::Clock;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::profile::{Authentication, Endpoint};
use crate::model::secret::Secret;
use crate::model::server::{Destination, Login, TokenClient, TokenProof};
use crate::net::Network;
use crate::net::http::FormPost;
use crate::net::renewal::Renews;
use crate::protocol::oauth2::{self, ClientProof, Denial, Grant, TokenRequest};

/// A destination that nobody has put a token into.
pub(super) fn not_asked_for() -> Cause {
    Cause::Internal { detail: "no access token was asked for".to_owned() }
}

/// A connector whose logins by `oauth2` get their tokens.
pub(super) struct WithTokens {
    pub inner: Arc<dyn Connector>,
    pub network: Network,
    pub tokens: Arc<Tokens>,
}

/// A token that the mail server refuses may have been withdrawn before its time: another one is asked for once. One
/// that has just come from the provider would not get better by that.
#[async_trait]
impl Connector for WithTokens {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        let Login::Oauth2 { username, client } = &destination.login else {
            trace.renew_with(None);
            return self.inner.receive(destination, trace).await;
        };
        self.renew_with(client, &destination.endpoint, trace);
        let lent = self.lend(client, &destination.endpoint, trace).await?;
        match self.inner.receive(&lent.destination(destination, username), trace).await {
            Err(error) if self.is_worth_another(client, &lent, &error) => {
                let lent = self.lend(client, &destination.endpoint, trace).await?;
                let result = self.inner.receive(&lent.destination(destination, username), trace).await;
                result.inspect_err(|error| {
                    self.is_worth_another(client, &lent, error);
                })
            }
            result => result,
        }
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        let Login::Oauth2 { username, client } = &destination.login else {
            trace.renew_with(None);
            return self.inner.submit(destination, trace).await;
        };
        self.renew_with(client, &destination.endpoint, trace);
        let lent = self.lend(client, &destination.endpoint, trace).await?;
        match self.inner.submit(&lent.destination(destination, username), trace).await {
            Err(error) if self.is_worth_another(client, &lent, &error) => {
                let lent = self.lend(client, &destination.endpoint, trace).await?;
                let result = self.inner.submit(&lent.destination(destination, username), trace).await;
                result.inspect_err(|error| {
                    self.is_worth_another(client, &lent, error);
                })
            }
            result => result,
        }
    }

    fn traces_sent(&self) -> bool {
        self.inner.traces_sent()
    }
}

impl WithTokens {
    async fn lend(
        &self,
        client: &TokenClient,
        endpoint: &Endpoint,
        trace: &mut Trace,
    ) -> Result<Lent, RemoteError> {
        let now = Moment::of(trace.clock().as_ref());
        let lending = self.tokens.lend(&self.network, client, now, wait(endpoint));
        let lent = trace.step(TestStep::Token, lending).await?;
        trace.detail(match lent.origin {
            Origin::Asked => provider(client),
            Origin::Kept => format!("{} (still valid)", provider(client)),
        });
        Ok(lent)
    }

    /// A session that is opened lives longer than its token may.
    fn renew_with(&self, client: &TokenClient, endpoint: &Endpoint, trace: &mut Trace) {
        let (tokens, network) = (Arc::clone(&self.tokens), self.network.clone());
        let (client, clock, wait) = (client.again(), trace.clock(), wait(endpoint));
        trace.renew_with(Some(Arc::new(Further { tokens, network, client, clock, wait })));
    }

    /// Forgets a refused token. Whether another one may help: this one was not fresh.
    fn is_worth_another(&self, client: &TokenClient, lent: &Lent, error: &RemoteError) -> bool {
        let refused =
            matches!(error.cause, Cause::LoginRefused { .. }) && error.step == TestStep::Authenticate;
        if refused {
            self.tokens.forget(client, |kept| Arc::ptr_eq(kept, &lent.token));
        }
        refused && lent.origin == Origin::Kept
    }
}

fn wait(endpoint: &Endpoint) -> Duration {
    endpoint.timeout_seconds.map_or(limits::TOKEN_TIMEOUT, |seconds| {
        Duration::from_secs(seconds.max(1).into()).min(limits::TOKEN_TIMEOUT)
    })
}

/// The further tokens of a client, for a session that is open.
struct Further {
    tokens: Arc<Tokens>,
    network: Network,
    client: TokenClient,
    clock: Arc<dyn Clock>,
    wait: Duration,
}

#[async_trait]
impl Renews for Further {
    async fn instead_of(&self, refused: &Secret<String>) -> Result<Secret<String>, Cause> {
        self.tokens.forget(&self.client, |kept| kept.expose() == refused.expose());
        let now = Moment::of(self.clock.as_ref());
        let lent = self.tokens.lend(&self.network, &self.client, now, self.wait).await?;
        Ok(Secret::new(lent.token.expose().clone()))
    }

    fn client(&self) -> [u8; 32] {
        key(&self.client)
    }
}

/// A moment by both clocks: tokens expire by the one that never jumps, assertions by the one on the wall.
#[derive(Debug, Clone, Copy)]
struct Moment {
    elapsed: Duration,
    wall: jiff::Timestamp,
}

impl Moment {
    fn of(clock: &dyn Clock) -> Self {
        Self { elapsed: clock.elapsed(), wall: clock.now() }
    }
}

/// The provider's host name, for people.
fn provider(client: &TokenClient) -> String {
    let rest = client.url.split_once("://").map_or(client.url.as_str(), |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest).to_owned()
}

/// A token on its way into a login.
struct Lent {
    token: Arc<Secret<String>>,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Asked,
    Kept,
}

impl Lent {
    /// A token never goes where a password is expected: `auto` means the mechanisms that take one.
    fn destination(&self, there: &Destination, username: &str) -> Destination {
        let authentication = match there.endpoint.authentication {
            Authentication::Auto => Authentication::Oauth,
            Authentication::Plain
            | Authentication::Login
            | Authentication::CramMd5
            | Authentication::ScramSha1
            | Authentication::ScramSha256
            | Authentication::Xoauth2
            | Authentication::Oauthbearer
            | Authentication::Gssapi
            | Authentication::Negotiate
            | Authentication::Ntlm
            | Authentication::Basic
            | Authentication::Oauth => there.endpoint.authentication,
        };
        Destination {
            mailbox: there.mailbox.clone(),
            address: there.address.clone(),
            profile: there.profile.clone(),
            kind: there.kind,
            endpoint: Endpoint { authentication, ..there.endpoint.clone() },
            trust: there.trust.clone(),
            service: there.service.clone(),
            login: Login::Password {
                username: username.to_owned(),
                password: Secret::new(self.token.expose().clone()),
            },
        }
    }
}

/// The tokens of all clients of this process. Times are those of [`Trace::elapsed`].
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<BTreeMap<Key, Arc<Slot>>>,
}

/// A digest of everything that a token depends on, the secret included: another secret is another client.
type Key = [u8; 32];

/// The lock is held while the provider is asked, so that the others wait for the same answer.
type Slot = tokio::sync::Mutex<Kept>;

enum Kept {
    Nothing,
    Token {
        token: Arc<Secret<String>>,
        until: Duration,
    },
    /// Answers those who waited for the same failure, and whoever comes soon after.
    Failure {
        cause: Cause,
        until: Duration,
    },
}

impl Tokens {
    async fn lend(
        &self,
        network: &Network,
        client: &TokenClient,
        moment: Moment,
        wait: Duration,
    ) -> Result<Lent, Cause> {
        let now = moment.elapsed;
        let slot = self.slot(client);
        let mut kept = slot.lock().await;
        match &*kept {
            Kept::Token { token, until } if now < *until => {
                return Ok(Lent { token: Arc::clone(token), origin: Origin::Kept });
            }
            Kept::Failure { cause, until } if now < *until => return Err(cause.clone()),
            Kept::Nothing | Kept::Token { .. } | Kept::Failure { .. } => {}
        }
        match ask(network, client, moment.wall, wait).await {
            Ok(Grant { token, lifetime }) => {
                let token = Arc::new(token);
                *kept = Kept::Token { token: Arc::clone(&token), until: now + lifetime };
                Ok(Lent { token, origin: Origin::Asked })
            }
            Err((cause, asked)) => {
                // Nobody else asks either before it is over.
                let kept_for =
                    asked.unwrap_or_default().clamp(limits::TOKEN_FAILURE_KEPT, limits::TOKEN_WAIT_MAX);
                *kept = Kept::Failure { cause: cause.clone(), until: now + kept_for };
                Err(cause)
            }
        }
    }

    /// Only that very token: another one may have been asked for since.
    fn forget(&self, client: &TokenClient, is_it: impl FnOnce(&Arc<Secret<String>>) -> bool) {
        // Whoever holds the lock is just replacing what is kept.
        if let Ok(mut kept) = self.slot(client).try_lock()
            && matches!(&*kept, Kept::Token { token, .. } if is_it(token))
        {
            *kept = Kept::Nothing;
        }
    }

    fn slot(&self, client: &TokenClient) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= limits::TOKENS_KEPT_MAX {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let new = || Arc::new(Slot::new(Kept::Nothing));
        Arc::clone(slots.entry(key(client)).or_insert_with(new))
    }
}

fn key(client: &TokenClient) -> Key {
    let TokenClient { url, trust, id, proof, scope } = client;
    let trust = trust.as_ref().map_or("", |trust| trust.as_str());
    let (kind, secret, thumbprint) = match proof {
        TokenProof::Secret(secret) => ("", secret, ""),
        TokenProof::Certificate { thumbprint, public_key: _, key, name: _ } => {
            ("certificate", key, thumbprint.as_str())
        }
    };
    let mut hasher = blake3::Hasher::new();
    for part in [url, trust, id, secret.expose(), scope, kind, thumbprint] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Asks the provider: with the secret in the form and, where it does not take that, once more with HTTP Basic; or with an
/// assertion that the client's key has signed.
async fn ask(
    network: &Network,
    client: &TokenClient,
    wall: jiff::Timestamp,
    wait: Duration,
) -> Result<Grant, (Cause, Option<Duration>)> {
    let denied = match &client.proof {
        TokenProof::Secret(secret) => by_secret(network, client, secret, wait).await,
        TokenProof::Certificate { .. } => {
            match assertion::sign(client, wall).map_err(|cause| (cause, None))? {
                Some(signed) => post(network, client, (ClientProof::Assertion, &signed), wait).await,
                None => return Err((not_asked_for(), None)),
            }
        }
    };
    let Denied { denial, asked } = match denied {
        Ok(grant) => return Ok(grant),
        Err(denied) => denied,
    };
    let provider = provider(client);
    let cause = match denial {
        Denial::Client { said } | Denial::Refused { said } => Cause::TokenRefused { provider, said },
        Denial::Unusable(cause) => Cause::TokenUnavailable { provider, cause: Box::new(cause) },
    };
    // A provider that repeats what it was sent does not put the secret into our words.
    Err((Password::of_client(client).error(RemoteError::new(TestStep::Token, cause)).cause, asked))
}

async fn by_secret(
    network: &Network,
    client: &TokenClient,
    secret: &Secret<String>,
    wait: Duration,
) -> Result<Grant, Denied> {
    match post(network, client, (ClientProof::Form, secret), wait).await {
        Err(denied @ Denied { denial: Denial::Client { .. }, .. }) => {
            post(network, client, (ClientProof::Basic, secret), wait).await.map_err(|_| denied)
        }
        other => other,
    }
}

async fn post(
    network: &Network,
    client: &TokenClient,
    (proof, secret): (ClientProof, &Secret<String>),
    wait: Duration,
) -> Result<Grant, Denied> {
    let request = TokenRequest::new(client, proof, secret);
    let post = FormPost {
        url: &client.url,
        trust: client.trust.as_ref(),
        form: &request.form,
        authorization: request.authorization.as_ref(),
        wait,
        bytes_max: limits::TOKEN_RESPONSE_BYTES_MAX,
    };
    let lost = |cause| Denied { denial: Denial::Unusable(cause), asked: None };
    let answer = network.post(&post).await.map_err(lost)?;
    let asked = answer.retry_after;
    oauth2::parse(answer.status, answer.body.expose())
        .map_err(|denial| Denied { denial: waiting(denial, asked), asked })
}

/// Why there is no token, and how long the provider wants to be left alone.
struct Denied {
    denial: Denial,
    asked: Option<Duration>,
}

/// Waiting is asked for in the words that all servers have for it.
fn waiting(denial: Denial, asked: Option<Duration>) -> Denial {
    match (denial, asked) {
        (Denial::Unusable(Cause::TemporarilyRefused { said }), Some(asked)) => {
            let said = format!("[THROTTLED] {said} (retry after {} seconds)", asked.as_secs());
            Denial::Unusable(Cause::TemporarilyRefused { said })
        }
        (denial, _) => denial,
    }
}

#[cfg(test)]
mod tests;
