//! What a client says and signs to prove itself with a certificate (`private_key_jwt`: RFC 7521, RFC 7523; JWS: RFC 7515).
//!
//! The header names the certificate by `x5t#S256`, and the signature is PS256 (RFC 7518 section 3.5), as Microsoft Entra
//! documents it: <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>. Signing needs random
//! numbers, so it happens elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jiff::Timestamp;
use serde_json::json;

use crate::model::limits;

/// What the form says that the assertion is.
pub const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What is claimed.
#[derive(Debug)]
pub struct Claims<'a> {
    /// The token endpoint.
    pub audience: &'a str,
    pub client_id: &'a str,
    /// SHA-256 of the certificate.
    pub thumbprint: &'a [u8],
    /// Never the same twice.
    pub nonce: &'a [u8],
    pub now: Timestamp,
}

impl Claims<'_> {
    /// The text that is to be signed.
    pub fn signing_input(&self) -> String {
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": BASE64URL.encode(self.thumbprint) });
        let now = self.now.as_second();
        let claims = json!({
            "aud": self.audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": BASE64URL.encode(self.nonce),
            "nbf": now,
            "iat": now,
            "exp": now.saturating_add(limits::ASSERTION_LIFETIME_SECONDS),
        });
        let part = |value: &serde_json::Value| BASE64URL.encode(value.to_string());
        format!("{}.{}", part(&header), part(&claims))
    }
}

/// The assertion as it is sent.
pub fn signed(mut input: String, signature: &[u8]) -> String {
    input.push('.');
    input.push_str(&BASE64URL.encode(signature));
    input
}

/// A thumbprint out of its hexadecimal digits, in either case. `None`: they are not those of SHA-256.
pub fn thumbprint(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(part: &str) -> serde_json::Value {
        serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_says_who_to_whom_and_for_how_long() {
        let claims = Claims {
            audience: "https://login.example/t/oauth2/v2.0/token",
            client_id: "app",
            thumbprint: &[0xff; 32],
            nonce: &[7; 16],
            now: Timestamp::from_second(1_800_000_000).unwrap(),
        };
        let assertion = signed(claims.signing_input(), b"signature");
        let parts: Vec<&str> = assertion.split('.').collect();
        let [header, body, signature] = parts[..] else { panic!("{assertion}") };
        assert_eq!(read(header)["alg"], "PS256");
        assert_eq!(read(header)["x5t#S256"], BASE64URL.encode([0xff; 32]));
        let body = read(body);
        assert_eq!((&body["iss"], &body["sub"]), (&json!("app"), &json!("app")));
        assert_eq!(body["aud"], "https://login.example/t/oauth2/v2.0/token");
        assert_eq!(body["exp"].as_i64().unwrap() - body["nbf"].as_i64().unwrap(), 300);
        assert_eq!(BASE64URL.decode(signature).unwrap(), b"signature");
    }

    #[test]
    fn a_thumbprint_has_sixty_four_digits() {
        assert_eq!(thumbprint(&"aB".repeat(32)), Some([0xab; 32]));
        for wrong in ["", "ab", &"zz".repeat(32), &"ab".repeat(33), &"é".repeat(32)] {
            assert_eq!(thumbprint(wrong), None, "{wrong}");
        }
    }
}
