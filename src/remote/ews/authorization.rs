//! Which login goes into the header `Authorization`: the one place that decides it.
//!
//! Basic and bearer logins are whole in one header. Those that take several steps, and belong to a connection (NTLM,
//! Negotiate), are not spoken here yet; a server that wants one of them is told so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::failure::Cause;
use crate::model::profile::Authentication;
use crate::model::secret::Secret;
use crate::model::server::{Destination, Login};
use crate::protocol::sasl::Channel;
use crate::remote::token;

/// A login that is good for every request of a session.
pub(super) struct Authorization {
    pub header: Secret<String>,
    pub scheme: Scheme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Basic,
    Bearer,
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Bearer => "Bearer",
        }
    }
}

/// Whether the server has to be asked what it offers before a login is chosen.
pub(super) fn asks_first(authentication: Authentication) -> bool {
    authentication == Authentication::Auto
}

/// Chooses a login. `offered`: the schemes of the server's `401`; `None`: it was not asked.
pub(super) fn choose(
    destination: &Destination,
    offered: Option<&[String]>,
    channel: Channel,
) -> Result<Authorization, Cause> {
    let (username, password) = match &destination.login {
        Login::Password { username, password } => (username, password),
        Login::Anonymous => {
            return Err(Cause::Unsupported { setting: "Exchange without a login".to_owned() });
        }
        Login::Oauth2 { .. } => return Err(token::not_asked_for()),
        Login::Host => {
            let setting = "credentials: { windowsIntegrated } with Exchange".to_owned();
            return Err(Cause::Unsupported { setting });
        }
    };
    let scheme = scheme(destination.endpoint.authentication, offered)?;
    if let Channel::Clear { allowed: false } = channel {
        return Err(Cause::PlaintextLogin);
    }
    let header = match scheme {
        Scheme::Basic => {
            let pair = Secret::new(format!("{username}:{}", password.expose()));
            Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())))
        }
        Scheme::Bearer => Secret::new(format!("Bearer {}", password.expose())),
    };
    Ok(Authorization { header, scheme })
}

fn scheme(wanted: Authentication, offered: Option<&[String]>) -> Result<Scheme, Cause> {
    let offers = |scheme: Scheme| {
        offered.is_none_or(|all| all.iter().any(|other| other.eq_ignore_ascii_case(scheme.name())))
    };
    let no_mechanism = |wanted: &str| {
        let offered = offered.unwrap_or_default().to_vec();
        Err(Cause::NoMechanism { wanted: wanted.to_owned(), offered })
    };
    match wanted {
        Authentication::Auto if offers(Scheme::Basic) => Ok(Scheme::Basic),
        Authentication::Auto => no_mechanism("Basic"),
        Authentication::Basic => Ok(Scheme::Basic),
        Authentication::Oauth | Authentication::Xoauth2 | Authentication::Oauthbearer => Ok(Scheme::Bearer),
        Authentication::Ntlm => Err(not_yet("ntlm")),
        Authentication::Negotiate | Authentication::Gssapi => Err(not_yet("negotiate")),
        Authentication::Plain
        | Authentication::Login
        | Authentication::CramMd5
        | Authentication::ScramSha1
        | Authentication::ScramSha256 => no_mechanism("a mechanism of mail servers"),
    }
}

fn not_yet(key: &str) -> Cause {
    Cause::Unsupported { setting: format!("authentication: {key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_what_both_sides_know_and_nothing_else() {
        let offered = |schemes: &[&str]| schemes.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let both = offered(&["Negotiate", "NTLM", "basic"]);
        assert_eq!(scheme(Authentication::Auto, Some(&both)), Ok(Scheme::Basic));
        let windows = offered(&["Negotiate", "NTLM"]);
        let error = scheme(Authentication::Auto, Some(&windows)).unwrap_err();
        assert!(error.to_string().contains("Negotiate, NTLM"), "{error}");
    }
}
