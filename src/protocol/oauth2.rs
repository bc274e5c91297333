//! OAuth 2.0 client credentials (RFC 6749 section 4.4): what is posted to the token endpoint, and what its answer means.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::model::secret::Secret;
use crate::model::server::TokenClient;
use crate::protocol::assertion;

/// How the client proves itself (RFC 6749 section 2.3.1). Providers are free to register a client for one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientProof {
    /// `client_id` and `client_secret` in the form.
    Form,
    /// HTTP Basic.
    Basic,
    /// A signed assertion in the form (RFC 7523 section 2.2), which stands for the secret.
    Assertion,
}

/// What is posted, as `application/x-www-form-urlencoded`.
pub struct TokenRequest {
    pub form: Secret<String>,
    /// The header `Authorization`.
    pub authorization: Option<Secret<String>>,
}

impl TokenRequest {
    /// `secret`: the client's, or the assertion that it signed.
    pub fn new(client: &TokenClient, proof: ClientProof, secret: &Secret<String>) -> Self {
        let mut form = String::from("grant_type=client_credentials");
        if !client.scope.is_empty() {
            let _ = write!(form, "&scope={}", encoded(&client.scope));
        }
        let (id, secret) = (encoded(&client.id), Secret::new(encoded(secret.expose())));
        let authorization = match proof {
            ClientProof::Assertion => {
                let kind = encoded(assertion::KIND);
                let _ = write!(
                    form,
                    "&client_id={id}&client_assertion_type={kind}&client_assertion={}",
                    secret.expose()
                );
                None
            }
            ClientProof::Form => {
                let _ = write!(form, "&client_id={id}&client_secret={}", secret.expose());
                None
            }
            ClientProof::Basic => {
                let pair = Secret::new(format!("{id}:{}", secret.expose()));
                Some(Secret::new(format!("Basic {}", BASE64.encode(pair.expose()))))
            }
        };
        Self { form: Secret::new(form), authorization }
    }
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B).
pub fn encoded(text: &str) -> String {
    let mut form = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => form.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-._~*".contains(&byte) => form.push(char::from(byte)),
            byte => {
                let _ = write!(form, "%{byte:02X}");
            }
        }
    }
    form
}

/// An access token, and how long it may be used from now.
#[derive(Debug)]
pub struct Grant {
    pub token: Secret<String>,
    pub lifetime: Duration,
}

/// Why there is no token.
#[derive(Debug, PartialEq, Eq)]
pub enum Denial {
    /// `invalid_client`: perhaps the provider wants the other [`ClientProof`].
    Client {
        said: String,
    },
    Refused {
        said: String,
    },
    /// The provider cannot at present, or its answer is none.
    Unusable(Cause),
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

/// RFC 6749 says a number; some providers send it as text.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct Seconds(u64);

impl TryFrom<serde_json::Value> for Seconds {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        let text = value.as_str().and_then(|text| text.trim().parse().ok());
        let seconds = value.as_u64().or(text);
        seconds.map(Self).ok_or("`expires_in` is not a number of seconds")
    }
}

#[derive(Deserialize)]
struct Problem {
    error: String,
    error_description: Option<String>,
}

/// Reads the token endpoint's answer (RFC 6749 sections 5.1 and 5.2).
pub fn parse(status: u16, body: &[u8]) -> Result<Grant, Denial> {
    match status {
        200 => granted(body).map_err(|detail| Denial::Unusable(Cause::Garbage { detail })),
        400..=499 => Err(denied(status, body)),
        // Followed, it would take the client's secret to somebody else.
        300..=399 => Err(Denial::Unusable(Cause::WrongProtocol {
            protocol: "OAuth 2.0".to_owned(),
            said: format!("HTTP {status}, a redirect, which is not followed"),
        })),
        _ => Err(Denial::Unusable(Cause::TemporarilyRefused { said: words(status, body) })),
    }
}

/// The error never quotes the body: it may hold the token.
fn granted(body: &[u8]) -> Result<Grant, String> {
    let answer: Granted = serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        format!("HTTP 200, and not the JSON object with `access_token` of RFC 6749 ({place})")
    })?;
    let token = Secret::new(answer.access_token);
    if let Some(other) = answer.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(format!("its token is of the type `{}`, not `Bearer`", server_words(&other)));
    }
    let length = token.expose().len();
    if length == 0 || length > limits::TOKEN_BYTES_MAX {
        return Err(format!("its token has {length} bytes; 1 to {} are allowed", limits::TOKEN_BYTES_MAX));
    }
    // A control character would end the token within the login (RFC 7628 section 3.1).
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its token holds other characters than RFC 6750 allows".to_owned());
    }
    let told = answer.expires_in.map(|Seconds(seconds)| Duration::from_secs(seconds));
    Ok(Grant { token, lifetime: usable(told.unwrap_or(limits::TOKEN_LIFETIME_DEFAULT)) })
}

/// The life of a token without its margin.
fn usable(lifetime: Duration) -> Duration {
    let margin = limits::TOKEN_EXPIRY_MARGIN.min(lifetime / 2);
    (lifetime - margin).min(limits::TOKEN_LIFETIME_MAX)
}

fn denied(status: u16, body: &[u8]) -> Denial {
    let said = words(status, body);
    let code =
        serde_json::from_slice::<Problem>(body).map_or_else(|_| String::new(), |problem| problem.error);
    match (status, code.as_str()) {
        (408 | 425 | 429, _) | (_, "temporarily_unavailable" | "server_error") => {
            Denial::Unusable(Cause::TemporarilyRefused { said })
        }
        // Nothing that gives tokens is there.
        (404 | 405 | 410, "") => {
            Denial::Unusable(Cause::WrongProtocol { protocol: "OAuth 2.0".to_owned(), said })
        }
        (_, "invalid_client") => Denial::Client { said },
        (_, _) => Denial::Refused { said },
    }
}

/// `HTTP 401, invalid_client: client authentication failed`
fn words(status: u16, body: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { error, error_description: None }) => server_words(&format!("HTTP {status}, {error}")),
        Ok(Problem { error, error_description: Some(more) }) => {
            server_words(&format!("HTTP {status}, {error}: {more}"))
        }
        Err(_) => format!("HTTP {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::server::TokenProof;

    fn secret() -> Secret<String> {
        Secret::new("p&w=ü".to_owned())
    }

    fn client() -> TokenClient {
        TokenClient {
            url: "https://login.example/token".to_owned(),
            trust: None,
            id: "mail sync".to_owned(),
            proof: TokenProof::Secret(secret()),
            scope: "https://outlook.office365.com/.default".to_owned(),
        }
    }

    #[test]
    fn the_form_is_encoded_so_that_a_secret_cannot_add_fields() {
        let request = TokenRequest::new(&client(), ClientProof::Form, &secret());
        assert_eq!(
            request.form.expose(),
            "grant_type=client_credentials&scope=https%3A%2F%2Foutlook.office365.com%2F.default\
             &client_id=mail+sync&client_secret=p%26w%3D%C3%BC"
        );
        assert!(request.authorization.is_none());
    }

    #[test]
    fn with_basic_the_secret_is_in_the_header_and_encoded_twice() {
        let request = TokenRequest::new(&client(), ClientProof::Basic, &secret());
        assert!(!request.form.expose().contains("client_secret"));
        let expected = format!("Basic {}", BASE64.encode("mail+sync:p%26w%3D%C3%BC"));
        assert_eq!(request.authorization.unwrap().expose(), &expected);
    }

    #[test]
    fn a_token_is_given_up_before_it_expires() {
        let lifetime = |expires: &str| {
            let body = format!(r#"{{"access_token":"t0k.en","token_type":"bearer"{expires}}}"#);
            parse(200, body.as_bytes()).unwrap().lifetime.as_secs()
        };
        assert_eq!(lifetime(r#","expires_in":3600"#), 3540);
        assert_eq!(lifetime(r#","expires_in":"3600""#), 3540);
        assert_eq!(lifetime(r#","expires_in":10"#), 5);
        assert_eq!(lifetime(r#","expires_in":0"#), 0);
        assert_eq!(lifetime(""), 240);
        assert_eq!(lifetime(r#","expires_in":18446744073709551615"#), 86_400);
    }

    #[test]
    fn an_answer_that_is_no_grant_is_garbage_and_not_quoted() {
        for body in [
            "",
            "<html>hunter2</html>",
            r#"{"access_token":7}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"hunter2\u0001x"}"#,
            r#"{"access_token":"hunter2 hunter2"}"#,
            r#"{"access_token":"hunter2","token_type":"mac"}"#,
            r#"{"access_token":"hunter2","expires_in":[]}"#,
            r#"{"access_token":"hunter2","expires_in":-1}"#,
        ] {
            let Err(Denial::Unusable(cause @ Cause::Garbage { .. })) = parse(200, body.as_bytes()) else {
                panic!("{body}")
            };
            assert!(!cause.to_string().contains("hunter2"), "{cause}");
        }
        let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(limits::TOKEN_BYTES_MAX + 1));
        assert!(parse(200, long.as_bytes()).is_err());
    }

    #[test]
    fn refusals_and_troubles_are_told_apart() {
        let refused = parse(400, br#"{"error":"invalid_scope","error_description":"not\ngranted"}"#);
        let said = "HTTP 400, invalid_scope: not granted".to_owned();
        assert_eq!(refused.err(), Some(Denial::Refused { said }));
        let client = parse(401, br#"{"error":"invalid_client"}"#);
        assert_eq!(client.err(), Some(Denial::Client { said: "HTTP 401, invalid_client".to_owned() }));
        for nothing_there in [404, 405, 410] {
            let denial = parse(nothing_there, b"<html>not found</html>").err();
            let is_wrong_place = matches!(&denial, Some(Denial::Unusable(Cause::WrongProtocol { .. })));
            assert!(is_wrong_place, "{denial:?}");
        }
        assert!(matches!(parse(404, br#"{"error":"invalid_tenant"}"#).err(), Some(Denial::Refused { .. })));
        assert_eq!(parse(403, b"no").err(), Some(Denial::Refused { said: "HTTP 403".to_owned() }));
        for (status, body) in [(503, ""), (429, "{}"), (400, r#"{"error":"temporarily_unavailable"}"#)] {
            let denial = parse(status, body.as_bytes()).err();
            let waits = matches!(&denial, Some(Denial::Unusable(Cause::TemporarilyRefused { .. })));
            assert!(waits, "{status}: {denial:?}");
        }
        let elsewhere = parse(302, b"").err();
        assert!(matches!(elsewhere, Some(Denial::Unusable(Cause::WrongProtocol { .. }))), "{elsewhere:?}");
    }
}
