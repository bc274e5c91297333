//! PLAIN (RFC 4616) and LOGIN, the server's half.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::token::Framing;
use crate::model::secret::Secret;

/// The prompts of LOGIN, `Username:` and `Password:`.
pub(super) const USERNAME_PROMPT: &str = "VXNlcm5hbWU6";
pub(super) const PASSWORD_PROMPT: &str = "UGFzc3dvcmQ6";

pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: Secret<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
    Token(Framing),
}

impl Mechanism {
    /// Mechanism names are case-insensitive here, as in POP3 and SMTP keywords.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "PLAIN" => Some(Self::Plain),
            "LOGIN" => Some(Self::Login),
            "OAUTHBEARER" => Some(Self::Token(Framing::Oauthbearer)),
            "XOAUTH2" => Some(Self::Token(Framing::Xoauth2)),
            _ => None,
        }
    }
}

/// Decodes a PLAIN message: `[authzid] NUL authcid NUL passwd`. Acting for somebody else is not offered.
pub(super) fn plain(response: &[u8]) -> Option<Credentials> {
    let text = decode(response)?;
    let mut fields = text.split('\0');
    let (authzid, username, password) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = fields.next().is_none() && !username.is_empty() && !password.is_empty();
    (whole && (authzid.is_empty() || authzid == username)).then(|| credentials(username, password))
}

/// Puts the two answers to LOGIN's prompts together.
pub(super) fn login(username: &[u8], password: &[u8]) -> Option<Credentials> {
    let (username, password) = (decode(username)?, decode(password)?);
    (!username.is_empty() && !password.is_empty()).then(|| credentials(&username, &password))
}

pub(super) fn credentials(username: &str, password: &str) -> Credentials {
    Credentials { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

/// Strict base64: padded, nothing else in it. `=` alone stands for an empty initial response (RFC 4954, RFC 5034).
fn decode(response: &[u8]) -> Option<String> {
    if response == b"=" {
        return Some(String::new());
    }
    String::from_utf8(STANDARD.decode(response).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> Vec<u8> {
        STANDARD.encode(text).into_bytes()
    }

    #[test]
    fn plain_needs_exactly_three_fields() {
        let good = plain(&encoded("\0anna\0s3cret")).unwrap();
        assert_eq!((good.username.as_str(), good.password.expose().as_str()), ("anna", "s3cret"));
        assert!(plain(&encoded("anna\0s3cret")).is_none());
        assert!(plain(&encoded("\0anna\0s3\0cret")).is_none());
        assert!(plain(&encoded("boris\0anna\0s3cret")).is_none());
        assert!(plain(b"AGFubmEAczNjcmV0 ").is_none());
    }

    #[test]
    fn the_prompts_of_login_are_the_customary_ones() {
        assert_eq!(STANDARD.encode("Username:"), USERNAME_PROMPT);
        assert_eq!(STANDARD.encode("Password:"), PASSWORD_PROMPT);
    }
}
