//! The same failures where the server is a web service: its profile has a URL, where others have `tls:` and a port, and names other
//! ways to log in.

use super::{Setting, said};
use crate::model::profile::{Credentials, ServerKind};

/// Whether a profile of this kind has URLs.
pub(super) fn is_web(kind: ServerKind) -> bool {
    match kind {
        ServerKind::Exchange | ServerKind::ExchangeOnline => true,
        ServerKind::Pop3Smtp | ServerKind::ImapSmtp => false,
    }
}

pub(super) fn tls_required(Setting { profile, .. }: Setting<'_>) -> (String, String) {
    said(
        format!(
            "the URL in profile `{profile}` begins with `http://`, so mail and password would be readable on the way"
        ),
        format!(
            "write `https://` under `location` in profile `{profile}`; the host file could allow `http://` with `allowNonTlsEmail`"
        ),
    )
}

pub(super) fn plaintext(Setting { profile, .. }: Setting<'_>) -> (String, String) {
    said(
        "the password would be readable on the way",
        format!(
            "write `https://` under `location` in profile `{profile}`, or `authentication: negotiate` or `ntlm`, which do not send \
             the password"
        ),
    )
}

pub(super) fn not_tls(Setting { host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("port {port} of `{host}` does not begin with TLS"),
        "look whether that is the port of https, and whether a proxy stands in between",
    )
}

fn no_windows(offered: &[String], Setting { profile, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("the server takes no Windows logins, only {}", offered.join(", ")),
        format!(
            "switch Windows authentication on at the server (`Set-WebServicesVirtualDirectory -WindowsAuthentication $true`), or declare \
             other credentials than `windowsIntegrated` in profile `{profile}`: the host's identity is never shown in any other way"
        ),
    )
}

/// `wanted`: what was declared, or everything that can be done with these credentials. `offered`: what the server names.
pub(super) fn no_mechanism(wanted: &str, offered: &[String], setting: Setting<'_>) -> (String, String) {
    let Setting { profile, credentials, kind, host, .. } = setting;
    if kind == ServerKind::ExchangeOnline {
        return said(
            "what answers takes no access tokens, so it is not Exchange Online",
            "look for a proxy or a login page between this machine and the service: nothing in the profile is wrong",
        );
    }
    if offered.is_empty() {
        return said(
            format!("`{host}` refuses the login and names no way to log in"),
            format!(
                "look whether the URL in profile `{profile}` is that of Exchange Web Services and not of a gateway in front of it, \
                 and which ways are switched on there (`Get-WebServicesVirtualDirectory | fl *Authentication*`)"
            ),
        );
    }
    let takes = |scheme: &str| offered.iter().any(|it| it.eq_ignore_ascii_case(scheme));
    let passwords = ["Negotiate", "NTLM", "Basic"];
    if let Credentials::Oauth2 { .. } = credentials {
        return said(
            "the server takes no access tokens",
            format!(
                "declare other credentials than `oauth2` in profile `{profile}`, or switch tokens on at the server \
                 (`Set-WebServicesVirtualDirectory -OAuthAuthentication $true`)"
            ),
        );
    }
    if matches!(credentials, Credentials::WindowsIntegrated { .. }) && !takes("Negotiate") && !takes("NTLM") {
        return no_windows(offered, setting);
    }
    if !passwords.iter().any(|scheme| takes(scheme)) {
        let only = offered.join(", ");
        return said(
            format!("the server takes no user names and passwords, only {only}"),
            match takes("Bearer") {
                true => format!(
                    "declare `credentials: {{ oauth2: … }}` in profile `{profile}`, or switch Windows authentication on at the \
                     server (`Set-WebServicesVirtualDirectory -WindowsAuthentication $true`)"
                ),
                false => "switch Windows authentication on at the server (`Set-WebServicesVirtualDirectory -WindowsAuthentication \
                          $true`)"
                    .to_owned(),
            },
        );
    }
    match wanted.contains(',') {
        false => said(
            "both sides know no common way to log in",
            format!("set `authentication: auto` in profile `{profile}`, or switch {wanted} on at the server"),
        ),
        true => said(
            "both sides know no common way to log in",
            format!("have one of {wanted} switched on at the server; it offers {}", offered.join(", ")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NamedBy, SoFar, classify};
    use super::*;
    use crate::model::failure::{Cause, Failure, RemoteError, TestStep};
    use crate::model::name::Name;

    fn failure(kind: ServerKind, cause: Cause) -> Failure {
        failure_with(&Credentials::Mailbox, kind, cause)
    }

    fn failure_with(credentials: &Credentials, kind: ServerKind, cause: Cause) -> Failure {
        let name = Name::parse("hq").unwrap();
        let setting = Setting {
            mailbox: &name,
            profile: &name,
            credentials,
            secret: None,
            origin: None,
            kind,
            host: "h",
            port: 443,
            named_by: NamedBy::Profile,
            so_far: SoFar::NeverWorked,
        };
        classify(RemoteError::new(TestStep::Authenticate, cause), setting)
    }

    fn no_mechanism(kind: ServerKind, wanted: &str, offered: &[&str]) -> String {
        let offered = offered.iter().map(|&it| it.to_owned()).collect();
        failure(kind, Cause::NoMechanism { wanted: wanted.to_owned(), offered }).remedy
    }

    #[test]
    fn a_remedy_names_what_the_profile_has() {
        let auto = "Negotiate, NTLM, Basic";
        let by = |wanted, offered: &[&str]| no_mechanism(ServerKind::Exchange, wanted, offered);
        assert!(by(auto, &["Bearer"]).contains("oauth2"));
        assert!(by(auto, &[]).contains("Get-WebServicesVirtualDirectory"));
        assert!(by("NTLM", &["Negotiate"]).contains("authentication: auto"));
        assert!(!by(auto, &["Digest"]).contains("oauth2"));
        for offered in [&[][..], &["Bearer"], &["Digest"]] {
            assert!(!by(auto, offered).contains("authentication: auto"), "{offered:?}");
        }
        assert!(
            !no_mechanism(ServerKind::ExchangeOnline, "Bearer", &["Negotiate"]).contains("authentication:")
        );
        assert!(no_mechanism(ServerKind::ImapSmtp, "PLAIN", &[]).contains("authentication: auto"));
        for cause in [Cause::TlsRequired, Cause::PlaintextLogin] {
            let remedy = failure(ServerKind::Exchange, cause.clone()).remedy;
            assert!(remedy.contains("https://") && !remedy.contains("`tls"), "{remedy}");
            assert!(failure(ServerKind::ImapSmtp, cause).remedy.contains("`tls:`"));
        }
    }

    #[test]
    fn who_gives_no_token_is_told_apart_by_what_the_profile_has() {
        let refused = |said: &str| Cause::TokenRefused { provider: "p".to_owned(), said: said.to_owned() };
        let invalid_scope =
            "HTTP 400, invalid_scope: AADSTS70011: The provided value for scope is not valid.";
        for said in [invalid_scope, "AADSTS999999: something new", "AADSTS90002: no such tenant"] {
            let online = failure(ServerKind::ExchangeOnline, refused(said)).remedy;
            assert!(!online.contains("`scope`") && !online.contains("`tokenUrl`"), "{online}");
            let imap = failure(ServerKind::ImapSmtp, refused(said)).remedy;
            assert!(["`cloud`", "`tenant`", "`transport`"].iter().all(|key| !imap.contains(key)), "{imap}");
        }
        let busy = Cause::TemporarilyRefused { said: "HTTP 503".to_owned() };
        let unavailable = Cause::TokenUnavailable { provider: "p".to_owned(), cause: Box::new(busy) };
        let failure = failure(ServerKind::ExchangeOnline, unavailable);
        assert!(failure.remedy.starts_with("nothing to do"), "{}", failure.remedy);
    }
}
