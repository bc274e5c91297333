//! Logging in (RFC 4422): which mechanism, what to say, and whether the server has proved itself.
//!
//! Messages are the bare octets; Base64 and framing are the business of the protocol that carries them.
//! PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), CRAM-MD5 (RFC 2195), SCRAM (RFC 5802, RFC 7677), OAUTHBEARER
//! (RFC 7628), XOAUTH2 (Google's and Microsoft's own), NTLM (MS-SMTPNTLM, MS-OXIMAP, MS-POP3), GSSAPI (RFC 4752).

mod attempts;
mod cram_md5;
mod gssapi;
mod scram;
mod token;

use std::fmt;

pub use attempts::Attempts;
pub use gssapi::Ticket;
pub use scram::Nonce;

use super::ntlm;
use crate::model::failure::{Cause, server_words};
use crate::model::profile::Authentication;
use crate::model::secret::Secret;
use gssapi::Gssapi;
use scram::{Digest, Scram};

/// What this version speaks, strongest first: the order of `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Oauthbearer,
    Xoauth2,
    ScramSha256,
    ScramSha1,
    CramMd5,
    Gssapi,
    Ntlm,
    Plain,
    Login,
}

impl Mechanism {
    /// Those that take an access token for the password.
    const WITH_TOKEN: [Self; 2] = [Self::Oauthbearer, Self::Xoauth2];
    const BY_STRENGTH: [Self; 6] =
        [Self::ScramSha256, Self::ScramSha1, Self::CramMd5, Self::Ntlm, Self::Plain, Self::Login];

    /// The name in the IANA registry, as servers offer it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oauthbearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::CramMd5 => "CRAM-MD5",
            Self::Gssapi => "GSSAPI",
            Self::Ntlm => "NTLM",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// Whether the password itself crosses the connection.
    fn reveals_password(self) -> bool {
        match self {
            Self::Plain | Self::Login | Self::Oauthbearer | Self::Xoauth2 => true,
            Self::ScramSha256 | Self::ScramSha1 | Self::CramMd5 | Self::Gssapi | Self::Ntlm => false,
        }
    }

    fn is_offered(self, offered: &[String]) -> bool {
        offered.iter().any(|name| name.eq_ignore_ascii_case(self.name()))
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The connection that the login crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Encrypted,
    /// No TLS; `allowed`: the host file lets passwords cross it (`allowBasicOverPlaintext`).
    Clear {
        allowed: bool,
    },
}

impl Channel {
    fn admits(self, mechanism: Mechanism) -> bool {
        match self {
            Self::Encrypted | Self::Clear { allowed: true } => true,
            Self::Clear { allowed: false } => !mechanism.reveals_password(),
        }
    }
}

/// Chooses the mechanism. `offered` are the names the server gave, in any case and order; `auto` takes the strongest
/// that both sides speak and that the channel admits.
pub fn select(offered: &[String], wanted: Authentication, channel: Channel) -> Result<Mechanism, Cause> {
    let candidates = match wanted {
        Authentication::Auto => Mechanism::BY_STRENGTH.to_vec(),
        Authentication::Plain => vec![Mechanism::Plain],
        Authentication::Login => vec![Mechanism::Login],
        Authentication::CramMd5 => vec![Mechanism::CramMd5],
        Authentication::ScramSha1 => vec![Mechanism::ScramSha1],
        Authentication::ScramSha256 => vec![Mechanism::ScramSha256],
        Authentication::Xoauth2 => vec![Mechanism::Xoauth2],
        Authentication::Oauthbearer => vec![Mechanism::Oauthbearer],
        Authentication::Oauth => Mechanism::WITH_TOKEN.to_vec(),
        Authentication::Gssapi => vec![Mechanism::Gssapi],
        Authentication::Negotiate => vec![Mechanism::Gssapi, Mechanism::Ntlm],
        Authentication::Ntlm => vec![Mechanism::Ntlm],
        Authentication::Basic => return Err(unsupported("basic")),
    };
    // A server may hide PLAIN until TLS is up (RFC 3501 LOGINDISABLED, RFC 4954 section 4): when exactly that was
    // asked for, our own rule explains more than an empty offer does.
    if candidates.iter().all(|mechanism| !channel.admits(*mechanism)) {
        return Err(Cause::PlaintextLogin);
    }
    let shared = || candidates.iter().copied().filter(|mechanism| mechanism.is_offered(offered));
    if let Some(mechanism) = shared().find(|mechanism| channel.admits(*mechanism)) {
        return Ok(mechanism);
    }
    if shared().next().is_some() {
        return Err(Cause::PlaintextLogin);
    }
    let wanted: Vec<&str> = candidates.iter().map(|mechanism| mechanism.name()).collect();
    let offered = offered.iter().map(|name| server_words(name)).collect();
    Err(Cause::NoMechanism { wanted: wanted.join(", "), offered })
}

fn unsupported(key: &str) -> Cause {
    Cause::Unsupported { setting: format!("authentication: {key}") }
}

/// One login, from its first message to the server's proof.
pub struct Exchange {
    username: String,
    password: Secret<String>,
    state: State,
}

/// Named by what is awaited.
enum State {
    /// PLAIN: the server's word, which its protocol reports.
    PlainVerdict,
    LoginUsernamePrompt,
    LoginPasswordPrompt,
    CramChallenge,
    Scram(Box<Scram>),
    /// NTLM: the server's challenge. The first message is the same for everybody.
    Ntlm(NtlmShare),
    Gssapi(Box<Gssapi>),
    /// XOAUTH2 and OAUTHBEARER: the server's word, or its reasons for a refusal.
    TokenVerdict(token::Framing),
    /// The reasons were heard; the refusal itself is still owed.
    TokenRefused(token::Reasons),
    /// Nothing more is owed by either side.
    Complete,
}

/// What NTLM needs besides a name and a password.
pub struct NtlmShare {
    /// Whom the login is for: `smtp/mail.contoso.example`.
    pub service: String,
    pub nonce: [u8; 8],
    pub now_nanoseconds: i128,
}

impl Exchange {
    /// Begins a login with NTLM.
    pub fn ntlm(username: &str, password: &Secret<String>, share: NtlmShare) -> Self {
        let password = Secret::new(password.expose().clone());
        Self { username: username.to_owned(), password, state: State::Ntlm(share) }
    }

    /// Begins a login with Kerberos, whose first token has been made.
    pub fn gssapi(first: Vec<u8>, ticket: Box<dyn Ticket>) -> Self {
        let state = State::Gssapi(Box::new(Gssapi::new(first, ticket)));
        Self { username: String::new(), password: Secret::new(String::new()), state }
    }

    /// Begins a login. The nonce is used by SCRAM only and must be fresh for every exchange. A NUL in the user name
    /// or password cannot be expressed by PLAIN and is refused for all mechanisms.
    pub fn new(
        mechanism: Mechanism,
        username: &str,
        password: &Secret<String>,
        nonce: Nonce,
    ) -> Result<Self, Cause> {
        if username.contains('\0') || password.expose().contains('\0') {
            return Err(Cause::Unsupported { setting: "a user name or password with a NUL".to_owned() });
        }
        let token = |framing: token::Framing| match framing.can_express(username, password) {
            true => Ok(State::TokenVerdict(framing)),
            false => Err(Cause::Unsupported { setting: "a user name with a control character".to_owned() }),
        };
        let scram = |digest| State::Scram(Box::new(Scram::new(digest, username, nonce)));
        let state = match mechanism {
            Mechanism::Oauthbearer => token(token::Framing::Oauthbearer)?,
            Mechanism::Xoauth2 => token(token::Framing::Xoauth2)?,
            Mechanism::ScramSha256 => scram(Digest::Sha256),
            Mechanism::ScramSha1 => scram(Digest::Sha1),
            Mechanism::CramMd5 => State::CramChallenge,
            Mechanism::Plain => State::PlainVerdict,
            Mechanism::Login => State::LoginUsernamePrompt,
            Mechanism::Gssapi | Mechanism::Ntlm => {
                return Err(Cause::Internal { detail: format!("{mechanism} is begun in a way of its own") });
            }
        };
        let password = Secret::new(password.expose().clone());
        Ok(Self { username: username.to_owned(), password, state })
    }

    /// The first message, where the client speaks first. A protocol without initial responses sends it as the answer
    /// to the server's empty challenge.
    pub fn initial(&self) -> Option<Vec<u8>> {
        match &self.state {
            State::PlainVerdict => {
                Some(format!("\0{}\0{}", self.username, self.password.expose()).into_bytes())
            }
            State::Scram(scram) => Some(scram.client_first()),
            State::TokenVerdict(framing) => Some(framing.message(&self.username, &self.password)),
            State::Ntlm(_) => Some(ntlm::negotiate()),
            State::Gssapi(gssapi) => Some(gssapi.initial()),
            State::TokenRefused(_)
            | State::LoginUsernamePrompt
            | State::LoginPasswordPrompt
            | State::CramChallenge
            | State::Complete => None,
        }
    }

    /// Answers a challenge of the server.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cause> {
        match &mut self.state {
            State::LoginUsernamePrompt => {
                self.state = State::LoginPasswordPrompt;
                Ok(self.username.as_bytes().to_vec())
            }
            State::LoginPasswordPrompt => {
                self.state = State::Complete;
                Ok(self.password.expose().as_bytes().to_vec())
            }
            State::CramChallenge => {
                self.state = State::Complete;
                Ok(cram_md5::respond(challenge, &self.username, &self.password))
            }
            State::Scram(scram) => scram.respond(challenge, &self.password),
            State::Ntlm(share) => {
                let login = ntlm::Login {
                    username: &self.username,
                    password: &self.password,
                    service: &share.service,
                    binding: None,
                    nonce: share.nonce,
                    now_nanoseconds: share.now_nanoseconds,
                };
                let answered = ntlm::answer(&login, &ntlm::negotiate(), challenge)?;
                self.state = State::Complete;
                Ok(answered.message.to_vec())
            }
            State::Gssapi(gssapi) => gssapi.respond(challenge),
            State::TokenVerdict(framing) => {
                let acknowledgement = framing.acknowledgement().to_vec();
                self.state = State::TokenRefused(token::Reasons::parse(challenge));
                Ok(acknowledgement)
            }
            State::PlainVerdict | State::TokenRefused(_) | State::Complete => {
                Err(Cause::Garbage { detail: "the server asks for more than the mechanism has".to_owned() })
            }
        }
    }

    /// To be called when the server refuses: adds the reasons that it gave during the exchange.
    pub fn refused(&self, cause: Cause) -> Cause {
        match &self.state {
            State::TokenRefused(reasons) => reasons.explain(cause),
            State::PlainVerdict
            | State::TokenVerdict(_)
            | State::LoginUsernamePrompt
            | State::LoginPasswordPrompt
            | State::CramChallenge
            | State::Scram(_)
            | State::Ntlm(_)
            | State::Gssapi(_)
            | State::Complete => cause,
        }
    }

    /// To be called when the server reports success: SCRAM has succeeded only if the server has proved that it knows
    /// the password, too. Without this check, anybody may pretend to be the server.
    pub fn finish(&self) -> Result<(), Cause> {
        let unfinished = |detail: &str| Err(Cause::Garbage { detail: detail.to_owned() });
        match &self.state {
            State::PlainVerdict | State::TokenVerdict(_) | State::Complete => Ok(()),
            State::TokenRefused(_) => unfinished("the server accepted the token after it had refused it"),
            State::Scram(scram) if scram.is_proved() => Ok(()),
            State::Scram(_) => {
                unfinished("the server accepted the login without proving that it knows the password")
            }
            State::Gssapi(gssapi) if gssapi.is_agreed() => Ok(()),
            State::LoginUsernamePrompt
            | State::LoginPasswordPrompt
            | State::CramChallenge
            | State::Ntlm(_)
            | State::Gssapi(_) => unfinished("the server accepted the login before it was complete"),
        }
    }
}

#[cfg(test)]
mod tests;
