//! NTLM version 2 (MS-NLMP), the client's side: three messages, as the bare octets. What carries them (HTTP, SASL, or
//! SPNEGO inside either) is not known here.
//!
//! Version 1, LM responses that hold the password's hash, and anonymous logins do not exist here. Keys are never exchanged
//! and nothing is sealed, because every connection that we log in over has TLS or needs none; messages are signed only
//! where SPNEGO wants its list of mechanisms signed.

mod challenge;
mod keys;
mod message;

use zeroize::Zeroizing;

use super::md5::hmac_md5;
use crate::model::failure::Cause;
use crate::model::secret::Secret;
use challenge::Challenge;
use keys::Keys;

/// `tls-server-end-point:` and the certificate's hash (RFC 5929 section 4), without the prefix of its type.
pub struct Binding<'a>(pub &'a [u8]);

/// What one login is made of. `nonce` and `now` come from outside, because nothing here is random or knows the time.
pub struct Login<'a> {
    /// `DOMAIN\user`, `user@domain` or `user`.
    pub username: &'a str,
    pub password: &'a Secret<String>,
    /// Whom the login is for: `HTTP/mail.contoso.example`. A server may refuse a login meant for somebody else.
    pub service: &'a str,
    /// `None`: the connection has no TLS.
    pub binding: Option<Binding<'a>>,
    pub nonce: [u8; 8],
    /// Nanoseconds since 1970. Used when the server does not tell its own time.
    pub now_nanoseconds: i128,
}

/// The answer to a challenge, and what signs messages afterwards.
pub struct Answered {
    pub message: Zeroizing<Vec<u8>>,
    signing: Signing,
    has_integrity_code: bool,
}

/// The client's half of message signatures (MS-NLMP 3.4.4.2) of a login without key exchange.
struct Signing(Zeroizing<[u8; 16]>);

/// The first message: the same for everybody.
pub fn negotiate() -> Vec<u8> {
    message::negotiate()
}

/// The third message. `negotiated` is the first one as it was sent, `received` the server's.
pub fn answer(login: &Login<'_>, negotiated: &[u8], received: &[u8]) -> Result<Answered, Cause> {
    let challenge = Challenge::read(received)?;
    let identity = Identity::of(login.username);
    let keys =
        Keys::derive(&identity, login.password, &challenge, &challenge::echo(&challenge, login)?, login);
    let mut message = message::authenticate(&identity, &keys, &challenge);
    let has_integrity_code = challenge.timestamp.is_some();
    if has_integrity_code {
        let code = keys.integrity_code(&[negotiated, received, &message]);
        message::put_integrity_code(&mut message, code);
    }
    Ok(Answered { message, signing: Signing(keys.signing()), has_integrity_code })
}

impl Answered {
    /// Whether SPNEGO has to sign its list of mechanisms: Windows demands that exactly when the third message carries
    /// an integrity code.
    pub fn has_integrity_code(&self) -> bool {
        self.has_integrity_code
    }

    /// The signature of the first message after the login.
    pub fn sign(&self, text: &[u8]) -> [u8; 16] {
        let sequence = 0_u32.to_le_bytes();
        let code = hmac_md5(&self.signing.0[..], &[&sequence, text]);
        let mut signature = [0; 16];
        signature[..4].copy_from_slice(&1_u32.to_le_bytes());
        signature[4..12].copy_from_slice(&code[..8]);
        signature[12..].copy_from_slice(&sequence);
        signature
    }
}

/// Who logs in, as the server's domain knows it.
struct Identity<'a> {
    /// Empty for `user@domain`: the server finds the domain by itself.
    domain: &'a str,
    user: &'a str,
}

impl<'a> Identity<'a> {
    fn of(username: &'a str) -> Self {
        let (domain, user) = username.split_once('\\').unwrap_or(("", username));
        Self { domain, user }
    }
}

fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

#[cfg(test)]
mod tests;
