//! OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's "OAuth 2.0 Mechanism", which Microsoft took over): an access token in
//! place of a password.
//!
//! A server that refuses a token says why in a challenge of JSON. It has to be acknowledged before the refusal itself
//! comes.

use serde::Deserialize;

use crate::model::failure::{Cause, server_words};
use crate::model::secret::Secret;

/// The two ways to write the same message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Oauthbearer,
    Xoauth2,
}

/// Parts the fields.
const SEPARATOR: char = '\x01';

impl Framing {
    /// A control character would end the field that it stands in.
    pub fn can_express(self, username: &str, token: &Secret<String>) -> bool {
        !username.chars().chain(token.expose().chars()).any(char::is_control)
    }

    pub fn message(self, username: &str, token: &Secret<String>) -> Vec<u8> {
        let bearer = token.expose();
        match self {
            Self::Xoauth2 => {
                format!("user={username}{SEPARATOR}auth=Bearer {bearer}{SEPARATOR}{SEPARATOR}").into_bytes()
            }
            // The name is a `saslname` (RFC 5801 section 4).
            Self::Oauthbearer => {
                let name = username.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={name},{SEPARATOR}auth=Bearer {bearer}{SEPARATOR}{SEPARATOR}").into_bytes()
            }
        }
    }

    /// What is answered to the reasons of a refusal.
    pub fn acknowledgement(self) -> &'static [u8] {
        match self {
            Self::Oauthbearer => b"\x01",
            Self::Xoauth2 => b"",
        }
    }
}

/// Why the server refuses a token, as it said itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reasons {
    said: String,
    blame: Blame,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    Token,
    /// The server could not check it.
    Server,
}

/// RFC 7628 section 3.2.2; XOAUTH2 has the same fields, with the status as a number in a text.
#[derive(Deserialize)]
struct Answer {
    status: String,
    scope: Option<String>,
}

impl Reasons {
    /// Whatever it is that the server has sent: it refuses.
    pub fn parse(challenge: &[u8]) -> Self {
        let Ok(Answer { status, scope }) = serde_json::from_slice(challenge) else {
            return Self { said: server_words(&String::from_utf8_lossy(challenge)), blame: Blame::Token };
        };
        let said = match scope.filter(|scope| !scope.is_empty()) {
            Some(scope) => format!("status {status}, it wants the scope {scope}"),
            None => format!("status {status}"),
        };
        let is_server_error = status.len() == 3 && status.starts_with('5');
        let blame = if is_server_error { Blame::Server } else { Blame::Token };
        Self { said: server_words(&said), blame }
    }

    /// Puts the reasons behind the words of the refusal.
    pub fn explain(&self, cause: Cause) -> Cause {
        let both = |words: String| format!("{words} ({})", self.said);
        match (cause, self.blame) {
            (Cause::LoginRefused { said }, Blame::Token) => Cause::LoginRefused { said: both(said) },
            (Cause::LoginRefused { said }, Blame::Server) => Cause::TemporarilyRefused { said: both(said) },
            (Cause::TemporarilyRefused { said }, _) => Cause::TemporarilyRefused { said: both(said) },
            (other, _) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::sasl::{Exchange, Mechanism, Nonce};

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_message_of_xoauth2_is_that_of_googles_description() {
        let message = Framing::Xoauth2
            .message("someuser@example.com", &secret("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
        let expected =
            b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01";
        assert_eq!(message, expected);
    }

    #[test]
    fn the_message_of_oauthbearer_is_that_of_rfc_7628() {
        let message = Framing::Oauthbearer.message("a,b=c@example.com", &secret("token"));
        assert_eq!(message, b"n,a=a=2Cb=3Dc@example.com,\x01auth=Bearer token\x01\x01");
    }

    #[test]
    fn a_refusal_is_acknowledged_and_explained() {
        for (mechanism, acknowledgement) in
            [(Mechanism::Oauthbearer, b"\x01".as_slice()), (Mechanism::Xoauth2, b"")]
        {
            let token = secret("token");
            let mut exchange = Exchange::new(mechanism, "anna", &token, Nonce::from_random([0; 18])).unwrap();
            let challenge = br#"{"status":"invalid_token","schemes":"bearer","scope":"mail"}"#;
            assert_eq!(exchange.respond(challenge).unwrap(), acknowledgement);
            let refused = exchange.refused(Cause::LoginRefused { said: "535 no".to_owned() });
            let said = "535 no (status invalid_token, it wants the scope mail)".to_owned();
            assert_eq!(refused, Cause::LoginRefused { said });
            assert!(exchange.finish().is_err(), "a server that refused cannot accept");
            assert!(exchange.respond(b"{}").is_err(), "once is enough");
        }
    }

    #[test]
    fn a_server_that_could_not_check_the_token_asks_for_patience() {
        let refused = || Cause::LoginRefused { said: "no".to_owned() };
        let reasons = Reasons::parse(br#"{"status":"503"}"#);
        assert!(matches!(reasons.explain(refused()), Cause::TemporarilyRefused { .. }));
        for challenge in [b"".as_slice(), b"{\"status\":7}", b"\xff", b"no json"] {
            assert!(matches!(Reasons::parse(challenge).explain(refused()), Cause::LoginRefused { .. }));
        }
    }

    #[test]
    fn a_name_that_would_end_its_field_is_refused() {
        for name in ["anna\x01auth=Bearer other", "anna\r\n"] {
            for mechanism in [Mechanism::Oauthbearer, Mechanism::Xoauth2] {
                assert!(Exchange::new(mechanism, name, &secret("t"), Nonce::from_random([0; 18])).is_err());
            }
        }
    }
}
