//! The steps of a login over HTTP: what goes into `Authorization` next, and what a refusal means.

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::model::failure::Cause;
use crate::model::profile::Authentication;
use crate::model::secret::Secret;
use crate::model::server;
use crate::net::gssapi::{self, Initiator, Purpose};
use crate::net::identity::{Identity, principal};
use crate::protocol::http::Head;
use crate::protocol::http_auth::{self, Holder, Offers, Scheme};
use crate::protocol::ntlm::{self, Binding};
use crate::protocol::sasl::Channel;
use crate::protocol::spnego;

/// What to send next, with the value of `Authorization`.
pub(super) enum Next {
    /// The request itself.
    Request(Option<Zeroizing<String>>),
    /// A step of the login: the request without its body.
    Step(Option<Zeroizing<String>>),
}

/// One identity's login, over one connection after the other.
pub(super) struct Proving {
    wanted: Authentication,
    identity: Identity,
    /// `None`: nobody logs in.
    holder: Option<Holder>,
    /// `HTTP/host`
    service: String,
    channel: Channel,
    state: State,
    trust: Trust,
    /// What the server said it takes.
    offered: Vec<String>,
    /// A server that wants a Kerberos token with each request, and not once for a connection.
    each_request: bool,
    /// Why there is no Kerberos for this identity here, so that `Negotiate` is NTLM. `None`: there may be.
    without_kerberos: Option<Cause>,
}

/// Named by what happens next.
enum State {
    /// The server has to say which schemes it offers.
    Asking,
    Chosen(Scheme),
    /// The first message of NTLM was sent.
    Negotiated {
        scheme: Scheme,
        message: Vec<u8>,
    },
    Challenged {
        scheme: Scheme,
        message: Vec<u8>,
        challenge: Vec<u8>,
    },
    /// All that proves who asks was sent.
    Proved(Scheme),
    LoggedIn(Scheme),
    /// The server did not ask.
    Open,
}

/// What the server has made of who asks so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    New,
    /// It took the login before.
    Given,
    /// It took the login before, and has just refused it.
    InDoubt,
}

impl Proving {
    pub fn new(
        wanted: Authentication,
        (login, identity): (&server::Login, Identity),
        service: String,
        channel: Channel,
    ) -> Self {
        let holder = match (login, &identity) {
            (_, Identity::Nobody) => None,
            (_, Identity::Ticket(_)) => Some(Holder::Ticket),
            (server::Login::Host, Identity::Password { .. }) => Some(Holder::ServicePassword),
            (_, Identity::Password { .. }) if wanted == Authentication::Oauth => Some(Holder::AccessToken),
            (_, Identity::Password { .. }) => Some(Holder::Password),
        };
        Self {
            wanted,
            identity,
            holder,
            service,
            channel,
            state: State::Asking,
            trust: Trust::New,
            offered: Vec::new(),
            each_request: false,
            without_kerberos: None,
        }
    }

    /// The host allows no protocol of Active Directory.
    pub fn forbid_directory(&mut self) {
        self.holder = self.holder.map(Holder::without_directory);
    }

    pub fn words(&self) -> Option<&'static str> {
        match &self.state {
            State::LoggedIn(scheme) => Some(scheme.name()),
            State::Asking
            | State::Chosen(_)
            | State::Negotiated { .. }
            | State::Challenged { .. }
            | State::Proved(_)
            | State::Open => None,
        }
    }

    pub fn offered(&self) -> &[String] {
        &self.offered
    }

    /// `binding` is that of the connection that is used now.
    pub async fn next(&mut self, binding: Option<&[u8]>, now: Timestamp) -> Result<Next, Cause> {
        match std::mem::replace(&mut self.state, State::Asking) {
            State::Asking => match self.holder {
                None => {
                    self.state = State::Open;
                    Ok(Next::Request(None))
                }
                Some(holder) => match http_auth::only(self.wanted, holder, self.channel)? {
                    Some(scheme) => self.begin(scheme, binding).await,
                    None => Ok(Next::Step(None)),
                },
            },
            State::Chosen(scheme) => self.begin(scheme, binding).await,
            State::Challenged { scheme, message, challenge } => {
                let answer = self.answer(scheme, &message, &challenge, binding, now)?;
                self.state = State::Proved(scheme);
                Ok(Next::Request(Some(answer)))
            }
            State::LoggedIn(scheme) => match scheme {
                Scheme::Basic | Scheme::Bearer => self.begin(scheme, binding).await,
                Scheme::Negotiate if self.each_request => self.begin(scheme, binding).await,
                Scheme::Negotiate | Scheme::Ntlm => {
                    self.state = State::LoggedIn(scheme);
                    Ok(Next::Request(None))
                }
            },
            State::Open => {
                self.state = State::Open;
                Ok(Next::Request(None))
            }
            State::Negotiated { .. } | State::Proved(_) => Err(Cause::Internal {
                detail: "a login goes on before its last step was answered".to_owned(),
            }),
        }
    }

    async fn begin(&mut self, scheme: Scheme, binding: Option<&[u8]>) -> Result<Next, Cause> {
        let (next, state) = match (&self.identity, scheme) {
            (Identity::Password { username, password }, Scheme::Basic) => {
                let header = http_auth::basic(username, password.expose());
                (Next::Request(Some(header)), State::Proved(scheme))
            }
            (Identity::Password { username: _, password }, Scheme::Bearer) => {
                let header = http_auth::bearer(password.expose());
                (Next::Request(Some(header)), State::Proved(scheme))
            }
            (Identity::Ticket(source), _) => {
                let holder = gssapi::Holder::Host(source.clone());
                self.initiate(holder, binding).await?
            }
            (Identity::Password { username, password }, Scheme::Negotiate)
                if self.without_kerberos.is_none() && username.contains('@') =>
            {
                let password = Secret::new(password.expose().clone());
                let holder = gssapi::Holder::Password { principal: principal(username), password };
                match self.initiate(holder, binding).await {
                    Ok(begun) => begun,
                    Err(cause @ Cause::KerberosFailed { fault, .. }) if fault.leaves_ntlm() => {
                        self.without_kerberos = Some(cause);
                        return Box::pin(self.begin(scheme, binding)).await;
                    }
                    Err(cause) => return Err(cause),
                }
            }
            (Identity::Password { .. }, Scheme::Ntlm | Scheme::Negotiate) => {
                let message = ntlm::negotiate();
                let token = match scheme {
                    Scheme::Negotiate => spnego::begin(&message),
                    Scheme::Ntlm | Scheme::Basic | Scheme::Bearer => message.clone(),
                };
                (Next::Step(Some(scheme.with_token(&token))), State::Negotiated { scheme, message })
            }
            (Identity::Nobody, _) => (Next::Request(None), State::Open),
        };
        self.state = state;
        Ok(next)
    }

    async fn initiate(&self, holder: gssapi::Holder, binding: Option<&[u8]>) -> Result<(Next, State), Cause> {
        let (_, token) = Initiator::begin(Purpose::Http, &self.service, holder, binding).await?;
        let header = Scheme::Negotiate.with_token(&spnego::ticket(&token));
        Ok((Next::Request(Some(header)), State::Proved(Scheme::Negotiate)))
    }

    /// The last message of NTLM.
    fn answer(
        &self,
        scheme: Scheme,
        message: &[u8],
        challenge: &[u8],
        binding: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, Cause> {
        let Identity::Password { username, password } = &self.identity else {
            return Err(Cause::Internal { detail: "NTLM without a password".to_owned() });
        };
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| Cause::Internal { detail: error.to_string() })?;
        let login = ntlm::Login {
            username,
            password,
            service: &self.service,
            binding: binding.map(Binding),
            nonce,
            now_nanoseconds: now.as_nanosecond(),
        };
        if scheme == Scheme::Ntlm {
            return Ok(scheme.with_token(&ntlm::answer(&login, message, challenge)?.message));
        }
        let response = spnego::read(challenge)?;
        match response.token {
            Some(inner) if !response.is_rejected => {
                Ok(scheme.with_token(&spnego::answer(&ntlm::answer(&login, message, inner)?)))
            }
            Some(_) | None => Err(self.only_kerberos().unwrap_or_else(|| Cause::NoMechanism {
                wanted: "NTLM inside Negotiate".to_owned(),
                offered: vec!["Negotiate without NTLM".to_owned()],
            })),
        }
    }

    /// Where the server takes no NTLM either, what keeps Kerberos away is what there is to mend.
    fn only_kerberos(&self) -> Option<Cause> {
        self.without_kerberos.clone()
    }

    /// The server answered with something else than 401.
    pub fn accepted(&mut self, head: &Head) -> Result<(), Cause> {
        self.state = match std::mem::replace(&mut self.state, State::Asking) {
            // A server that does not ask, asked without a body.
            State::Asking => State::Open,
            State::Proved(scheme) => {
                if scheme == Scheme::Negotiate && self.is_rejected(head)? {
                    return Err(self.refused(scheme));
                }
                self.trust = Trust::Given;
                State::LoggedIn(scheme)
            }
            // It wants no login for this, whatever was begun.
            State::Negotiated { scheme, .. } => State::LoggedIn(scheme),
            same @ (State::Chosen(_) | State::Challenged { .. } | State::LoggedIn(_) | State::Open) => same,
        };
        Ok(())
    }

    fn is_rejected(&self, head: &Head) -> Result<bool, Cause> {
        match (&self.identity, offers(head)?.token(Scheme::Negotiate)) {
            (Identity::Password { .. }, Some(token)) if self.without_kerberos.is_some() => {
                Ok(spnego::read(token)?.is_rejected)
            }
            _ => Ok(false),
        }
    }

    /// The access token that the server took before, and has just refused.
    pub fn ended_token(&self) -> Option<&Secret<String>> {
        match (&self.state, self.trust, &self.identity) {
            (State::Proved(Scheme::Bearer), Trust::Given, Identity::Password { username: _, password }) => {
                Some(password)
            }
            _ => None,
        }
    }

    pub fn was_let_in(&mut self) {
        self.trust = Trust::Given;
    }

    /// With another access token of the same client.
    pub fn goes_on_with(&mut self, token: Secret<String>) {
        if let Identity::Password { username: _, password } = &mut self.identity {
            *password = token;
            self.state = State::Chosen(Scheme::Bearer);
        }
    }

    /// The server answered with 401.
    pub fn challenged(&mut self, head: &Head) -> Result<(), Cause> {
        let offers = offers(head)?;
        // The answer to a step of NTLM or Negotiate names nothing but that scheme.
        for name in offers.names() {
            if !self.offered.contains(&name) {
                self.offered.push(name);
            }
        }
        self.state = match std::mem::replace(&mut self.state, State::Asking) {
            State::Asking | State::Open => match self.holder {
                Some(holder) => State::Chosen(http_auth::select(&offers, self.wanted, holder, self.channel)?),
                None => {
                    return Err(Cause::NoMechanism { wanted: "none".to_owned(), offered: offers.names() });
                }
            },
            State::Negotiated { scheme, message } => match offers.token(scheme) {
                Some(challenge) => State::Challenged { scheme, message, challenge: challenge.to_vec() },
                None => {
                    let only_kerberos = self.only_kerberos().filter(|_| scheme == Scheme::Negotiate);
                    return Err(only_kerberos.unwrap_or_else(|| self.not_taken(&offers, scheme)));
                }
            },
            State::Proved(scheme) => match (scheme, self.trust) {
                // A password that was taken a moment ago is shown once more: the server may not have been able to look.
                (Scheme::Basic, Trust::Given) if offers.offers(scheme) => {
                    self.trust = Trust::InDoubt;
                    State::Chosen(scheme)
                }
                (_, Trust::New | Trust::Given | Trust::InDoubt) => {
                    return Err(self.not_taken(&offers, scheme));
                }
            },
            State::LoggedIn(scheme) => match scheme {
                Scheme::Basic | Scheme::Bearer => return Err(self.refused(scheme)),
                // The login of the connection is over, or was only for one request.
                Scheme::Negotiate | Scheme::Ntlm => {
                    self.each_request = scheme == Scheme::Negotiate;
                    State::Chosen(scheme)
                }
            },
            State::Chosen(_) | State::Challenged { .. } => {
                return Err(Cause::Internal { detail: "an answer without a question".to_owned() });
            }
        };
        Ok(())
    }

    /// The connection is gone, and another will be made.
    pub fn lost_connection(&mut self) -> Result<(), Cause> {
        self.state = match std::mem::replace(&mut self.state, State::Asking) {
            State::Negotiated { scheme, .. } | State::Challenged { scheme, .. } => {
                let detail = format!(
                    "the server closed it between two steps of {scheme}, which needs one connection for all of them"
                );
                return Err(Cause::ConnectionLost { detail });
            }
            State::LoggedIn(scheme) | State::Chosen(scheme) | State::Proved(scheme) => State::Chosen(scheme),
            State::Asking => State::Asking,
            State::Open => State::Open,
        };
        Ok(())
    }

    /// A refusal with the scheme on offer is about who asks; without it, about the scheme.
    fn not_taken(&self, offers: &Offers, scheme: Scheme) -> Cause {
        if offers.offers(scheme) {
            return self.refused(scheme);
        }
        Cause::NoMechanism { wanted: scheme.name().to_owned(), offered: offers.names() }
    }

    /// A bound login is refused too when another certificate reached us than the server has.
    fn refused(&self, scheme: Scheme) -> Cause {
        let said = match (scheme, self.channel) {
            (Scheme::Negotiate | Scheme::Ntlm, Channel::Encrypted) => {
                format!(
                    "401 Unauthorized, for a login with {scheme} that is bound to the certificate of this connection"
                )
            }
            (Scheme::Negotiate | Scheme::Ntlm, Channel::Clear { .. })
            | (Scheme::Basic | Scheme::Bearer, _) => {
                format!("401 Unauthorized, for a login with {scheme}")
            }
        };
        Cause::LoginRefused { said }
    }
}

fn offers(head: &Head) -> Result<Offers, Cause> {
    Offers::read(head.all("www-authenticate"))
}
