//! SCRAM without channel binding (RFC 5802, RFC 7677): the password never crosses the connection, and the server
//! proves that it knows a derivative of it.
//!
//! User name and password are used as they are. SASLprep would only change non-ASCII ones, and the servers met most
//! do not prepare either side's copy.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::model::secret::Secret;

/// The client's random share of one exchange: an argument, because nothing here draws random numbers.
pub struct Nonce(String);

impl Nonce {
    /// From 18 bytes of a cryptographic source.
    pub fn from_random(bytes: [u8; 18]) -> Self {
        Self(BASE64.encode(bytes))
    }

    #[cfg(test)]
    pub(super) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Digest {
    Sha1,
    Sha256,
}

impl Digest {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }

    fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        }
    }

    /// `Hi()` of RFC 5802 section 2.2.
    fn salted_password(
        self,
        password: &Secret<String>,
        salt: &[u8],
        iterations: NonZeroU32,
    ) -> Zeroizing<Vec<u8>> {
        let algorithm = match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        };
        let mut salted = Zeroizing::new(vec![0; self.hash().output_len()]);
        pbkdf2::derive(algorithm, iterations, salt, password.expose().as_bytes(), &mut salted);
        salted
    }
}

pub(super) struct Scram {
    digest: Digest,
    state: State,
}

/// Named by what is awaited.
enum State {
    ServerFirst { nonce: String, client_first_bare: String },
    ServerFinal { server_key: hmac::Key, auth_message: String },
    Proved,
    Failed,
}

/// The GS2 header: no channel binding, no other identity to act for.
const GS2_HEADER: &str = "n,,";

impl Scram {
    pub(super) fn new(digest: Digest, username: &str, nonce: Nonce) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        let client_first_bare = format!("n={name},r={}", nonce.0);
        Self { digest, state: State::ServerFirst { nonce: nonce.0, client_first_bare } }
    }

    pub(super) fn client_first(&self) -> Vec<u8> {
        match &self.state {
            State::ServerFirst { client_first_bare, .. } => {
                format!("{GS2_HEADER}{client_first_bare}").into_bytes()
            }
            State::ServerFinal { .. } | State::Proved | State::Failed => Vec::new(),
        }
    }

    pub(super) fn is_proved(&self) -> bool {
        matches!(self.state, State::Proved)
    }

    pub(super) fn respond(&mut self, challenge: &[u8], password: &Secret<String>) -> Result<Vec<u8>, Cause> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| garbage("it is not UTF-8"))?;
        match std::mem::replace(&mut self.state, State::Failed) {
            State::ServerFirst { nonce, client_first_bare } => {
                let first = ServerFirst::parse(challenge, &nonce)?;
                let (answer, awaited) = self.prove(&first, challenge, &client_first_bare, password);
                self.state = awaited;
                Ok(answer)
            }
            State::ServerFinal { server_key, auth_message } => {
                verify(challenge, &server_key, &auth_message)?;
                self.state = State::Proved;
                Ok(Vec::new())
            }
            State::Proved | State::Failed => Err(garbage("nothing more was to be said")),
        }
    }

    /// The client's final message, and the state in which the server's proof is awaited.
    fn prove(
        &self,
        first: &ServerFirst<'_>,
        server_first: &str,
        client_first_bare: &str,
        password: &Secret<String>,
    ) -> (Vec<u8>, State) {
        let sign = |key: &[u8], message: &[u8]| hmac::sign(&hmac::Key::new(self.digest.hmac(), key), message);
        let salted = self.digest.salted_password(password, &first.salt, first.iterations);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.digest.hash(), client_key.as_ref());
        let without_proof = format!("c={},r={}", BASE64.encode(GS2_HEADER), first.nonce);
        let auth_message = format!("{client_first_bare},{server_first},{without_proof}");
        let signature = sign(stored_key.as_ref(), auth_message.as_bytes());
        let proof: Vec<u8> =
            client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
        let answer = format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes();
        let server_key = sign(&salted, b"Server Key");
        let server_key = hmac::Key::new(self.digest.hmac(), server_key.as_ref());
        (answer, State::ServerFinal { server_key, auth_message })
    }
}

struct ServerFirst<'a> {
    /// Ours with the server's share behind it.
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    /// `r=…,s=…,i=…`; optional extensions may follow and mean nothing to us.
    fn parse(text: &'a str, ours: &str) -> Result<Self, Cause> {
        let mut attributes = text.split(',');
        let mut next = |name: &str| {
            let attribute = attributes.next().and_then(|text| text.strip_prefix(name));
            attribute.ok_or_else(|| garbage(&format!("`{name}` is missing")))
        };
        let nonce = next("r=")?;
        let salt = next("s=")?;
        let iterations = next("i=")?;
        if nonce.strip_prefix(ours).is_none_or(str::is_empty) {
            return Err(garbage("it does not continue our nonce"));
        }
        let salt = BASE64.decode(salt).map_err(|_| garbage("the salt is not Base64"))?;
        Ok(Self { nonce, salt, iterations: parse_iterations(iterations)? })
    }
}

fn parse_iterations(text: &str) -> Result<NonZeroU32, Cause> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(garbage("the iteration count is not a number"));
    }
    let over = || Cause::LimitExceeded {
        what: "the iteration count of the SCRAM login".to_owned(),
        limit: limits::SCRAM_ITERATIONS_MAX.into(),
    };
    let count: u32 = text.parse().map_err(|_| over())?;
    if count > limits::SCRAM_ITERATIONS_MAX {
        return Err(over());
    }
    let few = || garbage(&format!("fewer than {} iterations are not safe", limits::SCRAM_ITERATIONS_MIN));
    NonZeroU32::new(count).filter(|count| count.get() >= limits::SCRAM_ITERATIONS_MIN).ok_or_else(few)
}

/// `v=…` proves the server; `e=…` is its refusal.
fn verify(text: &str, server_key: &hmac::Key, auth_message: &str) -> Result<(), Cause> {
    let attribute = text.split(',').next().unwrap_or_default();
    if let Some(reason) = attribute.strip_prefix("e=") {
        return Err(Cause::LoginRefused { said: server_words(reason) });
    }
    let proof = attribute.strip_prefix("v=").and_then(|proof| BASE64.decode(proof).ok());
    let proof = proof.ok_or_else(|| garbage("it holds neither a proof nor a refusal"))?;
    hmac::verify(server_key, auth_message.as_bytes(), &proof)
        .map_err(|_| garbage("the server does not know the password: its proof is wrong"))
}

fn garbage(detail: &str) -> Cause {
    Cause::Garbage { detail: format!("SCRAM login: {detail}") }
}
